//! Pooling, both ways: a few pixels of the result at a time, channels side by side, the program behind them.

use super::product::ProductUnit;
use super::simd::Simd;
use super::tile::{RunContext, Scratch, Stretch, TILE, TileProgram};
use crate::graph::op::Pooling;
use crate::plan::layout::{GRAIN, Layout, PANEL};
use crate::plan::{BufferId, ConvolutionWork, Images, Pooled, PoolingWork};

/// Pixels of a unit.
const UNIT_ROWS: usize = 256;

/// Cuts the result into units; each is told with its operations.
pub fn units(work: &PoolingWork, mut push: impl FnMut(ProductUnit, u64)) {
    let pixels = work.to.count * work.to.height * work.to.width;
    for panel in 0..work.to.channels.div_ceil(PANEL) {
        for first in (0..pixels).step_by(UNIT_ROWS) {
            let last = (first + UNIT_ROWS).min(pixels);
            let cost = (last - first) * PANEL * work.size[0] * work.size[1];
            push(ProductUnit { panel, first, last }, cost as u64);
        }
    }
}

/// A panel of images in memory.
#[derive(Clone, Copy)]
struct View {
    /// The panel's first pixel.
    memory: *mut f32,
    /// Numbers of a pixel in the panel, rounding included.
    width: usize,
}

impl View {
    fn new(images: Images, panel: usize, context: &RunContext<'_>) -> View {
        let layout = images.layout();
        // A single channel lies as a row.
        let (start, width) = match images.channels {
            1 => (0, 1),
            _ => (layout.panel_start(panel), layout.width(panel)),
        };
        let memory: *mut f32 = context.buffers[images.buffer.index()];
        View { memory: memory.wrapping_add(start), width }
    }

    /// A pixel, counted through all images.
    #[inline(always)]
    fn at(&self, pixel: usize) -> *mut f32 {
        self.memory.wrapping_add(pixel * self.width)
    }
}

/// One axis of the windows.
#[derive(Clone, Copy)]
struct Axis {
    stride: usize,
    before: usize,
    size: usize,
    /// Windows, and pixels, of an image.
    windows: usize,
    pixels: usize,
}

impl Axis {
    /// Taps of a window that lie in the image: the first, and one past the last.
    #[inline(always)]
    fn taps(&self, window: usize) -> (usize, usize) {
        let start = window * self.stride;
        let first = self.before.saturating_sub(start).min(self.size);
        (first, (self.pixels + self.before).saturating_sub(start).min(self.size).max(first))
    }

    /// Windows that hold a pixel: the first, and one past the last.
    #[inline(always)]
    fn windows_of(&self, pixel: usize) -> (usize, usize) {
        let reach = pixel + self.before;
        let first = (reach + 1).saturating_sub(self.size).div_ceil(self.stride);
        (first.min(self.windows), (reach / self.stride + 1).min(self.windows))
    }
}

/// What windows are read from, and what goes with them.
struct Views {
    from: View,
    positions: Option<View>,
    marks: Option<View>,
    axes: [Axis; 2],
}

/// Does one unit.
///
/// # Safety
/// The machine has the level; the context is that of a bound and verified plan; nobody else touches what the unit writes.
#[inline(always)]
pub unsafe fn run<S: Simd>(
    work: &PoolingWork,
    unit: ProductUnit,
    program: &TileProgram,
    domain: Layout,
    context: &RunContext<'_>,
    scratch: &Scratch,
) {
    let like = |buffer: BufferId, images: Images| View::new(Images { buffer, ..images }, unit.panel, context);
    let (small, large) = (work.small(), work.large());
    let axis = |number: usize, windows: usize, pixels: usize| Axis {
        stride: work.windows.stride[number],
        before: work.windows.before[number],
        size: work.size[number],
        windows,
        pixels,
    };
    let views = Views {
        from: View::new(work.from, unit.panel, context),
        positions: work.positions.map(|buffer| like(buffer, small)),
        marks: work.marks.map(|buffer| like(buffer, work.to)),
        axes: [axis(0, small.height, large.height), axis(1, small.width, large.width)],
    };
    let single = work.to.channels == 1;
    // SAFETY: pixels and windows are the images' own.
    unsafe {
        program.prepare::<S>(context, scratch);
        let to = (unit.first..unit.last, 0, unit.panel);
        pixels::<S>((work.pooling, work.to.width, single), &views, to, (program, domain), context, scratch);
    }
}

/// Picks the largest pixels of whole lines of windows from the sums of a convolution's unit, and runs the program on them.
///
/// # Safety
/// As for [`run`]; the unit's sums lie in rows of a width, and the program is prepared.
#[inline(always)]
pub unsafe fn pool_sums<S: Simd>(
    work: &ConvolutionWork,
    pooled: Pooled,
    (sums, width): (*mut f32, usize),
    unit: &ProductUnit,
    (program, domain): (&TileProgram, Layout),
    context: &RunContext<'_>,
    scratch: &Scratch,
) {
    let [high, wide] = pooled.size;
    let lines = (unit.last - unit.first) / work.together();
    let across = work.result[1] / wide;
    let axis =
        |size: usize, windows: usize| Axis { stride: size, before: 0, size, windows, pixels: windows * size };
    let marks = pooled.marks.map(|marks| {
        let memory: *mut f32 = context.buffers[marks.index()];
        View { memory: memory.wrapping_add(domain.panel_start(unit.panel)), width }
    });
    let views = Views {
        from: View { memory: sums, width },
        positions: None,
        marks,
        axes: [axis(high, lines), axis(wide, across)],
    };
    let to = (0..lines * across, work.row(unit.first), unit.panel);
    // SAFETY: the windows are those of the sums.
    unsafe { pixels::<S>((Pooling::Pick, across, false), &views, to, (program, domain), context, scratch) };
}

/// Some pixels of the result, each from its window or the windows that it lies in; those in memory have so many in front of them.
#[inline(always)]
unsafe fn pixels<S: Simd>(
    (pooling, across, single): (Pooling, usize, bool),
    &Views { from, positions, marks, ref axes }: &Views,
    (pixels, before, panel): (std::ops::Range<usize>, usize, usize),
    (program, domain): (&TileProgram, Layout),
    context: &RunContext<'_>,
    scratch: &Scratch,
) {
    let side_by_side = axes.iter().all(|axis| axis.stride == axis.size && axis.before == 0);
    let width = if single { 1 } else { domain.width(panel) };
    let height = (TILE / width).min(TILE);
    let mut first = pixels.start;
    while first < pixels.end {
        let rows = height.min(pixels.end - first);
        let mut row = 0;
        // SAFETY: register 0 holds a stretch; the rest is the caller's.
        unsafe {
            // Line by line: what a line's windows have in common is found once.
            while row < rows {
                let (line, x) = ((first + row) / across, (first + row) % across);
                let count = (across - x).min(rows - row);
                let out = scratch.registers.add(row * width);
                if let (Pooling::Put, Some(positions), true, false) =
                    (pooling, positions, side_by_side, single)
                {
                    put::<S>((from, positions), axes, (line, x, count), width, out);
                } else if pooling.upward() {
                    spread::<S>(pooling, (from, positions), axes, (line, x, count), width, out);
                } else {
                    let mark = marks.map(|marks| marks.at(before + first + row));
                    gather::<S>(pooling, (from, positions), axes, (line, x, count), width, (out, mark));
                }
                row += count;
            }
            let row = before + first;
            if single {
                program.run::<S>(&Stretch::run(domain, row, rows), context, scratch);
            } else {
                let column = panel * PANEL;
                program.run::<S>(&Stretch { row, rows, column, width, domain }, context, scratch);
            }
        }
        first += rows;
    }
}

/// Reads LANES numbers, or one.
#[inline(always)]
unsafe fn load<S: Simd>(from: *const f32, width: usize) -> S::V {
    // SAFETY: by the caller.
    unsafe { if width == 1 { S::splat(*from) } else { S::load(from) } }
}

/// Writes LANES numbers, or one.
#[inline(always)]
unsafe fn store<S: Simd>(to: *mut f32, value: S::V, width: usize) {
    // SAFETY: by the caller.
    unsafe {
        if width == 1 {
            let mut lanes = [0.0f32; GRAIN];
            S::store(lanes.as_mut_ptr(), value);
            *to = lanes[0];
        } else {
            S::store(to, value);
        }
    }
}

/// Pixels `x..x + count` of a line of the result from their windows.
#[inline(always)]
unsafe fn gather<S: Simd>(
    pooling: Pooling,
    (from, positions): (View, Option<View>),
    [high, wide]: &[Axis; 2],
    (line, x, count): (usize, usize, usize),
    width: usize,
    (out, mark): (*mut f32, Option<*mut f32>),
) {
    let (image, y) = (line / high.windows, line % high.windows);
    let (k_first, k_last) = high.taps(y);
    // A window's first pixel, beyond the image though it may lie.
    let top = (image * high.pixels + y * high.stride) as isize - high.before as isize;
    let start = top * wide.pixels as isize - wide.before as isize;
    for number in 0..count {
        let x = x + number;
        let (l_first, l_last) = wide.taps(x);
        let corner = from.memory.wrapping_offset((start + (x * wide.stride) as isize) * from.width as isize);
        let window = Window { corner, k: (k_first, k_last), l: (l_first, l_last), row: wide.pixels };
        let named = positions.map(|positions| positions.at(line * wide.windows + x));
        let at = number * width;
        // SAFETY: the taps lie in the image.
        unsafe {
            for lane in (0..width).step_by(S::LANES) {
                let mark = mark.map(|mark| mark.add(at + lane));
                let named = named.map(|named| load::<S>(named.add(lane), width));
                let value = match (pooling, named) {
                    (Pooling::Sum, _) => window.sum::<S>(from.width, lane, width),
                    (Pooling::Pick, Some(named)) => {
                        window.named::<S>(named, wide.size, from.width, lane, width)
                    }
                    _ => {
                        let (value, number) = match window {
                            // The commonest windows, their loops unrolled.
                            Window { k: (0, 2), l: (0, 2), .. } if width > 1 => {
                                let window = Window { k: (0, 2), l: (0, 2), ..window };
                                window.largest::<S>(wide.size, from.width, lane, GRAIN)
                            }
                            _ => window.largest::<S>(wide.size, from.width, lane, width),
                        };
                        if let Some(mark) = mark {
                            store::<S>(mark, number, width);
                        }
                        if pooling == Pooling::Positions { number } else { value }
                    }
                };
                store::<S>(out.add(at + lane), value, width);
            }
        }
    }
}

/// A window's pixels.
#[derive(Clone, Copy)]
struct Window {
    /// Its first pixel, whether it lies in the image or not.
    corner: *mut f32,
    /// First tap in the image, and one past the last, downwards.
    k: (usize, usize),
    /// The same across.
    l: (usize, usize),
    /// Pixels from row to row.
    row: usize,
}

impl Window {
    #[inline(always)]
    unsafe fn pixel<S: Simd>(&self, (k, l): (usize, usize), step: usize, lane: usize, width: usize) -> S::V {
        // SAFETY: by the caller, the tap lies in the image.
        unsafe { load::<S>(self.corner.wrapping_add((k * self.row + l) * step + lane), width) }
    }

    #[inline(always)]
    unsafe fn sum<S: Simd>(&self, step: usize, lane: usize, width: usize) -> S::V {
        // SAFETY: taps between first and last lie in the image.
        unsafe {
            let mut sum = S::splat(0.0);
            for k in self.k.0..self.k.1 {
                for l in self.l.0..self.l.1 {
                    sum = S::add(sum, self.pixel::<S>((k, l), step, lane, width));
                }
            }
            sum
        }
    }

    /// The pixels that a number for each lane names.
    #[inline(always)]
    unsafe fn named<S: Simd>(
        &self,
        named: S::V,
        size: usize,
        step: usize,
        lane: usize,
        width: usize,
    ) -> S::V {
        // SAFETY: as for `sum`.
        unsafe {
            let mut value = S::splat(0.0);
            for k in self.k.0..self.k.1 {
                for l in self.l.0..self.l.1 {
                    let own = S::eq(named, S::splat((k * size + l) as f32));
                    value = S::select(own, self.pixel::<S>((k, l), step, lane, width), value);
                }
            }
            value
        }
    }

    /// The largest pixels and their numbers; what is not a number is larger than all.
    #[inline(always)]
    unsafe fn largest<S: Simd>(&self, size: usize, step: usize, lane: usize, width: usize) -> (S::V, S::V) {
        // SAFETY: as for `sum`.
        unsafe {
            let zero = S::splat(0.0);
            if self.k.0 >= self.k.1 || self.l.0 >= self.l.1 {
                return (zero, zero);
            }
            let one = S::splat(1.0);
            let mut value = self.pixel::<S>((self.k.0, self.l.0), step, lane, width);
            let mut number = S::splat((self.k.0 * size + self.l.0) as f32);
            let mut first = self.l.0 + 1;
            for k in self.k.0..self.k.1 {
                for l in first..self.l.1 {
                    let found = self.pixel::<S>((k, l), step, lane, width);
                    // Larger, or the first that is not a number.
                    let lost = S::select(S::eq(value, value), one, zero);
                    let lost = S::select(S::eq(found, found), zero, lost);
                    let larger = S::gt(S::select(S::gt(found, value), one, lost), zero);
                    value = S::select(larger, found, value);
                    number = S::select(larger, S::splat((k * size + l) as f32), number);
                }
                first = self.l.0;
            }
            (value, number)
        }
    }
}

/// Pixels `x..x + count` of a line of the result from windows side by side: there is one for each, or none.
#[inline(always)]
unsafe fn put<S: Simd>(
    (from, positions): (View, View),
    [high, wide]: &[Axis; 2],
    (line, x, count): (usize, usize, usize),
    width: usize,
    out: *mut f32,
) {
    let (image, y) = (line / high.pixels, line % high.pixels);
    let (window, k) = (y / high.size, y % high.size);
    let (mut place, mut l) = (x / wide.size, x % wide.size);
    let start = (image * high.windows + window) * wide.windows;
    // SAFETY: windows before the last of line and column are the image's.
    unsafe {
        for number in 0..count {
            let out = out.add(number * width);
            if window < high.windows && place < wide.windows {
                let own = S::splat((k * wide.size + l) as f32);
                let (from, positions) = (from.at(start + place), positions.at(start + place));
                for lane in (0..width).step_by(S::LANES) {
                    let named = S::eq(S::load(positions.add(lane)), own);
                    S::store(out.add(lane), S::select(named, S::load(from.add(lane)), S::splat(0.0)));
                }
            } else {
                for lane in (0..width).step_by(S::LANES) {
                    S::store(out.add(lane), S::splat(0.0));
                }
            }
            l += 1;
            if l == wide.size {
                (place, l) = (place + 1, 0);
            }
        }
    }
}

/// Pixels `x..x + count` of a line of the result from the windows that they lie in.
#[inline(always)]
unsafe fn spread<S: Simd>(
    pooling: Pooling,
    (from, positions): (View, Option<View>),
    [high, wide]: &[Axis; 2],
    (line, x, count): (usize, usize, usize),
    width: usize,
    out: *mut f32,
) {
    let (image, y) = (line / high.pixels, line % high.pixels);
    let (y_first, y_last) = high.windows_of(y);
    for number in 0..count {
        let x = x + number;
        let (x_first, x_last) = wide.windows_of(x);
        // SAFETY: the windows are the image's.
        unsafe {
            for lane in (0..width).step_by(S::LANES) {
                let zero = S::splat(0.0);
                let mut sum = zero;
                for window in y_first..y_last {
                    let k = y + high.before - window * high.stride;
                    for place in x_first..x_last {
                        let at = (image * high.windows + window) * wide.windows + place;
                        let mut found = load::<S>(from.at(at).add(lane), width);
                        if let (Pooling::Put, Some(positions)) = (pooling, positions) {
                            let l = x + wide.before - place * wide.stride;
                            let own = S::splat((k * wide.size + l) as f32);
                            let named = load::<S>(positions.at(at).add(lane), width);
                            found = S::select(S::eq(named, own), found, zero);
                        }
                        sum = S::add(sum, found);
                    }
                }
                store::<S>(out.add(number * width + lane), sum, width);
            }
        }
    }
}

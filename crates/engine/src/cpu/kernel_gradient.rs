//! The gradient of a convolution by its kernel: all windows times all gradients, in parts that are added up afterwards.
//!
//! A part is some rows of the result of some images, the same however many threads there are; within it sums run over blocks of about
//! [`BLOCK`] places, added up in ascending order.

use super::bounded::Bounded;
use super::kernel_gradient_listed::Way;
use super::listed::{BYTE, BandMarks};
use super::pixels::Pixels;
use super::product_tile::TileKernels;
use super::simd::Simd;
use super::tile::{RunContext, Scratch, Stretch};
use super::window::{Geometry, room};
use super::window_tile::{WindowSegment, WindowTask, sum_rows};
use crate::plan::layout::{GRAIN, Layout, PANEL};
use crate::plan::{BufferId, Images, KernelGradientWork};

/// Places of a block: the first cache holds their gradients besides everything else.
const BLOCK: usize = 96;
/// Lines of a block at most.
const SEGMENTS: usize = 64;

/// A kernel's gradient with its places found.
#[derive(Clone, Debug)]
pub struct KernelGradient {
    /// What is done.
    pub work: KernelGradientWork,
    /// Which pixels meet.
    pub geometry: Geometry,
    /// Offsets in a band of the kernel's elements, row by row of its matrix.
    pub(super) rows: Vec<isize>,
    /// Those that follow each other in a band, at most eight.
    pub(super) groups: Vec<ElementRun>,
    /// The same, however many.
    pub(super) runs: Vec<ElementRun>,
    /// Where the sums of each channel of a panel begin, when they are summed by gradients.
    pub(super) lines: Vec<usize>,
    /// The rows' numbers, times the width of a panel: where the sums of each row go, for widths of 16, 32, 48 and 64.
    places: [Vec<usize>; PANEL / GRAIN],
}

/// Elements of a kernel that follow each other in a band.
#[derive(Clone, Copy, Debug)]
pub struct ElementRun {
    /// The first, a row of the kernel's matrix.
    pub first: usize,
    /// How many.
    pub count: usize,
    /// Where they stand in a line of all of them, each run in whole vectors.
    pub column: usize,
}

impl KernelGradient {
    /// Finds which elements meet.
    pub fn new(work: &KernelGradientWork) -> KernelGradient {
        let result = [work.gradient.height, work.gradient.width];
        let geometry = Geometry::new(&work.windows, false, work.images, work.taps, result);
        let channels = work.images.channels;
        let mut rows = Vec::new();
        for (k, l) in (0..work.taps[0]).flat_map(|k| (0..work.taps[1]).map(move |l| (k, l))) {
            let [down, across] = work.windows.dilation;
            let start = (k * down * geometry.width + l * across) * channels;
            rows.extend((start..start + channels).map(|offset| offset as isize));
        }
        let places =
            std::array::from_fn(|width| (0..rows.len()).map(|row| row * (width + 1) * GRAIN).collect());
        let (mut groups, mut runs): (Vec<ElementRun>, Vec<ElementRun>) = (Vec::new(), Vec::new());
        for row in 0..rows.len() {
            let follows = row > 0 && rows[row] == rows[row - 1] + 1;
            for (list, most) in [(&mut groups, BYTE), (&mut runs, usize::MAX)] {
                match list.last_mut() {
                    Some(run) if follows && run.count < most => run.count += 1,
                    last => {
                        let column = last.map_or(0, |run| run.column + run.count.next_multiple_of(GRAIN));
                        list.push(ElementRun { first: row, count: 1, column });
                    }
                }
            }
        }
        let across = runs.last().map_or(0, |run| run.column + run.count.next_multiple_of(GRAIN));
        let lines = (0..PANEL).map(|channel| channel * across).collect();
        KernelGradient { work: work.clone(), geometry, rows, groups, runs, lines, places }
    }

    /// Lines, rows of the result of all images.
    fn lines(&self) -> usize {
        self.work.gradient.count * self.work.gradient.height
    }

    /// Lines that are gathered at once.
    fn block(&self) -> usize {
        (BLOCK / self.work.gradient.width).clamp(1, SEGMENTS)
    }

    /// Blocks that a line is cut into, if it is longer than one.
    fn pieces(&self) -> usize {
        self.work.gradient.width.div_ceil(BLOCK)
    }

    /// Places of a block at most.
    pub(super) fn most_places(&self) -> usize {
        self.block() * self.work.gradient.width.div_ceil(self.pieces())
    }

    /// Panels of the result.
    pub fn panels(&self) -> usize {
        self.work.gradient.channels.div_ceil(PANEL)
    }

    /// Operations of a part of a panel.
    pub fn cost(&self) -> u64 {
        (2 * self.rows.len() * PANEL * self.lines() * self.work.gradient.width / self.work.parts) as u64
    }

    /// Scratch that a unit needs: sums by gradients, a packed gradient, a band, lists, marks.
    pub fn scratch(&self) -> [usize; 5] {
        let across = self.work.gradient.width;
        let places = self.block() * across;
        let packed = match self.work.gradient {
            Images { channels: 1, .. } => places * GRAIN,
            Images { unpooled: Some(_), .. } => places * PANEL,
            _ => 0,
        };
        // Blocks begin anywhere, parts being cut by lines.
        let most = (0..self.lines()).map(|line| {
            room(&self.geometry, line * across, ((line + self.block()) * across).min(self.lines() * across))
        });
        let band = most.max().unwrap_or(0);
        // A vector's lanes may be read behind the band's own room.
        let [turned, listed, marks] = self.listed_scratch(band);
        [turned, packed, band + GRAIN, listed, marks]
    }

    /// The numbers in memory that a part of a panel takes.
    pub fn place(&self, part: usize, panel: usize) -> (usize, usize) {
        let layout = self.work.layout();
        let start = layout.address(part * self.rows.len(), panel * PANEL);
        (start, start + self.rows.len() * layout.width(panel))
    }

    /// Does one part of a panel.
    ///
    /// # Safety
    /// The machine has the level; the context is that of a bound plan; nobody else touches what the unit writes.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(
        &self,
        (part, panel): (usize, usize),
        kernels: &TileKernels,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let work = &self.work;
        let width = work.layout().width(panel);
        let images = Pixels::new(&work.images, context);
        let (across, height) = (work.gradient.width, work.gradient.height);
        let (begin, end) = (self.lines() * part / work.parts, self.lines() * (part + 1) / work.parts);
        let axis = self.geometry.axes[0];
        // SAFETY: the scratch has room for a block's band and packed gradient; everything else lies in the plan's buffers.
        unsafe {
            let to = context.buffers[work.to.index()].add(self.place(part, panel).0);
            let mut task = WindowTask {
                rows: self.rows.as_ptr(),
                step: work.windows.stride[1] * work.images.channels,
                places: self.places[width / GRAIN - 1].as_ptr(),
                from: std::ptr::null(),
                continues: false,
                to,
                width,
                column: 0,
            };
            let mut way = Way::Tiles;
            if self.may_be_listed() {
                // What a block in the middle holds tells how to sum.
                let middle = begin + (end - begin) / 2;
                let last = (middle + self.block()).min(end);
                let band = self.geometry.band(middle * across, last * across);
                self.geometry.gather::<S>(&band, &images, scratch.band);
                let gradients = self.gradients::<S>((middle, last), panel, context, scratch.packed);
                let gradients = (gradients, (last - middle) * across * width);
                way = self.way::<S>(&band, gradients, width, scratch);
            }
            let mut line = begin;
            while line < end {
                let last = (line + self.block()).min(end);
                let band = self.geometry.band(line * across, last * across);
                self.geometry.gather::<S>(&band, &images, scratch.band);
                let right = self.gradients::<S>((line, last), panel, context, scratch.packed);
                if way == Way::Windows {
                    BandMarks::new::<S>(scratch.band, band.rows() * self.geometry.row(), scratch.marks);
                }
                for piece in 0..self.pieces() {
                    let (x, end) = (across * piece / self.pieces(), across * (piece + 1) / self.pieces());
                    let mut segments = Bounded::<_, SEGMENTS>::new();
                    for number in 0..last - line {
                        let (image, y) = ((line + number) / height, (line + number) % height);
                        let row = band.rows_before(image) as isize + axis.pixel(y, 0) - band.share(image).top;
                        let start = row * self.geometry.row() as isize + (x * task.step) as isize;
                        segments.push(WindowSegment {
                            left: scratch.band.offset(start),
                            right: right.add((number * across + x) * width),
                            inner: end - x,
                        });
                    }
                    match way {
                        Way::Gradients => self.sum_gradients::<S>(&task, &segments, kernels, scratch),
                        Way::Windows => self.sum_windows::<S>(&task, &segments, kernels, scratch),
                        Way::Tiles => {
                            let size = (kernels.vectors, kernels.lanes);
                            sum_rows(&task, self.rows.len(), &segments, false, &kernels.windows, size);
                        }
                    }
                    task.from = to;
                }
                line = last;
            }
            if way == Way::Gradients {
                self.turn_back::<S>(scratch.partial, to, width);
            }
        }
    }

    /// The gradients of lines, a place after another in rows of whole vectors: where they lie, or put together at `to`.
    ///
    /// # Safety
    /// The machine has the level; `to` has room for a block, the lines are the gradient's.
    #[inline(always)]
    unsafe fn gradients<S: Simd>(
        &self,
        (first, last): (usize, usize),
        panel: usize,
        context: &RunContext<'_>,
        to: *mut f32,
    ) -> *const f32 {
        let of = &self.work.gradient;
        let memory: *const f32 = context.buffers[of.buffer.index()];
        // SAFETY: by the caller.
        unsafe {
            if of.unpooled.is_some() {
                let (pixels, width) = (Pixels::new(of, context), self.work.layout().width(panel));
                let mut out = to;
                let [height, across] = pixels.whole();
                for line in first..last {
                    let (image, y) = (line / of.height, line % of.height);
                    let across = if y < height { across } else { 0 };
                    let mut pixel = pixels.pixel(pixels.line(image, y), 0);
                    for _ in 0..across {
                        pixels.copy_panel::<S>(pixel, (panel * PANEL, width), out);
                        (pixel, out) = (pixels.pixel_behind(pixel), out.add(width));
                    }
                    let rest = (of.width - across) * width;
                    std::slice::from_raw_parts_mut(out, rest).fill(0.0);
                    out = out.add(rest);
                }
                return to;
            }
            if of.channels == 1 {
                for at in 0..(last - first) * of.width {
                    let row = std::slice::from_raw_parts_mut(to.add(at * GRAIN), GRAIN);
                    row.fill(0.0);
                    row[0] = *memory.add(first * of.width + at);
                }
                return to;
            }
            let layout = of.layout();
            memory.add(layout.panel_start(panel) + first * of.width * layout.width(panel))
        }
    }
}

/// Adds up the parts of a stretch in ascending order, for the program behind them.
///
/// # Safety
/// As for [`KernelGradient::run`].
#[inline(always)]
pub unsafe fn add_parts<S: Simd>(
    (from, layout, parts): (BufferId, Layout, usize),
    stretch: &Stretch,
    context: &RunContext<'_>,
    scratch: &Scratch,
) {
    let memory: *const f32 = context.buffers[from.index()];
    let rows = layout.rows / parts;
    let sums = scratch.registers;
    // SAFETY: every part has all rows and columns of the domain; register 0 has room for a stretch.
    unsafe {
        if stretch.domain.rows == 1 {
            // One row, or one column that lies as one.
            for at in 0..stretch.valid() {
                let (row, column) =
                    if rows == 1 { (0, stretch.column + at) } else { (stretch.column + at, 0) };
                let mut sum = 0.0;
                for part in 0..parts {
                    sum += *memory.add(layout.address(part * rows + row, column));
                }
                *sums.add(at) = sum;
            }
        } else {
            for at in (0..stretch.length()).step_by(S::LANES) {
                let mut sum = S::splat(0.0);
                for part in 0..parts {
                    let start = layout.address(part * rows + stretch.row, stretch.column);
                    sum = S::add(sum, S::load(memory.add(start + at)));
                }
                S::store(sums.add(at), sum);
            }
        }
    }
}

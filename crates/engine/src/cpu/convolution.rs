//! Convolutions, up and down: sums over windows, tile by tile, the program behind them.
//!
//! Every element of the result is one chain of multiply-adds, or chains of some hundred terms added up in ascending order, in the order of
//! the kernel's rows: what lies beside a pixel makes no difference to its bits. A place of an upward result meets every stride-th tap only, so
//! places are taken by classes.

use super::bounded::Bounded;
use super::convolution_classes::{Class, Run, SEGMENTS, classes, cut_at};
use super::convolution_listed::{BandLists, LONGEST, Listing, UnitBand};
use super::convolution_paired::BandPairs;
use super::convolution_repeated::ClassPlaces;
use super::listed::{self, BandMarks, LEAST};
use super::paired::PAIRED_VECTORS;
use super::pixels::Pixels;
use super::pooling;
use super::product::{ProductUnit, UNIT_ROWS};
use super::product_tile::TileKernels;
use super::simd::Simd;
use super::tile::{RunContext, Scratch, Stretch, TILE, TileProgram};
use super::window::{self, Geometry};
use super::window_tile::{SPARE_ROWS, WIDE_ROWS, WINDOW_ROWS, WindowSegment, WindowTask, sum_rows};
use crate::plan::layout::{GRAIN, Layout, PANEL};
use crate::plan::{ConvolutionWork, POOLED};

/// Results of so few channels, of images of so many, are summed along the channels, since vectors across would be nearly empty.
const FEW: usize = 4;
const MANY: usize = 8;
/// Places of a unit at most: more, the narrower they are.
pub(super) const PLACES: usize = UNIT_ROWS * PANEL / GRAIN;
const _: () = assert!(PLACES >= POOLED, "a line of windows is one unit at least");
/// Numbers that a band should have at most, so that it stays in the second cache.
const BAND: usize = 96 << 10;

/// A convolution with its places found.
#[derive(Clone, Debug)]
pub struct Convolution {
    /// What is done.
    pub work: ConvolutionWork,
    /// Which pixels meet.
    pub geometry: Geometry,
    /// Classes of places, the kernel cut into blocks for each.
    classes: Vec<Class>,
    /// The same, zeros beyond the image included.
    pub(super) whole: Vec<Class>,
    /// Whether places may be summed by lists.
    may_be_listed: bool,
}

impl Convolution {
    /// Finds which elements meet.
    pub fn new(work: &ConvolutionWork) -> Convolution {
        let geometry = Geometry::new(&work.windows, work.upward, work.images, work.taps, work.result);
        let [classes, whole] = classes(work, &geometry);
        let mut convolution =
            Convolution { work: work.clone(), geometry, classes, whole, may_be_listed: false };
        let whole_pixels = work.images.channels <= listed::block(work.columns.min(PANEL));
        convolution.may_be_listed =
            convolution.inner() >= LEAST && !convolution.along() && geometry.row() <= LONGEST && whole_pixels;
        convolution
    }

    /// Rows of the kernel's matrix.
    pub(super) fn inner(&self) -> usize {
        self.work.taps[0] * self.work.taps[1] * self.work.images.channels
    }

    /// Whether sums run along the channels of the images.
    fn along(&self) -> bool {
        self.work.columns <= FEW && self.work.images.channels >= MANY
    }

    /// Whether windows of deep images, as they are cut into classes, read what lies beside the images.
    fn reads_beyond(&self) -> bool {
        !cut_at(&self.work)[1] && self.geometry.inside().1 < self.geometry.width
    }

    /// Places of the result.
    pub fn places(&self) -> usize {
        self.work.images.count * self.work.result[0] * self.work.result[1]
    }

    /// Cuts the result into units; each is told with its operations.
    pub fn units(&self, least: usize, mut push: impl FnMut(ProductUnit, u64)) {
        let (places, columns) = (self.places(), self.work.columns);
        let panels = columns.div_ceil(PANEL);
        // Lines of windows stay whole.
        let together = self.work.together();
        let whole = |places: usize| (places / together).max(1) * together;
        let mut block = UNIT_ROWS * (PANEL / columns.min(PANEL).next_multiple_of(GRAIN));
        while block > PANEL
            && (panels * places.div_ceil(whole(block)) < least
                || window::room(&self.geometry, 0, whole(block).min(places)) > BAND)
        {
            block /= 2;
        }
        for panel in 0..panels {
            for first in (0..places).step_by(whole(block)) {
                let last = (first + whole(block)).min(places);
                push(ProductUnit { panel, first, last }, (2 * self.inner() * PANEL * (last - first)) as u64);
            }
        }
    }

    /// Scratch that a unit needs: partial sums, a packed kernel or begun chains, a band, lists, marks.
    pub fn scratch(&self, unit: &ProductUnit) -> [usize; 5] {
        let width = self.work.columns.min(PANEL).next_multiple_of(GRAIN);
        let packed = match self.work.columns {
            columns if self.along() => columns * self.inner() + GRAIN,
            1 => self.inner() * GRAIN,
            _ if self.may_be_listed => {
                self.classes.iter().map(|class| BandPairs::room(class, width)).max().unwrap_or(0)
            }
            _ => 0,
        };
        let band = window::room(&self.geometry, unit.first, unit.last);
        let partial = (unit.last - unit.first + 1) * width;
        if !self.may_be_listed {
            return [partial, packed, band, 0, 0];
        }
        let (channels, rows) = (self.work.images.channels, self.geometry.band(unit.first, unit.last).rows());
        // Marks of numbers, and of pixels.
        let marks = BandMarks::room(band) + BandMarks::room(band / channels);
        [partial, packed, band, BandLists::room(rows, band, channels), marks]
    }

    /// Does one unit.
    ///
    /// # Safety
    /// The machine has the level; the context is that of a bound plan; nobody else touches what the unit writes.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(
        &self,
        unit: ProductUnit,
        program: &TileProgram,
        domain: Layout,
        kernels: &TileKernels,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let columns = self.work.columns;
        let width = (columns - unit.panel * PANEL).min(PANEL).next_multiple_of(GRAIN);
        let images = Pixels::new(&self.work.images, context);
        let kernel: *const f32 = context.buffers[self.work.kernel.index()];
        let band = self.geometry.band(unit.first, unit.last);
        let mut band = UnitBand::new(&self.geometry, band, &images, scratch.band);
        // SAFETY: the scratch has room for the band, the packed kernel and a unit's sums; everything else lies in the plan's buffers.
        unsafe {
            program.prepare::<S>(context, scratch);
            let right = if self.along() {
                self.pack_columns(kernel, scratch.packed);
                scratch.packed.cast_const()
            } else if columns == 1 {
                let packed = std::slice::from_raw_parts_mut(scratch.packed, self.inner() * GRAIN);
                packed.fill(0.0);
                for inner in 0..self.inner() {
                    packed[inner * GRAIN] = *kernel.add(inner);
                }
                scratch.packed.cast_const()
            } else {
                let layout = Layout { rows: self.inner(), columns };
                kernel.add(layout.panel_start(unit.panel))
            };
            // Sums go straight to the program, where that is to see every single one.
            let at_once = columns > 1 && self.work.pooled.is_none();
            let mut of = ClassPlaces::new();
            let (mut background, mut listing) = (None, None);
            if self.may_be_listed {
                let in_place = !self.geometry.backwards && images.can_be_listed();
                // Pairs have full vectors, and what only one of them holds is read of the other, too, and so has to be there.
                let full =
                    S::TILE_VECTORS == PAIRED_VECTORS && width.is_multiple_of(PAIRED_VECTORS * S::LANES);
                let may_be_paired = columns > 1 && full && !(in_place && self.reads_beyond());
                if !in_place {
                    band.gathered::<S>();
                }
                let to = scratch.listed.cast();
                let lines = match in_place {
                    true => self.geometry.lines_in_place(&band.band, &images, to),
                    false => self.geometry.lines_of(&band.band, scratch.band, to),
                };
                let numbers = band.band.rows() * self.geometry.row();
                let marks = match in_place {
                    true => self.geometry.mark::<S>(lines, scratch.marks),
                    false => BandMarks::new::<S>(scratch.band, numbers, scratch.marks),
                };
                let [little, alike] = self.holds_little::<S>(&unit, &band.band, marks, width);
                if little {
                    let to = scratch.listed;
                    listing = Some(match may_be_paired && alike {
                        true => {
                            let room = (to, scratch.packed);
                            Listing::Paired(BandPairs::new(marks, lines, right, room, kernels.paired))
                        }
                        false => Listing::Own(BandLists::new::<S>(&self.geometry, marks, lines, to)),
                    });
                }
                let behind = scratch.marks.add(BandMarks::room(numbers));
                background =
                    self.background::<S>(lines, (band.band.beyond(), marks, listing.is_some()), behind);
            }
            if listing.is_none() {
                band.gathered::<S>();
            }
            let whole = background.is_none() && matches!(listing, Some(Listing::Own(_)));
            let classes = if whole { &self.whole } else { &self.classes };
            for class in classes {
                self.places_of(&class.places, &unit, &band.band, width, &mut of);
                if let Some(background) = background {
                    self.leave_out(class, background, &mut of);
                }
                let count = of.count();
                let task = task_of(&of.rows, &of.places, scratch.partial, width);
                if self.along() {
                    self.sum_along::<S>(class, count, &task, right, scratch.band);
                } else if let Some(Listing::Paired(pairs)) = listing {
                    self.sum_pairs::<S>(class, &of.pixels, &task, (pairs, background));
                } else if let Some(Listing::Own(lists)) = listing {
                    self.sum_class::<S>(class, &of.pixels, &task, (lists, right), &mut band, kernels);
                } else if let ([block], [_], true, 0) =
                    (&class.blocks[..], &self.classes[..], at_once, of.again.len())
                {
                    let places = Places { rows: &of.rows, count, unit, width };
                    self.straight::<S>(block, &places, right, (program, domain), kernels, context, scratch);
                    return;
                } else {
                    sum_blocks(class, count, task, (scratch.band, right), kernels);
                }
                if background.is_some() {
                    of.repeat::<S>(scratch.partial, width);
                }
            }
            self.finish::<S>(&unit, width, program, domain, context, scratch);
        }
    }

    /// The places of a class in a unit: where their windows begin in the band, and where their sums go.
    #[inline(always)]
    fn places_of(
        &self,
        [rows_of, columns_of]: &[window::Class; 2],
        unit: &ProductUnit,
        band: &window::Band,
        width: usize,
        of: &mut ClassPlaces,
    ) {
        let geometry = &self.geometry;
        of.rows.truncate(0);
        of.places.truncate(0);
        of.pixels.truncate(0);
        let [high, _] = geometry.axes;
        let [height, across] = geometry.result;
        let nowhere = (unit.last - unit.first) * width;
        if rows_of.taps.is_empty() || columns_of.taps.is_empty() {
            self.silent_places([rows_of, columns_of], unit, width, of);
            of.end(of.places.len(), nowhere);
            return;
        }
        let channels = self.work.images.channels as isize;
        // Windows are evenly apart, down and across.
        let below = if high.upward { 1 } else { high.stride as isize };
        let beside = self.beside();
        let line = geometry.row() as isize;
        let (first_line, last_line) = (unit.first / across, (unit.last - 1) / across);
        let all = (columns_of.last - columns_of.first).div_ceil(columns_of.step);
        for image in band.first_image..=band.last_image {
            // Lines of the image that are the unit's, and the class's.
            let from = first_line.saturating_sub(image * height).max(rows_of.first);
            let y = rows_of.first + (from - rows_of.first).next_multiple_of(rows_of.step);
            let end = (last_line + 1 - image * height).min(rows_of.last);
            let Some([down, left]) = self.window([rows_of, columns_of], band, [image, y, columns_of.first])
            else {
                continue;
            };
            for (number, y) in (y..end).step_by(rows_of.step).enumerate() {
                let first = (image * height + y) * across;
                // Only a unit's first and last line may be parts.
                let whole = unit.first <= first && first + across <= unit.last;
                let (skipped, count) = if whole { (0, all) } else { columns_in(columns_of, first, unit) };
                let down = down + number as isize * below;
                let across = left + skipped as isize * beside;
                let row = down * line + across * channels;
                let place = (first + columns_of.first + skipped * columns_of.step - unit.first) * width;
                of.rows.push_each(count, |at| row + at as isize * beside * channels);
                of.places.push_each(count, |at| place + at * columns_of.step * width);
                if self.may_be_listed {
                    let across = |at| across + at as isize * beside;
                    of.pixels.push_each(count, |at| [down as u32, across(at) as u32]);
                }
            }
        }
        of.end(of.places.len(), nowhere);
    }

    /// Pixels from window to window of a class, across.
    #[inline(always)]
    pub(super) fn beside(&self) -> isize {
        let wide = self.geometry.axes[1];
        match wide.upward {
            true if self.geometry.backwards => -1,
            true => 1,
            false => wide.stride as isize,
        }
    }

    /// Line and pixel of the band at which the window of a class's place begins, if it meets any.
    #[inline(always)]
    pub(super) fn window(
        &self,
        [rows, columns]: [&window::Class; 2],
        band: &window::Band,
        [image, y, x]: [usize; 3],
    ) -> Option<[isize; 2]> {
        let geometry = &self.geometry;
        let [high, wide] = geometry.axes;
        let (top, side) = (*rows.taps.first()?, geometry.first_tap(columns)?);
        let down = band.rows_before(image) as isize + high.pixel(y, top) - band.share(image).top;
        Some([down, geometry.column(wide.pixel(x, side))])
    }

    /// [`Convolution::places_of`] for places that meet no pixel at all.
    fn silent_places(
        &self,
        [rows, columns]: [&window::Class; 2],
        unit: &ProductUnit,
        width: usize,
        of: &mut ClassPlaces,
    ) {
        let [height, across] = self.geometry.result;
        for place in unit.first..unit.last {
            let (line, x) = (place / across, place % across);
            if rows.holds(line % height) && columns.holds(x) {
                of.rows.push(0);
                of.pixels.push([0; 2]);
                of.places.push((place - unit.first) * width);
            }
        }
    }

    /// Sums tiles of places that need one block, each with the program behind it.
    #[inline(always)]
    unsafe fn straight<S: Simd>(
        &self,
        block: &[Run],
        places: &Places<'_>,
        right: *const f32,
        (program, domain): (&TileProgram, Layout),
        kernels: &TileKernels,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let &Places { rows, count: all, unit, width } = places;
        let mut at = [0usize; WINDOW_ROWS + SPARE_ROWS];
        for (row, place) in at.iter_mut().enumerate() {
            *place = row * width;
        }
        let segments = segments(block, scratch.band, right, width);
        // As many as a tile has, or two if these are low.
        let most = if TILE / width >= WINDOW_ROWS { WINDOW_ROWS } else { WIDE_ROWS };
        let mut first = 0;
        while first < all {
            let count = most.min(all - first);
            let task = task_of(&rows[first..], &at, scratch.registers, width);
            let (row, column) = (unit.first + first, unit.panel * PANEL);
            // SAFETY: as for `run`; a tile fits in register 0.
            unsafe {
                sum_rows(&task, count, &segments, true, &kernels.windows, (kernels.vectors, kernels.lanes));
                program.run::<S>(&Stretch { row, rows: count, column, width, domain }, context, scratch);
            }
            first += count;
        }
    }

    /// Runs the program over the unit's sums.
    #[inline(always)]
    unsafe fn finish<S: Simd>(
        &self,
        unit: &ProductUnit,
        width: usize,
        program: &TileProgram,
        domain: Layout,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        if let Some(pooled) = self.work.pooled {
            let sums = (scratch.partial, width);
            // SAFETY: the sums of the unit's places lie in rows of `width`.
            unsafe {
                pooling::pool_sums::<S>(&self.work, pooled, sums, unit, (program, domain), context, scratch)
            };
            return;
        }
        let single = self.work.columns == 1;
        let height = if single { TILE } else { TILE / width };
        let mut row = unit.first;
        while row < unit.last {
            let rows = height.min(unit.last - row);
            let from = (row - unit.first) * width;
            // SAFETY: the sums lie in rows of `width`; register 0 holds a stretch.
            unsafe {
                if single {
                    for at in 0..rows {
                        *scratch.registers.add(at) = *scratch.partial.add(from + at * width);
                    }
                    program.run::<S>(&Stretch::run(domain, row, rows), context, scratch);
                } else {
                    let sums = scratch.partial.add(from);
                    let column = unit.panel * PANEL;
                    program.run_on::<S>(
                        sums,
                        &Stretch { row, rows, column, width, domain },
                        context,
                        scratch,
                    );
                }
            }
            row += rows;
        }
    }
}

/// Sums the places of a class by tiles.
#[inline(always)]
unsafe fn sum_blocks(
    class: &Class,
    count: usize,
    mut task: WindowTask,
    (band, right): (*const f32, *const f32),
    kernels: &TileKernels,
) {
    let size = (kernels.vectors, kernels.lanes);
    // SAFETY: handed on.
    unsafe {
        if class.blocks.is_empty() {
            sum_rows(&task, count, &[], true, &kernels.windows, size);
        }
        for block in &class.blocks {
            let segments = segments(block, band, right, task.width);
            sum_rows(&task, count, &segments, true, &kernels.windows, size);
            task.from = task.to;
        }
    }
}

/// Sums of places, without any before.
#[inline(always)]
fn task_of(rows: &[isize], places: &[usize], to: *mut f32, width: usize) -> WindowTask {
    WindowTask {
        rows: rows.as_ptr(),
        step: 1,
        places: places.as_ptr(),
        from: std::ptr::null(),
        continues: false,
        to,
        width,
        column: 0,
    }
}

/// The columns of a class that a unit has of the line that begins at a place: how many it lacks before, and how many there are.
#[inline(always)]
fn columns_in(class: &window::Class, line: usize, unit: &ProductUnit) -> (usize, usize) {
    let skipped = unit.first.saturating_sub(line + class.first).div_ceil(class.step);
    let last = (unit.last - line).min(class.last);
    (skipped, last.saturating_sub(class.first + skipped * class.step).div_ceil(class.step))
}

/// The places of a unit: where their windows begin in the band, one after another.
struct Places<'p> {
    /// With spare ones behind the last.
    rows: &'p [isize],
    count: usize,
    unit: ProductUnit,
    width: usize,
}

/// A block's runs in memory.
#[inline(always)]
pub(super) fn segments(
    block: &[Run],
    band: *const f32,
    right: *const f32,
    width: usize,
) -> Bounded<WindowSegment, SEGMENTS> {
    let mut segments = Bounded::new();
    for run in block {
        segments.push(segment(run, band, right, width));
    }
    segments
}

/// A run in memory.
#[inline(always)]
pub(super) fn segment(run: &Run, band: *const f32, right: *const f32, width: usize) -> WindowSegment {
    WindowSegment {
        left: band.wrapping_offset(run.left),
        right: right.wrapping_add(run.right * width),
        inner: run.inner,
    }
}

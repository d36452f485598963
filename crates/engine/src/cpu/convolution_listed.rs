//! Places of a convolution whose windows hold little, summed by lists.
//!
//! A band is listed once, pixel by pixel; what a row of a window holds is then a stretch of that list.

use super::bounded::Bounded;
use super::convolution::{Convolution, segment};
use super::convolution_classes::{Class, Piece, PixelRun, SEGMENTS};
use super::convolution_paired::BandPairs;
use super::listed::{BandMarks, LISTED_ROWS, Offsets, RowList, room, side_by_side, sum_lists, worth};
use super::occupied::Looking;
use super::pixels::Pixels;
use super::product::ProductUnit;
use super::product_tile::TileKernels;
use super::simd::Simd;
use super::window::{Band, Geometry, Lines};
use super::window_tile::{WindowTask, sum_rows};

/// Places of a unit that are looked at to decide whether to list them.
const SAMPLES: usize = 8;
/// Two windows are summed by one list if either holds something at no more than so many tenths of the places at which both do, one after the other:
/// that is about what a vector of a pair takes of the time of one by a list of its own.
const ALIKE_TENTHS: usize = 7;
/// Rows of a band are listed if 16 bits number their elements.
pub const LONGEST: usize = 1 << 16;

/// What a band holds, pixel by pixel.
#[derive(Clone, Copy)]
pub struct BandLists {
    lines: Lines,
    /// Elements that are not zero, counted from their line's first.
    indices: *const u16,
    /// Where each pixel's begin.
    starts: *const u32,
}

impl BandLists {
    /// Numbers of 32 bits that the lists of a band need, and where its lines begin.
    pub fn room(rows: usize, numbers: usize, channels: usize) -> usize {
        Self::lines(rows) + room(numbers).div_ceil(2) + numbers / channels + 1
    }

    /// The first of them are for so many lines.
    pub fn lines(rows: usize) -> usize {
        rows * size_of::<*const f32>().div_ceil(size_of::<u32>())
    }

    /// Lists a band.
    ///
    /// # Safety
    /// The marks are those of the band; `to` has [`BandLists::room`], and begins with the lines.
    #[inline(always)]
    pub unsafe fn new<S: Simd>(
        geometry: &Geometry,
        marks: BandMarks,
        lines: Lines,
        to: *mut u32,
    ) -> BandLists {
        let channels = geometry.images.channels;
        let (mut count, mut pixel) = (0, 0);
        // SAFETY: by the caller.
        unsafe {
            let rows = lines.all().len();
            let starts = to.add(Self::lines(rows));
            let indices = starts.add(rows * geometry.width + 1).cast::<u16>();
            for _ in 0..rows {
                for x in 0..geometry.width {
                    *starts.add(pixel) = count as u32;
                    count += marks.list::<S>(pixel * channels, channels, x * channels, indices.add(count));
                    pixel += 1;
                }
            }
            *starts.add(pixel) = count as u32;
            BandLists { lines, indices, starts }
        }
    }
}

/// How places of a unit that hold little are summed.
#[derive(Clone, Copy)]
pub enum Listing {
    /// Each by lists of its own.
    Own(BandLists),
    /// Two by two.
    Paired(BandPairs),
}

/// What a unit's windows lie in, gathered when somebody first asks for it.
pub struct UnitBand<'u> {
    geometry: &'u Geometry,
    pub band: Band,
    images: &'u Pixels,
    room: *mut f32,
    gathered: bool,
}

impl<'u> UnitBand<'u> {
    /// Nothing is gathered yet.
    pub fn new(geometry: &'u Geometry, band: Band, images: &'u Pixels, room: *mut f32) -> UnitBand<'u> {
        UnitBand { geometry, band, images, room, gathered: false }
    }

    /// The gathered band.
    ///
    /// # Safety
    /// The machine has the level, and there is room for the band; the images are those of the geometry.
    #[inline(always)]
    pub unsafe fn gathered<S: Simd>(&mut self) -> *const f32 {
        if !self.gathered {
            // SAFETY: by the caller.
            unsafe { self.geometry.gather::<S>(&self.band, self.images, self.room) };
            self.gathered = true;
        }
        self.room
    }
}

impl Convolution {
    /// Whether a unit's windows hold so little that lists are worth while, and neighbours so much the same that one list for two of them is
    /// better than two, as far as a few of them tell.
    ///
    /// # Safety
    /// The marks are those of the unit's band.
    #[inline(always)]
    pub(super) unsafe fn holds_little<S: Simd>(
        &self,
        unit: &ProductUnit,
        band: &Band,
        marks: BandMarks,
        width: usize,
    ) -> [bool; 2] {
        let [height, across] = self.geometry.result;
        let (mut found, mut both, mut either, mut seen) = (0, 0, 0, 0);
        // An odd step meets both classes of a stride of two.
        let step = ((unit.last - unit.first) / SAMPLES) | 1;
        for place in (unit.first..unit.last).step_by(step) {
            let (line, x) = (place / across, place % across);
            let (image, y) = (line / height, line % height);
            let holds = |class: &&Class| class.places[0].holds(y) && class.places[1].holds(x);
            let Some(class) = self.whole.iter().find(holds) else { continue };
            let [rows, columns] = &class.places;
            let Some([down, left]) = self.window([rows, columns], band, [image, y, x]) else { continue };
            let channels = self.work.images.channels as isize;
            let start = (down * self.geometry.width as isize + left) * channels;
            // The next of its class in its line, or the one before.
            let beside = self.beside() * channels;
            let beside = if x + columns.step < columns.last { beside } else { -beside };
            let neighbour = columns.first + columns.step < columns.last;
            for PixelRun { run, .. } in class.pieces.iter().flat_map(|piece| &piece.runs) {
                let at = (start + run.left) as usize;
                // SAFETY: by the caller.
                unsafe {
                    let own = marks.count(at, run.inner);
                    if neighbour {
                        let other = at.wrapping_add_signed(beside);
                        both += own + marks.count(other, run.inner);
                        either += marks.count_either([at, other], run.inner);
                    }
                    (found, seen) = (found + own, seen + run.inner);
                }
            }
        }
        // Places that meet nothing say nothing.
        [seen > 0 && worth::<S>(found, seen, width), both > 0 && 10 * either <= ALIKE_TENTHS * both]
    }

    /// Sums the places of a class by lists, those that hold too much by tiles.
    ///
    /// # Safety
    /// As for [`Convolution::run`]; the lists are those of the band.
    #[inline(always)]
    pub(super) unsafe fn sum_class<S: Simd>(
        &self,
        class: &Class,
        pixels: &[[u32; 2]],
        task: &WindowTask,
        (lists, right): (BandLists, *const f32),
        band: &mut UnitBand<'_>,
        kernels: &TileKernels,
    ) {
        if class.pieces.is_empty() {
            let size = (kernels.vectors, kernels.lanes);
            // SAFETY: handed on.
            unsafe { sum_rows(task, pixels.len(), &[], true, &kernels.windows, size) };
            return;
        }
        for (number, piece) in class.pieces.iter().enumerate() {
            let from = if number == 0 { std::ptr::null() } else { task.to.cast_const() };
            let task = WindowTask { from, continues: piece.continues, ..*task };
            // SAFETY: handed on.
            unsafe { self.sum_piece::<S>(piece, pixels, &task, (lists, right), band, kernels) };
        }
    }

    #[inline(always)]
    unsafe fn sum_piece<S: Simd>(
        &self,
        piece: &Piece,
        pixels: &[[u32; 2]],
        task: &WindowTask,
        (lists, right): (BandLists, *const f32),
        band: &mut UnitBand<'_>,
        kernels: &TileKernels,
    ) {
        let size = (kernels.vectors, kernels.lanes);
        let (wide, channels) = (self.geometry.width, self.work.images.channels);
        let mut listed = Bounded::<_, { LISTED_ROWS * SEGMENTS }>::new();
        let offsets = Offsets::Even(task.width);
        // SAFETY: the lists are those of the band.
        let lines = unsafe { lists.lines.all() };
        let mut inner = 0;
        for run in &piece.runs {
            inner += run.run.inner;
        }
        let mut looking = Looking::new();
        let count = pixels.len();
        let mut row = 0;
        while row < count {
            // SAFETY: rows of the task; windows lie in the band.
            unsafe {
                let task = WindowTask { rows: task.rows.add(row), places: task.places.add(row), ..*task };
                let passing = looking.pass(count - row);
                if passing > 0 {
                    let band = band.gathered::<S>();
                    let mut tiles = Bounded::<_, SEGMENTS>::new();
                    for run in &piece.runs {
                        tiles.push(segment(&run.run, band, right, task.width));
                    }
                    sum_rows(&task, passing, &tiles, row + passing == count, &kernels.windows, size);
                    row += passing;
                    continue;
                }
                let rows = side_by_side::<S>(count - row, task.width);
                let mut found = 0;
                listed.truncate(0);
                for run in &piece.runs {
                    for pixel in &pixels[row..row + rows] {
                        let [down, across] = run.first(*pixel);
                        let start = lists.starts.add(down * wide + across);
                        let (first, last) = (*start as usize, *start.add(run.pixels) as usize);
                        listed.push(RowList {
                            indices: lists.indices.add(first),
                            count: last - first,
                            left: lines[down],
                            right: right
                                .wrapping_add(run.run.right * task.width)
                                .wrapping_sub(across * channels * task.width),
                        });
                        found += last - first;
                    }
                }
                if looking.found(worth::<S>(found, rows * inner, task.width)) {
                    sum_lists::<S>(&task, rows, &listed, &offsets, &kernels.listed_rows);
                    row += rows;
                }
            }
        }
    }
}

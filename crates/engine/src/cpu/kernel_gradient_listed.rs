//! A kernel's gradient where windows or gradients hold little, by lists.
//!
//! A sum over places leaves out those at which either factor is zero. By windows: each element of the kernel lists the places at whose windows
//! it holds anything. By gradients: each channel of the gradient lists the places where it holds anything, and what is summed are whole rows
//! of windows; the result then lies turned and is turned back at the end. Either way every sum is the chain that a tile would make.

use super::kernel_gradient::{ElementRun, KernelGradient};
use super::listed::{self, BYTE, BandMarks, Offsets, RowList, WORD, side_by_side, sum_lists, worth};
use super::mark;
use super::product_tile::TileKernels;
use super::simd::Simd;
use super::tile::Scratch;
use super::window::Band;
use super::window_tile::{WindowSegment, WindowTask, sum_rows};
use crate::plan::layout::{GRAIN, PANEL};

/// Windows are listed if as many elements of the kernel as this follow each other on average.
const WORTH: usize = 4;
/// Sums by gradients are made if there are no more than this, so that they stay in the second cache.
const TURNED: usize = 64 << 10;

/// Numbers of a band that the first cache holds besides everything else.
const FIRST_CACHE: usize = 6 << 10;

/// How a part is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By tiles.
    Tiles,
    /// By lists of windows.
    Windows,
    /// By lists of gradients.
    Gradients,
}

impl KernelGradient {
    /// Whether windows may be listed.
    fn may_list_windows(&self) -> bool {
        self.rows.len() >= WORTH * self.groups.len()
    }

    /// Whether gradients may be listed.
    fn may_list_gradients(&self) -> bool {
        let channels = self.work.gradient.channels;
        channels > 1 && channels.min(PANEL).next_multiple_of(GRAIN) * self.lines[1] <= TURNED
    }

    /// Whether either may be.
    pub(super) fn may_be_listed(&self) -> bool {
        self.may_list_windows() || self.may_list_gradients()
    }

    /// Scratch of a unit for a band of so many numbers: sums by gradients, lists, marks.
    pub(super) fn listed_scratch(&self, band: usize) -> [usize; 3] {
        if !self.may_be_listed() {
            return [0; 3];
        }
        let places = self.most_places();
        // Indices of 16 bits, and two offsets for each place.
        let listed = BYTE * listed::room(places) / 2 + 2 * places;
        let (turned, gradients) =
            if self.may_list_gradients() { (PANEL * self.lines[1], places * PANEL) } else { (0, 0) };
        [turned, listed, BandMarks::room(band.max(gradients))]
    }

    /// The fastest way, as far as one block tells. What a sum costs is counted in multiply-adds of a vector, and one more for what goes with
    /// each number that is listed.
    ///
    /// # Safety
    /// The machine has the level; the block's band is gathered, its gradients are so many numbers.
    #[inline(always)]
    pub(super) unsafe fn way<S: Simd>(
        &self,
        band: &Band,
        (gradients, count): (*const f32, usize),
        width: usize,
        scratch: &Scratch,
    ) -> Way {
        let rows = self.rows.len() as f32;
        let vectors = (width / S::LANES) as f32;
        // A tile keeps the multiply-adds nearly busy; a mark that is looked up, listed or not, costs somewhat more than one. These are
        // measured, and only speed hangs on them.
        let tiles = 1.1 * rows * vectors;
        let list = 1.3;
        let mut best = (tiles, Way::Tiles);
        // SAFETY: by the caller.
        unsafe {
            if self.may_list_windows() {
                let numbers = band.rows() * self.geometry.row();
                let held = held::<S>(scratch.band, numbers);
                let windows = rows * (held * (vectors + 1.0) * S::LISTED_COST + list);
                if windows < best.0 {
                    best = (windows, Way::Windows);
                }
            }
            if self.may_list_gradients() {
                let held = held::<S>(gradients, count);
                let across = (self.lines[1] / S::LANES + self.runs.len()) as f32;
                // Rows of windows that the first cache does not hold come at half the speed.
                let slow = if band.rows() * self.geometry.row() > FIRST_CACHE { 2.0 } else { 1.0 };
                let by_gradients = width as f32 * (held * across * S::LISTED_COST * slow + list);
                if by_gradients < best.0 {
                    best = (by_gradients, Way::Gradients);
                }
            }
        }
        best.1
    }

    /// Sums a block of places by lists of windows, what holds much of them by tiles.
    ///
    /// # Safety
    /// As for [`KernelGradient::run`]; the band is marked.
    #[inline(always)]
    pub(super) unsafe fn sum_windows<S: Simd>(
        &self,
        task: &WindowTask,
        segments: &[WindowSegment],
        kernels: &TileKernels,
        scratch: &Scratch,
    ) {
        let size = (kernels.vectors, kernels.lanes);
        let marks = BandMarks::of(scratch.marks);
        // SAFETY: segments and rows lie in the band; the scratch has room for a group's lists and offsets.
        unsafe {
            let [offsets, _] = self.offsets(scratch);
            let places = places(segments, task.step, scratch.band, offsets);
            let offsets_of = Offsets::Left(offsets, task.width);
            for &ElementRun { first: row, count, .. } in &self.groups {
                let own = WindowTask { rows: task.rows.add(row), places: task.places.add(row), ..*task };
                let start = self.rows[row] as usize;
                let mut lists = self.lists(scratch.band.add(start), segments[0].right, scratch);
                let found = list_turned::<S>(marks, start, (offsets, places), &mut lists[..count]);
                if worth::<S>(found, count * places, task.width) {
                    sum_all::<S>(&own, &lists[..count], &offsets_of, kernels);
                } else {
                    sum_rows(&own, count, segments, false, &kernels.windows, size);
                }
            }
        }
    }

    /// Sums a block of places by lists of gradients, into lines of all elements of the kernel, one a channel.
    ///
    /// # Safety
    /// As for [`KernelGradient::run`].
    #[inline(always)]
    pub(super) unsafe fn sum_gradients<S: Simd>(
        &self,
        task: &WindowTask,
        segments: &[WindowSegment],
        kernels: &TileKernels,
        scratch: &Scratch,
    ) {
        let right = segments[0].right;
        // SAFETY: segments lie in the band, and gradients one after another; the scratch has room for lines, lists and offsets.
        unsafe {
            let [offsets, even] = self.offsets(scratch);
            let places = places(segments, task.step, scratch.band, offsets);
            for place in 0..places {
                *even.add(place) = (place * task.width) as i32;
            }
            let marks = BandMarks::new::<S>(right, places * task.width, scratch.marks);
            let offsets_of = Offsets::Right(task.width, offsets);
            for channel in (0..task.width).step_by(BYTE) {
                let mut lists = self.lists(right.add(channel), std::ptr::null(), scratch);
                list_turned::<S>(marks, channel, (even, places), &mut lists);
                for run in &self.runs {
                    for list in &mut lists {
                        list.right = scratch.band.add(self.rows[run.first] as usize);
                    }
                    let to = scratch.partial.add(run.column);
                    let part = WindowTask {
                        places: self.lines.as_ptr().add(channel),
                        from: if task.from.is_null() { std::ptr::null() } else { to },
                        to,
                        width: run.count.next_multiple_of(GRAIN),
                        ..*task
                    };
                    sum_all::<S>(&part, &lists, &offsets_of, kernels);
                }
            }
        }
    }

    /// Turns lines of all elements, one a channel, to where the sums go.
    ///
    /// # Safety
    /// The machine has the level; `to` has `width` channels for each element.
    #[inline(always)]
    pub(super) unsafe fn turn_back<S: Simd>(&self, from: *const f32, to: *mut f32, width: usize) {
        let across = self.lines[1];
        let mut square = [0.0f32; GRAIN * GRAIN];
        for run in &self.runs {
            for element in (0..run.count).step_by(S::TURN) {
                for channel in (0..width).step_by(S::TURN) {
                    // SAFETY: lines have whole vectors for each run.
                    unsafe {
                        let from = from.add(channel * across + run.column + element);
                        let to = to.add((run.first + element) * width + channel);
                        let rows = (run.count - element).min(S::TURN);
                        if rows == S::TURN {
                            S::turn(from, across, to, width);
                            continue;
                        }
                        S::turn(from, across, square.as_mut_ptr(), S::TURN);
                        for row in 0..rows {
                            let own = square.as_ptr().add(row * S::TURN);
                            std::ptr::copy_nonoverlapping(own, to.add(row * width), S::TURN);
                        }
                    }
                }
            }
        }
    }

    /// Room for two tables of offsets, behind that of the lists.
    #[inline(always)]
    fn offsets(&self, scratch: &Scratch) -> [*mut i32; 2] {
        let places = self.most_places();
        let first = scratch.listed.wrapping_add(BYTE * listed::room(places) / 2).cast::<i32>();
        [first, first.wrapping_add(places)]
    }

    /// Empty lists for eight rows, whose numbers stand side by side.
    #[inline(always)]
    fn lists(&self, left: *const f32, right: *const f32, scratch: &Scratch) -> [RowList; BYTE] {
        let mut lists = [RowList::EMPTY; BYTE];
        let room = listed::room(self.most_places());
        for (number, list) in lists.iter_mut().enumerate() {
            let indices = scratch.listed.cast::<u16>().wrapping_add(number * room);
            *list = RowList { indices, count: 0, left: left.wrapping_add(number), right };
        }
        lists
    }
}

/// The share of numbers that are not zero.
#[inline(always)]
unsafe fn held<S: Simd>(from: *const f32, count: usize) -> f32 {
    let mut held = 0;
    for at in (0..count).step_by(PANEL) {
        // SAFETY: by the caller.
        held += unsafe { mark::bits::<S>(from.add(at), (count - at).min(PANEL)) }.count_ones();
    }
    held as f32 / count as f32
}

/// Offsets in the band of the first element of each place's window. Gives how many places there are.
#[inline(always)]
unsafe fn places(segments: &[WindowSegment], step: usize, band: *const f32, to: *mut i32) -> usize {
    let mut places = 0;
    for segment in segments {
        // SAFETY: segments lie in the band; there is room for all places.
        unsafe {
            let start = segment.left.offset_from(band) as i32;
            for at in 0..segment.inner {
                *to.add(places) = start + (at * step) as i32;
                places += 1;
            }
        }
    }
    places
}

/// Lists for rows that follow each other, from `first` on, the places at which they hold anything. Gives how many those are of all.
///
/// # Safety
/// Rows lie in what is marked; every list has room.
#[inline(always)]
unsafe fn list_turned<S: Simd>(
    marks: BandMarks,
    first: usize,
    (offsets, places): (*const i32, usize),
    lists: &mut [RowList],
) -> usize {
    let mut found = 0;
    for place in (0..places).step_by(WORD) {
        let rest = (places - place).min(WORD);
        let mut rows = [0; WORD];
        // SAFETY: by the caller.
        unsafe {
            for (number, row) in rows[..rest].iter_mut().enumerate() {
                *row = marks.byte(first + *offsets.add(place + number) as usize);
            }
            let words = S::turn_bits(&rows);
            for (list, word) in lists.iter_mut().zip(words) {
                let count = S::list_narrow(word, place, list.indices.cast_mut().add(list.count));
                list.count += count;
                found += count;
            }
        }
    }
    found
}

/// Sums rows by their lists, as many side by side as is best.
#[inline(always)]
unsafe fn sum_all<S: Simd>(task: &WindowTask, lists: &[RowList], offsets: &Offsets, kernels: &TileKernels) {
    let mut done = 0;
    while done < lists.len() {
        let rows = side_by_side::<S>(lists.len() - done, task.width);
        // SAFETY: handed on.
        unsafe {
            let part = WindowTask { places: task.places.add(done), ..*task };
            sum_lists::<S>(&part, rows, &lists[done..done + rows], offsets, &kernels.listed_rows);
        }
        done += rows;
    }
}

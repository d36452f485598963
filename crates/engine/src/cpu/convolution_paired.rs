//! Places of a convolution whose windows hold little, summed two by two.

use super::bounded::Bounded;
use super::convolution::Convolution;
use super::convolution_classes::{Class, SEGMENTS};
use super::convolution_listed::BandLists;
use super::listed::{BandMarks, LISTED_ROWS};
use super::paired::{PAIR, PAIRED_VECTORS, PairList, PairedKernel};
use super::simd::Simd;
use super::window::Lines;
use super::window_tile::WindowTask;

/// What pairs of windows are listed from.
#[derive(Clone, Copy)]
pub struct BandPairs {
    marks: BandMarks,
    lines: Lines,
    /// Room for a list.
    list: *mut u16,
    kernel: PairedKernel,
}

impl BandPairs {
    /// A band that is marked.
    ///
    /// # Safety
    /// `to` has [`BandLists::room`] for the band, and begins with the lines.
    pub unsafe fn new(marks: BandMarks, lines: Lines, to: *mut u32, kernel: PairedKernel) -> BandPairs {
        // SAFETY: by the caller. A window holds no more than its band.
        unsafe {
            let list = to.add(BandLists::lines(lines.all().len())).cast();
            BandPairs { marks, lines, list, kernel }
        }
    }
}

impl Convolution {
    /// Sums the places of a class two by two, each chain from end to end. Behind the last place stands one for sums that nobody wants.
    ///
    /// # Safety
    /// As for [`Convolution::run`]; the pairs are those of the band.
    #[inline(always)]
    pub(super) unsafe fn sum_pairs<S: Simd>(
        &self,
        class: &Class,
        pixels: &[[u32; 2]],
        task: &WindowTask,
        (pairs, right): (BandPairs, *const f32),
    ) {
        let (wide, channels) = (self.geometry.width, self.work.images.channels);
        let mut lists = Bounded::<_, { LISTED_ROWS * SEGMENTS }>::new();
        for first in (0..pixels.len()).step_by(PAIR) {
            let both = [first, (first + 1).min(pixels.len() - 1)].map(|row| pixels[row]);
            // SAFETY: windows lie in the band, and there is room for a list of them; places as said.
            unsafe {
                let lines = pairs.lines.all();
                let mut task = WindowTask { places: task.places.add(first), ..*task };
                let mut to = pairs.list;
                lists.truncate(0);
                for (number, piece) in class.pieces.iter().enumerate() {
                    if number > 0 && !piece.continues {
                        sum_chain::<S>(&task, &lists, pairs.kernel);
                        task.from = task.to;
                        (to, _) = (pairs.list, lists.truncate(0));
                    }
                    for run in &piece.runs {
                        let [one, other] = both.map(|pixel| run.first(pixel));
                        let number = |[down, across]: [usize; 2]| (down * wide + across) * channels;
                        let left = |[down, across]: [usize; 2]| lines[down].wrapping_add(across * channels);
                        let at = [number(one), number(other)];
                        let count = pairs.marks.list_either::<S>(at, run.run.inner, to);
                        let right = right.wrapping_add(run.run.right * task.width);
                        lists.push(PairList { indices: to, count, left: [left(one), left(other)], right });
                        to = to.add(count);
                    }
                }
                sum_chain::<S>(&task, &lists, pairs.kernel);
            }
        }
    }
}

/// Sums all columns of a pair's chain.
#[inline(always)]
unsafe fn sum_chain<S: Simd>(task: &WindowTask, lists: &[PairList], kernel: PairedKernel) {
    for column in (0..task.width).step_by(PAIRED_VECTORS * S::LANES) {
        // SAFETY: handed on.
        unsafe { kernel(&WindowTask { column, ..*task }, lists) };
    }
}

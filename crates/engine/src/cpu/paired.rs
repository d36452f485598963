//! Rows summed two by two, at the inner indices at which either holds anything.
//!
//! A list of its own for each row reads the right operand once for every row, and loads are what that waits for. Neighbours hold something at much
//! the same indices: two rows by one list need more sums, but each vector of the right operand serves both, so that the machine
//! does nothing but sum. (Where only one row holds something, the other's zero is multiplied, too: weights that are not finite show there.)

use super::simd::Simd;
use super::window_tile::{WindowTask, begin_sums, store_sums};

/// Rows of a pair.
pub const PAIR: usize = 2;

/// What two rows hold.
#[derive(Clone, Copy)]
pub struct PairList {
    /// The inner indices at which either is not zero, in order.
    pub indices: *const u16,
    /// How many.
    pub count: usize,
    /// Each row's numbers: what index 0 names.
    pub left: [*const f32; PAIR],
    /// The right operand's row that index 0 names.
    pub right: *const f32,
}

/// Sums V vectors of two rows by lists, one after another.
///
/// # Safety
/// The machine has the level; every list's indices name numbers of its rows and rows of the right operand.
#[inline(always)]
pub unsafe fn sum_paired<S: Simd, const V: usize>(task: &WindowTask, lists: &[PairList]) {
    // SAFETY: the caller vouches for pointers and extents.
    unsafe {
        let mut sums = begin_sums::<S, PAIR, V>(task);
        for list in lists {
            for at in 0..list.count {
                let index = usize::from(*list.indices.add(at));
                let right = list.right.wrapping_add(index * task.width + task.column);
                let factors = [S::splat(*list.left[0].add(index)), S::splat(*list.left[1].add(index))];
                for v in 0..V {
                    let vector = S::load(right.add(v * S::LANES));
                    for r in 0..PAIR {
                        sums[r][v] = S::fma(factors[r], vector, sums[r][v]);
                    }
                }
            }
        }
        store_sums::<S, PAIR, V>(task, sums);
    }
}

/// A compiled kernel of pairs.
pub type PairedKernel = unsafe fn(&WindowTask, &[PairList]);

/// Vectors that a kernel of pairs sums side by side: at levels whose tiles have fewer, its sums would not fit the registers.
pub const PAIRED_VECTORS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::plain::Plain;

    /// Each row is summed over its own numbers, whoever else holds something there.
    #[test]
    fn pairs_are_rows_summed_each_for_itself() {
        const INNER: usize = 40;
        const WIDTH: usize = 32;
        let value = |at: usize| ((at * 29 + 7) % 17) as f32 / 8.0 - 1.0;
        let holds = |row: usize, at: usize| (at + row).is_multiple_of(3) || at.is_multiple_of(5 + row);
        let left: Vec<Vec<f32>> = (0..PAIR)
            .map(|row| (0..INNER).map(|at| if holds(row, at) { value(at + 50 * row) } else { 0.0 }).collect())
            .collect();
        let right: Vec<f32> = (0..INNER * WIDTH).map(value).collect();
        let indices: Vec<u16> =
            (0..INNER).filter(|at| holds(0, *at) || holds(1, *at)).map(|at| at as u16).collect();
        let list = PairList {
            indices: indices.as_ptr(),
            count: indices.len(),
            left: [left[0].as_ptr(), left[1].as_ptr()],
            right: right.as_ptr(),
        };
        let mut sums = [0.0; PAIR * WIDTH];
        let lanes = <Plain as Simd>::LANES;
        for column in (0..WIDTH).step_by(2 * lanes) {
            let task = WindowTask {
                rows: std::ptr::null(),
                step: 1,
                places: [WIDTH, 0].as_ptr(),
                from: std::ptr::null(),
                continues: false,
                to: sums.as_mut_ptr(),
                width: WIDTH,
                column,
            };
            // SAFETY: everything is as long as the list and the width say.
            unsafe { sum_paired::<Plain, 2>(&task, &[list]) };
        }
        for (row, column) in (0..PAIR).flat_map(|row| (0..WIDTH).map(move |column| (row, column))) {
            let chain = |sum: f32, at: usize| left[row][at].mul_add(right[at * WIDTH + column], sum);
            let expected = (0..INNER).fold(0.0, chain);
            assert_eq!(sums[(1 - row) * WIDTH + column].to_bits(), expected.to_bits(), "{row}, {column}");
        }
    }
}

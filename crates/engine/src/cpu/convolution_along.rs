//! Convolutions to few channels, summed along the channels of the images: vectors across would be nearly empty.

use super::convolution::Convolution;
use super::convolution_classes::Class;
use super::simd::Simd;
use super::window_tile::WindowTask;
use crate::plan::layout::GRAIN;

impl Convolution {
    /// The kernel's columns one after another.
    #[inline(always)]
    pub(super) unsafe fn pack_columns(&self, kernel: *const f32, to: *mut f32) {
        let (inner, columns) = (self.inner(), self.work.columns);
        // A single column lies as a row.
        let step = if columns == 1 { 1 } else { columns.next_multiple_of(GRAIN) };
        for column in 0..columns {
            for at in 0..inner {
                // SAFETY: the kernel has that many rows; the scratch has room for all columns.
                unsafe { *to.add(column * inner + at) = *kernel.add(at * step + column) };
            }
        }
    }

    /// Sums a class of places along the channels: as many places side by side as a vector has lanes, then the lanes of each.
    #[inline(always)]
    pub(super) unsafe fn sum_along<S: Simd>(
        &self,
        class: &Class,
        count: usize,
        task: &WindowTask,
        kernel: *const f32,
        band: *const f32,
    ) {
        const MOST: usize = 16;
        const COUNTING: [f32; MOST] = [0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.];
        let inner = self.inner();
        // SAFETY: runs lie in the band and in the kernel; behind both is room for a vector.
        unsafe {
            let counting = S::load(COUNTING.as_ptr());
            for first in (0..count).step_by(S::LANES) {
                let own = S::LANES.min(count - first);
                let mut lefts = [band; MOST];
                for (at, left) in lefts[..S::LANES].iter_mut().enumerate() {
                    *left = band.offset(*task.rows.add(first + at.min(own - 1)));
                }
                for column in 0..self.work.columns {
                    let kernel = kernel.add(column * inner);
                    let mut sums = [S::splat(0.0); MOST];
                    for block in &class.blocks {
                        for run in block {
                            let mut at = 0;
                            while at + S::LANES <= run.inner {
                                let weights = S::load(kernel.add(run.right + at));
                                let offset = run.left + at as isize;
                                for lane in 0..S::LANES {
                                    sums[lane] =
                                        S::fma(S::load(lefts[lane].offset(offset)), weights, sums[lane]);
                                }
                                at += S::LANES;
                            }
                            if at < run.inner {
                                let inside = S::gt(S::splat((run.inner - at) as f32), counting);
                                let weights = S::load(kernel.add(run.right + at));
                                let offset = run.left + at as isize;
                                let zero = S::splat(0.0);
                                for lane in 0..S::LANES {
                                    // Behind the run lies what must not count, not even times zero.
                                    let left = S::select(inside, S::load(lefts[lane].offset(offset)), zero);
                                    let weights = S::select(inside, weights, zero);
                                    sums[lane] = S::fma(left, weights, sums[lane]);
                                }
                            }
                        }
                    }
                    let mut totals = [0.0f32; MOST];
                    S::store(totals.as_mut_ptr(), add_lanes::<S>(&sums));
                    for (at, total) in totals[..own].iter().enumerate() {
                        *task.to.add(*task.places.add(first + at) + column) = *total;
                    }
                }
            }
        }
    }
}

/// The sum of each vector's lanes, a lane of the result each.
#[inline(always)]
unsafe fn add_lanes<S: Simd>(vectors: &[S::V; 16]) -> S::V {
    let (mut rows, mut turned) = ([0.0f32; 256], [0.0f32; 256]);
    // SAFETY: LANES squared numbers fit.
    unsafe {
        for (row, vector) in vectors[..S::LANES].iter().enumerate() {
            S::store(rows.as_mut_ptr().add(row * S::LANES), *vector);
        }
        for row in (0..S::LANES).step_by(S::TURN) {
            for column in (0..S::LANES).step_by(S::TURN) {
                let from = rows.as_ptr().add(row * S::LANES + column);
                S::turn(from, S::LANES, turned.as_mut_ptr().add(column * S::LANES + row), S::LANES);
            }
        }
        let mut half = S::LANES / 2;
        let mut sums = [S::splat(0.0); 16];
        for (row, sum) in sums[..S::LANES].iter_mut().enumerate() {
            *sum = S::load(turned.as_ptr().add(row * S::LANES));
        }
        while half > 0 {
            for row in 0..half {
                sums[row] = S::add(sums[row], sums[row + half]);
            }
            half /= 2;
        }
        sums[0]
    }
}

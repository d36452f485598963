//! Whether numbers are finite: asked of every row before a trained model sees it, so it must cost next to nothing.

use super::dispatch::kernels;
use super::simd::{Level, Simd};

/// Whether none of the numbers is NaN or infinite. Any level gives the same answer; one that this machine lacks is not used.
pub fn all_finite(level: Level, values: &[f32]) -> bool {
    let level = if level.available() { level } else { Level::Plain };
    // SAFETY: the level has just been found available.
    unsafe { (kernels(level).finite)(values) }
}

/// Sums 0 · x, which is 0 for finite numbers and NaN for all others; four sums side by side.
///
/// # Safety
/// The machine has the level.
#[inline(always)]
pub unsafe fn finite<S: Simd>(values: &[f32]) -> bool {
    let turns = values.chunks_exact(4 * S::LANES);
    let rest = turns.remainder();
    // SAFETY: every chunk holds four vectors.
    unsafe {
        let zero = S::splat(0.0);
        let mut sums = [zero; 4];
        for turn in turns {
            for (number, sum) in sums.iter_mut().enumerate() {
                *sum = S::fma(S::load(turn.as_ptr().add(number * S::LANES)), zero, *sum);
            }
        }
        let total = S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3]));
        let mut lanes = [0.0f32; 64];
        S::store(lanes.as_mut_ptr(), total);
        lanes[..S::LANES].iter().chain(rest).map(|x| x * 0.0).sum::<f32>() == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_number_anywhere_is_found_at_every_level() {
        for level in Level::all_available() {
            for length in [0, 1, 15, 16, 64, 65, 784] {
                let values = vec![f32::MAX; length];
                assert!(all_finite(level, &values), "{level:?} {length}");
                for at in 0..length {
                    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                        let mut values = values.clone();
                        values[at] = wrong;
                        assert!(!all_finite(level, &values), "{level:?} {length} {at} {wrong}");
                    }
                }
            }
        }
    }
}

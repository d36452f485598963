//! Top-k: marks the largest values of each row.
//!
//! Values are turned into whole numbers in the same order, left where the marks will go, and the k-th largest is found bit by bit: as
//! many passes as it takes until exactly k numbers lie above, mostly about half of 32.

use super::tile::RunContext;
use crate::plan::layout::{Layout, PANEL};
use crate::plan::{BufferId, Work};

/// Marks the largest values of rows `first..last`.
///
/// # Safety
/// The context is that of a bound plan; nobody else touches those rows of the result; source and result lie alike.
#[inline(always)]
pub unsafe fn mark_rows(work: &Work, domain: Layout, first: usize, last: usize, context: &RunContext<'_>) {
    let Work::Largest { from, to, count } = *work else { return };
    let memory = |buffer: BufferId| context.buffers[buffer.index()];
    for row in first..last {
        // SAFETY: the row lies in both buffers, panel by panel.
        unsafe { mark(memory(from), memory(to).cast(), domain, row, count) };
    }
}

#[inline(always)]
unsafe fn mark(from: *const f32, keys: *mut u32, domain: Layout, row: usize, count: usize) {
    let panels = domain.panels();
    let piece = |panel: usize| {
        let valid = (domain.columns - panel * PANEL).min(PANEL);
        (domain.address(row, panel * PANEL), valid)
    };
    // SAFETY: every piece lies in the row.
    unsafe {
        for panel in 0..panels {
            let (at, valid) = piece(panel);
            for column in 0..valid {
                *keys.add(at + column) = key(*from.add(at + column));
            }
        }
        let at_least = |least: u32| -> usize {
            let mut all = 0;
            for panel in 0..panels {
                let (at, valid) = piece(panel);
                let mut some = 0u32;
                for column in 0..valid {
                    some += u32::from(*keys.add(at + column) >= least);
                }
                all += some as usize;
            }
            all
        };
        // The largest number that at least `count` keys reach: the k-th largest key, or one below it that as many reach.
        let mut threshold = 0u32;
        let mut reached = domain.columns;
        for bit in (0..32).rev() {
            let higher = threshold | 1 << bit;
            let reaching = at_least(higher);
            if reaching >= count {
                (threshold, reached) = (higher, reaching);
            }
            if reached == count {
                break;
            }
        }
        if reached == count {
            for panel in 0..panels {
                let (at, valid) = piece(panel);
                for column in 0..valid {
                    let one = u32::from(*keys.add(at + column) >= threshold);
                    *keys.add(at + column) = one * 1f32.to_bits();
                }
            }
            return;
        }
        // Several keys equal the k-th largest: the first of them count.
        let mut left = count - threshold.checked_add(1).map_or(0, at_least);
        for panel in 0..panels {
            let (at, valid) = piece(panel);
            for column in 0..valid {
                let value = *keys.add(at + column);
                let equal = value == threshold && left > 0;
                left -= usize::from(equal);
                *keys.add(at + column) = u32::from(value > threshold || equal) * 1f32.to_bits();
            }
        }
    }
}

/// A whole number for each value, in the same order; −0 equals 0, NaN is above everything.
#[inline(always)]
pub fn key(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    let number = if value.is_nan() { 0x7fff_ffff } else { bits };
    number ^ if number >> 31 == 1 { u32::MAX } else { 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn keys_keep_the_order_of_values() {
        let values = [f32::NEG_INFINITY, -2.0, -1e-40, 0.0, 1e-40, 0.5, 3.0, f32::INFINITY, f32::NAN];
        assert!(values.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert_eq!(key(-0.0), key(0.0));
        assert_eq!(key(-f32::NAN), key(f32::NAN));
    }
}

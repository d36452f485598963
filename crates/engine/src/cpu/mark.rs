//! Marks of what a matrix holds.

use super::simd::Simd;
use super::tile::RunContext;
use crate::plan::layout::{Layout, Marks, PANEL};
use crate::plan::{Buffer, BufferId, Contents, Matrix};

/// Marks rows `first..last`.
///
/// # Safety
/// The machine has the level; the context is that of a bound and verified plan; nobody else marks those rows.
#[inline(always)]
pub unsafe fn mark_rows<S: Simd>(
    from: Matrix,
    to: BufferId,
    buffers: &[Buffer],
    (first, last): (usize, usize),
    context: &RunContext<'_>,
) {
    let Matrix { buffer, rows, columns } = from;
    let (marks, layout) = (Marks { rows, columns }, Layout { rows, columns });
    let fed = matches!(buffers[buffer.index()].contents, Contents::Feed(_));
    let from: *const f32 = context.buffers[buffer.index()];
    let to = context.buffers[to.index()].cast::<u64>();
    for panel in 0..marks.panels() {
        let count = (columns - panel * PANEL).min(PANEL);
        for row in first..last {
            let at = if fed { row * columns + panel * PANEL } else { layout.address(row, panel * PANEL) };
            // SAFETY: only what the row has in this panel is read, and its own word written.
            unsafe { *to.add(marks.word(panel, row)) = bits::<S>(from.add(at), count) };
        }
    }
}

/// A bit for each of up to 64 numbers that is not zero.
///
/// # Safety
/// The machine has the level; there are so many numbers.
#[inline(always)]
pub unsafe fn bits<S: Simd>(from: *const f32, count: usize) -> u64 {
    let mut bits = 0;
    let whole = count / S::LANES * S::LANES;
    // SAFETY: the caller's.
    unsafe {
        for at in (0..whole).step_by(S::LANES) {
            bits |= u64::from(S::filled(S::load(from.add(at)))) << at;
        }
        for at in whole..count {
            bits |= u64::from(*from.add(at) != 0.0) << at;
        }
    }
    bits
}

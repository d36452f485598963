//! Packing: a block of a transposed right operand, turned so that it streams by like any other.

use super::product::stored;
use super::simd::Simd;
use crate::plan::Operand;
use crate::plan::layout::PANEL;

/// A block of a right operand and where it goes.
pub struct PackTask<'p> {
    /// The operand.
    pub operand: &'p Operand,
    /// Its buffer.
    pub from: *const f32,
    /// First column of the result.
    pub column: usize,
    /// Columns of the result: the length of a packed row.
    pub width: usize,
    /// First inner index.
    pub first: usize,
    /// One past the last.
    pub last: usize,
    /// Room for the block.
    pub to: *mut f32,
}

/// Writes inner indices `first..last` as rows of `width`.
///
/// # Safety
/// The machine has the level; `from` is the operand's buffer, `to` has room for the block.
#[inline(always)]
pub unsafe fn pack<S: Simd>(task: &PackTask<'_>) {
    let &PackTask { operand, from, column, width, first, last, to } = task;
    let layout = stored(operand);
    // SAFETY: addresses of the layout lie in the buffer; rows beyond the operand are zeros.
    unsafe {
        if !operand.transposed || layout.rows == 1 {
            // A single column, or a stored single row: too small to be worth vectors.
            let columns = if operand.transposed { operand.rows } else { operand.columns };
            for inner in first..last {
                for at in 0..width {
                    let inside = column + at < columns;
                    let (row, col) =
                        if operand.transposed { (column + at, inner) } else { (inner, column + at) };
                    let (row, col) = if operand.columns == 1 { (0, row) } else { (row, col) };
                    *to.add((inner - first) * width + at) =
                        if inside { *from.add(layout.address(row, col)) } else { 0.0 };
                }
            }
            return;
        }
        let rows = width.min(layout.rows - column);
        let mut inner = first;
        while inner < last {
            let panel = inner / PANEL;
            let end = ((panel + 1) * PANEL).min(last);
            let step = layout.width(panel);
            let source = from.add(layout.address(column, inner));
            turn_panel::<S>(source, step, rows, end - inner, to.add((inner - first) * width), width);
            inner = end;
        }
    }
}

/// Turns `rows` rows of `count` numbers, `step` apart, into `count` rows of `width`.
#[inline(always)]
unsafe fn turn_panel<S: Simd>(
    from: *const f32,
    step: usize,
    rows: usize,
    count: usize,
    to: *mut f32,
    width: usize,
) {
    let whole_rows = rows / S::TURN * S::TURN;
    let whole_count = count / S::TURN * S::TURN;
    // SAFETY: blocks lie inside; what no block covers is done one by one; missing rows become zeros.
    unsafe {
        for row in (0..whole_rows).step_by(S::TURN) {
            for at in (0..whole_count).step_by(S::TURN) {
                S::turn(from.add(row * step + at), step, to.add(at * width + row), width);
            }
        }
        for at in 0..count {
            let start = if at < whole_count { whole_rows } else { 0 };
            for row in start..width {
                *to.add(at * width + row) = if row < rows { *from.add(row * step + at) } else { 0.0 };
            }
        }
    }
}

//! Movement: elements copied to other places, rows gathered and scattered.

use super::tile::{FeedPointer, RunContext};
use crate::graph::shape::MAX_RANK;
use crate::plan::layout::{Layout, PANEL};
use crate::plan::{Buffer, BufferId, Move, Piece};

/// Rows that a unit of a movement or gather does.
pub const UNIT_ROWS: usize = 32;

/// Moves the elements of rows `first..last` of the result.
///
/// # Safety
/// The context is that of a bound plan; nobody else touches those rows.
pub unsafe fn move_rows(
    moved: &Move,
    buffers: &[Buffer],
    to: BufferId,
    domain: Layout,
    first: usize,
    last: usize,
    context: &RunContext<'_>,
) {
    let target = context.buffers[to.index()];
    let shape = moved.shape;
    for row in first..last {
        for column in 0..domain.columns {
            let mut index = [0; MAX_RANK];
            let mut rest = row * domain.columns + column;
            for axis in (0..shape.rank()).rev() {
                index[axis] = rest % shape.sizes()[axis];
                rest /= shape.sizes()[axis];
            }
            let piece = moved.pieces.iter().find(|piece| covers(piece, &index, shape.rank()));
            let value = piece.map_or(0.0, |piece| {
                let element = piece.offset
                    + (0..shape.rank())
                        .map(|axis| piece.strides[axis] * (index[axis] - piece.start[axis]))
                        .sum::<usize>();
                let layout = buffers[piece.buffer.index()].layout;
                let (from_row, from_column) = if piece.columns == 1 {
                    (0, element)
                } else {
                    (element / piece.columns, element % piece.columns)
                };
                // SAFETY: strides and offset of a piece address elements of its source.
                unsafe { *context.buffers[piece.buffer.index()].add(layout.address(from_row, from_column)) }
            });
            // SAFETY: the element lies in the unit's rows.
            unsafe { *target.add(domain.address(row, column)) = value };
        }
    }
}

fn covers(piece: &Piece, index: &[usize; MAX_RANK], rank: usize) -> bool {
    (0..rank).all(|axis| (piece.start[axis]..piece.end[axis]).contains(&index[axis]))
}

/// The row that an index means: indices beyond the table mean its last row.
fn row_of(indices: FeedPointer, at: usize, rows: usize) -> usize {
    match indices {
        // SAFETY: the input has been checked to have an index for every row.
        FeedPointer::U32(from) => (unsafe { *from.add(at) } as usize).min(rows - 1),
        _ => 0,
    }
}

/// A table and where its rows go or come from.
pub struct Rows<'p> {
    /// Layout of the table.
    pub table: Layout,
    /// Layout of the picked rows.
    pub picked: Layout,
    /// Memory of the table.
    pub table_memory: *mut f32,
    /// Memory of the picked rows.
    pub picked_memory: *mut f32,
    /// Number of columns: the table's own, since a single column lies as a row.
    pub columns: usize,
    /// The row numbers.
    pub indices: &'p FeedPointer,
    /// Rows of the table.
    pub table_rows: usize,
}

impl Rows<'_> {
    fn places(&self, table_row: usize, picked_row: usize, panel: usize) -> (*mut f32, *mut f32, usize) {
        let column = panel * PANEL;
        let count = (self.columns - column).min(PANEL);
        let at = |layout: Layout, row: usize| {
            if self.columns == 1 { layout.address(0, row) } else { layout.address(row, column) }
        };
        // SAFETY: both rows lie in their layouts.
        unsafe {
            let table = self.table_memory.add(at(self.table, table_row));
            (table, self.picked_memory.add(at(self.picked, picked_row)), count)
        }
    }

    /// Copies rows `first..last` of the result.
    ///
    /// # Safety
    /// As for [`move_rows`].
    pub unsafe fn gather(&self, first: usize, last: usize) {
        for row in first..last {
            let from = row_of(*self.indices, row, self.table_rows);
            for panel in 0..self.columns.div_ceil(PANEL) {
                let (table, picked, count) = self.places(from, row, panel);
                // SAFETY: `count` columns of a row of one panel are contiguous; table and result are different buffers.
                unsafe { std::ptr::copy_nonoverlapping(table, picked, count) };
            }
        }
    }

    /// Sets one panel of the table to zero and adds all rows to it in order.
    ///
    /// # Safety
    /// As for [`move_rows`], for the panel.
    pub unsafe fn scatter_add(&self, panel: usize, picked_rows: usize) {
        for row in 0..self.table_rows {
            let (table, _, count) = self.places(row, 0, panel);
            // SAFETY: as in `gather`.
            unsafe { std::slice::from_raw_parts_mut(table, count).fill(0.0) };
        }
        for row in 0..picked_rows {
            let to = row_of(*self.indices, row, self.table_rows);
            let (table, picked, count) = self.places(to, row, panel);
            for at in 0..count {
                // SAFETY: as in `gather`.
                unsafe { *table.add(at) += *picked.add(at) };
            }
        }
    }
}

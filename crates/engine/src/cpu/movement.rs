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
    let sizes = shape.sizes();
    // Neighbours in memory differ along the last axis that has more than one element.
    let last_axis = sizes.iter().rposition(|size| *size > 1).unwrap_or(0);
    // Elements that keep their order need no index.
    let in_order = moved.in_order().map(|_| &moved.pieces[0]);
    for row in first..last {
        let mut column = 0;
        while column < domain.columns {
            let number = row * domain.columns + column;
            let whole = (domain.columns - column).min(PANEL - column % PANEL);
            // SAFETY: the run lies in the unit's rows, in one panel of them.
            let to = unsafe { target.add(domain.address(row, column)) };
            let (piece, element, stride, count) = if let Some(piece) = in_order {
                (piece, number, 1, whole)
            } else {
                let index = index_of(sizes, number);
                let Some(piece) = moved.pieces.iter().find(|piece| covers(piece, &index, sizes.len())) else {
                    // SAFETY: as above.
                    unsafe { *to = 0.0 };
                    column += 1;
                    continue;
                };
                let steps =
                    (0..sizes.len()).map(|axis| piece.strides[axis] * (index[axis] - piece.start[axis]));
                let count = whole.min(piece.end[last_axis] - index[last_axis]);
                (piece, piece.offset + steps.sum::<usize>(), piece.strides[last_axis], count)
            };
            let run = Run {
                from: context.buffers[piece.buffer.index()],
                layout: buffers[piece.buffer.index()].layout,
                columns: if piece.columns == 1 { usize::MAX } else { piece.columns },
                element,
                stride,
                count,
            };
            // SAFETY: strides and offset of a piece address elements of its source, which is another buffer.
            unsafe { run.copy(to) };
            column += count;
        }
    }
}

/// The index along each axis of an element's number.
fn index_of(sizes: &[usize], mut number: usize) -> [usize; MAX_RANK] {
    let mut index = [0; MAX_RANK];
    for axis in (0..sizes.len()).rev() {
        index[axis] = number % sizes[axis];
        number /= sizes[axis];
    }
    index
}

fn covers(piece: &Piece, index: &[usize; MAX_RANK], rank: usize) -> bool {
    (0..rank).all(|axis| (piece.start[axis]..piece.end[axis]).contains(&index[axis]))
}

/// Elements of a source, evenly apart in its order of elements.
struct Run {
    from: *const f32,
    layout: Layout,
    /// Columns of a row in that order.
    columns: usize,
    /// The first element's number.
    element: usize,
    /// From element to element.
    stride: usize,
    /// How many.
    count: usize,
}

impl Run {
    /// Copies the elements to neighbouring places.
    ///
    /// # Safety
    /// Every element lies in the source; `to` has room for them.
    unsafe fn copy(&self, to: *mut f32) {
        let (mut row, mut column) = (self.element / self.columns, self.element % self.columns);
        let (down, across) = (self.stride / self.columns, self.stride % self.columns);
        let mut done = 0;
        while done < self.count {
            // Elements up to the end of a panel, or of one column, are evenly apart in memory, too.
            let (step, count) = match (down, across) {
                (0, 1) => (1, (PANEL - column % PANEL).min(self.columns - column)),
                (_, 0) => (down * self.layout.width(column / PANEL), usize::MAX),
                _ => (0, 1),
            };
            let count = count.min(self.count - done);
            // SAFETY: the caller vouches for every element.
            unsafe {
                let from = self.from.add(self.layout.address(row, column));
                if step == 1 {
                    std::ptr::copy_nonoverlapping(from, to.add(done), count);
                } else {
                    for at in 0..count {
                        *to.add(done + at) = *from.add(at * step);
                    }
                }
            }
            done += count;
            column += across * count;
            row += down * count + column / self.columns;
            column %= self.columns;
        }
    }
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

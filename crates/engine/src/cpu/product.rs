//! Products: a tile of the result kept in registers while the inner dimension runs by, its program behind it.
//!
//! Every element of a result is made in the same way whatever the tile or the thread: up to [`ONE_PASS`] terms are one chain of
//! fused multiply-adds in ascending order, more are chains of [`BLOCK`] terms, added up in ascending order. So a row's bits do
//! not depend on the rows beside it, and a row alone can run several chains side by side. The left operand is read where it lies, never past a
//! row's end, and what it has of zeros is left out (`occupied`); the right operand streams by in panels, packed first only where the product wants it transposed.

use super::occupied::{self, Looking, Marked, QUARTERS, Tile};
use super::pack::PackTask;
use super::product_tile::{Lie, Segment, TileKernels, TileTask};
use super::simd::Simd;
use super::symmetric;
use super::tile::{RunContext, Scratch, Stretch, TileProgram};
use crate::plan::layout::{GRAIN, Layout, Marks, PANEL};
use crate::plan::{BufferId, Operand};

/// Up to this inner dimension a tile is finished in one pass.
pub const ONE_PASS: usize = 384;
/// Longer ones advance by this much at a time, so that the right operand's block stays in the first cache.
pub const BLOCK: usize = 128;
/// Rows of a unit at most; partial results of a unit take this many rows of a panel.
pub const UNIT_ROWS: usize = 256;
/// Rows of a tile.
pub const TILE_ROWS: usize = 6;
/// Panels that a block of the inner dimension spans.
const BLOCK_PANELS: usize = BLOCK / PANEL;
/// Inner indices that are listed at once: those of a pass, or the blocks of a row alone that are summed together.
pub const LISTED: usize = TILE_ROWS * BLOCK + occupied::SLACK;
const _: () = assert!(ONE_PASS <= TILE_ROWS * BLOCK);
/// Numbers of a result beyond which it, and what its program reads beside it, is not found in the second cache.
const FAR: usize = 256 << 10;
/// Segments of a block at most: one pass of panels, or as many streams as are asked for ahead.
const SEGMENTS: usize = 8;

/// A product with its places found.
#[derive(Clone, Debug)]
pub struct Product {
    /// Left operand.
    pub left: Operand,
    /// Right operand.
    pub right: Operand,
    /// The inner dimension.
    pub inner: usize,
    /// Columns of the result.
    pub columns: usize,
    /// Whether the right operand must be packed.
    pub packed: bool,
    /// Whether the left operand lies row after row, not in panels.
    pub row_after_row: bool,
    /// Marks of what the left operand holds.
    pub marks: Option<BufferId>,
    /// Whether the result is symmetric: a matrix times its own transpose.
    pub symmetric: bool,
}

/// A unit of a product: some rows of one panel of the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProductUnit {
    /// Panel of the result.
    pub panel: usize,
    /// First row.
    pub first: usize,
    /// One past the last row.
    pub last: usize,
}

impl Product {
    /// The lie of the left operand.
    pub fn lie(&self) -> Lie {
        let rows = if self.left.transposed { self.left.columns } else { self.left.rows };
        match (self.left.transposed, rows, self.inner) {
            // A single column lies as a row: its elements follow each other.
            (true, 1, _) => Lie::Along,
            (true, ..) => Lie::Across,
            (false, _, 1) => Lie::Across,
            (false, ..) => Lie::Along,
        }
    }

    /// The left operand's addresses for the rows from `row` on (in one panel of it, if rows lie across) and inner indices
    /// `first..last`.
    ///
    /// # Safety
    /// `memory` is the left operand's buffer.
    #[inline(always)]
    unsafe fn segments(
        &self,
        memory: *const f32,
        row: usize,
        first: usize,
        last: usize,
        into: &mut [Segment; SEGMENTS],
    ) -> usize {
        let layout = stored(&self.left);
        // SAFETY: addresses of the layout lie in the buffer; of rows that lie so only their own numbers are read.
        unsafe {
            if self.row_after_row {
                into[0] = Segment::new(memory.add(row * self.inner + first), self.inner, last - first);
                return 1;
            }
            if self.lie() == Lie::Across || layout.rows == 1 {
                let at = if !self.left.transposed {
                    // One row, or an inner dimension of 1 that lies as a row.
                    if self.inner == 1 { layout.address(0, row) } else { layout.address(0, first) }
                } else if layout.rows == 1 && self.inner > 1 {
                    layout.address(0, first)
                } else {
                    layout.address(first, row)
                };
                let step =
                    if self.left.transposed && layout.rows > 1 { layout.width(row / PANEL) } else { 1 };
                into[0] = Segment::new(memory.add(at), step, last - first);
                return 1;
            }
            let mut count = 0;
            let mut inner = first;
            while inner < last && count < into.len() {
                let panel = inner / PANEL;
                let end = ((panel + 1) * PANEL).min(last);
                let pointer = memory.add(layout.address(row, inner));
                into[count] = Segment::new(pointer, layout.width(panel), end - inner);
                count += 1;
                inner = end;
            }
            count
        }
    }

    /// Does one unit and runs the program on every tile.
    ///
    /// # Safety
    /// The machine has the level; the context is that of a bound plan; nobody else touches what the unit writes.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(
        &self,
        unit: ProductUnit,
        program: &TileProgram,
        domain: Layout,
        kernels: &TileKernels,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let width = (self.columns - unit.panel * PANEL).min(PANEL).next_multiple_of(GRAIN);
        let left: *const f32 = context.buffers[self.left.buffer.index()];
        let right: *const f32 = context.buffers[self.right.buffer.index()];
        let block = if self.inner <= ONE_PASS { self.inner } else { BLOCK };
        let mut inner = 0;
        let mut looking = Looking::new();
        // SAFETY: the scratch holds a unit's partial sums and a packed block; everything else lies in the plan's buffers.
        unsafe {
            program.prepare::<S>(context, scratch);
            if self.inner > ONE_PASS
                && unit.last - unit.first == 1
                && !self.packed
                && stored(&self.left).rows == 1
            {
                let from =
                    right.add(Layout { rows: self.inner, columns: self.columns }.panel_start(unit.panel));
                inner = self.whole_blocks::<S>(left, from, width, kernels, scratch);
            }
            while inner < self.inner {
                let end = (inner + block).min(self.inner);
                let panel_right = if self.packed {
                    (kernels.pack)(&PackTask {
                        operand: &self.right,
                        from: right,
                        column: unit.panel * PANEL,
                        width,
                        first: inner,
                        last: end,
                        to: scratch.packed,
                    });
                    scratch.packed.cast_const()
                } else {
                    let layout = Layout { rows: self.inner, columns: self.columns };
                    right.add(layout.panel_start(unit.panel) + inner * width)
                };
                let part = Part { unit, first: inner, last: end, right: panel_right, width };
                looking.begin_block(self.lie());
                self.part::<S>(&part, left, program, domain, kernels, &mut looking, context, scratch);
                inner = end;
            }
        }
    }

    /// Sums the whole blocks of a single row, as many at a time as there are kernels for; what is left, a block or part of
    /// one, is done like any other. Gives the inner index where that begins.
    #[inline(always)]
    unsafe fn whole_blocks<S: Simd>(
        &self,
        left: *const f32,
        right: *const f32,
        width: usize,
        kernels: &TileKernels,
        scratch: &Scratch,
    ) -> usize {
        let mut inner = 0;
        // The last block is left to the others, who run the program behind it.
        let whole = (self.inner - 1) / BLOCK;
        while inner < whole * BLOCK {
            let count = tile_rows(whole - inner / BLOCK);
            let mut blocks = [Segment::EMPTY; TILE_ROWS];
            for (number, block) in blocks[..count].iter_mut().enumerate() {
                *block = Segment::new(left.wrapping_add(inner + number * BLOCK), BLOCK, BLOCK);
            }
            // SAFETY: the row has so many blocks, and the list has room for them.
            let listed = unsafe {
                // A list's sums of one block wait for each other: with few vectors side by side it must leave out more.
                let quarters = QUARTERS.min(width.div_ceil(kernels.lanes)).min(kernels.vectors);
                let tile = Tile { lie: Lie::Along, row: 0, rows: 1, inner, quarters };
                Looking::new().list::<S>(&mut blocks[..count], tile, None, scratch.listed)
            };
            let mut column = 0;
            while column < width {
                let vectors = kernels.vectors.min((width - column) / kernels.lanes);
                // SAFETY: the panel has `inner` rows of `width`; partial sums of one row fit.
                unsafe {
                    let to = scratch.partial.add(column);
                    let from = if inner == 0 { std::ptr::null() } else { to.cast_const() };
                    let task = TileTask { from, to, width, right: right.add(inner * width + column) };
                    match (listed, kernels.listed_blocks[vectors - 1], kernels.blocks[count - 1][vectors - 1])
                    {
                        (true, Some(kernel), _) => kernel(&task, &blocks[..count]),
                        (false, _, Some(kernel)) => kernel(&task, left.add(inner)),
                        _ => return inner,
                    }
                }
                column += vectors * kernels.lanes;
            }
            inner += count * BLOCK;
        }
        inner
    }

    #[inline(always)]
    unsafe fn part<S: Simd>(
        &self,
        part: &Part,
        left: *const f32,
        program: &TileProgram,
        domain: Layout,
        kernels: &TileKernels,
        looking: &mut Looking,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let (begins, ends) = (part.first == 0, part.last == self.inner);
        let lie = self.lie();
        let marks = self.marks.map(|marks| {
            let bits = context.buffers[marks.index()].cast_const().cast::<u64>();
            Marked { bits, of: Marks::of(&self.left) }
        });
        let single_column = self.columns == 1;
        let mut segments = [Segment::EMPTY; SEGMENTS];
        let right: *const f32 = context.buffers[self.right.buffer.index()];
        let mut next = [Ahead { from: right, row: 0, step: 0 }; BLOCK_PANELS];
        if !ends && lie == Lie::Along {
            self.next_block(part, right, &mut next);
        }
        let mut row = part.unit.first;
        // SAFETY: see `run`; tiles never cross a panel of the left operand because 64 rows are cut before they are.
        unsafe {
            while row < part.unit.last {
                let left_in_panel = PANEL - row % PANEL;
                let rows = tile_rows((part.unit.last - row).min(left_in_panel));
                let mut count = self.segments(left, row, part.first, part.last, &mut segments);
                let partial = scratch.partial.add((row - part.unit.first) * part.width);
                let straight = ends && !single_column && !self.symmetric;
                let mut task = TileTask {
                    from: if begins { std::ptr::null() } else { partial },
                    to: if straight { scratch.registers } else { partial },
                    width: part.width,
                    right: part.right,
                };
                if !ends && lie == Lie::Across {
                    // The left operand's inner indices are rows, far from each other, while the right operand's follow each
                    // other: what a tile asks for is its own of the next block.
                    let own = &mut segments[0];
                    own.ahead = own.pointer.wrapping_add(own.inner * own.step);
                    own.ahead_step = own.step;
                } else if !ends {
                    let done = row - part.unit.first;
                    for (segment, ahead) in segments[..count].iter_mut().zip(&next) {
                        segment.ahead = ahead.from.wrapping_add(done * ahead.row);
                        segment.ahead_step = ahead.step;
                    }
                } else if straight && row + rows < part.unit.last {
                    let next = Stretch {
                        row: row + rows,
                        rows,
                        column: part.unit.panel * PANEL,
                        width: part.width,
                        domain,
                    };
                    let inner_step = if lie == Lie::Along { 1 } else { segments[0].step };
                    let streams = if domain.length() > FAR {
                        &program.streams[..]
                    } else if count == 1 {
                        &program.streams[..program.streams_read]
                    } else {
                        &[]
                    };
                    count = ask_for_streams(streams, &next, context, inner_step, &mut segments, count);
                }
                let tile = Tile { lie, row, rows, inner: part.first, quarters: QUARTERS };
                let listed = looking.list::<S>(&mut segments[..count], tile, marks.as_ref(), scratch.listed);
                let tiles = if listed { &kernels.listed } else { &kernels.kernels };
                let mut column = 0;
                while column < part.width {
                    let vectors = kernels.vectors.min((part.width - column) / kernels.lanes);
                    let Some(kernel) = tiles[lie as usize][rows - 1][vectors - 1] else { return };
                    kernel(&task, &segments[..count]);
                    let advance = vectors * kernels.lanes;
                    column += advance;
                    task.to = task.to.add(advance);
                    task.right = task.right.add(advance);
                    task.from = if begins { task.from } else { task.from.add(advance) };
                }
                if straight {
                    let column = part.unit.panel * PANEL;
                    program.run::<S>(
                        &Stretch { row, rows, column, width: part.width, domain },
                        context,
                        scratch,
                    );
                }
                row += rows;
            }
            if ends && single_column {
                self.finish_column::<S>(part, program, domain, context, scratch);
            } else if ends && self.symmetric {
                symmetric::finish::<S>(part.unit, part.width, program, domain, context, scratch);
            }
        }
    }

    /// Where the next block of the right operand lies, and how much of it falls to each row of a unit: while a block is
    /// multiplied, the next one is asked for. A block that is turned comes from as many stored panels as it has pieces.
    #[inline(always)]
    fn next_block(&self, part: &Part, right: *const f32, next: &mut [Ahead; BLOCK_PANELS]) {
        let rows = part.unit.last - part.unit.first;
        let inner = part.last - part.first;
        let layout = stored(&self.right);
        let pieces = if self.row_after_row { 1 } else { inner.div_ceil(PANEL) };
        let piece = inner / pieces;
        for (number, ahead) in next[..pieces].iter_mut().enumerate() {
            let (from, length) = if !self.packed {
                let length = piece * part.width;
                (part.right.wrapping_add((pieces + number) * length), length)
            } else {
                let (row, column) = (part.unit.panel * PANEL, (part.last + number * piece) / PANEL * PANEL);
                if layout.rows == 1 || column >= layout.columns {
                    break;
                }
                let length = part.width.min(layout.rows - row) * layout.width(column / PANEL);
                (right.wrapping_add(layout.address(row, column)), length)
            };
            let row = length / rows;
            *ahead = Ahead { from, row, step: row * TILE_ROWS / piece };
        }
    }

    /// A result of one column lies as a row: the sums are collected and the program runs over stretches of that row.
    #[inline(always)]
    unsafe fn finish_column<S: Simd>(
        &self,
        part: &Part,
        program: &TileProgram,
        domain: Layout,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let mut row = part.unit.first;
        while row < part.unit.last {
            let count = (part.unit.last - row).min(PANEL);
            // SAFETY: partial sums lie in rows of `width`; register 0 holds a stretch.
            unsafe {
                for at in 0..count {
                    *scratch.registers.add(at) =
                        *scratch.partial.add((row - part.unit.first + at) * part.width);
                }
                program.run::<S>(&Stretch::run(domain, row, count), context, scratch);
            }
            row += count;
        }
    }
}

/// What the program behind the next tile will read and write (weights and moments, for an optimiser) is asked for while this
/// tile is summed, a stream by a segment, as far as there are segments. A single one is cut into one for each stream. Gives the
/// number of segments.
#[inline(always)]
unsafe fn ask_for_streams(
    streams: &[BufferId],
    next: &Stretch,
    context: &RunContext<'_>,
    inner_step: usize,
    segments: &mut [Segment; SEGMENTS],
    count: usize,
) -> usize {
    let whole = segments[0];
    let wanted = streams.len().min(SEGMENTS);
    let cut = count == 1 && (2..=whole.inner).contains(&wanted);
    let count = if cut { wanted } else { count };
    let lines = next.length().div_ceil(GRAIN);
    let mut inner = 0;
    for (number, stream) in streams.iter().take(count).enumerate() {
        let segment = &mut segments[number];
        if cut {
            let end = whole.inner * (number + 1) / wanted;
            let pointer = whole.pointer.wrapping_add(inner * inner_step);
            *segment = Segment::new(pointer, whole.step, end - inner);
            inner = end;
        }
        segment.ahead = context.buffers[stream.index()].wrapping_add(next.start());
        segment.ahead_step = (lines * GRAIN / segment.inner).min(2 * GRAIN);
    }
    count
}

/// A unit's work on one block of the inner dimension.
struct Part {
    unit: ProductUnit,
    first: usize,
    last: usize,
    right: *const f32,
    width: usize,
}

/// Memory to ask for while a block is multiplied.
#[derive(Clone, Copy)]
struct Ahead {
    /// Where it begins.
    from: *const f32,
    /// Elements for each row of the unit.
    row: usize,
    /// Elements for each inner index of a full tile.
    step: usize,
}

/// The layout of an operand as stored.
pub fn stored(operand: &Operand) -> Layout {
    match (operand.rows, operand.columns) {
        (rows, 1) => Layout { rows: 1, columns: rows },
        (rows, columns) => Layout { rows, columns },
    }
}

/// The largest tile height for so many rows.
fn tile_rows(rows: usize) -> usize {
    match rows {
        TILE_ROWS.. => TILE_ROWS,
        4..TILE_ROWS => 4,
        2..4 => 2,
        _ => 1,
    }
}

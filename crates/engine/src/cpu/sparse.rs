//! Rows that are zero but for a few values: choosing them, and products that touch nothing else.
//!
//! Values that are 0 are passed over. Every sum is one chain of multiply-adds in ascending order of rows and places (a sampled product: one chain for each of 64 lanes, added up
//! pairwise), so its bits depend neither on units nor on threads.

use super::largest::key;
use super::schedule::Piece;
use super::simd::Simd;
use super::tile::RunContext;
use crate::graph::op::{BLOCK, Sparse};
use crate::plan::layout::{GRAIN, Layout, PANEL};
use crate::plan::{Matrix, SparseWork};

/// Rows of a unit: of an outer product a block of its table.
pub fn unit_rows(kind: Sparse) -> usize {
    if kind == Sparse::Outer { BLOCK } else { 16 }
}

/// Units of a turned outer product are panels, and each is a block.
const _: () = assert!(BLOCK == PANEL);

/// Groups of columns whose largest values are told apart while looking for the k largest.
const GROUPS: usize = 1024;
/// Candidates for the k largest that are kept; more are found another way.
const CANDIDATES: usize = 2048;

/// A matrix in memory.
#[derive(Clone, Copy)]
struct View {
    memory: *mut f32,
    layout: Layout,
    rows: usize,
    columns: usize,
}

impl View {
    fn new(matrix: &Matrix, context: &RunContext<'_>) -> View {
        let Matrix { buffer, rows, columns } = *matrix;
        let layout = if columns == 1 { Layout { rows: 1, columns: rows } } else { Layout { rows, columns } };
        View { memory: context.buffers[buffer.index()], layout, rows, columns }
    }

    /// Where an element lies; those of a row's panel lie one after another.
    ///
    /// # Safety
    /// Row and column are among its own.
    #[inline(always)]
    unsafe fn at(&self, row: usize, column: usize) -> *mut f32 {
        let address = if self.columns == 1 { row } else { self.layout.address(row, column) };
        // SAFETY: by the caller.
        unsafe { self.memory.add(address) }
    }

    /// First column and number of columns of each panel.
    fn pieces(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let columns = self.columns;
        (0..columns.div_ceil(PANEL)).map(move |panel| (panel * PANEL, (columns - panel * PANEL).min(PANEL)))
    }

    /// A position as a row or column number; those beyond the last mean it.
    ///
    /// # Safety
    /// As for [`View::at`].
    #[inline(always)]
    unsafe fn place(&self, row: usize, at: usize, limit: usize) -> usize {
        // SAFETY: by the caller.
        (unsafe { *self.at(row, at) } as usize).min(limit - 1)
    }
}

/// Does one unit.
///
/// # Safety
/// The machine has the level; the context is that of a bound and verified plan.
#[inline(always)]
pub unsafe fn run<S: Simd>(work: &SparseWork, piece: Piece, context: &RunContext<'_>) {
    let view = |number: usize| View::new(&work.operands[number], context);
    let to = View::new(&work.to, context);
    // SAFETY: the verifier has found the shapes to fit.
    unsafe {
        match (work.kind, piece) {
            (Sparse::Positions, Piece::Rows { first, last }) => {
                for row in first..last {
                    choose(view(0), to, row);
                }
            }
            (Sparse::Pick, Piece::Rows { first, last }) => pick(view(0), view(1), to, first, last),
            (Sparse::Spread, Piece::Rows { first, last }) => spread(view(0), view(1), to, first, last),
            (Sparse::Index { columns }, Piece::Rows { .. }) => index(view(0), to, columns),
            (Sparse::Product, Piece::Rows { first, last }) => {
                product::<S>(view(0), view(1), view(2), to, first, last);
            }
            (Sparse::Sampled, Piece::Rows { first, last }) => {
                sampled::<S>(view(0), view(1), view(2), to, first, last);
            }
            (Sparse::Outer, Piece::Rows { first, last }) => {
                outer::<S>([view(0), view(1), view(2), view(3)], to, first, last);
            }
            (Sparse::TurnedOuter, Piece::Panel(panel)) => {
                turned_outer::<S>([view(0), view(1), view(2), view(3)], to, panel);
            }
            _ => {}
        }
    }
}

/// The positions of the largest values of a row. The k-th largest of the groups' largest values is reached by k values at least, and by few
/// others; these are told apart one by one.
#[inline(always)]
unsafe fn choose(from: View, to: View, row: usize) {
    let count = to.columns;
    // Where many are chosen, smaller groups: there must be more of them than are chosen.
    let size = if from.columns.div_ceil(PANEL) < 2 * count { GRAIN } else { PANEL };
    let groups = from.columns.div_ceil(size).min(GROUPS);
    let mut largest = [0u32; GROUPS];
    // SAFETY: groups lie in the row; `to` has room for `count` positions of it.
    unsafe {
        for (number, first) in (0..from.columns).step_by(size).enumerate() {
            let values = from.at(row, first);
            let mut most = 0;
            for column in 0..size.min(from.columns - first) {
                most = key(*values.add(column)).max(most);
            }
            let group = &mut largest[number % GROUPS];
            *group = most.max(*group);
        }
        let least = if groups < count {
            0
        } else {
            let mut sorted = largest;
            *sorted[..groups].select_nth_unstable_by(count - 1, |a, b| b.cmp(a)).1
        };
        let mut candidates = [(0u32, 0u32); CANDIDATES];
        let mut found = 0;
        for (number, first) in (0..from.columns).step_by(size).enumerate() {
            if largest[number % GROUPS] < least {
                continue;
            }
            let values = from.at(row, first);
            for column in 0..size.min(from.columns - first) {
                let own = key(*values.add(column));
                if own >= least {
                    if found < CANDIDATES {
                        candidates[found] = (own, (first + column) as u32);
                    }
                    found += 1;
                }
            }
        }
        if found > CANDIDATES {
            return choose_bit_by_bit(from, to, row);
        }
        let candidates = &mut candidates[..found];
        // Larger keys first, and of equal ones the lower position; then the chosen ones by position.
        if count < found {
            candidates.select_nth_unstable_by(count - 1, |a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        }
        let chosen = &mut candidates[..count];
        chosen.sort_unstable_by_key(|candidate| candidate.1);
        for (at, (_, position)) in chosen.iter().enumerate() {
            *to.at(row, at) = *position as f32;
        }
    }
}

/// The same for rows with many equal values: the k-th largest key, found bit by bit.
#[inline(always)]
unsafe fn choose_bit_by_bit(from: View, to: View, row: usize) {
    let count = to.columns;
    // SAFETY: as for `choose`.
    unsafe {
        let at_least = |least: u32| -> usize {
            let mut all = 0;
            for (first, valid) in from.pieces() {
                let values = from.at(row, first);
                all += (0..valid).filter(|column| key(*values.add(*column)) >= least).count();
            }
            all
        };
        let mut threshold = 0u32;
        for bit in (0..32).rev() {
            let higher = threshold | 1 << bit;
            if at_least(higher) >= count {
                threshold = higher;
            }
        }
        let mut left = count - threshold.checked_add(1).map_or(0, at_least);
        let mut at = 0;
        for (first, valid) in from.pieces() {
            let values = from.at(row, first);
            for column in 0..valid {
                let own = key(*values.add(column));
                let equal = own == threshold && left > 0;
                left -= usize::from(equal);
                if own > threshold || equal {
                    *to.at(row, at) = (first + column) as f32;
                    at += 1;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn pick(from: View, positions: View, to: View, first: usize, last: usize) {
    for row in first..last {
        for at in 0..to.columns {
            // SAFETY: places are columns of `from`.
            unsafe { *to.at(row, at) = *from.at(row, positions.place(row, at, from.columns)) };
        }
    }
}

#[inline(always)]
unsafe fn spread(values: View, positions: View, to: View, first: usize, last: usize) {
    for row in first..last {
        for (column, count) in to.pieces() {
            // SAFETY: a piece lies in the row.
            unsafe { std::slice::from_raw_parts_mut(to.at(row, column), count).fill(0.0) };
        }
        for at in 0..values.columns {
            // SAFETY: places are columns of `to`.
            unsafe { *to.at(row, positions.place(row, at, to.columns)) += *values.at(row, at) };
        }
    }
}

/// Vectors that are summed side by side.
const SIDE_BY_SIDE: usize = 4;

#[inline(always)]
unsafe fn product<S: Simd>(values: View, positions: View, table: View, to: View, first: usize, last: usize) {
    for row in first..last {
        for (column, valid) in to.pieces() {
            // What lies in a panel's rounding may be read and written, but for a single column, which has none.
            let width = if to.columns == 1 { 1 } else { to.layout.width(column / PANEL) };
            let mut done = 0;
            // SAFETY: places are rows of the table; widths are whole vectors.
            unsafe {
                while done + SIDE_BY_SIDE * S::LANES <= width {
                    let mut sums = [S::splat(0.0); SIDE_BY_SIDE];
                    for at in 0..values.columns {
                        let value = *values.at(row, at);
                        if value == 0.0 {
                            continue;
                        }
                        let value = S::splat(value);
                        let from = table.at(positions.place(row, at, table.rows), column).add(done);
                        for (number, sum) in sums.iter_mut().enumerate() {
                            *sum = S::fma(value, S::load(from.add(number * S::LANES)), *sum);
                        }
                    }
                    for (number, sum) in sums.iter().enumerate() {
                        S::store(to.at(row, column).add(done + number * S::LANES), *sum);
                    }
                    done += SIDE_BY_SIDE * S::LANES;
                }
                while done + S::LANES <= width {
                    let mut sum = S::splat(0.0);
                    for at in 0..values.columns {
                        let value = *values.at(row, at);
                        if value == 0.0 {
                            continue;
                        }
                        let from = table.at(positions.place(row, at, table.rows), column).add(done);
                        sum = S::fma(S::splat(value), S::load(from), sum);
                    }
                    S::store(to.at(row, column).add(done), sum);
                    done += S::LANES;
                }
                for own in done..valid.min(width) {
                    let mut sum = 0.0;
                    for at in 0..values.columns {
                        let value = *values.at(row, at);
                        if value != 0.0 {
                            sum += value * *table.at(positions.place(row, at, table.rows), column + own);
                        }
                    }
                    *to.at(row, column).add(own) = sum;
                }
            }
        }
    }
}

/// Whether a row has nothing but zeros, as the gradient of a loss that does not count.
#[inline(always)]
unsafe fn is_zero(rows: View, row: usize) -> bool {
    for (column, valid) in rows.pieces() {
        // SAFETY: a piece lies in the row.
        for value in unsafe { std::slice::from_raw_parts(rows.at(row, column), valid) } {
            if *value != 0.0 {
                return false;
            }
        }
    }
    true
}

#[inline(always)]
unsafe fn sampled<S: Simd>(rows: View, table: View, positions: View, to: View, first: usize, last: usize) {
    for row in first..last {
        // SAFETY: the row is one of its own.
        let nothing = unsafe { is_zero(rows, row) };
        for at in 0..to.columns {
            if nothing {
                // SAFETY: the result has a place for every position.
                unsafe { *to.at(row, at) = 0.0 };
                continue;
            }
            let mut lanes = [0.0f32; PANEL];
            // SAFETY: places are rows of the table; only valid columns are read.
            unsafe {
                let place = positions.place(row, at, table.rows);
                for (column, valid) in rows.pieces() {
                    let (a, b) = (rows.at(row, column), table.at(place, column));
                    let mut lane = 0;
                    while lane + S::LANES <= valid {
                        let sum = lanes.as_mut_ptr().add(lane);
                        S::store(sum, S::fma(S::load(a.add(lane)), S::load(b.add(lane)), S::load(sum)));
                        lane += S::LANES;
                    }
                    for lane in lane..valid {
                        lanes[lane] += *a.add(lane) * *b.add(lane);
                    }
                }
                let mut half = PANEL / 2;
                while half > 0 {
                    for lane in 0..half {
                        lanes[lane] += lanes[lane + half];
                    }
                    half /= 2;
                }
                *to.at(row, at) = lanes[0];
            }
        }
    }
}

/// Sorts the places by the blocks that their positions lie in: counted, then put where they belong. One unit does all of it.
#[inline(always)]
unsafe fn index(positions: View, to: View, columns: usize) {
    let blocks = columns.div_ceil(BLOCK);
    // SAFETY: the result has a number for each block, one more, and one for each place.
    unsafe {
        for block in 0..=blocks {
            *to.at(0, block) = 0.0;
        }
        for row in 0..positions.rows {
            for at in 0..positions.columns {
                *to.at(0, positions.place(row, at, columns) / BLOCK + 1) += 1.0;
            }
        }
        // Where each block begins; while places are put there, it moves to where the next one begins.
        for block in 0..blocks {
            *to.at(0, block + 1) += *to.at(0, block);
        }
        for row in 0..positions.rows {
            for at in 0..positions.columns {
                let next = to.at(0, positions.place(row, at, columns) / BLOCK);
                *to.at(0, blocks + 1 + *next as usize) = (row * positions.columns + at) as f32;
                *next += 1.0;
            }
        }
        for block in (0..blocks).rev() {
            *to.at(0, block + 1) = *to.at(0, block);
        }
        *to.at(0, 0) = 0.0;
    }
}

/// Goes through the values whose positions lie in a block: rows ascending, then places. (No closure: what stands in one is not compiled
/// for the level.)
struct Block {
    values: View,
    positions: View,
    index: View,
    /// Where the places begin in the index.
    places: usize,
    /// Columns of the spread rows.
    columns: usize,
    block: usize,
    next: usize,
    end: usize,
}

impl Block {
    /// # Safety
    /// The views are those of a bound plan.
    #[inline(always)]
    unsafe fn new(values: View, positions: View, index: View, columns: usize, block: usize) -> Block {
        // SAFETY: the index begins with a number for each block and one more.
        let (next, end) = unsafe { (*index.at(0, block) as usize, *index.at(0, block + 1) as usize) };
        let places = columns.div_ceil(BLOCK) + 1;
        Block { values, positions, index, places, columns, block, next, end: end.min(index.columns - places) }
    }

    /// The next value: its row, its place counted from the block's first, and itself.
    ///
    /// # Safety
    /// As for [`Block::new`].
    #[inline(always)]
    unsafe fn next(&mut self) -> Option<(usize, usize, f32)> {
        while self.next < self.end {
            // SAFETY: the end lies in the index; what it holds are places among the positions.
            unsafe {
                let place = *self.index.at(0, self.places + self.next) as usize;
                self.next += 1;
                let (row, at) = (place / self.positions.columns, place % self.positions.columns);
                let value = *self.values.at(row, at);
                if value != 0.0 {
                    let column = self.positions.place(row, at, self.columns);
                    return Some((row, column - self.block * BLOCK, value));
                }
            }
        }
        None
    }
}

#[inline(always)]
unsafe fn outer<S: Simd>([values, positions, rows, index]: [View; 4], to: View, first: usize, last: usize) {
    // SAFETY: rows `first..last` of the result are this unit's; places are rows of it.
    unsafe {
        for row in first..last {
            for (column, valid) in to.pieces() {
                std::slice::from_raw_parts_mut(to.at(row, column), valid).fill(0.0);
            }
        }
        let mut block = Block::new(values, positions, index, to.rows, first / BLOCK);
        while let Some((row, place, value)) = block.next() {
            let factor = S::splat(value);
            for (column, valid) in rows.pieces() {
                let (from, sum) = (rows.at(row, column), to.at(first + place, column));
                let mut lane = 0;
                while lane + S::LANES <= valid {
                    let sum = sum.add(lane);
                    S::store(sum, S::fma(factor, S::load(from.add(lane)), S::load(sum)));
                    lane += S::LANES;
                }
                for lane in lane..valid {
                    *sum.add(lane) += value * *from.add(lane);
                }
            }
        }
    }
}

/// A square of the result is made untransposed and then turned into its place.
#[inline(always)]
unsafe fn turned_outer<S: Simd>([values, positions, rows, index]: [View; 4], to: View, panel: usize) {
    let width = to.layout.width(panel);
    let mut square = [0.0f32; PANEL * PANEL];
    for (column, valid) in rows.pieces() {
        square.fill(0.0);
        // SAFETY: the panel of the result is this unit's; the square has a row for each place of the panel.
        unsafe {
            let mut block = Block::new(values, positions, index, to.columns, panel);
            while let Some((row, place, value)) = block.next() {
                let (from, sum) = (rows.at(row, column), square.as_mut_ptr().add(place * PANEL));
                let factor = S::splat(value);
                let mut lane = 0;
                while lane + S::LANES <= valid {
                    let sum = sum.add(lane);
                    S::store(sum, S::fma(factor, S::load(from.add(lane)), S::load(sum)));
                    lane += S::LANES;
                }
                for lane in lane..valid {
                    *sum.add(lane) += value * *from.add(lane);
                }
            }
            let out = to.memory.add(to.layout.panel_start(panel));
            for lane in (0..valid).step_by(S::TURN) {
                for place in (0..width).step_by(S::TURN) {
                    let (from, into) =
                        (square.as_ptr().add(place * PANEL + lane), out.add((column + lane) * width + place));
                    if lane + S::TURN <= valid {
                        S::turn(from, PANEL, into, width);
                        continue;
                    }
                    for (lane, place) in
                        (0..valid - lane).flat_map(|lane| (0..S::TURN).map(move |p| (lane, p)))
                    {
                        *into.add(lane * width + place) = *from.add(place * PANEL + lane);
                    }
                }
            }
        }
    }
}

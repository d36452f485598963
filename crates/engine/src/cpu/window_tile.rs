//! The microkernel of convolutions: a tile of sums whose left operand is read through windows.

use super::simd::Simd;

/// Rows of a tile at most.
pub const WINDOW_ROWS: usize = 12;
/// Rows of a tile of more than two vectors at most.
pub const WIDE_ROWS: usize = 6;

/// A run of the inner dimension.
#[derive(Clone, Copy)]
pub struct WindowSegment {
    /// What a row's offset is counted from.
    pub left: *const f32,
    /// The right operand's first row.
    pub right: *const f32,
    /// Length.
    pub inner: usize,
}

/// What a tile needs besides its segments.
#[derive(Clone, Copy)]
pub struct WindowTask {
    /// Offsets of the rows' elements in the left operand.
    pub rows: *const isize,
    /// From inner index to inner index in the left operand.
    pub step: usize,
    /// Offsets of the rows in `from` and `to`.
    pub places: *const usize,
    /// Sums to add to; null for none.
    pub from: *const f32,
    /// Whether they are chains that go on, instead.
    pub continues: bool,
    /// Where the sums go.
    pub to: *mut f32,
    /// From row to row of the right operand.
    pub width: usize,
    /// Columns already done.
    pub column: usize,
}

/// Sums an R×V tile over all segments.
///
/// # Safety
/// The machine has the level; offsets and segments stay inside their memory.
#[inline(always)]
pub unsafe fn tile<S: Simd, const R: usize, const V: usize>(task: &WindowTask, segments: &[WindowSegment]) {
    // SAFETY: the caller vouches for pointers and extents.
    unsafe {
        let mut sums = begin_sums::<S, R, V>(task);
        for segment in segments {
            let mut right = segment.right.add(task.column);
            let mut rows = [segment.left; R];
            for (r, row) in rows.iter_mut().enumerate() {
                *row = segment.left.wrapping_offset(*task.rows.add(r));
            }
            let mut at = 0;
            for _ in 0..segment.inner {
                let mut vectors = [S::splat(0.0); V];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    *vector = S::load(right.add(v * S::LANES));
                }
                for r in 0..R {
                    let factor = S::splat(*rows[r].add(at));
                    for v in 0..V {
                        sums[r][v] = S::fma(factor, vectors[v], sums[r][v]);
                    }
                }
                at += task.step;
                right = right.add(task.width);
            }
        }
        store_sums::<S, R, V>(task, sums);
    }
}

/// What a tile's sums begin with.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
pub unsafe fn begin_sums<S: Simd, const R: usize, const V: usize>(task: &WindowTask) -> [[S::V; V]; R] {
    // SAFETY: the caller vouches for pointers and extents.
    unsafe {
        let mut sums: [[S::V; V]; R] = [[S::splat(0.0); V]; R];
        if task.continues {
            for (r, row) in sums.iter_mut().enumerate() {
                let place = *task.places.add(r) + task.column;
                for (v, sum) in row.iter_mut().enumerate() {
                    *sum = S::load(task.from.add(place + v * S::LANES));
                }
            }
        }
        sums
    }
}

/// Adds a tile's sums to those before. Without any, to zero: a chain that ended in −0 would tell how many zeros it has met.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
pub unsafe fn store_sums<S: Simd, const R: usize, const V: usize>(task: &WindowTask, sums: [[S::V; V]; R]) {
    for (r, row) in sums.iter().enumerate() {
        // SAFETY: the caller vouches for pointers and extents.
        unsafe {
            let place = *task.places.add(r) + task.column;
            for (v, sum) in row.iter().enumerate() {
                let at = place + v * S::LANES;
                let alone = task.continues || task.from.is_null();
                let before = if alone { S::splat(0.0) } else { S::load(task.from.add(at)) };
                S::store(task.to.add(at), S::add(before, *sum));
            }
        }
    }
}

/// A compiled tile.
pub type WindowKernel = unsafe fn(&WindowTask, &[WindowSegment]);

/// The tiles of a level: by rows − 1 (1, 2, 4, 6 and, up to two vectors, 12 are there) and vectors − 1.
pub type WindowKernels = [[Option<WindowKernel>; 4]; WINDOW_ROWS];

/// Rows behind the last that may be summed along with it, where a list of rows is so much longer.
pub const SPARE_ROWS: usize = 2;

/// The tile for so many rows that takes the shortest time for each. A low tile waits for its own sums; three rows are done as fast as four,
/// so with `spare` ones behind the last they are.
fn tile_rows(rows: usize, narrow: bool, spare: bool) -> usize {
    match (rows, narrow) {
        (11, true) if spare => WINDOW_ROWS,
        (WINDOW_ROWS.., true) => WINDOW_ROWS,
        (7..=8, true) => 4,
        (WIDE_ROWS.., _) => WIDE_ROWS,
        (5, _) if spare => WIDE_ROWS,
        (3, _) if spare => 4,
        (4.., _) => 4,
        (2.., _) => 2,
        _ => 1,
    }
}

/// Sums all rows of `width` columns; with `spare`, perhaps some of [`SPARE_ROWS`] behind them.
///
/// # Safety
/// As for [`tile`], for `count` rows.
#[inline(always)]
pub unsafe fn sum_rows(
    task: &WindowTask,
    count: usize,
    segments: &[WindowSegment],
    spare: bool,
    kernels: &WindowKernels,
    (most, lanes): (usize, usize),
) {
    let mut column = 0;
    while column < task.width {
        let vectors = most.min((task.width - column) / lanes);
        let mut row = 0;
        while row < count {
            let narrow = kernels[WINDOW_ROWS - 1][vectors - 1].is_some();
            let rows = tile_rows(count - row, narrow, spare);
            let Some(kernel) = kernels[rows - 1][vectors - 1] else {
                debug_assert!(false, "every level has tiles of 1, 2, 4 and 6 rows");
                return;
            };
            // SAFETY: handed on.
            unsafe {
                let part =
                    WindowTask { rows: task.rows.add(row), places: task.places.add(row), column, ..*task };
                kernel(&part, segments);
            }
            row += rows;
        }
        column += vectors * lanes;
    }
}

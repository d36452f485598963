//! The product microkernels: a tile of the result kept in registers while the inner dimension runs by.

use super::listed::ListedKernels;
use super::pack::PackTask;
use super::paired::PairedKernel;
use super::product::{BLOCK, TILE_ROWS};
use super::simd::Simd;
use super::window_tile::WindowKernels;

/// A run of the inner dimension in which the left operand's addresses advance evenly.
#[derive(Clone, Copy)]
pub struct Segment {
    /// Element (first row of the tile, first inner index).
    pub pointer: *const f32,
    /// Elements from row to row ([`Lie::Along`]) or from inner index to inner index ([`Lie::Across`]); the other step is 1.
    pub step: usize,
    /// Length.
    pub inner: usize,
    /// Memory that will be wanted soon: one cache line is asked for at each inner index, `ahead_step` elements apart.
    pub ahead: *const f32,
    /// See `ahead`; 0 where nothing is wanted.
    pub ahead_step: usize,
    /// The inner indices that hold anything, in ascending order; only [`listed`] and [`listed_blocks`] read them.
    pub listed: *const u32,
    /// How many those are.
    pub count: usize,
}

impl Segment {
    /// Nothing.
    pub const EMPTY: Segment = Segment {
        pointer: std::ptr::null(),
        step: 0,
        inner: 0,
        ahead: std::ptr::null(),
        ahead_step: 0,
        listed: std::ptr::null(),
        count: 0,
    };

    /// A segment without anything to ask for ahead.
    pub fn new(pointer: *const f32, step: usize, inner: usize) -> Segment {
        Segment { pointer, step, inner, ahead: pointer, ..Segment::EMPTY }
    }
}

/// How the left operand lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// The inner dimension is contiguous.
    Along,
    /// The rows are contiguous.
    Across,
}

/// What a tile needs besides the left operand.
#[derive(Clone, Copy)]
pub struct TileTask {
    /// Sums of the blocks before, to add to; null for none.
    pub from: *const f32,
    /// Where the sums go.
    pub to: *mut f32,
    /// Elements from row to row of `from` and `to`.
    pub width: usize,
    /// Right operand at the first inner index.
    pub right: *const f32,
}

/// Sums an R×V tile over all segments.
///
/// # Safety
/// The machine has the level; pointers are valid for the tile.
#[inline(always)]
pub unsafe fn tile<S: Simd, const ALONG: bool, const R: usize, const V: usize>(
    task: &TileTask,
    segments: &[Segment],
) {
    // SAFETY: the caller vouches for pointers and extents.
    unsafe {
        let mut sums: [[S::V; V]; R] = [[S::splat(0.0); V]; R];
        let mut right = task.right;
        for segment in segments {
            let mut ahead = segment.ahead;
            let (row_step, inner_step) = if ALONG { (segment.step, 1) } else { (1, segment.step) };
            let mut rows = [segment.pointer; R];
            for (r, row) in rows.iter_mut().enumerate() {
                *row = segment.pointer.wrapping_add(r * row_step);
            }
            for _ in 0..segment.inner {
                S::prefetch(ahead);
                ahead = ahead.wrapping_add(segment.ahead_step);
                let mut vectors = [S::splat(0.0); V];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    *vector = S::load(right.add(v * S::LANES));
                }
                for r in 0..R {
                    let factor = S::splat(*rows[r]);
                    rows[r] = rows[r].wrapping_add(inner_step);
                    for v in 0..V {
                        sums[r][v] = S::fma(factor, vectors[v], sums[r][v]);
                    }
                }
                right = right.add(task.width);
            }
        }
        finish::<S, R, V>(task, sums);
    }
}

/// [`tile`] over the listed indices of the segments alone.
///
/// # Safety
/// As for [`tile`]; the lists' indices lie in their segments.
#[inline(always)]
pub unsafe fn listed<S: Simd, const ALONG: bool, const R: usize, const V: usize>(
    task: &TileTask,
    segments: &[Segment],
) {
    // SAFETY: the caller vouches for pointers and extents.
    unsafe {
        let mut sums: [[S::V; V]; R] = [[S::splat(0.0); V]; R];
        let mut right = task.right;
        for segment in segments {
            let mut ahead = segment.ahead;
            // About as much is asked for as if every index were met.
            let times = if segment.ahead_step == 0 { 0 } else { segment.inner / segment.count.max(1) };
            let (row_step, inner_step) = if ALONG { (segment.step, 1) } else { (1, segment.step) };
            for at in 0..segment.count {
                for _ in 0..times {
                    S::prefetch(ahead);
                    ahead = ahead.wrapping_add(segment.ahead_step);
                }
                let inner = *segment.listed.add(at) as usize;
                let from = right.add(inner * task.width);
                let mut vectors = [S::splat(0.0); V];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    *vector = S::load(from.add(v * S::LANES));
                }
                let left = segment.pointer.wrapping_add(inner * inner_step);
                for (r, row) in sums.iter_mut().enumerate() {
                    let factor = S::splat(*left.wrapping_add(r * row_step));
                    for v in 0..V {
                        row[v] = S::fma(factor, vectors[v], row[v]);
                    }
                }
            }
            right = right.add(segment.inner * task.width);
        }
        finish::<S, R, V>(task, sums);
    }
}

/// Adds a tile's sums to those of the blocks before. Without any, to zero: a chain that ended in −0 would tell how many
/// zeros it has met.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
unsafe fn finish<S: Simd, const R: usize, const V: usize>(task: &TileTask, sums: [[S::V; V]; R]) {
    for (r, row) in sums.iter().enumerate() {
        for (v, sum) in row.iter().enumerate() {
            let at = r * task.width + v * S::LANES;
            // SAFETY: the caller vouches for pointers and extents.
            unsafe {
                let before = if task.from.is_null() { S::splat(0.0) } else { S::load(task.from.add(at)) };
                S::store(task.to.add(at), S::add(before, *sum));
            }
        }
    }
}

/// Sums R blocks of a single row side by side: their chains are independent, so none waits for another's multiply-adds. The
/// blocks' sums are then added to `task.from` one after another, as [`tile`] would.
///
/// # Safety
/// The machine has the level; `left` holds R blocks of [`BLOCK`] numbers, the right operand as many rows.
#[inline(always)]
pub unsafe fn blocks<S: Simd, const R: usize, const V: usize>(task: &TileTask, left: *const f32) {
    // SAFETY: the caller vouches for pointers and extents.
    unsafe {
        let mut sums: [[S::V; V]; R] = [[S::splat(0.0); V]; R];
        for inner in 0..BLOCK {
            for (r, row) in sums.iter_mut().enumerate() {
                let at = r * BLOCK + inner;
                let factor = S::splat(*left.add(at));
                for (v, sum) in row.iter_mut().enumerate() {
                    *sum = S::fma(factor, S::load(task.right.add(at * task.width + v * S::LANES)), *sum);
                }
            }
        }
        for v in 0..V {
            let mut total =
                if task.from.is_null() { S::splat(0.0) } else { S::load(task.from.add(v * S::LANES)) };
            for row in &sums {
                total = S::add(total, row[v]);
            }
            S::store(task.to.add(v * S::LANES), total);
        }
    }
}

/// [`blocks`] over the listed indices of a single row, each block a segment.
///
/// # Safety
/// As for [`blocks`] and [`listed`].
#[inline(always)]
pub unsafe fn listed_blocks<S: Simd, const V: usize>(task: &TileTask, blocks: &[Segment]) {
    // SAFETY: the caller vouches for pointers and extents.
    unsafe {
        let mut totals = [S::splat(0.0); V];
        if !task.from.is_null() {
            for (v, total) in totals.iter_mut().enumerate() {
                *total = S::load(task.from.add(v * S::LANES));
            }
        }
        let mut right = task.right;
        for block in blocks {
            let mut sums = [S::splat(0.0); V];
            for at in 0..block.count {
                let inner = *block.listed.add(at) as usize;
                let factor = S::splat(*block.pointer.add(inner));
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = S::fma(factor, S::load(right.add(inner * task.width + v * S::LANES)), *sum);
                }
            }
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total = S::add(*total, sum);
            }
            right = right.add(block.inner * task.width);
        }
        for (v, total) in totals.iter().enumerate() {
            S::store(task.to.add(v * S::LANES), *total);
        }
    }
}

/// A compiled kernel for blocks of a single row.
pub type BlocksKernel = unsafe fn(&TileTask, *const f32);

/// A compiled tile kernel.
pub type TileKernel = unsafe fn(&TileTask, &[Segment]);

/// A compiled [`pack`](super::pack::pack).
pub type PackKernel = unsafe fn(&PackTask<'_>);

/// The tile kernels of a level: by lie, rows − 1 (1, 2, 4, 6 are there) and vectors − 1.
pub struct TileKernels {
    /// `kernels[lie][rows − 1][vectors − 1]`; `None` where the level has no such tile.
    pub kernels: [[[Option<TileKernel>; 4]; TILE_ROWS]; 2],
    /// The same over listed indices.
    pub listed: [[[Option<TileKernel>; 4]; TILE_ROWS]; 2],
    /// `listed_blocks[vectors − 1]`, over listed indices of a single row's blocks.
    pub listed_blocks: [Option<TileKernel>; 4],
    /// `blocks[blocks − 1][vectors − 1]`.
    pub blocks: [[Option<BlocksKernel>; 4]; TILE_ROWS],
    /// The tiles of convolutions.
    pub windows: WindowKernels,
    /// Rows by lists of their own.
    pub listed_rows: ListedKernels,
    /// Rows two by two.
    pub paired: PairedKernel,
    /// Packs a block of a right operand.
    pub pack: PackKernel,
    /// Most vectors side by side.
    pub vectors: usize,
    /// Lanes of a vector.
    pub lanes: usize,
}

//! One copy of every kernel for each instruction set.

use super::finite;
use super::kernel_gradient;
use super::largest;
use super::listed::{self as listed_rows, ListedKernel, Offsets, RowList};
use super::mark;
use super::movement::{self, Rows};
use super::pack::{self, PackTask};
use super::paired::{self, PairList};
use super::pooling;
use super::product_tile::{self, BlocksKernel, Segment, TileKernel, TileKernels, TileTask};
use super::schedule::{Compiled, Kernel, Piece};
use super::simd::{Level, Simd, plain::Plain};
use super::sparse;
use super::tile::{RunContext, Scratch, Stretch, TILE};
use super::window_tile::{self, WindowKernel, WindowSegment, WindowTask};
use crate::plan::layout::PANEL;
use crate::plan::{Buffer, BufferId, Work};

/// Does one unit.
pub type UnitKernel = unsafe fn(&Compiled, Piece, &[Buffer], &TileKernels, &RunContext<'_>, &Scratch);

/// The kernels of a level.
pub struct Kernels {
    /// Does a unit of any step.
    pub unit: UnitKernel,
    /// Whether all numbers are finite.
    pub finite: unsafe fn(&[f32]) -> bool,
    /// Sums product tiles.
    pub tiles: TileKernels,
}

/// The kernels of a level that the machine has.
pub fn kernels(level: Level) -> &'static Kernels {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => &avx512::KERNELS,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => &avx2::KERNELS,
        #[cfg(target_arch = "aarch64")]
        Level::Neon => &neon::KERNELS,
        _ => &plain::KERNELS,
    }
}

/// Does one unit, at any level.
///
/// # Safety
/// The machine has the level; the context is that of a bound and verified plan.
#[inline(always)]
unsafe fn unit<S: Simd>(
    step: &Compiled,
    piece: Piece,
    buffers: &[Buffer],
    tiles: &TileKernels,
    context: &RunContext<'_>,
    scratch: &Scratch,
) {
    let (program, domain) = (&step.program, step.domain);
    // SAFETY: handed on to the kernels.
    unsafe {
        match (&step.kernel, piece) {
            (Kernel::Product(product), Piece::Product(unit)) => {
                product.run::<S>(unit, program, domain, tiles, context, scratch);
            }
            (Kernel::Convolution(convolution), Piece::Product(unit)) => {
                convolution.run::<S>(unit, program, domain, tiles, context, scratch);
            }
            (Kernel::KernelGradient(gradient), Piece::Part { part, panel }) => {
                gradient.run::<S>((part, panel), tiles, context, scratch);
            }
            (
                Kernel::Plain(work @ (Work::Map | Work::AddParts { .. })),
                Piece::Stretch { panel, first, last },
            ) => {
                program.prepare::<S>(context, scratch);
                // A single row goes by runs of eight panels.
                let (panels, step, first, last) = match domain.rows {
                    1 => (panel..last, TILE / PANEL, 0, 1),
                    _ => (panel..panel + 1, 1, first, last),
                };
                for panel in panels.step_by(step) {
                    // No closure: what stands in one is not compiled for the level.
                    for stretch in Stretch::tiles(domain, panel, first, last) {
                        if let Work::AddParts { from, parts, .. } = work {
                            let of = (*from, buffers[from.index()].layout, *parts);
                            kernel_gradient::add_parts::<S>(of, &stretch, context, scratch);
                        }
                        program.run::<S>(&stretch, context, scratch);
                    }
                }
            }
            (Kernel::Plain(Work::Mark { from, to }), Piece::Rows { first, last }) => {
                mark::mark_rows::<S>(*from, *to, buffers, (first, last), context);
            }
            (Kernel::Reduce(reduce), Piece::Block(block)) => {
                reduce.run_along::<S>(block, program, domain, context, scratch)
            }
            (Kernel::Reduce(reduce), Piece::Stretch { panel, first, last }) => {
                reduce.run_through::<S>((panel, first, last), program, domain, context, scratch);
            }
            (Kernel::Plain(Work::Move(moved, to)), Piece::Rows { first, last }) => {
                movement::move_rows(moved, buffers, *to, domain, first, last, context);
            }
            (Kernel::Plain(work @ Work::Largest { .. }), Piece::Rows { first, last }) => {
                largest::mark_rows(work, domain, first, last, context);
            }
            (Kernel::Plain(Work::Pooling(work)), Piece::Product(unit)) => {
                pooling::run::<S>(work, unit, program, domain, context, scratch);
            }
            (Kernel::Plain(Work::Sparse(work)), piece) => sparse::run::<S>(work, piece, context),
            (Kernel::Plain(Work::Gather { table, indices, to, columns }), Piece::Rows { first, last }) => {
                rows(buffers, *table, *to, *indices, *columns, context).gather(first, last);
            }
            (Kernel::Plain(Work::ScatterAdd { rows: from, indices, to, columns }), Piece::Panel(panel)) => {
                let rows = rows(buffers, *to, *from, *indices, *columns, context);
                let count = if rows.columns == 1 { rows.picked.columns } else { rows.picked.rows };
                rows.scatter_add(panel, count);
            }
            _ => {}
        }
    }
}

fn rows<'c>(
    buffers: &[Buffer],
    table: BufferId,
    picked: BufferId,
    indices: usize,
    columns: usize,
    context: &'c RunContext<'_>,
) -> Rows<'c> {
    let (table_layout, picked_layout) = (buffers[table.index()].layout, buffers[picked.index()].layout);
    Rows {
        table: table_layout,
        picked: picked_layout,
        table_memory: context.buffers[table.index()],
        picked_memory: context.buffers[picked.index()],
        columns,
        indices: &context.feeds[indices],
        // A single column lies as a row.
        table_rows: if columns == 1 { table_layout.columns } else { table_layout.rows },
    }
}

macro_rules! tile_rows {
    ($kernel:ident, $along:literal, [$($vectors:tt),*]) => {
        [
            tile_rows!(@row $kernel, $along, 1, [$($vectors),*]),
            tile_rows!(@row $kernel, $along, 2, [$($vectors),*]),
            [None; 4],
            tile_rows!(@row $kernel, $along, 4, [$($vectors),*]),
            [None; 4],
            tile_rows!(@row $kernel, $along, 6, [$($vectors),*]),
        ]
    };
    (@row $kernel:ident, $along:literal, $rows:literal, [$($vectors:tt),*]) => {
        [$(tile_rows!(@one $kernel, $along, $rows, $vectors)),*]
    };
    (@one $kernel:ident, $along:literal, $rows:literal, none) => { None };
    (@one $kernel:ident, $along:literal, $rows:literal, $vectors:literal) => {
        Some($kernel::<$along, $rows, $vectors> as TileKernel)
    };
}

macro_rules! vectors {
    ($kernel:ident, [$($vectors:tt),*]) => { [$(vectors!(@one $kernel, $vectors)),*] };
    (@one $kernel:ident, none) => { None };
    (@one $kernel:ident, $vectors:literal) => { Some($kernel::<$vectors> as TileKernel) };
}

macro_rules! window_rows {
    ([$($vectors:tt),*]) => {
        [
            window_rows!(@row 1, [$($vectors),*]),
            window_rows!(@row 2, [$($vectors),*]),
            [None; 4],
            window_rows!(@row 4, [$($vectors),*]),
            [None; 4],
            window_rows!(@row 6, [$($vectors),*]),
            [None; 4],
            [None; 4],
            [None; 4],
            [None; 4],
            [None; 4],
            window_rows!(@tall 12, [$($vectors),*]),
        ]
    };
    (@row $rows:literal, [$($vectors:tt),*]) => { [$(window_rows!(@one $rows, $vectors)),*] };
    (@tall $rows:literal, [1, 2, 3, 4]) => { [window_rows!(@one $rows, 1), window_rows!(@one $rows, 2), None, None] };
    (@tall $rows:literal, $others:tt) => { [None; 4] };
    (@one $rows:literal, none) => { None };
    (@one $rows:literal, $vectors:literal) => { Some(window::<$rows, $vectors> as WindowKernel) };
}

macro_rules! listed_rows {
    ([$($vectors:tt),*]) => {
        [
            listed_rows!(@row 1, [$($vectors),*]),
            listed_rows!(@row 2, [$($vectors),*]),
            [None; 4],
            listed_rows!(@row 4, [$($vectors),*]),
        ]
    };
    (@row $rows:literal, [$($vectors:tt),*]) => { [$(listed_rows!(@one $rows, $vectors)),*] };
    (@one $rows:literal, none) => { None };
    (@one $rows:literal, $vectors:literal) => { Some(sum_listed::<$rows, $vectors> as ListedKernel) };
}

macro_rules! block_rows {
    ([$($vectors:tt),*]) => {
        [
            block_rows!(@row 1, [$($vectors),*]),
            block_rows!(@row 2, [$($vectors),*]),
            [None; 4],
            block_rows!(@row 4, [$($vectors),*]),
            [None; 4],
            block_rows!(@row 6, [$($vectors),*]),
        ]
    };
    (@row $rows:literal, [$($vectors:tt),*]) => { [$(block_rows!(@one $rows, $vectors)),*] };
    (@one $rows:literal, none) => { None };
    (@one $rows:literal, $vectors:literal) => { Some(blocks::<$rows, $vectors> as BlocksKernel) };
}

macro_rules! level {
    ($module:ident, $simd:ty, [$($feature:meta)?], $vectors:tt) => {
        mod $module {
            use super::*;

            $(#[$feature])?
            unsafe fn tile<const ALONG: bool, const R: usize, const V: usize>(task: &TileTask, segments: &[Segment]) {
                // SAFETY: the caller has found the level on this machine.
                unsafe { product_tile::tile::<$simd, ALONG, R, V>(task, segments) }
            }

            $(#[$feature])?
            unsafe fn listed<const ALONG: bool, const R: usize, const V: usize>(task: &TileTask, segments: &[Segment]) {
                // SAFETY: the caller has found the level on this machine.
                unsafe { product_tile::listed::<$simd, ALONG, R, V>(task, segments) }
            }

            $(#[$feature])?
            unsafe fn listed_blocks<const V: usize>(task: &TileTask, blocks: &[Segment]) {
                // SAFETY: the caller has found the level on this machine.
                unsafe { product_tile::listed_blocks::<$simd, V>(task, blocks) }
            }

            $(#[$feature])?
            unsafe fn blocks<const R: usize, const V: usize>(task: &TileTask, left: *const f32) {
                // SAFETY: the caller has found the level on this machine.
                unsafe { product_tile::blocks::<$simd, R, V>(task, left) }
            }

            $(#[$feature])?
            unsafe fn window<const R: usize, const V: usize>(task: &WindowTask, segments: &[WindowSegment]) {
                // SAFETY: the caller has found the level on this machine.
                unsafe { window_tile::tile::<$simd, R, V>(task, segments) }
            }

            $(#[$feature])?
            unsafe fn sum_listed<const R: usize, const V: usize>(task: &WindowTask, lists: &[RowList], offsets: &Offsets) {
                // SAFETY: the caller has found the level on this machine.
                unsafe { listed_rows::sum_listed::<$simd, R, V>(task, lists, offsets) }
            }

            $(#[$feature])?
            unsafe fn sum_paired(task: &WindowTask, lists: &[PairList]) {
                // SAFETY: the caller has found the level on this machine.
                unsafe { paired::sum_paired::<$simd, { paired::PAIRED_VECTORS }>(task, lists) }
            }

            $(#[$feature])?
            unsafe fn pack(task: &PackTask<'_>) {
                // SAFETY: the caller has found the level on this machine.
                unsafe { pack::pack::<$simd>(task) }
            }

            $(#[$feature])?
            unsafe fn finite(values: &[f32]) -> bool {
                // SAFETY: the caller has found the level on this machine.
                unsafe { super::finite::finite::<$simd>(values) }
            }

            $(#[$feature])?
            unsafe fn unit(
                step: &Compiled,
                piece: Piece,
                buffers: &[Buffer],
                tiles: &TileKernels,
                context: &RunContext<'_>,
                scratch: &Scratch,
            ) {
                // SAFETY: the caller has found the level on this machine.
                unsafe { super::unit::<$simd>(step, piece, buffers, tiles, context, scratch) }
            }

            pub static KERNELS: Kernels = Kernels {
                unit,
                finite,
                tiles: TileKernels {
                    kernels: [tile_rows!(tile, true, $vectors), tile_rows!(tile, false, $vectors)],
                    listed: [tile_rows!(listed, true, $vectors), tile_rows!(listed, false, $vectors)],
                    listed_blocks: vectors!(listed_blocks, $vectors),
                    blocks: block_rows!($vectors),
                    windows: window_rows!($vectors),
                    listed_rows: listed_rows!($vectors),
                    paired: sum_paired,
                    pack,
                    vectors: <$simd as Simd>::TILE_VECTORS,
                    lanes: <$simd as Simd>::LANES,
                },
            };
        }
    };
}

#[cfg(target_arch = "x86_64")]
use super::simd::{avx2::Avx2, avx512::Avx512};
#[cfg(target_arch = "x86_64")]
level!(avx512, Avx512, [target_feature(enable = "avx512f,avx512vl,avx512dq,fma,popcnt,bmi1")], [1, 2, 3, 4]);
#[cfg(target_arch = "x86_64")]
level!(avx2, Avx2, [target_feature(enable = "avx2,fma,popcnt,bmi1")], [none, 2, none, none]);
#[cfg(target_arch = "aarch64")]
use super::simd::neon::Neon;
#[cfg(target_arch = "aarch64")]
level!(neon, Neon, [target_feature(enable = "neon")], [none, none, none, 4]);
level!(plain, Plain, [], [none, 2, none, none]);

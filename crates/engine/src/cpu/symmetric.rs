//! Behind a matrix times its own transpose: half of the sums, and each of them written twice.

use super::product::ProductUnit;
use super::simd::Simd;
use super::tile::{RunContext, Scratch, Stretch, TILE, TileProgram};
use crate::plan::layout::{Layout, PANEL};

/// A unit's sums, down to the diagonal, each block of 64 rows also in its mirrored place. The program runs in both places: it
/// may read what is not symmetric.
///
/// # Safety
/// As for [`Product::run`](super::product::Product::run); the unit's sums lie in the scratch, in rows of `width`.
#[inline(always)]
pub unsafe fn finish<S: Simd>(
    unit: ProductUnit,
    width: usize,
    program: &TileProgram,
    domain: Layout,
    context: &RunContext<'_>,
    scratch: &Scratch,
) {
    let panel = unit.panel;
    let columns = (domain.columns - panel * PANEL).min(PANEL);
    for first in (unit.first..unit.last).step_by(PANEL) {
        let rows = (unit.last - first).min(PANEL);
        // SAFETY: partial sums lie in rows of `width`; above the diagonal a block has 64 rows, and there is room to turn it.
        unsafe {
            let sums = scratch.partial.add((first - unit.first) * width).cast_const();
            let place = Stretch { row: first, rows, column: panel * PANEL, width, domain };
            run_on::<S>(sums, place, program, context, scratch);
            if first < panel * PANEL {
                for row in (0..PANEL).step_by(S::TURN) {
                    for column in (0..width).step_by(S::TURN) {
                        let to = scratch.packed.add(column * PANEL + row);
                        S::turn(sums.add(row * width + column), width, to, PANEL);
                    }
                }
                let place =
                    Stretch { row: panel * PANEL, rows: columns, column: first, width: PANEL, domain };
                run_on::<S>(scratch.packed.cast_const(), place, program, context, scratch);
            }
        }
    }
}

/// Runs the program on sums that lie in rows of the stretch's width, as many rows at a time as fill a tile.
#[inline(always)]
unsafe fn run_on<S: Simd>(
    sums: *const f32,
    place: Stretch,
    program: &TileProgram,
    context: &RunContext<'_>,
    scratch: &Scratch,
) {
    let height = TILE / place.width;
    for done in (0..place.rows).step_by(height) {
        let rows = height.min(place.rows - done);
        // SAFETY: register 0 holds a tile.
        unsafe {
            let from = sums.add(done * place.width);
            std::ptr::copy_nonoverlapping(from, scratch.registers, rows * place.width);
            program.run::<S>(&Stretch { row: place.row + done, rows, ..place }, context, scratch);
        }
    }
}

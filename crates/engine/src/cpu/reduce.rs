//! Reductions, each in an order fixed by the shape alone.

use super::simd::Simd;
use super::tile::{RunContext, Scratch, Source, Stretch, TILE, TileProgram};
use crate::graph::op::Reduction;
use crate::plan::Direction;
use crate::plan::layout::{Axis, GRAIN, Layout, PANEL};

/// A reduction with its places found.
#[derive(Clone, Debug)]
pub struct Reduce {
    /// Which way.
    pub direction: Direction,
    /// How.
    pub reduction: Reduction,
    /// What is reduced.
    pub before: TileProgram,
    /// Rows and columns of what is reduced.
    pub source: Layout,
}

/// Rows that a unit along rows does.
pub const UNIT_ROWS: usize = 64;

#[inline(always)]
unsafe fn combine<S: Simd>(reduction: Reduction, a: S::V, b: S::V) -> S::V {
    // SAFETY: the machine has the level.
    unsafe {
        match reduction {
            Reduction::Sum => S::add(a, b),
            _ => S::maximum(a, b),
        }
    }
}

fn identity(reduction: Reduction) -> f32 {
    if reduction == Reduction::Sum { 0.0 } else { f32::NEG_INFINITY }
}

fn combine_one(reduction: Reduction, a: f32, b: f32) -> f32 {
    match reduction {
        Reduction::Sum => a + b,
        _ if a.is_nan() || a >= b => a,
        _ => b,
    }
}

impl Reduce {
    /// Makes a number for each row of a block of 64.
    ///
    /// # Safety
    /// The machine has the level; the context is that of a bound plan; nobody else touches what the unit writes.
    #[inline(always)]
    pub unsafe fn run_along<S: Simd>(
        &self,
        block: usize,
        program: &TileProgram,
        domain: Layout,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let mut results = [0.0f32; PANEL];
        let first = block * UNIT_ROWS;
        let last = (first + UNIT_ROWS).min(self.source.rows);
        // SAFETY: handed on.
        unsafe {
            self.before.prepare::<S>(context, scratch);
            self.along::<S>(first, last, &mut results, context, scratch);
            program.prepare::<S>(context, scratch);
            std::ptr::copy_nonoverlapping(results.as_ptr(), scratch.registers, PANEL);
            program.run::<S>(&Stretch::run(domain, first, last - first), context, scratch);
        }
    }

    /// Makes rows `first..last` of a panel, through an axis: an index of it after the other, for as many rows as lie beside each other
    /// at each.
    ///
    /// # Safety
    /// As for [`Reduce::run_along`].
    #[inline(always)]
    pub unsafe fn run_through<S: Simd>(
        &self,
        (panel, first, last): (usize, usize, usize),
        program: &TileProgram,
        domain: Layout,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let Direction::Through(axis) = self.direction else { return };
        let (column, width) = (panel * PANEL, domain.width(panel));
        let height = TILE / width;
        for row in (first..last).step_by(height) {
            let tile = Stretch { row, rows: height.min(last - row), column, width, domain };
            let mut results = [identity(self.reduction); TILE];
            // SAFETY: handed on.
            unsafe {
                self.before.prepare::<S>(context, scratch);
                self.tile_through::<S>(axis, &tile, &mut results, context, scratch);
                program.prepare::<S>(context, scratch);
                std::ptr::copy_nonoverlapping(results.as_ptr(), scratch.registers, tile.length());
                program.run::<S>(&tile, context, scratch);
            }
        }
    }

    #[inline(always)]
    unsafe fn along<S: Simd>(
        &self,
        first: usize,
        last: usize,
        results: &mut [f32; PANEL],
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let panels_a_stretch = if self.source.rows == 1 { TILE / PANEL } else { 1 };
        // One set of partial sums a row, as wide as the widest vector.
        let mut sums = [[identity(self.reduction); GRAIN]; UNIT_ROWS];
        let mut best = [(f32::NEG_INFINITY, 0usize); UNIT_ROWS];
        for panel in (0..self.source.panels()).step_by(panels_a_stretch) {
            for stretch in Stretch::tiles(self.source, panel, first, last) {
                // SAFETY: handed on; the reduced value's place holds the stretch.
                unsafe {
                    self.before.run::<S>(&stretch, context, scratch);
                    let Some(place) = self.before.reduced else { return };
                    let values =
                        self.before.resolve::<S>(place, &stretch, scratch.registers, context, scratch);
                    for row in 0..stretch.rows {
                        let line = Line { values, first: row * stretch.width, valid: stretch.valid() };
                        let number = stretch.row + row - first;
                        if self.reduction == Reduction::ArgumentMaximum {
                            line.best(stretch.column, &mut best[number]);
                        } else {
                            line.add::<S>(self.reduction, &mut sums[number]);
                        }
                    }
                }
            }
        }
        for number in 0..last - first {
            results[number] = match self.reduction {
                Reduction::ArgumentMaximum => best[number].1 as f32,
                _ => fold(self.reduction, &mut sums[number], S::LANES),
            };
        }
    }

    #[inline(always)]
    unsafe fn tile_through<S: Simd>(
        &self,
        axis: Axis,
        tile: &Stretch,
        results: &mut [f32; TILE],
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let Stretch { row: first, rows, column, width, .. } = *tile;
        let mut done = 0;
        while done < rows {
            let row = first + done;
            let beside = (axis.step - row % axis.step).min(rows - done);
            // Rows that follow each other are taken together, where all of them belong to one result.
            let together = if axis.step == 1 { TILE / width } else { 1 };
            for index in (0..axis.size).step_by(together) {
                let row = axis.first(row) + index * axis.step;
                let rows = beside * together.min(axis.size - index);
                let stretch = Stretch { row, rows, column, width, domain: self.source };
                // SAFETY: handed on; the tile has `beside` more rows.
                unsafe {
                    let own = &mut results[done * width..];
                    self.combine_rows::<S>(&stretch, beside, own, context, scratch);
                }
            }
            done += beside;
        }
    }

    /// What stands before the reduction, of a stretch: its row `r` goes into result `r` mod `beside`.
    #[inline(always)]
    unsafe fn combine_rows<S: Simd>(
        &self,
        stretch: &Stretch,
        beside: usize,
        results: &mut [f32],
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let width = stretch.width;
        // SAFETY: handed on; `width` is a multiple of the lanes, and there are as many results.
        unsafe {
            self.before.run::<S>(stretch, context, scratch);
            let Some(place) = self.before.reduced else { return };
            let values = self.before.resolve::<S>(place, stretch, scratch.registers, context, scratch);
            for result in 0..beside {
                for at in (0..width).step_by(S::LANES) {
                    let to = results.as_mut_ptr().add(result * width + at);
                    let mut sum = S::load(to);
                    let mut row = result;
                    while row < stretch.rows {
                        sum = combine::<S>(self.reduction, sum, S::load(values.at(row * width + at)));
                        row += beside;
                    }
                    S::store(to, sum);
                }
            }
        }
    }
}

/// Values of one row, on their way into its partial sums.
struct Line {
    values: Source,
    /// Where it begins in the stretch.
    first: usize,
    valid: usize,
}

impl Line {
    #[inline(always)]
    unsafe fn add<S: Simd>(&self, reduction: Reduction, sums: &mut [f32; GRAIN]) {
        // SAFETY: `valid` values of the stretch are the line's.
        unsafe {
            let mut sum = S::load(sums.as_ptr());
            let whole = self.valid / S::LANES * S::LANES;
            for at in (0..whole).step_by(S::LANES) {
                sum = combine::<S>(reduction, sum, S::load(self.values.at(self.first + at)));
            }
            if whole < self.valid {
                let mut rest = [identity(reduction); GRAIN];
                for at in whole..self.valid {
                    rest[at - whole] = *self.values.at(self.first + at);
                }
                sum = combine::<S>(reduction, sum, S::load(rest.as_ptr()));
            }
            S::store(sums.as_mut_ptr(), sum);
        }
    }

    unsafe fn best(&self, first_column: usize, best: &mut (f32, usize)) {
        for at in 0..self.valid {
            // SAFETY: as in `add`.
            let value = unsafe { *self.values.at(self.first + at) };
            let first = first_column + at == 0;
            if first || value > best.0 || (value.is_nan() && !best.0.is_nan()) {
                *best = (value, first_column + at);
            }
        }
    }
}

/// Folds the lanes in halves.
fn fold(reduction: Reduction, sums: &mut [f32; GRAIN], lanes: usize) -> f32 {
    let mut half = lanes / 2;
    while half > 0 {
        for at in 0..half {
            sums[at] = combine_one(reduction, sums[at], sums[at + half]);
        }
        half /= 2;
    }
    sums[0]
}

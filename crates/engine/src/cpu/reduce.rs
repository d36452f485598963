//! Reductions, each in an order fixed by the shape alone.

use super::simd::Simd;
use super::tile::{RunContext, Scratch, Source, Stretch, TILE, TileProgram};
use crate::graph::op::Reduction;
use crate::plan::Direction;
use crate::plan::layout::{GRAIN, Layout, PANEL};

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
    /// Does unit `unit`: 64 rows along, or one panel down.
    ///
    /// # Safety
    /// The machine has the level; the context is that of a bound plan; nobody else touches what the unit writes.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(
        &self,
        unit: usize,
        program: &TileProgram,
        domain: Layout,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let mut results = [0.0f32; PANEL];
        // SAFETY: handed on.
        unsafe {
            self.before.prepare::<S>(context, scratch);
            let (column, count) = match self.direction {
                Direction::AlongRows => {
                    let first = unit * UNIT_ROWS;
                    let last = (first + UNIT_ROWS).min(self.source.rows);
                    self.along::<S>(first, last, &mut results, context, scratch);
                    (first, last - first)
                }
                Direction::DownColumns => {
                    self.down::<S>(unit, &mut results, context, scratch);
                    (unit * PANEL, self.source.width(unit))
                }
            };
            program.prepare::<S>(context, scratch);
            std::ptr::copy_nonoverlapping(results.as_ptr(), scratch.registers, PANEL);
            program.run::<S>(&Stretch::run(domain, column, count), context, scratch);
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
                        TileProgram::resolve::<S>(place, &stretch, scratch.registers, context, scratch);
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
    unsafe fn down<S: Simd>(
        &self,
        panel: usize,
        results: &mut [f32; PANEL],
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let width = self.source.width(panel);
        results.fill(identity(self.reduction));
        for stretch in Stretch::tiles(self.source, panel, 0, self.source.rows) {
            // SAFETY: handed on; `width` is a multiple of the lanes.
            unsafe {
                self.before.run::<S>(&stretch, context, scratch);
                let Some(place) = self.before.reduced else { return };
                let values = TileProgram::resolve::<S>(place, &stretch, scratch.registers, context, scratch);
                for at in (0..width).step_by(S::LANES) {
                    let mut sum = S::load(results.as_ptr().add(at));
                    for row in 0..stretch.rows {
                        sum = combine::<S>(self.reduction, sum, S::load(values.at(row * width + at)));
                    }
                    S::store(results.as_mut_ptr().add(at), sum);
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

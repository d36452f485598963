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

/// Units of a reduction through an axis: a tile of the result each.
pub fn blocks_through(results: Layout) -> usize {
    (0..results.panels()).map(|panel| results.rows.div_ceil(TILE / results.width(panel))).sum()
}

/// The tile that a unit of a reduction through an axis makes. All panels but the last have tiles of the same height.
pub fn block_through(results: Layout, block: usize) -> Stretch {
    let blocks = results.rows.div_ceil(TILE / results.width(0));
    let panel = (block / blocks).min(results.panels() - 1);
    let width = results.width(panel);
    let row = (block - panel * blocks) * (TILE / width);
    let rows = (TILE / width).min(results.rows - row);
    Stretch { row, rows, column: panel * PANEL, width, domain: results }
}

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
    /// Does unit `unit`: 64 rows along, one panel down, or a tile of results through an axis.
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
        let mut results = [0.0f32; TILE];
        // SAFETY: handed on.
        unsafe {
            self.before.prepare::<S>(context, scratch);
            let stretch = match self.direction {
                Direction::AlongRows => {
                    let first = unit * UNIT_ROWS;
                    let last = (first + UNIT_ROWS).min(self.source.rows);
                    self.along::<S>(first, last, &mut results, context, scratch);
                    Stretch::run(domain, first, last - first)
                }
                Direction::DownColumns => {
                    self.down::<S>(unit, &mut results, context, scratch);
                    Stretch::run(domain, unit * PANEL, self.source.width(unit))
                }
                Direction::Through(axis) => {
                    let stretch = block_through(domain, unit);
                    self.through::<S>(axis, &stretch, &mut results, context, scratch);
                    stretch
                }
            };
            program.prepare::<S>(context, scratch);
            std::ptr::copy_nonoverlapping(results.as_ptr(), scratch.registers, stretch.length());
            program.run::<S>(&stretch, context, scratch);
        }
    }

    #[inline(always)]
    unsafe fn along<S: Simd>(
        &self,
        first: usize,
        last: usize,
        results: &mut [f32; TILE],
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
    unsafe fn down<S: Simd>(
        &self,
        panel: usize,
        results: &mut [f32; TILE],
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        results.fill(identity(self.reduction));
        for stretch in Stretch::tiles(self.source, panel, 0, self.source.rows) {
            // SAFETY: handed on.
            unsafe { self.combine_rows::<S>(&stretch, 1, results, context, scratch) };
        }
    }

    /// Makes the tile of results: an index of the axis after the other, for as many rows as lie beside each other at each.
    #[inline(always)]
    unsafe fn through<S: Simd>(
        &self,
        axis: Axis,
        tile: &Stretch,
        results: &mut [f32; TILE],
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        results.fill(identity(self.reduction));
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

    /// Row `r` of a stretch goes into result `r` mod `beside`.
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
                    for row in (result..stretch.rows).step_by(beside) {
                        sum = combine::<S>(self.reduction, sum, S::load(values.at(row * width + at)));
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

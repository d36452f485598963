//! The verifier: proves for a schedule that threads cannot get in each other's way.
//!
//! Within a phase any unit may run beside any other, so no unit may write what another reads or writes; this is checked on
//! addresses, arena reuse included. Across phases, a buffer that is read must have been written completely, in an earlier
//! phase, and nothing placed over it since.

use super::schedule::{Home, Kernel, Piece, Schedule, Unit};
use super::tile::Stretch;
use crate::error::Error;
use crate::plan::layout::{GRAIN, Layout, PANEL};
use crate::plan::program::{Access, Program};
use crate::plan::{BufferId, Contents, Direction, Plan, Work};
use std::ops::Range;

/// Checks a schedule.
///
/// # Errors
/// [`Error::Unsound`] names the first clash.
pub fn verify(plan: &Plan, schedule: &Schedule) -> Result<(), Error> {
    let verifier = Verifier { plan, schedule, bases: bases(plan, schedule) };
    let mut valid: Vec<bool> = plan
        .buffers
        .iter()
        .map(|buffer| matches!(buffer.contents, Contents::State(_) | Contents::Table(_)))
        .collect();
    for (phase, units) in schedule.phases.iter().enumerate() {
        verifier.phase(phase, units)?;
        verifier.order(phase, units, &mut valid)?;
    }
    Ok(())
}

struct Verifier<'p> {
    plan: &'p Plan,
    schedule: &'p Schedule,
    bases: Vec<usize>,
}

/// Addresses in one space: the arena first, states and tables behind it.
fn bases(plan: &Plan, schedule: &Schedule) -> Vec<usize> {
    let mut next = schedule.arena;
    let home = |home: &Home, length: usize| match home {
        Home::Arena(offset) => *offset,
        _ => {
            next += length;
            next - length
        }
    };
    schedule
        .homes
        .iter()
        .zip(&plan.buffers)
        .map(|(place, buffer)| (place, buffer.layout.length()))
        .map({
            let mut home = home;
            move |(place, length)| home(place, length)
        })
        .collect()
}

#[derive(Default)]
struct Footprint {
    reads: Vec<(BufferId, Range<usize>)>,
    writes: Vec<(BufferId, Range<usize>)>,
}

impl Footprint {
    fn program(&mut self, program: &Program, stretches: &[Stretch]) {
        for stretch in stretches {
            let full = stretch.start()..stretch.start() + stretch.length();
            for (buffer, access) in program.loads() {
                let range = match access {
                    Access::Full => full.clone(),
                    Access::Row => stretch.column..stretch.column + stretch.width,
                    Access::Column => stretch.row..stretch.row + stretch.rows,
                    Access::Single => 0..1,
                };
                self.reads.push((buffer, range));
            }
            self.writes.extend(program.stores.iter().map(|store| (store.1, full.clone())));
        }
    }

    fn whole(&mut self, plan: &Plan, buffer: BufferId) {
        self.reads.push((buffer, 0..plan.buffers[buffer.index()].layout.length()));
    }
}

impl Verifier<'_> {
    fn footprint(&self, unit: &Unit) -> Footprint {
        let mut footprint = Footprint::default();
        let step = &self.plan.steps[unit.step];
        let domain = step.domain;
        let rows_of = |panel: usize, first: usize, last: usize| Stretch {
            row: first,
            rows: last - first,
            column: panel * PANEL,
            width: domain.width(panel),
            domain,
        };
        match (unit.piece, &step.work) {
            (Piece::Product(piece), Work::Product { left, right, .. }) => {
                footprint.whole(self.plan, left.buffer);
                footprint.whole(self.plan, right.buffer);
                let Kernel::Product(product) = &self.schedule.steps[unit.step].kernel else {
                    return footprint;
                };
                let stretch = match product.columns {
                    1 => Stretch::run(domain, piece.first, piece.last - piece.first),
                    _ => rows_of(piece.panel, piece.first, piece.last),
                };
                footprint.program(&step.program, &[stretch]);
            }
            (Piece::Stretch { panel, first, last }, _) => {
                let stretches: Vec<Stretch> = match domain.rows {
                    1 => (first..last).map(|panel| rows_of(panel, 0, 1)).collect(),
                    _ => vec![rows_of(panel, first, last)],
                };
                footprint.program(&step.program, &stretches);
            }
            (Piece::Block(block), Work::Reduce { direction, before, source, .. }) => {
                before.loads().for_each(|load| footprint.whole(self.plan, load.0));
                let count = match direction {
                    Direction::AlongRows => (source.rows - block * PANEL).min(PANEL),
                    Direction::DownColumns => source.width(block),
                };
                footprint.program(&step.program, &[Stretch::run(domain, block * PANEL, count)]);
            }
            (Piece::Rows { first, last }, Work::Move(moved, to)) => {
                moved.pieces.iter().for_each(|piece| footprint.whole(self.plan, piece.buffer));
                footprint.rows(*to, domain, first, last);
            }
            (Piece::Rows { first, last }, Work::Gather { table, to, columns, .. }) => {
                footprint.whole(self.plan, *table);
                match columns {
                    1 => footprint.writes.push((*to, first..last.next_multiple_of(GRAIN))),
                    _ => footprint.rows(*to, domain, first, last),
                }
            }
            (Piece::Panel(panel), Work::ScatterAdd { rows, to, columns, .. }) => {
                footprint.whole(self.plan, *rows);
                let range = match columns {
                    1 => 0..domain.length(),
                    _ => {
                        domain.panel_start(panel)
                            ..domain.panel_start(panel) + domain.rows * domain.width(panel)
                    }
                };
                footprint.writes.push((*to, range));
            }
            _ => {}
        }
        footprint
    }

    fn unsound(&self, what: String) -> Error {
        Error::Unsound { what }
    }

    /// No unit writes what another touches.
    fn phase(&self, phase: usize, units: &[Unit]) -> Result<(), Error> {
        let absolute = |(buffer, range): &(BufferId, Range<usize>), unit: usize| {
            let base = self.bases[buffer.index()];
            (base + range.start, base + range.end, unit)
        };
        let footprints: Vec<Footprint> = units.iter().map(|unit| self.footprint(unit)).collect();
        let mut writes: Vec<(usize, usize, usize)> = Vec::new();
        let mut reads: Vec<(usize, usize, usize)> = Vec::new();
        for (unit, footprint) in footprints.iter().enumerate() {
            writes.extend(footprint.writes.iter().map(|write| absolute(write, unit)));
            reads.extend(footprint.reads.iter().map(|read| absolute(read, unit)));
        }
        writes.sort_unstable();
        let clash = |first: usize, second: usize| {
            let (a, b) = (units[first].step, units[second].step);
            self.unsound(format!("steps {a} and {b} touch the same memory in phase {phase}"))
        };
        for pair in writes.windows(2) {
            // Writes are disjoint whoever makes them, so comparing neighbours is enough.
            if pair[1].0 < pair[0].1 {
                return Err(clash(pair[0].2, pair[1].2));
            }
        }
        for (start, end, unit) in reads {
            let after = writes.partition_point(|write| write.1 <= start);
            let met = writes[after..].iter().take_while(|write| write.0 < end).find(|write| write.2 != unit);
            if let Some(write) = met {
                return Err(clash(write.2, unit));
            }
        }
        Ok(())
    }

    /// What is read has been written in an earlier phase and still stands; what is written is written whole.
    fn order(&self, phase: usize, units: &[Unit], valid: &mut [bool]) -> Result<(), Error> {
        let mut steps: Vec<usize> = units.iter().map(|unit| unit.step).collect();
        steps.sort_unstable();
        steps.dedup();
        for step in &steps {
            if let Some(buffer) = self.plan.steps[*step].reads().iter().find(|buffer| !valid[buffer.index()])
            {
                return Err(self.unsound(format!(
                    "step {step} reads buffer {} in phase {phase} before it stands",
                    buffer.0
                )));
            }
        }
        for step in &steps {
            for buffer in self.plan.steps[*step].writes() {
                let written: usize = units
                    .iter()
                    .filter(|unit| unit.step == *step)
                    .flat_map(|unit| self.footprint(unit).writes)
                    .filter(|write| write.0 == buffer)
                    .map(|write| write.1.len())
                    .sum();
                let layout = self.plan.buffers[buffer.index()].layout;
                if written < layout.elements() {
                    return Err(
                        self.unsound(format!("step {step} writes {written} of {} numbers", layout.length()))
                    );
                }
                self.stands(buffer, valid);
            }
        }
        Ok(())
    }

    /// Marks a buffer as standing, and all that share its memory as gone.
    fn stands(&self, buffer: BufferId, valid: &mut [bool]) {
        let range = |number: usize| {
            self.bases[number]..self.bases[number] + self.plan.buffers[number].layout.length()
        };
        let own = range(buffer.index());
        for number in 0..valid.len() {
            let other = range(number);
            if other.start < own.end && own.start < other.end {
                valid[number] = false;
            }
        }
        valid[buffer.index()] = true;
    }
}

impl Footprint {
    fn rows(&mut self, buffer: BufferId, domain: Layout, first: usize, last: usize) {
        for panel in 0..domain.panels() {
            let start = domain.address(first, panel * PANEL);
            self.writes.push((buffer, start..start + (last - first) * domain.width(panel)));
        }
    }
}

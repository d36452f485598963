//! The verifier: proves for a schedule that threads cannot get in each other's way.
//!
//! Within a phase any unit may run beside any other, so no unit may write what another reads or writes; this is checked on
//! addresses, arena reuse included; nor may it write what it reads in another place itself. Across phases, a buffer that is
//! read must have been written completely, in an earlier phase, and nothing placed over it since; a state is never read once
//! its new value stands. Every access fits the layout of its buffer, every buffer the arena, every step has all its units.
//! What accesses fit is checked in `verify_access`.

use super::schedule::{Home, Kernel, Piece, Schedule, Unit};
use super::tile::Stretch;
use crate::error::Error;
use crate::plan::layout::{GRAIN, Layout, Marks, PANEL};
use crate::plan::program::{Access, Program};
use crate::plan::{BufferId, Contents, Plan, Work};
use std::ops::Range;

#[path = "verify_access.rs"]
mod access;
#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;

/// Checks a schedule.
///
/// # Errors
/// [`Error::Unsound`] names the first clash.
pub fn verify(plan: &Plan, schedule: &Schedule) -> Result<(), Error> {
    let verifier = Verifier { plan, schedule, bases: bases(plan, schedule) };
    access::check(plan)?;
    verifier.homes()?;
    let mut valid: Vec<bool> = plan
        .buffers
        .iter()
        .map(|buffer| matches!(buffer.contents, Contents::State(_) | Contents::Table(_) | Contents::Feed(_)))
        .collect();
    for (phase, units) in schedule.phases.iter().enumerate() {
        verifier.phase(phase, units)?;
        verifier.order(phase, units, &mut valid)?;
    }
    verifier.end(&valid)
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
    /// What is read at the place that is written, element by element.
    reads: Vec<(BufferId, Range<usize>)>,
    /// What is read in any order.
    loose: Vec<(BufferId, Range<usize>)>,
    writes: Vec<(BufferId, Range<usize>)>,
}

impl Footprint {
    fn program(&mut self, program: &Program, stretches: &[Stretch]) {
        for stretch in stretches {
            let full = stretch.start()..stretch.start() + stretch.length();
            for (buffer, access) in program.loads() {
                match access {
                    Access::Full => self.reads.push((buffer, full.clone())),
                    Access::Row => self.loose.push((buffer, stretch.column..stretch.column + stretch.width)),
                    Access::Column => self.loose.push((buffer, stretch.row..stretch.row + stretch.rows)),
                    Access::Single => self.loose.push((buffer, 0..1)),
                    Access::Broadcast(axis) => {
                        let source = axis.taken_from(stretch.domain);
                        let start = source.panel_start(stretch.column / PANEL);
                        self.loose.push((buffer, start..start + source.rows * stretch.width));
                    }
                }
            }
            self.writes.extend(program.stores.iter().map(|store| (store.1, full.clone())));
        }
    }

    fn whole(&mut self, plan: &Plan, buffer: BufferId) {
        self.loose.push((buffer, 0..plan.buffers[buffer.index()].layout.length()));
    }
}

/// From and to which address, by which unit, in which buffer.
type Touch = (usize, usize, usize, BufferId);

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
            (Piece::Product(piece), Work::Product { left, right, marks, .. }) => {
                footprint.whole(self.plan, left.buffer);
                footprint.whole(self.plan, right.buffer);
                marks.iter().for_each(|marks| footprint.whole(self.plan, *marks));
                let Kernel::Product(product) = &self.schedule.steps[unit.step].kernel else {
                    return footprint;
                };
                let stretch = match product.columns {
                    1 => Stretch::run(domain, piece.first, piece.last - piece.first),
                    _ => rows_of(piece.panel, piece.first, piece.last),
                };
                footprint.program(&step.program, &[stretch]);
                if product.symmetric {
                    // The mirrored blocks of those above the diagonal.
                    let below = (piece.panel * PANEL, ((piece.panel + 1) * PANEL).min(domain.rows));
                    let mirrored = (piece.first / PANEL..piece.last.div_ceil(PANEL).min(piece.panel))
                        .map(|panel| rows_of(panel, below.0, below.1));
                    footprint.program(&step.program, &mirrored.collect::<Vec<_>>());
                }
            }
            (Piece::Product(piece), Work::Convolution(work)) => {
                work.images.buffers().for_each(|buffer| footprint.whole(self.plan, buffer));
                footprint.whole(self.plan, work.kernel);
                let (first, last) = (work.row(piece.first), work.row(piece.last));
                let stretch = match work.columns {
                    1 => Stretch::run(domain, first, last - first),
                    _ => rows_of(piece.panel, first, last),
                };
                footprint.program(&step.program, &[stretch]);
                let marked = stretch.start()..stretch.start() + stretch.length();
                let marks = work.pooled.and_then(|pooled| pooled.marks);
                footprint.writes.extend(marks.map(|marks| (marks, marked)));
            }
            (Piece::Part { part, panel }, Work::KernelGradient(work)) => {
                let read = work.images.buffers().chain(work.gradient.buffers());
                read.for_each(|buffer| footprint.whole(self.plan, buffer));
                if let Kernel::KernelGradient(gradient) = &self.schedule.steps[unit.step].kernel {
                    let (start, end) = gradient.place(part, panel);
                    footprint.writes.push((work.to, start..end));
                }
            }
            (Piece::Stretch { panel, first, last }, Work::Reduce { before, .. }) => {
                before.loads().for_each(|load| footprint.whole(self.plan, load.0));
                footprint.program(&step.program, &[rows_of(panel, first, last)]);
            }
            (Piece::Stretch { panel, first, last }, work) => {
                if let Work::AddParts { from, .. } = work {
                    footprint.whole(self.plan, *from);
                }
                let stretches: Vec<Stretch> = match domain.rows {
                    1 => (first..last).map(|panel| rows_of(panel, 0, 1)).collect(),
                    _ => vec![rows_of(panel, first, last)],
                };
                footprint.program(&step.program, &stretches);
            }
            (Piece::Block(block), Work::Reduce { before, source, .. }) => {
                before.loads().for_each(|load| footprint.whole(self.plan, load.0));
                let count = (source.rows - block * PANEL).min(PANEL);
                footprint.program(&step.program, &[Stretch::run(domain, block * PANEL, count)]);
            }
            (Piece::Rows { first, last }, Work::Move(moved, to)) => {
                moved.pieces.iter().for_each(|piece| footprint.whole(self.plan, piece.buffer));
                footprint.rows(*to, domain, first, last);
            }
            (Piece::Rows { first, last }, Work::Mark { from, to }) => {
                footprint.whole(self.plan, from.buffer);
                let marks = Marks { rows: from.rows, columns: from.columns };
                let of_rows = |panel| marks.place(panel, first)..marks.place(panel, last.next_multiple_of(8));
                footprint.writes.extend((0..marks.panels()).map(|panel| (*to, of_rows(panel))));
            }
            (Piece::Rows { first, last }, Work::Largest { from, to, .. }) => {
                footprint.whole(self.plan, *from);
                footprint.rows(*to, domain, first, last);
            }
            (Piece::Product(piece), Work::Pooling(work)) => {
                footprint.whole(self.plan, work.from.buffer);
                work.positions.iter().for_each(|positions| footprint.whole(self.plan, *positions));
                let stretch = match work.to.channels {
                    1 => Stretch::run(domain, piece.first, piece.last - piece.first),
                    _ => rows_of(piece.panel, piece.first, piece.last),
                };
                footprint.program(&step.program, &[stretch]);
                let marked = stretch.start()..stretch.start() + stretch.length();
                footprint.writes.extend(work.marks.map(|marks| (marks, marked)));
            }
            (Piece::Rows { first, last }, Work::Sparse(sparse)) => {
                sparse.operands.iter().for_each(|operand| footprint.whole(self.plan, operand.buffer));
                match sparse.to.columns {
                    1 => footprint.writes.push((sparse.to.buffer, first..last.next_multiple_of(GRAIN))),
                    _ => footprint.rows(sparse.to.buffer, domain, first, last),
                }
            }
            (Piece::Panel(panel), Work::Sparse(sparse)) => {
                sparse.operands.iter().for_each(|operand| footprint.whole(self.plan, operand.buffer));
                let start = domain.panel_start(panel);
                footprint.writes.push((sparse.to.buffer, start..start + domain.rows * domain.width(panel)));
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
            (base + range.start, base + range.end, unit, *buffer)
        };
        let footprints: Vec<Footprint> = units.iter().map(|unit| self.footprint(unit)).collect();
        let mut writes: Vec<Touch> = Vec::new();
        let mut reads: Vec<Touch> = Vec::new();
        // Reads in any order must not meet the unit's own writes either.
        let mut loose: Vec<Touch> = Vec::new();
        for (unit, footprint) in footprints.iter().enumerate() {
            writes.extend(footprint.writes.iter().map(|write| absolute(write, unit)));
            reads.extend(footprint.reads.iter().map(|read| absolute(read, unit)));
            loose.extend(footprint.loose.iter().map(|read| absolute(read, unit)));
            let outside = |(buffer, range): &&(BufferId, Range<usize>)| {
                range.end > self.plan.buffers[buffer.index()].layout.length()
            };
            let mut all = footprint.reads.iter().chain(&footprint.loose).chain(&footprint.writes);
            if let Some((buffer, range)) = all.find(outside) {
                let (step, buffer) = (units[unit].step, buffer.0);
                return Err(self.unsound(format!("step {step} touches {range:?} of buffer {buffer}")));
            }
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
        let own =
            reads.into_iter().map(|read| (read, true)).chain(loose.into_iter().map(|read| (read, false)));
        for ((start, end, unit, buffer), in_place) in own {
            let after = writes.partition_point(|write| write.1 <= start);
            let mut met = writes[after..].iter().take_while(|write| write.0 < end);
            // Kernels read an element before they write it, but know of this only if both go to one buffer.
            let met = met.find(|write| !(in_place && **write == (start, end, unit, buffer)));
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
                if written != layout.length() {
                    return Err(
                        self.unsound(format!("step {step} writes {written} of {} numbers", layout.length()))
                    );
                }
                self.stands(buffer, valid);
                // From here on it is a state's new value, which nothing in the run may read.
                if matches!(self.plan.buffers[buffer.index()].contents, Contents::State(_)) {
                    valid[buffer.index()] = false;
                }
            }
        }
        Ok(())
    }

    /// Every buffer lies inside the arena, or outside it where it should.
    fn homes(&self) -> Result<(), Error> {
        for (number, (home, buffer)) in self.schedule.homes.iter().zip(&self.plan.buffers).enumerate() {
            let fits = match (home, &buffer.contents) {
                (Home::Arena(offset), Contents::Intermediate | Contents::Output(_)) => {
                    offset.is_multiple_of(GRAIN) && offset + buffer.layout.length() <= self.schedule.arena
                }
                (Home::State(home), Contents::State(state)) => home == state,
                (Home::Table(_), Contents::Table(_)) => true,
                (Home::Feed(home), Contents::Feed(input)) => home == input,
                _ => false,
            };
            if !fits {
                return Err(self.unsound(format!("buffer {number} has no room at {home:?}")));
            }
        }
        Ok(())
    }

    /// At the end every output stands, every step has been done, every updated state written.
    fn end(&self, valid: &[bool]) -> Result<(), Error> {
        let mut done = vec![false; self.plan.steps.len()];
        self.schedule.phases.iter().flatten().for_each(|unit| done[unit.step] = true);
        if let Some(step) = done.iter().position(|done| !done) {
            return Err(self.unsound(format!("step {step} is never done")));
        }
        for (number, buffer) in self.plan.buffers.iter().enumerate() {
            if matches!(buffer.contents, Contents::Output(_)) && !valid[number] {
                return Err(self.unsound(format!("output buffer {number} does not stand at the end")));
            }
        }
        let written: Vec<BufferId> = self.plan.steps.iter().flat_map(|step| step.writes()).collect();
        for (state, _) in self.plan.updated.iter().enumerate().filter(|(_, updated)| **updated) {
            let is_it = |id: &&BufferId| self.plan.buffers[id.index()].contents == Contents::State(state);
            if written.iter().filter(is_it).count() != 1 {
                return Err(self.unsound(format!("state {state} is not written once")));
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

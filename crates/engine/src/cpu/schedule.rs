//! Scheduling: tiles, memory and barriers for a lowered plan.
//!
//! Work is cut into units whose size depends on the problem alone. Steps are put into phases, each as early as its needs
//! allow; units of a phase may be done in any order by any thread. Intermediate values share one arena, each placed where no
//! other value that is alive in the same phases lies.

use super::convolution::Convolution;
use super::kernel_gradient::KernelGradient;
use super::movement;
use super::pooling;
use super::product::{LISTED, ONE_PASS, Product, ProductUnit};
use super::reduce::{self, Reduce};
use super::sparse;
use super::tile::TileProgram;
use crate::graph::op::Sparse;
use crate::plan::layout::{GRAIN, Layout, PANEL};
use crate::plan::program::Program;
use crate::plan::{Contents, Direction, Matrix, Plan, Step, Work, is_symmetric};

/// What a unit runs.
#[derive(Clone, Debug)]
pub enum Kernel {
    /// A product.
    Product(Product),
    /// A convolution.
    Convolution(Convolution),
    /// Parts of a kernel's gradient.
    KernelGradient(KernelGradient),
    /// A reduction.
    Reduce(Reduce),
    /// Work that needs nothing compiled but its program.
    Plain(Work),
}

/// A step, compiled.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What its units run.
    pub kernel: Kernel,
    /// The program behind it.
    pub program: TileProgram,
    /// What the program runs over.
    pub domain: Layout,
}

/// A piece of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Piece {
    /// Rows of a panel of a product.
    Product(ProductUnit),
    /// Rows `first..last` of a panel (of what is not reduced, in a domain of one row: panels `panel..last` of it).
    Stretch {
        /// First panel.
        panel: usize,
        /// First row, or first panel.
        first: usize,
        /// One past the last.
        last: usize,
    },
    /// A block of rows of a reduction along them.
    Block(usize),
    /// Rows of a movement.
    Rows {
        /// First row.
        first: usize,
        /// One past the last row.
        last: usize,
    },
    /// A panel of a scatter.
    Panel(usize),
    /// A part of a panel of a kernel's gradient.
    Part {
        /// The part.
        part: usize,
        /// The panel.
        panel: usize,
    },
}

/// A piece of work that one thread does.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// Which step.
    pub step: usize,
    /// Which part of it.
    pub piece: Piece,
    /// Rough cost, to start large units first.
    cost: u64,
}

/// Where a buffer lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Home {
    /// In the arena, at this offset.
    Arena(usize),
    /// A state, by number.
    State(usize),
    /// A table of constants, by number.
    Table(usize),
    /// The caller's memory of an input, by number.
    Feed(usize),
}

/// A plan, ready to be bound to memory.
pub struct Schedule {
    /// Steps in the plan's order.
    pub steps: Vec<Compiled>,
    /// Units by phase.
    pub phases: Vec<Vec<Unit>>,
    /// Phase of each step.
    pub phase_of: Vec<usize>,
    /// Where each buffer lies.
    pub homes: Vec<Home>,
    /// Numbers in the arena.
    pub arena: usize,
    /// Scratch numbers that each thread needs: registers, splats, partial sums, packed operands, a band of an image,
    /// listed indices, marks of a band.
    pub scratch: [usize; 7],
}

/// Units that a product is cut into at least for each of several threads, if it has the rows.
const UNITS: usize = 4;
/// Numbers of a left operand that the second cache can be trusted to hold.
const HELD: usize = 128 << 10;
/// Elements of a unit of an elementwise step.
const UNIT_ELEMENTS: usize = 16 << 10;

impl Schedule {
    /// Schedules a plan for so many threads. How it is cut makes no difference to any bit, if weights are finite.
    pub fn new(plan: &Plan, threads: usize) -> Schedule {
        let least = if threads == 1 { 1 } else { UNITS * threads };
        let steps: Vec<Compiled> = plan.steps.iter().map(|step| compile(plan, step)).collect();
        let phase_of = phases_of(plan);
        let mut phases: Vec<Vec<Unit>> = vec![Vec::new(); phase_of.iter().max().map_or(0, |last| last + 1)];
        for (number, step) in steps.iter().enumerate() {
            let phase = &mut phases[phase_of[number]];
            pieces(step, least, |piece, cost| phase.push(Unit { step: number, piece, cost }));
        }
        phases.iter_mut().for_each(|units| units.sort_by_key(|unit| std::cmp::Reverse(unit.cost)));
        let (homes, arena) = place(plan, &phase_of);
        let scratch = scratch(&steps, &phases);
        Schedule { steps, phases, phase_of, homes, arena, scratch }
    }

    /// Bytes of the arena.
    pub fn arena_bytes(&self) -> usize {
        self.arena * size_of::<f32>()
    }
}

fn compile(plan: &Plan, step: &Step) -> Compiled {
    let kernel = match &step.work {
        Work::Product { left, right, inner, marks } => {
            let columns = if right.transposed { right.rows } else { right.columns };
            let packed = right.transposed || columns == 1;
            let fed = matches!(plan.buffers[left.buffer.index()].contents, Contents::Feed(_));
            let row_after_row = fed || left.flat;
            Kernel::Product(Product {
                left: *left,
                right: *right,
                inner: *inner,
                columns,
                packed,
                row_after_row,
                marks: *marks,
                symmetric: is_symmetric(left, right),
            })
        }
        Work::Reduce { direction, reduction, before, source } => Kernel::Reduce(Reduce {
            direction: *direction,
            reduction: *reduction,
            before: compile_program(before),
            source: *source,
        }),
        Work::Convolution(work) => Kernel::Convolution(Convolution::new(work)),
        Work::KernelGradient(work) => Kernel::KernelGradient(KernelGradient::new(work)),
        plain => Kernel::Plain(plain.clone()),
    };
    Compiled { kernel, program: compile_program(&step.program), domain: step.domain }
}

fn compile_program(program: &Program) -> TileProgram {
    TileProgram::compile(program)
}

fn phases_of(plan: &Plan) -> Vec<usize> {
    let mut phase_of: Vec<usize> = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        phase_of.push(step.after.iter().map(|need| phase_of[*need] + 1).max().unwrap_or(0));
    }
    phase_of
}

fn pieces(step: &Compiled, least: usize, mut push: impl FnMut(Piece, u64)) {
    let domain = step.domain;
    match &step.kernel {
        Kernel::Product(product) => product_pieces(product, least, push),
        Kernel::Convolution(convolution) => {
            convolution.units(least, |unit, cost| push(Piece::Product(unit), cost));
        }
        Kernel::KernelGradient(gradient) => {
            for part in 0..gradient.work.parts {
                for panel in 0..gradient.panels() {
                    push(Piece::Part { part, panel }, gradient.cost());
                }
            }
        }
        Kernel::Plain(Work::Map | Work::AddParts { .. }) if domain.rows == 1 => {
            let panels = UNIT_ELEMENTS / PANEL;
            for first in (0..domain.panels()).step_by(panels) {
                let last = (first + panels).min(domain.panels());
                push(Piece::Stretch { panel: first, first, last }, (PANEL * (last - first)) as u64);
            }
        }
        Kernel::Plain(Work::Map | Work::AddParts { .. }) => {
            for panel in 0..domain.panels() {
                let rows = UNIT_ELEMENTS / domain.width(panel);
                for first in (0..domain.rows).step_by(rows) {
                    let last = (first + rows).min(domain.rows);
                    push(
                        Piece::Stretch { panel, first, last },
                        (domain.width(panel) * (last - first)) as u64,
                    );
                }
            }
        }
        Kernel::Reduce(reduce) => match reduce.direction {
            Direction::AlongRows => {
                let elements = reduce.source.columns * reduce::UNIT_ROWS;
                let blocks = reduce.source.rows.div_ceil(reduce::UNIT_ROWS);
                (0..blocks).for_each(|block| push(Piece::Block(block), elements as u64));
            }
            Direction::Through(axis) => {
                for panel in 0..domain.panels() {
                    let elements = axis.size * domain.width(panel);
                    let rows = (UNIT_ELEMENTS / elements).max(1);
                    for first in (0..domain.rows).step_by(rows) {
                        let last = (first + rows).min(domain.rows);
                        push(Piece::Stretch { panel, first, last }, (elements * (last - first)) as u64);
                    }
                }
            }
        },
        Kernel::Plain(Work::Sparse(sparse)) => {
            let Matrix { rows, columns, .. } = sparse.to;
            if sparse.kind == Sparse::TurnedOuter {
                (0..domain.panels()).for_each(|panel| push(Piece::Panel(panel), (rows * PANEL) as u64));
                return;
            }
            for first in (0..rows).step_by(sparse::unit_rows(sparse.kind)) {
                let last = (first + sparse::unit_rows(sparse.kind)).min(rows);
                push(Piece::Rows { first, last }, (columns * (last - first)) as u64);
            }
        }
        Kernel::Plain(Work::Pooling(work)) => {
            pooling::units(work, |unit, cost| push(Piece::Product(unit), cost));
        }
        Kernel::Plain(Work::ScatterAdd { columns, .. }) => {
            let panels = if *columns == 1 { 1 } else { domain.panels() };
            (0..panels).for_each(|panel| push(Piece::Panel(panel), (domain.rows * PANEL) as u64));
        }
        Kernel::Plain(work) => {
            // A single column lies as a row, but is cut by its own rows.
            let rows = match work {
                Work::Gather { columns: 1, .. } => domain.columns,
                _ => domain.rows,
            };
            for first in (0..rows).step_by(movement::UNIT_ROWS) {
                let last = (first + movement::UNIT_ROWS).min(rows);
                push(Piece::Rows { first, last }, (domain.columns * (last - first)) as u64);
            }
        }
    }
}

fn product_pieces(product: &Product, least: usize, mut push: impl FnMut(Piece, u64)) {
    let rows = if product.left.transposed { product.left.columns } else { product.left.rows };
    let panels = product.columns.div_ceil(PANEL);
    // Tall units use a block of the right operand (turned, perhaps) for many tiles; but there should be some for everybody.
    let mut block = super::product::UNIT_ROWS;
    while block > PANEL && panels * rows.div_ceil(block) < least {
        block /= 2;
    }
    let width = |panel: usize| (product.columns - panel * PANEL).min(PANEL).next_multiple_of(GRAIN);
    let mut unit = |panel: usize, first: usize| {
        // Below the diagonal of a symmetric result stands what has been summed above it.
        let rows = if product.symmetric { rows.min((panel + 1) * PANEL) } else { rows };
        if first < rows {
            let last = (first + block).min(rows);
            let cost = 2 * product.inner * width(panel) * (last - first);
            push(Piece::Product(ProductUnit { panel, first, last }), cost as u64);
        }
    };
    // A left operand that the second cache holds meets one panel after another; of a larger one, a block of rows meets them all.
    if rows * product.inner <= HELD {
        (0..panels).for_each(|panel| (0..rows).step_by(block).for_each(|first| unit(panel, first)));
    } else {
        (0..rows).step_by(block).for_each(|first| (0..panels).for_each(|panel| unit(panel, first)));
    }
}

/// Places every buffer; intermediate values by lifetime, the largest first.
fn place(plan: &Plan, phase_of: &[usize]) -> (Vec<Home>, usize) {
    let lives = lifetimes(plan, phase_of);
    let mut homes = vec![Home::Arena(0); plan.buffers.len()];
    let mut tables = 0;
    let mut order: Vec<usize> = Vec::new();
    for (number, buffer) in plan.buffers.iter().enumerate() {
        match &buffer.contents {
            Contents::State(state) => homes[number] = Home::State(*state),
            Contents::Feed(input) => homes[number] = Home::Feed(*input),
            Contents::Table(_) => {
                homes[number] = Home::Table(tables);
                tables += 1;
            }
            _ => order.push(number),
        }
    }
    order.sort_by_key(|number| std::cmp::Reverse(plan.buffers[*number].layout.length()));
    let mut placed: Vec<(usize, usize, (usize, usize))> = Vec::new();
    let mut arena = 0;
    for number in order {
        let length = plan.buffers[number].layout.length();
        let (from, to) = lives[number];
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|other| other.2.0 <= to && from <= other.2.1)
            .map(|other| (other.0, other.1))
            .collect();
        taken.sort_unstable();
        let mut offset = 0;
        for (start, end) in taken {
            if offset + length <= start {
                break;
            }
            offset = offset.max(end);
        }
        placed.push((offset, offset + length, (from, to)));
        arena = arena.max(offset + length);
        homes[number] = Home::Arena(offset);
    }
    (homes, arena)
}

/// First and last phase in which each buffer is needed; outputs to the end.
fn lifetimes(plan: &Plan, phase_of: &[usize]) -> Vec<(usize, usize)> {
    let mut lives = vec![(usize::MAX, 0); plan.buffers.len()];
    for (step, phase) in plan.steps.iter().zip(phase_of) {
        for buffer in step.reads().into_iter().chain(step.writes()) {
            let life = &mut lives[buffer.index()];
            *life = (life.0.min(*phase), life.1.max(*phase));
        }
    }
    for (life, buffer) in lives.iter_mut().zip(&plan.buffers) {
        if matches!(buffer.contents, Contents::Output(_)) {
            life.1 = usize::MAX;
        }
    }
    lives
}

fn scratch(steps: &[Compiled], phases: &[Vec<Unit>]) -> [usize; 7] {
    let (mut registers, mut splats) = (1, 1);
    let mut needed = [0, 0, 0, LISTED, 0];
    let mut program = |program: &TileProgram| {
        registers = registers.max(program.registers);
        splats = splats.max(program.splat_count());
    };
    for step in steps {
        program(&step.program);
        if let Kernel::Reduce(reduce) = &step.kernel {
            program(&reduce.before);
        }
    }
    for unit in phases.iter().flatten() {
        let own = match (&steps[unit.step].kernel, unit.piece) {
            (Kernel::Product(product), Piece::Product(piece)) => {
                let packed = if product.packed { product.inner.min(ONE_PASS) * PANEL } else { 0 };
                let packed = if product.symmetric { packed.max(PANEL * PANEL) } else { packed };
                [(piece.last - piece.first) * PANEL, packed, 0, 0, 0]
            }
            (Kernel::Convolution(convolution), Piece::Product(piece)) => convolution.scratch(&piece),
            (Kernel::KernelGradient(gradient), _) => gradient.scratch(),
            _ => continue,
        };
        needed.iter_mut().zip(own).for_each(|(most, own)| *most = own.max(*most));
    }
    // Whole cache lines each.
    let [partial, packed, band, listed, marks] = needed.map(|length| length.next_multiple_of(GRAIN));
    [registers * super::tile::TILE, splats * super::tile::SPLAT, partial, packed, band, listed, marks]
}

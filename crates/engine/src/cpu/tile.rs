//! Programs on tiles: an interpreter whose instructions each run over a few hundred numbers in cache.

use super::math;
use super::simd::Simd;
use super::tile_compile::Compiler;
use super::tile_leaf::leaf_tile;
use crate::graph::op::{Binary, Unary};
use crate::plan::BufferId;
use crate::plan::layout::{Axis, GRAIN, Layout, PANEL};
use crate::plan::program::{Instruction, Program};
use std::cell::Cell;

/// Numbers in a tile at most: eight rows of a full panel.
pub const TILE: usize = 512;
/// Times that a single number stands in memory: as often as one turn of the widest loop reads.
pub const SPLAT: usize = 64;
const _: () = assert!(SPLAT.is_power_of_two(), "places in a splat are told by a mask");

/// Where an operand of a compiled instruction lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// A tile register of the thread.
    Register(usize),
    /// One number repeated over a vector, by its number among the program's.
    Splat(usize),
    /// The tile's columns of a row of numbers, in a register of its own, repeated for as many rows as are read at once.
    Row(usize),
    /// The tile's own stretch of a buffer.
    Memory(BufferId),
    /// The tile's rows of a buffer without an axis that the tile has: its number in [`TileProgram::broadcast`].
    Broadcast(usize),
}

/// What an operand is read from: number `at` of turn `turn` of a loop stands at `turn · step + at`.
#[derive(Clone, Copy)]
pub struct Source {
    /// The first number.
    pub from: *mut f32,
    /// 1 where each number has a place of its own, 0 where every turn reads the same.
    pub step: usize,
}

impl Source {
    /// Where number `at` of a stretch stands, whatever turn it is of.
    #[inline(always)]
    pub fn at(self, at: usize) -> *mut f32 {
        let mask = self.step.wrapping_neg() | (SPLAT - 1);
        self.from.wrapping_add(at & mask)
    }
}

/// A compiled instruction.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What is done.
    pub instruction: Instruction,
    /// Where the result goes.
    pub to: Place,
    /// Where the operands lie.
    pub operands: [Place; 4],
}

/// A program with places for its values.
#[derive(Clone, Debug, Default)]
pub struct TileProgram {
    /// The operations, in order.
    pub operations: Vec<Operation>,
    /// Values copied to buffers at the end.
    pub copies: Vec<(Place, BufferId)>,
    /// Single numbers, brought once a unit.
    pub splats: Vec<Instruction>,
    /// Rows of numbers, and the registers in which they are repeated.
    pub rows: Vec<(BufferId, usize)>,
    /// Buffers without an axis that the domain has, and the registers where a tile's rows of them are put together if it cannot read them in
    /// place.
    pub broadcast: Vec<(BufferId, Axis, usize)>,
    /// Where the reduced value is found after a run.
    pub reduced: Option<Place>,
    /// Tile registers needed; register 0 holds the result that the program starts from.
    pub registers: usize,
    /// Buffers read element by element, then those that are only written.
    pub streams: Vec<BufferId>,
    /// How many of the streams are read.
    pub streams_read: usize,
}

/// A stretch of a domain: some rows of one panel, or a run of a single row.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// First row.
    pub row: usize,
    /// Rows.
    pub rows: usize,
    /// First column.
    pub column: usize,
    /// Columns, rounding included.
    pub width: usize,
    /// The domain.
    pub domain: Layout,
}

impl Stretch {
    /// Numbers, rounding included.
    pub fn length(&self) -> usize {
        self.rows * self.width
    }

    /// Where it begins in a buffer of its domain's layout.
    pub fn start(&self) -> usize {
        if self.domain.rows == 1 { self.column } else { self.domain.address(self.row, self.column) }
    }

    /// Columns that hold values.
    pub fn valid(&self) -> usize {
        self.width.min(self.domain.columns - self.column)
    }

    /// Cuts the rows `first..last` of a panel into tiles; in a domain of one row, takes the run of eight panels that begins there.
    pub fn tiles(domain: Layout, panel: usize, first: usize, last: usize) -> impl Iterator<Item = Stretch> {
        let column = panel * PANEL;
        let width = match domain.rows {
            1 => (domain.columns - column).min(TILE).next_multiple_of(GRAIN),
            _ => domain.width(panel),
        };
        let height = TILE / width;
        let tile = move |row| Stretch { row, rows: height.min(last - row), column, width, domain };
        (first..last).step_by(height).map(tile)
    }

    /// A run of a one-row domain.
    pub fn run(domain: Layout, column: usize, count: usize) -> Stretch {
        Stretch { row: 0, rows: 1, column, width: count.next_multiple_of(GRAIN), domain }
    }
}

/// What a run is given, as raw memory.
#[derive(Clone, Copy, Debug)]
pub enum FeedPointer {
    /// Numbers.
    F32(*const f32),
    /// Row or class numbers.
    U32(*const u32),
    /// Stored pixels.
    U8(*const u8),
}

/// What all units of a run share.
pub struct RunContext<'r> {
    /// Address of every buffer.
    pub buffers: &'r [*mut f32],
    /// Inputs in order.
    pub feeds: &'r [FeedPointer],
    /// Scalars in order.
    pub scalars: &'r [f32],
    /// Key of all random numbers.
    pub seed: u64,
    /// Counts the steps.
    pub step: u32,
}

/// A thread's own memory while it does a unit.
pub struct Scratch {
    /// Tile registers.
    pub registers: *mut f32,
    /// Splats, [`SPLAT`] numbers each.
    pub splats: *mut f32,
    /// A block of partial results.
    pub partial: *mut f32,
    /// A packed operand, or chains that are begun.
    pub packed: *mut f32,
    /// Indices of a left operand that hold anything; of a band, before them, where its lines and each pixel's indices begin, of a kernel's
    /// gradient offsets of places.
    pub listed: *mut u32,
    /// A band of an image.
    pub band: *mut f32,
    /// Marks of what it holds, and of its background; or of a gradient.
    pub marks: *mut f32,
    /// First column and number of columns of which rows are repeated, if any are.
    pub repeated: Cell<Option<(usize, usize)>>,
}

impl TileProgram {
    /// Assigns places. `result` tells whether register 0 holds a value before the program starts.
    pub fn compile(program: &Program) -> TileProgram {
        Compiler::new(program).run()
    }

    /// Number of splats.
    pub fn splat_count(&self) -> usize {
        self.splats.len()
    }
}

/// One pass over a stretch. A macro, not a function that takes a closure: a closure is compiled for the base instruction set
/// and would be called once a vector.
macro_rules! map {
    ($to:ident, $n:ident, $($operand:ident),+ => $value:expr) => {{
        let mut first = 0;
        while first < $n {
            let mut at = 0;
            while at < const { 4 * S::LANES } && first + at < $n {
                S::store(
                    $to.add(first + at),
                    { $(let $operand = S::load($operand.from.add(first * $operand.step + at));)+ $value },
                );
                at += S::LANES;
            }
            first += const { 4 * S::LANES };
        }
    }};
}

/// [`map!`] for cheap operations, four vectors at once: their time goes into loads and stores.
macro_rules! map_four {
    ($to:ident, $n:ident, $($operand:ident),+ => $value:expr) => {{
        let mut first = 0;
        while first + const { 4 * S::LANES } <= $n {
            let mut values = [S::splat(0.0); 4];
            for (vector, slot) in values.iter_mut().enumerate() {
                let at = vector * S::LANES;
                $(let $operand = S::load($operand.from.add(first * $operand.step + at));)+
                *slot = $value;
            }
            for (vector, value) in values.iter().enumerate() {
                S::store($to.add(first + vector * S::LANES), *value);
            }
            first += const { 4 * S::LANES };
        }
        let mut at = 0;
        while first + at < $n {
            S::store(
                $to.add(first + at),
                { $(let $operand = S::load($operand.from.add(first * $operand.step + at));)+ $value },
            );
            at += S::LANES;
        }
    }};
}

impl TileProgram {
    /// Fills the thread's splats, and forgets what rows it has repeated; once a unit.
    ///
    /// # Safety
    /// The machine has the level; pointers of the context and scratch are those of a bound plan.
    #[inline(always)]
    pub unsafe fn prepare<S: Simd>(&self, context: &RunContext<'_>, scratch: &Scratch) {
        scratch.repeated.set(None);
        for (number, splat) in self.splats.iter().enumerate() {
            let value = match splat {
                Instruction::Constant(bits) => f32::from_bits(*bits),
                Instruction::Scalar(scalar) => context.scalars[*scalar],
                // SAFETY: a buffer read as a single number holds one.
                Instruction::Load(buffer, _) => unsafe { *context.buffers[buffer.index()] },
                _ => 0.0,
            };
            for at in (0..SPLAT).step_by(S::LANES) {
                // SAFETY: the scratch has SPLAT numbers for every splat of the largest program.
                unsafe { S::store(scratch.splats.add(number * SPLAT + at), S::splat(value)) };
            }
        }
    }

    /// Repeats the rows that the stretch reads, unless the last stretch has read the same.
    ///
    /// # Safety
    /// As for `prepare`; the stretch lies inside its domain.
    #[inline(always)]
    unsafe fn repeat_rows<S: Simd>(&self, stretch: &Stretch, context: &RunContext<'_>, scratch: &Scratch) {
        let Stretch { column, width, .. } = *stretch;
        if self.rows.is_empty() || scratch.repeated.get() == Some((column, width)) {
            return;
        }
        scratch.repeated.set(Some((column, width)));
        let length = if const { 4 * S::LANES }.is_multiple_of(width) { SPLAT } else { TILE / width * width };
        for (buffer, register) in &self.rows {
            // SAFETY: a row has all columns of the domain, rounded up; a register holds a tile.
            unsafe {
                let from = context.buffers[buffer.index()].add(column);
                let to = scratch.registers.add(register * TILE);
                for at in (0..width).step_by(S::LANES) {
                    let vector = S::load(from.add(at));
                    for at in (at..length).step_by(width) {
                        S::store(to.add(at), vector);
                    }
                }
            }
        }
    }

    /// Puts together the stretch's rows of buffers without an axis, where it cannot read them in place: in a loop that ends a turn every `turn`
    /// numbers. Not inlined, since few programs have any.
    ///
    /// # Safety
    /// As for `prepare`; the stretch lies inside its domain.
    #[inline(never)]
    unsafe fn gather_broadcast(
        &self,
        turn: usize,
        stretch: &Stretch,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        let Stretch { row: first, rows, column, width, domain } = *stretch;
        for (buffer, axis, register) in &self.broadcast {
            if in_place(*axis, turn, stretch).is_some() {
                continue;
            }
            let source = axis.taken_from(domain);
            for row in 0..rows {
                // SAFETY: the source has a row for every row of the domain; a register holds a tile.
                unsafe {
                    let from = context.buffers[buffer.index()]
                        .add(source.address(axis.without(first + row), column));
                    let to = scratch.registers.add(register * TILE + row * width);
                    std::ptr::copy_nonoverlapping(from, to, width);
                }
            }
        }
    }

    /// Where the stretch's rows of a buffer without an axis lie, and the step from turn to turn.
    ///
    /// # Safety
    /// As for [`TileProgram::gather_broadcast`], which must have been called for this stretch.
    #[inline(never)]
    unsafe fn broadcast_source(
        &self,
        number: usize,
        turn: usize,
        stretch: &Stretch,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) -> (*mut f32, usize) {
        let (buffer, axis, register) = self.broadcast[number];
        // SAFETY: the buffer is as large as the plan made it; a register holds a tile.
        unsafe {
            match in_place(axis, turn, stretch) {
                Some((start, step)) => (context.buffers[buffer.index()].add(start), step),
                None => (scratch.registers.add(register * TILE), 1),
            }
        }
    }

    /// Where an operand lies; `result` is what stands before the program.
    ///
    /// # Safety
    /// As for `prepare`; the stretch lies inside its domain.
    #[inline(always)]
    pub unsafe fn resolve<S: Simd>(
        &self,
        place: Place,
        stretch: &Stretch,
        result: *mut f32,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) -> Source {
        let (each, again) = (1, 0);
        // SAFETY: registers, splats and buffers are as large as the plan made them.
        let (from, step) = unsafe {
            match place {
                Place::Register(0) => (result, each),
                Place::Register(number) => (scratch.registers.add(number * TILE), each),
                Place::Splat(number) => (scratch.splats.add(number * SPLAT), again),
                Place::Row(number) => {
                    let step =
                        if const { 4 * S::LANES }.is_multiple_of(stretch.width) { again } else { each };
                    (scratch.registers.add(number * TILE), step)
                }
                Place::Memory(buffer) => (context.buffers[buffer.index()].add(stretch.start()), each),
                Place::Broadcast(number) => {
                    self.broadcast_source(number, const { 4 * S::LANES }, stretch, context, scratch)
                }
            }
        };
        Source { from, step }
    }

    /// Runs the program on one stretch, whose result stands in register 0.
    ///
    /// # Safety
    /// As for `prepare`, which must have been called for this unit; the stretch lies inside its domain.
    #[inline(always)]
    pub unsafe fn run<S: Simd>(&self, stretch: &Stretch, context: &RunContext<'_>, scratch: &Scratch) {
        // SAFETY: handed on.
        unsafe { self.run_on::<S>(scratch.registers, stretch, context, scratch) };
    }

    /// Runs the program on one stretch, whose result stands anywhere. It may be overwritten.
    ///
    /// # Safety
    /// As for `run`; nobody else reads or writes the result.
    #[inline(always)]
    pub unsafe fn run_on<S: Simd>(
        &self,
        result: *mut f32,
        stretch: &Stretch,
        context: &RunContext<'_>,
        scratch: &Scratch,
    ) {
        // SAFETY: every operand is a stretch of the same length, a multiple of GRAIN, which every level's lanes divide.
        unsafe {
            self.repeat_rows::<S>(stretch, context, scratch);
            if !self.broadcast.is_empty() {
                self.gather_broadcast(const { 4 * S::LANES }, stretch, context, scratch);
            }
            for operation in &self.operations {
                let to = self.resolve::<S>(operation.to, stretch, result, context, scratch).from;
                let mut operands = [Source { from: to, step: 0 }; 4];
                for (source, place) in operands.iter_mut().zip(&operation.operands) {
                    *source = self.resolve::<S>(*place, stretch, result, context, scratch);
                }
                execute::<S>(&operation.instruction, to, operands, stretch, context);
            }
            for (place, buffer) in &self.copies {
                let to = self.resolve::<S>(Place::Memory(*buffer), stretch, result, context, scratch).from;
                let from = self.resolve::<S>(*place, stretch, result, context, scratch);
                let n = stretch.length();
                map_four!(to, n, from => from);
            }
        }
    }
}

/// Where a stretch finds its rows of a buffer without an axis, and its step from turn to turn, if they lie there as it meets
/// them: one after another, or one and the same, if a turn of a loop reads that once, as [`Source::at`] does.
fn in_place(axis: Axis, turn: usize, stretch: &Stretch) -> Option<(usize, usize)> {
    let Stretch { row, rows, column, width, domain } = *stretch;
    let start = || axis.taken_from(domain).address(axis.without(row), column);
    if axis.step > 1 {
        return (row % axis.step + rows <= axis.step).then(|| (start(), 1));
    }
    let alone = row / axis.size == (row + rows - 1) / axis.size;
    (alone && width == turn && width == SPLAT).then(|| (start(), 0))
}

#[inline(always)]
unsafe fn execute<S: Simd>(
    instruction: &Instruction,
    to: *mut f32,
    [a, b, c, d]: [Source; 4],
    stretch: &Stretch,
    context: &RunContext<'_>,
) {
    let n = stretch.length();
    // SAFETY: as in `map`; leaves write their own stretch of `to`.
    unsafe {
        match instruction {
            Instruction::Unary(unary, _) => unary_tile::<S>(*unary, to, a, n),
            Instruction::Binary(binary, ..) => binary_tile::<S>(*binary, to, a, b, n),
            Instruction::Select(..) => {
                let zero = S::splat(0.0);
                map!(to, n, a, b, c => S::select(S::eq(a, zero), c, b));
            }
            Instruction::MultiplyAdd(..) => map_four!(to, n, a, b, c => S::fma(a, b, c)),
            Instruction::WeightedSum(..) => map_four!(to, n, a, b, c, d => S::fma(a, b, S::mul(c, d))),
            Instruction::MultiplySubtractFrom(..) => map_four!(to, n, a, b, c => S::fnma(a, b, c)),
            Instruction::Flush(..) => {
                let zero = S::splat(0.0);
                map_four!(to, n, a, b => S::select(S::ge(b, S::abs(a)), zero, a));
            }
            Instruction::DivideSquareRootAdd(..) => map!(to, n, a, b, c => S::div_sqrt_add(a, b, c)),
            Instruction::MaximumOfSum(..) => map_four!(to, n, a, b, c => S::maximum(a, S::add(b, c))),
            Instruction::SelectGreater(..) => map_four!(to, n, a, b, c, d => S::select(S::gt(a, b), c, d)),
            leaf => leaf_tile(leaf, to, stretch, context),
        }
    }
}

#[inline(always)]
unsafe fn unary_tile<S: Simd>(unary: Unary, to: *mut f32, a: Source, n: usize) {
    // SAFETY: as in `map`.
    unsafe {
        let (zero, one) = (S::splat(0.0), S::splat(1.0));
        match unary {
            Unary::Negate => map!(to, n, a => S::mul(a, S::splat(-1.0))),
            Unary::Absolute => map!(to, n, a => S::abs(a)),
            // NaN is neither above nor below: it stays, through 0 · NaN.
            Unary::Sign => map!(to, n, a => {
                let rest = S::select(S::gt(zero, a), S::splat(-1.0), S::mul(a, zero));
                S::select(S::gt(a, zero), one, rest)
            }),
            Unary::SquareRoot => map!(to, n, a => S::sqrt(a)),
            Unary::Reciprocal => map!(to, n, a => S::div(one, a)),
            Unary::Exponential => map!(to, n, a => math::exponential::<S>(a)),
            Unary::ExponentialMinusOne => map!(to, n, a => math::exponential_minus_one::<S>(a)),
            Unary::Logarithm => map!(to, n, a => math::logarithm::<S>(a)),
            Unary::LogarithmOnePlus => map!(to, n, a => math::logarithm_one_plus::<S>(a)),
            Unary::HyperbolicTangent => map!(to, n, a => math::hyperbolic_tangent::<S>(a)),
            Unary::Sigmoid => map!(to, n, a => math::sigmoid::<S>(a)),
            Unary::Softplus => map!(to, n, a => math::softplus::<S>(a)),
            Unary::ErrorFunction => map!(to, n, a => math::error_function::<S>(a)),
        }
    }
}

#[inline(always)]
unsafe fn binary_tile<S: Simd>(binary: Binary, to: *mut f32, a: Source, b: Source, n: usize) {
    // SAFETY: as in `map`.
    unsafe {
        let (zero, one) = (S::splat(0.0), S::splat(1.0));
        match binary {
            Binary::Add => map_four!(to, n, a, b => S::add(a, b)),
            Binary::Subtract => map_four!(to, n, a, b => S::sub(a, b)),
            Binary::Multiply => map_four!(to, n, a, b => S::mul(a, b)),
            Binary::Divide => map!(to, n, a, b => S::div(a, b)),
            Binary::Maximum => map_four!(to, n, a, b => S::maximum(a, b)),
            // NaN in either operand gives NaN: it is added where the comparison can say nothing.
            Binary::Minimum => {
                map!(to, n, a, b => S::select(S::ge(b, a), a, S::select(S::gt(a, b), b, S::add(a, b))))
            }
            Binary::Greater => map_four!(to, n, a, b => S::select(S::gt(a, b), one, zero)),
            Binary::GreaterOrEqual => map!(to, n, a, b => S::select(S::ge(a, b), one, zero)),
            Binary::Equal => map!(to, n, a, b => S::select(S::eq(a, b), one, zero)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::plain::Plain;
    use super::*;
    use crate::graph::op::Binary;
    use crate::plan::program::Access;

    /// Two programs of a unit read rows of their own, whatever the other has repeated, and those of another width anew.
    #[test]
    fn each_program_repeats_its_own_rows() {
        let mut numbers: [Vec<f32>; 3] =
            [vec![0.0; 640], (0..64).map(|at| at as f32).collect(), vec![-1.0; 64]];
        let pointers = numbers.each_mut().map(|numbers| numbers.as_mut_ptr());
        let context = RunContext { buffers: &pointers, feeds: &[], scalars: &[], seed: 0, step: 0 };
        let mut registers = vec![3.0f32; 4 * TILE];
        let none = std::ptr::null_mut();
        let scratch = Scratch {
            registers: registers.as_mut_ptr(),
            splats: none,
            partial: none,
            packed: none,
            listed: none.cast(),
            band: none,
            marks: none,
            repeated: Cell::new(None),
        };
        // The second program begins with the width that the first has ended with.
        for (row, widths) in [(1, [48, 16]), (2, [16, 48])] {
            let mut program = Program::default();
            let result = program.push(Instruction::Result);
            let added = program.push(Instruction::Load(BufferId(row), Access::Row));
            let sum = program.push(Instruction::Binary(Binary::Add, result, added));
            program.stores = vec![(sum, BufferId(0))];
            let program = TileProgram::compile(&program);
            // SAFETY: buffers and registers are larger than a stretch; there are no splats.
            unsafe { program.prepare::<Plain>(&context, &scratch) };
            for width in widths {
                let domain = Layout { rows: 10, columns: width };
                let stretch = Stretch { row: 0, rows: 10, column: 0, width, domain };
                // SAFETY: as above; the first buffer has been written when it is read.
                let found = unsafe {
                    program.run::<Plain>(&stretch, &context, &scratch);
                    std::slice::from_raw_parts(pointers[0], stretch.length())
                };
                let number = |at: usize| if row == 1 { (at % width) as f32 } else { -1.0 };
                assert!((0..stretch.length()).all(|at| found[at] == 3.0 + number(at)), "{row}, {width}");
            }
        }
    }
}

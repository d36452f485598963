//! Plans: what a graph becomes before it runs, on whatever device.
//!
//! Lowering is device-neutral: it finds which values must lie in memory, fuses elementwise chains into programs behind
//! products and reductions, and finds what must happen before what. Tiles, memory and barriers are the executor's business
//! (`cpu::schedule`).

mod fuse;
pub mod layout;
mod lower;
pub mod program;

use crate::error::Error;
use crate::graph::Graph;
use crate::graph::op::{Kind, Pooling, Reduction, Sparse, Windows};
use crate::graph::shape::{MAX_RANK, Shape};
use layout::{Axis, Layout};
use program::Program;
use std::sync::Arc;

/// Number of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u32);

impl BufferId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a buffer holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Contents {
    /// A value of the run, placed in the arena for as long as it is needed.
    Intermediate,
    /// A state, by number: memory that outlives the run.
    State(usize),
    /// A table of constants, row-major bits.
    Table(Arc<[u32]>),
    /// An input, by number, read where the caller has it: row-major, not in panels.
    Feed(usize),
    /// An output, by number: kept until the next run.
    Output(usize),
}

/// A tensor in memory.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// What it holds.
    pub contents: Contents,
    /// How it lies.
    pub layout: Layout,
}

/// An operand of a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operand {
    /// Where it lies.
    pub buffer: BufferId,
    /// Shape in memory, before transposition.
    pub rows: usize,
    /// See `rows`.
    pub columns: usize,
    /// Whether the product takes it transposed.
    pub transposed: bool,
    /// Whether its rows lie one after another, each of several rows of the buffer, and not in panels: the pixels of an image.
    pub flat: bool,
}

/// Whether a product is a matrix times its own transpose, and large enough that half of it is worth leaving out.
pub fn is_symmetric(left: &Operand, right: &Operand) -> bool {
    let rows = if left.transposed { left.columns } else { left.rows };
    left.buffer == right.buffer && left.transposed != right.transposed && rows > layout::PANEL
}

/// Which way a matrix is reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Along each row: a number a row.
    AlongRows,
    /// Through an axis before the last one: a number for each element without it.
    Through(Axis),
}

/// How an element of a moved tensor finds its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// Shape of the result.
    pub shape: Shape,
    /// For each piece: source, its shape's element strides along the result's axes, offset, and the box of the result that it fills.
    pub pieces: Vec<Piece>,
}

impl Move {
    /// Where all elements come from, if they are the source's first ones in their order.
    pub fn in_order(&self) -> Option<BufferId> {
        let &[Piece { buffer, strides, offset: 0, start, end, .. }] = &self.pieces[..] else { return None };
        let rank = self.shape.rank();
        let whole = start == [0; MAX_RANK] && end[..rank] == *self.shape.sizes();
        (whole && strides[..rank] == self.shape.strides()[..rank]).then_some(buffer)
    }
}

/// One source of a [`Move`].
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Where it lies.
    pub buffer: BufferId,
    /// Row-major columns of the source, to turn an element number into row and column.
    pub columns: usize,
    /// Source element number = Σ stride · (index − start).
    pub strides: [usize; MAX_RANK],
    /// Source element number of the box's corner.
    pub offset: usize,
    /// First index of the box in the result.
    pub start: [usize; MAX_RANK],
    /// One past the last index of the box in the result.
    pub end: [usize; MAX_RANK],
}

/// Work on rows that are zero but for a few values.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseWork {
    /// What is done.
    pub kind: Sparse,
    /// On what.
    pub operands: Vec<Matrix>,
    /// Where the result goes.
    pub to: Matrix,
}

/// A matrix in memory with its own rows and columns: a single column lies as a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matrix {
    /// Where it lies.
    pub buffer: BufferId,
    /// Its rows.
    pub rows: usize,
    /// Its columns.
    pub columns: usize,
}

/// Images in memory, channels last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Images {
    /// Where they lie.
    pub buffer: BufferId,
    /// How many.
    pub count: usize,
    /// Their rows of pixels.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Numbers of a pixel.
    pub channels: usize,
    /// Set where what lies in memory has one pixel for each whole window of the images.
    pub unpooled: Option<Unpooled>,
}

/// Windows side by side, of each of which one pixel is known and the others are zero; zeros, too, lie behind the last whole one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unpooled {
    /// Where it is told which pixel of its window each is.
    pub positions: BufferId,
    /// Height and width of a window.
    pub size: [usize; 2],
}

impl Images {
    /// How they lie: a row for each pixel that is in memory.
    pub fn layout(&self) -> Layout {
        let [high, wide] = self.unpooled.map_or([1; 2], |unpooled| unpooled.size);
        Layout::of(Shape::from([self.count * (self.height / high) * (self.width / wide), self.channels]))
    }

    /// Whether windows may read them where the caller has them: single numbers are gathered one by one, others by whole vectors.
    pub fn may_be_fed(&self) -> bool {
        self.channels == 1 && self.unpooled.is_none()
    }

    /// What is read of them.
    pub fn buffers(&self) -> impl Iterator<Item = BufferId> {
        [self.buffer].into_iter().chain(self.unpooled.map(|unpooled| unpooled.positions))
    }
}

/// Places of a line of windows at most that are pooled while they are at hand.
pub const POOLED: usize = 1024;

/// Windows side by side, in the result of a convolution, of which nothing but the largest pixel is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pooled {
    /// Height and width of a window.
    pub size: [usize; 2],
    /// Where it is marked which pixel that was.
    pub marks: Option<BufferId>,
}

/// A convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvolutionWork {
    /// Where windows lie.
    pub windows: Windows,
    /// Whether they lie in the result.
    pub upward: bool,
    /// What is convolved.
    pub images: Images,
    /// The kernel: a matrix with a row for each tap and channel of the images.
    pub kernel: BufferId,
    /// Height and width of the kernel.
    pub taps: [usize; 2],
    /// Height and width of the result, whole windows of it where it is pooled.
    pub result: [usize; 2],
    /// Channels of the result.
    pub columns: usize,
    /// Set where the program runs on the largest pixels of windows.
    pub pooled: Option<Pooled>,
}

impl ConvolutionWork {
    /// Height and width of a window of the result that becomes one pixel.
    pub fn window(&self) -> [usize; 2] {
        self.pooled.map_or([1; 2], |pooled| pooled.size)
    }

    /// Places of the result that belong together: lines of whole windows.
    pub fn together(&self) -> usize {
        match self.pooled {
            Some(pooled) => pooled.size[0] * self.result[1],
            None => 1,
        }
    }

    /// The row of the program's domain that a place which begins such lines goes to.
    pub fn row(&self, place: usize) -> usize {
        place / self.window().iter().product::<usize>()
    }

    /// Two operations for every tap of every window, those beyond the image included.
    pub fn flops(&self) -> u64 {
        let area = match self.upward {
            false => self.result[0] * self.result[1],
            true => self.images.height * self.images.width,
        };
        let inner = self.taps[0] * self.taps[1] * self.images.channels;
        2 * (self.images.count * area * inner * self.columns) as u64
    }
}

/// The gradient of a convolution by its kernel, in parts.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelGradientWork {
    /// Where windows lie.
    pub windows: Windows,
    /// What was convolved.
    pub images: Images,
    /// The result's gradient.
    pub gradient: Images,
    /// Height and width of the kernel.
    pub taps: [usize; 2],
    /// Parts that the images' rows are cut into.
    pub parts: usize,
    /// Where the parts go, one below the other.
    pub to: BufferId,
}

impl KernelGradientWork {
    /// Two operations for every place and element of the kernel.
    pub fn flops(&self) -> u64 {
        let Images { count, height, width, channels, .. } = self.gradient;
        let kernel = self.taps[0] * self.taps[1] * self.images.channels * channels;
        2 * (kernel * count * height * width) as u64
    }

    /// The layout of all parts; a single column keeps the rounding that every other last panel has.
    pub fn layout(&self) -> Layout {
        let rows = self.parts * self.taps[0] * self.taps[1] * self.images.channels;
        let columns = if self.gradient.channels == 1 { layout::GRAIN } else { self.gradient.channels };
        Layout { rows, columns }
    }
}

/// Windows of images and a pixel for each.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolingWork {
    /// What is done.
    pub pooling: Pooling,
    /// Where windows lie.
    pub windows: Windows,
    /// Height and width of a window.
    pub size: [usize; 2],
    /// On what.
    pub from: Images,
    /// Which pixel of each window is meant; none where the largest is picked.
    pub positions: Option<BufferId>,
    /// Where it is marked which pixel that was.
    pub marks: Option<BufferId>,
    /// The result.
    pub to: Images,
}

impl PoolingWork {
    /// What has a pixel for each window.
    pub fn small(&self) -> Images {
        if self.pooling.upward() { self.from } else { self.to }
    }

    /// What windows lie in.
    pub fn large(&self) -> Images {
        if self.pooling.upward() { self.to } else { self.from }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// A matrix product; the program runs on each tile of its result.
    Product {
        /// Left operand, M×K after transposition.
        left: Operand,
        /// Right operand, K×N after transposition.
        right: Operand,
        /// The inner dimension K.
        inner: usize,
        /// Marks of what the left operand holds, where it is not turned and somebody has made them.
        marks: Option<BufferId>,
    },
    /// Marks of what a matrix holds: which of its numbers are not zero.
    Mark {
        /// The matrix.
        from: Matrix,
        /// The marks, as [`layout::Marks`] places them.
        to: BufferId,
    },
    /// A convolution; the program runs on its result.
    Convolution(ConvolutionWork),
    /// Parts of a kernel's gradient.
    KernelGradient(KernelGradientWork),
    /// Windows of images and a pixel for each.
    Pooling(PoolingWork),
    /// The sum of parts that lie one below the other; the program runs on it.
    AddParts {
        /// The parts.
        from: BufferId,
        /// How many.
        parts: usize,
        /// Columns of the sum; a single one is the first of those that lie in memory.
        columns: usize,
    },
    /// The program on every element.
    Map,
    /// `before` on every element of `source`, reduced; then the step's program on the results.
    Reduce {
        /// Which way.
        direction: Direction,
        /// How.
        reduction: Reduction,
        /// What is reduced, element by element.
        before: Program,
        /// Rows and columns of what is reduced.
        source: Layout,
    },
    /// Elements copied to other places, zeros where no piece covers.
    Move(Move, BufferId),
    /// 1 at the largest values of each row, 0 elsewhere.
    Largest {
        /// The values.
        from: BufferId,
        /// Where the marks go.
        to: BufferId,
        /// How many of each row.
        count: usize,
    },
    /// Something with rows that are zero but for a few values.
    Sparse(SparseWork),
    /// Rows picked by the numbers of an input.
    Gather {
        /// The table.
        table: BufferId,
        /// The input that holds the numbers.
        indices: usize,
        /// Where the rows go.
        to: BufferId,
        /// Columns of the table, which its layout does not tell: a single column lies as a row.
        columns: usize,
    },
    /// Rows added at the numbers of an input, in their order.
    ScatterAdd {
        /// The rows.
        rows: BufferId,
        /// The input that holds the numbers.
        indices: usize,
        /// The table, zero before.
        to: BufferId,
        /// Columns of the table.
        columns: usize,
    },
}

/// A step of the plan: some work and the elementwise program behind it.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done.
    pub work: Work,
    /// Rows and columns that the program runs over.
    pub domain: Layout,
    /// The program; empty for movement.
    pub program: Program,
    /// Steps that must be done before.
    pub after: Vec<usize>,
    /// Floating-point operations.
    pub flops: u64,
}

/// A declared tensor that a run reads or writes.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name in the graph.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// Its element type.
    pub kind: Kind,
}

/// A lowered graph.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Steps, each after those it needs.
    pub steps: Vec<Step>,
    /// Every tensor in memory.
    pub buffers: Vec<Buffer>,
    /// Tensors that a run is given.
    pub inputs: Vec<Port>,
    /// Numbers that a run is given.
    pub scalars: Vec<String>,
    /// Tensors that live across runs.
    pub states: Vec<Port>,
    /// Which states the run writes.
    pub updated: Vec<bool>,
    /// Tensors that a run returns.
    pub outputs: Vec<Port>,
}

impl Plan {
    /// Lowers a graph.
    ///
    /// # Errors
    /// The first mistake made while building the graph.
    pub fn new(graph: &Graph) -> Result<Plan, Error> {
        graph.check()?;
        Ok(lower::lower(graph))
    }

    /// Floating-point operations of one run.
    pub fn flops(&self) -> u64 {
        self.steps.iter().map(|step| step.flops).sum()
    }
}

impl Step {
    /// Buffers read.
    pub fn reads(&self) -> Vec<BufferId> {
        let mut reads: Vec<BufferId> = self.program.loads().map(|load| load.0).collect();
        match &self.work {
            Work::Product { left, right, marks, .. } => {
                reads.extend([left.buffer, right.buffer].into_iter().chain(*marks));
            }
            Work::Mark { from, .. } => reads.push(from.buffer),
            Work::Convolution(work) => reads.extend(work.images.buffers().chain([work.kernel])),
            Work::KernelGradient(work) => {
                reads.extend(work.images.buffers().chain(work.gradient.buffers()));
            }
            Work::AddParts { from, .. } => reads.push(*from),
            Work::Pooling(work) => reads.extend([work.from.buffer].into_iter().chain(work.positions)),
            Work::Map => {}
            Work::Reduce { before, .. } => reads.extend(before.loads().map(|load| load.0)),
            Work::Move(moved, _) => reads.extend(moved.pieces.iter().map(|piece| piece.buffer)),
            Work::Largest { from, .. } => reads.push(*from),
            Work::Sparse(sparse) => reads.extend(sparse.operands.iter().map(|operand| operand.buffer)),
            Work::Gather { table, .. } => reads.push(*table),
            Work::ScatterAdd { rows, .. } => reads.push(*rows),
        }
        reads.sort_unstable();
        reads.dedup();
        reads
    }

    /// Buffers written.
    pub fn writes(&self) -> Vec<BufferId> {
        let mut writes: Vec<BufferId> = self.program.stores.iter().map(|store| store.1).collect();
        match &self.work {
            Work::Move(_, to)
            | Work::Largest { to, .. }
            | Work::Mark { to, .. }
            | Work::Gather { to, .. }
            | Work::ScatterAdd { to, .. } => writes.push(*to),
            Work::Sparse(sparse) => writes.push(sparse.to.buffer),
            Work::KernelGradient(work) => writes.push(work.to),
            Work::Convolution(work) => writes.extend(work.pooled.and_then(|pooled| pooled.marks)),
            Work::Pooling(work) => writes.extend(work.marks),
            _ => {}
        }
        writes
    }
}

//! The primitive operations. Everything else (softmax, losses, layers, optimisers) is written in these.

use super::shape::MAX_RANK;
use std::sync::Arc;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 32-bit floating point: every computed value (f64 in the reference).
    F32,
    /// Row numbers and class numbers; inputs only.
    U32,
    /// Stored pixels; inputs only, turned into numbers by [`Op::Convert`].
    U8,
}

impl Kind {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::F32 => "f32",
            Kind::U32 => "u32",
            Kind::U8 => "u8",
        }
    }
}

/// Functions of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// −x
    Negate,
    /// |x|
    Absolute,
    /// −1, 0 or 1
    Sign,
    /// √x
    SquareRoot,
    /// 1/x
    Reciprocal,
    /// eˣ
    Exponential,
    /// eˣ − 1, accurate near 0
    ExponentialMinusOne,
    /// ln x
    Logarithm,
    /// ln(1 + x), accurate near 0
    LogarithmOnePlus,
    /// tanh x
    HyperbolicTangent,
    /// 1/(1 + e⁻ˣ)
    Sigmoid,
    /// ln(1 + eˣ)
    Softplus,
    /// The error function, 2/√π ∫₀ˣ e^(−t²) dt
    ErrorFunction,
}

/// Functions of two numbers. Comparisons give 1 where true, 0 where false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// a + b
    Add,
    /// a − b
    Subtract,
    /// a · b
    Multiply,
    /// a / b
    Divide,
    /// The larger; a where equal
    Maximum,
    /// The smaller; a where equal
    Minimum,
    /// a > b
    Greater,
    /// a ≥ b
    GreaterOrEqual,
    /// a = b
    Equal,
}

/// How an axis is reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// The sum.
    Sum,
    /// The largest value.
    Maximum,
    /// The position of the largest value along one axis, as a number; the lowest where several are equal.
    ArgumentMaximum,
}

/// Distributions of random leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distribution {
    /// Uniform on [0, 1)
    Uniform,
    /// Normal with mean 0 and deviation 1
    Normal,
}

/// A primitive operation. Shapes are kept by the node; only what the shapes do not tell stands here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A tensor fed at every run; number in order of declaration.
    Input(usize),
    /// A tensor that lives across runs; number in order of declaration.
    State(usize),
    /// A number fed at every run (learning rate, β, …); number in order of declaration.
    Scalar(usize),
    /// One number, by its bits.
    Constant(u32),
    /// A table of numbers, by their bits, row-major.
    Table(Arc<[u32]>),
    /// The position along an axis: 0, 1, 2, …
    Position {
        /// The axis.
        axis: usize,
    },
    /// Counter-based random numbers, keyed by seed, stream, step and row id. Operand: row ids (u32, one for each row).
    Random {
        /// Which independent stream.
        stream: u32,
        /// Which distribution.
        distribution: Distribution,
    },
    /// Stored pixels or indices as numbers.
    Convert,
    /// A function of one number, element by element.
    Unary(Unary),
    /// A function of two numbers, element by element; operands have equal shapes.
    Binary(Binary),
    /// Operands (condition, a, b): a where the condition is not 0, else b.
    Select,
    /// The value, without its derivative.
    StopGradient,
    /// The same elements in the same order, another shape.
    Reshape,
    /// Axes in another order: axis `i` of the result is axis `order[i]` of the operand.
    Permute {
        /// The order; entries beyond the rank are their own index.
        order: [u8; MAX_RANK],
    },
    /// Axes of size 1 repeated to the node's shape; ranks are equal.
    Broadcast,
    /// A box cut out, its corner at `start`.
    Slice {
        /// First index along each axis.
        start: [usize; MAX_RANK],
    },
    /// Zeros put around: `before` along each axis, the rest of the node's shape after.
    Pad {
        /// Zeros before the operand along each axis.
        before: [usize; MAX_RANK],
    },
    /// Operands one after another along an axis.
    Concatenate {
        /// The axis.
        axis: usize,
    },
    /// Axes reduced to size 1.
    Reduce {
        /// How.
        reduction: Reduction,
        /// Which axes.
        axes: [bool; MAX_RANK],
    },
    /// 1 at the largest values along the last axis, 0 elsewhere; the lowest index first where values are equal.
    Largest {
        /// How many of each row.
        count: usize,
    },
    /// Something with rows that are zero but for a few values.
    Sparse(Sparse),
    /// Matrix product of two rank-2 tensors, either one transposed first.
    Product {
        /// Transpose the left operand.
        transpose_left: bool,
        /// Transpose the right operand.
        transpose_right: bool,
    },
    /// Operands (images N×H×W×C, kernel K×L×C×D): every D-channel element of the result is the sum of a window of an image times the
    /// kernel, N×H'×W'×D. With `upward` the other way round: every pixel is spread, times the kernel, over a window of the result.
    Convolution {
        /// Where windows lie.
        windows: Windows,
        /// Whether windows lie in the result.
        upward: bool,
    },
    /// Operands (images N×H×W×C, gradient N×H'×W'×D): a convolution's gradient by its kernel, K×L×C×D.
    KernelGradient(Windows),
    /// Windows of images, N×H×W×C, and pixels, N×H'×W'×C, one for each, channel by channel.
    Pooling {
        /// What is done.
        pooling: Pooling,
        /// Where windows lie.
        windows: Windows,
        /// Height and width of a window.
        size: [usize; 2],
    },
    /// Operands (table N×D, indices R): rows of the table, R×D.
    Gather,
    /// Operands (rows R×D, indices R): an N×D table of zeros with every row added at its index.
    ScatterAdd,
}

/// Where windows lie in an image, along height and width: element k of window o is pixel o · stride + k · dilation − before. Pixels
/// beyond the image are zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Windows {
    /// From window to window.
    pub stride: [usize; 2],
    /// From element to element.
    pub dilation: [usize; 2],
    /// Zeros before the first pixel.
    pub before: [usize; 2],
}

/// What is done with windows of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// Operand (images): which pixel of each window is the largest.
    Positions,
    /// Operands (images, positions): that pixel.
    Pick,
    /// Operands (pixels, positions): images of zeros with every pixel added at its position.
    Put,
    /// Operand (images): the sum of each window.
    Sum,
    /// Operand (pixels): images of zeros with every pixel added all over its window.
    Repeat,
}

impl Pooling {
    /// Whether windows lie in the result.
    pub fn upward(self) -> bool {
        matches!(self, Pooling::Put | Pooling::Repeat)
    }

    /// The name in listings and messages.
    pub fn name(self) -> &'static str {
        match self {
            Pooling::Positions => "pool_positions",
            Pooling::Pick => "pool_pick",
            Pooling::Put => "unpool",
            Pooling::Sum => "pool_sum",
            Pooling::Repeat => "pool_repeat",
        }
    }
}

/// Columns of a block of a sparse index.
pub const BLOCK: usize = 64;

/// What is done with rows that are zero but for k values; positions, B×k, say where these are among H columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sparse {
    /// Operand (rows B×H): the positions of the largest values of each row, ascending, as many as the result has columns.
    Positions,
    /// Operands (rows B×H, positions): the values there, B×k.
    Pick,
    /// Operands (values B×k, positions): zeros, B×H, with every value added at its position.
    Spread,
    /// Operands (values B×k, positions, table H×D): the product of the spread values and the table, B×D.
    Product,
    /// Operands (rows B×D, table H×D, positions): the product of the rows and the table's transpose, at the positions only, B×k.
    Sampled,
    /// Operand (positions): which of them lie in each block of [`BLOCK`] columns, for products that go by columns. One row: where each
    /// block's places begin, and where the last one's end; then the places 0 to B·k − 1 themselves, block by block, ascending.
    Index {
        /// H.
        columns: usize,
    },
    /// Operands (values B×k, positions, rows B×D, index): the product of the spread values' transpose and the rows, H×D.
    Outer,
    /// The same, transposed: D×H.
    TurnedOuter,
}

impl Sparse {
    /// The name in listings and messages.
    pub fn name(self) -> &'static str {
        match self {
            Sparse::Positions => "largest_positions",
            Sparse::Pick => "pick",
            Sparse::Spread => "spread",
            Sparse::Product => "sparse_product",
            Sparse::Sampled => "sampled_product",
            Sparse::Index { .. } => "sparse_index",
            Sparse::Outer => "outer",
            Sparse::TurnedOuter => "turned_outer",
        }
    }
}

impl Op {
    /// The name in listings and messages.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Input(_) => "input",
            Op::State(_) => "state",
            Op::Scalar(_) => "scalar",
            Op::Constant(_) => "constant",
            Op::Table(_) => "table",
            Op::Position { .. } => "position",
            Op::Random { .. } => "random",
            Op::Convert => "convert",
            Op::Unary(unary) => unary.name(),
            Op::Binary(binary) => binary.name(),
            Op::Select => "select",
            Op::StopGradient => "stop_gradient",
            Op::Reshape => "reshape",
            Op::Permute { .. } => "permute",
            Op::Broadcast => "broadcast",
            Op::Slice { .. } => "slice",
            Op::Pad { .. } => "pad",
            Op::Concatenate { .. } => "concatenate",
            Op::Reduce { reduction: Reduction::Sum, .. } => "sum",
            Op::Reduce { reduction: Reduction::Maximum, .. } => "max",
            Op::Reduce { reduction: Reduction::ArgumentMaximum, .. } => "argmax",
            Op::Largest { .. } => "largest",
            Op::Sparse(sparse) => sparse.name(),
            Op::Product { .. } => "product",
            Op::Convolution { upward: false, .. } => "convolution",
            Op::Convolution { upward: true, .. } => "transposed_convolution",
            Op::KernelGradient(_) => "kernel_gradient",
            Op::Pooling { pooling, .. } => pooling.name(),
            Op::Gather => "gather",
            Op::ScatterAdd => "scatter_add",
        }
    }
}

impl Unary {
    /// Every unary function, for tests that walk the list.
    pub const ALL: [Unary; 13] = [
        Unary::Negate,
        Unary::Absolute,
        Unary::Sign,
        Unary::SquareRoot,
        Unary::Reciprocal,
        Unary::Exponential,
        Unary::ExponentialMinusOne,
        Unary::Logarithm,
        Unary::LogarithmOnePlus,
        Unary::HyperbolicTangent,
        Unary::Sigmoid,
        Unary::Softplus,
        Unary::ErrorFunction,
    ];

    /// The name in listings.
    pub fn name(self) -> &'static str {
        match self {
            Unary::Negate => "neg",
            Unary::Absolute => "abs",
            Unary::Sign => "sign",
            Unary::SquareRoot => "sqrt",
            Unary::Reciprocal => "recip",
            Unary::Exponential => "exp",
            Unary::ExponentialMinusOne => "expm1",
            Unary::Logarithm => "log",
            Unary::LogarithmOnePlus => "log1p",
            Unary::HyperbolicTangent => "tanh",
            Unary::Sigmoid => "sigmoid",
            Unary::Softplus => "softplus",
            Unary::ErrorFunction => "erf",
        }
    }
}

impl Binary {
    /// Every binary function, for tests that walk the list.
    pub const ALL: [Binary; 9] = [
        Binary::Add,
        Binary::Subtract,
        Binary::Multiply,
        Binary::Divide,
        Binary::Maximum,
        Binary::Minimum,
        Binary::Greater,
        Binary::GreaterOrEqual,
        Binary::Equal,
    ];

    /// The name in listings.
    pub fn name(self) -> &'static str {
        match self {
            Binary::Add => "add",
            Binary::Subtract => "sub",
            Binary::Multiply => "mul",
            Binary::Divide => "div",
            Binary::Maximum => "maximum",
            Binary::Minimum => "minimum",
            Binary::Greater => "greater",
            Binary::GreaterOrEqual => "greater_equal",
            Binary::Equal => "equal",
        }
    }
}

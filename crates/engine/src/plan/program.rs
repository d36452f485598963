//! Programs: fused chains of elementwise operations, run tile by tile behind a product, a reduction, or on their own.

use super::BufferId;
use super::layout::Axis;
use crate::graph::op::{Binary, Distribution, Unary};

/// Number of a value in a program: the instruction that makes it.
pub type Value = usize;

/// How a program reads a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// The element at the same place.
    Full,
    /// A row of numbers, the same for every row.
    Row,
    /// A number for each row.
    Column,
    /// The same for all indices of this axis, which the buffer has not.
    Broadcast(Axis),
    /// One number.
    Single,
}

/// One instruction; its operands are earlier values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Instruction {
    /// What stands before the program: the tile of a product or the result of a reduction.
    Result,
    /// Reads a buffer.
    Load(BufferId, Access),
    /// Reads a run's input where it lies, row-major; stored pixels and indices become numbers.
    Feed(usize),
    /// A constant, by its bits.
    Constant(u32),
    /// A number given to the run.
    Scalar(usize),
    /// Element number divided by `stride`, modulo `size`: a position along an axis.
    Position {
        /// Elements from one position to the next.
        stride: usize,
        /// Number of positions.
        size: usize,
    },
    /// Random numbers keyed by the row ids of an input.
    Random {
        /// Which independent stream.
        stream: u32,
        /// Which distribution.
        distribution: Distribution,
        /// The input that holds the row ids.
        row_ids: usize,
        /// Columns of the random tensor.
        columns: usize,
    },
    /// A function of one number.
    Unary(Unary, Value),
    /// A function of two numbers.
    Binary(Binary, Value, Value),
    /// The second where the first is not 0, else the third.
    Select(Value, Value, Value),
    /// a · b + c
    MultiplyAdd(Value, Value, Value),
    /// a · b + c · d, the second product rounded first
    WeightedSum(Value, Value, Value, Value),
    /// a − b · c, by (b, c, a)
    MultiplySubtractFrom(Value, Value, Value),
    /// 0 where |a| ≤ b, else a (so NaN stays)
    Flush(Value, Value),
    /// a / (√b + c)
    DivideSquareRootAdd(Value, Value, Value),
    /// max(a, b + c)
    MaximumOfSum(Value, Value, Value),
    /// c where a > b, else d
    SelectGreater(Value, Value, Value, Value),
}

impl Instruction {
    /// The operands.
    pub fn operands(&self) -> Vec<Value> {
        match *self {
            Instruction::Unary(_, a) => vec![a],
            Instruction::Binary(_, a, b) | Instruction::Flush(a, b) => vec![a, b],
            Instruction::Select(a, b, c)
            | Instruction::MultiplyAdd(a, b, c)
            | Instruction::MultiplySubtractFrom(a, b, c)
            | Instruction::DivideSquareRootAdd(a, b, c)
            | Instruction::MaximumOfSum(a, b, c) => vec![a, b, c],
            Instruction::WeightedSum(a, b, c, d) | Instruction::SelectGreater(a, b, c, d) => {
                vec![a, b, c, d]
            }
            _ => vec![],
        }
    }

    fn with_operands(self, map: impl Fn(Value) -> Value) -> Instruction {
        match self {
            Instruction::Unary(unary, a) => Instruction::Unary(unary, map(a)),
            Instruction::Binary(binary, a, b) => Instruction::Binary(binary, map(a), map(b)),
            Instruction::Select(a, b, c) => Instruction::Select(map(a), map(b), map(c)),
            Instruction::MultiplyAdd(a, b, c) => Instruction::MultiplyAdd(map(a), map(b), map(c)),
            Instruction::MultiplySubtractFrom(a, b, c) => {
                Instruction::MultiplySubtractFrom(map(a), map(b), map(c))
            }
            Instruction::WeightedSum(a, b, c, d) => Instruction::WeightedSum(map(a), map(b), map(c), map(d)),
            Instruction::Flush(a, b) => Instruction::Flush(map(a), map(b)),
            Instruction::DivideSquareRootAdd(a, b, c) => {
                Instruction::DivideSquareRootAdd(map(a), map(b), map(c))
            }
            Instruction::MaximumOfSum(a, b, c) => Instruction::MaximumOfSum(map(a), map(b), map(c)),
            Instruction::SelectGreater(a, b, c, d) => {
                Instruction::SelectGreater(map(a), map(b), map(c), map(d))
            }
            leaf => leaf,
        }
    }

    /// The name in listings.
    pub fn name(&self) -> &'static str {
        match self {
            Instruction::Result => "result",
            Instruction::Load(..) => "load",
            Instruction::Feed(_) => "feed",
            Instruction::Constant(_) => "constant",
            Instruction::Scalar(_) => "scalar",
            Instruction::Position { .. } => "position",
            Instruction::Random { .. } => "random",
            Instruction::Unary(unary, _) => unary.name(),
            Instruction::Binary(binary, ..) => binary.name(),
            Instruction::Select(..) => "select",
            Instruction::MultiplyAdd(..) => "fma",
            Instruction::MultiplySubtractFrom(..) => "fnma",
            Instruction::WeightedSum(..) => "weighted_sum",
            Instruction::Flush(..) => "flush",
            Instruction::DivideSquareRootAdd(..) => "div_sqrt_add",
            Instruction::MaximumOfSum(..) => "max_of_sum",
            Instruction::SelectGreater(..) => "select_greater",
        }
    }

    /// Whether it computes (and does not just bring a value).
    pub fn computes(&self) -> bool {
        !self.operands().is_empty()
            || matches!(self, Instruction::Random { .. } | Instruction::Position { .. })
    }
}

/// A straight line of instructions and what becomes of their values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// The instructions, operands before users.
    pub instructions: Vec<Instruction>,
    /// Values written to buffers, element by element.
    pub stores: Vec<(Value, BufferId)>,
    /// The value that a reduction takes, if the program stands before one.
    pub reduced: Option<Value>,
}

impl Program {
    /// Adds an instruction, or finds the one that says the same.
    pub fn push(&mut self, instruction: Instruction) -> Value {
        if let Some(value) = self.instructions.iter().position(|known| *known == instruction) {
            return value;
        }
        self.instructions.push(instruction);
        self.instructions.len() - 1
    }

    /// Buffers read, with the way they are read.
    pub fn loads(&self) -> impl Iterator<Item = (BufferId, Access)> + '_ {
        self.instructions.iter().filter_map(|instruction| match instruction {
            Instruction::Load(buffer, access) => Some((*buffer, *access)),
            _ => None,
        })
    }

    /// Computing instructions: the floating-point operations for one element.
    pub fn operations(&self) -> usize {
        self.instructions
            .iter()
            .map(|instruction| match instruction {
                Instruction::MultiplyAdd(..)
                | Instruction::MultiplySubtractFrom(..)
                | Instruction::MaximumOfSum(..)
                | Instruction::SelectGreater(..) => 2,
                Instruction::WeightedSum(..) | Instruction::DivideSquareRootAdd(..) => 3,
                other => usize::from(other.computes()),
            })
            .sum()
    }

    /// Joins instructions that one fused one can do (if wished: a fused one rounds otherwise), and drops what nothing uses.
    pub fn simplify(&mut self, join: bool) {
        if join {
            self.join_multiply_add();
            self.join_divide_square_root();
        }
        self.join_flush();
        self.join_rectifier();
        self.drop_unused();
    }

    /// Puts another instruction in the place of one.
    pub fn replace(&mut self, known: Instruction, by: Instruction) {
        self.instructions.iter_mut().filter(|at| **at == known).for_each(|at| *at = by);
    }

    fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.instructions.len()];
        for operand in self.instructions.iter().flat_map(Instruction::operands) {
            uses[operand] += 1;
        }
        for value in self.stores.iter().map(|store| store.0).chain(self.reduced) {
            uses[value] += 1;
        }
        uses
    }

    fn join_multiply_add(&mut self) {
        for at in 0..self.instructions.len() {
            let uses = self.uses();
            let Instruction::Binary(sum @ (Binary::Add | Binary::Subtract), left, right) =
                self.instructions[at]
            else {
                continue;
            };
            let product = |value: Value| match self.instructions[value] {
                Instruction::Binary(Binary::Multiply, a, b) if uses[value] == 1 => Some((a, b)),
                _ => None,
            };
            if sum == Binary::Subtract {
                if let Some((a, b)) = product(right) {
                    self.instructions[at] = Instruction::MultiplySubtractFrom(a, b, left);
                }
            } else if let Some((a, b)) = product(left) {
                self.instructions[at] = match product(right) {
                    Some((c, d)) => Instruction::WeightedSum(a, b, c, d),
                    None => Instruction::MultiplyAdd(a, b, right),
                };
            } else if let Some((a, b)) = product(right) {
                self.instructions[at] = Instruction::MultiplyAdd(a, b, left);
            }
        }
    }

    fn join_divide_square_root(&mut self) {
        for at in 0..self.instructions.len() {
            let uses = self.uses();
            let Instruction::Binary(Binary::Divide, numerator, divisor) = self.instructions[at] else {
                continue;
            };
            let Instruction::Binary(Binary::Add, left, right) = self.instructions[divisor] else { continue };
            let Instruction::Unary(Unary::SquareRoot, inner) = self.instructions[left] else { continue };
            if uses[divisor] == 1 && uses[left] == 1 {
                self.instructions[at] = Instruction::DivideSquareRootAdd(numerator, inner, right);
            }
        }
    }

    /// select(b ≥ |a|, 0, a)
    fn join_flush(&mut self) {
        for at in 0..self.instructions.len() {
            let Instruction::Select(condition, zero, value) = self.instructions[at] else { continue };
            let Instruction::Binary(Binary::GreaterOrEqual, bound, magnitude) = self.instructions[condition]
            else {
                continue;
            };
            let zero = self.instructions[zero] == Instruction::Constant(0);
            if zero && self.instructions[magnitude] == Instruction::Unary(Unary::Absolute, value) {
                self.instructions[at] = Instruction::Flush(value, bound);
            }
        }
    }

    /// max(a, b + c), and where(a > b, c, d): rectifiers behind a bias, and what they let through of a gradient.
    fn join_rectifier(&mut self) {
        for at in 0..self.instructions.len() {
            let uses = self.uses();
            let alone = |value: Value| (uses[value] == 1).then(|| self.instructions[value]);
            match self.instructions[at] {
                Instruction::Binary(Binary::Maximum, least, sum) => {
                    if let Some(Instruction::Binary(Binary::Add, a, b)) = alone(sum) {
                        self.instructions[at] = Instruction::MaximumOfSum(least, a, b);
                    }
                }
                Instruction::Select(condition, chosen, other) => {
                    if let Some(Instruction::Binary(Binary::Greater, a, b)) = alone(condition) {
                        self.instructions[at] = Instruction::SelectGreater(a, b, chosen, other);
                    }
                }
                _ => {}
            }
        }
    }

    fn drop_unused(&mut self) {
        let mut kept = vec![false; self.instructions.len()];
        for value in self.stores.iter().map(|store| store.0).chain(self.reduced) {
            kept[value] = true;
        }
        for at in (0..kept.len()).rev() {
            if kept[at] {
                self.instructions[at].operands().into_iter().for_each(|operand| kept[operand] = true);
            }
        }
        let mut number = vec![0; kept.len()];
        let mut result = Vec::new();
        for (at, instruction) in self.instructions.iter().enumerate() {
            if kept[at] {
                number[at] = result.len();
                result.push(instruction.with_operands(|value| number[value]));
            }
        }
        self.instructions = result;
        self.stores.iter_mut().for_each(|store| store.0 = number[store.0]);
        self.reduced = self.reduced.map(|value| number[value]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectifiers_become_one_instruction_where_nobody_else_reads() {
        for stored in [false, true] {
            let mut program = Program::default();
            let sum = program.push(Instruction::Result);
            let bias = program.push(Instruction::Load(BufferId(0), Access::Row));
            let zero = program.push(Instruction::Constant(0));
            let biased = program.push(Instruction::Binary(Binary::Add, sum, bias));
            let rectified = program.push(Instruction::Binary(Binary::Maximum, zero, biased));
            let positive = program.push(Instruction::Binary(Binary::Greater, rectified, zero));
            let passed = program.push(Instruction::Select(positive, sum, zero));
            program.stores = vec![(rectified, BufferId(1)), (passed, BufferId(2))];
            if stored {
                program.stores.extend([(biased, BufferId(3)), (positive, BufferId(4))]);
            }
            program.simplify(true);
            let joined = [Instruction::MaximumOfSum(2, 0, 1), Instruction::SelectGreater(3, 2, 0, 2)];
            assert_eq!(joined.iter().all(|joined| program.instructions.contains(joined)), !stored);
            assert_eq!(program.operations(), 4);
        }
    }

    #[test]
    fn adam_becomes_fused_instructions() {
        let mut program = Program::default();
        let gradient = program.push(Instruction::Result);
        let moment = program.push(Instruction::Load(BufferId(0), Access::Full));
        let decay = program.push(Instruction::Scalar(0));
        let kept = program.push(Instruction::Binary(Binary::Multiply, decay, moment));
        let new = program.push(Instruction::Binary(Binary::Multiply, gradient, decay));
        let sum = program.push(Instruction::Binary(Binary::Add, kept, new));
        let root = program.push(Instruction::Unary(Unary::SquareRoot, sum));
        let divisor = program.push(Instruction::Binary(Binary::Add, root, decay));
        let step = program.push(Instruction::Binary(Binary::Divide, gradient, divisor));
        program.stores = vec![(sum, BufferId(0)), (step, BufferId(1))];
        program.simplify(true);
        let names: Vec<_> = program.instructions.iter().map(Instruction::name).collect();
        assert_eq!(names, ["result", "load", "scalar", "weighted_sum", "div_sqrt_add"]);
        assert_eq!(program.stores, [(3, BufferId(0)), (4, BufferId(1))]);
    }
}

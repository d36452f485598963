//! Rules of elementwise operations. g is the gradient at the result y of operands x, or a and b.

use super::Step;
use crate::graph::Tensor;
use crate::graph::op::{Binary, Op, Unary};
use std::f32::consts::FRAC_2_SQRT_PI;

impl<'g> Step<'g> {
    pub(super) fn unary(&self, unary: Unary) -> Tensor<'g> {
        let (g, x, y) = (self.gradient, self.operand(0), self.output);
        match unary {
            Unary::Negate => -g,
            Unary::Absolute => times(g, x.unary(Unary::Sign)),
            // Piecewise constant; not reached, since nothing passes through it.
            Unary::Sign => g.graph().constant(0.0).stretch(g.shape()),
            Unary::SquareRoot => times(g, g.graph().constant(0.5)) / y,
            Unary::Reciprocal => -times(g, y * y),
            Unary::Exponential => times(g, y),
            Unary::ExponentialMinusOne => times(g, y + 1.0),
            Unary::Logarithm => g / x,
            Unary::LogarithmOnePlus => g / (x + 1.0),
            Unary::HyperbolicTangent => times(g, 1.0 - y * y),
            Unary::Sigmoid => times(g, y * (1.0 - y)),
            Unary::Softplus => times(g, x.sigmoid()),
            Unary::ErrorFunction => times(times(g, g.graph().constant(FRAC_2_SQRT_PI)), (-(x * x)).exp()),
        }
    }

    pub(super) fn binary(&self, binary: Binary, number: usize) -> Option<Tensor<'g>> {
        let (g, a, b, y) = (self.gradient, self.operand(0), self.operand(1), self.output);
        let zero = g.graph().constant(0.0);
        let share = match (binary, number) {
            (Binary::Add, _) | (Binary::Subtract, 0) => g,
            (Binary::Subtract, _) => -g,
            // A square: both shares at once, 2x.
            (Binary::Multiply, 0) if a.id == b.id => times(times(g, g.graph().constant(2.0)), a),
            (Binary::Multiply, _) if a.id == b.id => return None,
            (Binary::Multiply, 0) => times(g, b),
            (Binary::Multiply, _) => times(g, a),
            (Binary::Divide, 0) => g / b,
            (Binary::Divide, _) => -(g / b * y),
            // From y and a alone: maximum(0, x), the rectifier, then keeps nothing but its own result. Selected rather than
            // multiplied, so that an infinite gradient on the other side is not turned into NaN.
            (Binary::Maximum, 0) => y.greater(a).select(zero, g),
            (Binary::Maximum, _) => y.greater(a).select(g, zero),
            (Binary::Minimum, 0) => a.greater(y).select(zero, g),
            (Binary::Minimum, _) => a.greater(y).select(g, zero),
            (Binary::Greater | Binary::GreaterOrEqual | Binary::Equal, _) => return None,
        };
        Some(share)
    }

    pub(super) fn select(&self, number: usize) -> Tensor<'g> {
        let (g, condition) = (self.gradient, self.operand(0));
        let zero = g.graph().constant(0.0);
        if number == 1 { condition.select(g, zero) } else { condition.select(zero, g) }
    }
}

/// The product in g's shape. Gradients of sums and means start as one number repeated; it is multiplied as a number, which
/// folds 1s and constant factors away before they become passes over memory.
fn times<'g>(g: Tensor<'g>, factor: Tensor<'g>) -> Tensor<'g> {
    (repeated(g) * repeated(factor)).stretch(g.shape())
}

/// The number that is repeated, if the tensor is one; else the tensor.
fn repeated(tensor: Tensor<'_>) -> Tensor<'_> {
    let mut source = tensor;
    loop {
        let node = source.graph.node(source.id);
        match node.op {
            Op::Constant(_) => return source,
            Op::Broadcast | Op::Reshape => source = source.graph.tensor(node.operands[0]),
            _ => return tensor,
        }
    }
}

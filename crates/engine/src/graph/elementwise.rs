//! Elementwise operations. Operands of unequal shapes are broadcast first, axes aligned at the end.

use super::op::{Binary, Kind, Op, Unary};
use super::{NodeId, Tensor};
use crate::error::Error;
use std::ops::{Add, Div, Mul, Neg, Sub};

impl<'g> Tensor<'g> {
    /// Applies a function of one number.
    pub fn unary(self, unary: Unary) -> Tensor<'g> {
        self.expect_numbers(unary.name());
        if let (Unary::Negate, Op::Unary(Unary::Negate)) = (unary, self.graph.node(self.id).op) {
            return self.graph.tensor(self.graph.node(self.id).operands[0]);
        }
        if let Some(value) = self.constant_value()
            && unary == Unary::Negate
        {
            return self.graph.constant(-value);
        }
        self.graph.add(Op::Unary(unary), &[self.id], self.shape(), Kind::F32)
    }

    /// Applies a function of two numbers.
    pub fn binary(self, binary: Binary, other: Tensor<'g>) -> Tensor<'g> {
        self.expect_numbers(binary.name());
        other.expect_numbers(binary.name());
        if let Some(simple) = self.simplified(binary, other) {
            return simple;
        }
        let Some(shape) = self.shape().broadcast(&other.shape()) else {
            let (left, right) = (self.shape(), other.shape());
            self.graph.fail(Error::Shapes {
                operation: binary.name(),
                place: self.graph.place(),
                left,
                right,
            });
            return self;
        };
        let operands = [self.stretch(shape).id, other.stretch(shape).id];
        self.graph.add(Op::Binary(binary), &operands, shape, Kind::F32)
    }

    /// Identities that hold for every value, NaN and infinity included: they keep derived graphs small. (Where spread rows are 0, a product with
    /// them is taken to be 0.)
    fn simplified(self, binary: Binary, other: Tensor<'g>) -> Option<Tensor<'g>> {
        let wide = |kept: Tensor<'g>| {
            (kept.shape().broadcast(&self.shape())?.broadcast(&other.shape())? == kept.shape())
                .then_some(kept)
        };
        match (binary, self.constant_value(), other.constant_value()) {
            (Binary::Add, Some(left), Some(right)) => Some(self.graph.constant(left + right)),
            (Binary::Multiply, Some(left), Some(right)) => Some(self.graph.constant(left * right)),
            (Binary::Multiply, _, Some(1.0)) | (Binary::Divide, _, Some(1.0)) => wide(self),
            (Binary::Multiply, Some(1.0), _) => wide(other),
            (Binary::Add | Binary::Subtract, _, Some(0.0)) => wide(self),
            (Binary::Add, Some(0.0), _) => wide(other),
            (Binary::Multiply, ..) => self.spread_times(other).or_else(|| other.spread_times(self)),
            (Binary::Add, ..) => self.spread_plus(other),
            _ => None,
        }
    }

    /// The number, if this is one constant.
    pub(crate) fn constant_value(self) -> Option<f32> {
        match self.graph.node(self.id).op {
            Op::Constant(bits) => Some(f32::from_bits(bits)),
            _ => None,
        }
    }

    /// `a` where this is not 0, else `b`.
    pub fn select(self, a: Tensor<'g>, b: Tensor<'g>) -> Tensor<'g> {
        [self, a, b].iter().for_each(|tensor| tensor.expect_numbers("select"));
        let shape = self.shape().broadcast(&a.shape()).and_then(|shape| shape.broadcast(&b.shape()));
        let Some(shape) = shape else {
            let (left, right) = (a.shape(), b.shape());
            self.graph.fail(Error::Shapes { operation: "select", place: self.graph.place(), left, right });
            return self;
        };
        let operands: Vec<NodeId> = [self, a, b].iter().map(|tensor| tensor.stretch(shape).id).collect();
        self.graph.add(Op::Select, &operands, shape, Kind::F32)
    }

    /// The value, taken as a constant by differentiation.
    pub fn stop_gradient(self) -> Tensor<'g> {
        self.expect_numbers("stop_gradient");
        self.graph.add(Op::StopGradient, &[self.id], self.shape(), Kind::F32)
    }

    /// eˣ
    pub fn exp(self) -> Tensor<'g> {
        self.unary(Unary::Exponential)
    }

    /// ln x
    pub fn log(self) -> Tensor<'g> {
        self.unary(Unary::Logarithm)
    }

    /// √x
    pub fn sqrt(self) -> Tensor<'g> {
        self.unary(Unary::SquareRoot)
    }

    /// |x|
    pub fn abs(self) -> Tensor<'g> {
        self.unary(Unary::Absolute)
    }

    /// tanh x
    pub fn tanh(self) -> Tensor<'g> {
        self.unary(Unary::HyperbolicTangent)
    }

    /// 1/(1 + e⁻ˣ)
    pub fn sigmoid(self) -> Tensor<'g> {
        self.unary(Unary::Sigmoid)
    }

    /// ln(1 + eˣ)
    pub fn softplus(self) -> Tensor<'g> {
        self.unary(Unary::Softplus)
    }

    /// x²
    pub fn square(self) -> Tensor<'g> {
        self * self
    }

    /// The larger of the two; where they are equal the derivative goes to `self`.
    pub fn maximum(self, other: Tensor<'g>) -> Tensor<'g> {
        self.binary(Binary::Maximum, other)
    }

    /// The smaller of the two; where they are equal the derivative goes to `self`.
    pub fn minimum(self, other: Tensor<'g>) -> Tensor<'g> {
        self.binary(Binary::Minimum, other)
    }

    /// 1 where self > other, else 0.
    pub fn greater(self, other: Tensor<'g>) -> Tensor<'g> {
        self.binary(Binary::Greater, other)
    }

    /// 1 where equal, else 0.
    pub fn equal(self, other: Tensor<'g>) -> Tensor<'g> {
        self.binary(Binary::Equal, other)
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $binary:ident) => {
        impl<'g> $trait for Tensor<'g> {
            type Output = Tensor<'g>;
            fn $method(self, other: Tensor<'g>) -> Tensor<'g> {
                self.binary(Binary::$binary, other)
            }
        }
        impl<'g> $trait<f32> for Tensor<'g> {
            type Output = Tensor<'g>;
            fn $method(self, other: f32) -> Tensor<'g> {
                self.binary(Binary::$binary, self.graph.constant(other))
            }
        }
        impl<'g> $trait<Tensor<'g>> for f32 {
            type Output = Tensor<'g>;
            fn $method(self, other: Tensor<'g>) -> Tensor<'g> {
                other.graph.constant(self).binary(Binary::$binary, other)
            }
        }
    };
}

operator!(Add, add, Add);
operator!(Sub, sub, Subtract);
operator!(Mul, mul, Multiply);
operator!(Div, div, Divide);

impl<'g> Neg for Tensor<'g> {
    type Output = Tensor<'g>;
    fn neg(self) -> Tensor<'g> {
        self.unary(Unary::Negate)
    }
}

//! Reductions. The reduced axes stay, with size 1, so that results broadcast back without thought.

use super::Tensor;
use super::op::{Kind, Op, Reduction};
use super::shape::{MAX_RANK, Shape};

impl<'g> Tensor<'g> {
    /// Reduces the given axes to size 1.
    pub fn reduce(self, reduction: Reduction, axes: &[usize]) -> Tensor<'g> {
        let shape = self.shape();
        self.expect_numbers("reduce");
        if axes.iter().any(|&axis| axis >= shape.rank())
            || (reduction == Reduction::ArgumentMaximum && axes.len() != 1)
        {
            return self.refuse("reduce", format!("axes {axes:?} among its own (one, for argmax)"), shape);
        }
        let mut marked = [false; MAX_RANK];
        let mut reduced = shape;
        for &axis in axes {
            marked[axis] = true;
            reduced = reduced.with(axis, 1);
        }
        if reduced == shape && reduction != Reduction::ArgumentMaximum {
            return self;
        }
        if let Some(sum) = self.sum_of_spread(reduction, axes) {
            return sum;
        }
        self.graph.add(Op::Reduce { reduction, axes: marked }, &[self.id], reduced, Kind::F32)
    }

    /// The sum over `axes`.
    pub fn sum(self, axes: &[usize]) -> Tensor<'g> {
        self.reduce(Reduction::Sum, axes)
    }

    /// The sum over everything: a scalar.
    pub fn sum_all(self) -> Tensor<'g> {
        let axes: Vec<usize> = (0..self.shape().rank()).collect();
        self.sum(&axes).reshape(Shape::SCALAR)
    }

    /// The mean over `axes`.
    pub fn mean(self, axes: &[usize]) -> Tensor<'g> {
        let sum = self.sum(axes);
        let count = self.shape().elements() / sum.shape().elements().max(1);
        sum * (1.0 / count as f32)
    }

    /// The largest value along `axis`; the derivative goes to the first of several equal ones.
    pub fn max(self, axis: usize) -> Tensor<'g> {
        self.reduce(Reduction::Maximum, &[axis])
    }

    /// The position of the largest value along `axis`, as a number; the lowest of several equal ones.
    pub fn argmax(self, axis: usize) -> Tensor<'g> {
        self.reduce(Reduction::ArgumentMaximum, &[axis])
    }
}

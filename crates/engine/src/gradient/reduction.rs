//! Rules of reductions.

use super::Step;
use crate::error::Error;
use crate::graph::Tensor;
use crate::graph::shape::MAX_RANK;

impl<'g> Step<'g> {
    pub(super) fn sum(&self) -> Tensor<'g> {
        self.gradient.stretch(self.operand(0).shape())
    }

    /// The gradient goes to the place of the largest value, the lowest index of several equal ones.
    pub(super) fn maximum_along(&self, axes: &[bool; MAX_RANK]) -> Result<Tensor<'g>, Error> {
        let x = self.operand(0);
        let shape = x.shape();
        let mut reduced = (0..shape.rank()).filter(|&axis| axes[axis] && shape.sizes()[axis] != 1);
        let (Some(axis), None) = (reduced.next(), reduced.next()) else {
            return Err(Error::NoDerivative { operation: "max over several axes" });
        };
        let graph = x.graph();
        let largest = graph.position(shape, axis).equal(x.argmax(axis));
        Ok(largest.select(self.gradient, graph.constant(0.0)))
    }
}

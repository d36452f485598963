//! Rules of movement: the gradient moves back.

use super::Step;
use crate::graph::Tensor;
use crate::graph::shape::MAX_RANK;

impl<'g> Step<'g> {
    pub(super) fn reshape(&self) -> Tensor<'g> {
        self.gradient.reshape(self.operand(0).shape())
    }

    pub(super) fn permute(&self, order: &[u8; MAX_RANK]) -> Tensor<'g> {
        let mut inverse = [0; MAX_RANK];
        for (to, &from) in order.iter().enumerate() {
            inverse[from as usize] = to;
        }
        self.gradient.permute(&inverse[..self.node.shape.rank()])
    }

    /// What was repeated receives the sum.
    pub(super) fn broadcast(&self) -> Tensor<'g> {
        let shape = self.operand(0).shape();
        let axes: Vec<usize> =
            (0..shape.rank()).filter(|&axis| shape.sizes()[axis] != self.node.shape.sizes()[axis]).collect();
        self.gradient.sum(&axes)
    }

    pub(super) fn slice(&self, start: &[usize; MAX_RANK]) -> Tensor<'g> {
        let (whole, part) = (self.operand(0).shape(), self.node.shape);
        let after: Vec<usize> =
            (0..whole.rank()).map(|axis| whole.sizes()[axis] - start[axis] - part.sizes()[axis]).collect();
        self.gradient.pad(&start[..whole.rank()], &after)
    }

    pub(super) fn pad(&self, before: &[usize; MAX_RANK]) -> Tensor<'g> {
        let shape = self.operand(0).shape();
        self.gradient.slice(&before[..shape.rank()], shape.sizes())
    }

    pub(super) fn concatenate(&self, axis: usize, number: usize) -> Tensor<'g> {
        let shape = self.operand(number).shape();
        let mut start = [0; MAX_RANK];
        start[axis] = (0..number).map(|earlier| self.operand(earlier).shape().sizes()[axis]).sum();
        self.gradient.slice(&start[..shape.rank()], shape.sizes())
    }
}

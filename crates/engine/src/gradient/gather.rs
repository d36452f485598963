//! Rules of gather and scatter-add: each is the other's. Both treat an index outside the table as its last row.

use super::Step;
use crate::graph::Tensor;

impl<'g> Step<'g> {
    pub(super) fn gather(&self) -> Tensor<'g> {
        self.gradient.scatter_add(self.operand(1), self.operand(0).shape().rows())
    }

    pub(super) fn scatter_add(&self) -> Tensor<'g> {
        self.gradient.gather(self.operand(1))
    }
}

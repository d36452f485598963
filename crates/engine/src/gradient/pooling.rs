//! Rules of pooling: each way's derivative is the other's. Positions are constants.

use super::Step;
use crate::graph::Tensor;
use crate::graph::op::{Pooling, Windows};

impl<'g> Step<'g> {
    pub(super) fn pooling(&self, pooling: Pooling, windows: Windows, size: [usize; 2]) -> Option<Tensor<'g>> {
        let back = match pooling {
            Pooling::Positions => return None,
            Pooling::Pick => Pooling::Put,
            Pooling::Put => Pooling::Pick,
            Pooling::Sum => Pooling::Repeat,
            Pooling::Repeat => Pooling::Sum,
        };
        let positions = self.node.operands.get(1).map(|_| self.operand(1));
        Some(self.gradient.pooling(back, windows, size, positions, self.operand(0).shape()))
    }
}

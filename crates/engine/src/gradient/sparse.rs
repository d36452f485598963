//! Rules of sparse rows: each operation's derivative is another of them. Positions are constants.

use super::Step;
use crate::graph::Tensor;
use crate::graph::op::Sparse;

impl<'g> Step<'g> {
    pub(super) fn sparse(&self, sparse: Sparse, number: usize) -> Option<Tensor<'g>> {
        let g = self.gradient;
        let columns = |number: usize| self.operand(number).shape().columns();
        let rows = |number: usize| self.operand(number).shape().rows();
        Some(match (sparse, number) {
            (Sparse::Pick, 0) => g.spread(self.operand(1), columns(0)),
            (Sparse::Spread, 0) => g.pick(self.operand(1)),
            (Sparse::Product, 0) => g.sampled_product(self.operand(2), self.operand(1)),
            (Sparse::Product, 2) => self.operand(0).outer(self.operand(1), g, rows(2), false),
            (Sparse::Sampled, 0) => g.sparse_product(self.operand(2), self.operand(1)),
            (Sparse::Sampled, 1) => g.outer(self.operand(2), self.operand(0), rows(1), false),
            (Sparse::Outer, 0) => self.operand(2).sampled_product(g, self.operand(1)),
            (Sparse::Outer, 2) => self.operand(0).sparse_product(self.operand(1), g),
            // Transposed in memory, since sparse products read their table row by row.
            (Sparse::TurnedOuter, 0) => self.operand(2).sampled_product(g.transpose(), self.operand(1)),
            (Sparse::TurnedOuter, 2) => self.operand(0).sparse_product(self.operand(1), g.transpose()),
            _ => return None,
        })
    }
}

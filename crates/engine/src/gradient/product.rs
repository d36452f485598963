//! Rules of products. Transposition stays a flag of the product, so that no matrix is ever turned in memory.

use super::Step;
use crate::graph::Tensor;

impl<'g> Step<'g> {
    /// For Y = A·B: dA = dY·Bᵀ and dB = Aᵀ·dY. An operand that was transposed gets its share transposed, which exchanges the
    /// factors and turns both.
    pub(super) fn product(&self, transpose_left: bool, transpose_right: bool, number: usize) -> Tensor<'g> {
        let (g, a, b) = (self.gradient, self.operand(0), self.operand(1));
        match (number, transpose_left, transpose_right) {
            (0, false, turned) => g.product(b, false, !turned),
            (0, true, turned) => b.product(g, turned, true),
            (_, turned, false) => a.product(g, !turned, false),
            (_, turned, true) => g.product(a, true, turned),
        }
    }
}

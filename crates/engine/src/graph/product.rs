//! Matrix products.

use super::Tensor;
use super::op::{Kind, Op};
use super::shape::Shape;
use crate::error::Error;

impl<'g> Tensor<'g> {
    /// The matrix product: M×K times K×N is M×N.
    pub fn matmul(self, other: Tensor<'g>) -> Tensor<'g> {
        self.product(other, false, false)
    }

    /// The matrix product, either operand transposed first.
    pub fn product(self, other: Tensor<'g>, transpose_left: bool, transpose_right: bool) -> Tensor<'g> {
        self.expect_numbers("product");
        other.expect_numbers("product");
        let (left, right) = (self.shape(), other.shape());
        let mistake = || Error::Shapes { operation: "product", place: self.graph.place(), left, right };
        if left.rank() != 2 || right.rank() != 2 {
            self.graph.fail(mistake());
            return self;
        }
        let turn = |shape: Shape, transpose: bool| match (shape.sizes(), transpose) {
            (&[rows, columns], false) => (rows, columns),
            (sizes, _) => (sizes[1], sizes[0]),
        };
        let ((rows, inner), (inner_right, columns)) =
            (turn(left, transpose_left), turn(right, transpose_right));
        if inner != inner_right {
            self.graph.fail(mistake());
            return self.graph.constant(0.0).stretch([rows, columns]);
        }
        let op = Op::Product { transpose_left, transpose_right };
        self.graph.add(op, &[self.id, other.id], Shape::from([rows, columns]), Kind::F32)
    }
}

//! Rows picked by number, and rows added at their numbers.

use super::Tensor;
use super::op::{Kind, Op};
use super::shape::Shape;
use crate::error::Error;

impl<'g> Tensor<'g> {
    /// Rows of this N×D table by number: R indices give R×D. An index outside the table reads its last row.
    pub fn gather(self, indices: Tensor<'g>) -> Tensor<'g> {
        self.expect_rows("gather", indices);
        let shape = Shape::from([indices.shape().elements(), self.shape().columns()]);
        self.graph.add(Op::Gather, &[self.id, indices.id], shape, Kind::F32)
    }

    /// An N×D table of zeros to which every one of these R×D rows is added at its index, in the order of the rows.
    pub fn scatter_add(self, indices: Tensor<'g>, rows: usize) -> Tensor<'g> {
        self.expect_rows("scatter_add", indices);
        if indices.shape().elements() != self.shape().rows() {
            let (place, left, right) = (self.graph.place(), self.shape(), indices.shape());
            self.graph.fail(Error::Shapes { operation: "scatter_add", place, left, right });
        }
        let shape = Shape::from([rows, self.shape().columns()]);
        self.graph.add(Op::ScatterAdd, &[self.id, indices.id], shape, Kind::F32)
    }

    fn expect_rows(self, operation: &'static str, indices: Tensor<'g>) {
        self.expect_numbers(operation);
        if indices.kind() != Kind::U32 {
            let found = indices.kind().name();
            self.graph.fail(Error::Kind { operation, place: self.graph.place(), expected: "u32", found });
        }
        if self.shape().rank() != 2 {
            self.refuse(operation, "two axes, rows and columns".to_owned(), self.shape());
        }
    }
}

//! Matrix products.

use super::op::{Kind, Op};
use super::shape::Shape;
use super::{Node, Tensor};
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
        let ((this, transpose_left), (other, transpose_right)) =
            (self.untransposed(transpose_left), other.untransposed(transpose_right));
        if let Some(sparse) = this.product_of_spread(other, transpose_left, transpose_right) {
            return sparse;
        }
        let op = Op::Product { transpose_left, transpose_right };
        self.graph.add(op, &[this.id, other.id], Shape::from([rows, columns]), Kind::F32)
    }

    /// The matrix that this one is the transpose of, if it was made by transposing one, and whether a product must transpose
    /// it: products read either way, so nothing need be moved.
    fn untransposed(self, transpose: bool) -> (Tensor<'g>, bool) {
        let source = match self.graph.inner.borrow().nodes[self.id.index()] {
            Node { op: Op::Permute { order }, ref operands, shape, .. }
                if shape.rank() == 2 && order[..2] == [1, 0] =>
            {
                operands[0]
            }
            _ => return (self, transpose),
        };
        (Tensor { id: source, ..self }, !transpose)
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::Graph;
    use crate::plan::{Plan, Work};

    #[test]
    fn shapes_that_do_not_fit_are_told_as_they_were_given() {
        let graph = Graph::new();
        let (x, w) = (graph.state("x", [7, 5]), graph.state("w", [3, 4]));
        graph.output("y", x.matmul(w.transpose()));
        let message = Plan::new(&graph).unwrap_err().to_string();
        assert!(message.contains("7×5") && message.contains("4×3"), "{message}");
    }

    #[test]
    fn transposes_cost_no_step() {
        let graph = Graph::new();
        let (x, w) = (graph.state("x", [7, 5]), graph.state("w", [3, 5]));
        graph.output("y", x.matmul(w.transpose()));
        graph.output("z", w.product(x.transpose(), false, false).product(w.transpose(), true, true));
        let plan = Plan::new(&graph).unwrap();
        assert!(plan.steps.iter().all(|step| !matches!(step.work, Work::Move(..))), "{:?}", plan.steps);
    }
}

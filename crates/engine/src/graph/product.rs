//! Matrix products.

use super::op::{Binary, Kind, Op};
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
        // Which way round a symmetric matrix is read makes no difference, so that derivatives by either factor are one product.
        let transpose_left = transpose_left && !this.is_symmetric();
        let transpose_right = transpose_right && !other.is_symmetric();
        if let Some(sparse) = this.product_of_spread(other, transpose_left, transpose_right) {
            return sparse;
        }
        let op = Op::Product { transpose_left, transpose_right };
        self.graph.add(op, &[this.id, other.id], Shape::from([rows, columns]), Kind::F32)
    }

    /// Whether the matrix is known to be its own transpose, bit for bit: a product of a matrix and its transpose, or such
    /// a matrix times a number. (A derivative by such a product may come turned over; by what it is made of it is right.)
    fn is_symmetric(self) -> bool {
        let node = self.graph.node(self.id);
        let operand = |number: usize| self.graph.tensor(node.operands[number]);
        let is_number = |tensor: Tensor<'g>| {
            matches!(self.graph.node(tensor.id), Node { op: Op::Broadcast, operands, .. }
                if self.graph.tensor(operands[0]).shape().elements() == 1)
        };
        match node.op {
            Op::Product { transpose_left, transpose_right } => {
                node.operands[0] == node.operands[1] && transpose_left != transpose_right
            }
            Op::Binary(Binary::Multiply) => {
                is_number(operand(0)) && operand(1).is_symmetric()
                    || is_number(operand(1)) && operand(0).is_symmetric()
            }
            _ => false,
        }
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
    use crate::reference::{Feed, evaluate};

    #[test]
    fn shapes_that_do_not_fit_are_told_as_they_were_given() {
        let graph = Graph::new();
        let (x, w) = (graph.state("x", [7, 5]), graph.state("w", [3, 4]));
        graph.output("y", x.matmul(w.transpose()));
        let message = Plan::new(&graph).unwrap_err().to_string();
        assert!(message.contains("7×5") && message.contains("4×3"), "{message}");
    }

    /// The derivative of Σ (GᵀG) ∘ (WᵀW) by either factor is one product, and there is none beside them and these two.
    #[test]
    fn symmetric_matrices_are_read_one_way() {
        let graph = Graph::new();
        let (g, w) = (graph.state("g", [7, 5]), graph.state("w", [9, 5]));
        let both = g.product(g, true, false) * w.product(w, true, false);
        let loss = both.sum_all() * 0.5;
        for (number, gradient) in graph.gradient(loss, &[g, w]).unwrap().into_iter().enumerate() {
            graph.output(&number.to_string(), gradient);
        }
        let plan = Plan::new(&graph).unwrap();
        let products = plan.steps.iter().filter(|step| matches!(step.work, Work::Product { .. })).count();
        assert_eq!(products, 4);
    }

    /// Squares, and symmetric matrices with scaled columns, are not symmetric.
    #[test]
    fn what_is_not_symmetric_is_turned() {
        let graph = Graph::new();
        let x = graph.state("x", [3, 3]);
        let unit = graph.table([3, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let scaled = x.product(x, true, false) * graph.table([3], &[1.0, 2.0, 3.0]);
        for (name, matrix) in [("square", x.matmul(x)), ("scaled", scaled)] {
            graph.output(name, matrix);
            graph.output(&format!("{name} turned"), matrix.transpose().matmul(unit));
        }
        let feed = Feed::new().state("x", [1.0, 2.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0, 19.0]);
        let found = evaluate(&graph, &feed).unwrap().outputs;
        for name in ["square", "scaled"] {
            let (matrix, turned) = (&found[name], &found[&format!("{name} turned")]);
            assert!((0..9).all(|at| turned[at] == matrix[at % 3 * 3 + at / 3]), "{name}");
            assert_ne!(matrix, turned, "{name}");
        }
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

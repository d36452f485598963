//! Rows that are zero but for a few values: the values, B×k, and their positions among the columns, B×k. [`Tensor::spread`] is such a row
//! written out; products, sums and scalings of it are rewritten so that it never needs to be.

use super::op::{BLOCK, Kind, Op, Reduction, Sparse};
use super::shape::Shape;
use super::{Node, Tensor};

/// Places are told as numbers, of which f32 has every whole one up to here.
const MOST_VALUES: usize = 1 << 24;

impl<'g> Tensor<'g> {
    /// The positions of the `count` largest values of each row, B×count, ascending; of several equal ones the lowest count first. A choice,
    /// taken as a constant by differentiation.
    pub fn largest_positions(self, count: usize) -> Tensor<'g> {
        self.expect_numbers("largest_positions");
        let shape = self.shape();
        if shape.rank() != 2 || count == 0 || count > shape.columns() {
            let expected = format!("two axes and a count of 1 to the number of columns, found {count}");
            return self.refuse("largest_positions", expected, shape);
        }
        let shape = Shape::from([shape.rows(), count]);
        self.graph.add(Op::Sparse(Sparse::Positions), &[self.id], shape, Kind::F32)
    }

    /// The values at `positions`, B×k, of these B×H.
    pub fn pick(self, positions: Tensor<'g>) -> Tensor<'g> {
        let (shape, places) = (self.shape(), positions.shape());
        if shape.rank() != 2 || places.rank() != 2 || shape.rows() != places.rows() {
            return self.refuse("pick", format!("as many rows as positions have, {places}"), shape);
        }
        self.graph.add(Op::Sparse(Sparse::Pick), &[self.id, positions.id], places, Kind::F32)
    }

    /// Zeros, B×`columns`, with these B×k values added at `positions`.
    pub fn spread(self, positions: Tensor<'g>, columns: usize) -> Tensor<'g> {
        let (shape, places) = (self.shape(), positions.shape());
        if shape.rank() != 2 || shape != places {
            return self.refuse("spread", format!("the shape of their positions, {places}"), shape);
        }
        let shape = Shape::from([shape.rows(), columns]);
        self.graph.add(Op::Sparse(Sparse::Spread), &[self.id, positions.id], shape, Kind::F32)
    }

    /// The product of rows with these B×k values at `positions`, and zeros elsewhere, and a table, H×D: B×D.
    pub(crate) fn sparse_product(self, positions: Tensor<'g>, table: Tensor<'g>) -> Tensor<'g> {
        let shape = Shape::from([self.shape().rows(), table.shape().columns()]);
        let operands = [self.id, positions.id, table.id];
        self.graph.add(Op::Sparse(Sparse::Product), &operands, shape, Kind::F32)
    }

    /// What the product of this, B×D, and a table's transpose, D×H, has at `positions`: B×k.
    pub(crate) fn sampled_product(self, table: Tensor<'g>, positions: Tensor<'g>) -> Tensor<'g> {
        let operands = [self.id, table.id, positions.id];
        self.graph.add(Op::Sparse(Sparse::Sampled), &operands, positions.shape(), Kind::F32)
    }

    /// Sᵀ G, H×D, for S with these B×k values at `positions` among H columns, and G of B×D; `turned` gives Gᵀ S, D×H.
    pub(crate) fn outer(
        self,
        positions: Tensor<'g>,
        dense: Tensor<'g>,
        rows: usize,
        turned: bool,
    ) -> Tensor<'g> {
        let columns = dense.shape().columns();
        let (kind, shape) = match turned {
            false => (Sparse::Outer, Shape::from([rows, columns])),
            true => (Sparse::TurnedOuter, Shape::from([columns, rows])),
        };
        let index = positions.sparse_index(rows);
        let operands = [self.id, positions.id, dense.id, index.id];
        self.graph.add(Op::Sparse(kind), &operands, shape, Kind::F32)
    }

    fn sparse_index(self, columns: usize) -> Tensor<'g> {
        let length = columns.div_ceil(BLOCK) + 1 + self.shape().elements();
        self.graph.add(Op::Sparse(Sparse::Index { columns }), &[self.id], Shape::from([1, length]), Kind::F32)
    }

    /// Values and positions of rows that were spread, if there are no more of them than f32 has whole numbers for.
    fn spread_parts(self) -> Option<(Tensor<'g>, Tensor<'g>)> {
        let parts = match self.graph.inner.borrow().nodes[self.id.index()] {
            Node { op: Op::Sparse(Sparse::Spread), ref operands, .. } => {
                let (values, positions) = (operands[0], operands[1]);
                Some((Tensor { id: values, ..self }, Tensor { id: positions, ..self }))
            }
            _ => None,
        };
        parts.filter(|(values, _)| values.shape().elements() < MOST_VALUES)
    }

    /// A product one of whose operands was spread, where there is a way without writing it out; both are as they lie, to be transposed first
    /// where it says so.
    pub(super) fn product_of_spread(
        self,
        other: Tensor<'g>,
        transpose_left: bool,
        transpose_right: bool,
    ) -> Option<Tensor<'g>> {
        let columns = |tensor: Tensor<'g>| tensor.shape().columns();
        match (self.spread_parts(), other.spread_parts(), transpose_left, transpose_right) {
            (Some((values, positions)), _, false, false) => Some(values.sparse_product(positions, other)),
            (Some((values, positions)), _, true, false) => {
                Some(values.outer(positions, other, columns(self), false))
            }
            (_, Some((values, positions)), true, false) => {
                // A single column lies as a row: not worth a kernel of its own.
                let wide = columns(other) > 1;
                wide.then(|| values.outer(positions, self, columns(other), true))
            }
            _ => None,
        }
    }

    /// The sum of spread rows down their columns, 1×H.
    pub(super) fn sum_of_spread(self, reduction: Reduction, axes: &[usize]) -> Option<Tensor<'g>> {
        let (values, positions) = self.spread_parts()?;
        if reduction != Reduction::Sum || axes != [0] {
            return None;
        }
        let (rows, columns) = (self.shape().rows(), self.shape().columns());
        let ones = self.graph.constant(1.0).stretch([rows, 1]);
        Some(values.outer(positions, ones, columns, false).reshape([1, columns]))
    }

    /// Spread rows times something of their shape, or with other spread rows added.
    pub(super) fn spread_times(self, other: Tensor<'g>) -> Option<Tensor<'g>> {
        let (values, positions) = self.spread_parts()?;
        let columns = self.shape().columns();
        match other.constant_value() {
            Some(factor) => Some((values * factor).spread(positions, columns)),
            None if other.shape() == self.shape() => {
                Some((values * other.pick(positions)).spread(positions, columns))
            }
            None => None,
        }
    }

    /// The sum of two sets of spread rows.
    pub(super) fn spread_plus(self, other: Tensor<'g>) -> Option<Tensor<'g>> {
        let ((values, positions), (others, places)) = (self.spread_parts()?, other.spread_parts()?);
        if self.shape() != other.shape() {
            return None;
        }
        let (values, positions) = (values.concatenate(&[others], 1), positions.concatenate(&[places], 1));
        Some(values.spread(positions, self.shape().columns()))
    }
}

//! Leaves: where values come from.

use super::op::{Distribution, Kind, Op};
use super::{Graph, Leaf, NodeId, Tensor};
use crate::error::Error;
use crate::graph::shape::Shape;

impl Graph {
    /// A tensor of numbers that every run is given, row-major.
    pub fn input(&self, name: &str, shape: impl Into<Shape>) -> Tensor<'_> {
        self.input_of(name, shape.into(), Kind::F32)
    }

    /// Row or class numbers that every run is given.
    pub fn indices(&self, name: &str, shape: impl Into<Shape>) -> Tensor<'_> {
        self.input_of(name, shape.into(), Kind::U32)
    }

    /// Stored pixels that every run is given; [`Tensor::convert`] turns them into numbers 0 to 255.
    pub fn pixels(&self, name: &str, shape: impl Into<Shape>) -> Tensor<'_> {
        self.input_of(name, shape.into(), Kind::U8)
    }

    fn input_of(&self, name: &str, shape: Shape, kind: Kind) -> Tensor<'_> {
        let number = self.inner.borrow().inputs.len();
        let tensor = self.add(Op::Input(number), &[], shape, kind);
        self.declare("input", name, tensor.id, |inner| &mut inner.inputs);
        tensor
    }

    /// A number that every run is given: what changes from step to step without a new plan.
    pub fn scalar(&self, name: &str) -> Tensor<'_> {
        let number = self.inner.borrow().scalars.len();
        let tensor = self.add(Op::Scalar(number), &[], Shape::SCALAR, Kind::F32);
        self.declare("scalar", name, tensor.id, |inner| &mut inner.scalars);
        tensor
    }

    /// One number.
    pub fn constant(&self, value: f32) -> Tensor<'_> {
        self.add(Op::Constant(value.to_bits()), &[], Shape::SCALAR, Kind::F32)
    }

    /// A table of numbers, row-major.
    pub fn table(&self, shape: impl Into<Shape>, values: &[f32]) -> Tensor<'_> {
        let shape = shape.into();
        if shape.elements() != values.len() {
            let (expected, found) = (shape.elements(), values.len());
            self.fail(Error::Feed { kind: "table", name: self.place(), expected, found });
        }
        let bits = values.iter().map(|value| value.to_bits()).collect();
        self.add(Op::Table(bits), &[], shape, Kind::F32)
    }

    /// The position along `axis` of a tensor of this shape, as a number.
    pub fn position(&self, shape: impl Into<Shape>, axis: usize) -> Tensor<'_> {
        let shape = shape.into();
        if axis >= shape.rank() {
            let (operation, place, expected) = ("position", self.place(), format!("more than {axis} axes"));
            self.fail(Error::Operand { operation, place, shape, expected });
            return self.constant(0.0).stretch(shape);
        }
        self.add(Op::Position { axis }, &[], shape, Kind::F32)
    }

    /// Random numbers of a stream of their own, `rows`×`columns`. `row_ids` (u32, one a row) keys the rows, so that a row
    /// draws the same numbers wherever it stands in a batch.
    pub fn random(&self, row_ids: Tensor<'_>, columns: usize, distribution: Distribution) -> Tensor<'_> {
        if row_ids.kind() != Kind::U32 {
            let found = row_ids.kind().name();
            self.fail(Error::Kind { operation: "random", place: self.place(), expected: "u32", found });
        }
        let stream = {
            let mut inner = self.inner.borrow_mut();
            inner.streams += 1;
            inner.streams - 1
        };
        let rows = row_ids.shape().elements();
        self.add(Op::Random { stream, distribution }, &[row_ids.id], Shape::from([rows, columns]), Kind::F32)
    }

    pub(super) fn declare(
        &self,
        kind: &'static str,
        name: &str,
        node: NodeId,
        list: impl FnOnce(&mut super::Inner) -> &mut Vec<Leaf>,
    ) {
        let mut inner = self.inner.borrow_mut();
        let leaves = list(&mut inner);
        let taken = leaves.iter().any(|leaf| leaf.name == name);
        leaves.push(Leaf { name: name.to_owned(), node });
        drop(inner);
        if taken {
            self.fail(Error::DuplicateName { kind, name: name.to_owned() });
        }
    }
}

impl<'g> Tensor<'g> {
    /// Stored pixels or indices as numbers.
    pub fn convert(self) -> Tensor<'g> {
        match self.kind() {
            Kind::F32 => self,
            _ => self.graph.add(Op::Convert, &[self.id], self.shape(), Kind::F32),
        }
    }
}

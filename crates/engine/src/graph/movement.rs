//! Movement: the same elements elsewhere.

use super::op::{Kind, Op};
use super::shape::{MAX_RANK, Shape};
use super::{Node, NodeId, Tensor};
use crate::error::Error;

impl<'g> Tensor<'g> {
    /// The same elements in the same order under another shape.
    pub fn reshape(self, shape: impl Into<Shape>) -> Tensor<'g> {
        let shape = shape.into();
        if shape == self.shape() {
            return self;
        }
        if shape.elements() != self.shape().elements() {
            let expected = format!("{} elements for {shape}", shape.elements());
            return self.refuse("reshape", expected, shape);
        }
        // Of several shapes in a row only the last counts: nothing is moved to a layout that nobody reads.
        if let Node { op: Op::Reshape, operands, .. } = self.graph.node(self.id) {
            return self.graph.tensor(operands[0]).reshape(shape);
        }
        self.graph.add(Op::Reshape, &[self.id], shape, self.kind())
    }

    /// Axes in another order: axis `i` of the result is axis `order[i]` of this.
    pub fn permute(self, order: &[usize]) -> Tensor<'g> {
        self.expect_numbers("permute");
        let rank = self.shape().rank();
        let mut seen = [false; MAX_RANK];
        let valid = order.len() == rank
            && order.iter().all(|&axis| axis < rank && !std::mem::replace(&mut seen[axis], true));
        if !valid {
            return self.refuse(
                "permute",
                format!("an order of its {rank} axes, found {order:?}"),
                self.shape(),
            );
        }
        if order.iter().enumerate().all(|(to, &from)| to == from) {
            return self;
        }
        let sizes: Vec<usize> = order.iter().map(|&axis| self.shape().sizes()[axis]).collect();
        let mut full: [u8; MAX_RANK] = std::array::from_fn(|axis| axis as u8);
        for (to, &from) in full.iter_mut().zip(order) {
            *to = from as u8;
        }
        self.graph.add(Op::Permute { order: full }, &[self.id], Shape::new(&sizes), Kind::F32)
    }

    /// A matrix with rows and columns swapped.
    pub fn transpose(self) -> Tensor<'g> {
        self.permute(&[1, 0])
    }

    /// Repeated to a larger shape, axes aligned at the end, size 1 stretching to any size.
    pub fn stretch(self, shape: impl Into<Shape>) -> Tensor<'g> {
        let shape = shape.into();
        if shape == self.shape() {
            return self;
        }
        if self.shape().broadcast(&shape) != Some(shape) {
            return self.refuse("broadcast", format!("axes of size 1 or as in {shape}"), shape);
        }
        self.expect_numbers("broadcast");
        let mut sizes = vec![1; shape.rank()];
        let start = shape.rank() - self.shape().rank();
        sizes[start..].copy_from_slice(self.shape().sizes());
        let aligned = self.reshape(Shape::new(&sizes));
        if aligned.shape() == shape {
            return aligned;
        }
        self.graph.add(Op::Broadcast, &[aligned.id], shape, Kind::F32)
    }

    /// The box of the given size whose corner is at `start`.
    pub fn slice(self, start: &[usize], size: &[usize]) -> Tensor<'g> {
        self.expect_numbers("slice");
        let sizes = self.shape();
        let inside = start.len() == sizes.rank()
            && size.len() == sizes.rank()
            && (0..sizes.rank()).all(|axis| start[axis].saturating_add(size[axis]) <= sizes.sizes()[axis]);
        if !inside {
            return self.refuse(
                "slice",
                format!("a box inside it, found start {start:?}, size {size:?}"),
                Shape::new(size),
            );
        }
        if Shape::new(size) == sizes {
            return self;
        }
        self.graph.add(Op::Slice { start: padded(start) }, &[self.id], Shape::new(size), Kind::F32)
    }

    /// Zeros put around: `before` and `after` along each axis.
    pub fn pad(self, before: &[usize], after: &[usize]) -> Tensor<'g> {
        self.expect_numbers("pad");
        let rank = self.shape().rank();
        if before.len() != rank || after.len() != rank {
            return self.refuse("pad", format!("{rank} sizes before and after"), self.shape());
        }
        let sizes: Vec<usize> = (0..rank)
            .map(|axis| self.shape().sizes()[axis].saturating_add(before[axis]).saturating_add(after[axis]))
            .collect();
        if Shape::new(&sizes) == self.shape() {
            return self;
        }
        self.graph.add(Op::Pad { before: padded(before) }, &[self.id], Shape::new(&sizes), Kind::F32)
    }

    /// This and the others, one after another along `axis`.
    pub fn concatenate(self, others: &[Tensor<'g>], axis: usize) -> Tensor<'g> {
        self.expect_numbers("concatenate");
        let mut shape = self.shape();
        if axis >= shape.rank() {
            return self.refuse("concatenate", format!("more than {axis} axes"), shape);
        }
        let mut operands: Vec<NodeId> = vec![self.id];
        for other in others {
            other.expect_numbers("concatenate");
            let size = other.shape().sizes().get(axis).copied().unwrap_or(0);
            if other.shape().rank() != shape.rank() || other.shape().with(axis, 1) != shape.with(axis, 1) {
                let (place, left, right) = (self.graph.place(), self.shape(), other.shape());
                self.graph.fail(Error::Shapes { operation: "concatenate", place, left, right });
                return self;
            }
            shape = shape.with(axis, shape.sizes()[axis] + size);
            operands.push(other.id);
        }
        if others.is_empty() {
            self
        } else {
            self.graph.add(Op::Concatenate { axis }, &operands, shape, Kind::F32)
        }
    }
}

fn padded(values: &[usize]) -> [usize; MAX_RANK] {
    let mut full = [0; MAX_RANK];
    full[..values.len()].copy_from_slice(values);
    full
}

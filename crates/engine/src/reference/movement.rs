//! Movement, one index at a time.

use super::{Index, Operand};
use crate::graph::shape::{MAX_RANK, Shape};

/// The value at every index, in row-major order.
pub(super) fn each_index(shape: Shape, mut value: impl FnMut(&Index) -> f64) -> Vec<f64> {
    let mut index: Index = [0; MAX_RANK];
    let mut values = Vec::with_capacity(shape.elements());
    for _ in 0..shape.elements() {
        values.push(value(&index));
        for axis in (0..shape.rank()).rev() {
            index[axis] += 1;
            if index[axis] < shape.sizes()[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    values
}

impl Operand<'_> {
    /// The value at an index of the operand's own.
    pub(super) fn at(&self, index: &Index) -> f64 {
        self.values[position(self.shape, index)]
    }
}

/// Where an index lies in row-major order.
pub(super) fn position(shape: Shape, index: &Index) -> usize {
    shape.strides().iter().zip(index).take(shape.rank()).map(|(stride, index)| stride * index).sum()
}

pub(super) fn permute(shape: Shape, operand: &Operand, order: &[u8; MAX_RANK]) -> Vec<f64> {
    each_index(shape, |index| {
        let mut from = [0; MAX_RANK];
        for axis in 0..shape.rank() {
            from[order[axis] as usize] = index[axis];
        }
        operand.at(&from)
    })
}

pub(super) fn broadcast(shape: Shape, operand: &Operand) -> Vec<f64> {
    each_index(shape, |index| {
        let mut from = *index;
        for (axis, &size) in operand.shape.sizes().iter().enumerate() {
            if size == 1 {
                from[axis] = 0;
            }
        }
        operand.at(&from)
    })
}

pub(super) fn slice(shape: Shape, operand: &Operand, start: &Index) -> Vec<f64> {
    each_index(shape, |index| operand.at(&std::array::from_fn(|axis| index[axis] + start[axis])))
}

pub(super) fn pad(shape: Shape, operand: &Operand, before: &Index) -> Vec<f64> {
    each_index(shape, |index| {
        let mut from = [0; MAX_RANK];
        for (axis, &size) in operand.shape.sizes().iter().enumerate() {
            if index[axis] < before[axis] || index[axis] - before[axis] >= size {
                return 0.0;
            }
            from[axis] = index[axis] - before[axis];
        }
        operand.at(&from)
    })
}

pub(super) fn concatenate(shape: Shape, operands: &[Operand], axis: usize) -> Vec<f64> {
    each_index(shape, |index| {
        let mut from = *index;
        for operand in operands {
            let size = operand.shape.sizes()[axis];
            if from[axis] < size {
                return operand.at(&from);
            }
            from[axis] -= size;
        }
        f64::NAN
    })
}

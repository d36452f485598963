//! Reductions, products, gather and scatter-add, as their definitions say them.

use super::movement::{each_index, position};
use super::{Index, Operand};
use crate::graph::op::Reduction;
use crate::graph::shape::{MAX_RANK, Shape};

pub(super) fn reduce(
    shape: Shape,
    operand: &Operand,
    reduction: Reduction,
    axes: &[bool; MAX_RANK],
) -> Vec<f64> {
    let start = if reduction == Reduction::Maximum { f64::NEG_INFINITY } else { 0.0 };
    let mut result = vec![start; shape.elements()];
    let mut largest = vec![f64::NEG_INFINITY; shape.elements()];
    // Row-major order meets the lowest index of several equal ones first.
    each_index(operand.shape, |index| {
        let to: Index = std::array::from_fn(|axis| if axes[axis] { 0 } else { index[axis] });
        let (to, value) = (position(shape, &to), operand.at(index));
        match reduction {
            Reduction::Sum => result[to] += value,
            // NaN is kept, and the first one is where the largest value is.
            Reduction::Maximum if value > result[to] || value.is_nan() => result[to] = value,
            Reduction::ArgumentMaximum
                if value > largest[to] || (value.is_nan() && !largest[to].is_nan()) =>
            {
                largest[to] = value;
                result[to] = (0..MAX_RANK).find(|&axis| axes[axis]).map_or(0.0, |axis| index[axis] as f64);
            }
            Reduction::Maximum | Reduction::ArgumentMaximum => {}
        }
        value
    });
    result
}

pub(super) fn largest(shape: Shape, operand: &Operand, count: usize) -> Vec<f64> {
    let mut result = vec![0.0; shape.elements()];
    let rows = result.chunks_mut(shape.columns()).zip(operand.values.chunks(shape.columns()));
    for (marks, values) in rows {
        let mut order: Vec<usize> = (0..values.len()).collect();
        let above = |value: f64| if value.is_nan() { f64::INFINITY } else { value };
        // A stable sort keeps equal values in the order of their indices; NaN comes before infinity.
        order.sort_by(|&a, &b| {
            above(values[b])
                .total_cmp(&(above(values[a]) + 0.0))
                .then(values[b].is_nan().cmp(&values[a].is_nan()))
        });
        order[..count].iter().for_each(|&at| marks[at] = 1.0);
    }
    result
}

pub(super) fn product(
    shape: Shape,
    left: &Operand,
    right: &Operand,
    transpose_left: bool,
    transpose_right: bool,
) -> Vec<f64> {
    let (rows, columns) = (shape.sizes()[0], shape.sizes()[1]);
    let inner = left.shape.sizes()[usize::from(!transpose_left)];
    let mut result = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let mut sum = 0.0;
            for k in 0..inner {
                let a = if transpose_left { k * rows + row } else { row * inner + k };
                let b = if transpose_right { column * inner + k } else { k * columns + column };
                sum += left.values[a] * right.values[b];
            }
            result.push(sum);
        }
    }
    result
}

/// The row of a table that an index means: the last one for an index outside; none of an empty table.
fn row_of(index: f64, rows: usize) -> Option<usize> {
    Some((index as usize).min(rows.checked_sub(1)?))
}

pub(super) fn gather(shape: Shape, table: &Operand, indices: &Operand) -> Vec<f64> {
    each_index(shape, |index| match row_of(indices.values[index[0]], table.shape.rows()) {
        Some(row) => table.values[row * shape.columns() + index[1]],
        None => 0.0,
    })
}

pub(super) fn scatter_add(shape: Shape, rows: &Operand, indices: &Operand) -> Vec<f64> {
    let mut result = vec![0.0; shape.elements()];
    each_index(rows.shape, |index| {
        let value = rows.at(index);
        if let Some(row) = row_of(indices.values[index[0]], shape.rows()) {
            result[row * shape.columns() + index[1]] += value;
        }
        value
    });
    result
}

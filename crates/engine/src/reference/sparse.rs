//! Rows that are zero but for a few values, as the definitions say it: written out.

use super::Operand;
use super::row;
use crate::graph::op::{BLOCK, Sparse};
use crate::graph::shape::Shape;

pub(super) fn compute(kind: Sparse, shape: Shape, operands: &[Operand]) -> Vec<f64> {
    let values = |number: usize| operands[number].values;
    match kind {
        Sparse::Positions => {
            let marks = row::largest(operands[0].shape, &operands[0], shape.columns());
            let rows = marks.chunks(operands[0].shape.columns());
            rows.flat_map(|row| (0..row.len()).filter(|at| row[*at] != 0.0).map(|at| at as f64)).collect()
        }
        Sparse::Index { columns } => {
            let block = |at: &usize| place(values(0)[*at], columns) / BLOCK;
            let mut places: Vec<usize> = (0..values(0).len()).collect();
            places.sort_by_key(block);
            let begins = |number: usize| places.iter().filter(|at| block(at) < number).count() as f64;
            (0..=columns.div_ceil(BLOCK)).map(begins).chain(places.iter().map(|at| *at as f64)).collect()
        }
        Sparse::Pick => at_positions(operands[0].shape.columns(), values(0), &operands[1]),
        Sparse::Spread => spread(shape.columns(), values(0), &operands[1]),
        Sparse::Product => {
            let table = operands[2].shape;
            product(&spread(table.rows(), values(0), &operands[1]), values(2), table.rows(), table.columns())
        }
        Sparse::Sampled => {
            let table = operands[1].shape;
            let turned = turn(values(1), table.columns());
            let all = product(values(0), &turned, table.columns(), table.rows());
            at_positions(table.rows(), &all, &operands[2])
        }
        Sparse::Outer | Sparse::TurnedOuter => {
            let columns = operands[2].shape.columns();
            let rows = shape.elements() / columns;
            let written = turn(&spread(rows, values(0), &operands[1]), rows);
            let outer = product(&written, values(2), operands[2].shape.rows(), columns);
            if kind == Sparse::Outer { outer } else { turn(&outer, columns) }
        }
    }
}

/// Positions beyond the last column mean it.
fn place(position: f64, columns: usize) -> usize {
    (position as usize).min(columns - 1)
}

fn at_positions(columns: usize, rows: &[f64], positions: &Operand) -> Vec<f64> {
    let count = positions.shape.columns();
    let at = |at: usize| rows[at / count * columns + place(positions.values[at], columns)];
    (0..positions.values.len()).map(at).collect()
}

fn spread(columns: usize, values: &[f64], positions: &Operand) -> Vec<f64> {
    let count = positions.shape.columns();
    let mut rows = vec![0.0; values.len() / count * columns];
    for (at, value) in values.iter().enumerate() {
        rows[at / count * columns + place(positions.values[at], columns)] += value;
    }
    rows
}

fn turn(values: &[f64], columns: usize) -> Vec<f64> {
    let rows = values.len() / columns;
    (0..values.len()).map(|at| values[at % rows * columns + at / rows]).collect()
}

fn product(left: &[f64], right: &[f64], inner: usize, columns: usize) -> Vec<f64> {
    let at = |row: usize, column: usize| {
        (0..inner).map(|k| left[row * inner + k] * right[k * columns + column]).sum()
    };
    let rows = left.len() / inner;
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| at(row, column))
        .collect()
}

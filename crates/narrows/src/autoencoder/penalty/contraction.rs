//! The contractive penalty: λ‖∂h/∂x‖²_F averaged over rows, h being the code layer's values (Rifai et al. 2011).
//!
//! With layers h_l = f(a_l), a_l = h_{l−1} W_l + b_l, the Jacobian of a row is a product of W_l and F_l = ∂h_l/∂a_l. For one layer of
//! elementwise units ‖J‖² = Σⱼ f′(aⱼ)² Σᵢ Wᵢⱼ². For more it is built from the code's side: G has a row for each code unit and is
//! carried down, G ← (G F_l) W_lᵀ. Below the first layer its squared length is Σ (G M) ∘ G with M = W₁ᵀW₁, which needs no product
//! with D.

use super::Penalised;
use crate::network::activation::is_elementwise;
use crate::network::{Role, Step};
use crate::recipe::Contraction;
use narrows_engine::op::{Binary, Distribution};
use narrows_engine::{Error, Graph, Tensor};

/// The penalty.
///
/// # Errors
/// A derivative that cannot be had.
pub fn contraction<'g>(
    contraction: Contraction,
    of: &Penalised<'_, 'g>,
) -> Result<Option<Tensor<'g>>, Error> {
    let rows = of.code.shape().rows() as f32;
    let (squares, weight) = match contraction {
        Contraction::Exact { weight } if weight > 0.0 => (exact(of)?.sum_all(), weight),
        Contraction::Estimate { weight, draws } if weight > 0.0 => (estimate(of, draws)?, weight),
        _ => return Ok(None),
    };
    Ok(Some(squares * (weight as f32 / rows)))
}

/// Terms of ‖J‖²_F: a row's stand in one row or, for encoders of several layers, in K rows, one after another.
///
/// # Errors
/// A derivative that cannot be had.
pub fn exact<'g>(of: &Penalised<'_, 'g>) -> Result<Tensor<'g>, Error> {
    let graph = of.graph;
    let steps = &of.pass.trace[..of.encoder];
    let weights = weights(of, steps);
    let [first, .., last] = steps else {
        let only = &steps[0];
        if is_elementwise(only.activation) {
            let squares = slopes(graph, only)?.square();
            let lengths = weights[0].square().sum(&[0]);
            return Ok(squares * lengths);
        }
        let units = only.values.shape().columns();
        let jacobian = through(graph, only, unit_rows(graph, only.values.shape().rows(), units), units)?;
        return Ok(squared_lengths(jacobian, weights[0]));
    };
    let units = last.values.shape().columns();
    let rows = last.values.shape().rows();
    // The top layer: row j of G is the jth row of F W ᵀ, with no product if F is diagonal.
    let top = weights[steps.len() - 1];
    let mut carried = if is_elementwise(last.activation) {
        // Row j of every batch row has one number, at place j.
        let places = numbered(graph, rows * units, |row| row % units);
        slopes(graph, last)?.reshape([rows * units, 1]).spread(places, units).matmul(top.transpose())
    } else {
        through(graph, last, unit_rows(graph, rows, units), units)?.matmul(top.transpose())
    };
    for (step, weight) in steps[1..steps.len() - 1].iter().zip(&weights[1..]).rev() {
        carried = through(graph, step, carried, units)?.matmul(weight.transpose());
    }
    Ok(squared_lengths(through(graph, first, carried, units)?, weights[0]))
}

/// Terms of ‖G W₁ᵀ‖², row by row, for G of N×H: by the H×H products of W₁'s columns where that is less work than a product with D.
fn squared_lengths<'g>(carried: Tensor<'g>, weight: Tensor<'g>) -> Tensor<'g> {
    let (features, width) = (weight.shape().rows(), weight.shape().columns());
    if width < features {
        let products = weight.transpose().matmul(weight);
        // M is its own transpose, which differentiation cannot know: the derivative 2 G M by G is written out, so that the product is
        // there already. The second term is 0.
        let fixed = carried.stop_gradient();
        let both = fixed.matmul(products);
        both * fixed + (carried - fixed) * both.stop_gradient() * 2.0
    } else {
        carried.matmul(weight.transpose()).square()
    }
}

/// Rows of the unit matrix, once for each of B rows: (B·K)×K.
fn unit_rows(graph: &Graph, rows: usize, units: usize) -> Tensor<'_> {
    let (across, down) = (graph.position([rows, units, units], 2), graph.position([rows, units, units], 1));
    across.equal(down).reshape([rows * units, units])
}

/// G F for one layer, G having `units` rows for each row of the batch.
fn through<'g>(
    graph: &'g Graph,
    step: &Step<'g>,
    carried: Tensor<'g>,
    units: usize,
) -> Result<Tensor<'g>, Error> {
    // A batch row's numbers for each of its rows of G, written as a product with sparse rows, whose derivative sums them up again.
    let rows = step.values.shape().rows();
    let owners = numbered(graph, rows * units, |row| row / units);
    let each = |tensor: Tensor<'g>| {
        graph.constant(1.0).stretch([rows * units, 1]).spread(owners, rows).matmul(tensor)
    };
    if is_elementwise(step.activation) {
        return Ok(carried * each(slopes(graph, step)?));
    }
    // Softmax: F = diag(h) − h hᵀ.
    let values = each(step.values);
    Ok(values * (carried - (carried * values).sum(&[1])))
}

/// A whole number for each of so many rows, N×1.
fn numbered(graph: &Graph, rows: usize, number: impl Fn(usize) -> usize) -> Tensor<'_> {
    let numbers: Vec<f32> = (0..rows).map(|row| number(row) as f32).collect();
    graph.table([rows, 1], &numbers)
}

/// f′(a) of elementwise units, dropout included, B×H.
fn slopes<'g>(graph: &'g Graph, step: &Step<'g>) -> Result<Tensor<'g>, Error> {
    Ok(graph.gradient(step.values.sum_all(), &[step.sums])?[0])
}

fn weights<'g>(of: &Penalised<'_, 'g>, steps: &[Step<'g>]) -> Vec<Tensor<'g>> {
    let all = &of.pass.parameters.list;
    steps
        .iter()
        .filter_map(|step| {
            let name = format!("{}.weight", step.name);
            all.iter().find(|(known, _, role)| *known == name && *role == Role::Weight).map(|known| known.1)
        })
        .collect()
}

/// Σ over rows of the mean of ‖vᵀJ‖² over draws of v, its entries ±1.
fn estimate<'g>(of: &Penalised<'_, 'g>, draws: usize) -> Result<Tensor<'g>, Error> {
    let graph = of.graph;
    let steps = &of.pass.trace[..of.encoder];
    let (input, values) = (steps[0].input, steps[steps.len() - 1].values);
    let mut sum = graph.constant(0.0);
    for _ in 0..draws {
        let draw = graph.random(of.row_ids, values.shape().columns(), Distribution::Uniform);
        let signs = draw.binary(Binary::GreaterOrEqual, graph.constant(0.5)) * 2.0 - 1.0;
        sum = sum + graph.gradient((values * signs).sum_all(), &[input])?[0].square().sum_all();
    }
    Ok(sum * (1.0 / draws as f32))
}

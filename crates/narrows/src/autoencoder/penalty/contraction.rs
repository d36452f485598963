//! The contractive penalty: λ‖∂h/∂x‖²_F averaged over rows, h being the code layer's values (Rifai et al. 2011).
//!
//! With layers h_l = f(a_l), a_l = h_{l−1} W_l + b_l, the Jacobian of a row is a product of W_l and F_l = ∂h_l/∂a_l. For one layer of
//! elementwise units ‖J‖² = Σⱼ f′(aⱼ)² Σᵢ Wᵢⱼ². For more it is built from the code's side: G has a row for each code unit and is
//! carried down, G ← (G F_l) W_lᵀ. Below the first layer its squared length is Σ (G M) ∘ G = Σ (GᵀG) ∘ M with M = W₁ᵀW₁, which needs
//! no product with D. Where there are other layers than dense ones, each code unit's row of J is its derivative by what the encoder hears.

use super::Penalised;
use crate::network::activation::{is_elementwise, softmax};
use crate::network::{Layer, Role, Step};
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
        Contraction::Exact { weight } if weight > 0.0 => {
            let carried = if is_dense(of) { carried(of)? } else { None };
            let squares = match carried {
                Some((carried, weight)) if is_narrow(weight) => {
                    // G is read twice, and nothing of its size but its derivative 2 G M is written.
                    carried.product(carried, true, false) * weight.product(weight, true, false)
                }
                _ => exact(of)?,
            };
            (squares.sum_all(), weight)
        }
        Contraction::Estimate { weight, draws } if weight > 0.0 => (estimate(of, draws)?.sum_all(), weight),
        _ => return Ok(None),
    };
    Ok(Some(squares * (weight as f32 / rows)))
}

/// Terms of ‖J‖²_F: a row's stand in one row or, where G is carried down, in K rows, one after another.
///
/// # Errors
/// A derivative that cannot be had.
pub fn exact<'g>(of: &Penalised<'_, 'g>) -> Result<Tensor<'g>, Error> {
    if !is_dense(of) {
        return by_unit(of);
    }
    let Some((carried, weight)) = carried(of)? else {
        let squares = slopes(of.graph, &of.pass.trace[0])?.square();
        let lengths = weights(of)[0].square().sum(&[0]);
        return Ok(squares * lengths);
    };
    Ok(if is_narrow(weight) {
        carried.matmul(weight.product(weight, true, false)) * carried
    } else {
        carried.matmul(weight.transpose()).square()
    })
}

/// Code units at most whose derivatives are built one by one: each is a pass back through the encoder.
pub const MOST_UNITS: usize = 128;

/// Whether the exact Jacobian of an encoder, or of a part of one, can be built.
pub fn has_exact(encoder: &[Layer]) -> bool {
    encoder.iter().all(Layer::is_dense) || encoder.last().is_some_and(|code| code.outputs() <= MOST_UNITS)
}

/// Whether every layer of the encoder is a matrix of weights.
fn is_dense(of: &Penalised<'_, '_>) -> bool {
    let weights = weights(of);
    weights.len() == of.encoder && weights.iter().all(|weight| weight.shape().rank() == 2)
}

/// Terms, B×D: Σⱼ (∂hⱼ/∂x)², a derivative for each code unit.
fn by_unit<'g>(of: &Penalised<'_, 'g>) -> Result<Tensor<'g>, Error> {
    let steps = &of.pass.trace[..of.encoder];
    let (input, values) = (steps[0].input, steps[steps.len() - 1].values);
    let (rows, units) = (values.shape().rows(), values.shape().columns());
    let mut sum = of.graph.constant(0.0);
    for unit in 0..units {
        let own = values.slice(&[0, unit], &[rows, 1]).sum_all();
        sum = sum + of.graph.gradient(own, &[input])?[0].square();
    }
    Ok(sum)
}

/// Whether products of W's columns, H×H, are less work than W, D×H.
fn is_narrow(weight: Tensor<'_>) -> bool {
    weight.shape().columns() < weight.shape().rows()
}

/// G F₁, (B·K)×H, and W₁, D×H: J has a row for each of G F₁ W₁ᵀ. A single layer of elementwise units needs neither.
fn carried<'g>(of: &Penalised<'_, 'g>) -> Result<Option<(Tensor<'g>, Tensor<'g>)>, Error> {
    let graph = of.graph;
    let (steps, weights) = (&of.pass.trace[..of.encoder], weights(of));
    let last = &steps[steps.len() - 1];
    let (rows, units) = (last.values.shape().rows(), last.values.shape().columns());
    let [first, .., _] = steps else {
        if is_elementwise(last.activation) {
            return Ok(None);
        }
        return Ok(Some((through(graph, last, unit_rows(graph, rows, units), units)?, weights[0])));
    };
    // The top layer: row j of G is the jth row of F W ᵀ, with no product if F is diagonal.
    let top = weights[steps.len() - 1];
    let mut carried = if is_elementwise(last.activation) {
        let below = top.shape().rows();
        let each =
            slopes(graph, last)?.reshape([rows, units, 1]) * top.transpose().reshape([1, units, below]);
        each.reshape([rows * units, below])
    } else {
        through(graph, last, unit_rows(graph, rows, units), units)?.matmul(top.transpose())
    };
    for (step, weight) in steps[1..steps.len() - 1].iter().zip(&weights[1..]).rev() {
        carried = through(graph, step, carried, units)?.matmul(weight.transpose());
    }
    Ok(Some((through(graph, first, carried, units)?, weights[0])))
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
    let [rows, width] = [step.values.shape().rows(), step.values.shape().columns()];
    // A batch row's numbers meet each of its rows of G.
    let (whole, carried) = (carried.shape(), carried.reshape([rows, units, width]));
    let each = |tensor: Tensor<'g>| tensor.reshape([rows, 1, width]);
    let through = if is_elementwise(step.activation) {
        carried * each(slopes(graph, step)?)
    } else {
        // Softmax: F = diag(h) − h sᵀ, s being the shares: what h is but for dropout.
        let (values, shares) = (each(step.values), each(softmax(step.sums)));
        values * carried - (carried * values).sum(&[2]) * shares
    };
    Ok(through.reshape(whole))
}

/// f′(a) of elementwise units, dropout included, B×H.
fn slopes<'g>(graph: &'g Graph, step: &Step<'g>) -> Result<Tensor<'g>, Error> {
    Ok(graph.gradient(step.values.sum_all(), &[step.sums])?[0])
}

/// The encoder's weights, from the rows up.
fn weights<'g>(of: &Penalised<'_, 'g>) -> Vec<Tensor<'g>> {
    let all = &of.pass.parameters.list;
    of.pass.trace[..of.encoder]
        .iter()
        .filter_map(|step| {
            let name = format!("{}.weight", step.name);
            all.iter().find(|(known, _, role)| *known == name && *role == Role::Weight).map(|known| known.1)
        })
        .collect()
}

/// Terms, B×D, of the mean of ‖vᵀJ‖² over draws of v, its entries ±1; a row's stand in its own.
///
/// # Errors
/// A derivative that cannot be had.
pub fn estimate<'g>(of: &Penalised<'_, 'g>, draws: usize) -> Result<Tensor<'g>, Error> {
    let graph = of.graph;
    let steps = &of.pass.trace[..of.encoder];
    let (input, values) = (steps[0].input, steps[steps.len() - 1].values);
    let mut sum = graph.constant(0.0);
    for _ in 0..draws {
        let draw = graph.random(of.row_ids, values.shape().columns(), Distribution::Uniform);
        let signs = draw.binary(Binary::GreaterOrEqual, graph.constant(0.5)) * 2.0 - 1.0;
        sum = sum + graph.gradient((values * signs).sum_all(), &[input])?[0].square();
    }
    Ok(sum * (1.0 / draws as f32))
}

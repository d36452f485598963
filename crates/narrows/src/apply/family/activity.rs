//! How code units are used: how much, by how many rows, and which never.

use super::Judged;
use crate::error::Error;
use crate::recipe::{Activation, Bottleneck, Sparsity};
use serde::Serialize;

/// A unit whose values differ by less than this part of the most varied unit's says the same of every row.
const SAME: f32 = 0.01;

/// The use of code units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Activity {
    /// Mean value of all units.
    pub mean_activation: f64,
    /// Units that are active in a row, on average (L0): not 0, above ½ where
    /// units are sigmoid, above 1 % of the largest value elsewhere.
    pub active_a_row: f64,
    /// Units that say the same of every row; behind top-k, that are never kept.
    pub dead_units: usize,
    /// Share of the rows' variance that reconstructions leave unexplained; no number for rows that do not vary.
    pub variance_unexplained: f64,
}

/// The use of code units of a model that was to use few of them.
///
/// # Errors
/// As for [`super::figures`].
pub fn activity(judged: &Judged<'_>) -> Result<Option<Activity>, Error> {
    let codec = judged.codec;
    let description = &codec.model().description;
    let penalty = &description.recipe.train.penalty;
    let bottleneck = codec.network().bottleneck;
    let chosen = matches!(bottleneck, Bottleneck::TopK { .. } | Bottleneck::Binary { .. });
    if !chosen && penalty.sparsity == Sparsity::None && penalty.code_l1 == 0.0 {
        return Ok(None);
    }
    let (units, features) = (codec.code(), codec.features());
    let mut spans = vec![(f32::INFINITY, f32::NEG_INFINITY); units];
    let (mut sum, mut error) = (0.0, 0.0);
    let mut columns = vec![(0.0f64, 0.0f64); features];
    for (_, mut rows) in judged.chunks() {
        for (at, value) in codec.encode(&rows)?.into_iter().enumerate() {
            let span = &mut spans[at % units];
            *span = (span.0.min(value), span.1.max(value));
            sum += f64::from(value);
        }
        let rebuilt = codec.reconstruct_prepared(&rows)?;
        description.preparation.prepare(&mut rows);
        for (at, (value, rebuilt)) in rows.iter().zip(&rebuilt).enumerate() {
            let (value, column) = (f64::from(*value), &mut columns[at % features]);
            *column = (column.0 + value, column.1 + value * value);
            error += (value - f64::from(*rebuilt)).powi(2);
        }
    }
    let largest = spans.iter().map(|(low, high)| low.abs().max(high.abs())).fold(0.0, f32::max);
    let silent = match (bottleneck, description.recipe.model.code_activation) {
        (Bottleneck::TopK { .. } | Bottleneck::Binary { .. }, _) => 0.0,
        (_, Activation::Sigmoid | Activation::Softmax) => 0.5,
        // A penalty makes values small, and none exactly 0.
        _ => SAME * largest,
    };
    let mut active = 0;
    for (_, rows) in judged.chunks() {
        active += codec.encode(&rows)?.iter().filter(|value| value.abs() > silent).count();
    }
    let count = judged.count();
    let variance: f64 = columns.iter().map(|(sum, squares)| squares - sum * sum / count).sum();
    let widest = spans.iter().map(|(low, high)| high - low).fold(0.0, f32::max);
    let is_dead = |(low, high): &&(f32, f32)| match bottleneck {
        Bottleneck::TopK { .. } => *low == 0.0 && *high == 0.0,
        _ => high - low < SAME * widest || widest == 0.0,
    };
    Ok(Some(Activity {
        mean_activation: sum / (count * units as f64),
        active_a_row: active as f64 / count,
        dead_units: spans.iter().filter(is_dead).count(),
        variance_unexplained: error / variance,
    }))
}

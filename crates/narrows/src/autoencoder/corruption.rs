//! Corruption: what training does to inputs, so that the network learns what belongs together instead of copying
//! (Vincent et al. 2010). Every draw is keyed by row and step: fresh each time, the same wherever a row stands in a batch.

use crate::data::ItemShape;
use crate::recipe::Corruption;
use narrows_engine::op::{Binary, Distribution};
use narrows_engine::{Graph, Tensor};

/// Inputs as the network gets them.
#[derive(Clone, Copy)]
pub struct Corrupted<'g> {
    /// The rows, B×D.
    pub rows: Tensor<'g>,
    /// 1 where a number was chosen to be changed, else 0, B×D; none where all or none were.
    pub changed: Option<Tensor<'g>>,
}

/// Corrupts clean rows, B×D, keyed by their row ids.
pub fn corrupt<'g>(
    graph: &'g Graph,
    corruption: Corruption,
    shape: &ItemShape,
    clean: Tensor<'g>,
    row_ids: Tensor<'g>,
) -> Corrupted<'g> {
    let draws = |columns, distribution| graph.random(row_ids, columns, distribution);
    let features = clean.shape().columns();
    let zero = graph.constant(0.0);
    match corruption {
        Corruption::None => Corrupted { rows: clean, changed: None },
        Corruption::Masking { share } => {
            let changed = graph.constant(share as f32).greater(draws(features, Distribution::Uniform));
            Corrupted { rows: changed.select(zero, clean), changed: Some(changed) }
        }
        Corruption::Gaussian { deviation } => {
            let noise = draws(features, Distribution::Normal) * deviation as f32;
            Corrupted { rows: clean + noise, changed: None }
        }
        Corruption::SaltAndPepper { share } => {
            let draw = draws(features, Distribution::Uniform);
            let changed = graph.constant(share as f32).greater(draw);
            let salt = graph.constant(share as f32 / 2.0).greater(draw);
            Corrupted { rows: changed.select(salt, clean), changed: Some(changed) }
        }
        Corruption::Block { height, width } => {
            let changed = block(graph, shape, (height, width), row_ids);
            Corrupted { rows: changed.select(zero, clean), changed: Some(changed) }
        }
    }
}

/// 1 inside a rectangle at a random place of each picture, B×D; every place equally likely.
fn block<'g>(
    graph: &'g Graph,
    shape: &ItemShape,
    (height, width): (usize, usize),
    row_ids: Tensor<'g>,
) -> Tensor<'g> {
    let ItemShape::Image { height: rows, width: columns, channels } = *shape else {
        return graph.constant(0.0);
    };
    let features = rows * columns * channels;
    // With u uniform on [0, places): position p is inside a stretch of `size` that begins at ⌊u⌋ if and only if
    // p − size + 1 ≤ ⌊u⌋ ≤ p, which for whole p is p − size + 1 ≤ u < p + 1.
    let inside = |position: &dyn Fn(usize) -> usize, size: usize, all: usize| {
        let places = (all + 1).saturating_sub(size).max(1);
        let start = graph.random(row_ids, 1, Distribution::Uniform) * places as f32;
        let bound = |offset: f32| {
            let values: Vec<f32> = (0..features).map(|at| position(at) as f32 + offset).collect();
            graph.table([features], &values)
        };
        let begun = start.binary(Binary::GreaterOrEqual, bound(1.0 - size as f32));
        begun * bound(1.0).greater(start)
    };
    inside(&|at| at / channels / columns, height, rows)
        * inside(&|at| at / channels % columns, width, columns)
}

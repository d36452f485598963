//! Preparation inside the graph: the same operations as [`Preparation::prepare`], done where the rows are used.

use crate::data::Preparation;
use narrows_engine::{Graph, Tensor};

/// Prepares stored rows, B×D.
pub fn prepare<'g>(graph: &'g Graph, preparation: &Preparation, rows: Tensor<'g>) -> Tensor<'g> {
    let rows = rows.convert();
    let features = rows.shape().columns();
    let values = |list: &[f32]| match list {
        [one] => graph.constant(*one),
        // One for each channel stands for one for each pixel's.
        _ => graph.table([features], &list.iter().copied().cycle().take(features).collect::<Vec<f32>>()),
    };
    let spread = |list: Vec<f32>| {
        let safe: Vec<f32> = list.into_iter().map(|value| if value == 0.0 { 1.0 } else { value }).collect();
        values(&safe)
    };
    match preparation {
        Preparation::None => rows,
        Preparation::Scale { minimum, maximum } => {
            let range = maximum.iter().zip(minimum).map(|(high, low)| high - low).collect();
            (rows - values(minimum)) / spread(range)
        }
        Preparation::TfIdf { weight } => {
            let (zero, one) = (graph.constant(0.0), graph.constant(1.0));
            let weighed =
                values(weight) * rows.greater(zero) * (rows.greater(zero).select(rows, one).log() + 1.0);
            let length = weighed.square().sum(&[1]).sqrt();
            weighed / length.greater(zero).select(length, one)
        }
        Preparation::Standardise { mean, deviation } => (rows - values(mean)) / spread(deviation.clone()),
    }
}

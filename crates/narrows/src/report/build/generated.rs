//! Rows decoded from codes that no row gave.

use super::Shown;
use crate::apply::generate;
use crate::data::Dataset;
use crate::error::Error;
use crate::report::Generated;

/// Steps of the map along each unit.
const SIDE: usize = 15;
/// Rows drawn from the prior, or from a Boltzmann machine.
const SAMPLES: usize = 18;
/// Training rows that are looked at for the nearest.
const MOST_ROWS: usize = 10_000;
/// The seed of the draws: a page drawn again is the same page.
const SEED: u64 = 1;

/// The map of a code of two units, and draws from a prior with the nearest training rows; pictures only.
pub(super) fn of(shown: &Shown<'_>, training: (&Dataset, &[u32])) -> Result<Generated, Error> {
    let codec = shown.codec;
    let mut generated = Generated::default();
    if !codec.model().is_autoencoder() || shown.picture.is_none() || codec.network().asks_encoder().is_some()
    {
        return Ok(generated);
    }
    if codec.code() == 2 {
        let codes = generate::grid(codec, Some(training), SIDE)?;
        generated.map = shown.draw(codec.decode(&codes)?);
    }
    let samples = if codec.model().is_boltzmann() {
        Some(generate::from_machines(codec, SAMPLES, generate::GIBBS_STEPS, SEED)?)
    } else if generate::has_prior(codec) {
        Some(codec.decode(&generate::from_prior(codec, SAMPLES, SEED))?)
    } else {
        None
    };
    if let Some(samples) = samples {
        generated.nearest = shown.draw(nearest(&samples, codec.features(), training));
        generated.samples = shown.draw(samples);
    }
    Ok(generated)
}

/// For each row of `samples` the training row at the least squared distance.
fn nearest(samples: &[f32], features: usize, (dataset, rows): (&Dataset, &[u32])) -> Vec<f32> {
    let count = samples.len() / features;
    let mut best = vec![f32::INFINITY; count];
    let mut found = vec![0.0; samples.len()];
    let mut row = vec![0.0; features];
    for number in rows.iter().step_by(rows.len().div_ceil(MOST_ROWS).max(1)) {
        dataset.row_f32(*number as usize, &mut row);
        for (at, sample) in samples.chunks_exact(features).enumerate() {
            let distance: f32 = sample.iter().zip(&row).map(|(a, b)| (a - b) * (a - b)).sum();
            if distance < best[at] {
                best[at] = distance;
                found[at * features..(at + 1) * features].copy_from_slice(&row);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ItemShape, Values};

    #[test]
    fn the_nearest_row_is_found() {
        let dataset = Dataset {
            maps: None,
            shape: ItemShape::Vector { columns: None, width: 2 },
            values: Values::F32(vec![0.0, 0.0, 5.0, 5.0, 9.0, 1.0]),
            labels: None,
            names: None,
        };
        let found = nearest(&[4.0, 4.0, 8.0, 0.0, 0.2, -3.0], 2, (&dataset, &[0, 1, 2]));
        assert_eq!(found, [5.0, 5.0, 9.0, 1.0, 0.0, 0.0]);
        // Only the rows that are named are looked at.
        assert_eq!(nearest(&[6.0, 3.0], 2, (&dataset, &[0, 2])), [9.0, 1.0]);
    }
}

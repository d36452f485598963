//! The variational bound: −ln p(x) ≤ E[−ln p(x|z)] + KL(q(z|x) ‖ p(z)), by one sample a row keyed by row and seed, and the
//! importance-weighted estimate −ln p(x) ≈ −ln 1/L Σ p(x|z) p(z)/q(z|x) (Burda et al. 2016).

use super::{Judged, STEP};
use crate::apply::row_program::{ROWS, RowProgram};
use crate::autoencoder::Output;
use crate::autoencoder::bottleneck::gaussian;
use crate::boltzmann::partition::LogSum;
use crate::boltzmann::units::binarised;
use crate::error::Error;
use crate::network::{Mode, Pass};
use crate::recipe::Bottleneck;
use serde::Serialize;

/// A unit is active if its mean varies by more than this over rows (Burda et al. 2016, section 5.2).
const ACTIVE_VARIANCE: f64 = 0.01;

/// The bound and its parts, in nats a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// The sum of both parts, each counted once whatever β was.
    pub bound: f64,
    /// −ln p(x|z) at a sample of the code: the output's loss and, of real rows, the constant of their density.
    pub reconstruction: f64,
    /// The divergence of the code's distribution from the prior.
    pub divergence: f64,
    /// Units whose mean depends on the row.
    pub active_units: usize,
    /// ln p(x) by importance weighting, where samples were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_likelihood: Option<f64>,
    /// Samples behind it.
    #[serde(skip_serializing_if = "is_zero")]
    pub samples: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The bound of a model with a gaussian bottleneck.
///
/// # Errors
/// As for [`super::figures`].
pub fn bound(judged: &Judged<'_>) -> Result<Option<Bound>, Error> {
    let codec = judged.codec;
    let (network, output) = (codec.network(), codec.model().description.output);
    let Bottleneck::Gaussian { .. } = network.bottleneck else { return Ok(None) };
    let binarise = codec.model().description.recipe.data.binarise;
    let mut program = RowProgram::new(codec, ROWS, |graph, rows, row_ids| {
        let rows = if binarise { binarised(graph, rows, row_ids) } else { rows };
        let mut pass = Pass::new(Mode::Use);
        let mean = network.encode(graph, &mut pass, rows);
        let posterior = gaussian::posterior(graph, network, &mut pass, mean);
        let noise = posterior.noise(graph, row_ids);
        let code = posterior.at(noise);
        let sums = network.decode(graph, &mut pass, code);
        // ln p(z) − ln q(z|x): the constants of both normal densities are the same.
        let ratio = (posterior.log_variance + noise.square() - code.square()) * 0.5;
        let mut figures =
            vec![output.loss(sums, rows), posterior.divergence().sum(&[1]), ratio.sum(&[1]), mean];
        figures.extend(binarise.then_some(rows));
        Ok(figures)
    })?;
    let samples = judged.samples;
    let units = codec.code();
    let (mut reconstruction, mut divergence, mut log_likelihood) = (0.0, 0.0, 0.0);
    let mut means = vec![(0.0f64, 0.0f64); units];
    // A squared error is −ln p with σ² = ½ but for this (the lectures' convention).
    let constant = match output {
        Output::Gaussian => 0.5 * codec.features() as f64 * std::f64::consts::PI.ln(),
        Output::Bernoulli | Output::Categorical => 0.0,
    };
    for (ids, rows) in judged.chunks() {
        let first = program.run(codec, &rows, ids, (judged.seed(), STEP))?;
        reconstruction += first[0].iter().map(|value| f64::from(*value) + constant).sum::<f64>();
        divergence += first[1].iter().map(|value| f64::from(*value)).sum::<f64>();
        for (at, value) in first[3].iter().enumerate() {
            let sums = &mut means[at % units];
            *sums = (sums.0 + f64::from(*value), sums.1 + f64::from(*value).powi(2));
        }
        // Every sample of a code meets the same draw of a row that is drawn itself: zeros and ones are drawn as what they are.
        let mut seen = rows;
        if binarise {
            seen.copy_from_slice(&first[4]);
            codec.model().description.preparation.restore(&mut seen);
        }
        let mut weights: Vec<LogSum> = vec![LogSum::default(); ids.len()];
        for sample in 0..samples as u32 {
            let drawn = program.run(codec, &seen, ids, (judged.seed(), STEP - sample))?;
            for (row, weight) in weights.iter_mut().enumerate() {
                weight.add(f64::from(drawn[2][row]) - f64::from(drawn[0][row]) - constant);
            }
        }
        if samples > 0 {
            let mean = |weight: &LogSum| weight.value() - (samples as f64).ln();
            log_likelihood += weights.iter().map(mean).sum::<f64>();
        }
    }
    let count = judged.count();
    let active = |(sum, squares): &&(f64, f64)| squares / count - (sum / count).powi(2) > ACTIVE_VARIANCE;
    Ok(Some(Bound {
        bound: (reconstruction + divergence) / count,
        reconstruction: reconstruction / count,
        divergence: divergence / count,
        active_units: means.iter().filter(active).count(),
        log_likelihood: (samples > 0).then_some(log_likelihood / count),
        samples,
    }))
}

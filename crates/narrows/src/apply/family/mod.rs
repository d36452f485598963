//! Figures that a family of models calls for, one file each, and only where they apply.

mod activity;
mod bound;
mod contraction;
mod denoising;
mod likelihood;

pub use activity::Activity;
pub use bound::Bound;
pub use contraction::JacobianNorm;
pub use denoising::{Denoised, Denoiser};
pub use likelihood::{Likelihood, machines};

use super::codec::Codec;
use super::pca::Pca;
use crate::data::Dataset;
use crate::error::Error;
use serde::Serialize;

/// Rows read at once.
const ROWS: usize = 1024;
/// The step whose random numbers figures use: one that training never comes to. Samples count down from here.
const STEP: u32 = u32::MAX;

/// What a model's parts call for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Family {
    /// Of a gaussian bottleneck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// Of sparse and binary codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// Of a contractive encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contraction: Option<JacobianNorm>,
    /// Of a model trained on corrupted rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denoising: Option<Denoised>,
    /// Of Boltzmann machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likelihood: Option<Box<Likelihood>>,
}

impl Family {
    /// What a user should hear of these figures, a sentence each; `code` is the number of code units.
    pub fn sentences(&self, code: usize) -> Vec<String> {
        let mut sentences = Vec::new();
        if let Some(bound) = &self.bound {
            let Bound { bound, reconstruction, divergence, active_units, log_likelihood, samples } = bound;
            sentences.push(format!(
                "the bound is {bound:.2} nats a row, {reconstruction:.2} to rebuild it and {divergence:.2} to name its code; {active_units} of {code} units are active"
            ));
            if let Some(log_likelihood) = log_likelihood {
                sentences
                    .push(format!("the log-likelihood is {log_likelihood:.2} by {samples} samples a row"));
            }
        }
        if let Some(activity) = &self.activity {
            let Activity { mean_activation, active_a_row, dead_units, variance_unexplained } = activity;
            let dead = 100.0 * *dead_units as f64 / code as f64;
            sentences.push(format!(
                "code units are {mean_activation:.4} on average, {active_a_row:.1} of {code} active in a row, {dead_units} dead ({dead:.1} %); {variance_unexplained:.4} of the variance is left unexplained"
            ));
        }
        if let Some(contraction) = &self.contraction {
            sentences.push(format!("the code's slope ‖∂h/∂x‖ is {:.3} on average", contraction.mean_norm));
        }
        if let Some(Denoised { squared_error, as_it_is, pca, pca_components }) = &self.denoising {
            sentences.push(format!(
                "of corrupted rows it leaves an error of {squared_error:.2}, PCA at best {pca:.2} (with {pca_components}), doing nothing {as_it_is:.2}"
            ));
        }
        if let Some(likelihood) = &self.likelihood {
            sentences.extend(likelihood.sentences());
        }
        sentences
    }
}

/// Rows that a model is judged by.
pub struct Judged<'j> {
    /// The model.
    pub codec: &'j Codec,
    /// The data.
    pub dataset: &'j Dataset,
    /// Which of their rows.
    pub rows: &'j [u32],
    /// PCA with as many components as the code has units, or keeps.
    pub pca: &'j Pca,
    /// Samples for the importance-weighted log-likelihood, or chains for that of Boltzmann machines; 0 for none.
    pub samples: usize,
}

impl Judged<'_> {
    /// Stored rows with their numbers, chunk by chunk.
    fn chunks(&self) -> impl Iterator<Item = (&[u32], Vec<f32>)> {
        self.rows.chunks(ROWS).map(|rows| (rows, self.dataset.select(rows).values.to_f32()))
    }

    fn count(&self) -> f64 {
        self.rows.len().max(1) as f64
    }

    fn seed(&self) -> u64 {
        self.codec.model().description.recipe.train.seed
    }
}

/// All figures that apply.
///
/// # Errors
/// As [`Codec::encode`].
pub fn figures(judged: &Judged<'_>) -> Result<Family, Error> {
    Ok(Family {
        bound: bound::bound(judged)?,
        activity: activity::activity(judged)?,
        contraction: contraction::contraction(judged)?,
        denoising: denoising::denoising(judged)?,
        likelihood: likelihood::likelihood(judged)?.map(Box::new),
    })
}

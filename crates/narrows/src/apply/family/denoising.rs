//! What a denoiser is worth: its error on corrupted rows beside leaving them as they are and beside PCA.

use super::{Judged, STEP};
use crate::apply::codec::Codec;
use crate::apply::evaluate::squared_distance;
use crate::apply::row_program::{ROWS, RowProgram};
use crate::autoencoder::bottleneck::in_use;
use crate::autoencoder::corruption::corrupt;
use crate::error::Error;
use crate::network::{Mode, Pass};
use crate::recipe::Corruption;
use serde::Serialize;

/// Squared errors to the clean rows, summed over features and averaged over rows, in the prepared scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Denoised {
    /// Of the model's reconstructions of corrupted rows.
    pub squared_error: f64,
    /// Of the corrupted rows as they are.
    pub as_it_is: f64,
    /// Of PCA's reconstructions of the corrupted rows, with as many components as do best on these rows.
    pub pca: f64,
    /// How many those are; at most as many as the code has units.
    pub pca_components: usize,
}

/// Corrupts rows as a model's training did, and cleans them.
pub struct Denoiser<'c> {
    codec: &'c Codec,
    program: RowProgram,
}

impl<'c> Denoiser<'c> {
    /// A denoiser by the corruption of the model's recipe, or another.
    ///
    /// # Errors
    /// A graph that cannot be built.
    pub fn new(codec: &'c Codec, corruption: Corruption) -> Result<Denoiser<'c>, Error> {
        let description = &codec.model().description;
        let network = codec.network();
        let program = RowProgram::new(codec, ROWS, |graph, rows, row_ids| {
            let corrupted = corrupt(graph, corruption, &description.shape, rows, row_ids).rows;
            let mut pass = Pass::new(Mode::Use);
            let code = in_use(network.bottleneck, network.encode(graph, &mut pass, corrupted));
            let cleaned = description.output.mean(network.decode(graph, &mut pass, code));
            Ok(vec![corrupted, cleaned])
        })?;
        Ok(Denoiser { codec, program })
    }

    /// Corrupted and cleaned rows, N×D each in the prepared scale, of stored rows with these ids.
    ///
    /// # Errors
    /// Rows that are not finite, or not as many as ids.
    pub fn run(&mut self, rows: &[f32], ids: &[u32], seed: u64) -> Result<[Vec<f32>; 2], Error> {
        let mut both = self.program.run(self.codec, rows, ids, (seed, STEP))?;
        let cleaned = both.pop().unwrap_or_default();
        Ok([both.pop().unwrap_or_default(), cleaned])
    }
}

/// The figures of an autoencoder that was trained on corrupted rows.
///
/// # Errors
/// As for [`super::figures`].
pub fn denoising(judged: &Judged<'_>) -> Result<Option<Denoised>, Error> {
    let description = &judged.codec.model().description;
    let corruption = description.recipe.train.corruption;
    if corruption == Corruption::None {
        return Ok(None);
    }
    let mut denoiser = Denoiser::new(judged.codec, corruption)?;
    let pca = judged.pca;
    let (mut squared_error, mut as_it_is) = (0.0, 0.0);
    let mut by_components = vec![0.0; pca.components() + 1];
    let mut codes = [vec![0.0; pca.components()], vec![0.0; pca.components()]];
    for (ids, mut rows) in judged.chunks() {
        let [corrupted, cleaned] = denoiser.run(&rows, ids, judged.seed())?;
        description.preparation.prepare(&mut rows);
        as_it_is += squared_distance(&rows, &corrupted);
        squared_error += squared_distance(&rows, &cleaned);
        let features = judged.codec.features();
        for (clean, corrupted) in rows.chunks_exact(features).zip(corrupted.chunks_exact(features)) {
            let [own, noisy] = &mut codes;
            pca.encode(clean, own);
            pca.encode(corrupted, noisy);
            // With orthonormal directions, a component c beside the clean row's e changes the error by c² − 2 c e.
            let mut error = squared_distance(clean, pca.mean());
            by_components[0] += error;
            for (sum, (own, noisy)) in by_components[1..].iter_mut().zip(own.iter().zip(noisy)) {
                error += f64::from(*noisy) * (f64::from(*noisy) - 2.0 * f64::from(*own));
                *sum += error;
            }
        }
    }
    let count = judged.count();
    let best = (0..by_components.len()).min_by(|a, b| by_components[*a].total_cmp(&by_components[*b]));
    let pca_components = best.unwrap_or(0);
    Ok(Some(Denoised {
        squared_error: squared_error / count,
        as_it_is: as_it_is / count,
        pca: by_components[pca_components] / count,
        pca_components,
    }))
}

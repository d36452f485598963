//! How far a code moves when its input moves a little: the Frobenius norm of ∂h/∂x, averaged over rows.

use super::{Judged, STEP};
use crate::apply::row_program::{ROWS, RowProgram};
use crate::autoencoder::penalty::{
    Penalised,
    contraction::{estimate, exact, has_exact},
};
use crate::error::Error;
use crate::network::{Mode, Pass};
use crate::recipe::Contraction;
use serde::Serialize;

/// Draws of the estimate, where wide codes behind layers of maps leave no other way.
const DRAWS: usize = 16;
/// Numbers of a Jacobian's intermediate values at once.
const MOST_NUMBERS: usize = 1 << 22;

/// The norm of the Jacobian; of an encoder with layers of maps and a wide code an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct JacobianNorm {
    /// ‖∂h/∂x‖_F, averaged over rows.
    pub mean_norm: f64,
}

/// The norm for a model that was to be contractive.
///
/// # Errors
/// As for [`super::figures`].
pub fn contraction(judged: &Judged<'_>) -> Result<Option<JacobianNorm>, Error> {
    let codec = judged.codec;
    let network = codec.network();
    if codec.model().description.recipe.train.penalty.contraction == Contraction::None {
        return Ok(None);
    }
    // Deep encoders are followed by K rows of their widest layer for each row.
    let widest = network.layers[..network.encoder].iter().map(|layer| layer.outputs()).max().unwrap_or(1);
    let rows = (MOST_NUMBERS / (codec.code() * widest)).clamp(1, ROWS);
    let mut program = RowProgram::new(codec, rows, |graph, rows, row_ids| {
        let mut pass = Pass::new(Mode::Use);
        let code = network.encode(graph, &mut pass, rows);
        let of = Penalised { graph, pass: &pass, encoder: network.encoder, code, row_ids };
        // Terms of a row's squared norm, in one row or, for deep encoders, in one for each unit.
        let exactly = has_exact(&network.layers[..network.encoder]);
        let terms = if exactly { exact(&of)? } else { estimate(&of, DRAWS)? };
        Ok(vec![terms.sum(&[1])])
    })?;
    let mut sum = 0.0;
    for (ids, rows) in judged.chunks() {
        let squares = program.run(codec, &rows, ids, (judged.seed(), STEP))?.remove(0);
        let terms = squares.len() / ids.len();
        let norm = |row: &[f32]| row.iter().map(|square| f64::from(*square)).sum::<f64>().max(0.0).sqrt();
        sum += squares.chunks_exact(terms).map(norm).sum::<f64>();
    }
    Ok(Some(JacobianNorm { mean_norm: sum / judged.count() }))
}

//! Penalties: terms added to the loss, each a number averaged over rows, and one constraint on weights.

pub mod code;
pub mod contraction;
pub mod sparsity;
pub mod unit_atoms;

use crate::network::Pass;
use crate::recipe::PenaltyRecipe;
use narrows_engine::{Error, Graph, Tensor};

/// What a penalty may look at.
pub struct Penalised<'p, 'g> {
    /// The graph of the training step.
    pub graph: &'g Graph,
    /// The layers' values.
    pub pass: &'p Pass<'g>,
    /// How many of them are the encoder's.
    pub encoder: usize,
    /// The code as the decoder gets it, B×K.
    pub code: Tensor<'g>,
    /// Row ids, B.
    pub row_ids: Tensor<'g>,
}

/// All penalties of a recipe.
///
/// # Errors
/// A derivative that cannot be had.
pub fn all<'g>(recipe: &PenaltyRecipe, of: &Penalised<'_, 'g>) -> Result<Vec<Tensor<'g>>, Error> {
    let terms = [
        code::l1(recipe.code_l1, of),
        code::l2(recipe.code_l2, of),
        sparsity::sparsity(recipe.sparsity, of),
        contraction::contraction(recipe.contraction, of)?,
    ];
    Ok(terms.into_iter().flatten().collect())
}

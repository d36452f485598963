//! The `[train.penalty]` section: what is added to the loss beside the output's, each with its weight.

use super::Limits;
use super::part::{part, section};

section! {
    /// What keeps the network from copying: terms added to the loss, and a constraint. Weight decay stands in `[train]`.
    pub struct PenaltyRecipe {
        /// λ: adds λ Σ|hⱼ| over the code, averaged over rows.
        code_l1: f64 = 0.0, Limits::NOT_NEGATIVE;
        /// λ: adds λ Σhⱼ² over the code, averaged over rows.
        code_l2: f64 = 0.0, Limits::NOT_NEGATIVE;
        /// Holds the mean activation of every code unit near a small target.
        sparsity: Sparsity = Sparsity::None, Limits::ANY;
        /// Holds the code still when the input moves a little.
        contraction: Contraction = Contraction::None, Limits::ANY;
        /// Whether the decoder's weights from each code unit are brought to length 1 after every step, so that small codes
        /// with large weights escape no penalty.
        unit_atoms: bool = false, Limits::ANY;
    }
}

part! {
    /// A penalty on mean activations.
    pub enum Sparsity: "none" {
        /// None.
        None = "none",
        /// β Σⱼ KL(ρ ‖ ρ̂ⱼ), ρ̂ⱼ being the mean activation of unit j over the batch (Ng 2011).
        Kl = "kl" {
            /// ρ, the mean activation wanted.
            target: f64 = 0.05, Limits::BETWEEN_0_AND_1;
            /// β.
            weight: f64 = 1.0, Limits::NOT_NEGATIVE;
            /// Share of a running mean that stands in for the batch's own: 0 looks at the batch alone.
            running: f64 = 0.0, Limits::RATE;
        },
    }
}

part! {
    /// A penalty on the Jacobian of the code, ∂h/∂x (Rifai et al. 2011).
    pub enum Contraction: "none" {
        /// None.
        None = "none",
        /// λ‖∂h/∂x‖²_F, averaged over rows, exact for any activation and depth; where not all layers are dense, for codes of up to 128 units.
        Exact = "exact" {
            /// λ.
            weight: f64 = 0.1, Limits::NOT_NEGATIVE;
        },
        /// The same, estimated from random combinations of units v with ±1: E‖vᵀ ∂h/∂x‖² (Hutchinson 1990); for wide codes.
        Estimate = "estimate" {
            /// λ.
            weight: f64 = 0.1, Limits::NOT_NEGATIVE;
            /// Combinations drawn for each row.
            draws: usize = 1, Limits::between(1.0, 1000.0);
        },
    }
}

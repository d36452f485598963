//! What stands between encoder and decoder.

use super::Limits;
use super::part::part;

part! {
    /// What stands between encoder and decoder, and so what a code is.
    pub enum Bottleneck: "plain" {
        /// The code layer's values themselves.
        Plain = "plain",
        /// The mean of a normal distribution with a variance of its own for every row and unit, from which training draws: the
        /// variational autoencoder (Kingma and Welling 2014).
        Gaussian = "gaussian" {
            /// β: weight of the divergence from the prior, KL(q ‖ N(0, 1)) summed over units (Higgins et al. 2017).
            beta: f64 = 1.0, Limits::NOT_NEGATIVE;
            /// Epochs, parts of one included, over which β first rises from 0.
            warmup: f64 = 0.0, Limits::NOT_NEGATIVE;
            /// Nats of divergence that each unit has for free (Kingma et al. 2016).
            free_bits: f64 = 0.0, Limits::NOT_NEGATIVE;
        },
        /// 0 or 1, by the sign of the unit's sum; in training a sigmoid (Salakhutdinov and Hinton 2009, semantic hashing).
        Binary = "binary" {
            /// Deviation of the normal noise on the sums in training, which drives them away from 0.
            noise: f64 = 4.0, Limits::NOT_NEGATIVE;
            /// Whether training, too, goes on with 0 or 1, the sigmoid's slope standing in for that of the step.
            straight_through: bool = false, Limits::ANY;
        },
        /// The k largest values of the code layer, favours of dead units counted in; all others are 0 (Makhzani and Frey 2014).
        TopK = "top-k" {
            /// k, units kept in each row.
            keep: usize = 32, Limits::WIDTH;
            /// Whether training keeps the k·B largest of a whole batch, and use what passes the threshold learned from them
            /// (Bussmann et al. 2024).
            batch: bool = false, Limits::ANY;
            /// Rows without a value after which a unit is taken for dead; dead ones learn to rebuild what the others leave.
            dead_after: usize = 10_000, Limits::between(1.0, 1e7);
            /// Weight of the dead units' loss (Gao et al. 2024); 0 for none.
            auxiliary: f64 = 0.03125, Limits::NOT_NEGATIVE;
            /// Dead units that take part in each row, at most; 0 for half the width of a row.
            auxiliary_keep: usize = 0, Limits::between(0.0, 1e5);
            /// Favour that a dead unit gains in `dead_after` rows when units are chosen, in mean values of chosen ones; each step in which a
            /// row chooses it takes a tenth back (DeSieno 1988); 0 for none.
            conscience: f64 = 0.1, Limits::NOT_NEGATIVE;
        },
    }
}

//! What comes before a network is trained as a whole.

use super::Limits;
use super::part::part;

part! {
    /// What comes before the network is trained as a whole.
    pub enum Pretraining: "none" {
        /// Nothing.
        None = "none",
        /// One layer at a time, each learning to rebuild what the one below it says, with the penalties of the whole and its
        /// corruption (blocks of pictures apart, which only the first layer sees)
        /// (Bengio et al. 2007; Vincent et al. 2010).
        Greedy = "greedy" {
            /// Epochs of each layer.
            epochs: usize = 10, Limits::between(1.0, 1e6);
        },
        /// A shallow autoencoder first, into whose middle one layer after another is put, all layers so far being trained
        /// together between.
        Growing = "growing" {
            /// Epochs of each depth before the last.
            epochs: usize = 10, Limits::between(1.0, 1e6);
        },
    }
}

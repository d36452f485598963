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
        /// One layer at a time, each as a restricted Boltzmann machine on what the one below says (Hinton and Salakhutdinov 2006), with the
        /// penalties of the whole. Its units follow model.activation: "sigmoid" for Bernoulli units, "identity" for gaussian, "relu" for
        /// rectified ones. Convolutions are machines of maps, what they learn by averaged over windows.
        Rbm = "rbm" {
            /// Epochs of each machine.
            epochs: usize = 10, Limits::between(1.0, 1e6);
            /// Length of a change.
            learning_rate: f64 = 0.05, Limits::POSITIVE;
            /// The same for machines with units of another kind than Bernoulli, which need shorter ones.
            real_learning_rate: f64 = 0.001, Limits::POSITIVE;
            /// Share of a change that goes on in the next.
            momentum: f64 = 0.9, Limits::RATE;
            /// λ: takes λ‖W‖² from what is maximised.
            weight_decay: f64 = 0.0001, Limits::NOT_NEGATIVE;
        },
        /// A shallow autoencoder first, into whose middle one layer after another is put, all layers so far being trained
        /// together between.
        Growing = "growing" {
            /// Epochs of each depth before the last.
            epochs: usize = 10, Limits::between(1.0, 1e6);
        },
    }
}

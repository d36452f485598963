//! How the learning rate changes over the epochs.

use super::Limits;
use super::part::part;

part! {
    /// How the learning rate changes over the epochs, after the warm-up.
    pub enum Schedule: "cosine" {
        /// Stays the same.
        Constant = "constant",
        /// Falls at once, every few epochs.
        Step = "step" {
            /// Epochs from one fall to the next.
            every: usize = 10, Limits::between(1.0, 1e6);
            /// What the rate is multiplied by.
            factor: f64 = 0.5, Limits { above_least: true, ..Limits::between(0.0, 1.0) };
        },
        /// Falls a little with every step of training.
        Exponential = "exponential" {
            /// What the rate is multiplied by over an epoch.
            factor: f64 = 0.95, Limits { above_least: true, ..Limits::between(0.0, 1.0) };
        },
        /// Falls along half a cosine to the end of training (Loshchilov and Hutter 2017).
        Cosine = "cosine" {
            /// Share of the learning rate that is left at the end.
            last: f64 = 0.0, Limits::between(0.0, 1.0);
        },
        /// Rises to the learning rate, then falls below where it began (Smith and Topin 2018).
        OneCycle = "one-cycle" {
            /// Share of the training in which the rate rises.
            rise: f64 = 0.3, Limits::RATE;
            /// Share of the learning rate at the beginning.
            first: f64 = 0.04, Limits::between(0.0, 1.0);
            /// Share of the learning rate at the end.
            last: f64 = 0.0001, Limits::between(0.0, 1.0);
        },
        /// Falls when the validation error has stopped falling.
        Plateau = "plateau" {
            /// Epochs without a better validation error before a fall.
            patience: usize = 5, Limits::between(1.0, 1e6);
            /// What the rate is multiplied by.
            factor: f64 = 0.5, Limits { above_least: true, ..Limits::RATE };
            /// Share of the learning rate below which it never falls.
            least: f64 = 0.001, Limits::between(0.0, 1.0);
        },
    }
}

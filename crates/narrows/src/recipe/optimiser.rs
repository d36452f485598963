//! How a gradient becomes a change of the weights.

use super::Limits;
use super::part::part;

part! {
    /// How a gradient g becomes a change of the weights.
    pub enum Optimiser: "adam" {
        /// Down the gradient, nothing else.
        Sgd = "sgd",
        /// A decaying sum of gradients (Polyak 1964).
        Momentum = "momentum" {
            /// Share of the sum that is kept.
            momentum: f64 = 0.9, Limits::RATE;
        },
        /// Momentum that looks ahead (Nesterov 1983).
        Nesterov = "nesterov" {
            /// Share of the sum that is kept.
            momentum: f64 = 0.9, Limits::RATE;
        },
        /// Divides by a running root mean square (Hinton 2012).
        RmsProp = "rmsprop" {
            /// Share of the mean square that is kept.
            decay: f64 = 0.9, Limits::RATE;
            /// Added to the root.
            epsilon: f64 = 1e-8, Limits::POSITIVE;
        },
        /// Divides by the root of the sum of all squares (Duchi et al. 2011).
        AdaGrad = "adagrad" {
            /// Added to the root.
            epsilon: f64 = 1e-10, Limits::POSITIVE;
        },
        /// Running mean over running root mean square, corrected at the start (Kingma and Ba 2015).
        Adam = "adam" {
            /// Share of the mean that is kept.
            beta1: f64 = 0.9, Limits::RATE;
            /// Share of the mean square that is kept.
            beta2: f64 = 0.999, Limits::RATE;
            /// Added to the root.
            epsilon: f64 = 1e-8, Limits::POSITIVE;
        },
        /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
        AdamW = "adamw" {
            /// Share of the mean that is kept.
            beta1: f64 = 0.9, Limits::RATE;
            /// Share of the mean square that is kept.
            beta2: f64 = 0.999, Limits::RATE;
            /// Added to the root.
            epsilon: f64 = 1e-8, Limits::POSITIVE;
        },
    }
}

impl Optimiser {
    /// The learning rate of a recipe that gives none; losses are sums over features, so plain steps are short.
    pub fn usual_learning_rate(&self) -> f64 {
        match self {
            Self::Sgd | Self::AdaGrad { .. } => 0.01,
            Self::Momentum { .. } | Self::Nesterov { .. } | Self::RmsProp { .. } => 0.001,
            Self::Adam { .. } | Self::AdamW { .. } => 0.001,
        }
    }

    /// The weight decay of a recipe that gives none: AdamW's own, otherwise nothing.
    pub fn usual_weight_decay(&self) -> f64 {
        if matches!(self, Self::AdamW { .. }) { 0.01 } else { 0.0 }
    }
}

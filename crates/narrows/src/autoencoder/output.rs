//! Output distributions: what the last layer's sums mean, and the loss that follows from it.
//!
//! Losses are summed over features and averaged over rows, everywhere:
//! gaussian ‖x − a‖² (the lectures' form: no ½); bernoulli −Σ x ln σ(a) + (1 − x) ln(1 − σ(a)), computed as
//! Σ max(a, 0) − a x + ln(1 + e^(−|a|)); categorical −ln softmax(a)ₜ for the true class t.

use crate::network::activation::{log_softmax, softmax};
use crate::recipe::OutputChoice;
use narrows_engine::Tensor;
use serde::{Deserialize, Serialize};

/// An output distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Real numbers: the sums are the values.
    Gaussian,
    /// Values from 0 to 1: sigmoid units.
    Bernoulli,
    /// One class out of several: softmax.
    Categorical,
}

impl Output {
    /// The distribution that a recipe asks for, once "auto" has been decided.
    pub fn from_choice(choice: OutputChoice) -> Option<Output> {
        match choice {
            OutputChoice::Auto => None,
            OutputChoice::Gaussian => Some(Output::Gaussian),
            OutputChoice::Bernoulli => Some(Output::Bernoulli),
            OutputChoice::Categorical => Some(Output::Categorical),
        }
    }

    /// The choice of a recipe that asks for it.
    pub fn as_choice(self) -> OutputChoice {
        match self {
            Output::Gaussian => OutputChoice::Gaussian,
            Output::Bernoulli => OutputChoice::Bernoulli,
            Output::Categorical => OutputChoice::Categorical,
        }
    }

    /// The loss of each row, B×1, from sums and targets, both B×D (for classes: one-hot rows).
    pub fn loss<'g>(self, sums: Tensor<'g>, target: Tensor<'g>) -> Tensor<'g> {
        self.terms(sums, target).sum(&[1])
    }

    /// The loss of each number of each row, B×D.
    pub fn terms<'g>(self, sums: Tensor<'g>, target: Tensor<'g>) -> Tensor<'g> {
        match self {
            Output::Gaussian => (sums - target).square(),
            // softplus(a) = max(a, 0) + ln(1 + e^(−|a|)): no exponential overflows.
            Output::Bernoulli => sums.softplus() - sums * target,
            Output::Categorical => -(target * log_softmax(sums)),
        }
    }

    /// The mean of the distribution: what a reconstruction or a confidence is.
    pub fn mean(self, sums: Tensor<'_>) -> Tensor<'_> {
        match self {
            Output::Gaussian => sums,
            Output::Bernoulli => sums.sigmoid(),
            Output::Categorical => softmax(sums),
        }
    }

    /// What the loss is, in words.
    pub fn loss_name(self) -> &'static str {
        match self {
            Output::Gaussian => "squared error a row",
            Output::Bernoulli | Output::Categorical => "cross-entropy a row",
        }
    }
}

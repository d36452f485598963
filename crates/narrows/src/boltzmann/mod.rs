//! Restricted Boltzmann machines, alone and in stacks: p(v, h) ∝ exp(b·v + c·h + vᵀWh), with −½‖v‖² and −½‖h‖² added for gaussian
//! units. W and c are an encoder layer's weight and bias, b the bias of its mirror image, so that a trained stack is an autoencoder.

pub mod annealing;
pub mod contrastive;
pub mod machine;
pub mod partition;
pub mod units;

pub use annealing::Annealing;
pub use machine::{Machine, Windows};
pub use units::Units;

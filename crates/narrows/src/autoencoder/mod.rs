//! The parts that an autoencoder (or classifier) is composed of, one file each: corruption → encoder → bottleneck → decoder →
//! output distribution, plus penalties.

pub mod bottleneck;
pub mod corruption;
pub mod output;
pub mod penalty;

pub use output::Output;

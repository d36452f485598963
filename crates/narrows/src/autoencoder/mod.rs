//! The parts that an autoencoder (or classifier) is composed of, one file each.

pub mod output;

pub use output::Output;

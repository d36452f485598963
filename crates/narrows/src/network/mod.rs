//! Networks: layers, their starting weights, and the graphs that they become.

pub mod activation;
pub mod batch_normalisation;
pub mod dense;
pub mod dropout;
pub mod initial;
pub mod prepare;
pub mod shape;

pub use shape::{Layer, Network};

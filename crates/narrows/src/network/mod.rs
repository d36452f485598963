//! Networks: layers, their starting weights, and the graphs that they become.

pub mod activation;
pub mod batch_normalisation;
pub mod dense;
pub mod dropout;
pub mod initial;
pub mod prepare;
pub mod shape;

pub use dense::{Parameters, Role};
pub use shape::{Layer, Mode, Network, Pass, Step};

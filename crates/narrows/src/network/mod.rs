//! Networks: layers, their starting weights, and the graphs that they become.

pub mod activation;
pub mod batch_normalisation;
pub mod dense;
pub mod dropout;
pub mod extent;
pub mod initial;
pub mod layer;
mod maps;
pub mod prepare;
pub mod shape;

pub use dense::{Parameters, Role};
pub use extent::Extent;
pub use layer::{Layer, LayerWork};
pub use shape::{Mode, Network, Pass, Step};

//! Networks: layers, their starting weights, and the graphs that they become.

pub mod activation;
mod auxiliary;
pub mod batch_normalisation;
mod bilinear;
mod build;
pub mod dense;
pub mod dropout;
pub mod extent;
mod group_normalisation;
pub mod initial;
pub mod layer;
mod local_response;
mod maps;
mod mirror;
pub mod prepare;
pub mod shape;
mod stochastic_pooling;
mod words;
pub mod work;

pub use auxiliary::AuxiliaryHead;
pub use batch_normalisation::EPSILON;
pub use dense::{Parameters, Role};
pub use extent::Extent;
pub use layer::Layer;
pub use maps::with_channels_exchanged;
pub use shape::{Mode, Network, Pass, Step};
pub use work::LayerWork;

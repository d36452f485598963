//! Numbers in, numbers out: the engine of Narrows.
//!
//! A [`Graph`] is written with [`Tensor`] handles, differentiated graph to graph, compiled into a plan and run by the CPU
//! executor. The same graph can be interpreted naively in f64 by [`mod@reference`], the oracle that every kernel is tested
//! against. This crate knows no file, clock, environment, or autoencoder.

pub mod check;
pub mod cpu;
pub mod error;
mod gradient;
pub mod graph;
pub mod plan;
pub mod random;
pub mod reference;

pub use error::Error;
pub use graph::{Graph, Tensor, convolution::Convolution, op, pooling::Pool, shape::Shape};

//! Narrows learns compact codes from people's own data and puts them to use.
//!
//! The way of the data: a [`recipe`] says what is wanted; [`data`] brings rows; [`train`] makes a plan of the run and trains
//! its [`network`]; the result is one [`model_file`]; [`apply`] puts it to use, and [`report`] shows what it learned.

pub mod apply;
pub mod autoencoder;
pub mod boltzmann;
pub mod data;
mod error;
pub mod import;
pub mod model_file;
pub mod network;
pub mod recipe;
pub mod report;
mod streams;
pub mod train;

pub use error::Error;
pub use narrows_engine as engine;

/// The README's example, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

//! The CPU executor: threads, tiles, kernels.
#![allow(
    unsafe_code,
    reason = "the one room of this crate where raw memory is touched; each use states why it is sound"
)]

mod bounded;
mod convolution;
mod convolution_along;
mod convolution_classes;
mod convolution_listed;
mod convolution_paired;
mod convolution_repeated;
mod dispatch;
mod executable;
mod finite;
mod kernel_gradient;
mod kernel_gradient_listed;
mod largest;
mod listed;
mod listing;
mod mark;
mod math;
mod memory;
mod movement;
mod occupied;
mod pack;
mod paired;
mod pixels;
mod pooling;
mod product;
mod product_tile;
mod reduce;
mod schedule;
mod simd;
mod sparse;
mod states;
mod symmetric;
mod threads;
mod tile;
mod tile_compile;
mod tile_leaf;
mod verify;
mod window;
mod window_tile;

pub use executable::{Executable, Feed, Run};
pub use finite::all_finite;
pub use listing::ListedStep;
pub use simd::Level;
pub use states::States;
pub use threads::Pool;

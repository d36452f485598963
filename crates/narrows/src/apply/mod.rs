//! What a trained model does: encode, decode, reconstruct, classify, and be judged.

pub mod codec;
pub mod evaluate;
pub mod pca;

pub use codec::Codec;
pub use evaluate::{Evaluation, Figures, evaluate};

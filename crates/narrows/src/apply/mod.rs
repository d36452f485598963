//! What a trained model does: encode, decode, reconstruct, classify, and be judged.

pub mod codec;
pub mod evaluate;
pub mod family;
pub mod generate;
mod health;
pub mod inpaint;
pub mod mixture;
pub mod pca;
pub mod picture_quality;
pub mod probe;
pub(crate) mod row_program;
pub mod segmentation;

pub use codec::Codec;
pub use evaluate::{Evaluation, Figures, Rival, evaluate};
pub use segmentation::Segmentation;

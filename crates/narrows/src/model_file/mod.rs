//! The one file that a trained model is.
//!
//! A safetensors file whose metadata holds one entry, `narrows`: JSON with the format version, what the file is, a checksum and
//! the description. No time, path or thread count stands in it, so equal runs are equal files. No code, nothing implicit.

mod container;
mod model;

pub use container::{ModelFileError, NamedTensor, Payload, read, write};
pub use model::{Description, Model, RowCounts};

/// Version of the format that is written; older ones are read, newer ones refused.
pub const FORMAT_VERSION: u32 = 4;

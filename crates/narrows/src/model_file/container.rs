//! The container: named tensors and a JSON description, checked against alteration.

use super::FORMAT_VERSION;
use crate::data::write_bytes_atomically;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Name, unique in the file.
    pub name: String,
    /// Sizes of its axes.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<f32>,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// The description, as JSON.
    pub description: String,
    /// The tensors.
    pub tensors: Vec<NamedTensor>,
}

/// What can be wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is something else.
    #[error("{}: expected a Narrows {expected}, found {found}", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
        /// What it looks like.
        found: String,
    },
    /// It ends too early.
    #[error("{}: expected {expected} bytes, found {found}: the file is truncated or has been added to", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes that its header announces.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// Its checksum is wrong.
    #[error("{}: the file has been altered: its contents do not match their checksum", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
    },
    /// It is of a later version.
    #[error("{}: expected format version {known} or older, found {found}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version known here.
        known: u32,
        /// Version of the file.
        found: u64,
    },
    /// Its description and tensors do not go together.
    #[error("{}: {problem}", path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl ModelFileError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            ModelFileError::Unreadable { .. } => {
                "check the path, or train a model first: narrows train".to_owned()
            }
            ModelFileError::NotOurs { .. } => "give the .narrows file that `narrows train` wrote".to_owned(),
            ModelFileError::Length { .. }
            | ModelFileError::Altered { .. }
            | ModelFileError::Inconsistent { .. } => {
                "copy the file again from where it was made, or train the model again".to_owned()
            }
            ModelFileError::Newer { .. } => {
                "use the version of Narrows that wrote it, or a later one".to_owned()
            }
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    kind: String,
    sha256: String,
    description: String,
}

const KEY: &str = "narrows";

/// Writes a file of the given kind, whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, kind: &'static str, payload: &Payload) -> Result<(), crate::Error> {
    let bytes: Vec<(&str, &[usize], Vec<u8>)> = payload
        .tensors
        .iter()
        .map(|tensor| {
            (
                tensor.name.as_str(),
                tensor.shape.as_slice(),
                tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            )
        })
        .collect();
    let header = Header {
        version: FORMAT_VERSION,
        kind: kind.to_owned(),
        sha256: checksum(
            &payload.description,
            bytes.iter().map(|(name, shape, bytes)| (*name, *shape, bytes.as_slice())),
        ),
        description: payload.description.clone(),
    };
    let inconsistent = |problem: String| ModelFileError::Inconsistent { path: path.to_owned(), problem };
    let json = serde_json::to_string(&header).map_err(|error| inconsistent(error.to_string()))?;
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| inconsistent(error.to_string()))?;
    let metadata = HashMap::from([(KEY.to_owned(), json)]);
    let file =
        safetensors::serialize(views, Some(metadata)).map_err(|error| inconsistent(error.to_string()))?;
    write_bytes_atomically(path, &file)?;
    Ok(())
}

/// Reads a file of the given kind and checks it.
///
/// # Errors
/// Every way in which it can be wrong.
pub fn read(path: &Path, kind: &'static str) -> Result<Payload, ModelFileError> {
    let file =
        std::fs::read(path).map_err(|source| ModelFileError::Unreadable { path: path.to_owned(), source })?;
    parse(path, kind, &file)
}

fn parse(path: &Path, kind: &'static str, file: &[u8]) -> Result<Payload, ModelFileError> {
    let not_ours = |found: &str| ModelFileError::NotOurs {
        path: path.to_owned(),
        expected: kind,
        found: found.to_owned(),
    };
    let (length, metadata) = match SafeTensors::read_metadata(file) {
        Ok(read) => read,
        Err(_) if file.is_empty() => return Err(not_ours("an empty file")),
        Err(_) => {
            return Err(match announced_length(file) {
                Some(expected) if expected != file.len() as u64 => {
                    ModelFileError::Length { path: path.to_owned(), expected, found: file.len() as u64 }
                }
                _ => not_ours("a file of another format, or only its beginning"),
            });
        }
    };
    let Some(json) = metadata.metadata().as_ref().and_then(|entries| entries.get(KEY)) else {
        return Err(not_ours("a safetensors file of another program"));
    };
    let version: serde_json::Value =
        serde_json::from_str(json).map_err(|_| not_ours("a header that is not JSON"))?;
    let found = version.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if found > u64::from(FORMAT_VERSION) {
        return Err(ModelFileError::Newer { path: path.to_owned(), known: FORMAT_VERSION, found });
    }
    if found == 0 {
        return Err(not_ours("a header without a format version"));
    }
    let header: Header =
        serde_json::from_value(version).map_err(|_| not_ours("a header with other entries"))?;
    if header.kind != kind {
        return Err(not_ours(&format!("a {}", header.kind)));
    }
    // The header's length is a u64 in front of it.
    let expected = (8 + length + metadata.data_len()) as u64;
    if expected != file.len() as u64 {
        return Err(ModelFileError::Length { path: path.to_owned(), expected, found: file.len() as u64 });
    }
    let tensors = SafeTensors::deserialize(file).map_err(|error| not_ours(&error.to_string()))?;
    let mut views = tensors.tensors();
    views.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some((name, view)) = views.iter().find(|(_, view)| view.dtype() != Dtype::F32) {
        let problem = format!("{name}: expected F32 numbers, found {:?}", view.dtype());
        return Err(ModelFileError::Inconsistent { path: path.to_owned(), problem });
    }
    let parts = views.iter().map(|(name, view)| (name.as_str(), view.shape(), view.data()));
    if checksum(&header.description, parts) != header.sha256 {
        return Err(ModelFileError::Altered { path: path.to_owned() });
    }
    let tensors = views
        .iter()
        .map(|(name, view)| NamedTensor {
            name: name.clone(),
            shape: view.shape().to_vec(),
            values: view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
        })
        .collect();
    Ok(Payload { description: header.description, tensors })
}

/// Bytes that a whole file would have by its own header, if it has one with our entry.
fn announced_length(file: &[u8]) -> Option<u64> {
    let length = u64::from_le_bytes(file.get(..8)?.try_into().ok()?);
    let end = usize::try_from(length).ok()?.checked_add(8)?;
    let header: serde_json::Value = serde_json::from_slice(file.get(8..end)?).ok()?;
    header.get("__metadata__")?.get(KEY)?;
    let ends = header.as_object()?.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
    (end as u64).checked_add(ends.max().unwrap_or(0))
}

/// SHA-256 over the description and every tensor, in order of names.
fn checksum<'t>(
    description: &str,
    tensors: impl Iterator<Item = (&'t str, &'t [usize], &'t [u8])>,
) -> String {
    let mut sorted: Vec<_> = tensors.collect();
    sorted.sort_by(|a, b| a.0.cmp(b.0));
    let mut hash = Sha256::new();
    hash.update((description.len() as u64).to_le_bytes());
    hash.update(description);
    for (name, shape, bytes) in sorted {
        hash.update(format!("{name}:{shape:?};"));
        hash.update(bytes);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "container_tests.rs"]
mod tests;

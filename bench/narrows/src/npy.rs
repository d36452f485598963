//! Reading and writing `.npy` files of little-endian f32 in C order: just what the check needs, and nothing else.
//! (The product's own reader is in the `narrows` crate; the benchmark does not lean on what it compares.)

use crate::{Error, Result};
use std::path::Path;

const MAGIC: &[u8] = b"\x93NUMPY";

/// A dense array in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Extents, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// Elements; as many as the product of `shape`.
    pub data: Vec<f32>,
}

impl Array {
    /// Joins extents and elements; panics when they disagree.
    pub fn new(shape: &[usize], data: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "shape {shape:?} against elements");
        Self { shape: shape.to_vec(), data }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error(format!("{}: {error}", path.display())))?;
        Self::parse(&bytes).map_err(|Error(message)| Error(format!("{}: {message}", path.display())))
    }

    /// Writes a file of format version 1.0.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.bytes()).map_err(|error| Error(format!("{}: {error}", path.display())))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() < 10 || &bytes[..6] != MAGIC || bytes[6] != 1 {
            return Err(Error("not a .npy file of version 1".into()));
        }
        let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = bytes.get(10..start).ok_or_else(|| Error("the header is truncated".into()))?;
        let header = String::from_utf8_lossy(header);
        if !header.contains("'<f4'") || !header.contains("'fortran_order': False") {
            return Err(Error(format!("expected <f4 in C order, found {}", header.trim())));
        }
        let shape: Vec<usize> = header
            .split_once("'shape': (")
            .and_then(|(_, rest)| rest.split_once(')'))
            .map(|(inside, _)| inside.split(',').filter_map(|n| n.trim().parse().ok()).collect())
            .ok_or_else(|| Error("the header has no shape".into()))?;
        let body = &bytes[start..];
        if body.len() != 4 * shape.iter().product::<usize>() {
            return Err(Error(format!("shape {shape:?} against {} bytes", body.len())));
        }
        let data = body.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Ok(Self { shape, data })
    }

    fn bytes(&self) -> Vec<u8> {
        let extents: String = self.shape.iter().map(|n| format!("{n},")).collect();
        let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({extents}), }}");
        // Magic, version, length and header together fill a multiple of 64 bytes and end with a line break.
        let padding = (64 - (MAGIC.len() + 4 + header.len() + 1) % 64) % 64;
        header.extend(std::iter::repeat_n(' ', padding));
        header.push('\n');
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(self.data.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_survive_the_round_trip() {
        for shape in [&[][..], &[3], &[2, 3]] {
            let count = shape.iter().product();
            let array = Array::new(shape, (0..count).map(|i| i as f32 - 0.5).collect());
            let bytes = array.bytes();
            assert_eq!((bytes.len() - 4 * count) % 64, 0);
            assert_eq!(Array::parse(&bytes).unwrap(), array);
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let bytes = Array::new(&[2], vec![1.0, 2.0]).bytes();
        assert!(Array::parse(&bytes[..bytes.len() - 1]).is_err());
        assert!(Array::parse(&bytes[..20]).is_err());
        assert!(Array::parse(b"PK").is_err());
    }
}

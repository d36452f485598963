//! Reading and writing `.npy` files of little-endian f32 in C order: just what the check needs, and nothing else.
//! (The product's own reader is in the `narrows` crate; the benchmark does not lean on what it compares.)

use crate::{Error, Result};
use std::io::{BufReader, Read};
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
        Self::read_rows(path, usize::MAX)
    }

    /// Reads at most so many rows of a file, and nothing behind them.
    pub fn read_rows(path: &Path, rows: usize) -> Result<Self> {
        let named = |message: String| Error(format!("{}: {message}", path.display()));
        let file = std::fs::File::open(path).map_err(|error| named(error.to_string()))?;
        Self::parse(BufReader::new(file), rows).map_err(|Error(message)| named(message))
    }

    /// Writes a file of format version 1.0.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.bytes()).map_err(|error| Error(format!("{}: {error}", path.display())))
    }

    fn parse(mut from: impl Read, rows: usize) -> Result<Self> {
        let truncated = |error: std::io::Error| Error(format!("the file is truncated: {error}"));
        let mut start = [0; 10];
        from.read_exact(&mut start).map_err(truncated)?;
        if &start[..6] != MAGIC || start[6] != 1 {
            return Err(Error("not a .npy file of version 1".into()));
        }
        let mut header = vec![0; u16::from_le_bytes([start[8], start[9]]).into()];
        from.read_exact(&mut header).map_err(truncated)?;
        let header = String::from_utf8_lossy(&header);
        if !header.contains("'<f4'") || !header.contains("'fortran_order': False") {
            return Err(Error(format!("expected <f4 in C order, found {}", header.trim())));
        }
        let mut shape: Vec<usize> = header
            .split_once("'shape': (")
            .and_then(|(_, rest)| rest.split_once(')'))
            .map(|(inside, _)| inside.split(',').filter_map(|n| n.trim().parse().ok()).collect())
            .ok_or_else(|| Error("the header has no shape".into()))?;
        if let Some(first) = shape.first_mut() {
            *first = rows.min(*first);
        }
        let mut data = vec![0.0; shape.iter().product()];
        let mut number = [0; 4];
        for value in &mut data {
            from.read_exact(&mut number).map_err(truncated)?;
            *value = f32::from_le_bytes(number);
        }
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
            assert_eq!(Array::parse(&bytes[..], usize::MAX).unwrap(), array);
            if let [_, columns] = *shape {
                let first = Array::new(&[1, columns], array.data[..columns].to_vec());
                assert_eq!(Array::parse(&bytes[..], 1).unwrap(), first);
            }
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let bytes = Array::new(&[2], vec![1.0, 2.0]).bytes();
        for broken in [&bytes[..bytes.len() - 1], &bytes[..20], b"PK"] {
            assert!(Array::parse(broken, usize::MAX).is_err());
        }
    }
}

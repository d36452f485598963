//! Decoded pictures in a file of rows, for folders that memory does not hold.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::dataset::{Dataset, ItemShape, Values};
use super::decoding::{Reading, decode};
use super::error::DataError;
use super::folder::{Measured, name_inside};
use super::labels::Labels;
use super::resize::recolour;
use super::stored::{StoredRows, StoredWriter};

/// Decodes all pictures into a file, or takes them from there where they have been decoded before, and leaves out of `entries` those that
/// cannot be read.
pub(super) fn store_all(
    root: &Path,
    entries: &mut Vec<Measured>,
    (size, colour): ((usize, usize), bool),
    reading: &mut Reading,
    path: &Path,
) -> Result<Dataset, DataError> {
    let channels = if colour { 3 } else { 1 };
    let features = size.0 * size.1 * channels;
    let key = key_of(root, entries, size, channels);
    let all = std::mem::take(entries);
    let (stored, left_out) = match StoredRows::open(path, &key, features) {
        Some((stored, left_out)) if stored.rows() + left_out.len() == all.len() => (stored, left_out),
        _ => {
            let mut writer = StoredWriter::new(path, key, features)?;
            let (mut number, mut left_out) = (0u32, Vec::new());
            decode(root, &all, size, reading, |pixels| {
                number += 1;
                match pixels {
                    Some(pixels) if colour => writer.add(pixels),
                    Some(pixels) => match recolour(&Values::U8(pixels.to_vec()), 1) {
                        Values::U8(grey) => writer.add(&grey),
                        _ => Ok(()),
                    },
                    None => {
                        left_out.push(number - 1);
                        Ok(())
                    }
                }
            })?;
            if let Some(failure) = reading.first.take_if(|_| left_out.len() == all.len()) {
                return Err(failure);
            }
            (writer.finish(&left_out)?, left_out)
        }
    };
    let again = !left_out.is_empty() && reading.names.is_empty();
    if again {
        // They were left out when the file was made.
        reading.all += stored.rows();
        reading.names.extend(left_out.iter().map(|number| name_inside(root, &all[*number as usize].0.path)));
    }
    let numbered = (0u32..).zip(all);
    *entries = numbered
        .filter(|(number, _)| left_out.binary_search(number).is_err())
        .map(|(_, entry)| entry)
        .collect();
    let labels: Option<Vec<&str>> = entries.iter().map(|(entry, _)| entry.label.as_deref()).collect();
    Ok(Dataset {
        shape: ItemShape::Image { height: size.0, width: size.1, channels },
        values: Values::Stored(stored),
        labels: labels.map(|labels| Labels::from_texts(&labels)),
        maps: None,
        names: Some(entries.iter().map(|(entry, _)| name_inside(root, &entry.path)).collect()),
    })
}

/// What decoded pictures depend on: names, sizes and times of change of the files, and the form asked for.
fn key_of(root: &Path, entries: &[Measured], size: (usize, usize), channels: usize) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!("{}x{}x{channels};", size.0, size.1));
    for (entry, _) in entries {
        hash.update(name_inside(root, &entry.path));
        if let Ok(about) = std::fs::metadata(&entry.path) {
            hash.update(about.len().to_le_bytes());
            let changed =
                about.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            hash.update(changed.map_or(0, |time| time.as_nanos()).to_le_bytes());
        }
    }
    hash.finalize().into()
}

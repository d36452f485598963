//! Files that `torch.save` writes: a zip archive since PyTorch 1.6, before that pickles one after another.

use super::pickle::{self, Pickle, Value};
use super::state_dict::{Placed, size_of, storage, tensors};
use crate::model_file::NamedTensor;
use std::collections::HashMap;
use std::io::{self, Cursor};
use zip::{CompressionMethod, ZipArchive};

/// The number that old files begin with, as it is pickled.
const MAGIC: [u8; 12] = [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// Where it ends at the latest.
const START: usize = 32;
const BYTE_ORDER: &str = "expected numbers with their lowest byte first";

/// Whether a file is one that PyTorch wrote.
pub fn is_one(file: &[u8]) -> bool {
    let start = &file[..file.len().min(START)];
    file.starts_with(b"PK")
        || (file.first() == Some(&0x80) && start.windows(MAGIC.len()).any(|at| at == MAGIC))
}

/// Reads a file's tensors, in the order in which they were saved; those of whole numbers are counters.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(file: &[u8]) -> Result<Vec<NamedTensor>, String> {
    if file.starts_with(b"PK") { archive(file) } else { legacy(file) }
}

fn archive(file: &[u8]) -> Result<Vec<NamedTensor>, String> {
    let mut entries = Entries {
        file,
        zip: ZipArchive::new(Cursor::new(file)).map_err(|error| error.to_string())?,
        taken: 0,
    };
    let names: Vec<String> = entries.zip.file_names().flatten().map(|name| name.into_owned()).collect();
    let end = "data.pkl";
    let Some(main) = names.iter().find(|name| *name == end || name.ends_with("/data.pkl")) else {
        return Err("an archive without a data.pkl, which torch.save writes".to_owned());
    };
    let folder = &main[..main.len() - end.len()];
    let order = format!("{folder}byteorder");
    if names.contains(&order) && entries.take(&order)? != b"little" {
        return Err(BYTE_ORDER.to_owned());
    }
    let pickle = pickle::read(entries.take(main)?)?;
    let placed = tensors(&pickle)?;
    let mut storages = HashMap::new();
    for (_, tensor) in &placed {
        if !storages.contains_key(tensor.storage) {
            storages.insert(tensor.storage, entries.take(&format!("{folder}data/{}", tensor.storage))?);
        }
    }
    gathered(placed, &storages, file.len())
}

/// The entries of an archive, read where they lie.
struct Entries<'f> {
    file: &'f [u8],
    zip: ZipArchive<Cursor<&'f [u8]>>,
    /// Bytes of the entries so far.
    taken: u64,
}

impl<'f> Entries<'f> {
    /// An entry's bytes, if they are sound and lie there as they are.
    fn take(&mut self, name: &str) -> Result<&'f [u8], String> {
        let mut entry = self.zip.by_name(name).map_err(|error| format!("{name}: {error}"))?;
        if entry.compression() != CompressionMethod::Stored {
            return Err(format!("{name}: expected it as it is, found it packed"));
        }
        self.taken = self.taken.saturating_add(entry.size());
        if self.taken > self.file.len() as u64 {
            return Err("its parts lie over each other".to_owned());
        }
        // Reading to the end compares the checksum.
        io::copy(&mut entry, &mut io::sink()).map_err(|error| format!("{name}: {error}"))?;
        let place = |start: u64| {
            let start = usize::try_from(start).ok()?;
            self.file.get(start..start.checked_add(usize::try_from(entry.size()).ok()?)?)
        };
        entry.data_start().and_then(place).ok_or_else(|| format!("{name}: the file ends before it does"))
    }
}

/// Magic number, version and what machine it was; what was saved; the storages' keys; and behind these the storages, a length before each.
fn legacy(file: &[u8]) -> Result<Vec<NamedTensor>, String> {
    let mut at = 0;
    let mut next = || {
        let pickle = pickle::read(&file[at..])?;
        at += pickle.length;
        Ok::<Pickle, String>(pickle)
    };
    let (_, _, machine) = (next()?, next()?, next()?);
    let big_endian = |(key, value): &(usize, usize)| {
        machine.values[*key] == Value::Text("little_endian".to_owned())
            && machine.values[*value] == Value::Truth(false)
    };
    if machine.entries(machine.root).iter().any(big_endian) {
        return Err(BYTE_ORDER.to_owned());
    }
    let (pickle, keys) = (next()?, next()?);
    let Value::Sequence(order) = &keys.values[keys.root] else {
        return Err("expected the storages' keys behind what was saved".to_owned());
    };
    let sizes: HashMap<&str, usize> = (0..pickle.values.len())
        .filter_map(|handle| storage(&pickle, handle).ok())
        .filter_map(|(key, kind)| Some((key, size_of(kind)?)))
        .collect();
    let mut storages = HashMap::new();
    for key in order {
        let Value::Text(key) = &keys.values[*key] else { return Err("a key that is no text".to_owned()) };
        let size = sizes.get(key.as_str()).ok_or_else(|| format!("storage {key}: of an unknown kind"))?;
        let short = || format!("storage {key}: the file ends before it does");
        let count = file.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).ok_or_else(short)?;
        let length =
            usize::try_from(u64::from_le_bytes(count)).ok().and_then(|count| count.checked_mul(*size));
        let end = length.and_then(|length| length.checked_add(at + 8));
        let bytes = end.and_then(|end| file.get(at + 8..end)).ok_or_else(short)?;
        at += 8 + bytes.len();
        storages.insert(key.as_str(), bytes);
    }
    gathered(tensors(&pickle)?, &storages, file.len())
}

/// The tensors with their numbers. Several may share them, but a file of so many bytes means no more than as many numbers.
fn gathered(
    placed: Vec<(&str, Placed<'_>)>,
    storages: &HashMap<&str, &[u8]>,
    most: usize,
) -> Result<Vec<NamedTensor>, String> {
    let numbers = placed.iter().try_fold(0usize, |all, (_, tensor)| all.checked_add(tensor.count()?));
    if numbers.is_none_or(|numbers| numbers > most) {
        return Err("its tensors have more numbers than it has bytes".to_owned());
    }
    let gather = |(name, tensor): (&str, Placed<'_>)| {
        let bytes = storages.get(tensor.storage);
        let bytes = bytes.ok_or_else(|| format!("{name}: storage {} is not there", tensor.storage))?;
        tensor.gather(name, bytes)
    };
    placed.into_iter().map(gather).collect()
}

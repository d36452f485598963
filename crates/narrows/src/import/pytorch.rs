//! Files that `torch.save` writes of a dictionary of tensors: a zip archive since PyTorch 1.6, before that pickles one after another.

use super::numbers::Stored;
use super::pickle::{self, Handle, Pickle, Value};
use crate::model_file::NamedTensor;
use std::collections::HashMap;
use std::io::{Cursor, Read};
use zip::{CompressionMethod, ZipArchive};

/// What old files begin with: this number, pickled.
const MAGIC: [u8; 14] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Whether a file is one that PyTorch wrote.
pub fn is_one(file: &[u8]) -> bool {
    file.starts_with(b"PK") || file.starts_with(&MAGIC)
}

/// Reads a file's tensors of fractions; those of whole numbers are counters.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(file: &[u8]) -> Result<Vec<NamedTensor>, String> {
    if file.starts_with(b"PK") { archive(file) } else { legacy(file) }
}

fn archive(file: &[u8]) -> Result<Vec<NamedTensor>, String> {
    let mut zip = ZipArchive::new(Cursor::new(file)).map_err(|error| error.to_string())?;
    let names: Vec<String> = zip.file_names().flatten().map(|name| name.into_owned()).collect();
    let end = "data.pkl";
    let Some(main) = names.iter().find(|name| *name == end || name.ends_with("/data.pkl")) else {
        return Err("an archive without a data.pkl, which torch.save writes".to_owned());
    };
    let folder = &main[..main.len() - end.len()];
    let pickled = entry(&mut zip, main)?;
    let order = format!("{folder}byteorder");
    if names.contains(&order) && entry(&mut zip, &order)? != b"little" {
        return Err("expected numbers with their lowest byte first".to_owned());
    }
    let pickle = pickle::read(&pickled)?;
    let mut storages = HashMap::new();
    let mut all = Vec::new();
    for (name, tensor) in tensors(&pickle, file.len())? {
        if !storages.contains_key(&tensor.storage) {
            let bytes = entry(&mut zip, &format!("{folder}data/{}", tensor.storage))?;
            storages.insert(tensor.storage.clone(), bytes);
        }
        all.push(tensor.gather(name, &storages[&tensor.storage])?);
    }
    Ok(all)
}

/// An entry's bytes; nothing in such archives is packed, so that nothing can unpack to more than there is.
fn entry(zip: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Vec<u8>, String> {
    let mut entry = zip.by_name(name).map_err(|error| format!("{name}: {error}"))?;
    if entry.compression() != CompressionMethod::Stored {
        return Err(format!("{name}: expected it as it is, found it packed"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
    Ok(bytes)
}

/// Magic number, version and what machine it was; the dictionary; the storages' keys; and behind these the storages, a length before each.
fn legacy(file: &[u8]) -> Result<Vec<NamedTensor>, String> {
    let mut at = 0;
    let mut next = || {
        let pickle = pickle::read(&file[at..])?;
        at += pickle.length;
        Ok::<Pickle, String>(pickle)
    };
    for _ in 0..3 {
        next()?;
    }
    let (pickle, keys) = (next()?, next()?);
    let Value::Sequence(order) = &keys.values[keys.root] else {
        return Err("expected the storages' keys behind the dictionary".to_owned());
    };
    let sizes: HashMap<String, usize> = (0..pickle.values.len())
        .filter_map(|handle| storage(&pickle, handle).ok())
        .filter_map(|(key, kind)| Some((key, size_of(&kind)?)))
        .collect();
    let mut storages = HashMap::new();
    for key in order {
        let Value::Text(key) = &keys.values[*key] else { return Err("a key that is no text".to_owned()) };
        let size = sizes.get(key).ok_or_else(|| format!("storage {key}: of an unknown kind"))?;
        let short = || format!("storage {key}: the file ends before it does");
        let count = file.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).ok_or_else(short)?;
        let length =
            usize::try_from(u64::from_le_bytes(count)).ok().and_then(|count| count.checked_mul(*size));
        let end = length.and_then(|length| length.checked_add(at + 8));
        let bytes = end.and_then(|end| file.get(at + 8..end)).ok_or_else(short)?;
        at += 8 + bytes.len();
        storages.insert(key.as_str(), bytes);
    }
    let gathered = tensors(&pickle, file.len())?.into_iter().map(|(name, tensor)| {
        let bytes = storages.get(tensor.storage.as_str());
        let bytes = bytes.ok_or_else(|| format!("{name}: storage {} is not there", tensor.storage))?;
        tensor.gather(name, bytes)
    });
    gathered.collect()
}

/// A tensor by where its numbers lie.
struct Placed {
    storage: String,
    stored: Stored,
    offset: usize,
    sizes: Vec<usize>,
    strides: Vec<usize>,
}

impl Placed {
    /// How many numbers, if they can be counted.
    fn count(&self) -> Option<usize> {
        self.sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size))
    }

    /// Its numbers, row-major.
    fn gather(&self, name: String, bytes: &[u8]) -> Result<NamedTensor, String> {
        let (size, lies) = (self.stored.size(), || format!("{name}: it reaches beyond its storage"));
        let count = self.count().ok_or_else(lies)?;
        let last = self.sizes.iter().zip(&self.strides).try_fold(self.offset, |at, (size, stride)| {
            at.checked_add(size.saturating_sub(1).checked_mul(*stride)?)
        });
        if count > 0 && last.is_none_or(|last| last >= bytes.len() / size) {
            return Err(lies());
        }
        let mut values = Vec::with_capacity(count);
        let mut place = vec![0; self.sizes.len()];
        for _ in 0..count {
            let steps = place.iter().zip(&self.strides).map(|(at, stride)| at * stride);
            let at = (self.offset + steps.sum::<usize>()) * size;
            values.push(self.stored.number(&bytes[at..at + size]));
            for axis in (0..place.len()).rev() {
                place[axis] += 1;
                if place[axis] < self.sizes[axis] {
                    break;
                }
                place[axis] = 0;
            }
        }
        Ok(NamedTensor { name, shape: self.sizes.clone(), values })
    }
}

/// The tensors of the first dictionary that has any: what was saved, or a part of it (`state_dict`). Several may share their numbers, but
/// a file of so many bytes means no more than as many numbers.
fn tensors(pickle: &Pickle, most: usize) -> Result<Vec<(String, Placed)>, String> {
    let entries = |handle: Handle| match &pickle.values[handle] {
        Value::Dictionary(entries) => &entries[..],
        _ => &[],
    };
    let parts = entries(pickle.root).iter().map(|(_, part)| *part);
    for handle in std::iter::once(pickle.root).chain(parts) {
        let mut found = Vec::new();
        for (key, value) in entries(handle) {
            if let (Value::Text(name), Some(placed)) = (&pickle.values[*key], tensor(pickle, *value)?) {
                found.push((name.clone(), placed));
            }
        }
        let numbers = found.iter().try_fold(0usize, |all, (_, tensor)| all.checked_add(tensor.count()?));
        if numbers.is_none_or(|numbers| numbers > most) {
            return Err("its tensors have more numbers than it has bytes".to_owned());
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err("expected a dictionary of tensors, as torch.save(model.state_dict(), FILE) writes it".to_owned())
}

/// Where the numbers of a tensor of fractions lie.
fn tensor(pickle: &Pickle, handle: Handle) -> Result<Option<Placed>, String> {
    let call = |handle: Handle| match &pickle.values[handle] {
        Value::Call(called, arguments) => match (&pickle.values[*called], &pickle.values[*arguments]) {
            (Value::Name(name), Value::Sequence(arguments)) => Some((name.as_str(), &arguments[..])),
            _ => None,
        },
        _ => None,
    };
    let mut made = call(handle);
    if let Some(("torch._utils._rebuild_parameter", [inner, ..])) = made {
        made = call(*inner);
    }
    match made {
        Some(("torch._utils._rebuild_tensor_v2", [from, offset, sizes, strides, ..])) => {
            placed(pickle, [*from, *offset, *sizes, *strides])
        }
        _ => Ok(None),
    }
}

fn placed(pickle: &Pickle, [from, offset, sizes, strides]: [Handle; 4]) -> Result<Option<Placed>, String> {
    let (storage, kind) = storage(pickle, from)?;
    let Some(stored) = stored(&kind) else { return Ok(None) };
    let whole = |handle: Handle| match pickle.values[handle] {
        Value::Whole(number) => usize::try_from(number).map_err(|_| "a tensor of negative size".to_owned()),
        _ => Err("a tensor's size that is no number".to_owned()),
    };
    let wholes = |handle: Handle| match &pickle.values[handle] {
        Value::Sequence(all) => all.iter().map(|one| whole(*one)).collect::<Result<Vec<_>, _>>(),
        _ => Err("a tensor without sizes".to_owned()),
    };
    let (offset, sizes, strides) = (whole(offset)?, wholes(sizes)?, wholes(strides)?);
    if sizes.len() != strides.len() {
        return Err(format!("a tensor of {} sizes and {} strides", sizes.len(), strides.len()));
    }
    Ok(Some(Placed { storage, stored, offset, sizes, strides }))
}

/// A storage's key and kind: ("storage", kind, key, where it lay, how many numbers).
fn storage(pickle: &Pickle, handle: Handle) -> Result<(String, String), String> {
    let Value::Outside(called) = &pickle.values[handle] else {
        return Err("a tensor without a storage".to_owned());
    };
    if let Value::Sequence(parts) = &pickle.values[*called]
        && let [_, kind, key, ..] = parts[..]
        && let (Value::Name(kind), Value::Text(key)) = (&pickle.values[kind], &pickle.values[key])
    {
        return Ok((key.clone(), kind.clone()));
    }
    Err("a storage without a key".to_owned())
}

/// How a storage's numbers are stored, if they are fractions.
fn stored(kind: &str) -> Option<Stored> {
    Some(match kind {
        "torch.HalfStorage" => Stored::F16,
        "torch.BFloat16Storage" => Stored::Bf16,
        "torch.FloatStorage" => Stored::F32,
        "torch.DoubleStorage" => Stored::F64,
        _ => return None,
    })
}

/// Bytes of a storage's numbers.
fn size_of(kind: &str) -> Option<usize> {
    match kind {
        "torch.ByteStorage" | "torch.CharStorage" | "torch.BoolStorage" => Some(1),
        "torch.ShortStorage" => Some(2),
        "torch.IntStorage" => Some(4),
        "torch.LongStorage" => Some(8),
        _ => stored(kind).map(Stored::size),
    }
}

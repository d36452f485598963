//! NumPy's arrays: `.npy`, and `.npz` archives of them with rows, labels and perhaps a test part.
//!
//! Any numeric element type, either byte order, C or Fortran order. Two axes are rows of a table, three are grey
//! images, four are images with channels last.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::Options;
use super::bytes::{broken, open, read_exactly};
use super::dataset::{Dataset, ItemShape, Values};
use super::error::DataError;
use super::labels::Labels;
use super::npy_header::{self, FORMAT, Header};
use super::source::Source;

/// Names under which people keep rows and labels, the likeliest first; compared without regard to case.
const ROWS: [&str; 8] = ["X", "x_train", "train_x", "data", "train", "train_images", "images", "features"];
const LABELS: [&str; 8] = ["y", "y_train", "train_y", "labels", "label", "train_labels", "target", "targets"];
const TEST_ROWS: [&str; 5] = ["x_test", "test_x", "test", "test_data", "test_images"];
const TEST_LABELS: [&str; 4] = ["y_test", "test_y", "test_labels", "test_label"];

/// An array as it lies in the file.
struct Array {
    path: PathBuf,
    header: Header,
    content: Vec<u8>,
}

/// Loads a `.npy` file, or the arrays of an `.npz` archive.
pub(super) fn load(path: &Path, options: &Options) -> Result<Source, DataError> {
    let start = super::bytes::read_start(path, 2)?;
    let named_npz = path.extension().and_then(OsStr::to_str).is_some_and(|e| e.eq_ignore_ascii_case("npz"));
    let name = "npy".to_string();
    if start != *b"PK" && !named_npz {
        let mut opened = open(path)?;
        let array = read_array(path.to_path_buf(), &mut *opened.reader, opened.most)?;
        return Ok(Source { name, train: rows(array, options)?, test: None, notes: vec![] });
    }
    let mut archive = Archive::open(path)?;
    let train = match &options.array {
        Some(wanted) => archive.named(wanted)?,
        None => archive.likeliest_rows()?,
    };
    let labels = match &options.label_array {
        Some(wanted) => Some(archive.named(wanted)?),
        None => archive.first_of(&LABELS)?,
    };
    let train = labelled(rows(train, options)?, labels)?;
    let test = match archive.first_of(&TEST_ROWS)? {
        Some(test) if options.array.is_none() => {
            Some(labelled(rows(test, options)?, archive.first_of(&TEST_LABELS)?)?)
        }
        _ => None,
    };
    Ok(Source { name, train, test, notes: vec![] })
}

/// A zip archive of arrays.
struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    /// The arrays' names, `.npy` taken off, in the order of the archive.
    names: Vec<String>,
}

impl Archive {
    fn open(path: &Path) -> Result<Archive, DataError> {
        let file =
            File::open(path).map_err(|source| DataError::Unreadable { path: path.to_path_buf(), source })?;
        let zip = ZipArchive::new(BufReader::new(file)).map_err(|error| DataError::Malformed {
            path: path.to_path_buf(),
            format: "NPZ",
            reason: error.to_string(),
        })?;
        let entry = |i| Some(zip.name_for_index(i)?.ok()?.strip_suffix(".npy")?.to_string());
        let names = (0..zip.len()).filter_map(entry).collect();
        Ok(Archive { path: path.to_path_buf(), zip, names })
    }

    /// The array of exactly this name.
    fn named(&mut self, wanted: &str) -> Result<Array, DataError> {
        match self.names.iter().any(|name| name == wanted) {
            true => self.read(wanted),
            false => Err(self.without(format!("{wanted:?}"))),
        }
    }

    /// The array under the first of these names that there is.
    fn first_of(&mut self, candidates: &[&str]) -> Result<Option<Array>, DataError> {
        let known =
            |candidate: &&str| self.names.iter().find(|name| name.eq_ignore_ascii_case(candidate)).cloned();
        let found = candidates.iter().find_map(known);
        found.map(|name| self.read(&name)).transpose()
    }

    /// The array of a name that people give to rows, or else the only one.
    fn likeliest_rows(&mut self) -> Result<Array, DataError> {
        if let Some(array) = self.first_of(&ROWS)? {
            return Ok(array);
        }
        let is_label = |name: &str| LABELS.iter().any(|label| label.eq_ignore_ascii_case(name));
        let others: Vec<String> = self.names.iter().filter(|name| !is_label(name)).cloned().collect();
        match others.as_slice() {
            [only] => self.read(only),
            _ => Err(self.without("that is known to hold rows (X, data, …)".to_string())),
        }
    }

    /// Unpacks one array.
    fn read(&mut self, name: &str) -> Result<Array, DataError> {
        let path = self.path.join(format!("{name}.npy"));
        let mut entry = self.zip.by_name(&format!("{name}.npy")).map_err(|error| DataError::Malformed {
            path: path.clone(),
            format: "NPZ",
            reason: error.to_string(),
        })?;
        // The archive's own word for the size is as good as any header's: at most what DEFLATE can make of its bytes.
        let most = entry.size().min(entry.compressed_size().saturating_mul(1032));
        read_array(path, &mut entry, most)
    }

    /// The error for an array that is not there.
    fn without(&self, wanted: String) -> DataError {
        DataError::NoArray { path: self.path.clone(), wanted, known: self.names.clone() }
    }
}

/// Reads header and elements; `most` is the largest number of bytes that can follow.
fn read_array(path: PathBuf, reader: &mut dyn Read, most: u64) -> Result<Array, DataError> {
    let header = npy_header::read(&path, reader)?;
    let size = element_size(&header.descr)
        .ok_or_else(|| DataError::ElementType { path: path.clone(), found: header.descr.clone() })?;
    let expected = header.shape.iter().try_fold(size, |product: u64, &size| product.checked_mul(size as u64));
    let expected = expected.ok_or_else(|| DataError::Malformed {
        path: path.clone(),
        format: FORMAT,
        reason: format!("an array of {:?} is larger than any memory", header.shape),
    })?;
    let content = read_exactly(&path, FORMAT, reader, expected, most.saturating_sub(header.bytes))?;
    // The end of an archive's entry is where its checksum is compared.
    reader.read(&mut [0]).map_err(|error| broken(&path, FORMAT, &error))?;
    Ok(Array { path, header, content })
}

/// Bytes of one element; `None` for what is no number (or text, for labels).
fn element_size(descr: &str) -> Option<u64> {
    let (order, rest) = descr.split_at_checked(1)?;
    let size = rest.get(1..)?.parse::<u64>().ok()?;
    let known = matches!(rest, "b1" | "u1" | "i1" | "u2" | "i2" | "u4" | "i4" | "u8" | "i8" | "f4" | "f8");
    match order {
        "<" | ">" | "|" if known => Some(size),
        "<" | ">" if rest.starts_with('U') => size.checked_mul(4),
        _ => None,
    }
}

/// An array as rows of items.
fn rows(array: Array, options: &Options) -> Result<Dataset, DataError> {
    let sizes = &array.header.shape;
    let refuse = |found: String| DataError::Shape {
        path: array.path.clone(),
        expected: "rows × columns, or images × height × width (× channels)".to_string(),
        found,
    };
    if sizes.contains(&0) {
        let found = if sizes[0] == 0 { "no rows" } else { "no columns" };
        return Err(DataError::Empty { name: array.path.display().to_string(), found });
    }
    let shape = match sizes[..] {
        [_, width] => ItemShape::Vector { columns: None, width },
        [_, height, width] => ItemShape::Image { height, width, channels: 1 },
        [_, channels, height, width] if options.channels_first => {
            ItemShape::Image { height, width, channels }
        }
        [_, height, width, channels @ (1 | 3)] => ItemShape::Image { height, width, channels },
        [_, 1 | 3, _, channels] if options.channels != Some(channels) => {
            let found = format!(
                "an array of {sizes:?}, which seems to have its channels first (data.channels_first = true)"
            );
            return Err(refuse(found));
        }
        [_, height, width, channels] => ItemShape::Image { height, width, channels },
        _ => return Err(refuse(format!("an array of {sizes:?}"))),
    };
    if array.header.descr.contains('U') {
        return Err(DataError::ElementType { path: array.path, found: array.header.descr });
    }
    let mut values = in_c_order(decode(&array), &array.header);
    if let ([_, channels, height, width], true) = (&sizes[..], options.channels_first) {
        values = match values {
            Values::U8(values) => Values::U8(channels_last(&values, *channels, height * width)),
            Values::F32(values) => Values::F32(channels_last(&values, *channels, height * width)),
            stored @ Values::Stored(_) => stored,
        };
    }
    let data = Dataset { maps: None, shape, values, labels: None, names: None };
    // Here the array is still known by name.
    data.check(&array.path.display().to_string())?;
    Ok(data)
}

/// Images whose channels come one after another, as images of pixels.
fn channels_last<T: Copy>(values: &[T], channels: usize, pixels: usize) -> Vec<T> {
    let each = |image: &[T]| -> Vec<T> {
        (0..pixels * channels).map(|at| image[at % channels * pixels + at / channels]).collect()
    };
    values.chunks_exact(channels * pixels).flat_map(each).collect()
}

/// Elements as numbers, in the order of the file; bytes and truth values stay bytes. The type has been checked.
fn decode(array: &Array) -> Values {
    let (order, kind) = array.header.descr.split_at(1);
    let big = order == ">";
    fn each<const N: usize>(content: &[u8], big: bool, number: impl Fn([u8; N]) -> f32) -> Values {
        let (elements, _) = content.as_chunks::<N>();
        let little = |mut bytes: [u8; N]| {
            if big {
                bytes.reverse();
            }
            bytes
        };
        Values::F32(elements.iter().map(|&bytes| number(little(bytes))).collect())
    }
    let content = &array.content;
    match kind {
        "u1" => Values::U8(content.clone()),
        "b1" => Values::U8(content.iter().map(|&byte| u8::from(byte != 0)).collect()),
        "i1" => each(content, big, |b: [u8; 1]| f32::from(i8::from_le_bytes(b))),
        "u2" => each(content, big, |b| f32::from(u16::from_le_bytes(b))),
        "i2" => each(content, big, |b| f32::from(i16::from_le_bytes(b))),
        "u4" => each(content, big, |b| u32::from_le_bytes(b) as f32),
        "i4" => each(content, big, |b| i32::from_le_bytes(b) as f32),
        "u8" => each(content, big, |b| u64::from_le_bytes(b) as f32),
        "i8" => each(content, big, |b| i64::from_le_bytes(b) as f32),
        "f4" => each(content, big, f32::from_le_bytes),
        _ => each(content, big, |b| f64::from_le_bytes(b) as f32),
    }
}

/// Elements in C order: the last axis changes fastest.
fn in_c_order(values: Values, header: &Header) -> Values {
    fn reorder<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
        let strides: Vec<usize> =
            shape.iter().scan(1, |stride, &size| Some(std::mem::replace(stride, *stride * size))).collect();
        let mut place = vec![0; shape.len()];
        let mut from = 0;
        let mut ordered = Vec::with_capacity(values.len());
        for _ in 0..values.len() {
            ordered.push(values[from]);
            // Count up, last axis first.
            for axis in (0..shape.len()).rev() {
                place[axis] += 1;
                from += strides[axis];
                if place[axis] < shape[axis] {
                    break;
                }
                from -= strides[axis] * shape[axis];
                place[axis] = 0;
            }
        }
        ordered
    }
    match values {
        values if !header.fortran => values,
        stored @ Values::Stored(_) => stored,
        Values::F32(values) => Values::F32(reorder(&values, &header.shape)),
        Values::U8(values) => Values::U8(reorder(&values, &header.shape)),
    }
}

/// The rows with their labels, one for each.
fn labelled(rows: Dataset, labels: Option<Array>) -> Result<Dataset, DataError> {
    let Some(array) = labels else { return Ok(rows) };
    let count = match array.header.shape[..] {
        [count] | [count, 1] | [1, count] => count,
        _ => {
            return Err(DataError::Shape {
                path: array.path,
                expected: "one label a row".to_string(),
                found: format!("an array of {:?}", array.header.shape),
            });
        }
    };
    if count != rows.rows() {
        return Err(DataError::LabelCount { path: array.path, rows: rows.rows(), labels: count });
    }
    let texts: Vec<String> = match array.header.descr.contains('U') {
        true => texts(&array),
        false => decode(&array).to_f32().iter().map(f32::to_string).collect(),
    };
    Ok(Dataset { labels: Some(Labels::from_texts(&texts)), ..rows })
}

/// NumPy's fixed-length text: four bytes a letter, filled up with zeros.
fn texts(array: &Array) -> Vec<String> {
    let big = array.header.descr.starts_with('>');
    let length = array.content.len() / array.header.shape.iter().product::<usize>().max(1);
    let letter = |bytes: &[u8; 4]| {
        let number = if big { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) };
        char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
    };
    let text = |bytes: &[u8]| -> String {
        bytes.as_chunks::<4>().0.iter().map(letter).take_while(|&c| c != '\0').collect()
    };
    array.content.chunks_exact(length.max(1)).map(text).collect()
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;

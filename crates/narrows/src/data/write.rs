//! Rows on their way out, as NPY, CSV or pictures; and codes on their way back in.
//!
//! Every file is written whole or not at all (`atomic`). Numbers in CSV are written with as many digits as bring back
//! the same 32 bits.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use super::atomic::write_bytes_atomically;
use super::atomic::{WriteError, sibling, write_atomically};
use super::dataset::{Dataset, ItemShape};
use super::error::DataError;
use super::{Kind, Options};

/// Rows of numbers without a meaning of their own: codes.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// How many rows.
    pub rows: usize,
    /// Numbers in a row.
    pub width: usize,
    /// rows × width numbers, row after row, all finite.
    pub values: Vec<f32>,
}

/// Writes `values` as a little-endian 32-bit NPY array of shape `shape`.
///
/// # Errors
///
/// A [`DataError::Write`] that names `path`.
///
/// # Panics
///
/// If `values` is not as long as the product of `shape`.
pub fn write_npy(path: &Path, shape: &[usize], values: &[f32]) -> Result<(), DataError> {
    assert_eq!(shape.iter().product::<usize>(), values.len(), "an array of shape {shape:?}");
    let sizes: String = shape.iter().map(|size| format!("{size},")).collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sizes}), }}");
    // Magic, version and length take 10 bytes; NumPy aligns the data to 64.
    let padded = (10 + header.len() + 1).next_multiple_of(64);
    header.push_str(&" ".repeat(padded - 11 - header.len()));
    header.push('\n');
    write_atomically(path, |writer| {
        writer.write_all(b"\x93NUMPY\x01\x00")?;
        writer.write_all(&(header.len() as u16).to_le_bytes())?;
        writer.write_all(header.as_bytes())?;
        write_numbers(writer, values)
    })?;
    Ok(())
}

/// Numbers as little-endian bytes, a block at a time.
fn write_numbers(writer: &mut dyn Write, values: &[f32]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(4 * 4096);
    for block in values.chunks(4096) {
        bytes.clear();
        bytes.extend(block.iter().flat_map(|v| v.to_le_bytes()));
        writer.write_all(&bytes)?;
    }
    Ok(())
}

/// Writes rows of `width` numbers as CSV, below a row of names if there are any.
///
/// # Errors
///
/// A [`DataError::Write`] that names `path`.
///
/// # Panics
///
/// If `values` is not a whole number of rows, or there are names but not `width` of them.
pub fn write_csv(
    path: &Path,
    names: Option<&[String]>,
    width: usize,
    values: &[f32],
) -> Result<(), DataError> {
    assert!(width > 0 && values.len().is_multiple_of(width), "whole rows of {width}");
    assert!(names.is_none_or(|names| names.len() == width), "{width} names");
    write_atomically(path, |writer| {
        let mut table = csv::WriterBuilder::new().from_writer(writer);
        if let Some(names) = names {
            table.write_record(names)?;
        }
        for row in values.chunks_exact(width) {
            // The debug form is the shortest that reads back the same, with an exponent where that is shorter.
            table.write_record(row.iter().map(|value| format!("{value:?}")))?;
        }
        table.flush()
    })?;
    Ok(())
}

/// Writes images as `00000.png`, `00001.png`, … into the folder `folder`, all of them or none.
///
/// `range` holds the values that become black and white; what lies beyond is cut off. A folder of pictures that an
/// earlier call wrote is replaced; one with anything else in it is refused, numbered pictures of others included.
///
/// # Errors
///
/// [`DataError::FolderInUse`], [`DataError::OutputKind`] if rows are not images of 1 or 3 channels, or
/// [`DataError::Write`].
pub fn write_pictures(
    folder: &Path,
    shape: &ItemShape,
    values: &[f32],
    range: (f32, f32),
) -> Result<(), DataError> {
    let &ItemShape::Image { height, width, channels: channels @ (1 | 3) } = shape else {
        let found = format!("{} are no pictures", shape.describe());
        return Err(DataError::OutputKind { path: folder.to_path_buf(), expected: ".npy or .csv", found });
    };
    let failed = |source| WriteError::new(folder, source);
    let beside = FolderBeside::new(folder, 0, is_our_picture)?;
    for (i, row) in values.chunks_exact(shape.features()).enumerate() {
        let bytes: Vec<u8> = row.iter().map(|&value| to_byte(value, range)).collect();
        let png = png_bytes(height, width, channels, &bytes);
        fs::write(beside.path().join(format!("{i:05}.png")), png).map_err(failed)?;
    }
    beside.put_in_place(folder)
}

/// What our pictures carry as their software, so that nobody else's are taken for them.
const SOFTWARE: (&str, &str) = ("Software", "Narrows");
/// It stands among the first bytes of a file.
const HEAD: u64 = 1024;

/// Whether a file is one of the pictures that we number.
fn is_our_picture(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = name.strip_suffix(".png").unwrap_or("");
    number.len() >= 5 && number.bytes().all(|b| b.is_ascii_digit()) && is_marked(path)
}

/// Whether a picture says that it was written with us.
pub(super) fn is_marked(path: &Path) -> bool {
    let mut head = Vec::new();
    let mut read = || fs::File::open(path)?.take(HEAD).read_to_end(&mut head);
    let mark = format!("tEXt{}\0{}", SOFTWARE.0, SOFTWARE.1);
    path.is_file() && read().is_ok() && head.windows(mark.len()).any(|bytes| bytes == mark.as_bytes())
}

/// Pixels between the pictures of a sheet.
const GAP: usize = 2;
/// What they look like: neither paper nor ink.
const GAP_GREY: u8 = 128;

/// Writes all images into one picture, as many a line as make it about square. `range` as in [`write_pictures`].
fn write_sheet(path: &Path, shape: &ItemShape, values: &[f32], range: (f32, f32)) -> Result<(), DataError> {
    let &ItemShape::Image { height, width, channels: channels @ (1 | 3) } = shape else {
        let found = format!("{} are no pictures", shape.describe());
        return Err(DataError::OutputKind { path: path.to_path_buf(), expected: ".npy or .csv", found });
    };
    let count = (values.len() / shape.features()).max(1);
    let columns = (1..=count).find(|columns| columns * columns >= count).unwrap_or(count);
    let side = |pictures: usize, pixels: usize| pictures * (pixels + GAP) - GAP;
    let (tall, wide) = (side(count.div_ceil(columns), height), side(columns, width));
    let mut sheet = vec![GAP_GREY; tall * wide * channels];
    for (at, picture) in values.chunks_exact(shape.features()).enumerate() {
        let (top, left) = (at / columns * (height + GAP), at % columns * (width + GAP));
        for (line, pixels) in picture.chunks_exact(width * channels).enumerate() {
            let to = ((top + line) * wide + left) * channels;
            let bytes = pixels.iter().map(|&value| to_byte(value, range));
            sheet[to..to + pixels.len()].iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
        }
    }
    write_bytes_atomically(path, &png_bytes(tall, wide, channels, &sheet))?;
    Ok(())
}

/// A value as a byte, black and white being the ends of `range`.
fn to_byte(value: f32, (black, white): (f32, f32)) -> u8 {
    (255.0 * (value - black) / (white - black)).round() as u8
}

/// A picture of 1 or 3 channels as the bytes of a PNG file.
///
/// # Panics
///
/// If `pixels` is not height × width × channels long, or channels is neither 1 nor 3.
pub fn png_bytes(height: usize, width: usize, channels: usize, pixels: &[u8]) -> Vec<u8> {
    assert_eq!(pixels.len(), height * width * channels, "{height}x{width} pixels of {channels} channels");
    assert!(channels == 1 || channels == 3, "grey or colour");
    let colour = if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb };
    encode_png((height, width), colour, png::Compression::Fast, Some(SOFTWARE), pixels)
        .expect("a Vec takes all, and the sizes have been checked")
}

/// The bytes of a PNG file of this height and width, 8 bits a channel, and perhaps a keyword and a text.
///
/// # Errors
///
/// If a side is 0, or `pixels` has another length than the size and the colours ask for.
pub(crate) fn encode_png(
    (height, width): (usize, usize),
    colour: png::ColorType,
    compression: png::Compression,
    text: Option<(&str, &str)>,
    pixels: &[u8],
) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(compression);
    encoder.set_filter(png::Filter::Adaptive);
    if let Some((keyword, text)) = text {
        encoder.add_text_chunk(keyword.to_owned(), text.to_owned())?;
    }
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(file)
}

/// The bytes of a palette PNG file of this height and width; a palette has three bytes a colour.
///
/// # Errors
///
/// If a side is 0, or `numbers` has another length than the size asks for.
pub(super) fn encode_png_with(
    (height, width): (usize, usize),
    palette: &[u8],
    numbers: &[u8],
) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.add_text_chunk(SOFTWARE.0.to_owned(), SOFTWARE.1.to_owned())?;
    encoder.write_header()?.write_image_data(numbers)?;
    Ok(file)
}

/// A folder written beside its final name; removed with all in it when dropped before it is put in place.
pub(super) struct FolderBeside(std::path::PathBuf);

impl FolderBeside {
    /// A new folder for one that is to be written. An existing one may be replaced if it holds nothing but files that are `ours`, so many
    /// folders deep.
    pub fn new(folder: &Path, depth: usize, ours: impl Fn(&Path) -> bool) -> Result<FolderBeside, DataError> {
        let failed = |source| WriteError::new(folder, source);
        if let Some(found) = foreign_file(folder, &ours, depth).map_err(failed)? {
            return Err(DataError::FolderInUse { path: folder.to_path_buf(), found });
        }
        let beside = FolderBeside(sibling(folder).map_err(failed)?);
        fs::create_dir(&beside.0).map_err(failed)?;
        Ok(beside)
    }

    /// Where files go.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Gives it its name.
    pub fn put_in_place(self, folder: &Path) -> Result<(), DataError> {
        let failed = |source| WriteError::new(folder, source);
        if folder.is_dir() {
            fs::remove_dir_all(folder).map_err(failed)?;
        }
        fs::rename(&self.0, folder).map_err(failed)?;
        Ok(())
    }
}

impl Drop for FolderBeside {
    fn drop(&mut self) {
        // After the rename there is nothing under its name.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file in the folder that is not ours.
fn foreign_file(folder: &Path, ours: &dyn Fn(&Path) -> bool, depth: usize) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let found = if entry.file_type()?.is_dir() && depth > 0 {
            foreign_file(&entry.path(), ours, depth - 1)?
        } else {
            (!ours(&entry.path())).then(|| entry.file_name().to_string_lossy().into_owned())
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Written {
    /// The values that are black and white in pictures, as in [`write_pictures`].
    pub range: (f32, f32),
    /// Whether an array of images has its channels first, as the one had that a model was trained on (`data.channels_first`).
    pub channels_first: bool,
}

/// Writes rows in the form that the path's name asks for: `.npy`, `.csv`, or if they are images `.png` for one picture of all of
/// them, or a folder of pictures.
///
/// Images keep their shape in NPY (N × H × W, or N × H × W × C, or N × C × H × W where channels come first), tables their column names in CSV.
///
/// # Errors
///
/// [`DataError::OutputKind`] if the name asks for nothing that these rows can be written as, else as the functions
/// that it calls.
pub fn write_rows(
    path: &Path,
    shape: &ItemShape,
    values: &[f32],
    Written { range, channels_first }: Written,
) -> Result<(), DataError> {
    let rows = values.len() / shape.features();
    match ending(path).as_str() {
        "npy" => match *shape {
            ItemShape::Image { height, width, channels } if channels_first => {
                let pixels = height * width;
                let each = |image: &[f32]| -> Vec<f32> {
                    (0..image.len()).map(|at| image[at % pixels * channels + at / pixels]).collect()
                };
                let turned: Vec<f32> = values.chunks_exact(pixels * channels).flat_map(each).collect();
                write_npy(path, &[rows, channels, height, width], &turned)
            }
            ItemShape::Vector { width, .. } => write_npy(path, &[rows, width], values),
            ItemShape::Image { height, width, channels: 1 } => {
                write_npy(path, &[rows, height, width], values)
            }
            ItemShape::Image { height, width, channels } => {
                write_npy(path, &[rows, height, width, channels], values)
            }
        },
        "csv" => match shape {
            ItemShape::Vector { columns, width } => write_csv(path, columns.as_deref(), *width, values),
            ItemShape::Image { .. } => write_csv(path, None, shape.features(), values),
        },
        "png" => write_sheet(path, shape, values, range),
        "" if matches!(shape, ItemShape::Image { .. }) => write_pictures(path, shape, values, range),
        other => {
            let expected = match shape {
                ItemShape::Vector { .. } => ".npy or .csv",
                ItemShape::Image { .. } => ".npy, .csv or .png, or of a folder",
            };
            Err(DataError::OutputKind { path: path.to_path_buf(), expected, found: described(other) })
        }
    }
}

/// Reads codes back from an NPY or CSV file, as [`write_npy`] and [`write_csv`] (or NumPy) wrote them.
///
/// # Errors
///
/// As [`load`](super::load), and [`DataError::OutputKind`] for other endings.
pub fn read_codes(path: &Path) -> Result<Matrix, DataError> {
    let kind = match ending(path).as_str() {
        "npy" => Kind::Npy,
        "csv" => Kind::Csv,
        other => {
            let (path, found) = (path.to_path_buf(), described(other));
            return Err(DataError::OutputKind { path, expected: ".npy or .csv", found });
        }
    };
    let options = Options { kind: Some(kind), ..Options::default() };
    let Dataset { shape, values, .. } = super::load(Some(path), &options)?.train;
    let (width, values) = (shape.features(), values.to_f32());
    Ok(Matrix { rows: values.len() / width, width, values })
}

/// The path's ending in lower case, without the dot; empty if there is none.
fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// An ending in words.
fn described(ending: &str) -> String {
    if ending.is_empty() {
        "the name has no ending".to_string()
    } else {
        format!("the name ends in .{ending}")
    }
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;

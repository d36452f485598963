//! One picture file, PNG or JPEG, as red, green and blue on white, the way up that its EXIF data say.
//!
//! What a file contains, not its name, says which of the two it is. The size that its header claims is checked before
//! memory is taken for it. The JPEG decoder is used without its vector instructions, so that a file is the same pixels
//! on every machine.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::error::DataError;
use super::exif;

/// No picture may be larger than this, as a file or decoded.
const MOST_BYTES: u64 = 1 << 29;

/// A decoder that has read the header.
enum Decoder {
    Png(Box<png::Reader<BufReader<File>>>),
    Jpeg(Box<JpegDecoder<ZCursor<Vec<u8>>>>),
}

/// What was done to make a picture one of eight bits in three colours, the right way up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Adapted {
    /// It was turned or mirrored as its EXIF data say.
    pub turned: bool,
    /// Some of it may have been transparent.
    pub transparent: bool,
    /// It had 16 bits a colour.
    pub deep: bool,
    /// It was grey.
    pub grey: bool,
}

/// A decoded picture.
#[derive(Debug)]
pub(super) struct Picture {
    /// Red, green and blue on white.
    pub pixels: Vec<u8>,
    /// Height and width.
    pub size: (usize, usize),
    /// What was done to it.
    pub adapted: Adapted,
}

/// The height and width that a picture's header gives, and whether it is stored as grey.
pub(super) fn size(path: &Path) -> Result<((usize, usize), bool), DataError> {
    let (decoder, size) = open(path)?;
    let turned = exif::swaps_sides(orientation_of(&decoder));
    Ok((if turned { (size.1, size.0) } else { size }, adapted_of(&decoder).grey))
}

/// What will be done to a picture, its turning left aside.
fn adapted_of(decoder: &Decoder) -> Adapted {
    match decoder {
        Decoder::Png(reader) => {
            let (colour, depth) = reader.output_color_type();
            let (transparent, grey) = (matches!(colour.samples(), 2 | 4), colour.samples() <= 2);
            Adapted { turned: false, transparent, deep: depth == png::BitDepth::Sixteen, grey }
        }
        Decoder::Jpeg(decoder) => {
            let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
            Adapted { grey, ..Adapted::default() }
        }
    }
}

/// One picture.
pub(super) fn read(path: &Path) -> Result<Picture, DataError> {
    let (decoder, size) = open(path)?;
    let orientation = orientation_of(&decoder);
    let mut adapted = adapted_of(&decoder);
    let pixels = match decoder {
        Decoder::Png(reader) => png_pixels(*reader),
        Decoder::Jpeg(decoder) => jpeg_pixels(*decoder),
    };
    let pixels = pixels.map_err(|reason| unreadable(path, &reason))?;
    adapted.turned = orientation > 1;
    let (pixels, size) = exif::upright(pixels, size, orientation);
    Ok(Picture { pixels, size, adapted })
}

/// How the camera was held, 1 to 8; 1 where nobody says.
fn orientation_of(decoder: &Decoder) -> u8 {
    let data = match decoder {
        Decoder::Png(reader) => reader.info().exif_metadata.as_deref().map(<[u8]>::to_vec),
        Decoder::Jpeg(decoder) => decoder.exif().cloned(),
    };
    data.and_then(|data| exif::orientation(&data)).unwrap_or(1)
}

/// The numbers of a grey or palette PNG of at most 8 bits, as they stand in the file, and its height and width.
pub(super) fn read_numbers(path: &Path) -> Result<(Vec<u8>, (usize, usize)), DataError> {
    let failed = |source| DataError::Unreadable { path: path.to_path_buf(), source };
    let file = BufReader::new(File::open(path).map_err(failed)?);
    numbers(file).map_err(|reason| unreadable(path, &reason))
}

fn numbers(file: BufReader<File>) -> Result<(Vec<u8>, (usize, usize)), String> {
    let mut decoder = png::Decoder::new_with_limits(file, png::Limits { bytes: MOST_BYTES as usize });
    decoder.set_transformations(png::Transformations::IDENTITY);
    let (width, height) = decoder.read_header_info().map_err(png_reason)?.size();
    let (width, height) = (width as usize, height as usize);
    check_size((height, width), 1)?;
    let mut reader = decoder.read_info().map_err(png_reason)?;
    let (colour, depth) = reader.output_color_type();
    let bits = depth as usize;
    if !matches!(colour, png::ColorType::Grayscale | png::ColorType::Indexed) || bits > 8 {
        return Err(format!(
            "a label map is a grey or palette PNG of at most 8 bits, and this is {colour:?} of {bits}"
        ));
    }
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("PNG: it does not fit in memory")?];
    reader.next_frame(&mut bytes).map_err(png_reason)?;
    let line = (width * bits).div_ceil(8);
    let number = |at: usize| {
        let (row, first) = (at / width, at % width * bits);
        let byte = bytes[row * line + first / 8];
        // Several pixels of a byte stand from its high bits on.
        ((u16::from(byte) >> (8 - bits - first % 8)) & ((1 << bits) - 1)) as u8
    };
    Ok(((0..width * height).map(number).collect(), (height, width)))
}

/// Reads a file's header: what decodes the rest, and the height and width.
fn open(path: &Path) -> Result<(Decoder, (usize, usize)), DataError> {
    let failed = |source| DataError::Unreadable { path: path.to_path_buf(), source };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let start = file.fill_buf().map_err(failed)?;
    let opened = if start.starts_with(b"\x89PNG\r\n\x1a\n") {
        open_png(file)
    } else if start.starts_with(b"\xff\xd8") {
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        open_jpeg(bytes)
    } else if start.is_empty() {
        Err("the file is empty".to_string())
    } else {
        Err("its content is neither PNG nor JPEG".to_string())
    };
    opened.map_err(|reason| unreadable(path, &reason))
}

/// The error for a file that is named like a picture and cannot be decoded, in one line.
fn unreadable(path: &Path, reason: &str) -> DataError {
    let reason = reason.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    DataError::Picture { path: path.to_path_buf(), reason }
}

/// Refuses pictures that would not fit in [`MOST_BYTES`].
fn check_size((height, width): (usize, usize), bytes_per_pixel: usize) -> Result<(), String> {
    let bytes = width as u128 * height as u128 * bytes_per_pixel as u128;
    if bytes > u128::from(MOST_BYTES) {
        return Err(format!("{height}x{width} pixels take more than {} MiB", MOST_BYTES >> 20));
    }
    Ok(())
}

/// Reads a PNG file up to its pixels.
fn open_png(file: BufReader<File>) -> Result<(Decoder, (usize, usize)), String> {
    let limits = png::Limits { bytes: MOST_BYTES as usize };
    let mut decoder = png::Decoder::new_with_limits(file, limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    // Palettes become colours, and fewer than 8 bits become 8.
    decoder.set_transformations(png::Transformations::EXPAND);
    let (width, height) = decoder.read_header_info().map_err(png_reason)?.size();
    let (width, height) = (width as usize, height as usize);
    // What is opaque is known only behind the header; that a pixel takes a byte is certain.
    check_size((height, width), 1)?;
    let reader = decoder.read_info().map_err(png_reason)?;
    let (colour, depth) = reader.output_color_type();
    check_size((height, width), colour.samples() * if depth == png::BitDepth::Sixteen { 2 } else { 1 })?;
    Ok((Decoder::Png(Box::new(reader)), (height, width)))
}

/// What the PNG decoder found wrong.
fn png_reason(error: png::DecodingError) -> String {
    format!("PNG: {error}")
}

/// Decodes a PNG file's pixels.
fn png_pixels(mut reader: png::Reader<BufReader<File>>) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("PNG: it does not fit in memory")?];
    let frame = reader.next_frame(&mut bytes).map_err(png_reason)?;
    if frame.bit_depth == png::BitDepth::Sixteen {
        bytes = bytes.as_chunks().0.iter().map(|&value| narrowed(u16::from_be_bytes(value))).collect();
    }
    Ok(match frame.color_type.samples() {
        1 => in_three(&bytes),
        2 => bytes.as_chunks().0.iter().flat_map(|&[value, alpha]| [on_white(value, alpha); 3]).collect(),
        3 => bytes,
        _ => {
            let colours = bytes.as_chunks::<4>().0.iter();
            colours.flat_map(|&[colour @ .., alpha]| colour.map(|value| on_white(value, alpha))).collect()
        }
    })
}

/// Reads a JPEG file up to its pixels.
fn open_jpeg(bytes: Vec<u8>) -> Result<(Decoder, (usize, usize)), String> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("JPEG: the file is larger than {} MiB", MOST_BYTES >> 20));
    }
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(jpeg_reason)?;
    let (width, height) = decoder.dimensions().ok_or("JPEG: it has no size")?;
    let colours = decoder.input_colorspace().ok_or("JPEG: it has no colours")?;
    match colours {
        ColorSpace::Luma => decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma)),
        ColorSpace::RGB | ColorSpace::YCbCr | ColorSpace::CMYK | ColorSpace::YCCK => {}
        other => return Err(format!("JPEG: colours of the kind {other:?} are not supported")),
    }
    check_size((height, width), decoder.options().jpeg_get_out_colorspace().num_components())?;
    Ok((Decoder::Jpeg(Box::new(decoder)), (height, width)))
}

/// What the JPEG decoder found wrong.
fn jpeg_reason(error: DecodeErrors) -> String {
    match error {
        // It reads from memory: the only thing that can go wrong is that there is no more.
        DecodeErrors::IoErrors(_) | DecodeErrors::ExhaustedData => "JPEG: unexpected end of file".to_string(),
        DecodeErrors::FormatStatic(reason) => format!("JPEG: {reason}"),
        DecodeErrors::Format(reason) => format!("JPEG: {reason}"),
        error => format!("JPEG: {error}"),
    }
}

/// Decodes a JPEG file's pixels.
fn jpeg_pixels(mut decoder: JpegDecoder<ZCursor<Vec<u8>>>) -> Result<Vec<u8>, String> {
    let pixels = decoder.decode().map_err(jpeg_reason)?;
    Ok(if decoder.output_colorspace() == Some(ColorSpace::Luma) { in_three(&pixels) } else { pixels })
}

/// Grey as red, green and blue.
fn in_three(grey: &[u8]) -> Vec<u8> {
    grey.iter().flat_map(|&value| [value; 3]).collect()
}

/// 16 bits as 8, rounded to nearest.
fn narrowed(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

/// A value of this opacity, laid on white, rounded to nearest.
fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

#[cfg(test)]
#[path = "picture_file_tests.rs"]
mod tests;

//! Pictures of equal size on one sheet: a PNG file, and at the same time the tiles that the page shows.

use base64::Engine as _;

use super::html::escape;
use super::{PictureShape, ReportError, palette};
use crate::data::encode_png;

/// Longest side, in pixels of the page, that a tile is enlarged to.
const USUAL_SIDE: usize = 56;
/// Pixels between two tiles.
const GAP: usize = 1;

/// How values become colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// Values from 0 to 1 as grey, or as red, green and blue.
    Levels,
    /// Values of either sign, each tile scaled by its own largest: blue, nothing, orange.
    Signed,
}

/// Tiles on one sheet, row by row, a transparent pixel between them.
pub(super) struct Sheet {
    /// File name without extension, and name of the page's style class.
    pub name: String,
    /// The PNG file.
    pub png: Vec<u8>,
    columns: usize,
    tile: PictureShape,
    width: usize,
    side: usize,
}

impl Sheet {
    /// Draws the rows; pictures with a side longer than `longest` pixels are made smaller.
    ///
    /// # Errors
    ///
    /// When a row has not as many values as the shape, or the PNG cannot be encoded.
    pub fn draw<R: AsRef<[f32]>>(
        name: &str,
        rows: &[R],
        shape: PictureShape,
        ink: Ink,
        columns: usize,
        longest: usize,
    ) -> Result<Self, ReportError> {
        if let Some(row) = rows.iter().map(AsRef::as_ref).find(|row| row.len() != shape.values()) {
            return Err(ReportError::Shape {
                what: name.to_owned(),
                expected: shape.values(),
                found: row.len(),
            });
        }
        let factor = shape.height.max(shape.width).div_ceil(longest.max(1)).max(1);
        let tile = PictureShape {
            height: shape.height.div_ceil(factor),
            width: shape.width.div_ceil(factor),
            channels: shape.channels,
        };
        let columns = columns.clamp(1, rows.len().max(1));
        let width = columns * (tile.width + GAP) - GAP;
        let height = rows.len().div_ceil(columns).max(1) * (tile.height + GAP) - GAP;
        let mut pixels = vec![0_u8; width * height * 4];
        for (index, row) in rows.iter().enumerate() {
            let (left, top) = (index % columns * (tile.width + GAP), index / columns * (tile.height + GAP));
            let colours = colours(&shrink(row.as_ref(), shape, factor, tile), tile.channels, ink);
            for (y, line) in colours.chunks_exact(tile.width).enumerate() {
                let start = ((top + y) * width + left) * 4;
                pixels[start..start + line.len() * 4].copy_from_slice(line.as_flattened());
            }
        }
        let grey = ink == Ink::Levels && shape.channels == 1;
        Ok(Self {
            name: name.to_owned(),
            png: encode(&pixels, width, height, grey)?,
            columns,
            tile,
            width,
            side: USUAL_SIDE,
        })
    }

    /// The same sheet with its tiles shown about `side` pixels long on the page.
    pub fn shown_at(mut self, side: usize) -> Self {
        self.side = side;
        self
    }

    /// The style rule that gives this sheet's tiles their picture, enlarged by a whole factor.
    pub fn style(&self) -> String {
        let scale = (self.side as f64 / self.tile.height.max(self.tile.width) as f64).round().max(1.0);
        let data = base64::engine::general_purpose::STANDARD.encode(&self.png);
        format!(
            ".{}{{--s:{scale};--w:{};--h:{};--sheet:{};background-image:url(data:image/png;base64,{data})}}\n",
            self.name, self.tile.width, self.tile.height, self.width
        )
    }

    /// The left and upper edge of a tile on the sheet.
    pub fn place(&self, index: usize) -> (usize, usize) {
        let (column, row) = (index % self.columns, index / self.columns);
        (column * (self.tile.width + GAP), row * (self.tile.height + GAP))
    }

    /// A tile as HTML, with what it shows in words.
    pub fn tile(&self, index: usize, words: &str) -> String {
        let (x, y) = self.place(index);
        format!(
            "<span class=\"tile {}\" style=\"--x:{x};--y:{y}\" role=\"img\" aria-label=\"{}\"></span>",
            self.name,
            escape(words)
        )
    }
}

/// A smaller picture: each pixel the mean of a square of `factor` × `factor`, cut off at the edges.
fn shrink(row: &[f32], shape: PictureShape, factor: usize, tile: PictureShape) -> Vec<f32> {
    if factor == 1 {
        return row.to_vec();
    }
    let mut small = Vec::with_capacity(tile.values());
    for y in 0..tile.height {
        for x in 0..tile.width {
            for channel in 0..shape.channels {
                let lines = y * factor..((y + 1) * factor).min(shape.height);
                let square = lines.flat_map(|line| {
                    (x * factor..((x + 1) * factor).min(shape.width))
                        .map(move |column| row[(line * shape.width + column) * shape.channels + channel])
                });
                let (sum, count) = square.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
                small.push(sum / count as f32);
            }
        }
    }
    small
}

/// The colour of each pixel of one tile.
fn colours(values: &[f32], channels: usize, ink: Ink) -> Vec<[u8; 4]> {
    let largest =
        values.iter().filter(|value| value.is_finite()).fold(0.0_f32, |most, value| most.max(value.abs()));
    let scale = if largest > 0.0 { 1.0 / largest } else { 0.0 };
    let pixel = |pixel: &[f32]| match (ink, pixel) {
        (Ink::Levels, [red, green, blue]) => {
            [palette::level(*red), palette::level(*green), palette::level(*blue), 255]
        }
        (Ink::Levels, grey) => [palette::level(grey[0]); 3].opaque(),
        // Weights on three colours are themselves a colour around grey.
        (Ink::Signed, [red, green, blue]) => {
            [red, green, blue].map(|weight| palette::level(0.5 + 0.5 * weight * scale)).opaque()
        }
        (Ink::Signed, weight) => palette::signed(weight[0] * scale),
    };
    values.chunks_exact(channels).map(pixel).collect()
}

/// A colour made opaque.
trait Opaque {
    fn opaque(self) -> [u8; 4];
}

impl Opaque for [u8; 3] {
    fn opaque(self) -> [u8; 4] {
        [self[0], self[1], self[2], 255]
    }
}

/// Encodes red, green, blue and opacity as PNG, grey ones with half the bytes.
fn encode(pixels: &[u8], width: usize, height: usize, grey: bool) -> Result<Vec<u8>, ReportError> {
    let (bytes, colour) = if grey {
        let bytes = pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[3]]).collect();
        (bytes, png::ColorType::GrayscaleAlpha)
    } else {
        (pixels.to_vec(), png::ColorType::Rgba)
    };
    Ok(encode_png((height, width), colour, png::Compression::High, None, &bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sheet's PNG file as its size and its pixels, `N` bytes each.
    fn decoded<const N: usize>(file: &[u8]) -> ((u32, u32), Vec<[u8; N]>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((frame.color_type.samples(), frame.bit_depth), (N, png::BitDepth::Eight));
        ((frame.width, frame.height), bytes.as_chunks().0.to_vec())
    }

    const SQUARE: PictureShape = PictureShape { height: 2, width: 2, channels: 1 };

    #[test]
    fn tiles_stand_where_the_page_looks_for_them() {
        let rows: Vec<Vec<f32>> = (0..5).map(|row| vec![row as f32 / 4.0; 4]).collect();
        let sheet = Sheet::draw("test", &rows, SQUARE, Ink::Levels, 3, 64).unwrap();
        let (size, picture) = decoded::<2>(&sheet.png);
        assert_eq!(size, (8, 5));
        for index in 0..5 {
            let (x, y) = sheet.place(index);
            assert_eq!(picture[(y + 1) * 8 + x + 1], [palette::level(rows[index][0]), 255]);
        }
        assert_eq!(picture[2][1], 0, "the gap is transparent");
    }

    #[test]
    fn signed_tiles_are_scaled_each_by_its_own_largest() {
        let rows = [vec![0.0, 0.1, -0.1, 0.05], vec![0.0, 50.0, -100.0, 0.0]];
        let sheet = Sheet::draw("test", &rows, SQUARE, Ink::Signed, 2, 64).unwrap();
        let ((width, _), picture) = decoded::<4>(&sheet.png);
        assert_eq!(picture[1], palette::signed(1.0));
        assert_eq!(picture[width as usize], palette::signed(-1.0));
        assert_eq!(picture[4], palette::signed(0.5));
    }

    #[test]
    fn large_pictures_are_made_smaller_by_means() {
        let shape = PictureShape { height: 3, width: 3, channels: 3 };
        let row: Vec<f32> = (0..27).map(|value| value as f32).collect();
        let tile = PictureShape { height: 2, width: 2, channels: 3 };
        let small = shrink(&row, shape, 2, tile);
        assert_eq!(small, [6.0, 7.0, 8.0, 10.5, 11.5, 12.5, 19.5, 20.5, 21.5, 24.0, 25.0, 26.0]);
    }

    #[test]
    fn a_row_of_another_length_is_an_error() {
        let error = Sheet::draw("test", &[vec![0.0; 5]], SQUARE, Ink::Levels, 3, 64).err().unwrap();
        assert_eq!(error.to_string(), "test: expected 4 values in a picture, found 5");
    }
}

//! Inpainting: what a model makes of the missing pixels of a picture; known ones stay as they are.

use super::codec::Codec;
use super::picture_quality::psnr;
use crate::data::ItemShape;
use crate::error::Error;
use crate::streams;
use narrows_engine::random::Stream;

/// Which pixels of a picture are missing, H·W of them.
pub type Mask = Vec<bool>;

/// A rectangle of this height and width at a random place of a picture, drawn by its row and a seed; every place is equally likely.
///
/// # Errors
/// A rectangle that does not fit; rows that are no pictures.
pub fn block(shape: &ItemShape, (tall, wide): (usize, usize), row: u32, seed: u64) -> Result<Mask, Error> {
    let &ItemShape::Image { height, width, .. } = shape else { return Err(no_pictures(shape)) };
    if tall == 0 || wide == 0 || tall > height || wide > width {
        return Err(Error::Mismatch {
            what: "--mask".to_owned(),
            expected: format!("a block that fits into pictures {height} pixels high and {width} wide"),
            found: format!("one {tall} high and {wide} wide"),
            hint: "ask for a smaller block".to_owned(),
        });
    }
    let mut stream = Stream::new(seed ^ (u64::from(row) << 20), streams::MASK, 0);
    let top = stream.below((height - tall + 1) as u32) as usize;
    let left = stream.below((width - wide + 1) as u32) as usize;
    let inside =
        |at: usize| (top..top + tall).contains(&(at / width)) && (left..left + wide).contains(&(at % width));
    Ok((0..height * width).map(inside).collect())
}

fn no_pictures(shape: &ItemShape) -> Error {
    Error::Mismatch {
        what: "the rows".to_owned(),
        expected: "pictures".to_owned(),
        found: shape.describe(),
        hint: "inpaint pictures, with a model of pictures".to_owned(),
    }
}

/// Stored pictures, N×D, whose missing pixels are filled by what the model makes of the rest; the others are not touched. While it looks, missing
/// pixels are 0 in the prepared scale, as corruption leaves them in training.
///
/// # Errors
/// As [`Codec::reconstruct`]; rows that are no pictures; not a mask of a picture's pixels for each row.
pub fn inpaint(codec: &Codec, rows: &[f32], masks: &[Mask]) -> Result<Vec<f32>, Error> {
    let shape = &codec.model().description.shape;
    let &ItemShape::Image { height, width, channels } = shape else { return Err(no_pictures(shape)) };
    let pixels = height * width;
    let odd = masks.iter().find(|mask| mask.len() != pixels);
    if odd.is_some() || masks.len() * codec.features() != rows.len() {
        return Err(Error::Mismatch {
            what: "masks".to_owned(),
            expected: format!(
                "one of {pixels} pixels for each of {} pictures",
                rows.len() / codec.features()
            ),
            found: odd
                .map_or(format!("{} masks", masks.len()), |mask| format!("one of {} pixels", mask.len())),
            hint: "give masks in the pictures' size".to_owned(),
        });
    }
    let mut nothing = vec![0.0; codec.features()];
    codec.model().description.preparation.restore(&mut nothing);
    let missing = |at: usize| masks[at / (pixels * channels)][at % (pixels * channels) / channels];
    let seen: Vec<f32> = rows
        .iter()
        .enumerate()
        .map(|(at, value)| if missing(at) { nothing[at % nothing.len()] } else { *value })
        .collect();
    let made = codec.reconstruct(&seen)?;
    Ok(rows
        .iter()
        .zip(made)
        .enumerate()
        .map(|(at, (known, made))| if missing(at) { made } else { *known })
        .collect())
}

/// The same with each missing pixel filled by the mean of the known pixels that touch a missing one: what needs no model.
fn border_mean(rows: &[f32], masks: &[Mask], shape: &ItemShape) -> Vec<f32> {
    let &ItemShape::Image { height, width, channels } = shape else { return rows.to_vec() };
    let mut filled = rows.to_vec();
    for (picture, mask) in filled.chunks_exact_mut(height * width * channels).zip(masks) {
        let touches = |at: usize| {
            let (y, x) = (at / width, at % width);
            let near =
                |row: usize, column: usize| row < height && column < width && mask[row * width + column];
            (y.saturating_sub(1)..=y + 1)
                .any(|row| (x.saturating_sub(1)..=x + 1).any(|column| near(row, column)))
        };
        let border: Vec<usize> = (0..height * width).filter(|at| !mask[*at] && touches(*at)).collect();
        for channel in 0..channels {
            let sum: f64 = border.iter().map(|at| f64::from(picture[at * channels + channel])).sum();
            let mean = (sum / border.len().max(1) as f64) as f32;
            (0..height * width).filter(|at| mask[*at]).for_each(|at| picture[at * channels + channel] = mean);
        }
    }
    filled
}

/// PSNR of missing pixels alone, in dB, values being so far apart at most: as they were filled, and if each had the mean of its border.
pub fn quality(rows: &[f32], filled: &[f32], masks: &[Mask], shape: &ItemShape, range: f64) -> [f64; 2] {
    let channels = shape.features() / shape.pixels();
    [filled, &border_mean(rows, masks, shape)]
        .map(|filled| psnr(missing_error(rows, filled, masks, channels), range))
}

/// The mean squared error of missing pixels alone.
fn missing_error(rows: &[f32], filled: &[f32], masks: &[Mask], channels: usize) -> f64 {
    let missing = masks.iter().flatten().flat_map(|missing| std::iter::repeat_n(*missing, channels));
    let (mut sum, mut count) = (0.0, 0usize);
    for ((truth, filled), _) in rows.iter().zip(filled).zip(missing).filter(|(_, missing)| *missing) {
        sum += (f64::from(*truth) - f64::from(*filled)).powi(2);
        count += 1;
    }
    sum / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ItemShape = ItemShape::Image { height: 4, width: 5, channels: 2 };

    #[test]
    fn blocks_lie_everywhere_and_are_those_of_their_row() {
        let of = |row: u32| block(&SHAPE, (2, 3), row, 7).unwrap();
        assert_eq!(of(3), of(3));
        let mut places: Vec<usize> =
            (0..200).map(|row| of(row).iter().position(|missing| *missing).unwrap()).collect();
        assert!((0..200).all(|row| of(row).iter().filter(|missing| **missing).count() == 6));
        places.sort_unstable();
        places.dedup();
        assert_eq!(places, [0, 1, 2, 5, 6, 7, 10, 11, 12]);
        for size in [(5, 1), (1, 6), (0, 1)] {
            assert!(block(&SHAPE, size, 0, 1).unwrap_err().to_string().contains("4 pixels high and 5 wide"));
        }
    }

    /// The mean of the five pixels around a corner, each channel by itself.
    #[test]
    fn borders_are_averaged() {
        let rows: Vec<f32> = (0..40).map(|at| at as f32).collect();
        let mask: Mask = (0..20).map(|at| [0, 1, 5, 6].contains(&at)).collect();
        let filled = border_mean(&rows, std::slice::from_ref(&mask), &SHAPE);
        let border = [2, 7, 10, 11, 12];
        let mean = border.iter().map(|at| 2.0 * *at as f32).sum::<f32>() / 5.0;
        assert_eq!(filled[..4], [mean, mean + 1.0, mean, mean + 1.0]);
        assert_eq!(
            (filled[4..10].to_vec(), filled[14..].to_vec()),
            (rows[4..10].to_vec(), rows[14..].to_vec())
        );
        let error = missing_error(&rows, &filled, &[mask], 2);
        let squares = [0.0f64, 2.0, 10.0, 12.0].map(|value| (value - f64::from(mean)).powi(2));
        assert!((error - squares.iter().sum::<f64>() / 4.0).abs() < 1e-6);
    }
}

//! Images in other sizes and colours.
//!
//! Resizing: every output pixel is a weighted mean of the input pixels that it covers.
//!
//! The weights are a triangle as wide as the larger of an input and an output pixel (bilinear interpolation that does
//! not skip pixels when it shrinks), normalised, applied first across and then down. Alike for bytes and numbers, for
//! any number of channels; numbers are not clamped.

use super::dataset::Values;

/// Resizes every `from` = (height, width, channels) image in `values` to (height, width) = `to`.
pub(super) fn resize(values: &Values, from: (usize, usize, usize), to: (usize, usize)) -> Values {
    let resizer = Resizer::new(from, to);
    let rows = values.len() / (from.0 * from.1 * from.2);
    let size = to.0 * to.1 * from.2;
    let mut out = vec![0f32; size];
    match values {
        Values::Stored(stored) => resize(&Values::U8(stored.all()), from, to),
        Values::F32(values) => {
            let mut all = Vec::with_capacity(rows * size);
            for image in values.chunks_exact(from.0 * from.1 * from.2) {
                resizer.resize(image, &mut out);
                all.extend_from_slice(&out);
            }
            Values::F32(all)
        }
        Values::U8(values) => {
            let mut all = Vec::with_capacity(rows * size);
            for image in values.chunks_exact(from.0 * from.1 * from.2) {
                resizer.resize(image, &mut out);
                all.extend(out.iter().map(|v| v.round() as u8));
            }
            Values::U8(all)
        }
    }
}

/// The weights for one pair of sizes.
pub(super) struct Resizer {
    from: (usize, usize, usize),
    down: Vec<Span>,
    across: Vec<Span>,
}

/// The input pixels under one output pixel, from `start`, and their weights, which sum to one.
struct Span {
    start: usize,
    weights: Vec<f32>,
}

impl Resizer {
    /// Weights from (height, width, channels) to (height, width); no size may be 0.
    pub fn new(from: (usize, usize, usize), to: (usize, usize)) -> Resizer {
        Resizer { from, down: spans(from.0, to.0), across: spans(from.1, to.1) }
    }

    /// Resizes one image into `out`, which has room for exactly the result.
    pub fn resize<T: Copy + Into<f32>>(&self, image: &[T], out: &mut [f32]) {
        let (height, width, channels) = self.from;
        let narrow = self.across.len() * channels;
        let mut lines = vec![0f32; height * narrow];
        for (line, target) in image.chunks_exact(width * channels).zip(lines.chunks_exact_mut(narrow)) {
            for (span, pixel) in self.across.iter().zip(target.chunks_exact_mut(channels)) {
                for (&weight, source) in
                    span.weights.iter().zip(line[span.start * channels..].chunks_exact(channels))
                {
                    for (sum, &value) in pixel.iter_mut().zip(source) {
                        *sum += weight * value.into();
                    }
                }
            }
        }
        for (span, target) in self.down.iter().zip(out.chunks_exact_mut(narrow)) {
            target.fill(0.0);
            for (&weight, line) in span.weights.iter().zip(lines[span.start * narrow..].chunks_exact(narrow))
            {
                for (sum, &value) in target.iter_mut().zip(line) {
                    *sum += weight * value;
                }
            }
        }
    }
}

/// For each of `to` output pixels, which of `from` input pixels it covers, and how much.
fn spans(from: usize, to: usize) -> Vec<Span> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let span = |place: usize| {
        let centre = (place as f64 + 0.5) * scale;
        let start = (centre - reach).floor().max(0.0) as usize;
        let end = ((centre + reach).ceil() as usize).min(from);
        let weight = |i: usize| (1.0 - ((i as f64 + 0.5 - centre) / reach).abs()).max(0.0);
        let sum: f64 = (start..end).map(weight).sum();
        Span { start, weights: (start..end).map(|i| (weight(i) / sum) as f32).collect() }
    };
    (0..to).map(span).collect()
}

/// From grey to three equal channels, or from colour to its luminance.
pub(super) fn recolour(values: &Values, channels: usize) -> Values {
    fn triple<T: Copy>(values: &[T]) -> Vec<T> {
        values.iter().flat_map(|&v| [v; 3]).collect()
    }
    match (values, channels) {
        (Values::Stored(stored), _) => recolour(&Values::U8(stored.all()), channels),
        (Values::U8(values), 3) => Values::U8(triple(values)),
        (Values::F32(values), 3) => Values::F32(triple(values)),
        (Values::U8(values), _) => Values::U8(luminance(values).collect()),
        (Values::F32(values), _) => {
            Values::F32(values.chunks_exact(3).map(|p| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]).collect())
        }
    }
}

/// The luminance of red, green and blue, by ITU-R BT.601, in whole numbers that sum to 1000, so that a grey pixel keeps its exact value.
pub(super) fn luminance(pixels: &[u8]) -> impl Iterator<Item = u8> {
    pixels
        .chunks_exact(3)
        .map(|p| ((299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2]) + 500) / 1000) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_size_changes_nothing() {
        let image = Values::U8((0..24).collect());
        assert_eq!(resize(&image, (2, 4, 3), (2, 4)), image);
    }

    #[test]
    fn a_flat_image_stays_flat_in_every_size() {
        for to in [(1, 1), (3, 7), (28, 28), (50, 2)] {
            let out = resize(&Values::U8(vec![201; 28 * 28]), (28, 28, 1), to);
            assert_eq!(out, Values::U8(vec![201; to.0 * to.1]), "{to:?}");
        }
    }

    #[test]
    fn halving_keeps_the_mean_of_a_ramp_and_mirrors_it() {
        let ramp: Vec<f32> = (0..8).map(|v| v as f32).collect();
        let Values::F32(out) = resize(&Values::F32(ramp.clone()), (1, 8, 1), (1, 4)) else {
            panic!("f32 stays f32")
        };
        assert!((out.iter().sum::<f32>() / 4.0 - 3.5).abs() < 1e-5);
        for (left, right) in out.iter().zip(out.iter().rev()) {
            assert!((left + right - 7.0).abs() < 1e-5);
        }
        // An inner pixel: weights 1, 3, 3, 1 eighths over the values 1, 2, 3, 4.
        assert!((out[1] - 2.5).abs() < 1e-5, "{out:?}");
    }

    #[test]
    fn channels_stay_apart() {
        let pixels = [10, 20, 30].repeat(16);
        assert_eq!(resize(&Values::U8(pixels), (4, 4, 3), (2, 3)), Values::U8([10, 20, 30].repeat(6)));
    }

    #[test]
    fn a_bright_corner_stays_in_its_corner() {
        let mut image = vec![0f32; 16];
        image[3] = 49.0;
        let Values::F32(out) = resize(&Values::F32(image), (4, 4, 1), (2, 2)) else {
            panic!("f32 stays f32")
        };
        // Under the first output pixel lie three input pixels with weights 3, 3, 1 sevenths.
        assert!((out[1] - 9.0).abs() < 1e-5, "{out:?}");
        assert_eq!([out[0], out[2], out[3]], [0.0; 3]);
    }

    #[test]
    fn grey_survives_a_round_trip_through_colour() {
        let grey = Values::U8((0..=255).collect());
        assert_eq!(recolour(&recolour(&grey, 3), 1), grey);
        assert_eq!(recolour(&Values::U8(vec![255, 0, 0]), 1), Values::U8(vec![76]));
    }
}

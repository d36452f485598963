//! How near a picture comes to another: peak signal-to-noise ratio, and structural similarity (Wang et al. 2004).

use serde::Serialize;

/// Pixels each way that a window of structural similarity reaches, and its deviation.
const REACH: isize = 5;
const DEVIATION: f64 = 1.5;

/// Means over pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PictureQuality {
    /// Peak signal-to-noise ratio, in dB.
    pub psnr: f64,
    /// Structural similarity, 1 for the same picture.
    pub ssim: f64,
}

/// The ratio in dB of a squared range of values to a mean squared error; at most 100, where there is next to none.
pub fn psnr(mean_squared_error: f64, range: f64) -> f64 {
    (10.0 * (range * range / mean_squared_error.max(f64::MIN_POSITIVE)).log10()).min(100.0)
}

/// The mean squared error of two equally long lists.
pub fn mean_squared_error(a: &[f32], b: &[f32]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    sum / a.len().max(1) as f64
}

/// Structural similarity of two pictures of height, width and channels, whose values span `range`: equation 13 with the paper's constants and
/// gaussian window, averaged over windows and channels; at the edge a window is what of it lies inside.
pub fn ssim(a: &[f32], b: &[f32], (height, width, channels): (usize, usize, usize), range: f64) -> f64 {
    let constants = [(0.01 * range).powi(2), (0.03 * range).powi(2)];
    let weights: Vec<f64> =
        (-REACH..=REACH).map(|at| (-(at * at) as f64 / (2.0 * DEVIATION * DEVIATION)).exp()).collect();
    // A gaussian window is one across and then one down; its weights sum to 1 over what lies inside.
    let blurred = |values: Vec<f64>| {
        let pass = |values: &[f64], count: usize, size: usize, step: usize| -> Vec<f64> {
            (0..count)
                .map(|at| {
                    let place = (at / step % size) as isize;
                    let (mut sum, mut total) = (0.0, 0.0);
                    for (offset, weight) in (-REACH..=REACH).zip(&weights) {
                        if (0..size as isize).contains(&(place + offset)) {
                            sum += weight * values[(at as isize + offset * step as isize) as usize];
                            total += weight;
                        }
                    }
                    sum / total
                })
                .collect()
        };
        let across = pass(&values, height * width, width, 1);
        pass(&across, height * width, height, width)
    };
    let mut sum = 0.0;
    for channel in 0..channels {
        let of = |picture: &[f32]| -> Vec<f64> {
            picture.iter().skip(channel).step_by(channels).map(|value| f64::from(*value)).collect()
        };
        let (a, b) = (of(a), of(b));
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f64>>();
        let (aa, bb, ab) = (blurred(product(&a, &a)), blurred(product(&b, &b)), blurred(product(&a, &b)));
        let (mean_a, mean_b) = (blurred(a), blurred(b));
        for at in 0..height * width {
            let (x, y) = (mean_a[at], mean_b[at]);
            let (variance_a, variance_b, together) = (aa[at] - x * x, bb[at] - y * y, ab[at] - x * y);
            sum += (2.0 * x * y + constants[0]) * (2.0 * together + constants[1])
                / ((x * x + y * y + constants[0]) * (variance_a + variance_b + constants[1]));
        }
    }
    sum / (height * width * channels) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_are_those_of_the_formula() {
        assert!((psnr(1.0, 255.0) - 48.130_803_608_679).abs() < 1e-9);
        assert_eq!(psnr(0.0, 255.0), 100.0);
        assert_eq!(mean_squared_error(&[1.0, 3.0], &[0.0, 5.0]), 2.5);
    }

    /// The same picture has 1; another mean alone leaves the first factor; an inverted one is below 0.
    #[test]
    fn similarity_is_that_of_the_formula() {
        let size = (9, 12, 2);
        let picture: Vec<f32> = (0..216).map(|at| ((at * 37) % 101) as f32).collect();
        assert!((ssim(&picture, &picture, size, 100.0) - 1.0).abs() < 1e-12);
        let (flat, other) = (vec![50.0f32; 216], vec![70.0f32; 216]);
        let expected = (2.0 * 50.0 * 70.0 + 1.0) / (50.0f64.powi(2) + 70.0f64.powi(2) + 1.0);
        assert!((ssim(&flat, &other, size, 100.0) - expected).abs() < 1e-9);
        let inverted: Vec<f32> = picture.iter().map(|value| 100.0 - value).collect();
        assert!(ssim(&picture, &inverted, size, 100.0) < 0.0);
    }
}

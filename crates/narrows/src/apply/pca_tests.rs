//! Tests of the PCA baseline.

use super::*;
use crate::data::{Options, load};
use narrows_engine::random::Stream;
use std::path::Path;

/// Rows in memory.
struct Rows {
    features: usize,
    values: Vec<f32>,
}

impl Rows {
    fn count(&self) -> usize {
        self.values.len() / self.features
    }

    fn from(&self, first: usize) -> impl FnMut(usize, &mut [f32]) {
        move |row, out: &mut [f32]| {
            out.copy_from_slice(&self.values[(first + row) * self.features..][..self.features])
        }
    }

    fn fit_as(&self, wide: bool, components: usize, threads: usize) -> Result<Pca, PcaError> {
        let pool = Pool::new(threads).unwrap();
        Pca::fit_as(wide, self.count(), self.features, components, &mut self.from(0), &pool, Level::best())
    }

    /// Both ways, which agree on everything that these tests ask.
    fn both(&self, components: usize) -> [Pca; 2] {
        [false, true].map(|wide| self.fit_as(wide, components, 2).unwrap())
    }

    fn error(&self, pca: &Pca) -> f64 {
        pca.squared_error(self.count(), &mut self.from(0)).unwrap()
    }
}

const SIZES: [f64; 6] = [8.0, 5.0, 3.0, 2.0, 1.0, 0.5];

/// Entry of direction `number` of 16 orthonormal ones (Walsh and Hadamard).
fn walsh(number: usize, feature: usize) -> f64 {
    if (number & feature).count_ones().is_multiple_of(2) { 0.25 } else { -0.25 }
}

/// Rows m ± sₖ qₖ, twelve in all: their mean is m and their covariance has the vectors qₖ with values 2 sₖ² / 12.
fn known() -> Rows {
    let mut values = Vec::new();
    for (number, size) in SIZES.iter().enumerate() {
        for sign in [1.0, -1.0] {
            // 300 is far outside the cloud: without centring the mean would be the first direction.
            values.extend((0..16).map(|f| (300.0 + f as f64 + sign * size * walsh(number + 3, f)) as f32));
        }
    }
    Rows { features: 16, values }
}

/// Squares of one brightness at a few places, beside channels that never change: of 576 directions all but a few have no variance at all, and
/// a decomposition that divides by what is left of them finds no numbers.
#[test]
fn pictures_of_next_to_no_variance_have_directions() {
    let inside = |at: usize, row: usize| {
        let (top, left) = (row % 8, row * 5 % 10);
        (top..top + 5).contains(&(at / 16)) && (left..left + 5).contains(&(at % 16))
    };
    let pixel = |at: usize, row: usize| [if inside(at, row) { 220.0 } else { 30.0 }, 60.0, 90.0];
    let values = (0..40).flat_map(|row| (0..192).flat_map(move |at| pixel(at, row))).map(|v: f32| v / 255.0);
    let rows = Rows { features: 576, values: values.collect() };
    for pca in rows.both(32) {
        assert!(rows.error(&pca) < 1e-4, "{}", rows.error(&pca));
    }
}

fn random(rows: usize, features: usize, spectrum: impl Fn(usize) -> f32) -> Rows {
    let mut stream = Stream::new(5, 1, 0);
    let rank = features.min(rows);
    let mix: Vec<f32> = (0..rank * features).map(|_| stream.normal()).collect();
    let mut values = vec![0.0; rows * features];
    for row in values.chunks_exact_mut(features) {
        for (number, mix) in mix.chunks_exact(features).enumerate() {
            let size = stream.normal() * spectrum(number);
            row.iter_mut().zip(mix).for_each(|(to, mix)| *to += size * mix + 0.01);
        }
    }
    Rows { features, values }
}

#[test]
fn a_known_spectrum_is_found() {
    let rows = known();
    let value = |number: usize| SIZES[number] * SIZES[number] / 6.0;
    let total: f64 = (0..6).map(value).sum();
    for components in [0, 1, 3, 5] {
        for pca in rows.both(components) {
            assert!((pca.variance() - total).abs() < 1e-4 * total);
            let left: f64 = (components..6).map(value).sum();
            // The smallest value that could be forgotten is 0.5² / 6 = 0.042; a centre that is off by 0.1, 0.16.
            assert!((rows.error(&pca) - left).abs() < 1e-3, "{components}: {} {left}", rows.error(&pca));
            for component in 0..components {
                assert!((pca.explained()[component] - value(component) / total).abs() < 1e-4);
                let direction = pca.direction(component);
                let sign = f64::from(direction[0]).signum() * walsh(component + 3, 0).signum();
                for (feature, found) in direction.iter().enumerate() {
                    let expected = sign * walsh(component + 3, feature);
                    assert!((f64::from(*found) - expected).abs() < 1e-3, "{component} {feature} {found}");
                }
            }
        }
    }
}

#[test]
fn the_error_needs_the_mean_and_every_component() {
    let rows = known();
    let pca = rows.fit_as(false, 5, 1).unwrap();
    let error = rows.error(&pca);
    for component in 0..5 {
        let mut without = pca.clone();
        without.directions[component * 16..][..16].fill(0.0);
        assert!(rows.error(&without) > error + 0.1, "component {component}");
    }
    let mut uncentred = pca;
    uncentred.mean.fill(0.0);
    assert!(rows.error(&uncentred) > error + 10.0);
}

#[test]
fn rows_one_by_one_are_as_in_batches() {
    let rows = random(300, 20, |number| 1.0 / (1.0 + number as f32));
    let pca = rows.fit_as(false, 4, 2).unwrap();
    let alone = |row| pca.squared_error(1, &mut rows.from(row)).unwrap();
    let mut plain = 0.0;
    for (number, row) in rows.values.chunks_exact(20).enumerate() {
        let (mut codes, mut out) = ([0.0; 4], [0.0; 20]);
        pca.encode(row, &mut codes);
        pca.reconstruct(row, &mut out);
        let error: f64 = row.iter().zip(&out).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        assert!((error - alone(number)).abs() <= 1e-5 * (1.0 + error), "row {number}");
        plain += error / 300.0;
        let mut decoded = [0.0; 20];
        pca.decode(&codes, &mut decoded);
        assert_eq!(decoded, out);
    }
    // The same numbers, added batch by batch.
    let sums = [0..256, 256..300].map(|batch| batch.map(alone).sum::<f64>());
    let error = rows.error(&pca);
    assert_eq!((0.0 + sums[0] + sums[1]) / 300.0, error);
    assert!((plain - error).abs() < 1e-5 * error);
}

#[test]
fn threads_do_not_change_a_bit() {
    let rows = random(2500, 150, |number| 0.9_f32.powi(number as i32));
    for wide in [false, true] {
        let fit = |threads| {
            let pca = rows.fit_as(wide, 12, threads).unwrap();
            let error = rows.error(&pca);
            (pca.mean, pca.directions, pca.explained, pca.variance, error)
        };
        let alone = fit(1);
        for threads in [2, 3, 7] {
            assert!(alone == fit(threads), "{threads} threads, wide {wide}");
        }
    }
}

#[test]
fn the_way_for_wide_rows_leaves_as_little() {
    // Spectra that fall fast, slowly, and not at all.
    let spectra: [fn(usize) -> f32; 3] =
        [|n| 0.8_f32.powi(n as i32), |n| 1.0 / (1.0 + n as f32).sqrt(), |_| 1.0];
    for (number, spectrum) in spectra.into_iter().enumerate() {
        for (count, components) in [(1500, 10), (1500, 60), (90, 10), (90, 60)] {
            let rows = random(count, 200, spectrum);
            let [direct, wide] = rows.both(components).map(|pca| rows.error(&pca));
            let excess = wide - direct;
            let allowed = 1e-3 * direct + 1e-7 * rows.fit_as(false, 0, 1).unwrap().variance();
            assert!(excess.abs() < allowed, "{number} {count} {components}: {direct} {wide}");
        }
    }
}

#[test]
fn nothing_is_left_once_there_are_components_enough() {
    let flat = random(400, 30, |number| if number < 7 { 1.0 } else { 0.0 });
    let few = random(5, 40, |_| 1.0);
    for (rows, enough) in [(&flat, [7, 8, 30, 50]), (&few, [4, 5, 39, 60])] {
        for components in enough {
            for pca in rows.both(components) {
                assert_eq!(pca.components(), components);
                assert!(rows.error(&pca) < 1e-9 * pca.variance(), "{components}: {}", rows.error(&pca));
                assert!((pca.explained().iter().sum::<f64>() - 1.0).abs() < 1e-5);
            }
        }
        let pca = rows.fit_as(false, enough[0] - 1, 1).unwrap();
        assert!(rows.error(&pca) > 1e-3 * pca.variance());
    }
}

#[test]
fn constant_features_and_a_single_row_have_no_variance() {
    let still = Rows { features: 3, values: [7.5, -2.0, 1e6].repeat(9) };
    let single = Rows { features: 3, values: vec![1.0, 2.0, 3.0] };
    for rows in [still, single] {
        for components in [0, 1, 3, 5] {
            for pca in rows.both(components) {
                assert_eq!((rows.error(&pca), pca.variance()), (0.0, 0.0));
                assert_eq!(pca.explained(), vec![0.0; components]);
                let mut out = [0.0; 3];
                pca.reconstruct(&rows.values[..3], &mut out);
                assert_eq!(out, rows.values[..3]);
            }
        }
    }
    // One column that varies among many that do not.
    let mut values = vec![4.0; 50 * 8];
    values.iter_mut().skip(2).step_by(8).enumerate().for_each(|(row, value)| *value = row as f32);
    let rows = Rows { features: 8, values };
    for pca in rows.both(1) {
        assert!(rows.error(&pca) < 1e-8 && (pca.direction(0)[2] - 1.0).abs() < 1e-6);
    }
}

#[test]
fn the_largest_entry_of_a_direction_is_positive() {
    let rows = random(200, 25, |number| 1.0 / (1.0 + number as f32));
    for pca in rows.both(10) {
        for component in 0..10 {
            let entries = pca.direction(component);
            let largest =
                entries.iter().fold(0.0_f32, |most, x| if x.abs() > most.abs() { *x } else { most });
            assert!(largest > 0.0);
        }
    }
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let pool = Pool::new(1).unwrap();
    let level = Level::best();
    let nothing = Pca::fit(0, 3, 1, &mut |_, _| {}, &pool, level).unwrap_err();
    assert_eq!(nothing.to_string(), "pca: expected rows, found 0 rows of 3 features");
    for value in [f32::NAN, f32::INFINITY, f32::MAX] {
        let rows = Rows { features: 2, values: vec![0.0, 1.0, value, -value, 3.0, 1.0] };
        for (wide, components) in [(false, 0), (false, 1), (true, 1)] {
            assert_eq!(rows.fit_as(wide, components, 1).unwrap_err(), PcaError::NotFinite, "{value} {wide}");
        }
    }
    let mut read = |row: usize, out: &mut [f32]| out[row] = 1.0;
    let error = Pca::fit(8000, 8000, 4000, &mut read, &pool, level).unwrap_err();
    assert!(matches!(error, PcaError::TooLarge { .. }), "{error}");
    let pca = Rows { features: 1, values: vec![1.0, 2.0] }.fit_as(false, 1, 1).unwrap();
    assert!(matches!(pca.squared_error(0, &mut |_, _| {}), Err(PcaError::Empty { .. })));
    let wrong = pca.squared_error(1, &mut |_, out| out[0] = f32::NAN);
    assert_eq!(wrong, Err(PcaError::NotFinite));
}

/// The published figure of 30 components on MNIST is 13.87, pixels 0 to 1.
#[test]
fn mnist_is_left_as_published() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mnist");
    if !path.exists() {
        #[allow(clippy::print_stderr)]
        {
            eprintln!("skipped: no shared data at {}", path.display());
        }
        return;
    }
    let source = load(Some(&path), &Options::default()).unwrap();
    let read = |data: &crate::data::Dataset, row: usize, out: &mut [f32]| {
        data.row_f32(row, out);
        out.iter_mut().for_each(|value| *value /= 255.0);
    };
    let pool = Pool::new(2).unwrap();
    let level = Level::best();
    let pca = Pca::fit(60_000, 784, 30, &mut |row, out| read(&source.train, row, out), &pool, level).unwrap();
    let test = source.test.as_ref().unwrap();
    let error = pca.squared_error(10_000, &mut |row, out| read(test, row, out)).unwrap();
    assert!((error - 13.87).abs() < 0.02, "{error}");
}

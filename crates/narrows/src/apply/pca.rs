//! Principal component analysis: the baseline that a sceptic would compare an autoencoder with.
//!
//! Of all linear codes of K units, this one leaves the least squared error (Pearson 1901; Eckart and Young 1936). With
//! the training rows' mean μ and the K directions v of largest variance, orthonormal, as the rows of V (K × D):
//!
//! codes z = V (x − μ)      reconstruction x̂ = μ + Vᵀ z      C = 1/N Σ (x − μ)(x − μ)ᵀ,  C v = λ v
//!
//! Up to [`DIRECT`] features C is formed (f32 products of centred chunks in the engine, added in f64) and decomposed whole.
//! Wider rows go through `wide`, which never forms C. Rows are cut into chunks whose size depends on the number of
//! features alone and chunks are added in their order, so the bits are the same at any number of threads.

mod direct;
mod wide;

use nalgebra::{DMatrix, SymmetricEigen};
use narrows_engine::Graph;
use narrows_engine::cpu::{Executable, Feed, Level, Pool, Run, States};
use std::sync::Arc;

/// Up to this many features the covariance is formed and decomposed whole; that takes D³ time, about 0.6 s at 784.
pub const DIRECT: usize = 1024;
/// The largest matrix that is decomposed at all (minutes).
const LARGEST: usize = 4096;
/// Rows that are encoded and decoded together; the last of them padded with zeros.
const BATCH: usize = 256;
/// Rows and numbers of a chunk of training rows at most.
const CHUNK_ROWS: usize = 1024;
const CHUNK_NUMBERS: usize = 4 << 20;

/// Gives row number `.0` into `.1`, which holds D numbers; the same numbers whenever it is asked.
pub type ReadRow<'r> = dyn FnMut(usize, &mut [f32]) + 'r;

/// Why there is no PCA of these rows.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PcaError {
    /// Nothing to fit to, or to measure.
    #[error("pca: expected rows, found {rows} rows of {features} features")]
    Empty {
        /// Rows given.
        rows: usize,
        /// Features of each.
        features: usize,
    },
    /// NaN, infinity, or numbers whose squares are.
    #[error("pca: the squares of the rows' numbers are not finite")]
    NotFinite,
    /// More work than a baseline is worth.
    #[error(
        "pca: {components} components of {features} features are too many: a matrix of {size} rows would have to be \
         decomposed, and the most is {LARGEST}"
    )]
    TooLarge {
        /// Components wanted.
        components: usize,
        /// Features of a row.
        features: usize,
        /// Rows of the matrix that would have to be decomposed.
        size: usize,
    },
    /// The eigenvalues of a matrix of this many rows were not found; not known to happen.
    #[error("pca: the eigenvalues of a matrix of {size} rows did not converge")]
    NoConvergence {
        /// Rows of the matrix.
        size: usize,
    },
    /// What the engine refused.
    #[error(transparent)]
    Engine(#[from] narrows_engine::Error),
}

impl PcaError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            PcaError::NotFinite => Some("scale or standardise the data first".to_owned()),
            PcaError::TooLarge { .. } => Some("ask for fewer components".to_owned()),
            _ => None,
        }
    }
}

/// Mean and principal directions of training rows.
#[derive(Clone)]
pub struct Pca {
    /// μ, D numbers.
    mean: Vec<f64>,
    /// μ, rounded.
    rounded_mean: Vec<f32>,
    /// V, K × D; zero rows where the data has fewer directions than were asked for.
    directions: Vec<f32>,
    /// λ / total, K shares.
    explained: Vec<f64>,
    /// The summed variance of all features.
    variance: f64,
    pool: Arc<Pool>,
    level: Level,
}

impl std::fmt::Debug for Pca {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Pca of {} components, {} features", self.components(), self.features())
    }
}

impl Pca {
    /// Fits `components` (K) directions to `rows` (N) training rows of `features` (D) prepared numbers.
    ///
    /// K may be anything: components beyond the rank of the data are harmless, and their share of the variance is 0. Up to
    /// [`DIRECT`] features the error left is the least possible to about 1e-6 of the total variance; of wider data it is
    /// within 0.1 % of the least possible. Wide data of which K ≥ D components are asked is its own code: the directions
    /// are the features themselves, the most varied first.
    ///
    /// Rows are read a few times over (twice up to [`DIRECT`] features, usually 6 to 12 times beyond).
    ///
    /// # Errors
    /// No rows or features; numbers that are not finite; very many components of very wide data; a level that this machine
    /// lacks.
    pub fn fit(
        rows: usize,
        features: usize,
        components: usize,
        read: &mut ReadRow<'_>,
        pool: &Arc<Pool>,
        level: Level,
    ) -> Result<Pca, PcaError> {
        Pca::fit_as(features > DIRECT, rows, features, components, read, pool, level)
    }

    fn fit_as(
        wide: bool,
        rows: usize,
        features: usize,
        components: usize,
        read: &mut ReadRow<'_>,
        pool: &Arc<Pool>,
        level: Level,
    ) -> Result<Pca, PcaError> {
        if rows == 0 || features == 0 {
            return Err(PcaError::Empty { rows, features });
        }
        let mut centred = Centred::new(rows, features, read);
        let (found, variance) = if wide {
            wide::principal(&mut centred, components, pool, level)?
        } else {
            direct::principal(&mut centred, components, pool, level)?
        };
        let mut explained = vec![0.0; components];
        let mut directions = vec![0.0; components * features];
        for (component, value) in found.values.iter().enumerate().take(components) {
            if variance > 0.0 {
                explained[component] = value.max(0.0) / variance;
            }
            let direction = found.vectors.column(component);
            // A direction and its opposite are the same; the one whose largest entry is positive is taken.
            let largest =
                direction.iter().fold(0.0, |most: f64, x| if x.abs() > most.abs() { *x } else { most });
            let sign = if largest < 0.0 { -1.0 } else { 1.0 };
            let to = &mut directions[component * features..][..features];
            to.iter_mut().zip(direction.iter()).for_each(|(to, from)| *to = (sign * from) as f32);
        }
        let rounded_mean = centred.mean.iter().map(|mean| *mean as f32).collect();
        let pool = Arc::clone(pool);
        Ok(Pca { mean: centred.mean, rounded_mean, directions, explained, variance, pool, level })
    }

    /// D, the numbers in a row.
    pub fn features(&self) -> usize {
        self.mean.len()
    }

    /// K, as it was asked for.
    pub fn components(&self) -> usize {
        self.explained.len()
    }

    /// μ, the mean of the training rows, D numbers.
    pub fn mean(&self) -> &[f32] {
        &self.rounded_mean
    }

    /// The share of the training rows' variance along each of the K components, from the largest; all 0 where nothing
    /// varies.
    pub fn explained(&self) -> &[f64] {
        &self.explained
    }

    /// The variance of the training rows, summed over features: the squared error of the mean on them.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// Direction `component`, D numbers of length 1 (zeros beyond the rank of the data).
    ///
    /// # Panics
    /// There is no such component.
    pub fn direction(&self, component: usize) -> &[f32] {
        &self.directions[component * self.features()..][..self.features()]
    }

    /// The K codes of a row.
    ///
    /// # Panics
    /// `row` is not D long, or `codes` not K.
    pub fn encode(&self, row: &[f32], codes: &mut [f32]) {
        assert_eq!((row.len(), codes.len()), (self.features(), self.components()), "features and components");
        let centred: Vec<f64> = row.iter().zip(&self.mean).map(|(x, mean)| f64::from(*x) - mean).collect();
        for (component, code) in codes.iter_mut().enumerate() {
            let products = self.direction(component).iter().zip(&centred).map(|(v, x)| f64::from(*v) * x);
            *code = products.sum::<f64>() as f32;
        }
    }

    /// The row that K codes stand for.
    ///
    /// # Panics
    /// `codes` is not K long, or `out` not D.
    pub fn decode(&self, codes: &[f32], out: &mut [f32]) {
        assert_eq!((out.len(), codes.len()), (self.features(), self.components()), "features and components");
        let mut sums = self.mean.clone();
        for (component, code) in codes.iter().enumerate() {
            let direction = self.direction(component);
            sums.iter_mut().zip(direction).for_each(|(sum, v)| *sum += f64::from(*v) * f64::from(*code));
        }
        out.iter_mut().zip(&sums).for_each(|(out, sum)| *out = *sum as f32);
    }

    /// What is left of a row after encoding and decoding.
    ///
    /// # Panics
    /// `row` or `out` is not D long.
    pub fn reconstruct(&self, row: &[f32], out: &mut [f32]) {
        let mut codes = vec![0.0; self.components()];
        self.encode(row, &mut codes);
        self.decode(&codes, out);
    }

    /// The squared error of reconstructing `rows` rows, summed over features and averaged over rows.
    ///
    /// Runs on the threads that it was fitted with. A row's error does not depend on the rows beside it; they are added in
    /// f64, in order.
    ///
    /// # Errors
    /// No rows; numbers that are not finite.
    pub fn squared_error(&self, rows: usize, read: &mut ReadRow<'_>) -> Result<f64, PcaError> {
        let features = self.features();
        if rows == 0 {
            return Err(PcaError::Empty { rows, features });
        }
        // A graph has no empty tensors: without components, one that is zero.
        let components = self.components().max(1);
        let graph = Graph::new();
        let x = graph.input("centred", [BATCH, features]);
        let directions = graph.state("directions", [components, features]);
        let codes = x.product(directions, false, true);
        graph.output("errors", (x - codes.matmul(directions)).square().sum(&[1]));
        let mut states = States::new(&graph.states());
        let mut values = self.directions.clone();
        values.resize(components * features, 0.0);
        states.set("directions", &values)?;
        let mut executable = Executable::new(&graph, &self.pool, self.level)?;
        let mut centred = Centred { rows, mean: self.mean.clone(), read, row: vec![0.0; features] };
        let mut chunk = vec![0.0; BATCH * features];
        let mut errors = vec![0.0; BATCH];
        let mut sum = 0.0;
        for first in (0..rows).step_by(BATCH) {
            centred.chunk(first, &mut chunk);
            executable.run(&mut states, &Run { inputs: &[Feed::F32(&chunk)], ..Run::default() })?;
            executable.output(0, &mut errors);
            sum += errors.iter().take(rows - first).map(|error| f64::from(*error)).sum::<f64>();
        }
        if sum.is_finite() { Ok(sum / rows as f64) } else { Err(PcaError::NotFinite) }
    }
}

/// Rows less their mean.
struct Centred<'a, 'r> {
    rows: usize,
    mean: Vec<f64>,
    read: &'a mut ReadRow<'r>,
    row: Vec<f32>,
}

impl<'a, 'r> Centred<'a, 'r> {
    /// Finds the mean of all rows.
    fn new(rows: usize, features: usize, read: &'a mut ReadRow<'r>) -> Centred<'a, 'r> {
        let mut mean = vec![0.0; features];
        let mut values = vec![0.0; features];
        for row in 0..rows {
            read(row, &mut values);
            mean.iter_mut().zip(&values).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= rows as f64);
        Centred { rows, mean, read, row: values }
    }

    fn features(&self) -> usize {
        self.mean.len()
    }

    /// Rows of a chunk in which the training rows are walked through.
    fn chunk_rows(&self) -> usize {
        (CHUNK_NUMBERS / self.features()).clamp(32, CHUNK_ROWS)
    }

    /// Rows from `first` on, as many as there is room for; zeros where there are none any more.
    fn chunk(&mut self, first: usize, chunk: &mut [f32]) {
        for (number, to) in chunk.chunks_exact_mut(self.mean.len()).enumerate() {
            if first + number >= self.rows {
                to.fill(0.0);
                continue;
            }
            (self.read)(first + number, &mut self.row);
            for ((to, value), mean) in to.iter_mut().zip(&self.row).zip(&self.mean) {
                *to = (f64::from(*value) - mean) as f32;
            }
        }
    }

    /// The summed variance of each feature.
    fn variances(&mut self) -> Result<Vec<f64>, PcaError> {
        let mut sums = vec![0.0; self.features()];
        let mut chunk = vec![0.0; self.features()];
        for row in 0..self.rows {
            self.chunk(row, &mut chunk);
            sums.iter_mut().zip(&chunk).for_each(|(sum, value)| *sum += f64::from(*value).powi(2));
        }
        sums.iter_mut().for_each(|sum| *sum /= self.rows as f64);
        if sums.iter().all(|sum| sum.is_finite()) { Ok(sums) } else { Err(PcaError::NotFinite) }
    }
}

/// Eigenvalues, the largest first, and their vectors, column by column.
struct Eigen {
    values: Vec<f64>,
    vectors: DMatrix<f64>,
}

impl Eigen {
    /// Nothing varies, or nothing is wanted.
    fn none(features: usize) -> Eigen {
        Eigen { values: Vec::new(), vectors: DMatrix::zeros(features, 0) }
    }

    /// The `most` largest eigenvalues of a symmetric matrix, with their vectors.
    fn of(matrix: DMatrix<f64>, most: usize) -> Result<Eigen, PcaError> {
        let size = matrix.nrows();
        if matrix.iter().any(|value| !value.is_finite()) {
            return Err(PcaError::NotFinite);
        }
        // Two rounds an eigenvalue are usual.
        let rounds = 1000 + 60 * size;
        let largest = matrix.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        let decomposed = |matrix: DMatrix<f64>| {
            SymmetricEigen::try_new(matrix, f64::EPSILON, rounds).ok_or(PcaError::NoConvergence { size })
        };
        let mut eigen = decomposed(matrix.clone())?;
        let finite = |values: &DMatrix<f64>| values.iter().all(|value| value.is_finite());
        if !finite(&eigen.eigenvectors) {
            // Many equal or vanishing eigenvalues: a quotient of two numbers that have both become 0. Moved apart by less than rounding, none do.
            let apart = |row: usize| largest * f64::EPSILON * (1.0 + row as f64 / size as f64);
            let moved = DMatrix::from_fn(size, size, |row, column| {
                let value = matrix[(row, column)];
                let kept = if value.abs() > largest * f64::EPSILON { value } else { 0.0 };
                kept + if row == column { apart(row) } else { 0.0 }
            });
            eigen = decomposed(moved)?;
        }
        if !finite(&eigen.eigenvectors) {
            return Err(PcaError::NoConvergence { size });
        }
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        order.truncate(most);
        let values = order.iter().map(|number| eigen.eigenvalues[*number]).collect();
        Ok(Eigen { values, vectors: eigen.eigenvectors.select_columns(&order) })
    }
}

#[cfg(test)]
#[path = "pca_tests.rs"]
mod tests;

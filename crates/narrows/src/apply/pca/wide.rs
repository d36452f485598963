//! Principal directions of rows that are too wide for their covariance C (D × D) to be formed.
//!
//! A block Krylov method with Rayleigh–Ritz, restarted with the best vectors found (Golub and Underwood 1977; Wu and
//! Simon 2000; for accuracy after few passes see Musco and Musco 2015). Of a basis Q the best directions are those of
//! Qᵀ C Q; the residuals C v − λ v of the wanted ones, and of some more, widen the basis. Each pass over the rows gives C
//! times one block. It ends when a pass has found less than a ten-thousandth of the variance that is still left over;
//! the passes shrink what is missing several times over, so the error left is well within 0.1 % of the least possible.

use super::{Centred, Eigen, LARGEST, PcaError};
use nalgebra::DMatrix;
use narrows_engine::Graph;
use narrows_engine::cpu::{Executable, Feed, Level, Pool, Run, States};
use narrows_engine::random::Stream;
use std::sync::Arc;

/// The stream of the first block's random numbers.
const START: u32 = 0x4000_0020;
/// Passes over the rows at most.
const PASSES: usize = 40;
/// Gains below these shares, of the variance left over and of all variance, end the search. The latter is the rounding of
/// the f32 products.
const ENOUGH: f64 = 1e-4;
const ROUNDING: f64 = 1e-9;
/// Residuals below this share of the largest eigenvalue are rounding.
const CONVERGED: f64 = 1e-7;
/// A column of which less than this share is left after taking away the others is one of them.
const DEPENDENT: f64 = 1e-4;

/// The principal directions of rows, and their summed variance.
pub(super) fn principal(
    centred: &mut Centred<'_, '_>,
    components: usize,
    pool: &Arc<Pool>,
    level: Level,
) -> Result<(Eigen, f64), PcaError> {
    let features = centred.features();
    let variances = centred.variances()?;
    let total = variances.iter().sum();
    if components >= features {
        return Ok((axes(&variances), total));
    }
    // N centred rows span N − 1 directions at most.
    let rank = features.min(centred.rows - 1);
    let wanted = components.min(rank);
    if wanted == 0 || total == 0.0 {
        return Ok((Eigen::none(features), total));
    }
    let width = (wanted + wanted / 4 + 8).min(rank);
    let most = (if width <= 128 { 4 * width } else { 3 * width }).min(rank);
    if most > LARGEST {
        return Err(PcaError::TooLarge { components, features, size: most });
    }
    let mut covariance = Covariance::new(centred, width, pool, level)?;
    let mut random = Stream::new(0, START, 0);
    let start = DMatrix::from_fn(features, width, |_, _| f64::from(random.normal()));
    let mut basis = fresh(&DMatrix::zeros(features, 0), start, 0.0);
    let mut images = covariance.times(centred, &basis)?;
    let mut before = 0.0;
    for pass in 1.. {
        let inner = basis.tr_mul(&images);
        let inner = (&inner + inner.transpose()) * 0.5;
        let eigen = Eigen::of(inner, width)?;
        let captured: f64 = eigen.values.iter().take(wanted).sum();
        let vectors = &basis * &eigen.vectors;
        let gain = captured - before;
        let enough = gain <= ENOUGH * (total - captured) || gain <= ROUNDING * total;
        if (pass > 2 && enough) || pass == PASSES {
            return Ok((best(eigen.values, vectors, wanted), total));
        }
        before = captured;
        let vector_images = &images * &eigen.vectors;
        let mut residuals = vector_images.clone();
        for (number, value) in eigen.values.iter().enumerate() {
            residuals.column_mut(number).axpy(-value, &vectors.column(number), 1.0);
        }
        if basis.ncols() + width > most {
            (basis, images) = (vectors.clone(), vector_images);
        }
        let block = fresh(&basis, residuals, CONVERGED * eigen.values[0]);
        if block.ncols() == 0 {
            return Ok((best(eigen.values, vectors, wanted), total));
        }
        let block_images = covariance.times(centred, &block)?;
        (basis, images) = (beside(&basis, &block), beside(&images, &block_images));
    }
    unreachable!("the last pass returns")
}

/// The features themselves, the most varied first.
fn axes(variances: &[f64]) -> Eigen {
    let mut order: Vec<usize> = (0..variances.len()).collect();
    order.sort_by(|a, b| variances[*b].total_cmp(&variances[*a]));
    let mut vectors = DMatrix::zeros(variances.len(), variances.len());
    order.iter().enumerate().for_each(|(column, row)| vectors[(*row, column)] = 1.0);
    Eigen { values: order.iter().map(|row| variances[*row]).collect(), vectors }
}

fn best(mut values: Vec<f64>, vectors: DMatrix<f64>, wanted: usize) -> Eigen {
    values.truncate(wanted);
    let vectors = vectors.columns(0, values.len()).into_owned();
    Eigen { values, vectors }
}

/// Both matrices side by side.
fn beside(left: &DMatrix<f64>, right: &DMatrix<f64>) -> DMatrix<f64> {
    let values = left.iter().chain(right.iter()).copied();
    DMatrix::from_iterator(left.nrows(), left.ncols() + right.ncols(), values)
}

/// What `block` adds to an orthonormal `basis`: orthonormal columns, orthogonal to it. Columns not longer than `least` and
/// columns that add nothing are left out.
fn fresh(basis: &DMatrix<f64>, mut block: DMatrix<f64>, least: f64) -> DMatrix<f64> {
    let mut long = Vec::new();
    for (number, mut column) in block.column_iter_mut().enumerate() {
        let norm = column.norm();
        if norm > least {
            column /= norm;
            long.push(number);
        }
    }
    let mut block = block.select_columns(&long);
    // Once takes away most of it, twice all (Kahan and Parlett: "twice is enough").
    for _ in 0..2 {
        let inner = basis.tr_mul(&block);
        block.gemm(-1.0, basis, &inner, 1.0);
    }
    let mut kept: Vec<usize> = Vec::new();
    for number in 0..block.ncols() {
        let mut column = block.column(number).into_owned();
        for other in kept.iter().chain(&kept) {
            let other = block.column(*other);
            column.axpy(-other.dot(&column), &other, 1.0);
        }
        let norm = column.norm();
        if norm > DEPENDENT {
            column /= norm;
            block.set_column(number, &column);
            kept.push(number);
        }
    }
    block.select_columns(&kept)
}

/// C, which is never formed: a pass over the rows gives C times a block of vectors.
struct Covariance {
    executable: Executable,
    states: States,
    width: usize,
    chunk: Vec<f32>,
    block: Vec<f32>,
    product: Vec<f32>,
}

impl Covariance {
    fn new(
        centred: &Centred<'_, '_>,
        width: usize,
        pool: &Arc<Pool>,
        level: Level,
    ) -> Result<Covariance, PcaError> {
        let (rows, features) = (centred.chunk_rows(), centred.features());
        let graph = Graph::new();
        let x = graph.input("centred", [rows, features]);
        let block = graph.state("block", [features, width]);
        graph.output("product", x.product(x.matmul(block), true, false));
        Ok(Covariance {
            executable: Executable::new(&graph, pool, level)?,
            states: States::new(&graph.states()),
            width,
            chunk: vec![0.0; rows * features],
            block: vec![0.0; features * width],
            product: vec![0.0; features * width],
        })
    }

    /// C times `block`, which has at most `width` columns.
    fn times(
        &mut self,
        centred: &mut Centred<'_, '_>,
        block: &DMatrix<f64>,
    ) -> Result<DMatrix<f64>, PcaError> {
        self.block.fill(0.0);
        for (number, column) in block.column_iter().enumerate() {
            let places = self.block.iter_mut().skip(number).step_by(self.width);
            places.zip(column.iter()).for_each(|(to, from)| *to = *from as f32);
        }
        self.states.set("block", &self.block)?;
        // Row-major, as the engine gives it.
        let mut sums = vec![0.0; self.product.len()];
        for first in (0..centred.rows).step_by(centred.chunk_rows()) {
            centred.chunk(first, &mut self.chunk);
            let run = Run { inputs: &[Feed::F32(&self.chunk)], ..Run::default() };
            self.executable.run(&mut self.states, &run)?;
            self.executable.output(0, &mut self.product);
            sums.iter_mut().zip(&self.product).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let scale = 1.0 / centred.rows as f64;
        Ok(DMatrix::from_fn(block.nrows(), block.ncols(), |row, column| {
            sums[row * self.width + column] * scale
        }))
    }
}

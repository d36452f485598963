//! A mixture of normal distributions over codes, p(z) = Σ πₖ N(z; μₖ, Σₖ), fitted by expectation and maximisation (Dempster et al.
//! 1977): where codes lie, so that new ones can be drawn from there.

use crate::streams;
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use narrows_engine::random::Stream;

/// Rounds of EM, at most.
const ROUNDS: usize = 30;
/// EM ends when the log-likelihood of a row rises by less.
const ENOUGH: f64 = 1e-3;
/// Added to variances, relative to the codes' own mean variance, so that no component falls onto a point.
const FLOOR: f64 = 1e-3;

/// A fitted mixture.
#[derive(Clone, Debug)]
pub struct Mixture {
    components: Vec<Component>,
    /// ln p(z) of the codes that it was fitted to, on average.
    log_likelihood: f64,
}

#[derive(Clone, Debug)]
struct Component {
    share: f64,
    mean: DVector<f64>,
    root: Cholesky<f64, Dyn>,
}

impl Mixture {
    /// Fits so many components to codes, N×K; fewer where there are few codes. The same seed gives the same mixture. None for
    /// codes of which there are none.
    pub fn fit(codes: &[f32], width: usize, components: usize, seed: u64) -> Option<Mixture> {
        let points: Vec<DVector<f64>> = codes
            .chunks_exact(width)
            .map(|code| DVector::from_iterator(width, code.iter().map(|v| f64::from(*v))))
            .collect();
        let count = components.min(points.len());
        if count == 0 || width == 0 {
            return None;
        }
        let floor = FLOOR * mean_variance(&points) + f64::MIN_POSITIVE.sqrt();
        let mut stream = Stream::new(seed, streams::MIXTURE, 0);
        let centres = far_apart(&points, count, &mut stream);
        // Every point belongs to its nearest centre at first.
        let mut shares: Vec<Vec<f64>> = points
            .iter()
            .map(|point| {
                let distance = |centre: &usize| (point - &points[*centre]).norm_squared();
                let nearest = (0..count)
                    .min_by(|a, b| distance(&centres[*a]).total_cmp(&distance(&centres[*b])))
                    .unwrap_or(0);
                (0..count).map(|k| f64::from(u8::from(k == nearest))).collect()
            })
            .collect();
        let mut mixture = Mixture { components: Vec::new(), log_likelihood: f64::NEG_INFINITY };
        for _ in 0..ROUNDS {
            mixture.components = maximised(&points, &shares, floor)?;
            let before = std::mem::replace(&mut mixture.log_likelihood, 0.0);
            for (point, shares) in points.iter().zip(&mut shares) {
                let joint = mixture.joint(point);
                let total = log_sum(&joint);
                mixture.log_likelihood += total / points.len() as f64;
                shares.iter_mut().zip(&joint).for_each(|(share, joint)| *share = (joint - total).exp());
            }
            if mixture.log_likelihood - before < ENOUGH {
                break;
            }
        }
        Some(mixture)
    }

    /// ln p(z) of the codes that it was fitted to, on average.
    pub fn log_likelihood(&self) -> f64 {
        self.log_likelihood
    }

    /// Draws so many codes, N×K; the same seed draws the same, and the first of many are those of few.
    pub fn draw(&self, count: usize, seed: u64) -> Vec<f32> {
        let mut codes = Vec::new();
        for number in 0..count {
            let mut stream = Stream::new(seed, streams::DRAWS, number as u32);
            let mut left = f64::from(stream.uniform());
            let chosen = self.components.iter().find(|component| {
                left -= component.share;
                left < 0.0
            });
            let Some(component) = chosen.or(self.components.last()) else { return codes };
            let noise = DVector::from_fn(component.mean.len(), |_, _| f64::from(stream.normal()));
            let code = &component.mean + component.root.l() * noise;
            codes.extend(code.iter().map(|value| *value as f32));
        }
        codes
    }

    /// ln πₖ N(z; μₖ, Σₖ) for every component.
    fn joint(&self, point: &DVector<f64>) -> Vec<f64> {
        let constant = 0.5 * point.len() as f64 * (2.0 * std::f64::consts::PI).ln();
        let density = |component: &Component| {
            let whitened = component.root.l_dirty().solve_lower_triangular(&(point - &component.mean));
            let squares = whitened.map_or(f64::INFINITY, |whitened| whitened.norm_squared());
            let root = component.root.l_dirty().diagonal().iter().map(|d| d.ln()).sum::<f64>();
            component.share.ln() - 0.5 * squares - root - constant
        };
        self.components.iter().map(density).collect()
    }
}

/// Shares, means and covariances by which points belong to components so much each. None if a covariance has no root.
fn maximised(points: &[DVector<f64>], shares: &[Vec<f64>], floor: f64) -> Option<Vec<Component>> {
    let (width, count) = (points[0].len(), shares[0].len());
    let component = |k: usize| {
        let weight: f64 = shares.iter().map(|shares| shares[k]).sum::<f64>().max(1e-9);
        let mut mean = DVector::zeros(width);
        points.iter().zip(shares).for_each(|(point, shares)| mean.axpy(shares[k] / weight, point, 1.0));
        let mut covariance = DMatrix::from_diagonal_element(width, width, floor);
        for (point, shares) in points.iter().zip(shares).filter(|(_, shares)| shares[k] > 1e-12) {
            let centred = point - &mean;
            covariance.ger(shares[k] / weight, &centred, &centred, 1.0);
        }
        let root = Cholesky::new(covariance)?;
        Some(Component { share: weight / points.len() as f64, mean, root })
    };
    (0..count).map(component).collect()
}

fn mean_variance(points: &[DVector<f64>]) -> f64 {
    let count = points.len() as f64;
    let mean = points.iter().sum::<DVector<f64>>() / count;
    points.iter().map(|point| (point - &mean).norm_squared()).sum::<f64>() / (count * mean.len() as f64)
}

/// Points as first centres, each chosen with a probability that grows with the squared distance from those before (k-means++;
/// Arthur and Vassilvitskii 2007).
fn far_apart(points: &[DVector<f64>], count: usize, stream: &mut Stream) -> Vec<usize> {
    let mut centres = vec![stream.below(points.len() as u32) as usize];
    let mut nearest = vec![f64::INFINITY; points.len()];
    while centres.len() < count {
        let last = &points[centres[centres.len() - 1]];
        for (nearest, point) in nearest.iter_mut().zip(points) {
            *nearest = nearest.min((point - last).norm_squared());
        }
        let mut left = f64::from(stream.uniform()) * nearest.iter().sum::<f64>();
        let next = nearest.iter().position(|squares| {
            left -= squares;
            left < 0.0
        });
        centres.push(next.unwrap_or(points.len() - 1));
    }
    centres
}

fn log_sum(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + terms.iter().map(|term| (term - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two clouds: a quarter around (−4, 1) with deviation ½, the rest around (3, 0), long and tilted.
    fn clouds(count: usize) -> Vec<f32> {
        let mut stream = Stream::new(1, 90, 0);
        (0..count)
            .flat_map(|at| {
                let (a, b) = (stream.normal(), stream.normal());
                if at % 4 == 0 { [-4.0 + 0.5 * a, 1.0 + 0.5 * b] } else { [3.0 + 2.0 * a, 2.0 * a + 0.5 * b] }
            })
            .collect()
    }

    #[test]
    fn clouds_are_found_with_their_shares_means_and_covariances() {
        let mixture = Mixture::fit(&clouds(4000), 2, 2, 7).unwrap();
        let mut found: Vec<&Component> = mixture.components.iter().collect();
        found.sort_by(|a, b| a.share.total_cmp(&b.share));
        let near =
            |value: f64, expected: f64| assert!((value - expected).abs() < 0.15, "{value}, {expected}");
        near(found[0].share, 0.25);
        near(found[0].mean[0], -4.0);
        near(found[0].mean[1], 1.0);
        near(found[1].mean[0], 3.0);
        let covariance = found[1].root.l() * found[1].root.l().transpose();
        near(covariance[(0, 0)] / 4.0, 1.0);
        near(covariance[(0, 1)] / 4.0, 1.0);
        near(covariance[(1, 1)] / 4.25, 1.0);
        assert!(
            mixture.log_likelihood() > Mixture::fit(&clouds(4000), 2, 1, 7).unwrap().log_likelihood() + 0.2
        );
    }

    #[test]
    fn draws_lie_where_the_codes_lie_and_repeat() {
        let mixture = Mixture::fit(&clouds(2000), 2, 2, 7).unwrap();
        let drawn = mixture.draw(4000, 3);
        assert_eq!(drawn[..20], mixture.draw(10, 3));
        assert_ne!(drawn[..20], mixture.draw(10, 4));
        let left = drawn.chunks(2).filter(|code| code[0] < -2.0 && code[1] > -1.0).count();
        assert!((900..1150).contains(&left), "{left}");
    }

    #[test]
    fn few_and_equal_codes_are_no_trouble() {
        assert!(Mixture::fit(&[], 2, 3, 1).is_none());
        let mixture = Mixture::fit(&[1.0, 2.0, 1.0, 2.0], 2, 5, 1).unwrap();
        assert!(mixture.draw(5, 1).chunks(2).all(|code| (code[0] - 1.0).abs() < 1e-3));
    }
}

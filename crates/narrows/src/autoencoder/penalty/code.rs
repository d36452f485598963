//! Penalties on the size of codes: λ Σ|hⱼ| and λ Σhⱼ², averaged over rows.

use super::Penalised;
use narrows_engine::Tensor;

/// λ Σ|hⱼ|, which makes many units exactly or nearly 0.
pub fn l1<'g>(weight: f64, of: &Penalised<'_, 'g>) -> Option<Tensor<'g>> {
    (weight > 0.0).then(|| mean_over_rows(of.code.abs()) * weight as f32)
}

/// λ Σhⱼ², which keeps codes small.
pub fn l2<'g>(weight: f64, of: &Penalised<'_, 'g>) -> Option<Tensor<'g>> {
    (weight > 0.0).then(|| mean_over_rows(of.code.square()) * weight as f32)
}

fn mean_over_rows(terms: Tensor<'_>) -> Tensor<'_> {
    terms.sum_all() * (1.0 / terms.shape().rows() as f32)
}

//! Sparsity: β Σⱼ KL(ρ ‖ ρ̂ⱼ) = β Σⱼ ρ ln(ρ/ρ̂ⱼ) + (1 − ρ) ln((1 − ρ)/(1 − ρ̂ⱼ)), ρ̂ⱼ the mean activation of code unit j (Ng 2011).

use super::Penalised;
use crate::recipe::Sparsity;
use narrows_engine::Tensor;

/// Keeps the logarithms finite when a unit is always 0 or always 1: means are squeezed together by this much at each end, which,
/// unlike cutting them off, leaves a silent unit its gradient.
const EDGE: f32 = 1e-7;

/// The penalty, for codes from 0 to 1.
pub fn sparsity<'g>(sparsity: Sparsity, of: &Penalised<'_, 'g>) -> Option<Tensor<'g>> {
    let Sparsity::Kl { target, weight, running } = sparsity else { return None };
    if weight == 0.0 {
        return None;
    }
    let (graph, units) = (of.graph, of.code.shape().columns());
    let batch = of.code.mean(&[0]).reshape([units]);
    let (mean, slope) = if running > 0.0 {
        // The state is how far the running mean is from the target, so that it starts there.
        let layer = of.pass.trace[..of.encoder].last().map_or("code", |step| &step.name);
        let state = graph.state(&format!("sparsity.{layer}"), [units]);
        let target = target as f32;
        let mean = (state + target) * running as f32 + batch * (1.0 - running as f32);
        graph.update(state, mean.stop_gradient() - target);
        // The batch's own mean moves the running one a little only; its gradient is not to be that much smaller.
        (mean, 1.0 / (1.0 - running as f32))
    } else {
        (batch, 1.0)
    };
    let divergence = kl(target as f32, mean).sum_all() * weight as f32;
    if slope == 1.0 {
        return Some(divergence);
    }
    Some(divergence * slope - (divergence * (slope - 1.0)).stop_gradient())
}

/// KL between Bernoulli distributions of these means, unit by unit.
fn kl(target: f32, mean: Tensor<'_>) -> Tensor<'_> {
    let inside = mean * (1.0 - 2.0 * EDGE) + EDGE;
    let own = target * target.ln() + (1.0 - target) * (1.0 - target).ln();
    own - inside.log() * target - (1.0 - inside).log() * (1.0 - target)
}

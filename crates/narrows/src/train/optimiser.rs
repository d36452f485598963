//! Optimisers: how a gradient becomes a change of a parameter, as updates of states.
//!
//! Written in the engine's primitives; behind a weight's gradient they run on each tile while it is in cache. What changes from
//! step to step comes in as scalars: the learning rate and Adam's start-up corrections.

use crate::autoencoder::penalty::unit_atoms::of_unit_length;
use crate::network::dense::{Parameters, Role};
use crate::recipe::{Optimiser, TrainRecipe};
use narrows_engine::op::Binary;
use narrows_engine::{Graph, Tensor};

/// Moments smaller than this become 0: left to decay they would turn into denormal numbers, on which every operation is
/// a hundred times slower.
const TINY: f32 = 1e-30;

/// The scalars of a step, in order of declaration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepScalars {
    /// The learning rate.
    pub rate: f32,
    /// Adam's η √(1 − β₂ᵗ)/(1 − β₁ᵗ), both corrections of the early steps in one number.
    pub adaptive_rate: f32,
    /// Adam's ε √(1 − β₂ᵗ).
    pub adaptive_epsilon: f32,
    /// Share of the bottleneck's loss that counts: β's rise.
    pub bottleneck_weight: f32,
}

/// The scalars of a step in a graph.
pub struct Scalars<'g> {
    rate: Tensor<'g>,
    adaptive_rate: Tensor<'g>,
    adaptive_epsilon: Tensor<'g>,
    /// Share of the bottleneck's loss that counts.
    pub bottleneck_weight: Tensor<'g>,
}

/// Declares the scalars of a step, in the order of [`StepScalars::as_array`].
pub fn declare_scalars(graph: &Graph) -> Scalars<'_> {
    Scalars {
        rate: graph.scalar("learning rate"),
        adaptive_rate: graph.scalar("adaptive rate"),
        adaptive_epsilon: graph.scalar("adaptive epsilon"),
        bottleneck_weight: graph.scalar("bottleneck weight"),
    }
}

impl StepScalars {
    /// The scalars of step `step` (from 0), with the rate and the share of the bottleneck's loss of that moment.
    pub fn new(recipe: &TrainRecipe, rate: f64, bottleneck_weight: f64, step: u64) -> StepScalars {
        let (adaptive_rate, adaptive_epsilon) = match recipe.optimiser {
            Optimiser::Adam { beta1, beta2, epsilon } | Optimiser::AdamW { beta1, beta2, epsilon } => {
                let bias = |beta: f64| 1.0 - beta.powf((step + 1) as f64);
                let root = bias(beta2).sqrt();
                (rate * root / bias(beta1), epsilon * root)
            }
            _ => (0.0, 0.0),
        };
        StepScalars {
            rate: rate as f32,
            adaptive_rate: adaptive_rate as f32,
            adaptive_epsilon: adaptive_epsilon as f32,
            bottleneck_weight: bottleneck_weight as f32,
        }
    }

    /// As a run takes them.
    pub fn as_array(&self) -> [f32; 4] {
        [self.rate, self.adaptive_rate, self.adaptive_epsilon, self.bottleneck_weight]
    }
}

/// Adds the updates of all parameters to a training graph whose loss (a scalar) is `loss`. `atoms` names the weight whose vectors along
/// an axis are to keep length 1.
///
/// # Errors
/// The graph's first mistake, or a loss without a derivative.
pub fn add_updates<'g>(
    graph: &'g Graph,
    loss: Tensor<'g>,
    parameters: &Parameters<'g>,
    recipe: &TrainRecipe,
    scalars: &Scalars<'g>,
    atoms: Option<&(String, usize)>,
) -> Result<(), narrows_engine::Error> {
    let decoupled = matches!(recipe.optimiser, Optimiser::AdamW { .. });
    let decay = recipe.weight_decay as f32;
    let mut penalised = loss;
    if decay > 0.0 && !decoupled {
        for (_, weight, _) in parameters.list.iter().filter(|parameter| parameter.2 == Role::Weight) {
            penalised = penalised + weight.square().sum_all() * decay;
        }
    }
    let tensors: Vec<Tensor<'g>> = parameters.list.iter().map(|parameter| parameter.1).collect();
    let gradients = clipped(graph.gradient(penalised, &tensors)?, recipe);
    let average = recipe.average as f32;
    for ((name, parameter, role), gradient) in parameters.list.iter().zip(gradients) {
        let scope = Scope { graph, name, recipe, scalars };
        let mut next = scope.next(*parameter, gradient);
        if decoupled && *role == Role::Weight && decay > 0.0 {
            next = next - *parameter * (scalars.rate * decay);
        }
        if let Some((_, axis)) = atoms.filter(|atoms| atoms.0 == *name) {
            next = of_unit_length(next, *axis);
        }
        graph.update(*parameter, next);
        if average > 0.0 {
            let mean = graph.state(&format!("average/{name}"), parameter.shape());
            graph.update(mean, mean * average + next * (1.0 - average));
        }
    }
    Ok(())
}

/// Gradients shortened together to the longest norm allowed, then cut entry by entry.
fn clipped<'g>(gradients: Vec<Tensor<'g>>, recipe: &TrainRecipe) -> Vec<Tensor<'g>> {
    let (norm, value) = (recipe.clip_norm as f32, recipe.clip_value as f32);
    let mut gradients = gradients;
    if norm > 0.0 {
        let squares =
            gradients.iter().map(|gradient| gradient.square().sum_all()).reduce(|sum, next| sum + next);
        if let Some(squares) = squares {
            let graph = squares.graph();
            let factor = graph.constant(1.0).minimum(graph.constant(norm) / (squares.sqrt() + 1e-12));
            gradients.iter_mut().for_each(|gradient| *gradient = *gradient * factor);
        }
    }
    if value > 0.0 {
        for gradient in &mut gradients {
            let graph = gradient.graph();
            *gradient = gradient.minimum(graph.constant(value)).maximum(graph.constant(-value));
        }
    }
    gradients
}

struct Scope<'g, 'a> {
    graph: &'g Graph,
    name: &'a str,
    recipe: &'a TrainRecipe,
    scalars: &'a Scalars<'g>,
}

impl<'g> Scope<'g, '_> {
    /// A moment of the optimiser, updated to `next(moment)`, tiny values flushed.
    fn moment(
        &self,
        kind: &str,
        like: Tensor<'g>,
        next: impl FnOnce(Tensor<'g>) -> Tensor<'g>,
    ) -> Tensor<'g> {
        let moment = self.graph.state(&format!("{kind}/{}", self.name), like.shape());
        let value = next(moment);
        // Written so that NaN stays NaN: a diverged moment must be seen.
        let tiny = self.graph.constant(TINY).binary(Binary::GreaterOrEqual, value.abs());
        let value = tiny.select(self.graph.constant(0.0), value);
        self.graph.update(moment, value);
        value
    }

    fn next(&self, w: Tensor<'g>, g: Tensor<'g>) -> Tensor<'g> {
        let rate = self.scalars.rate;
        match self.recipe.optimiser {
            Optimiser::Sgd => w - rate * g,
            Optimiser::Momentum { momentum } => {
                let velocity = self.moment("velocity", w, |velocity| velocity * momentum as f32 + g);
                w - rate * velocity
            }
            Optimiser::Nesterov { momentum } => {
                let momentum = momentum as f32;
                let velocity = self.moment("velocity", w, |velocity| velocity * momentum + g);
                w - rate * (velocity * momentum + g)
            }
            Optimiser::RmsProp { decay, epsilon } => {
                let decay = decay as f32;
                let square = self.moment("square", w, |square| square * decay + g * g * (1.0 - decay));
                w - rate * (g / (square.sqrt() + epsilon as f32))
            }
            Optimiser::AdaGrad { epsilon } => {
                let square = self.moment("square", w, |square| square + g * g);
                w - rate * (g / (square.sqrt() + epsilon as f32))
            }
            Optimiser::Adam { beta1, beta2, .. } | Optimiser::AdamW { beta1, beta2, .. } => {
                self.adam(w, g, beta1 as f32, beta2 as f32)
            }
        }
    }

    /// w − η m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ) (Kingma and Ba 2015, algorithm 1), the corrections moved into
    /// the rate and ε as at the end of the paper's section 2.
    fn adam(&self, w: Tensor<'g>, g: Tensor<'g>, beta1: f32, beta2: f32) -> Tensor<'g> {
        let mean = self.moment("mean", w, |mean| mean * beta1 + g * (1.0 - beta1));
        let square = self.moment("square", w, |square| square * beta2 + g * g * (1.0 - beta2));
        w - self.scalars.adaptive_rate * (mean / (square.sqrt() + self.scalars.adaptive_epsilon))
    }
}

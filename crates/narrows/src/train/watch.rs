//! Watching: after each epoch, on a few of its rows, how much of the gradient reaches each layer, and which units are of no use.

use super::batches::Batches;
use super::programs::build;
use super::setup::{Compute, Setup};
use super::stage::Stage;
use crate::autoencoder::bottleneck::top_k::IDLE;
use crate::error::Error;
use crate::network::{Role, Step};
use crate::recipe::{Activation, Bottleneck};
use narrows_engine::cpu::{Executable, Feed, Run, States};
use narrows_engine::op::{Binary, Reduction};
use narrows_engine::{Graph, Tensor};
use serde::{Deserialize, Serialize};

/// Rows that are looked at together, and in all, where there are so many.
const ROWS: usize = 128;
const MOST_ROWS: usize = 512;
/// Where rows are dear, fewer are looked at: as many as take so many operations, a tenth of a second, or this part of an epoch.
const CHEAP: u64 = 20_000_000_000;
const MOST_OF_EPOCH: usize = 16;
/// A unit is dead if its values span less than this part of the widest span in its layer.
const SAME: f32 = 0.001;
/// A sigmoid unit is at an end within this of 0 or 1, a tanh unit within twice that of −1 or 1.
const END: f32 = 0.02;
/// A unit is saturated if it is at an end in this share of rows ...
const MOSTLY: f32 = 0.95;
/// ... and is not simply off in almost all of them, as sparse units are: its mean is above this.
const OFF: f32 = 0.1;
/// A unit of a gaussian code has collapsed if it tells less than this of a row, in nats (Burda et al. 2016 draw the line alike).
const COLLAPSED: f32 = 0.01;

/// What was seen of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerHealth {
    /// Its name path.
    pub layer: String,
    /// The norm of the loss's gradient by its weight, averaged over batches.
    pub gradient: f32,
    /// Its units.
    pub units: usize,
    /// Units that say the same of every row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dead: usize,
    /// Units that are nearly always at an end of their range, where they learn no more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub saturated: usize,
    /// Units of a gaussian code that tell nothing of a row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub collapsed: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A stage's part in training, looked at without being moved.
pub struct Watch {
    executable: Executable,
    layers: Vec<Watched>,
    rows: usize,
}

/// Which outputs tell of a layer.
struct Watched {
    layer: String,
    activation: Activation,
    units: usize,
    /// The squared norm of the gradient.
    gradient: usize,
    /// Smallest and largest values, where they tell something.
    span: Option<[usize; 2]>,
    /// Shares of rows at an end, and means.
    ends: Option<[usize; 2]>,
    /// Divergences from the prior.
    divergence: Option<usize>,
    /// Whether the bottleneck counts rows since each unit's last value.
    counted: bool,
}

impl Watch {
    /// Compiles what looks at a stage.
    ///
    /// # Errors
    /// A graph or plan that cannot be built.
    pub fn new(setup: &Setup, stage: &Stage, compute: &Compute) -> Result<Watch, Error> {
        let graph = Graph::new();
        let rows = stage.batch().min(ROWS);
        let built = build(&graph, setup, stage, rows)?;
        let parameters = &built.pass.parameters.list;
        let weights: Vec<_> = parameters.iter().filter(|(.., role)| *role == Role::Weight).collect();
        let tensors: Vec<Tensor<'_>> = weights.iter().map(|(_, tensor, _)| *tensor).collect();
        let gradients = graph.gradient(built.loss, &tensors)?;
        let mut outputs = 0;
        let mut output = |tensor: Tensor<'_>| {
            graph.output(&format!("{outputs}"), tensor);
            outputs += 1;
            outputs - 1
        };
        // What stands for rows or classes is no unit.
        let network = &setup.network;
        let ends = [network.layers.last(), network.partners.first(), network.log_variance.as_ref()];
        let heads = network.auxiliary.iter().map(|head| head.layers.last());
        let ends: Vec<_> = ends.into_iter().chain(heads).flatten().collect();
        let is_end = |layer: &str| ends.iter().any(|end| end.name == layer);
        let code = &setup.network.layers[setup.network.encoder - 1].name;
        let mut layers = Vec::new();
        for ((name, ..), gradient) in weights.iter().zip(gradients) {
            let layer = name.trim_end_matches(".weight");
            let mut steps = built.pass.trace.iter().chain(&built.pass.inner);
            let Some(step) = steps.find(|step| step.name == layer) else { continue };
            let counted = *code == layer && matches!(setup.network.bottleneck, Bottleneck::TopK { .. });
            let says = !counted && !is_end(layer);
            layers.push(Watched {
                layer: layer.to_owned(),
                activation: step.activation,
                units: step.by_unit().shape().columns(),
                gradient: output(gradient.square().sum_all()),
                span: says.then(|| [output(extreme(-step.by_unit())), output(extreme(step.by_unit()))]),
                ends: says
                    .then(|| at_an_end(step))
                    .flatten()
                    .map(|[share, mean]| [output(share), output(mean)]),
                divergence: built.divergence.filter(|_| *code == layer).map(|each| {
                    // Of maps, what all pixels tell together.
                    let maps = each.reshape([step.to.pixels(), step.to.channels]);
                    output(if step.to.pixels() == 1 { each } else { maps.sum(&[0]) })
                }),
                counted,
            });
        }
        graph.keep_states();
        let executable = Executable::new(&graph, &compute.pool, compute.level)?;
        Ok(Watch { executable, layers, rows })
    }

    /// Bytes of intermediate values.
    pub fn bytes(&self) -> usize {
        self.executable.bytes()
    }

    /// Looks at the first rows of the first batches of an epoch, with the scalars of its last step.
    ///
    /// # Errors
    /// None in practice: states that training declared.
    pub fn look(
        &mut self,
        setup: &Setup,
        stage: &Stage,
        states: &States,
        batches: &mut Batches,
        (epoch, step, scalars): (usize, u32, &[f32]),
    ) -> Result<Vec<LayerHealth>, Error> {
        let steps = stage.rows.len() / stage.batch();
        let cheap = (CHEAP / self.executable.plan().flops().max(1)) as usize;
        let times = (MOST_ROWS / self.rows).min(cheap.max(steps / MOST_OF_EPOCH)).clamp(1, steps);
        let mut seen: Vec<Seen> = self.layers.iter().map(|watched| Seen::new(watched.units)).collect();
        for time in 0..times {
            batches.fill(setup, stage, (epoch, time, times));
            let mut feeds: Vec<Feed<'_>> = Vec::with_capacity(4);
            batches.feeds(setup, stage, self.rows, &mut feeds);
            let run = Run { inputs: &feeds, scalars, seed: setup.recipe.train.seed, step };
            self.executable.infer(states, &run)?;
            for (watched, seen) in self.layers.iter().zip(&mut seen) {
                seen.add(watched, &self.executable, 1.0 / times as f32);
            }
        }
        let judge = |(watched, seen): (&Watched, &Seen)| {
            let mut health = seen.judge(watched);
            if watched.counted {
                // Units that have said nothing for as many rows as an epoch has, maps nowhere.
                let idle = states.get(IDLE).unwrap_or_default();
                let dead = |unit: &usize| {
                    idle.iter()
                        .skip(*unit)
                        .step_by(watched.units)
                        .all(|rows| *rows >= stage.rows.len() as f32)
                };
                health.dead = (0..watched.units).filter(dead).count();
            }
            health
        };
        Ok(self.layers.iter().zip(&seen).map(judge).collect())
    }
}

/// The largest value of each unit.
fn extreme(values: Tensor<'_>) -> Tensor<'_> {
    values.reduce(Reduction::Maximum, &[0])
}

/// For units with ends: the share of rows in which each is at one, and its mean from 0 to 1.
fn at_an_end<'g>(step: &Step<'g>) -> Option<[Tensor<'g>; 2]> {
    let values = match step.activation {
        Activation::Sigmoid => step.by_unit(),
        Activation::Tanh => (step.by_unit() + 1.0) * 0.5,
        _ => return None,
    };
    let ends = (values - 0.5).abs().binary(Binary::GreaterOrEqual, values.graph().constant(0.5 - END));
    Some([ends.mean(&[0]), values.mean(&[0])])
}

/// What was seen of a layer's units so far.
struct Seen {
    gradient: f32,
    low: Vec<f32>,
    high: Vec<f32>,
    ends: Vec<f32>,
    mean: Vec<f32>,
    divergence: Vec<f32>,
}

impl Seen {
    fn new(units: usize) -> Seen {
        let all = |value: f32| vec![value; units];
        Seen {
            gradient: 0.0,
            low: all(f32::INFINITY),
            high: all(f32::NEG_INFINITY),
            ends: all(0.0),
            mean: all(0.0),
            divergence: all(0.0),
        }
    }

    /// Adds a batch, which is this share of all.
    fn add(&mut self, watched: &Watched, executable: &Executable, share: f32) {
        let read = |output: usize| {
            let mut values = vec![0.0; watched.units];
            executable.output(output, &mut values);
            values
        };
        let mix = |into: &mut Vec<f32>, output: usize| {
            into.iter_mut().zip(read(output)).for_each(|(sum, value)| *sum += share * value);
        };
        self.gradient += share * executable.number(watched.gradient).sqrt().min(f32::MAX);
        if let Some([low, high]) = watched.span {
            self.low.iter_mut().zip(read(low)).for_each(|(low, value)| *low = low.min(-value));
            self.high.iter_mut().zip(read(high)).for_each(|(high, value)| *high = high.max(value));
        }
        if let Some([ends, mean]) = watched.ends {
            mix(&mut self.ends, ends);
            mix(&mut self.mean, mean);
        }
        if let Some(divergence) = watched.divergence {
            mix(&mut self.divergence, divergence);
        }
    }

    fn judge(&self, watched: &Watched) -> LayerHealth {
        let spans: Vec<f32> = self.low.iter().zip(&self.high).map(|(low, high)| high - low).collect();
        let widest = spans.iter().copied().fold(0.0, f32::max);
        let is_dead = |unit: usize| watched.span.is_some() && spans[unit] <= SAME * widest;
        let off = if watched.activation == Activation::Sigmoid { OFF } else { 0.0 };
        let is_saturated = |unit: usize| {
            watched.ends.is_some() && !is_dead(unit) && self.ends[unit] >= MOSTLY && self.mean[unit] > off
        };
        let count = |wanted: &dyn Fn(usize) -> bool| (0..watched.units).filter(|unit| wanted(*unit)).count();
        LayerHealth {
            layer: watched.layer.clone(),
            gradient: self.gradient,
            units: watched.units,
            dead: count(&is_dead),
            saturated: count(&is_saturated),
            collapsed: count(&|unit| watched.divergence.is_some() && self.divergence[unit] < COLLAPSED),
        }
    }
}

//! How probable a stack of Boltzmann machines finds rows. ln p(v) = −F(v) − ln Z for one machine, Z gone through where the machine is small
//! and estimated by annealed importance sampling elsewhere; for more, the bound ln p(v) ≥ E[ln p(v|h) − ln q(h|v) + ln p(h)], machine
//! by machine, by one draw a row (Salakhutdinov and Murray 2008).

use super::{Judged, STEP};
use crate::apply::codec::Codec;
use crate::apply::row_program::{ROWS, RowProgram};
use crate::boltzmann::annealing::LogPartition;
use crate::boltzmann::units::binarised;
use crate::boltzmann::{Annealing, Machine, Units, partition};
use crate::error::Error;
use crate::network::Pass;
use crate::network::{Mode, Parameters};
use narrows_engine::Tensor;
use serde::Serialize;

/// Steps of annealing (as many as Salakhutdinov and Murray took).
const STEPS: usize = 14_500;
/// Rows whose pseudo-likelihood is told: every unit of a row is turned over once.
const PSEUDO_ROWS: usize = 1000;
/// Numbers of a pseudo-likelihood's program at once.
const MOST_NUMBERS: usize = 1 << 22;

/// What machines say of rows, in nats a row. Rows of Bernoulli units are draws by their values, the same ones every time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Likelihood {
    /// ln p(v); of several machines a lower bound. None without chains for machines too large to go through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_likelihood: Option<f64>,
    /// Its standard error, by the spread over rows and that of ln Z.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// ln Z of the machine on top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_partition: Option<f64>,
    /// The standard error of ln Z; 0 where it is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_partition_error: Option<f64>,
    /// Whether the likelihood is a bound.
    pub is_bound: bool,
    /// F(v), of one machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_energy: Option<f64>,
    /// Σᵢ ln p(vᵢ | all others), of one machine with Bernoulli visible units, on at most 1000 rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pseudo_log_likelihood: Option<f64>,
}

impl Likelihood {
    /// What a user should hear of it.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if let (Some(value), Some(error)) = (self.log_likelihood, self.standard_error) {
            let (what, z) = (
                if self.is_bound { "the log-likelihood is at least" } else { "the log-likelihood is" },
                self.log_partition.unwrap_or(0.0),
            );
            let whence = match self.log_partition_error {
                Some(spread) if spread > 0.0 => format!("ln Z is {z:.2} ± {spread:.2} by annealing"),
                _ => format!("ln Z is {z:.2}, exactly"),
            };
            sentences.push(format!("{what} {value:.2} ± {error:.2} nats a row; {whence}"));
        }
        if let Some(pseudo) = self.pseudo_log_likelihood {
            sentences.push(format!("the pseudo-log-likelihood is {pseudo:.2}"));
        }
        sentences
    }
}

/// The machines of a stack, bottom first; none of other models.
pub fn machines(codec: &Codec) -> Option<Vec<Machine>> {
    let (network, output) = (codec.network(), codec.model().description.output);
    codec.model().is_boltzmann().then_some(())?;
    (0..network.encoder).map(|layer| Machine::of_layer(network, layer, output).ok()).collect()
}

/// The likelihood of rows under a stack of machines.
///
/// # Errors
/// As for [`super::figures`].
pub fn likelihood(judged: &Judged<'_>) -> Result<Option<Likelihood>, Error> {
    let Some(machines) = machines(judged.codec) else { return Ok(None) };
    let top = &machines[machines.len() - 1];
    let Some(of_rows) = unnormalised(judged, &machines)? else { return Ok(None) };
    let codec = judged.codec;
    let log_partition = match partition::log_partition(top, codec.states()) {
        Some(value) => Some(LogPartition { value, standard_error: 0.0 }),
        None if judged.samples == 0 => None,
        None => {
            let (states, seed) = (codec.states(), judged.seed());
            let base = of_rows.means.iter().map(|mean| top.visible.bias_of(*mean) as f32).collect();
            let chains = (0..judged.samples as u32).collect();
            Annealing::new(top, states, base, chains, seed, codec.compute())?.log_partition(STEPS)?
        }
    };
    let count = judged.count();
    let mean = of_rows.values.iter().sum::<f64>() / count;
    let variance =
        of_rows.values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    let alone = machines.len() == 1;
    Ok(Some(Likelihood {
        log_likelihood: log_partition.map(|partition| mean - partition.value),
        standard_error: log_partition
            .map(|partition| (variance / count + partition.standard_error.powi(2)).sqrt()),
        log_partition: log_partition.map(|partition| partition.value),
        log_partition_error: log_partition.map(|partition| partition.standard_error),
        is_bound: !alone,
        free_energy: alone.then_some(-mean),
        pseudo_log_likelihood: if alone { pseudo(judged, top)? } else { None },
    }))
}

/// ln p(v) + ln Z of rows, or a draw of its bound.
struct Unnormalised {
    values: Vec<f64>,
    /// Means of what the machine on top sees.
    means: Vec<f64>,
}

fn unnormalised(judged: &Judged<'_>, machines: &[Machine]) -> Result<Option<Unnormalised>, Error> {
    let codec = judged.codec;
    let mut known = true;
    let mut program = RowProgram::new(codec, ROWS, |graph, rows, row_ids| {
        let mut parameters = Parameters::default();
        let mut visible = drawn_rows(&machines[0], rows, row_ids);
        let mut terms = Vec::new();
        let (top, below) = machines.split_last().unwrap_or((&machines[0], &[]));
        for machine in below {
            let weights = machine.weights(graph, &mut parameters);
            let up = weights.up(visible);
            let hidden = machine.hidden.draw(graph, up, row_ids);
            terms.push(log_density(machine.visible, weights.down(hidden), visible));
            terms.push(log_density(machine.hidden, up, hidden).map(|density| -density));
            visible = hidden;
        }
        terms.push(top.minus_free_energy(top.weights(graph, &mut parameters), visible));
        known = terms.iter().all(Option::is_some);
        let nothing = graph.constant(0.0).stretch([rows.shape().rows(), 1]);
        Ok(vec![terms.into_iter().flatten().fold(nothing, |sum, term| sum + term), visible])
    })?;
    if !known {
        return Ok(None);
    }
    let width = machines[machines.len() - 1].sizes[0];
    let mut values = Vec::with_capacity(judged.rows.len());
    let mut means = vec![0.0; width];
    for (ids, rows) in judged.chunks() {
        let both = program.run(codec, &rows, ids, (judged.seed(), STEP))?;
        values.extend(both[0].iter().map(|value| f64::from(*value)));
        for row in both[1].chunks_exact(width) {
            means.iter_mut().zip(row).for_each(|(mean, value)| *mean += f64::from(*value) / judged.count());
        }
    }
    Ok(Some(Unnormalised { values, means }))
}

/// Rows as the lowest machine sees them: draws for Bernoulli units.
fn drawn_rows<'g>(machine: &Machine, rows: Tensor<'g>, row_ids: Tensor<'g>) -> Tensor<'g> {
    match machine.visible {
        Units::Bernoulli => binarised(rows.graph(), rows, row_ids),
        Units::Gaussian | Units::Rectified => rows,
    }
}

/// ln p(x) of units with these sums, row by row, B×1; none for rectified ones.
fn log_density<'g>(units: Units, sums: Tensor<'g>, values: Tensor<'g>) -> Option<Tensor<'g>> {
    let own = match units {
        Units::Gaussian => values * (sums - values * 0.5),
        Units::Bernoulli | Units::Rectified => values * sums,
    };
    Some((own - units.log_normaliser(sums)? - units.constant() as f32).sum(&[1]))
}

/// Σᵢ ln p(vᵢ | v₋ᵢ) = −Σᵢ ln(1 + exp(F(v) − F(v with unit i turned over))).
fn pseudo(judged: &Judged<'_>, machine: &Machine) -> Result<Option<f64>, Error> {
    if machine.visible != Units::Bernoulli || machine.hidden == Units::Rectified {
        return Ok(None);
    }
    let codec = judged.codec;
    let [visible, hidden] = machine.sizes;
    let at_once = (MOST_NUMBERS / (visible * hidden)).clamp(1, ROWS);
    let mut program = RowProgram::new(codec, at_once, |graph, rows, row_ids| {
        let mut pass = Pass::new(Mode::Use);
        let weights = machine.weights(graph, &mut pass.parameters);
        let values = drawn_rows(machine, rows, row_ids);
        let sums = weights.up(values);
        let count = rows.shape().rows();
        let all = [count, visible, hidden];
        let turn = 1.0 - values * 2.0;
        let change = turn.reshape([count, visible, 1]).stretch(all)
            * weights.weight.reshape([1, visible, hidden]).stretch(all);
        let turned = sums.reshape([count, 1, hidden]).stretch(all) + change;
        let before = machine.hidden.log_normaliser(sums).unwrap_or(sums).sum(&[1]);
        let after =
            machine.hidden.log_normaliser(turned).unwrap_or(turned).sum(&[2]).reshape([count, visible]);
        let gain = after - before + turn * weights.visible_bias;
        Ok(vec![-gain.softplus().sum(&[1])])
    })?;
    let rows = &judged.rows[..judged.rows.len().min(PSEUDO_ROWS)];
    let mut sum = 0.0;
    for ids in rows.chunks(ROWS) {
        let stored = judged.dataset.select(ids).values.to_f32();
        let values = program.run(codec, &stored, ids, (judged.seed(), STEP))?.remove(0);
        sum += values.iter().map(|value| f64::from(*value)).sum::<f64>();
    }
    Ok(Some(sum / rows.len().max(1) as f64))
}

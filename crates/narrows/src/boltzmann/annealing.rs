//! Chains that are led from a simple distribution to a machine's own: for samples, and for ln Z by annealed importance sampling (Neal 2001;
//! Salakhutdinov and Murray 2008).
//!
//! At β the chain's distribution is p(v) ∝ exp((1 − β) a·v + β b·v) Πⱼ ∫ exp(β sⱼ h) dh, s = Wᵀv + c: the machine's own at β = 1, independent
//! units with biases a at 0.

use super::machine::Machine;
use super::partition::LogSum;
use crate::error::Error;
use crate::network::Parameters;
use crate::train::Compute;
use narrows_engine::Graph;
use narrows_engine::cpu::{Executable, Feed, Run, States};

const CHAINS: &str = "chains";

/// Chains of a machine, moved step by step.
pub struct Annealing {
    executable: Executable,
    states: States,
    ids: Vec<u32>,
    /// Biases a of the simple distribution.
    base: Vec<f32>,
    machine: Machine,
    seed: u64,
    step: u32,
}

/// An estimate of ln Z.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogPartition {
    /// ln Z.
    pub value: f64,
    /// Its standard error by the spread of the chains' weights; 0 where it is exact.
    pub standard_error: f64,
}

impl Annealing {
    /// Chains with these ids, by which their draws are keyed, of a machine whose parameters stand in `states`. `base` are the biases a of
    /// the simple distribution.
    ///
    /// # Errors
    /// A graph that cannot be built.
    pub fn new(
        machine: &Machine,
        states: &States,
        base: Vec<f32>,
        ids: Vec<u32>,
        seed: u64,
        compute: &Compute,
    ) -> Result<Annealing, Error> {
        let graph = Graph::new();
        let (chains, [width, _]) = (ids.len(), machine.sizes);
        let weights = machine.weights(&graph, &mut Parameters::default());
        let visible = graph.state(CHAINS, [chains, width]);
        let chain_ids = graph.indices("chain ids", [chains]);
        let simple = graph.input("base", [1, width]);
        let (from, to) = (graph.scalar("from"), graph.scalar("to"));
        let sums = weights.up(visible);
        let own = (visible * (weights.visible_bias - simple)).sum(&[1]) * (to - from);
        let weight =
            match (machine.hidden.log_normaliser(sums * to), machine.hidden.log_normaliser(sums * from)) {
                (Some(to), Some(from)) => own + (to - from).sum(&[1]),
                _ => own,
            };
        let hidden = machine.hidden.draw(&graph, sums * to, chain_ids);
        let below = simple * (1.0 - to) + weights.down(hidden) * to;
        graph.update(visible, machine.visible.draw(&graph, below, chain_ids));
        graph.output("weight", weight);
        graph.output("hidden", hidden);
        let executable = Executable::new(&graph, &compute.pool, compute.level)?;
        let mut own_states = States::new(&graph.states());
        for name in [&machine.weight, &machine.visible_bias, &machine.hidden_bias] {
            own_states.set(name, &states.get(name).unwrap_or_default())?;
        }
        let machine = machine.clone();
        let mut annealing = Annealing { executable, states: own_states, ids, base, machine, seed, step: 0 };
        // At 0 a step draws from the simple distribution, wherever the chains stood.
        annealing.advance(0.0, 0.0)?;
        Ok(annealing)
    }

    /// One Gibbs step at `to` of all chains, which stood at `from`.
    ///
    /// # Errors
    /// None in practice.
    pub fn advance(&mut self, from: f64, to: f64) -> Result<(), Error> {
        let feeds = [Feed::U32(&self.ids), Feed::F32(&self.base)];
        let scalars = [from as f32, to as f32];
        let run = Run { inputs: &feeds, scalars: &scalars, seed: self.seed, step: self.step };
        self.executable.run(&mut self.states, &run)?;
        self.step += 1;
        Ok(())
    }

    /// The hidden units of the last step, chains×H, from which the chains' visible ones were drawn.
    pub fn hidden(&self) -> Vec<f32> {
        let mut hidden = vec![0.0; self.ids.len() * self.machine.sizes[1]];
        self.executable.output(1, &mut hidden);
        hidden
    }

    /// Leads the chains to the machine's own distribution in half of so many steps, and on for as many.
    ///
    /// # Errors
    /// None in practice.
    pub fn settle(&mut self, steps: usize) -> Result<(), Error> {
        let at = |step: usize| temperature((2.0 * step as f64 / steps as f64).min(1.0));
        (1..=steps).try_for_each(|step| self.advance(at(step - 1), at(step)))
    }

    /// ln Z by the chains' importance weights over this many steps; none for units that have no such weights.
    ///
    /// # Errors
    /// None in practice.
    pub fn log_partition(mut self, steps: usize) -> Result<Option<LogPartition>, Error> {
        let mut weights = vec![0.0f64; self.ids.len()];
        let mut gains = vec![0.0f32; self.ids.len()];
        let mut before = 0.0;
        for step in 1..=steps {
            let now = temperature(step as f64 / steps as f64);
            self.advance(before, now)?;
            self.executable.output(0, &mut gains);
            weights.iter_mut().zip(&gains).for_each(|(weight, gain)| *weight += f64::from(*gain));
            before = now;
        }
        let machine = &self.machine;
        let visible: Option<f64> =
            self.base.iter().map(|bias| machine.visible.log_normaliser_of(f64::from(*bias))).sum();
        let hidden = machine.hidden.log_normaliser_of(0.0);
        let (Some(visible), Some(hidden)) = (visible, hidden) else { return Ok(None) };
        let mut sum = LogSum::default();
        weights.iter().for_each(|weight| sum.add(*weight));
        let count = weights.len() as f64;
        let mean = sum.value() - count.ln();
        let variance = weights.iter().map(|weight| ((weight - mean).exp() - 1.0).powi(2)).sum::<f64>()
            / (count - 1.0).max(1.0);
        let value = mean + visible + hidden * machine.sizes[1] as f64;
        Ok(Some(LogPartition { value, standard_error: (variance / count).sqrt() }))
    }
}

/// β after a share of the steps. Most of them go where the distribution changes most, near the machine's own: a 30th up to β = ½, the
/// next quarter to 0.9, the rest beyond (the spacing of Salakhutdinov and Murray 2008, section 4).
fn temperature(share: f64) -> f64 {
    const KNOTS: [(f64, f64); 4] = [(0.0, 0.0), (0.0345, 0.5), (0.3103, 0.9), (1.0, 1.0)];
    let after = KNOTS.iter().position(|(at, _)| share <= *at).unwrap_or(3).max(1);
    let ((from, low), (to, high)) = (KNOTS[after - 1], KNOTS[after]);
    low + (high - low) * (share - from) / (to - from)
}

#[cfg(test)]
mod tests {
    use super::temperature;

    #[test]
    fn temperatures_rise_from_0_to_1() {
        let all: Vec<f64> = (0..=1000).map(|step| temperature(f64::from(step) / 1000.0)).collect();
        assert_eq!((all[0], all[1000]), (0.0, 1.0));
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
        assert!((temperature(0.0345) - 0.5).abs() < 1e-9);
    }
}

//! The compiled plans of a run, and what they will need.

use super::programs::{Declared, scoring, training_step};
use super::setup::{Compute, Setup};
use super::stage::Stage;
use super::watch::Watch;
use crate::error::Error;
use narrows_engine::cpu::Executable;

/// What a run will need, known before it starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Bytes of rows, states, plans and checkpoints together.
    pub peak_bytes: usize,
    /// Floating-point operations of an epoch.
    pub flops_an_epoch: u64,
    /// Numbers that training changes.
    pub parameters: usize,
}

/// The plans of a stage.
pub struct StagePlans {
    /// A step of training on a full batch.
    pub step: Executable,
    /// The step for the short last batch, if there is one.
    last_step: Option<Executable>,
    /// The loss of so many rows in use.
    pub scoring: Executable,
    /// Rows scored at once; rows are independent, so it decides nothing but speed and memory.
    pub scoring_rows: usize,
    /// The health of layers.
    pub watch: Watch,
}

impl StagePlans {
    /// Compiles them; also gives the states that training declares.
    ///
    /// # Errors
    /// A graph or plan that cannot be built.
    pub fn new(setup: &Setup, stage: &Stage, compute: &Compute) -> Result<(StagePlans, Declared), Error> {
        let (step, declared) = training_step(setup, stage, compute, stage.batch())?;
        let last_step = match stage.rows.len() % stage.batch() {
            0 => None,
            rows => Some(training_step(setup, stage, compute, rows)?.0),
        };
        let scoring_rows = setup.network.rows_at_once();
        let scoring = scoring(setup, stage, compute, scoring_rows)?;
        let watch = Watch::new(setup, stage, compute)?;
        Ok((StagePlans { step, last_step, scoring, scoring_rows, watch }, declared))
    }

    /// The plan for a batch of so many rows.
    pub fn step_of(&mut self, rows: usize, stage: &Stage) -> &mut Executable {
        match &mut self.last_step {
            Some(last) if rows < stage.batch() => last,
            _ => &mut self.step,
        }
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.step.bytes()
            + self.last_step.as_ref().map_or(0, Executable::bytes)
            + self.scoring.bytes()
            + self.watch.bytes()
    }

    /// Floating-point operations of an epoch.
    pub fn flops_an_epoch(&self, stage: &Stage) -> u64 {
        let full_steps = (stage.rows.len() / stage.batch()) as u64;
        let last = self.last_step.as_ref().map_or(0, |executable| executable.plan().flops());
        full_steps * self.step.plan().flops() + last
    }
}

//! The training loop.

use super::batches::Batches;
use super::checkpoint::{self, BEST, Progress};
use super::event::{EpochRecord, Event, Signal};
use super::machines;
use super::optimiser::StepScalars;
use super::plans::{Prediction, StagePlans};
use super::programs::Declared;
use super::schedule;
use super::setup::{Compute, Setup};
use super::stage::Stage;
use super::start;
use super::targets::Targets;
use crate::autoencoder::bottleneck;
use crate::data::{Dataset, Values};
use crate::error::Error;
use crate::model_file::{Description, Model, NamedTensor, RowCounts};
use crate::network::Layer;
use narrows_engine::Shape;
use narrows_engine::cpu::{Executable, Feed, Run, States};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The step whose random numbers scoring uses: one that training never comes to.
const SCORING_STEP: u32 = u32::MAX;
const AVERAGE: &str = "average/";
/// Bytes that the program takes without any model or rows: its code, the stacks of its threads, what the allocator keeps.
const PROGRAM: usize = 12 << 20;
/// How often a row's name is there at most, while rows are loaded: in a list of files, as a path, and as a name.
const NAMED: usize = 3;

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done, or early stopping has ended them.
    Finished,
    /// It was told to stop; a checkpoint stands.
    Interrupted,
}

/// A run of training.
pub struct Trainer {
    setup: Arc<Setup>,
    fingerprint: String,
    /// Plans by stage.
    plans: Vec<StagePlans>,
    /// States of the model itself: parameters and running statistics.
    model_states: Declared,
    states: States,
    /// The weights that are scored and kept, where they are not those of the step: running means of them.
    averaged: Option<States>,
    batches: Batches,
    progress: Progress,
    best: Vec<NamedTensor>,
}

impl Trainer {
    /// Compiles the plans of a run and draws the starting weights.
    ///
    /// # Errors
    /// A network that cannot be built.
    pub fn new(setup: Setup, compute: &Compute) -> Result<Trainer, Error> {
        let mut plans = Vec::new();
        let mut states = States::new(&[]);
        for stage in &setup.stages {
            let (compiled, declared) = StagePlans::new(&setup, stage, compute)?;
            states.declare(&declared);
            plans.push(compiled);
        }
        let model_states: Declared = setup
            .network
            .all_layers()
            .flat_map(Layer::tensors)
            .chain(bottleneck::tensors(setup.network.bottleneck, setup.network.code()))
            .map(|(name, shape)| (name, Shape::from(shape.as_slice())))
            .collect();
        setup.network.initialise(&setup.recipe.model, setup.recipe.train.seed, &mut states)?;
        start::centre(&setup, &mut states)?;
        let averaged = (setup.recipe.train.average > 0.0).then(|| States::new(&model_states));
        let fingerprint = setup.source.fingerprint();
        let setup = Arc::new(setup);
        let batches = Batches::new(&setup);
        let (progress, best) = (Progress::default(), Vec::new());
        Ok(Trainer { setup, fingerprint, plans, model_states, states, averaged, batches, progress, best })
    }

    /// What is being done.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The plan of a step of the whole network, for printing.
    pub fn step_executable(&self) -> &Executable {
        &self.plans[self.plans.len() - 1].step
    }

    /// The stage that the run is in.
    pub fn stage(&self) -> &Stage {
        &self.setup.stages[self.setup.stage_of(self.progress.epoch)]
    }

    /// Epochs done so far.
    pub fn history(&self) -> &[EpochRecord] {
        &self.progress.history
    }

    /// What the run will need.
    pub fn prediction(&self) -> Prediction {
        let plans: usize = self.plans.iter().map(StagePlans::bytes).sum();
        let test = self.setup.source.test.as_ref().map_or(0, |test| test.values.memory());
        let beside = |dataset: &Dataset| {
            let maps = dataset.maps.as_ref().map_or(0, |maps| maps.of_pixel.len());
            let names = dataset.names.iter().flatten().map(|name| NAMED * (size_of::<String>() + name.len()));
            maps + names.sum::<usize>()
        };
        let beside = beside(&self.setup.source.train) + self.setup.source.test.as_ref().map_or(0, beside);
        let data = self.setup.source.train.values.memory() + test + beside + self.batches.bytes();
        // A checkpoint is put together in memory before it is written, once as numbers and once as bytes, then as a file.
        let states = self.states.bytes();
        let last = self.plans.len() - 1;
        Prediction {
            peak_bytes: PROGRAM + plans + data + 4 * states,
            flops_an_epoch: self.plans[last].flops_an_epoch(&self.setup.stages[last]),
            parameters: self.setup.network.parameter_count(),
        }
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// A file that is not a checkpoint of this recipe on these rows.
    pub fn resume(&mut self, path: &Path) -> Result<(), Error> {
        let (progress, tensors) = checkpoint::load(path, &self.setup.recipe, &self.fingerprint)?;
        for tensor in tensors {
            match tensor.name.strip_prefix(BEST) {
                Some(name) => self.best.push(NamedTensor { name: name.to_owned(), ..tensor }),
                None if self.states.get(&tensor.name).is_none() => {
                    return Err(Error::Mismatch {
                        what: path.display().to_string(),
                        expected: "a checkpoint of this version's network".to_owned(),
                        found: format!("one with {}", tensor.name),
                        hint: "go on with the version that wrote it, or train from the beginning".to_owned(),
                    });
                }
                None => self.states.set(&tensor.name, &tensor.values)?,
            }
        }
        self.progress = progress;
        Ok(())
    }

    /// Trains to the end, or until told to stop. Checkpoints go to `checkpoint`.
    ///
    /// # Errors
    /// A loss that is no number; a checkpoint that cannot be written.
    pub fn train(
        &mut self,
        checkpoint: &Path,
        observe: &mut dyn FnMut(&Event) -> Signal,
    ) -> Result<Outcome, Error> {
        let mut saved = Instant::now();
        let interval = Duration::from_secs_f64(self.setup.recipe.train.checkpoint_seconds);
        while self.progress.epoch < self.setup.epochs() && !self.progress.stopped {
            let epoch = self.progress.epoch;
            let stage = self.setup.stage_of(epoch);
            if self.progress.step == 0 && epoch == self.setup.stages[stage].first_epoch {
                self.begin_stage(stage)?;
            }
            self.batches.begin_epoch(&self.setup, &self.setup.stages[stage], epoch);
            while self.progress.step < self.setup.stages[stage].steps() {
                let event = self.one_step()?;
                if observe(&event) == Signal::Stop {
                    self.save(checkpoint)?;
                    return Ok(Outcome::Interrupted);
                }
                if !interval.is_zero() && saved.elapsed() >= interval {
                    self.save(checkpoint)?;
                    saved = Instant::now();
                    observe(&Event::Checkpoint);
                }
            }
            let stop = self.end_epoch(observe)?;
            if interval.is_zero() || stop {
                self.save(checkpoint)?;
                observe(&Event::Checkpoint);
            }
            if stop {
                return Ok(Outcome::Interrupted);
            }
        }
        Ok(Outcome::Finished)
    }

    /// What a stage begins with: the layers as they are, everything else (moments, counters, a plateau's rate) from the start.
    fn begin_stage(&mut self, stage: usize) -> Result<(), Error> {
        let setup = &self.setup;
        let layers: Vec<String> = setup
            .network
            .all_layers()
            .chain(&setup.network.partners)
            .flat_map(Layer::tensors)
            .map(|(name, _)| name)
            .collect();
        let others: Vec<(String, usize)> = self
            .states
            .list()
            .filter(|(name, _)| !layers.iter().any(|layer| layer == name))
            .map(|(name, shape)| (name.to_owned(), shape.elements()))
            .collect();
        for (name, elements) in others {
            self.states.set(&name, &vec![0.0; elements])?;
        }
        machines::begin(&self.setup, stage, &mut self.states)?;
        self.progress.plateau = schedule::Plateau::default();
        Ok(())
    }

    fn one_step(&mut self) -> Result<Event, Error> {
        let Progress { epoch, step, .. } = self.progress;
        let setup = &self.setup;
        let at = setup.stage_of(epoch);
        let stage = &setup.stages[at];
        let steps = stage.steps();
        let rows = self.batches.fill(setup, stage, (epoch, step, steps));
        if let Values::Stored(stored) = &setup.source.train.values
            && let Some(failure) = stored.failure()
        {
            return Err(Error::Rows { problem: failure.to_owned() });
        }
        let before = |stage: &Stage| (stage.train.epochs * stage.steps()) as u64;
        let number = own_steps(stage, &self.progress) + setup.stages[..at].iter().map(before).sum::<u64>();
        let scalars = self.scalars(stage).as_array();
        let mut feeds: Vec<Feed<'_>> = Vec::with_capacity(4);
        self.batches.feeds(setup, stage, rows, &mut feeds);
        let run =
            Run { inputs: &feeds, scalars: &scalars, seed: setup.recipe.train.seed, step: number as u32 };
        let executable = self.plans[at].step_of(rows, stage);
        executable.run(&mut self.states, &run)?;
        let loss = f64::from(executable.number(0));
        if !loss.is_finite() {
            return Err(Error::Diverged { epoch: epoch + 1, step: step + 1, loss });
        }
        let progress = &mut self.progress;
        progress.loss_sum += loss * rows as f64;
        progress.rows += rows;
        progress.step += 1;
        let loss = progress.loss_sum / progress.rows as f64;
        let done = number as usize + 1;
        Ok(Event::Step { epoch: epoch + 1, step: progress.step, steps, done, rows, loss })
    }

    /// What changes from step to step, in the step that comes next.
    fn scalars(&self, stage: &Stage) -> StepScalars {
        let done = epochs_done(stage, &self.progress);
        let rate = schedule::rate(&stage.train, done, &self.progress.plateau);
        let weight = schedule::bottleneck_weight(self.setup.recipe.model.bottleneck, done);
        StepScalars::new(&stage.train, rate, weight, own_steps(stage, &self.progress))
    }

    /// Scores the validation rows and takes stock; tells whether to stop.
    fn end_epoch(&mut self, observe: &mut dyn FnMut(&Event) -> Signal) -> Result<bool, Error> {
        // The rate of the epoch's last step.
        self.progress.step -= 1;
        let at = self.setup.stage_of(self.progress.epoch);
        let stage = self.setup.stages[at].clone();
        let done = epochs_done(&stage, &self.progress);
        let learning_rate = schedule::rate(&stage.train, done, &self.progress.plateau);
        let scalars = self.scalars(&stage).as_array();
        let epoch = self.progress.epoch + 1;
        self.average()?;
        let held_out_loss = self.validation_loss(at)?;
        // The last step's change is seen by no further step.
        let finite = self.weights().iter().all(|tensor| tensor.values.iter().all(|value| value.is_finite()));
        let loss = held_out_loss.unwrap_or(if finite { 0.0 } else { f64::NAN });
        if !finite || !loss.is_finite() {
            return Err(Error::Diverged { epoch, step: stage.steps(), loss });
        }
        let train_loss = self.progress.loss_sum / self.progress.rows.max(1) as f64;
        let layers = self.plans[at].watch.look(
            &self.setup,
            &stage,
            &self.states,
            &mut self.batches,
            (epoch - 1, SCORING_STEP, &scalars),
        )?;
        let record =
            EpochRecord { epoch, stage: stage.number, train_loss, held_out_loss, learning_rate, layers };
        let progress = &mut self.progress;
        progress.history.push(record.clone());
        (progress.epoch, progress.step, progress.loss_sum, progress.rows) = (epoch, 0, 0.0, 0);
        let mut best = false;
        let patience = stage.train.patience;
        if let Some(loss) = held_out_loss {
            progress.plateau.observe(&stage.train.schedule, loss);
        }
        if let (Some(loss), true) = (held_out_loss, stage.is_whole()) {
            best = progress.best.is_none_or(|(_, lowest)| loss < lowest);
            if best {
                progress.best = Some((epoch, loss));
            }
            let since = epoch - progress.best.map_or(epoch, |(epoch, _)| epoch);
            progress.stopped = patience > 0 && since >= patience;
        }
        if best && patience > 0 {
            self.best = self.weights();
        }
        let stop = observe(&Event::Epoch { record, best }) == Signal::Stop;
        if self.progress.stopped {
            observe(&Event::Stopped { patience });
        }
        Ok(stop && self.progress.epoch < self.setup.epochs() && !self.progress.stopped)
    }

    /// Brings the running means of the weights, freed of their start at 0, to where they are scored.
    fn average(&mut self) -> Result<(), Error> {
        let stage = &self.setup.stages[self.setup.stage_of(self.progress.epoch)];
        let Some(averaged) = self.averaged.as_mut().filter(|_| stage.is_whole()) else { return Ok(()) };
        let steps = (self.progress.epoch + 1 - stage.first_epoch) * stage.steps();
        let weight = 1.0 - self.setup.recipe.train.average.powf(steps as f64);
        for (name, _) in &self.model_states {
            let mean = self.states.get(&format!("{AVERAGE}{name}"));
            let values = match mean {
                Some(values) => values.into_iter().map(|value| (f64::from(value) / weight) as f32).collect(),
                // Running statistics are means already; favours belong to the last step.
                None => self.states.get(name).unwrap_or_default(),
            };
            averaged.set(name, &values)?;
        }
        Ok(())
    }

    /// Mean loss of a stage over the validation rows, in their order.
    fn validation_loss(&mut self, stage: usize) -> Result<Option<f64>, Error> {
        let rows = &self.setup.split.validation;
        if rows.is_empty() {
            return Ok(None);
        }
        let train = &self.setup.source.train;
        let whole = self.setup.stages[stage].is_whole();
        let at_once = self.plans[stage].scoring_rows;
        let mut losses = vec![0.0; at_once];
        let mut targets = Targets::new(&self.setup, at_once);
        let mut sum = 0.0;
        for chunk in rows.chunks(at_once) {
            // A short chunk is filled up with its first row; rows are independent and the others are not counted.
            let mut padded = chunk.to_vec();
            padded.resize(at_once, chunk[0]);
            let batch = train.select(&padded);
            targets.fill(train, &padded, |_, map, out| out.copy_from_slice(map));
            let mut feeds = vec![
                match &batch.values {
                    Values::U8(values) => Feed::U8(values),
                    Values::F32(values) => Feed::F32(values),
                    // Selected rows are in memory.
                    Values::Stored(_) => Feed::U8(&[]),
                },
                Feed::U32(&padded),
            ];
            feeds.extend(targets.feed(at_once).filter(|_| whole));
            let states = self.averaged.as_ref().filter(|_| whole).unwrap_or(&self.states);
            let run = Run {
                inputs: &feeds,
                seed: self.setup.recipe.train.seed,
                step: SCORING_STEP,
                ..Run::default()
            };
            self.plans[stage].scoring.infer(states, &run)?;
            self.plans[stage].scoring.output(0, &mut losses);
            sum += losses[..chunk.len()].iter().map(|loss| f64::from(*loss)).sum::<f64>();
        }
        Ok(Some(sum / rows.len() as f64))
    }

    /// The weights that a model would have now.
    fn weights(&self) -> Vec<NamedTensor> {
        tensors(self.averaged.as_ref().unwrap_or(&self.states), &self.model_states)
    }

    fn save(&self, path: &Path) -> Result<(), Error> {
        let names: Declared = self.states.list().map(|(name, shape)| (name.to_owned(), shape)).collect();
        let mut all = tensors(&self.states, &names);
        all.extend(
            self.best
                .iter()
                .map(|tensor| NamedTensor { name: format!("{BEST}{}", tensor.name), ..tensor.clone() }),
        );
        checkpoint::save(path, &self.setup.recipe, &self.fingerprint, &self.progress, all)
    }

    /// The trained model, and what is left: the rows, for judging it.
    ///
    /// # Errors
    /// None in practice: states that the model itself declared.
    pub fn finish(mut self) -> Result<(Model, Setup), Error> {
        if self.averaged.is_some() && self.progress.epoch > 0 {
            // After a resume at the very end the means have not been brought over yet.
            self.progress.epoch -= 1;
            self.average()?;
            self.progress.epoch += 1;
        }
        let chosen = self.setup.recipe.train.patience > 0 && !self.best.is_empty();
        let weights = if chosen { std::mem::take(&mut self.best) } else { self.weights() };
        // Nobody reads ahead any more, so that the rows are ours alone.
        drop(self.batches);
        let setup = Arc::unwrap_or_clone(self.setup);
        let rows = RowCounts {
            train: setup.split.train.len(),
            validation: setup.split.validation.len(),
            test: setup.split.test.len(),
        };
        let description = Description {
            recipe: setup.recipe.clone(),
            preparation: setup.preparation.clone(),
            shape: setup.source.train.shape.clone(),
            output: setup.output,
            classes: setup.classes.clone(),
            history: self.progress.history,
            best_epoch: self.progress.best.filter(|_| chosen).map(|best| best.0),
            source: setup.source.name.clone(),
            fingerprint: self.fingerprint,
            rows,
        };
        Ok((Model { description, tensors: weights }, setup))
    }
}

/// Epochs of a stage up to the middle of the step that comes next.
fn epochs_done(stage: &Stage, progress: &Progress) -> f64 {
    (progress.epoch - stage.first_epoch) as f64 + (progress.step as f64 + 0.5) / stage.steps() as f64
}

/// Steps of a stage before the one that comes next.
fn own_steps(stage: &Stage, progress: &Progress) -> u64 {
    ((progress.epoch - stage.first_epoch) * stage.steps() + progress.step) as u64
}

/// Values of states by their names and shapes.
fn tensors(states: &States, names: &Declared) -> Vec<NamedTensor> {
    let tensor = |(name, shape): &(String, Shape)| NamedTensor {
        name: name.clone(),
        shape: shape.sizes().to_vec(),
        values: states.get(name).unwrap_or_default(),
    };
    names.iter().map(tensor).collect()
}

//! `narrows train`: from a recipe and rows to a model file, a log, a report and a verdict.

mod files;
mod outcome;
mod rivals;
mod start;

use crate::arguments::{ComputeOptions, Settings};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::training_log::TrainingLog;
use crate::{interrupt, output, places, recipe_choice};
use clap::{Args, ValueEnum};
use files::Files;
use narrows::train::{Event, Outcome, Setup, Signal, Trainer};
use std::path::{Path, PathBuf};

/// Options of `narrows train`.
#[derive(Debug, Args)]
pub struct Options {
    /// A built-in recipe (see `narrows recipes`), a recipe's TOML file, or data to train on with the defaults; `glyphs` if
    /// not said
    #[arg(value_name = "RECIPE|PATH")]
    recipe: Option<String>,
    /// The data that the recipe is trained on
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// The model file; log, checkpoint and report stand beside it. NAME.narrows in this folder if not said
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// The seed that every random choice follows from, instead of the recipe's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Go on from the checkpoint beside the model file, if there is one
    #[arg(long)]
    resume: bool,
    /// Leave something out: the verdict (and with it the report and rivals), the report, the log
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT")]
    skip: Vec<Skip>,
    /// Print nothing but errors
    #[arg(long)]
    quiet: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// What can be left out of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Skip {
    /// Judging the model beside its baselines
    Verdict,
    /// The HTML page and its pictures
    Report,
    /// The JSON lines of every epoch
    Log,
}

/// Trains a model.
///
/// # Errors
/// A recipe, data or place that will not do; an interruption.
pub fn run(mut options: Options) -> Result<(), Failure> {
    if let Some(seed) = options.seed {
        options.settings.set.push(("train.seed".to_owned(), seed.to_string()));
    }
    let mut choice =
        recipe_choice::choose(options.recipe.as_deref(), options.data.as_deref(), &options.settings)?;
    let files = Files::new(options.out.as_deref(), &choice.recipe.name)?;
    let named = options.recipe.as_deref().map(Path::new).filter(|path| path.is_file());
    let data: Vec<&Path> = choice.data.iter().map(PathBuf::as_path).chain(named).collect();
    places::expect_apart(&data, &[&files.model, &files.log, &files.report])?;
    let compute = options.compute.start()?;
    let source = choice.load((!files.is_special).then_some(&files.rows))?;
    let mut notes = source.notes.clone();
    notes.extend(choice.suit(&source, &options.settings)?);
    let rivals = match options.skip.contains(&Skip::Verdict) {
        true => Vec::new(),
        false => rivals::train_all(&choice.recipe, &source, &files, &compute, &options)?,
    };
    let setup = Setup::new(&choice.recipe, source)?;
    notes.extend(setup.notes());
    let mut trainer = Trainer::new(setup, &compute)?;
    if !options.quiet {
        output::note(&start::described(&trainer, &compute));
        notes.iter().for_each(|note| output::note(&format!("note: {note}")));
    }
    begin(&mut trainer, &files, &options)?;
    let mut log = TrainingLog::new(&files.log, trainer.history());
    let skip_log = options.skip.contains(&Skip::Log) || files.is_special;
    let progress = train(&mut trainer, &files, (!skip_log).then_some(&mut log), &options)?;
    let run = outcome::Run { files: &files, compute: &compute, options: &options, rivals: &rivals };
    outcome::finish(trainer, progress, run, notes, || log.remove())?;
    files.remove_rows();
    Ok(())
}

/// Takes up the checkpoint if asked to.
fn begin(trainer: &mut Trainer, files: &Files, options: &Options) -> Result<(), Failure> {
    let stands = files.checkpoint.exists();
    let place = files.checkpoint.display();
    let note = match (options.resume, stands) {
        (false, false) => return Ok(()),
        (true, false) => format!("no checkpoint at {place}: training starts from the beginning"),
        (false, true) => format!(
            "{place} holds the checkpoint of an earlier run, which this one will overwrite; --resume goes on from it"
        ),
        (true, true) => {
            trainer.resume(&files.checkpoint)?;
            format!(
                "going on from {place}, after {}",
                crate::wording::of(trainer.history().len(), "epoch", "epochs")
            )
        }
    };
    if !options.quiet {
        output::note(&format!("note: {note}"));
    }
    Ok(())
}

/// Trains to the end. Interrupted, it tells how to go on.
fn train(
    trainer: &mut Trainer,
    files: &Files,
    mut log: Option<&mut TrainingLog>,
    options: &Options,
) -> Result<Progress, Failure> {
    let (epochs, steps) = (trainer.setup().epochs(), trainer.setup().steps());
    let mut progress = Progress::new(options.quiet, epochs, steps);
    interrupt::listen()?;
    let outcome = trainer.train(&files.checkpoint, &mut |event| {
        match event {
            Event::Step { epoch, steps, done, rows, loss, .. } => {
                progress.step(*epoch, *done, *steps, *rows, *loss);
            }
            Event::Epoch { record, best } => {
                let pace = progress.epoch(record);
                let added = log.as_mut().map_or(Ok(()), |log| log.add(record, pace, *best));
                if let Err(error) = added {
                    progress.say(&format!("note: {error}; training goes on without a log"));
                    log = None;
                }
            }
            Event::Stopped { patience } => progress.say(&format!(
                "stopped early: no better held-out loss in {}",
                crate::wording::of(*patience, "epoch", "epochs")
            )),
            Event::Checkpoint => {}
        }
        if interrupt::asked() { Signal::Stop } else { Signal::Continue }
    });
    progress.end();
    interrupt::training_is_over();
    match outcome {
        Ok(Outcome::Finished) => Ok(progress),
        Ok(Outcome::Interrupted) => Err(Failure::new(
            format!("interrupted; the checkpoint stands at {}", files.checkpoint.display()),
            format!("go on with: {}", outcome::resuming_command()),
        )),
        Err(error) => {
            if let (Some(log), false) = (log, matches!(error, narrows::Error::Diverged { .. })) {
                log.remove();
            }
            Err(error.into())
        }
    }
}

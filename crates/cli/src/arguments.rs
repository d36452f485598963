//! The command line: which commands there are, and the options that several of them share.

use crate::commands::{
    classify, completions, decode, denoise, encode, evaluate, generate, import, inpaint, inspect,
    interpolate, probe, recipes, reconstruct, report, segment, train,
};
use crate::failure::Failure;
use crate::output;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use narrows::data::Kind;
use narrows::engine::cpu::{Level, Pool};
use narrows::recipe::Recipe;
use narrows::train::Compute;

const FIRST_STEPS: &str = "First steps:
  narrows train                        draws digits, trains on them, writes glyphs.narrows and glyphs.html
  narrows train my-table.csv           trains on your own data: CSV, NPY, NPZ, IDX, JSON lines, a folder of pictures or texts
  narrows evaluate glyphs.narrows      how good it is, beside PCA and the mean
  narrows encode m.narrows --data my-table.csv --out codes.npy
  narrows recipes                      what else comes with it";

/// Learns compact codes from your own data and puts them to use.
#[derive(Debug, Parser)]
#[command(name = "narrows", version, after_help = FIRST_STEPS)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model by a recipe, or on data with the defaults; write it and a report
    Train(train::Options),
    /// Judge a model on rows that it has not learned from, beside PCA and the mean
    Evaluate(evaluate::Options),
    /// Turn rows into their codes
    Encode(encode::Options),
    /// Turn codes back into rows
    Decode(decode::Options),
    /// Rebuild rows from their codes: what the model keeps of them
    Reconstruct(reconstruct::Options),
    /// Clean corrupted rows
    Denoise(denoise::Options),
    /// Fill what is missing in pictures
    Inpaint(inpaint::Options),
    /// Make new rows: from a prior, from where the codes of known rows lie, or on a map of all codes
    Generate(generate::Options),
    /// Go from one row to another by way of their codes
    Interpolate(interpolate::Options),
    /// Compare classifiers that see few labels: on codes, on rows, and on PCA
    Probe(probe::Options),
    /// Tell the class of rows, with a confidence
    Classify(classify::Options),
    /// Tell the class of each pixel of pictures
    Segment(segment::Options),
    /// Show the layers of a model or recipe, and the plan of a training step
    Inspect(inspect::Options),
    /// Make a model of weights that were published for a recipe's network
    Import(import::Options),
    /// Write a model's report: one HTML page
    Report(report::Options),
    /// List the built-in recipes, or print one
    Recipes(recipes::Options),
    /// Print a completion script for a shell
    Completions(completions::Options),
}

/// Reads the command line. Help and version are printed here and leave nothing to do.
///
/// # Errors
/// A command line that is not understood.
pub fn parse() -> Result<Option<Command>, Failure> {
    match Arguments::try_parse() {
        Ok(arguments) => Ok(Some(arguments.command)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                output::result(error.render().to_string().trim_end())?;
                Ok(None)
            }
            _ => Err(Failure::usage(&error.render().to_string())),
        },
    }
}

/// Where the numbers are computed.
#[derive(Clone, Debug, Default, Args)]
pub struct ComputeOptions {
    /// Threads to compute with, one a processor if not said; the result is the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Instruction set to compute with, the best of this machine if not said
    #[arg(long, value_name = "NAME", value_parser = ["avx512", "avx2", "neon", "plain"])]
    pub instructions: Option<String>,
}

impl ComputeOptions {
    /// Starts the threads.
    ///
    /// # Errors
    /// Threads that cannot be started; an instruction set that this machine lacks.
    pub fn start(&self) -> Result<Compute, Failure> {
        let threads = match self.threads {
            Some(threads) => usize::from(threads),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let level = match &self.instructions {
            None => Level::best(),
            Some(name) => Level::from_name(name).filter(|level| level.available()).ok_or_else(|| {
                let known = Level::all_available().iter().map(|level| level.name()).collect::<Vec<_>>();
                Failure::new(
                    format!("--instructions {name}: this machine does not have them"),
                    format!("it has {}", known.join(", ")),
                )
            })?,
        };
        let pool = Pool::new(threads).map_err(narrows::Error::from)?;
        Ok(Compute { pool, level })
    }
}

/// `--set`: settings laid over a recipe.
#[derive(Clone, Debug, Default, Args)]
pub struct Settings {
    /// Override a setting of the recipe, such as train.epochs=5 or model.code=8; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
}

impl Settings {
    /// Whether a setting is overridden.
    pub fn names(&self, path: &str) -> bool {
        self.set.iter().any(|(key, _)| key == path)
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write it as key=value, such as train.epochs=5".to_owned()),
    }
}

/// Reads the kind of data by name.
///
/// # Errors
/// A name that is none of a kind's.
pub fn kind(text: &str) -> Result<Kind, String> {
    text.parse()
}

/// The built-in recipes, for help and messages.
pub fn recipe_names() -> String {
    Recipe::built_in_names().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound_and_every_option_has_its_help() {
        let mut command = Arguments::command();
        command.build();
        command.clone().debug_assert();
        for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
        }
    }

    #[test]
    fn settings_are_cut_at_the_first_equals_sign() {
        assert_eq!(setting("train.schedule={ kind = \"step\" }").unwrap().1, "{ kind = \"step\" }");
        assert_eq!(setting(" model.code = 4 ").unwrap(), ("model.code".to_owned(), "4".to_owned()));
        assert!(setting("model.code").is_err() && setting("=4").is_err());
    }
}

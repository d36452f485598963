//! The commands, one a file: its options, and what it does with them.

pub mod classify;
pub mod completions;
pub mod decode;
pub mod denoise;
pub mod encode;
pub mod evaluate;
pub mod generate;
pub mod import;
pub mod inpaint;
pub mod inspect;
pub mod interpolate;
pub mod probe;
pub mod recipes;
pub mod reconstruct;
pub mod report;
pub mod segment;
pub mod train;

use crate::arguments::Command;
use crate::failure::Failure;

/// Does what was asked, if anything was.
///
/// # Errors
/// Whatever the command says.
pub fn run(command: Option<Command>) -> Result<(), Failure> {
    match command {
        None => Ok(()),
        Some(Command::Train(options)) => train::run(options),
        Some(Command::Evaluate(options)) => evaluate::run(&options),
        Some(Command::Encode(options)) => encode::run(&options),
        Some(Command::Decode(options)) => decode::run(&options),
        Some(Command::Reconstruct(options)) => reconstruct::run(&options),
        Some(Command::Denoise(options)) => denoise::run(&options),
        Some(Command::Inpaint(options)) => inpaint::run(&options),
        Some(Command::Generate(options)) => generate::run(&options),
        Some(Command::Interpolate(options)) => interpolate::run(&options),
        Some(Command::Probe(options)) => probe::run(&options),
        Some(Command::Classify(options)) => classify::run(&options),
        Some(Command::Segment(options)) => segment::run(&options),
        Some(Command::Inspect(options)) => inspect::run(&options),
        Some(Command::Import(options)) => import::run(&options),
        Some(Command::Report(options)) => report::run(&options),
        Some(Command::Recipes(options)) => recipes::run(&options),
        Some(Command::Completions(options)) => completions::run(&options),
    }
}

//! `narrows completions`: a completion script for a shell.

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::output;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Options of `narrows completions`.
#[derive(Debug, Args)]
pub struct Options {
    /// The shell that will read it
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Stdout that cannot be written.
pub fn run(options: &Options) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "narrows", &mut script);
    output::result(String::from_utf8_lossy(&script).trim_end())
}

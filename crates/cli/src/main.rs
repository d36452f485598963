//! `narrows`: a thin shell over the library. Each command is one file in `commands/`; what several of them need stands
//! beside it. Only this crate prints, looks at the environment and exits.

mod arguments;
mod commands;
mod failure;
mod interrupt;
mod judged_rows;
mod model_rows;
mod output;
mod places;
mod progress;
mod recipe_choice;
mod training_log;
mod wording;

use std::process::ExitCode;

fn main() -> ExitCode {
    failure::exit_code_of(|| commands::run(arguments::parse()?))
}

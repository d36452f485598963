//! The command line from outside: every command, every option, every refusal, and the bits that come out.

mod commands;
mod formats;
mod options;
mod pictures;
mod refusals;
mod resume;
mod support;
mod uses;
mod weights;

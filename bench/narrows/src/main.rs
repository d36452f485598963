//! Narrows' side of the benchmark.
//!
//! One process measures one workload and prints one JSON line; `bench/run` starts it and the peers' processes
//! alternately. `machine` measures what the processor could do at best, which the floor is computed from.
//!
//! ```text
//! narrows-bench WORKLOAD --threads T --seconds S --rows FILE    times the workload
//! narrows-bench WORKLOAD --threads T --check DIR                reads DIR/*.npy, writes DIR/narrows/*.npy, times nothing
//! narrows-bench machine  --threads T                            prints the f32 peak and the bandwidths
//! narrows-bench glyphs   --rows FILE                            draws digits to time workloads on
//! narrows-bench list                                            prints the workloads, one a line
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod machine;
mod memory;
mod network;
mod npy;
mod rows;
mod timing;
mod workloads;

use arguments::Arguments;

/// What went wrong, in one line. A benchmark stops at the first problem, so there is nothing to tell apart.
#[derive(Debug)]
pub struct Error(pub String);

/// Result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self(message)
    }
}

impl From<narrows::Error> for Error {
    fn from(error: narrows::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<narrows::engine::Error> for Error {
    fn from(error: narrows::engine::Error) -> Self {
        Self(error.to_string())
    }
}

fn main() -> std::process::ExitCode {
    match Arguments::parse(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(Error(message)) => {
            eprintln!("error: {message}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    match arguments.workload.as_str() {
        "machine" => machine::print(arguments.threads),
        "glyphs" => {
            let file = arguments.rows.as_ref().ok_or_else(|| Error("where to? `--rows FILE`".into()))?;
            rows::glyphs().write(file)?;
        }
        "list" => workloads::ALL.iter().for_each(|workload| println!("{}", workload.name)),
        name => {
            let workload = workloads::ALL.iter().find(|workload| workload.name == name).ok_or_else(|| {
                Error(format!("no workload named `{name}`\nhint: `narrows-bench list` prints the names"))
            })?;
            match &arguments.check {
                Some(folder) => (workload.check)(folder, arguments.threads)?,
                None => {
                    let mut step = (workload.prepare)(arguments.rows.as_deref(), arguments.threads)?;
                    let times = timing::measure(arguments.seconds, &mut *step)?;
                    println!("{}", times.json(name));
                }
            }
        }
    }
    Ok(())
}

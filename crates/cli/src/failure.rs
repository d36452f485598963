//! Failures: one line, a hint, an exit code. 0 is done, 1 the user can fix it, 2 is a defect of ours.

use crate::output;
use narrows::data::{DataError, WriteError};
use narrows::recipe::RecipeProblems;
use narrows::report::ReportError;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Once;

const REPORT_IT: &str = "this is a defect of narrows: please report it, with the command line that led to it";

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong, in a line.
    message: String,
    /// What to do about it.
    hint: Option<String>,
    /// Whether it is our fault.
    defect: bool,
}

impl Failure {
    /// A failure that the user can fix.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { message: message.into(), hint: Some(hint.into()), defect: false }
    }

    /// A command line that was not understood, in the parser's words: its first paragraph is the error, a tip follows.
    pub fn usage(text: &str) -> Failure {
        let text = text.trim_start_matches("error: ");
        let paragraphs: Vec<String> =
            text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let told = paragraphs.iter().skip(1).find_map(|part| part.strip_prefix("tip: "));
        let usage = paragraphs.iter().find_map(|part| part.strip_prefix("Usage: "));
        let hint = match (told, usage) {
            (Some(tip), _) => tip.to_owned(),
            (None, Some(usage)) => format!("usage: {usage}"),
            (None, None) => "--help lists the options".to_owned(),
        };
        Failure::new(paragraphs[0].clone(), hint)
    }

    /// The same failure, told as one of `what`.
    #[must_use]
    pub fn of(mut self, what: &str) -> Failure {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The same failure with another hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code.
    fn code(&self) -> u8 {
        if self.defect { 2 } else { 1 }
    }

    fn print(&self) {
        output::note(&format!("error: {}", self.message));
        if let Some(hint) = &self.hint {
            output::note(&format!("hint: {hint}"));
        }
    }
}

impl From<narrows::Error> for Failure {
    fn from(error: narrows::Error) -> Failure {
        use narrows::engine::Error as Engine;
        let defect = match &error {
            narrows::Error::Engine(error) => !matches!(error, Engine::Level { .. } | Engine::Threads { .. }),
            narrows::Error::Report(error) => {
                matches!(error, ReportError::Shape { .. } | ReportError::Picture(_))
            }
            _ => false,
        };
        let hint = match (&error, defect) {
            (_, true) => Some(REPORT_IT.to_owned()),
            // Several problems of a recipe bring their hints along.
            (narrows::Error::Recipe(problems), _) if problems.problems.len() > 1 => {
                Some("narrows recipes --settings lists every setting".to_owned())
            }
            (narrows::Error::Engine(Engine::Threads { .. }), _) => Some("use fewer --threads".to_owned()),
            _ => error.hint(),
        };
        Failure { message: error.to_string(), hint, defect }
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Failure {
        narrows::Error::from(error).into()
    }
}

impl From<RecipeProblems> for Failure {
    fn from(error: RecipeProblems) -> Failure {
        narrows::Error::from(error).into()
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Failure {
        narrows::Error::from(error).into()
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Failure {
        narrows::Error::from(error).into()
    }
}

/// Runs a command, prints what went wrong, and tells the exit code. A panic is a defect and leaves no trace but a line.
pub fn exit_code_of(command: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    panic::set_hook(Box::new(tell_panic));
    code_of(command)
}

fn code_of(command: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    match panic::catch_unwind(AssertUnwindSafe(command)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            failure.print();
            ExitCode::from(failure.code())
        }
        Err(_) => ExitCode::from(2),
    }
}

/// Prints the first panic; those that follow from it in other threads say nothing new.
fn tell_panic(panic: &panic::PanicHookInfo<'_>) {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let place = panic.location().map_or(String::new(), |place| format!(" ({place})"));
        let failure =
            Failure { message: format!("{text}{place}"), hint: Some(REPORT_IT.to_owned()), defect: true };
        failure.print();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defects_have_another_exit_code_than_mistakes() {
        let mistake = Failure::from(narrows::Error::NoLabels { name: "rows".to_owned() });
        assert_eq!((mistake.code(), mistake.defect), (1, false));
        assert!(mistake.hint.is_some());
        let engine = narrows::engine::Error::Unsound { what: "two threads in one place".to_owned() };
        let defect = Failure::from(narrows::Error::from(engine));
        assert_eq!(defect.code(), 2);
        assert_eq!(defect.hint.as_deref(), Some(REPORT_IT));
        let threads = narrows::engine::Error::Threads { threads: 9, reason: "no".to_owned() };
        assert_eq!(Failure::from(narrows::Error::from(threads)).code(), 1);
    }

    #[test]
    fn a_panic_is_a_defect_and_is_caught() {
        assert_eq!(code_of(|| panic!("on purpose")), ExitCode::from(2));
        assert_eq!(code_of(|| Err(Failure::new("no", "yes"))), ExitCode::from(1));
        assert_eq!(code_of(|| Ok(())), ExitCode::SUCCESS);
    }

    #[test]
    fn the_parsers_words_become_a_line_and_a_hint() {
        let told = "error: unrecognized subcommand 'trian'\n\n  tip: a similar subcommand exists: 'train'\n\nUsage: narrows <COMMAND>\n";
        let failure = Failure::usage(told);
        assert_eq!(failure.message, "unrecognized subcommand 'trian'");
        assert_eq!(failure.hint.as_deref(), Some("a similar subcommand exists: 'train'"));
        let failure = Failure::usage("error: missing:\n  <MODEL>\n\nUsage: narrows evaluate <MODEL>\n\nmore");
        assert_eq!(failure.message, "missing: <MODEL>");
        assert_eq!(failure.hint.as_deref(), Some("usage: narrows evaluate <MODEL>"));
    }
}

//! Where output goes: results to stdout, so that they can be piped on; everything said on the way to stderr.

use crate::failure::Failure;
use std::io::{self, ErrorKind, Write};

/// Prints a result. A reader that has gone away (`| head`) ends the program quietly.
///
/// # Errors
/// Anything else that keeps stdout from being written, such as a full disk behind it.
pub fn result(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::new(
            format!("stdout: cannot be written: {error}"),
            "check where the output is sent to, and whether there is space",
        )),
        Ok(()) => Ok(()),
    }
}

/// Prints the one JSON object of `--json`.
///
/// # Errors
/// As [`result`].
pub fn json(object: &serde_json::Value) -> Result<(), Failure> {
    result(&object.to_string())
}

/// Says something on the way. That nobody listens is no reason to stop.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

//! Places to write to, looked at before the work is done.

use narrows::data::WriteError;
use std::fs::{self, OpenOptions};
use std::io::{Error, ErrorKind};
use std::path::Path;

/// Whether a path is a device or a pipe, beside which nothing can stand.
pub fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Finds out whether a file can be written, by making one beside it and taking it away again.
///
/// # Errors
/// A folder that is not there or takes no files; a folder in the file's place.
pub fn expect_writable(path: &Path) -> Result<(), WriteError> {
    let failed = |source| WriteError { path: path.to_path_buf(), source };
    if is_special(path) {
        return Ok(());
    }
    if path.is_dir() {
        return Err(failed(ErrorKind::IsADirectory.into()));
    }
    let Some(name) = path.file_name() else {
        return Err(failed(Error::new(ErrorKind::InvalidInput, "it is not a file name")));
    };
    let mut probe = std::ffi::OsString::from(".");
    probe.push(name);
    probe.push(format!(".{}-probe", std::process::id()));
    let probe = path.with_file_name(probe);
    OpenOptions::new().write(true).create_new(true).open(&probe).map_err(failed)?;
    fs::remove_file(&probe).map_err(failed)
}

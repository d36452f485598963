//! Places to write to, looked at before the work is done.

use crate::failure::Failure;
use narrows::data::WriteError;
use std::fs::{self, OpenOptions};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// Whether a path is a device or a pipe, beside which nothing can stand.
pub fn is_special(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Makes sure that what is written does not take the place of what is read, or of other output.
///
/// # Errors
/// An output that is an input, a folder around one, or a picture inside one that is a folder; the same output twice.
pub fn expect_apart(inputs: &[&Path], outputs: &[&Path]) -> Result<(), Failure> {
    let is_picture = |path: &Path| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| ["png", "jpg", "jpeg"].contains(&ending.as_str()))
    };
    // What is not there yet is nobody's loss.
    let real = |paths: &[&Path]| -> Vec<_> {
        paths.iter().filter(|path| !is_special(path)).filter_map(|path| path.canonicalize().ok()).collect()
    };
    for output in real(outputs) {
        let taken = |input: &PathBuf| {
            input.starts_with(&output) || (output.starts_with(input) && is_picture(&output))
        };
        if real(inputs).iter().any(taken) {
            return Err(Failure::new(
                format!(
                    "{}: the data lie there, and would be replaced by what is made of them",
                    output.display()
                ),
                "write to another place",
            ));
        }
    }
    // Folders that are not there yet stand in ones that are.
    let place = |path: &Path| match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), ..) => real,
        (_, Some(folder), Some(name)) => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            folder.canonicalize().map_or_else(|_| path.to_path_buf(), |folder| folder.join(name))
        }
        _ => path.to_path_buf(),
    };
    let mut places: Vec<PathBuf> =
        outputs.iter().filter(|path| !is_special(path)).map(|path| place(path)).collect();
    places.sort();
    match places.windows(2).find(|two| two[0] == two[1]) {
        None => Ok(()),
        Some(two) => Err(Failure::new(
            format!("{}: two outputs name the same place", two[0].display()),
            "give them two places",
        )),
    }
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

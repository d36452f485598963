//! Writing files whole or not at all: a temporary sibling is written, flushed to the disk and renamed.
//!
//! Whatever goes wrong, the file that was there before stays as it was, and nothing else is left behind. What a killed
//! process could not take away, the next write of the same file does.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// How the temporary siblings' names end.
const ENDING: &str = ".partial";

/// Why a file could not be written. The file that was there before is untouched.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be written: {}", path.display(), describe(path, source))]
pub struct WriteError {
    /// The file that should have been written.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl WriteError {
    /// An error about `path`.
    pub(super) fn new(path: &Path, source: io::Error) -> WriteError {
        WriteError { path: path.to_path_buf(), source }
    }

    /// What the user can do about it, in one line.
    pub fn hint(&self) -> String {
        let folder = folder_of(&self.path).display().to_string();
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                "free some space or choose another place; nothing was left behind".to_string()
            }
            io::ErrorKind::NotFound if !folder_of(&self.path).is_dir() => {
                format!("create the folder {folder} first")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                format!("choose a folder that you may write to, or change the permissions of {folder}")
            }
            io::ErrorKind::IsADirectory => "give the name of a file, not of a folder".to_string(),
            _ => "choose another place to write to".to_string(),
        }
    }
}

/// What the system said, for the usual causes in our words.
fn describe(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_string(),
        io::ErrorKind::NotFound if !folder_of(path).is_dir() => "its folder does not exist".to_string(),
        io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        io::ErrorKind::IsADirectory => "it is a folder".to_string(),
        _ => error.to_string(),
    }
}

/// Writes the file at `path` through `write`: completely and under its name, or not at all.
///
/// A link is followed. A device or pipe (`/dev/stdout`, `/dev/full`) is written to directly, because renaming would
/// replace it by a file.
///
/// # Errors
///
/// A [`WriteError`] that names `path`: no such folder, no permission, disk full, or whatever `write` returned.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), WriteError> {
    let failed = |source| WriteError::new(path, source);
    let target = match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(failed(io::ErrorKind::IsADirectory.into())),
        Ok(found) if !found.is_file() => return write_directly(path, write).map_err(failed),
        Ok(_) => path.canonicalize().map_err(failed)?,
        Err(_) => path.to_path_buf(),
    };
    remove_leftovers(&target);
    let temporary = Temporary { path: sibling(&target).map_err(failed)? };
    let file = OpenOptions::new().write(true).create_new(true).open(&temporary.path).map_err(failed)?;
    // The lock tells other writers of the same file that this sibling has an owner; where there are no locks, it stays.
    let _ = file.try_lock();
    let mut writer = BufWriter::with_capacity(1 << 16, file);
    write(&mut writer).and_then(|()| writer.flush()).map_err(failed)?;
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    fs::rename(&temporary.path, &target).map_err(failed)?;
    drop(file);
    Ok(())
}

/// Writes `bytes` as the file at `path`, completely or not at all.
///
/// # Errors
///
/// As [`write_atomically`].
pub fn write_bytes_atomically(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_atomically(path, |writer| writer.write_all(bytes))
}

/// For what cannot be renamed over: a device, a pipe.
fn write_directly(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::new(OpenOptions::new().write(true).open(path)?);
    write(&mut writer)?;
    writer.flush()
}

/// A name beside `path` that no other write of this or another process uses, on the same disk, hidden.
pub(super) fn sibling(path: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name =
        stem(path).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is not a file name"))?;
    name.push(format!("{}-{}{ENDING}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(name))
}

/// How the names of all temporary siblings of `path` begin.
fn stem(path: &Path) -> Option<OsString> {
    let mut name = OsString::from(".");
    name.push(path.file_name()?);
    name.push(".");
    Some(name)
}

/// Takes away siblings whose writer was killed: those that nobody holds a lock on. Failing is no harm.
fn remove_leftovers(path: &Path) {
    let (Some(stem), Ok(entries)) = (stem(path), fs::read_dir(folder_of(path))) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !is_sibling(&name, &stem) {
            continue;
        }
        let free = File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
        if free {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether `name` is `stem`, a process number, a dash, a count and our ending: nothing of the user's is.
fn is_sibling(name: &OsStr, stem: &OsStr) -> bool {
    let middle = name
        .as_encoded_bytes()
        .strip_prefix(stem.as_encoded_bytes())
        .and_then(|rest| rest.strip_suffix(ENDING.as_bytes()));
    middle.is_some_and(|middle| middle.len() >= 3 && middle.iter().all(|b| b.is_ascii_digit() || *b == b'-'))
}

/// The folder that `path` is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A temporary file, removed when dropped; after the rename there is nothing left under its name.
struct Temporary {
    path: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in a folder.
    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_written_and_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_bytes_atomically(&path, b"first, and longer").unwrap();
        write_bytes_atomically(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_full_disk_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_bytes_atomically(&path, b"old").unwrap();
        let error = write_atomically(&path, |writer| {
            writer.write_all(&[0; 100_000])?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert!(error.to_string().ends_with("a.bin: cannot be written: the disk is full"), "{error}");
        assert!(error.hint().contains("free some space"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_panic_while_writing_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let result = std::panic::catch_unwind(|| write_atomically(&path, |_| panic!("while writing")));
        assert!(result.is_err());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn the_old_file_is_whole_until_the_new_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_bytes_atomically(&path, b"old").unwrap();
        write_atomically(&path, |writer| {
            writer.write_all(&[1; 200_000])?;
            assert_eq!(fs::read(&path)?, b"old");
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), 200_000);
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_bytes_atomically(&folder.path().join("no/a.bin"), b"x").unwrap_err();
        assert!(error.to_string().contains("its folder does not exist"), "{error}");
        assert!(error.hint().contains("create the folder"), "{}", error.hint());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_folder_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_bytes_atomically(folder.path(), b"x").unwrap_err();
        assert!(error.to_string().ends_with("it is a folder"), "{error}");
    }

    #[test]
    fn leftovers_of_a_killed_writer_are_taken_away_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let keep = [".a.bin.notes.partial", ".b.bin.7-0.partial", "a.bin.7-0.partial"];
        for name in keep.iter().chain(&[".a.bin.4242-0.partial"]) {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        let owned = folder.path().join(".a.bin.4243-0.partial");
        let owner = File::create(&owned).unwrap();
        owner.try_lock().unwrap();
        write_bytes_atomically(&folder.path().join("a.bin"), b"x").unwrap();
        let mut found = names(folder.path());
        found.sort();
        assert_eq!(found, [".a.bin.4243-0.partial", keep[0], keep[1], "a.bin", keep[2]]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, b"old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write_bytes_atomically(&link, b"new").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_without_permission_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
        // Root may write anywhere; then there is nothing to test here, and /proc below takes its place.
        if File::create(folder.path().join("probe")).is_ok() {
            return;
        }
        let error = write_bytes_atomically(&folder.path().join("a.bin"), b"x").unwrap_err();
        assert!(error.to_string().ends_with("permission denied"), "{error}");
        assert!(error.hint().contains("change the permissions"), "{}", error.hint());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_takes_no_files_is_named() {
        let error = write_bytes_atomically(Path::new("/proc/a.bin"), b"x").unwrap_err();
        assert!(error.to_string().starts_with("/proc/a.bin: cannot be written: "), "{error}");
        assert!(!error.to_string().contains("does not exist") && !error.hint().contains("create"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_to_and_a_full_one_says_so() {
        let error = write_bytes_atomically(Path::new("/dev/full"), b"x").unwrap_err();
        assert_eq!(error.to_string(), "/dev/full: cannot be written: the disk is full");
        write_bytes_atomically(Path::new("/dev/null"), b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}

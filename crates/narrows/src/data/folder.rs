//! Folders of files that are a row each: sub-folders being labels, `train/` and `test/` being parts.
//!
//! Files are taken in the order of their names, so that the same folder is the same data on every machine.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::DataError;

/// Sub-folders deeper than this are a loop of links, not somebody's data.
const MOST_DEPTH: usize = 12;

/// Which files of a folder are read.
pub(super) struct Wanted {
    /// How their names end.
    pub endings: &'static [&'static str],
    /// What it is when a part has none of them.
    pub missing: fn(PathBuf) -> DataError,
}

/// A file to read, and the sub-folder that it lies in.
pub(super) struct Entry {
    /// The file.
    pub path: PathBuf,
    /// The sub-folder's name, where all files lie in some.
    pub label: Option<String>,
}

/// A picture to read, and its height and width.
pub(super) type Measured = (Entry, (usize, usize));

/// Whether there is a wanted file in the folder, at any depth.
pub(super) fn any_in(folder: &Path, wanted: &Wanted) -> Result<bool, DataError> {
    let mut found = Vec::new();
    collect(folder, wanted, 0, &mut found)?;
    Ok(!found.is_empty())
}

/// How many wanted files there are in the folder, at any depth.
pub(super) fn count(folder: &Path, wanted: &Wanted) -> Result<usize, DataError> {
    let mut found = Vec::new();
    collect(folder, wanted, 0, &mut found)?;
    Ok(found.len())
}

/// The parts of a folder: `train/` and `test/` if it has the first, else the whole; a file is a part by itself. Folders whose names end with
/// `beside` belong to others.
pub(super) fn parts(
    path: &Path,
    wanted: &Wanted,
    beside: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<(Vec<Entry>, Option<Vec<Entry>>), DataError> {
    if !path.is_dir() {
        return Ok((vec![Entry { path: path.to_path_buf(), label: None }], None));
    }
    let (folders, _) = list(path, wanted)?;
    let named = |names: [&str; 2]| folders.iter().find(|f| names.iter().any(|name| f.ends_with(name)));
    let Some(train) = named(["train", "training"]) else { return Ok((entries(path, wanted)?, None)) };
    let test = named(["test", "testing"]);
    let others: Vec<String> = folders
        .iter()
        .filter(|folder| *folder != train && Some(*folder) != test)
        .filter_map(|folder| Some(folder.file_name()?.to_string_lossy().into_owned()))
        .filter(|name| beside.is_none_or(|beside| !name.ends_with(beside)))
        .collect();
    if !others.is_empty() {
        notes.push(format!("of the sub-folders train and test are used; not used: {}", others.join(", ")));
    }
    Ok((entries(train, wanted)?, test.map(|test| entries(test, wanted)).transpose()?))
}

/// The files of one part; if all lie in sub-folders, these are their labels.
fn entries(folder: &Path, wanted: &Wanted) -> Result<Vec<Entry>, DataError> {
    let (folders, files) = list(folder, wanted)?;
    let labelled = files.is_empty();
    let mut entries: Vec<Entry> = files.into_iter().map(|path| Entry { path, label: None }).collect();
    for sub in folders {
        let mut found = Vec::new();
        collect(&sub, wanted, 1, &mut found)?;
        let name = sub.file_name().map(|name| name.to_string_lossy().into_owned());
        entries
            .extend(found.into_iter().map(|path| Entry { path, label: name.clone().filter(|_| labelled) }));
    }
    if entries.is_empty() { Err((wanted.missing)(folder.to_path_buf())) } else { Ok(entries) }
}

/// All wanted files in a folder and its sub-folders.
fn collect(folder: &Path, wanted: &Wanted, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), DataError> {
    if depth > MOST_DEPTH {
        let source = std::io::Error::other(format!("sub-folders are nested more than {MOST_DEPTH} deep"));
        return Err(DataError::Unreadable { path: folder.to_path_buf(), source });
    }
    let (folders, files) = list(folder, wanted)?;
    found.extend(files);
    folders.iter().try_for_each(|folder| collect(folder, wanted, depth + 1, found))
}

/// What a folder contains, by name: sub-folders and wanted files.
fn list(folder: &Path, wanted: &Wanted) -> Result<(Vec<PathBuf>, Vec<PathBuf>), DataError> {
    let unreadable = |source| DataError::Unreadable { path: folder.to_path_buf(), source };
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            folders.push(path);
        } else if is_wanted(&path, wanted) && (path.is_file() || !path.exists()) {
            // A pipe of that name would be waited for; a link to nothing is told of like any file that cannot be read.
            files.push(path);
        }
    }
    folders.sort();
    files.sort();
    Ok((folders, files))
}

/// Whether the name ends as it should. Hidden files, such as those that macOS leaves, are nobody's data.
pub(super) fn is_wanted(path: &Path, wanted: &Wanted) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    !hidden && ending.is_some_and(|ending| wanted.endings.contains(&ending.as_str()))
}

/// A file's path inside the folder, with `/` on every system; the name of a file given by itself.
pub(super) fn name_inside(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).ok().filter(|inside| !inside.as_os_str().is_empty());
    let parts = inside.unwrap_or(Path::new(path.file_name().unwrap_or_default())).components();
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    parts.join("/")
}

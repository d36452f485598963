//! The files of a run: the model, and beside it checkpoint, log and report.

use crate::failure::Failure;
use crate::places;
use narrows::data::StoredRows;
use narrows::train::checkpoint_path;
use std::path::{Path, PathBuf};

/// Where everything goes.
pub struct Files {
    /// The model.
    pub model: PathBuf,
    /// The checkpoint while training.
    pub checkpoint: PathBuf,
    /// Decoded pictures that take too much memory.
    pub rows: PathBuf,
    /// JSON lines.
    pub log: PathBuf,
    /// The page.
    pub report: PathBuf,
    /// Whether the model goes to a device or pipe, beside which nothing can stand.
    pub is_special: bool,
}

impl Files {
    /// The files of a run, by the model's place or the recipe's name; makes sure that they can be written, since it would be
    /// a pity to find out after training.
    ///
    /// # Errors
    /// A folder that is not there or takes no files.
    pub fn new(out: Option<&Path>, name: &str) -> Result<Files, Failure> {
        let model =
            out.map_or_else(|| PathBuf::from(format!("{}.narrows", file_name(name))), Path::to_path_buf);
        let is_special = places::is_special(&model);
        let beside = if is_special { std::env::temp_dir().join("narrows") } else { model.clone() };
        let stem = beside.file_stem().unwrap_or_default().to_os_string();
        let with = |ending: &str| {
            let mut name = stem.clone();
            name.push(ending);
            beside.with_file_name(name)
        };
        let (log, report, rows) = (with(".log.jsonl"), with(".html"), with(".narrows.rows"));
        let checkpoint = match is_special {
            true => with(&format!("-{}.checkpoint", std::process::id())),
            false => checkpoint_path(&model),
        };
        if !is_special {
            places::expect_writable(&model)?;
        }
        Ok(Files { model, checkpoint, rows, log, report, is_special })
    }

    /// Takes away decoded pictures, which nobody needs once training is over. If they cannot be taken away, they do no harm.
    pub fn remove_rows(&self) {
        let mut test = self.rows.clone().into_os_string();
        test.push(".test");
        for file in [Path::new(&self.rows), Path::new(&test)] {
            if StoredRows::is_one(file) {
                let _ = std::fs::remove_file(file);
            }
        }
    }

    /// The same for a rival: its name joined to that of the model's file.
    pub fn of_rival(&self, name: &str) -> Files {
        let joined = |path: &Path, ending: &str| {
            let mut file = path.file_stem().unwrap_or_default().to_os_string();
            file.push(format!("-{}{ending}", file_name(name)));
            path.with_file_name(file)
        };
        let model = if self.is_special { self.model.clone() } else { joined(&self.model, ".narrows") };
        let stem = if self.is_special { &self.checkpoint } else { &self.model };
        Files {
            checkpoint: joined(stem, ".narrows.checkpoint"),
            rows: self.rows.clone(),
            log: joined(stem, ".log.jsonl"),
            report: joined(stem, ".html"),
            model,
            is_special: self.is_special,
        }
    }
}

/// A recipe's name as a file's.
fn file_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if matches!(c, '/' | '\\' | '\0') { '-' } else { c }).collect();
    if name.trim().is_empty() { "model".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_stands_beside_the_model() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(Some(&folder.path().join("a.b.narrows")), "x").unwrap();
        assert_eq!(files.log, folder.path().join("a.b.log.jsonl"));
        assert_eq!(files.report, folder.path().join("a.b.html"));
        assert_eq!(files.checkpoint, folder.path().join("a.b.narrows.checkpoint"));
        let rival = files.of_rival("x/y");
        assert_eq!(rival.model, folder.path().join("a.b-x-y.narrows"));
        assert_eq!(rival.checkpoint, folder.path().join("a.b-x-y.narrows.checkpoint"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_name_is_made_a_files_name() {
        assert_eq!((file_name("a/b"), file_name(" ")), ("a-b".to_owned(), "model".to_owned()));
    }
}

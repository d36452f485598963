//! Which kind of data a path holds: by its name where that tells, else by its first bytes.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::bytes::read_start;
use super::error::DataError;
use super::{idx, pictures, text};

/// The kinds of data that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Digits drawn by our own code; needs no file.
    Glyphs,
    /// IDX files, MNIST's format, plain or gzip; one file or a folder of them.
    Idx,
    /// A folder of PNG or JPEG pictures, sub-folders being labels; or one picture.
    Pictures,
    /// NumPy arrays: `.npy`, or `.npz` with rows and labels.
    Npy,
    /// Tables of numbers as text, separated by commas, semicolons or tabs; plain or gzip.
    Csv,
    /// Texts, read as counts of words: JSON lines, plain or gzip, or a folder of `.txt` files.
    Text,
}

impl Kind {
    /// Every kind, in the order in which they are listed to users.
    pub const ALL: [Kind; 6] = [Kind::Glyphs, Kind::Idx, Kind::Pictures, Kind::Npy, Kind::Csv, Kind::Text];

    /// The name that a recipe uses.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Glyphs => "glyphs",
            Kind::Idx => "idx",
            Kind::Pictures => "pictures",
            Kind::Npy => "npy",
            Kind::Csv => "csv",
            Kind::Text => "text",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = Kind::ALL.map(Kind::name).join(", ");
            format!("unknown kind of data {text:?}: expected one of {names}")
        })
    }
}

/// Recognises the kind of data at `path`.
///
/// # Errors
///
/// Nothing there, not readable, or nothing that says what it is.
pub fn detect(path: &Path) -> Result<Kind, DataError> {
    let path = super::existing(path)?;
    if path.is_dir() {
        return detect_folder(path);
    }
    if let Some(kind) = by_name(path) {
        return Ok(kind);
    }
    let start = read_start(path, 64)?;
    if text::is_text(path, &start) {
        return Ok(Kind::Text);
    }
    by_content(&start).ok_or_else(|| DataError::UnknownKind {
        path: path.to_path_buf(),
        found: match path.extension() {
            Some(extension) => format!("a file of type .{}", extension.to_string_lossy()),
            None => "a file without a telling name".to_string(),
        },
    })
}

/// IDX files, pictures or texts; a folder with none of them is answered as a folder without pictures.
fn detect_folder(path: &Path) -> Result<Kind, DataError> {
    if idx::is_folder_of(path)? {
        return Ok(Kind::Idx);
    }
    if pictures::any_in(path)? {
        return Ok(Kind::Pictures);
    }
    if text::any_in(path)? {
        return Ok(Kind::Text);
    }
    Err(DataError::NoPictures { path: path.to_path_buf() })
}

/// The kind that the file's name promises, `.gz` aside.
fn by_name(path: &Path) -> Option<Kind> {
    let name = path.file_name().and_then(OsStr::to_str)?.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if idx::is_idx_name(name) {
        return Some(Kind::Idx);
    }
    match name.rsplit_once('.')?.1 {
        "npy" | "npz" => Some(Kind::Npy),
        "csv" | "tsv" => Some(Kind::Csv),
        "png" | "jpg" | "jpeg" => Some(Kind::Pictures),
        "jsonl" | "ndjson" => Some(Kind::Text),
        _ => None,
    }
}

/// The kind that the first bytes (unpacked, if the file is gzip) reveal.
fn by_content(start: &[u8]) -> Option<Kind> {
    match start {
        [0, 0, 0x08 | 0x09 | 0x0b..=0x0e, 1..=4, ..] => Some(Kind::Idx),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] | [b'P', b'K', 3, 4, ..] => Some(Kind::Npy),
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => Some(Kind::Pictures),
        _ => looks_like_numbers(start).then_some(Kind::Csv),
    }
}

/// Text that begins with something separated by something: a table without the usual ending, such as `iris.data`.
fn looks_like_numbers(start: &[u8]) -> bool {
    let text = start.iter().all(|b| matches!(b, b'\t' | b'\r' | b'\n' | b' '..=b'~'));
    let separated = start.iter().any(|b| matches!(b, b',' | b';' | b'\t'));
    text && separated && start.iter().any(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn of(name: &str, content: &[u8]) -> Result<Kind, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        detect(&path)
    }

    #[test]
    fn names_decide_first() {
        assert_eq!(of("a.csv", b"").unwrap(), Kind::Csv);
        assert_eq!(of("a.TSV", b"").unwrap(), Kind::Csv);
        assert_eq!(of("a.csv.gz", b"").unwrap(), Kind::Csv);
        assert_eq!(of("a.npz", b"").unwrap(), Kind::Npy);
        assert_eq!(of("a.jsonl.gz", b"").unwrap(), Kind::Text);
        assert_eq!(of("a.PNG", b"").unwrap(), Kind::Pictures);
        assert_eq!(of("train-images-idx3-ubyte", b"").unwrap(), Kind::Idx);
        assert_eq!(of("train-images.idx3-ubyte.gz", b"").unwrap(), Kind::Idx);
    }

    #[test]
    fn content_decides_where_names_do_not() {
        assert_eq!(of("a", &[0, 0, 8, 3, 0, 0]).unwrap(), Kind::Idx);
        assert_eq!(of("a.bin", b"\x93NUMPY\x01\x00").unwrap(), Kind::Npy);
        assert_eq!(of("a", b"\x89PNG\r\n").unwrap(), Kind::Pictures);
        assert_eq!(of("a.txt", b"5.1,3.5,1.4\n4.9,3.0,1.4\n").unwrap(), Kind::Csv);
        assert_eq!(of("a.txt", b"Dear Jane, in 1812 we met, and\n").unwrap(), Kind::Text);
        assert_eq!(of("iris.data", b"5.1,3.5,1.4,0.2,setosa\n").unwrap(), Kind::Csv);
    }

    #[test]
    fn what_nothing_tells_is_an_error_that_names_the_path() {
        let error = of("story.docx", b"\x01\x02\x03").unwrap_err();
        assert!(matches!(error, DataError::UnknownKind { .. }), "{error}");
        assert!(error.to_string().contains("story.docx"));
    }

    #[test]
    fn a_missing_path_says_where_the_way_ends() {
        let folder = tempfile::tempdir().unwrap();
        let error = detect(&folder.path().join("no/such.csv")).unwrap_err();
        assert!(matches!(error, DataError::Missing { .. }), "{error}");
        assert!(error.hint().unwrap().contains(&folder.path().display().to_string()));
    }

    #[test]
    fn an_empty_folder_has_no_pictures() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(detect(folder.path()), Err(DataError::NoPictures { .. })));
    }

    #[test]
    fn every_name_parses_back() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse::<Kind>().unwrap(), kind);
        }
        assert!("parquet".parse::<Kind>().unwrap_err().contains("pictures"));
    }
}

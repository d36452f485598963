//! Rows of bytes in a file, for data that are larger than memory: written once, row by row, and read where they are needed.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::atomic::{WriteError, sibling};
use super::error::DataError;

const MAGIC: [u8; 16] = *b"narrows rows 1\n\0";
/// Magic, key, features and rows.
const HEADER: usize = 16 + 32 + 8 + 8;

/// Rows in a file, shared by all who hold them.
#[derive(Clone, Debug)]
pub struct StoredRows(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    features: usize,
    rows: usize,
    /// The first thing that went wrong in reading.
    failure: OnceLock<String>,
}

/// The same file is the same rows.
impl PartialEq for StoredRows {
    fn eq(&self, other: &StoredRows) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl StoredRows {
    /// Rows that were written to `path` under this key, and what it added; nothing where other ones, or none,
    /// stand there.
    pub fn open(path: &Path, key: &[u8; 32], features: usize) -> Option<(StoredRows, Vec<u32>)> {
        let file = File::open(path).ok()?;
        let mut header = [0; HEADER];
        read_at(&file, &mut header, 0).ok()?;
        let number = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap_or_default());
        let rows = usize::try_from(number(56)).ok()?;
        if header[..16] != MAGIC || header[16..48] != key[..] || number(48) != features as u64 {
            return None;
        }
        let end = (rows as u64).checked_mul(features as u64)?.checked_add(HEADER as u64)?;
        let added = file.metadata().ok()?.len().checked_sub(end)?;
        // What was added is a list of numbers and no longer than the rows.
        if !added.is_multiple_of(4) || added / 4 > u64::from(u32::MAX) {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(added).ok()?];
        read_at(&file, &mut bytes, end).ok()?;
        let added: Vec<u32> = bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        // They rise, and number rows and what was left out among them.
        let most = rows as u64 + added.len() as u64;
        if !added.is_sorted_by(|a, b| a < b) || added.last().is_some_and(|last| u64::from(*last) >= most) {
            return None;
        }
        let inner = Inner { path: path.to_path_buf(), file, features, rows, failure: OnceLock::new() };
        Some((StoredRows(Arc::new(inner)), added))
    }

    /// Whether a file is one of rows, whosever.
    pub fn is_one(path: &Path) -> bool {
        let mut magic = [0; MAGIC.len()];
        File::open(path).and_then(|file| read_at(&file, &mut magic, 0)).is_ok() && magic == MAGIC
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.0.rows
    }

    /// Bytes of a row.
    pub fn features(&self) -> usize {
        self.0.features
    }

    /// Reads a row into `out`, which is as long. Should the file fail, the row is zeros and [`StoredRows::failure`] tells.
    ///
    /// # Panics
    /// If there is no such row, or `out` is of another length.
    pub fn read(&self, row: usize, out: &mut [u8]) {
        let Inner { path, file, features, rows, failure } = &*self.0;
        assert!(row < *rows && out.len() == *features, "row {row} of {rows}");
        if let Err(error) = read_at(file, out, (HEADER + row * features) as u64) {
            out.fill(0);
            failure.get_or_init(|| format!("{}: {error}", path.display()));
        }
    }

    /// All rows, in memory.
    pub fn all(&self) -> Vec<u8> {
        let mut all = vec![0; self.rows() * self.features()];
        for (row, out) in all.chunks_exact_mut(self.features().max(1)).enumerate() {
            self.read(row, out);
        }
        all
    }

    /// What went wrong in reading, if anything has.
    pub fn failure(&self) -> Option<&str> {
        self.0.failure.get().map(String::as_str)
    }
}

/// Writes rows to a file beside its final name.
pub(super) struct StoredWriter {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    features: usize,
    rows: u64,
    key: [u8; 32],
}

impl StoredWriter {
    /// Begins a file.
    pub fn new(path: &Path, key: [u8; 32], features: usize) -> Result<StoredWriter, DataError> {
        let failed = |source| WriteError::new(path, source);
        if path.exists() && !StoredRows::is_one(path) {
            return Err(
                failed(io::Error::new(io::ErrorKind::AlreadyExists, "another file has this name")).into()
            );
        }
        let temporary = sibling(path).map_err(failed)?;
        let mut file = BufWriter::new(File::create(&temporary).map_err(failed)?);
        file.write_all(&[0; HEADER]).map_err(failed)?;
        Ok(StoredWriter { path: path.to_path_buf(), temporary, file, features, rows: 0, key })
    }

    /// Adds a row.
    pub fn add(&mut self, row: &[u8]) -> Result<(), DataError> {
        debug_assert_eq!(row.len(), self.features);
        self.rows += 1;
        self.file.write_all(row).map_err(|source| WriteError::new(&self.path, source).into())
    }

    /// Ends the file with a list of numbers to be kept with it, gives it its name and opens it.
    pub fn finish(mut self, added: &[u32]) -> Result<StoredRows, DataError> {
        let path = self.path.clone();
        let failed = |source| WriteError::new(&path, source);
        for number in added {
            self.file.write_all(&number.to_le_bytes()).map_err(failed)?;
        }
        let header =
            [&MAGIC[..], &self.key, &(self.features as u64).to_le_bytes(), &self.rows.to_le_bytes()].concat();
        self.file.flush().map_err(failed)?;
        write_at_start(self.file.get_mut(), &header).map_err(failed)?;
        // A name that stands after a power cut must not stand for empty pages.
        self.file.get_mut().sync_all().map_err(failed)?;
        std::fs::rename(&self.temporary, &path).map_err(failed)?;
        let opened = StoredRows::open(&path, &self.key, self.features);
        let (rows, _) = opened.ok_or_else(|| failed(io::Error::other("what was written cannot be read")))?;
        Ok(rows)
    }
}

impl Drop for StoredWriter {
    fn drop(&mut self) {
        // Once it has its name, nothing is left under this one.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

fn write_at_start(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    use std::io::Seek as _;
    file.seek(io::SeekFrom::Start(0))?;
    file.write_all(bytes)
}

#[cfg(unix)]
fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut out: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !out.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, out, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out = &mut out[read..];
        offset += read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn written(path: &Path) -> StoredRows {
        let mut writer = StoredWriter::new(path, KEY, 3).unwrap();
        for row in 0..5u8 {
            writer.add(&[row, 10 * row, 255 - row]).unwrap();
        }
        assert!(!path.exists());
        writer.finish(&[4, 6]).unwrap()
    }

    #[test]
    fn rows_come_back_and_only_under_their_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.rows");
        let stored = written(&path);
        let mut row = [0; 3];
        stored.read(3, &mut row);
        assert_eq!((stored.rows(), row, stored.failure()), (5, [3, 30, 252], None));
        assert_eq!(stored.all()[3..6], [1, 10, 254]);
        assert_eq!(StoredRows::open(&path, &KEY, 3).unwrap().1, [4, 6]);
        assert!(StoredRows::open(&path, &[8; 32], 3).is_none());
        assert!(StoredRows::open(&path, &KEY, 4).is_none());
        assert!(StoredRows::open(&folder.path().join("y"), &KEY, 3).is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// A file cut short is not opened; one that is cut later gives zeros and says so.
    #[test]
    fn a_damaged_file_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.rows");
        let stored = written(&path);
        File::options().write(true).open(&path).unwrap().set_len(HEADER as u64 + 7).unwrap();
        let mut row = [9; 3];
        stored.read(4, &mut row);
        assert_eq!(row, [0; 3]);
        assert!(stored.failure().unwrap().contains("x.rows"));
        assert!(StoredRows::open(&path, &KEY, 3).is_none());
        let mut huge = std::fs::read(&path).unwrap();
        huge[56..64].copy_from_slice(&u64::MAX.to_le_bytes());
        std::fs::write(&path, huge).unwrap();
        assert!(StoredRows::open(&path, &KEY, 3).is_none());
        drop(StoredWriter::new(&folder.path().join("z"), KEY, 3).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

//! Opening and reading files whose size is not to be trusted, gzip or not.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::error::DataError;

/// No DEFLATE stream unpacks to more than 1032 times its size, so a header that promises more is lying.
const MOST_UNPACKED: u64 = 1032;

/// An open file, unpacked on the fly if it is gzip, with the most bytes that it can possibly hold.
pub(super) struct Opened {
    /// The content.
    pub reader: Box<dyn Read>,
    /// The file's size, or what a gzip file of that size could at most unpack to.
    pub most: u64,
}

/// Opens `path`; gzip is recognised by its first two bytes, not by its name.
pub(super) fn open(path: &Path) -> Result<Opened, DataError> {
    let unreadable = |source| DataError::Unreadable { path: path.to_path_buf(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(io::Error::other("it is a folder, a file was expected")));
    }
    let mut start = Vec::with_capacity(2);
    (&mut file).take(2).read_to_end(&mut start).map_err(unreadable)?;
    let gzip = start == [0x1f, 0x8b];
    let raw = BufReader::with_capacity(1 << 16, io::Cursor::new(start).chain(file));
    Ok(match gzip {
        true => Opened {
            reader: Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(raw))),
            most: metadata.len().saturating_mul(MOST_UNPACKED),
        },
        // Pipes and devices have no size of their own.
        false if !metadata.is_file() => Opened { reader: Box::new(raw), most: u64::MAX },
        false => Opened { reader: Box::new(raw), most: metadata.len() },
    })
}

/// The first `count` bytes, or fewer if there are not that many; what cannot be unpacked counts as not there.
pub(super) fn read_start(path: &Path, count: u64) -> Result<Vec<u8>, DataError> {
    let mut start = Vec::new();
    let _ = open(path)?.reader.take(count).read_to_end(&mut start);
    Ok(start)
}

/// Reads exactly `expected` bytes of array data that follow a header, and checks that nothing comes after.
///
/// Memory grows with what arrives, never with what was promised.
pub(super) fn read_exactly(
    path: &Path,
    format: &'static str,
    reader: &mut dyn Read,
    expected: u64,
    left: u64,
) -> Result<Vec<u8>, DataError> {
    let truncated = |found| DataError::Truncated { path: path.to_path_buf(), format, expected, found };
    if expected > left {
        return Err(truncated(left));
    }
    let mut content = Vec::new();
    // Real files are below a gibibyte: take their memory at once, and let larger ones grow.
    content.try_reserve_exact(expected.min(1 << 30) as usize).map_err(|_| too_large(path, expected))?;
    match reader.take(expected.saturating_add(1)).read_to_end(&mut content) {
        Ok(_) => {}
        // A packed file that breaks off in its checksum has given all its bytes, and is damaged rather than short.
        Err(source) if source.kind() == io::ErrorKind::UnexpectedEof && (content.len() as u64) < expected => {
            return Err(truncated(content.len() as u64));
        }
        Err(source) if source.kind() == io::ErrorKind::OutOfMemory => return Err(too_large(path, expected)),
        Err(source) => return Err(broken(path, format, &source)),
    }
    match (content.len() as u64).cmp(&expected) {
        std::cmp::Ordering::Less => Err(truncated(content.len() as u64)),
        std::cmp::Ordering::Equal => Ok(content),
        std::cmp::Ordering::Greater => Err(DataError::Malformed {
            path: path.to_path_buf(),
            format,
            reason: format!("expected {expected} bytes after the header, found more"),
        }),
    }
}

/// Fills `buffer` from the header; a file that is too short is truncated.
pub(super) fn read_header(
    path: &Path,
    format: &'static str,
    reader: &mut dyn Read,
    buffer: &mut [u8],
) -> Result<(), DataError> {
    let mut found = 0;
    while found < buffer.len() {
        match reader.read(&mut buffer[found..]) {
            Ok(0) => break,
            Ok(count) => found += count,
            Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
            Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(source) => return Err(broken(path, format, &source)),
        }
    }
    if found == buffer.len() {
        return Ok(());
    }
    let (expected, found) = (buffer.len() as u64, found as u64);
    Err(DataError::Truncated { path: path.to_path_buf(), format, expected, found })
}

/// An error while reading: of the packed data if the decoder says so, else of the system.
pub(super) fn broken(path: &Path, format: &'static str, source: &io::Error) -> DataError {
    let path = path.to_path_buf();
    match source.raw_os_error() {
        Some(code) => DataError::Unreadable { path, source: io::Error::from_raw_os_error(code) },
        None => DataError::Malformed { path, format, reason: format!("it does not unpack: {source}") },
    }
}

/// More bytes than this machine gives.
fn too_large(path: &Path, bytes: u64) -> DataError {
    DataError::TooLarge { name: path.display().to_string(), bytes }
}

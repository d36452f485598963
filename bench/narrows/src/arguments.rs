//! The command line: a name and four options.

use crate::{Error, Result};
use std::path::PathBuf;

/// A checked command line.
#[derive(Debug)]
pub struct Arguments {
    /// A workload's name, `machine` or `list`.
    pub workload: String,
    /// Threads that compute; the default is 2.
    pub threads: usize,
    /// How long to measure, warm-up not included; the default is 2.
    pub seconds: f64,
    /// File of the rows that are timed; none for noise.
    pub rows: Option<PathBuf>,
    /// Folder with the inputs to compute loss and gradients for, instead of timing.
    pub check: Option<PathBuf>,
}

impl Arguments {
    /// Parses what follows the program's name.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self> {
        let mut words = words;
        let mut parsed = Self { workload: String::new(), threads: 2, seconds: 2.0, rows: None, check: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| Error(format!("`{word}` needs a value")));
            match word.as_str() {
                "--threads" => parsed.threads = number(&word, &value()?)?,
                "--seconds" => parsed.seconds = number(&word, &value()?)?,
                "--rows" => parsed.rows = Some(PathBuf::from(value()?)),
                "--check" => parsed.check = Some(PathBuf::from(value()?)),
                _ if word.starts_with('-') => return Err(Error(format!("unknown option `{word}`"))),
                _ if parsed.workload.is_empty() => parsed.workload = word,
                _ => return Err(Error(format!("one workload a process, found also `{word}`"))),
            }
        }
        if parsed.workload.is_empty() {
            return Err(Error("which workload?\nhint: `narrows-bench list` prints the names".into()));
        }
        if parsed.threads == 0 {
            return Err(Error("`--threads` must be at least 1".into()));
        }
        if !(parsed.seconds > 0.0 && parsed.seconds.is_finite()) {
            return Err(Error("`--seconds` must be a positive number".into()));
        }
        Ok(parsed)
    }
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| Error(format!("`{option}` needs a number, found `{text}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments> {
        Arguments::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn options_are_read() {
        let parsed = parse("encode-1 --threads 3 --seconds 0.5 --rows file --check dir").unwrap();
        assert_eq!(parsed.workload, "encode-1");
        assert_eq!(parsed.threads, 3);
        assert_eq!(parsed.seconds, 0.5);
        assert_eq!(parsed.rows, Some(PathBuf::from("file")));
        assert_eq!(parsed.check, Some(PathBuf::from("dir")));
    }

    #[test]
    fn mistakes_are_refused() {
        for line in
            ["", "a b", "a --threads", "a --threads x", "a --threads 0", "a --seconds -1", "a --wrong"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}

//! Texts as counts of words: JSON lines, or a folder of `.txt` files.
//!
//! A row holds, for each word of the vocabulary, how often the text has it (255 at most). The vocabulary is that of a trained model, or the
//! words that most texts of the training part have; words that more than half of them have tell nothing and are left out.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Options;
use super::bytes::{broken, open};
use super::dataset::{Dataset, ItemShape, Values};
use super::error::DataError;
use super::folder::{self, Entry, Wanted, name_inside};
use super::labels::Labels;
use super::source::Source;

const FORMAT: &str = "JSON lines";
const WANTED: Wanted = Wanted {
    endings: &["txt"],
    missing: |path| DataError::Empty { name: path.display().to_string(), found: "no .txt file" },
};
/// Words that are counted, if nobody says how many.
pub(super) const WORDS: usize = 2000;
/// The field of a JSON object that holds the text, and that which holds the label if nobody says which.
const TEXT: &str = "text";
const LABEL: &str = "label";

/// The words that are counted, in the order of a row's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    words: Vec<String>,
    places: HashMap<String, usize>,
}

impl Vocabulary {
    /// These words, in this order, as a trained model's columns name them.
    pub fn new(words: Vec<String>) -> Vocabulary {
        let places = words.iter().cloned().zip(0..).collect();
        Vocabulary { words, places }
    }

    /// The `count` words that most of the texts have, but not more than half of them; among equals alphabetically.
    fn of_texts<'a>(texts: impl Iterator<Item = &'a str>, count: usize) -> Vocabulary {
        let (mut texts_with, mut all) = (HashMap::new(), 0);
        for text in texts {
            let own: HashSet<String> = words(text).collect();
            own.into_iter().for_each(|word| *texts_with.entry(word).or_insert(0usize) += 1);
            all += 1;
        }
        let mut ranked: Vec<(String, usize)> =
            texts_with.into_iter().filter(|(_, texts)| 2 * texts <= all).collect();
        ranked.sort_unstable_by(|(a, more), (b, fewer)| fewer.cmp(more).then(a.cmp(b)));
        ranked.truncate(count);
        Vocabulary::new(ranked.into_iter().map(|(word, _)| word).collect())
    }

    /// The words, one a column.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// How often `text` has each word, 255 at most: a row that a model of texts takes.
    pub fn count(&self, text: &str) -> Vec<u8> {
        let mut counts = vec![0u8; self.words.len()];
        for place in words(text).filter_map(|word| self.places.get(&word)) {
            counts[*place] = counts[*place].saturating_add(1);
        }
        counts
    }
}

/// The words of a text in lower case: two or more letters side by side.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphabetic())
        .filter(|word| word.chars().nth(1).is_some())
        .map(str::to_lowercase)
}

/// One part's texts, with what is known of each.
struct Texts {
    texts: Vec<String>,
    labels: Option<Vec<String>>,
    names: Option<Vec<String>>,
}

/// Loads texts, plain or gzip. Beside a file with "train" in its name, one with "test" in its place is the test part.
pub(super) fn load(path: &Path, options: &Options) -> Result<Source, DataError> {
    let mut notes = Vec::new();
    let (train, test) = match path.is_dir() {
        true => {
            let (train, test) = folder::parts(path, &WANTED, &mut notes)?;
            (read_files(path, &train)?, test.map(|test| read_files(path, &test)).transpose()?)
        }
        false => {
            let sibling = test_beside(path);
            if let Some(test) = &sibling {
                notes.push(format!("the test part is {} beside it", test.display()));
            }
            (read_lines(path, options)?, sibling.map(|test| read_lines(&test, options)).transpose()?)
        }
    };
    let vocabulary = match &options.vocabulary {
        Some(words) => Vocabulary::new(words.clone()),
        None => Vocabulary::of_texts(train.texts.iter().map(String::as_str), options.words.unwrap_or(WORDS)),
    };
    if vocabulary.words.is_empty() {
        return Err(DataError::Empty {
            name: path.display().to_string(),
            found: "no word that at most half of the texts have",
        });
    }
    let train = counted(path, train, &vocabulary)?;
    let test = test.map(|test| counted(path, test, &vocabulary)).transpose()?;
    Ok(Source { name: "text".to_string(), train, test, notes })
}

/// Texts as rows of counts.
fn counted(path: &Path, part: Texts, vocabulary: &Vocabulary) -> Result<Dataset, DataError> {
    let width = vocabulary.words.len();
    let bytes = part.texts.len().saturating_mul(width);
    let mut values = Vec::new();
    let too_large = |_| DataError::TooLarge { name: path.display().to_string(), bytes: bytes as u64 };
    values.try_reserve_exact(bytes).map_err(too_large)?;
    part.texts.iter().for_each(|text| values.extend(vocabulary.count(text)));
    Ok(Dataset {
        shape: ItemShape::Vector { columns: Some(vocabulary.words.clone()), width },
        values: Values::U8(values),
        labels: part.labels.map(|labels| Labels::from_texts(&labels)),
        names: part.names,
    })
}

/// Whether there is a text in the folder, at any depth.
pub(super) fn any_in(path: &Path) -> Result<bool, DataError> {
    folder::any_in(path, &WANTED)
}

/// The file with "test" where this one's name has "train", if there is one.
fn test_beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let other = path.with_file_name(name.replacen("train", "test", 1));
    (name.contains("train") && other.is_file()).then_some(other)
}

/// Files that are a text each.
fn read_files(root: &Path, entries: &[Entry]) -> Result<Texts, DataError> {
    let mut texts = Vec::with_capacity(entries.len());
    for Entry { path, .. } in entries {
        let mut bytes = Vec::new();
        let mut reader = open(path)?.reader;
        reader.read_to_end(&mut bytes).map_err(|error| broken(path, "text", &error))?;
        // A letter that is not UTF-8 costs a word, not the text.
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(Texts {
        texts,
        labels: entries.iter().map(|entry| entry.label.clone()).collect(),
        names: Some(entries.iter().map(|entry| name_inside(root, &entry.path)).collect()),
    })
}

/// A file with a JSON object a line.
fn read_lines(path: &Path, options: &Options) -> Result<Texts, DataError> {
    let (mut texts, mut labels) = (Vec::new(), Vec::new());
    let wanted = options.label_column.as_deref();
    for (at, line) in BufReader::new(open(path)?.reader).lines().enumerate() {
        let malformed = |reason: String| DataError::Malformed {
            path: path.to_path_buf(),
            format: FORMAT,
            reason: format!("line {}: {reason}", at + 1),
        };
        let line = line.map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => malformed("it is not UTF-8".to_string()),
            _ => broken(path, FORMAT, &error),
        })?;
        if line.trim().is_empty() {
            continue;
        }
        let object: Value = serde_json::from_str(&line).map_err(|error| malformed(error.to_string()))?;
        let Some(text) = object.get(TEXT).and_then(Value::as_str) else {
            return Err(malformed(format!("expected an object with a string named {TEXT:?}")));
        };
        texts.push(text.to_owned());
        match (object.get(wanted.unwrap_or(LABEL)), wanted) {
            (Some(Value::String(label)), _) => labels.push(label.clone()),
            (Some(label), _) => labels.push(label.to_string()),
            (None, None) => {}
            (None, Some(wanted)) => {
                let known = object.as_object().into_iter().flat_map(|object| object.keys().cloned());
                let (path, wanted) = (path.to_path_buf(), wanted.to_owned());
                return Err(DataError::NoColumn { path, wanted, known: known.collect() });
            }
        }
    }
    if !labels.is_empty() && labels.len() != texts.len() {
        return Err(DataError::LabelCount {
            path: path.to_path_buf(),
            rows: texts.len(),
            labels: labels.len(),
        });
    }
    Ok(Texts { texts, labels: (!labels.is_empty()).then_some(labels), names: None })
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;

//! Texts as counts of words: JSON lines, or a folder of `.txt` files.
//!
//! A row holds, for each word of the vocabulary, how often the text has it (255 at most). The vocabulary is that of a trained model, or the
//! words that most texts of the training part have, rows held out of it included; words that more than half of them have tell nothing and
//! are left out.

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
use super::source::{self, Source};

const FORMAT: &str = "JSON lines";
const WANTED: Wanted = Wanted {
    endings: &["txt"],
    missing: |path| DataError::Empty { name: path.display().to_string(), found: "no .txt file" },
};
/// Files of other kinds.
const OTHERS: Wanted =
    Wanted { endings: &["csv", "tsv", "npy", "npz", "jsonl", "ndjson", "gz"], missing: WANTED.missing };
/// Words that are counted, if nobody says how many.
const WORDS: usize = 2000;
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

impl Texts {
    /// Takes no more than asked for, as [`Source::limit`] does.
    fn limit(&mut self, most: Option<usize>, seed: u64, part: u32) {
        let Some(chosen) = source::chosen(self.texts.len(), most, seed, part) else { return };
        let select = |all: &mut Vec<String>| {
            *all = chosen.iter().map(|&row| std::mem::take(&mut all[row as usize])).collect();
        };
        select(&mut self.texts);
        self.labels.iter_mut().for_each(select);
        self.names.iter_mut().for_each(select);
    }
}

/// Loads texts, plain or gzip. Beside a file with "train" in its name, one with "test" in its place is the test part.
pub(super) fn load(path: &Path, options: &Options) -> Result<Source, DataError> {
    let mut notes = Vec::new();
    let (mut train, mut test) = match path.is_dir() || folder::is_wanted(path, &WANTED) {
        true => {
            let (train, test) = folder::parts(path, &WANTED, None, &mut notes)?;
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
    // Before anything is counted: counts take more memory than texts do.
    train.limit(options.rows, options.seed, 0);
    if let Some(test) = &mut test {
        test.limit(options.test_rows, options.seed, 1);
    }
    let vocabulary = match &options.vocabulary {
        Some(words) => Vocabulary::new(words.clone()),
        None => Vocabulary::of_texts(train.texts.iter().map(String::as_str), options.words.unwrap_or(WORDS)),
    };
    if train.texts.is_empty() {
        return Err(DataError::Empty { name: path.display().to_string(), found: "no texts" });
    }
    if vocabulary.words.is_empty() {
        return Err(DataError::NoWords { path: path.to_path_buf() });
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
        maps: None,
        shape: ItemShape::Vector { columns: Some(vocabulary.words.clone()), width },
        values: Values::U8(values),
        labels: part.labels.map(|labels| Labels::from_texts(&labels)),
        names: part.names,
    })
}

/// Whether a file is called a text and begins like one, with letters above all: tables are called .txt, too.
pub(super) fn is_text(path: &Path, start: &[u8]) -> bool {
    let letters = start.iter().filter(|b| b.is_ascii_alphabetic() || !b.is_ascii()).count();
    folder::is_wanted(path, &WANTED) && 2 * letters > start.len()
}

/// Whether the folder holds texts, at any depth, and no data of another kind, to which a text might be a note.
pub(super) fn any_in(path: &Path) -> Result<bool, DataError> {
    Ok(folder::any_in(path, &WANTED)? && !folder::any_in(path, &OTHERS)?)
}

/// The file with "test" where this one's name has "train", if there is one.
fn test_beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let (before, after) = name.rsplit_once("train")?;
    let other = path.with_file_name(format!("{before}test{after}"));
    other.is_file().then_some(other)
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
    let field = options.label_column.as_deref().unwrap_or(LABEL);
    // The first line without a label, and the fields that it has.
    let mut without: Option<(usize, Vec<String>)> = None;
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
        // Some editors begin a file with a mark that says UTF-8.
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() {
            continue;
        }
        let object: Value = serde_json::from_str(line).map_err(|error| {
            let what = if error.is_eof() { "the object is not closed" } else { "not JSON" };
            malformed(format!("{what}, column {}", error.column()))
        })?;
        let Some(text) = object.get(TEXT).and_then(Value::as_str) else {
            return Err(malformed(format!("expected an object with a string named {TEXT:?}")));
        };
        texts.push(text.to_owned());
        let label = match object.get(field) {
            Some(Value::String(label)) => Some(label.clone()),
            Some(Value::Null) | None => None,
            Some(label) => Some(label.to_string()),
        };
        if label.is_none() && without.is_none() {
            let known = object.as_object().into_iter().flat_map(|object| object.keys().cloned()).collect();
            without = Some((at + 1, known));
        }
        labels.push(label);
    }
    let complete: Option<Vec<String>> = labels.iter().cloned().collect();
    // A trained model needs no labels.
    if let (Some((line, known)), None) = (without, &options.vocabulary) {
        if labels.iter().any(Option::is_some) {
            return Err(DataError::Malformed {
                path: path.to_path_buf(),
                format: FORMAT,
                reason: format!("line {line}: no {field:?}, which other lines have"),
            });
        }
        if options.label_column.is_some() {
            return Err(DataError::NoColumn { path: path.to_path_buf(), wanted: field.to_owned(), known });
        }
    }
    Ok(Texts { texts, labels: complete.filter(|labels| !labels.is_empty()), names: None })
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;

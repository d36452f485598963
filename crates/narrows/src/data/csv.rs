//! Tables of numbers as text: separated by commas, semicolons or tabs, with or without a row of names.
//!
//! Every cell must be a finite number; a missing value is an error that names its place, never a guess. The one
//! exception is the label column, whose cells may be anything but empty.

use std::io::Read;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::Options;
use super::bytes::{broken, open};
use super::dataset::{Dataset, ItemShape, Values};
use super::error::DataError;
use super::labels::Labels;
use super::source::Source;

const FORMAT: &str = "CSV";

/// Loads a table, plain or gzip.
pub(super) fn load(path: &Path, options: &Options) -> Result<Source, DataError> {
    let mut text = Vec::new();
    open(path)?.reader.read_to_end(&mut text).map_err(|error| broken(path, FORMAT, &error))?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let mut notes = Vec::new();
    let train = Table::new(path, text, options).read(&mut notes)?;
    Ok(Source { name: "csv".to_string(), train, test: None, notes })
}

/// The separator of the first line: the one that occurs most often in it.
fn separator(text: &[u8]) -> u8 {
    let first = text.split(|&b| b == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let count = |separator: u8| first.iter().filter(|&&b| b == separator).count();
    // The last of equals wins, and without any separator there is one column, whatever separates.
    [b'\t', b';', b','].into_iter().max_by_key(|&separator| count(separator)).unwrap_or(b',')
}

/// Reads the records one by one; what is known about the columns after the first.
struct Table<'a> {
    path: &'a Path,
    text: &'a [u8],
    reader: csv::Reader<&'a [u8]>,
    record: StringRecord,
    options: &'a Options,
}

/// The columns: names, if there are any, and which one is the label.
struct Columns {
    count: usize,
    names: Option<Vec<String>>,
    label: Option<usize>,
}

impl Columns {
    /// A column for a message: its name in quotes, or its number from 1.
    fn name(&self, column: usize) -> String {
        match &self.names {
            Some(names) => format!("{:?}", names[column]),
            None => (column + 1).to_string(),
        }
    }
}

impl<'a> Table<'a> {
    /// Looks at the separator only.
    fn new(path: &'a Path, text: &'a [u8], options: &'a Options) -> Table<'a> {
        let delimiter = separator(text);
        let reader =
            ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text);
        Table { path, text, reader, record: StringRecord::new(), options }
    }

    /// The next record; `false` at the end.
    fn next(&mut self) -> Result<bool, DataError> {
        self.reader.read_record(&mut self.record).map_err(|error| DataError::Malformed {
            path: self.path.to_path_buf(),
            format: FORMAT,
            reason: error.to_string(),
        })
    }

    /// The line that a record begins on, from 1. The reader's own count is of where it began to look for it, which is
    /// before any empty lines.
    fn line(&self, record: &StringRecord) -> u64 {
        let Some(position) = record.position() else { return 0 };
        let rest = self.text.get(position.byte() as usize..).unwrap_or_default();
        let empty = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).filter(|&&b| b == b'\n').count();
        position.line() + empty as u64
    }

    /// The whole table.
    fn read(mut self, notes: &mut Vec<String>) -> Result<Dataset, DataError> {
        let empty = |path: &Path| DataError::Empty { name: path.display().to_string(), found: "no rows" };
        if !self.next()? {
            return Err(empty(self.path));
        }
        let first = self.record.clone();
        let mut more = self.next()?;
        let header = self.options.header.unwrap_or_else(|| is_header(&first, more.then_some(&self.record)));
        let columns = self.columns(&first, header)?;
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        if !header {
            self.take_row(&first, &columns, &mut values, &mut labels)?;
        }
        while more {
            let record = std::mem::take(&mut self.record);
            self.take_row(&record, &columns, &mut values, &mut labels)?;
            // Its memory serves the next one.
            self.record = record;
            more = self.next()?;
        }
        if values.is_empty() && labels.is_empty() {
            return Err(empty(self.path));
        }
        Ok(self.dataset(columns, values, labels, notes))
    }

    /// What the first record says about all others.
    fn columns(&self, first: &StringRecord, header: bool) -> Result<Columns, DataError> {
        let names: Option<Vec<String>> =
            header.then(|| first.iter().map(|name| name.trim().to_string()).collect());
        let label = match &self.options.label_column {
            None => None,
            Some(wanted) => Some(self.find_label(wanted, names.as_deref(), first.len())?),
        };
        Ok(Columns { count: first.len(), names, label })
    }

    /// The label column by its name, or by its number where there are no names.
    fn find_label(&self, wanted: &str, names: Option<&[String]>, count: usize) -> Result<usize, DataError> {
        let found = match names {
            Some(names) => names.iter().position(|name| name == wanted),
            None => wanted
                .parse()
                .ok()
                .filter(|number| (1..=count).contains(number))
                .map(|number: usize| number - 1),
        };
        found.ok_or_else(|| DataError::NoColumn {
            path: self.path.to_path_buf(),
            wanted: wanted.to_string(),
            known: names.map_or_else(|| (1..=count).map(|n| n.to_string()).collect(), <[String]>::to_vec),
        })
    }

    /// Checks one record and appends its numbers and its label.
    fn take_row(
        &self,
        record: &StringRecord,
        columns: &Columns,
        values: &mut Vec<f32>,
        labels: &mut Vec<String>,
    ) -> Result<(), DataError> {
        let row = self.line(record);
        let path = || self.path.to_path_buf();
        if record.len() != columns.count {
            return Err(DataError::Ragged {
                path: path(),
                row,
                expected: columns.count,
                found: record.len(),
            });
        }
        for (i, cell) in record.iter().enumerate() {
            let cell = cell.trim();
            if cell.is_empty() {
                return Err(DataError::EmptyCell { path: path(), row, column: columns.name(i) });
            }
            if columns.label == Some(i) {
                labels.push(cell.to_string());
                continue;
            }
            match cell.parse::<f32>() {
                Ok(value) if value.is_finite() => values.push(value),
                Ok(_) => {
                    let (name, column) = (self.path.display().to_string(), columns.name(i));
                    return Err(DataError::NotFinite { name, row, column, found: cell.to_string() });
                }
                Err(_) => {
                    let (column, found) = (columns.name(i), shortened(cell));
                    return Err(DataError::NotANumber { path: path(), row, column, found });
                }
            }
        }
        Ok(())
    }

    /// The rows read, under the names of the columns that are left without the label.
    fn dataset(
        &self,
        columns: Columns,
        values: Vec<f32>,
        labels: Vec<String>,
        notes: &mut Vec<String>,
    ) -> Dataset {
        let mut names = columns.names;
        if let (Some(names), Some(label)) = (&mut names, columns.label) {
            names.remove(label);
        }
        if columns.label.is_none()
            && let Some(name) = names.iter().flatten().find(|name| is_label_name(name))
        {
            notes.push(format!(
                "the column {name:?} is learned from like any other: if it is a label, say so with data.label"
            ));
        }
        let width = columns.count - usize::from(columns.label.is_some());
        let labels = columns.label.map(|_| Labels::from_texts(&labels));
        Dataset {
            maps: None,
            shape: ItemShape::Vector { columns: names, width },
            values: Values::F32(values),
            labels,
            names: None,
        }
    }
}

/// Whether the first record is names: all its cells are words, or one is a word above a number.
///
/// A word above a word, as in a table that ends in the name of a class, says nothing.
fn is_header(first: &StringRecord, second: Option<&StringRecord>) -> bool {
    let number = |cell: &str| cell.trim().parse::<f32>().is_ok();
    let word = |cell: &str| !number(cell) && !cell.trim().is_empty();
    let over = |second: &StringRecord| first.iter().zip(second).any(|(a, b)| word(a) && number(b));
    first.iter().all(word) || second.is_some_and(over)
}

/// Names that people give to the column of labels.
fn is_label_name(name: &str) -> bool {
    ["label", "labels", "class", "target", "y"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// A cell for a message: not a whole paragraph.
fn shortened(cell: &str) -> String {
    match cell.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell.to_string(),
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;

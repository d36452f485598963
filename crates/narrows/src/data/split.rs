//! Who learns, who chooses, who judges: rows held out by seed, before anything has looked at them.

use narrows_engine::random::shuffle;

use super::error::DataError;
use super::source::Source;
use super::streams;

/// Three disjoint sets of rows, each in ascending order.
///
/// `train` and `validation` index [`Source::train`]. `test` indexes [`Source::test`] if the source has a test part of
/// its own ([`Split::test_is_own_part`]), else [`Source::train`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Rows to learn from; preparation is fitted on these alone.
    pub train: Vec<u32>,
    /// Rows to choose by: early stopping, schedules, thresholds.
    pub validation: Vec<u32>,
    /// Rows to judge by, once.
    pub test: Vec<u32>,
    /// Whether `test` counts rows of the source's own test part.
    pub test_is_own_part: bool,
}

/// How many rows to hold out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    /// A share of the source's training part, from 0 to below 1; above 0 it is at least one row.
    Share(f64),
    /// This many rows.
    Rows(usize),
}

impl Part {
    /// No rows at all.
    pub const NONE: Part = Part::Rows(0);

    /// The number of rows out of `rows`; `name` is for the error.
    fn of(self, rows: usize, name: &'static str) -> Result<usize, DataError> {
        match self {
            Part::Rows(count) => Ok(count),
            Part::Share(0.0) => Ok(0),
            Part::Share(share) if (0.0..1.0).contains(&share) => {
                Ok(((rows as f64 * share).round() as usize).max(1))
            }
            Part::Share(found) => {
                Err(DataError::Fraction { name, found, expected: "at least 0 and below 1" })
            }
        }
    }
}

/// How many rows are held out, and by which seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitOptions {
    /// Rows of the source's training part to choose by.
    pub validation: Part,
    /// Rows of the source's training part to judge by; not looked at where the source has its own test part.
    pub test: Part,
    /// Which rows: another seed holds out others.
    pub seed: u64,
}

impl Default for SplitOptions {
    fn default() -> Self {
        SplitOptions { validation: Part::Share(0.1), test: Part::Share(0.1), seed: 0 }
    }
}

/// Learning needs more than one row: a single one has no spread to scale by and no direction to find.
const LEAST_TRAINING_ROWS: usize = 2;

impl Split {
    /// Splits `source`. The same source size and options give the same rows, on every machine.
    ///
    /// Which rows are tested does not depend on how many are validated.
    ///
    /// # Errors
    ///
    /// A share out of range, or too few rows for two training rows and one of each held-out part.
    pub fn new(source: &Source, options: &SplitOptions) -> Result<Split, DataError> {
        let rows = source.train.rows();
        let own = source.test.as_ref().map(|test| (0..test.rows() as u32).collect::<Vec<u32>>());
        let tested = if own.is_some() { 0 } else { options.test.of(rows, "test")? };
        let validated = options.validation.of(rows, "validation")?;
        let needed = LEAST_TRAINING_ROWS.saturating_add(tested).saturating_add(validated);
        if rows < needed {
            return Err(too_few(source, rows, needed, validated, tested));
        }
        let mut order: Vec<u32> = (0..rows as u32).collect();
        shuffle(options.seed, streams::SPLIT, 0, &mut order);
        let mut take = |count: usize| sorted(order.drain(..count).collect());
        let test = take(tested);
        let validation = take(validated);
        Ok(Split {
            train: sorted(order),
            validation,
            test_is_own_part: own.is_some(),
            test: own.unwrap_or(test),
        })
    }

    /// The data set that `test` counts rows of.
    pub fn test_dataset<'a>(&self, source: &'a Source) -> &'a super::Dataset {
        match &source.test {
            Some(test) if self.test_is_own_part => test,
            _ => &source.train,
        }
    }
}

/// The rows in ascending order, so that reading them walks memory forward.
fn sorted(mut rows: Vec<u32>) -> Vec<u32> {
    rows.sort_unstable();
    rows
}

/// The error, with its arithmetic.
fn too_few(source: &Source, rows: usize, needed: usize, validation: usize, test: usize) -> DataError {
    let mut purpose = format!("{LEAST_TRAINING_ROWS} training");
    for (count, name) in [(validation, "validation"), (test, "test")] {
        if count > 0 {
            purpose.push_str(&format!(", {count} {name}"));
        }
    }
    purpose.push_str(" rows");
    DataError::TooFewRows { name: source.name.clone(), rows, needed, purpose }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, ItemShape, Values};

    fn source(rows: usize, test: Option<usize>) -> Source {
        let part = |rows| Dataset {
            maps: None,
            shape: ItemShape::Vector { columns: None, width: 1 },
            values: Values::U8(vec![0; rows]),
            labels: None,
            names: None,
        };
        Source { name: "npy".into(), train: part(rows), test: test.map(part), notes: vec![] }
    }

    #[test]
    fn every_row_is_in_exactly_one_part() {
        let split = Split::new(&source(1000, None), &SplitOptions::default()).unwrap();
        assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (800, 100, 100));
        let all = sorted([split.train, split.validation, split.test].concat());
        assert_eq!(all, (0..1000).collect::<Vec<u32>>());
    }

    #[test]
    fn the_seed_decides_and_repeats() {
        let with =
            |seed| Split::new(&source(500, None), &SplitOptions { seed, ..Default::default() }).unwrap();
        assert_eq!(with(1), with(1));
        assert_ne!(with(1).test, with(2).test);
        assert_ne!(with(1).validation, with(2).validation);
    }

    #[test]
    fn held_out_rows_are_spread_over_the_data() {
        let split = Split::new(&source(10_000, None), &SplitOptions::default()).unwrap();
        let early = split.test.iter().filter(|&&row| row < 5000).count();
        assert!((400..600).contains(&early), "{early} of 1000 in the first half");
    }

    #[test]
    fn the_test_rows_do_not_depend_on_the_validation_share() {
        let with = |share| SplitOptions { validation: Part::Share(share), ..Default::default() };
        let (few, many) = (with(0.05), with(0.4));
        let source = source(300, None);
        assert_eq!(Split::new(&source, &few).unwrap().test, Split::new(&source, &many).unwrap().test);
    }

    #[test]
    fn a_test_part_of_its_own_is_the_test() {
        let source = source(100, Some(7));
        let split = Split::new(&source, &SplitOptions::default()).unwrap();
        assert_eq!(split.test, (0..7).collect::<Vec<u32>>());
        assert!(split.test_is_own_part);
        assert_eq!((split.train.len(), split.validation.len()), (90, 10));
        assert_eq!(split.test_dataset(&source).rows(), 7);
    }

    #[test]
    fn too_few_rows_are_counted_in_the_error() {
        assert!(Split::new(&source(4, None), &SplitOptions::default()).is_ok());
        let error = Split::new(&source(3, None), &SplitOptions::default()).unwrap_err();
        let expected = "npy: 3 rows are too few: 4 are needed for 2 training, 1 validation, 1 test rows";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn rows_can_be_counted() {
        let options = SplitOptions { validation: Part::Rows(7), test: Part::Rows(3), seed: 0 };
        let split = Split::new(&source(50, None), &options).unwrap();
        assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (40, 7, 3));
        let error = Split::new(&source(11, None), &options).unwrap_err();
        assert!(matches!(error, DataError::TooFewRows { rows: 11, needed: 12, .. }), "{error}");
        let all = SplitOptions { validation: Part::Rows(usize::MAX), ..options };
        assert!(matches!(Split::new(&source(50, None), &all), Err(DataError::TooFewRows { .. })));
    }

    #[test]
    fn no_share_means_no_rows_and_nonsense_is_refused() {
        for none in [Part::NONE, Part::Share(0.0)] {
            let none = SplitOptions { validation: none, test: none, seed: 0 };
            let split = Split::new(&source(2, None), &none).unwrap();
            assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (2, 0, 0));
        }
        for wrong in [-0.1, 1.0, f64::NAN] {
            let options = SplitOptions { test: Part::Share(wrong), ..Default::default() };
            assert!(matches!(Split::new(&source(100, None), &options), Err(DataError::Fraction { .. })));
        }
    }
}

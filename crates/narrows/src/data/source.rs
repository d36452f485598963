//! What a reader hands over: the rows to learn from, and the source's own test part.

use narrows_engine::random::shuffle;
use sha2::{Digest, Sha256};

use super::dataset::{Dataset, ItemShape};
use super::error::DataError;
use super::labels::Labels;
use super::patches::{self, Cutter};
use super::{Options, streams};

/// What was loaded: rows to learn from, and the source's own test part if it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The kind of source: "glyphs", "idx", "pictures", "npy", "csv", "text".
    pub name: String,
    /// The rows to learn from.
    pub train: Dataset,
    /// The source's own test part; looked at once, at the end.
    pub test: Option<Dataset>,
    /// What a user should know about how the data was read, one sentence each; often none.
    pub notes: Vec<String>,
}

impl Source {
    /// SHA-256 of both parts, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        match &self.test {
            None => self.train.fingerprint(),
            Some(test) => {
                let both = format!("{}{}", self.train.fingerprint(), test.fingerprint());
                Sha256::digest(both).iter().map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }

    /// Takes no more rows than asked for: a random choice by seed, because files are often sorted by label.
    pub(super) fn limit(&mut self, options: &Options) {
        fn choose(data: &mut Dataset, most: Option<usize>, seed: u64, part: u32) {
            if let Some(rows) = chosen(data.rows(), most, seed, part) {
                *data = data.select(&rows);
            }
        }
        choose(&mut self.train, options.rows, options.seed, 0);
        if let Some(test) = &mut self.test {
            choose(test, options.test_rows, options.seed, 1);
        }
    }

    /// Applies the image options to both parts.
    pub(super) fn fit_images(&mut self, options: &Options) -> Result<(), DataError> {
        let before = self.train.shape.clone();
        for part in std::iter::once(&mut self.train).chain(&mut self.test) {
            part.fit_images(options, &self.name)?;
        }
        let after = &self.train.shape;
        if matches!(before, ItemShape::Image { .. }) && before != *after {
            self.notes.push(format!("{} were brought to {}", before.describe(), after.describe()));
        }
        Ok(())
    }

    /// Puts patches in the place of pictures.
    pub(super) fn cut_patches(&mut self, size: (usize, usize), options: &Options) -> Result<(), DataError> {
        let cutters = patches_of(size, options);
        for (part, cutter) in std::iter::once(&mut self.train).chain(&mut self.test).zip(cutters) {
            *part = cutter.cut_all(part, &self.name)?;
        }
        Ok(())
    }

    /// Checks both parts and that they fit each other, and numbers their labels alike.
    pub(super) fn check(&mut self) -> Result<(), DataError> {
        self.train.check(&self.name)?;
        let Some(test) = &mut self.test else { return Ok(()) };
        test.check(&format!("{}, test part", self.name))?;
        if !self.train.shape.fits(&test.shape) {
            return Err(DataError::PartsDiffer {
                name: self.name.clone(),
                train: self.train.shape.describe(),
                test: test.shape.describe(),
            });
        }
        if let (Some(train), Some(test)) = (&mut self.train.labels, &mut test.labels)
            && train.names != test.names
        {
            let all: Vec<&String> = train.names.iter().chain(&test.names).collect();
            let names = Labels::from_texts(&all).names;
            (*train, *test) = (train.renumbered(&names), test.renumbered(&names));
        }
        Ok(())
    }
}

/// Which of so many rows are taken where fewer are asked for, in ascending order.
pub(super) fn chosen(rows: usize, most: Option<usize>, seed: u64, part: u32) -> Option<Vec<u32>> {
    let most = most.filter(|&most| most < rows)?;
    let mut order: Vec<u32> = (0..rows as u32).collect();
    shuffle(seed, streams::LIMIT, part, &mut order);
    order.truncate(most);
    order.sort_unstable();
    Some(order)
}

/// How patches of the training and the test part are cut.
pub(super) fn patches_of(size: (usize, usize), options: &Options) -> [Cutter; 2] {
    let cutter = |count: usize, part: u32| Cutter { size, count, seed: options.seed, part };
    [
        cutter(options.rows.unwrap_or(patches::ROWS), 0),
        cutter(options.test_rows.unwrap_or(patches::TEST_ROWS), 1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ItemShape, Values};

    fn small() -> Dataset {
        Dataset {
            maps: None,
            shape: ItemShape::Vector { columns: None, width: 2 },
            values: Values::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            labels: Some(Labels::from_texts(&["b", "a", "b"])),
            names: None,
        }
    }

    #[test]
    fn both_parts_share_one_list_of_labels() {
        let test = Dataset { labels: Some(Labels::from_texts(&["c", "b", "b"])), ..small() };
        let mut source = Source { name: "x".into(), train: small(), test: Some(test), notes: vec![] };
        source.check().unwrap();
        let (train, test) = (source.train.labels.unwrap(), source.test.unwrap().labels.unwrap());
        assert_eq!(train.names, ["a", "b", "c"]);
        assert_eq!((train.names, train.of_row, test.of_row), (test.names, vec![1, 0, 1], vec![2, 1, 1]));
    }

    #[test]
    fn parts_of_different_width_are_refused() {
        let test = Dataset { shape: ItemShape::Vector { columns: None, width: 3 }, labels: None, ..small() };
        let mut source = Source { name: "x".into(), train: small(), test: Some(test), notes: vec![] };
        assert!(matches!(source.check(), Err(DataError::PartsDiffer { .. })));
    }

    #[test]
    fn the_fingerprint_sees_both_parts() {
        let alone = Source { name: "x".into(), train: small(), test: None, notes: vec![] };
        let both = Source { test: Some(small()), ..alone.clone() };
        let other = Source { test: Some(small().select(&[0])), ..alone.clone() };
        assert_ne!(alone.fingerprint(), both.fingerprint());
        assert_ne!(other.fingerprint(), both.fingerprint());
        assert_eq!(Source { name: "y".into(), ..both.clone() }.fingerprint(), both.fingerprint());
    }
}

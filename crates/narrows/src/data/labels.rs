//! What rows are called: for colouring plots and for classifiers, never an input of an autoencoder.

use narrows_engine::random::shuffle;
use std::collections::HashMap;

/// A name for every row, from a short list of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The different names; numbers in numeric order, else alphabetical.
    pub names: Vec<String>,
    /// For each row, its name's place in `names`.
    pub of_row: Vec<u32>,
}

impl Labels {
    /// So many of `rows` from each class, drawn at random and in a random order; the stream and step key the draw.
    ///
    /// # Errors
    /// The first class of which there are not as many, and how many there are.
    pub(crate) fn some_of_each(
        &self,
        rows: &[u32],
        each: usize,
        (seed, stream, step): (u64, u32, u32),
    ) -> Result<Vec<u32>, (usize, usize)> {
        let mut order = rows.to_vec();
        shuffle(seed, stream, step, &mut order);
        let mut left = vec![each; self.names.len()];
        order.retain(|row| {
            let left = &mut left[self.of_row[*row as usize] as usize];
            let taken = *left > 0;
            *left -= usize::from(taken);
            taken
        });
        left.iter().position(|left| *left > 0).map_or(Ok(order), |class| Err((class, each - left[class])))
    }

    /// Labels from one text a row.
    pub fn from_texts<T: AsRef<str>>(texts: &[T]) -> Labels {
        let mut names: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        names.sort_unstable();
        names.dedup();
        // "10" after "9", not after "1".
        if names.iter().all(|name| name.parse::<f64>().is_ok()) {
            names.sort_by(|a, b| number(a).total_cmp(&number(b)).then(a.cmp(b)));
        }
        let place: HashMap<&str, u32> = names.iter().zip(0..).map(|(name, i)| (*name, i)).collect();
        let of_row = texts.iter().map(|text| place[text.as_ref()]).collect();
        Labels { names: names.iter().map(ToString::to_string).collect(), of_row }
    }

    /// The same rows, numbered by another list of names that contains all of these.
    pub(super) fn renumbered(&self, names: &[String]) -> Labels {
        let place = |name: &String| names.iter().position(|n| n == name).unwrap_or(0) as u32;
        let new: Vec<u32> = self.names.iter().map(place).collect();
        Labels { names: names.to_vec(), of_row: self.of_row.iter().map(|&old| new[old as usize]).collect() }
    }
}

/// A label's numeric value, for sorting; text that is no number is never asked.
fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_are_numbers_are_in_numeric_order() {
        let labels = Labels::from_texts(&["10", "9", "9", "1"]);
        assert_eq!(labels.names, ["1", "9", "10"]);
        assert_eq!(labels.of_row, [2, 1, 1, 0]);
    }

    #[test]
    fn renumbering_keeps_every_name() {
        let labels = Labels::from_texts(&["b", "a", "b"]);
        let names = ["a", "aa", "b"].map(String::from);
        let new = labels.renumbered(&names);
        assert_eq!((new.names.as_slice(), new.of_row), (names.as_slice(), vec![2, 0, 2]));
    }
}

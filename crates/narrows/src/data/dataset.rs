//! Rows of numbers in memory: what every reader ends in and everything else begins with.

use sha2::{Digest, Sha256};

use super::Options;
use super::error::DataError;
use super::label_maps::LabelMaps;
use super::labels::Labels;
use super::resize::{recolour, resize};
use super::stored::StoredRows;

/// One data set in memory: N rows of D features, row-major, as they were stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// What one row is.
    pub shape: ItemShape,
    /// N × D numbers, row after row.
    pub values: Values,
    /// What each row is called, where that is known. Never an input.
    pub labels: Option<Labels>,
    /// What each pixel of each row is, where that is known.
    pub maps: Option<LabelMaps>,
    /// What each row is called in its source, where it is called anything: a picture's path inside its folder.
    pub names: Option<Vec<String>>,
}

/// What one row is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ItemShape {
    /// A row of a table, or any list of numbers.
    Vector {
        /// The columns' names, where there are any; exactly `width` of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        columns: Option<Vec<String>>,
        /// Numbers in a row.
        width: usize,
    },
    /// A picture, H × W × C, channels last.
    Image {
        /// Pixels from top to bottom.
        height: usize,
        /// Pixels from left to right.
        width: usize,
        /// 1 for grey, 3 for colour.
        channels: usize,
    },
}

impl ItemShape {
    /// D, the numbers in one row.
    pub fn features(&self) -> usize {
        match *self {
            ItemShape::Vector { width, .. } => width,
            ItemShape::Image { height, width, channels } => height * width * channels,
        }
    }

    /// Pixels of a picture; 1 for what is none.
    pub fn pixels(&self) -> usize {
        match *self {
            ItemShape::Vector { .. } => 1,
            ItemShape::Image { height, width, .. } => height * width,
        }
    }

    /// The name of feature `column` (from 0): in quotes if it has one, its number from 1 if not.
    pub fn column_name(&self, column: usize) -> String {
        match self {
            ItemShape::Vector { columns: Some(names), .. } if column < names.len() => {
                format!("{:?}", names[column])
            }
            _ => (column + 1).to_string(),
        }
    }

    /// The shape in a few words, for messages: "28x28 grey images", "11 columns".
    pub fn describe(&self) -> String {
        match *self {
            ItemShape::Vector { width: 1, .. } => "1 column".to_string(),
            ItemShape::Vector { width, .. } => format!("{width} columns"),
            ItemShape::Image { height, width, channels: 1 } => format!("{height}x{width} grey images"),
            ItemShape::Image { height, width, channels: 3 } => format!("{height}x{width} colour images"),
            ItemShape::Image { height, width, channels } => {
                format!("{height}x{width} images of {channels} channels")
            }
        }
    }

    /// Whether rows of both can go through the same model; column names do not matter.
    pub(super) fn fits(&self, other: &ItemShape) -> bool {
        match (self, other) {
            (ItemShape::Vector { width: a, .. }, ItemShape::Vector { width: b, .. }) => a == b,
            _ => self == other,
        }
    }
}

/// The numbers themselves, in the type that they were stored in where that is small.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Finite 32-bit numbers.
    F32(Vec<f32>),
    /// Bytes, 0 to 255: a quarter of the memory, and what pictures are.
    U8(Vec<u8>),
    /// Bytes in a file.
    Stored(StoredRows),
}

impl Values {
    /// How many numbers.
    pub fn len(&self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::U8(values) => values.len(),
            Values::Stored(stored) => stored.rows() * stored.features(),
        }
    }

    /// Whether they are bytes, wherever they lie.
    pub fn are_bytes(&self) -> bool {
        !matches!(self, Values::F32(_))
    }

    /// Bytes of memory that they take.
    pub fn memory(&self) -> usize {
        match self {
            Values::F32(values) => 4 * values.len(),
            Values::U8(values) => values.len(),
            Values::Stored(_) => 0,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All numbers as `f32`; bytes become 0.0 to 255.0.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Values::F32(values) => values.clone(),
            Values::U8(values) => values.iter().map(|&v| f32::from(v)).collect(),
            Values::Stored(stored) => stored.all().into_iter().map(f32::from).collect(),
        }
    }
}

impl Dataset {
    /// N, the number of rows.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.features()).unwrap_or(0)
    }

    /// D, the numbers in one row.
    pub fn features(&self) -> usize {
        self.shape.features()
    }

    /// Copies row `row` into `out`, which holds D numbers; bytes become 0.0 to 255.0.
    ///
    /// # Panics
    ///
    /// If there is no such row, or `out` is not D long.
    pub fn row_f32(&self, row: usize, out: &mut [f32]) {
        let features = self.features();
        let range = row * features..(row + 1) * features;
        match &self.values {
            Values::F32(values) => out.copy_from_slice(&values[range]),
            Values::Stored(stored) => {
                let mut bytes = vec![0; features];
                stored.read(row, &mut bytes);
                out.iter_mut().zip(bytes).for_each(|(to, from)| *to = f32::from(from));
            }
            Values::U8(values) => {
                assert_eq!(out.len(), features, "a row has {features} features");
                for (to, &from) in out.iter_mut().zip(&values[range]) {
                    *to = f32::from(from);
                }
            }
        }
    }

    /// A data set of the rows `rows`, in that order.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn select(&self, rows: &[u32]) -> Dataset {
        fn pick<T: Copy>(values: &[T], features: usize, rows: &[u32]) -> Vec<T> {
            let mut picked = Vec::with_capacity(rows.len() * features);
            for &row in rows {
                let start = row as usize * features;
                picked.extend_from_slice(&values[start..start + features]);
            }
            picked
        }
        let features = self.features();
        let values = match &self.values {
            Values::F32(values) => Values::F32(pick(values, features, rows)),
            Values::U8(values) => Values::U8(pick(values, features, rows)),
            Values::Stored(stored) => {
                let mut picked = vec![0; rows.len() * features];
                for (row, out) in rows.iter().zip(picked.chunks_exact_mut(features)) {
                    stored.read(*row as usize, out);
                }
                Values::U8(picked)
            }
        };
        let labels = self.labels.as_ref().map(|labels| Labels {
            names: labels.names.clone(),
            of_row: rows.iter().map(|&row| labels.of_row[row as usize]).collect(),
        });
        let pixels = self.shape.pixels();
        let maps = self.maps.as_ref().map(|maps| maps.select(rows, pixels));
        let names =
            self.names.as_ref().map(|names| rows.iter().map(|&row| names[row as usize].clone()).collect());
        Dataset { shape: self.shape.clone(), values, labels, maps, names }
    }

    /// Checks that rows have `expected` features, as a model or a preparation needs them.
    ///
    /// # Errors
    ///
    /// [`DataError::Width`], naming the data as `name`.
    pub fn expect_features(&self, expected: usize, name: &str) -> Result<(), DataError> {
        let found = self.features();
        if found == expected {
            return Ok(());
        }
        Err(DataError::Width { name: name.to_string(), expected, found })
    }

    /// Makes sure that each row is what `expected` says: a picture of that shape, or as many numbers.
    ///
    /// # Errors
    ///
    /// [`DataError::Form`] or [`DataError::Width`], naming the data as `name`.
    pub fn expect_shape(&self, expected: &ItemShape, name: &str) -> Result<(), DataError> {
        let pictures = [&self.shape, expected].iter().all(|shape| matches!(shape, ItemShape::Image { .. }));
        if !pictures || self.shape == *expected {
            return self.expect_features(expected.features(), name);
        }
        let (name, expected, found) = (name.to_string(), expected.describe(), self.shape.describe());
        Err(DataError::Form { name, expected, found })
    }

    /// SHA-256 of shape, values and labels, in hexadecimal: equal for equal content, wherever it came from.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        // The shape is written as text of ours, not as serde's, so that a new field cannot change old fingerprints.
        hash.update(format!("{};{};", self.shape.describe(), self.rows()));
        match &self.values {
            Values::U8(values) => {
                hash.update(b"u8;");
                hash.update(values);
            }
            Values::Stored(stored) => {
                hash.update(b"u8;");
                let mut bytes = vec![0; stored.features()];
                for row in 0..stored.rows() {
                    stored.read(row, &mut bytes);
                    hash.update(&bytes);
                }
            }
            Values::F32(values) => {
                hash.update(b"f32;");
                let mut bytes = Vec::with_capacity(4 * 4096);
                for chunk in values.chunks(4096) {
                    bytes.clear();
                    bytes.extend(chunk.iter().flat_map(|v| v.to_le_bytes()));
                    hash.update(&bytes);
                }
            }
        }
        if let Some(labels) = &self.labels {
            for name in &labels.names {
                hash.update(format!(";{}:{name}", name.len()));
            }
            hash.update(b";");
            for label in &labels.of_row {
                hash.update(label.to_le_bytes());
            }
        }
        if let Some(maps) = &self.maps {
            hash.update(format!(";maps {};", maps.names.join(";")));
            hash.update(&maps.of_pixel);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Checks what every reader promises: whole rows, at least one, a label for each, all numbers finite.
    pub(super) fn check(&self, name: &str) -> Result<(), DataError> {
        let features = self.features();
        let empty = |found| DataError::Empty { name: name.to_string(), found };
        if features == 0 {
            return Err(empty("no columns"));
        }
        if self.values.is_empty() {
            return Err(empty("no rows"));
        }
        if let Some(labels) = &self.labels
            && labels.of_row.len() != self.rows()
        {
            return Err(DataError::LabelCount {
                path: name.into(),
                rows: self.rows(),
                labels: labels.of_row.len(),
            });
        }
        let Values::F32(values) = &self.values else { return Ok(()) };
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(place) => Err(DataError::NotFinite {
                name: name.to_string(),
                row: (place / features + 1) as u64,
                column: self.shape.column_name(place % features),
                found: values[place].to_string(),
            }),
        }
    }

    /// Resizes images, reads flat rows of the right length as images, and adds or removes colour.
    pub(super) fn fit_images(&mut self, options: &Options, name: &str) -> Result<(), DataError> {
        if let Some((height, width)) = options.image_size {
            let refuse = |found: &ItemShape| {
                let found = found.describe();
                Err(DataError::NotImages { name: name.to_string(), found, height, width })
            };
            match self.shape {
                _ if height == 0 || width == 0 => return refuse(&self.shape),
                ItemShape::Vector { width: flat, .. } => {
                    let channels = options.channels.map_or(vec![1, 3], |channels| vec![channels]);
                    match channels.into_iter().find(|c| height * width * c == flat) {
                        Some(channels) => self.shape = ItemShape::Image { height, width, channels },
                        None => return refuse(&self.shape),
                    }
                }
                ItemShape::Image { height: h, width: w, channels } => {
                    if (h, w) != (height, width) {
                        self.values = resize(&self.values, (h, w, channels), (height, width));
                        self.shape = ItemShape::Image { height, width, channels };
                    }
                }
            }
        }
        if let (Some(colour), ItemShape::Image { height, width, channels }) = (options.colour, &self.shape) {
            let wanted = if colour { 3 } else { 1 };
            if (*channels, wanted) == (3, 1) || (*channels, wanted) == (1, 3) {
                self.values = recolour(&self.values, wanted);
                self.shape = ItemShape::Image { height: *height, width: *width, channels: wanted };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(height: usize, width: usize) -> Options {
        Options { image_size: Some((height, width)), ..Options::default() }
    }

    /// Pictures turned on their side have as many numbers, and are others; flat rows may be pictures.
    #[test]
    fn pictures_of_another_shape_are_refused_and_flat_rows_are_not() {
        let image = |height, width| ItemShape::Image { height, width, channels: 1 };
        let of =
            |shape: ItemShape| Dataset { shape, values: Values::U8(vec![0; 6]), labels: None, ..small() };
        of(image(2, 3)).expect_shape(&image(2, 3), "x").unwrap();
        of(ItemShape::Vector { columns: None, width: 6 }).expect_shape(&image(2, 3), "x").unwrap();
        let error = of(image(3, 2)).expect_shape(&image(2, 3), "x.npy").unwrap_err();
        assert_eq!(error.to_string(), "x.npy: found 3x2 grey images, expected 2x3 grey images");
        assert!(of(image(1, 3)).expect_shape(&ItemShape::Vector { columns: None, width: 6 }, "x").is_err());
    }

    fn small() -> Dataset {
        Dataset {
            maps: None,
            shape: ItemShape::Vector { columns: None, width: 2 },
            values: Values::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            labels: Some(Labels::from_texts(&["b", "a", "b"])),
            names: Some(["x", "y", "z"].map(String::from).to_vec()),
        }
    }

    #[test]
    fn rows_are_copied_and_bytes_become_numbers() {
        let mut row = [0.0; 2];
        small().row_f32(1, &mut row);
        assert_eq!(row, [3.0, 4.0]);
        let bytes = Dataset { values: Values::U8(vec![0, 255, 7, 8]), labels: None, ..small() };
        bytes.row_f32(0, &mut row);
        assert_eq!((bytes.rows(), row), (2, [0.0, 255.0]));
    }

    #[test]
    fn selecting_takes_values_and_labels_together() {
        let picked = small().select(&[2, 1]);
        assert_eq!(picked.values, Values::F32(vec![5.0, 6.0, 3.0, 4.0]));
        assert_eq!(picked.labels.unwrap().of_row, [1, 0]);
        assert_eq!(picked.names.unwrap(), ["z", "y"]);
    }

    #[test]
    fn the_fingerprint_sees_values_shape_type_and_labels() {
        let mut seen = vec![small().fingerprint()];
        assert_eq!(seen[0], small().fingerprint());
        assert_eq!(seen[0].len(), 64);
        let other = Values::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.5]);
        seen.push(Dataset { values: other, ..small() }.fingerprint());
        seen.push(Dataset { shape: ItemShape::Vector { columns: None, width: 3 }, ..small() }.fingerprint());
        seen.push(
            Dataset { shape: ItemShape::Image { height: 2, width: 1, channels: 1 }, ..small() }.fingerprint(),
        );
        seen.push(Dataset { values: Values::U8(vec![1, 2, 3, 4, 5, 6]), ..small() }.fingerprint());
        seen.push(Dataset { labels: None, ..small() }.fingerprint());
        seen.push(Dataset { labels: Some(Labels::from_texts(&["a", "a", "b"])), ..small() }.fingerprint());
        seen.push(Dataset { labels: Some(Labels::from_texts(&["c", "a", "c"])), ..small() }.fingerprint());
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 8);
    }

    #[test]
    fn a_number_that_is_not_finite_is_named_by_row_and_column() {
        let columns = Some(vec!["x".to_string(), "y".to_string()]);
        let bad = Dataset {
            maps: None,
            shape: ItemShape::Vector { columns, width: 2 },
            values: Values::F32(vec![1.0, 2.0, 3.0, f32::NAN]),
            labels: None,
            names: None,
        };
        let error = bad.check("npy").unwrap_err().to_string();
        assert_eq!(error, "npy: row 2, column \"y\": expected a finite 32-bit number, found NaN");
    }

    #[test]
    fn nothing_is_not_a_data_set() {
        let none = Dataset { values: Values::F32(vec![]), labels: None, ..small() };
        assert!(matches!(none.check("x"), Err(DataError::Empty { found: "no rows", .. })));
        let flat = ItemShape::Vector { columns: None, width: 0 };
        let none = Dataset { shape: flat, ..none };
        assert!(matches!(none.check("x"), Err(DataError::Empty { found: "no columns", .. })));
    }

    #[test]
    fn flat_rows_of_the_right_length_become_images_and_others_are_refused() {
        let mut flat = Dataset {
            maps: None,
            shape: ItemShape::Vector { columns: None, width: 6 },
            values: Values::U8(vec![0; 12]),
            labels: None,
            names: None,
        };
        let error = flat.clone().fit_images(&sized(5, 5), "csv").unwrap_err();
        assert_eq!(error.to_string(), "csv: rows of 6 columns cannot become 5x5 images");
        flat.fit_images(&sized(2, 3), "csv").unwrap();
        assert_eq!(flat.shape, ItemShape::Image { height: 2, width: 3, channels: 1 });
    }
}

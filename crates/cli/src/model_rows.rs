//! Rows for a model that is already trained: read as its recipe says.

use crate::arguments;
use crate::failure::Failure;
use crate::{places, wording};
use clap::{Args, ValueEnum};
use narrows::data::{
    self, DataError, Dataset, ItemShape, Kind, Options, Preparation, Source, Values, Written,
};
use narrows::model_file::Description;
use std::path::{Path, PathBuf};

/// Which rows a model is put to use on.
#[derive(Clone, Debug, Args)]
pub struct RowOptions {
    /// The rows: a CSV, NPY, NPZ, JSON lines or IDX file, a picture, or a folder of IDX files, pictures or texts
    #[arg(long, value_name = "PATH")]
    pub data: PathBuf,
    /// Kind of the data, where the path does not tell: idx, pictures, npy, csv or text
    #[arg(long, value_name = "KIND", value_parser = arguments::kind)]
    pub kind: Option<Kind>,
    /// Which part of data that have a test part of their own
    #[arg(long, value_enum, default_value_t = Part::Train)]
    pub part: Part,
}

/// A part of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The training part, or all rows of data that have one part only
    Train,
    /// The source's own test part
    Test,
    /// Both, one after the other
    All,
}

/// Rows in order, and what to say about them.
pub struct Rows {
    /// The rows.
    pub dataset: Dataset,
    /// Sentences for the user.
    pub notes: Vec<String>,
}

impl RowOptions {
    /// Loads all rows of the part, in order, and checks that they have the form of the model's, and that nothing that is written `to`
    /// takes their place.
    ///
    /// # Errors
    /// Data that cannot be read, or are of another form; no test part; an output in the place of the data.
    pub fn load(&self, model: &Description, to: &[&Path]) -> Result<Rows, Failure> {
        places::expect_apart(&[&self.data], to)?;
        let source = load(model, &self.data, self.kind, Limit::Use)?;
        expect_form(model, &source, &self.data)?;
        let mut notes = source.notes.clone();
        let (train, test) = (source.train.rows(), source.test.as_ref().map_or(0, Dataset::rows));
        let dataset = match (self.part, source.test) {
            (Part::Train, None) | (Part::All, None) => source.train,
            (Part::Train, Some(_)) => {
                notes.push(format!(
                    "these are the {} of the training part; --part test takes the {} of the test part",
                    wording::of(train, "row", "rows"),
                    wording::count(test as u64)
                ));
                source.train
            }
            (Part::Test, Some(test)) => test,
            (Part::All, Some(test)) => joined(source.train, &test),
            (Part::Test, None) => {
                return Err(Failure::new(
                    format!(
                        "{}: --part test: these data have no test part of their own",
                        self.data.display()
                    ),
                    "leave --part out to take all rows",
                ));
            }
        };
        Ok(Rows { dataset, notes })
    }
}

/// Whether the recipe's limits on the number of rows hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// As in training, so that the same rows come out.
    Recipe,
    /// All rows.
    None,
    /// All rows, without the label maps that only judges need.
    Use,
}

/// Loads data from a path as the model's recipe reads them. The kind is recognised again, since a model trained on a table
/// may well be used on an array; labels that are not there are no mistake, since codes need none.
///
/// # Errors
/// As [`data::load`].
pub fn load(model: &Description, path: &Path, kind: Option<Kind>, limit: Limit) -> Result<Source, Failure> {
    let recipe = &model.recipe;
    let mut options = recipe.data.options(recipe.train.seed);
    if let (ItemShape::Vector { columns: Some(words), .. }, "text") = (&model.shape, model.source.as_str()) {
        options.vocabulary = Some(words.clone());
    }
    options.kind = kind.or_else(|| data::detect(path).ok()).or(options.kind);
    if limit == Limit::Use {
        options.maps = None;
    }
    if let (ItemShape::Image { height, width, channels: channels @ (1 | 3) }, "pictures", None) =
        (&model.shape, model.source.as_str(), options.patch)
    {
        // As the model saw them, whatever these would have been brought to by themselves.
        options.image_size = Some((*height, *width));
        options.colour = Some(*channels == 3);
    }
    if limit != Limit::Recipe {
        // Rows that are to be used are all of them, and none that chance cuts out of them.
        (options.rows, options.test_rows) = (None, None);
        if options.patch.take().is_some() {
            options.image_size = None;
        }
    }
    if options.kind == Some(Kind::Text) && model.source != "text" {
        return Err(Failure::new(
            format!(
                "{}: these are texts, and the model has learned from {} alone",
                path.display(),
                model.source
            ),
            "give data of the kind that the model was trained on, or train one on texts",
        ));
    }
    let unlabelled = Options { label_column: None, label_array: None, ..options.clone() };
    match data::load(Some(path), &options) {
        Err(DataError::NoColumn { .. } | DataError::NoArray { .. }) if recipe.data.label.is_some() => {
            Ok(data::load(Some(path), &unlabelled)?)
        }
        loaded => Ok(loaded?),
    }
}

/// Checks what a row is and names the data by their path. Flat rows may be pictures row by row; pictures are none of another shape.
///
/// # Errors
/// Rows of another width than the model's, pictures of another shape.
pub fn expect_form(model: &Description, source: &Source, path: &Path) -> Result<(), Failure> {
    source.train.expect_shape(&model.shape, &path.display().to_string())?;
    Ok(())
}

/// The rows of two parts of one source, one after the other.
pub fn joined(mut first: Dataset, second: &Dataset) -> Dataset {
    match (&mut first.values, &second.values) {
        (Values::U8(all), Values::U8(more)) => all.extend_from_slice(more),
        (all, more) => {
            let mut values = all.to_f32();
            values.extend(more.to_f32());
            *all = Values::F32(values);
        }
    }
    first.maps = match (first.maps.take(), &second.maps) {
        (Some(mut all), Some(more)) if all.names == more.names => {
            all.of_pixel.extend_from_slice(&more.of_pixel);
            Some(all)
        }
        _ => None,
    };
    first.labels = match (first.labels.take(), &second.labels) {
        // A source numbers the labels of its parts alike.
        (Some(mut all), Some(more)) if all.names == more.names => {
            all.of_row.extend_from_slice(&more.of_row);
            Some(all)
        }
        _ => None,
    };
    first.names = match (first.names.take(), &second.names) {
        (Some(mut all), Some(more)) => {
            all.extend_from_slice(more);
            Some(all)
        }
        _ => None,
    };
    first
}

/// Rows handled at once, and numbers of all of them, so that wide data need no second copy in memory.
const CHUNK: usize = 4096;
const CHUNK_NUMBERS: usize = 1 << 24;

/// What `work` makes of all rows in order, a chunk at a time.
///
/// # Errors
/// Those of `work`.
pub fn in_chunks<T>(
    dataset: &Dataset,
    mut work: impl FnMut(&[f32]) -> Result<Vec<T>, narrows::Error>,
) -> Result<Vec<T>, Failure> {
    let features = dataset.features();
    let chunk = (CHUNK_NUMBERS / features.max(1)).clamp(1, CHUNK);
    let mut results = Vec::new();
    let mut stored = vec![0.0; chunk.min(dataset.rows()) * features];
    for first in (0..dataset.rows()).step_by(chunk) {
        let rows = chunk.min(dataset.rows() - first);
        for (at, row) in stored.chunks_exact_mut(features).take(rows).enumerate() {
            dataset.row_f32(first + at, row);
        }
        results.extend(work(&stored[..rows * features])?);
    }
    Ok(results)
}

/// How a model's rows are written: as those were that it was trained on.
pub fn written(description: &Description) -> Written {
    Written {
        range: picture_range(&description.preparation),
        channels_first: description.recipe.data.channels_first,
    }
}

/// The stored values that are black and white in pictures of a model.
fn picture_range(preparation: &Preparation) -> (f32, f32) {
    match preparation {
        Preparation::Scale { minimum, maximum } if minimum.len() == 1 && maximum.len() == 1 => {
            (minimum[0], maximum[0])
        }
        // Means and deviations above 1 are those of bytes.
        Preparation::Standardise { mean, deviation }
            if mean.iter().chain(deviation).any(|number| *number > 1.0) =>
        {
            (0.0, 255.0)
        }
        _ => (0.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrows::data::Labels;

    fn rows(values: Values, labels: &[&str]) -> Dataset {
        Dataset {
            maps: None,
            shape: ItemShape::Vector { columns: None, width: 2 },
            values,
            labels: (!labels.is_empty()).then(|| Labels::from_texts(labels)),
            names: None,
        }
    }

    #[test]
    fn parts_are_joined_in_order() {
        let first = rows(Values::U8(vec![1, 2]), &["a"]);
        let all = joined(first.clone(), &rows(Values::U8(vec![3, 4]), &["a"]));
        assert_eq!(all.values, Values::U8(vec![1, 2, 3, 4]));
        assert_eq!(all.labels.unwrap().of_row, [0, 0]);
        let named = |name: &str| Dataset { names: Some(vec![name.to_owned()]), ..first.clone() };
        assert_eq!(joined(named("a.png"), &named("b.png")).names.unwrap(), ["a.png", "b.png"]);
        assert_eq!(joined(named("a.png"), &first).names, None);
        let mixed = joined(first, &rows(Values::F32(vec![0.5, 4.0]), &[]));
        assert_eq!((mixed.values, mixed.labels), (Values::F32(vec![1.0, 2.0, 0.5, 4.0]), None));
    }

    #[test]
    fn chunks_cover_every_row_once() {
        let many = 2 * CHUNK + 3;
        let dataset = rows(Values::F32((0..2 * many).map(|i| i as f32).collect()), &[]);
        let mut calls = 0;
        let same = in_chunks(&dataset, |rows| {
            calls += 1;
            Ok(rows.to_vec())
        });
        assert_eq!((Values::F32(same.unwrap()), calls), (dataset.values, 3));
    }
}

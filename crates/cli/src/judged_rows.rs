//! Which rows a trained model is judged on, and which rows its baselines are fitted on.

use crate::failure::Failure;
use crate::model_rows::{Limit, expect_form, joined, load};
use crate::wording;
use clap::ValueEnum;
use narrows::apply::{Codec, Evaluation, evaluate};
use narrows::data::{self, DataError, Dataset, Kind, Source, Split};
use narrows::model_file::Description;
use narrows::recipe::{ModelKind, SourceKind};
use narrows::train::Compute;
use std::path::Path;

/// The rows that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// The source's own test part, or the rows that training set aside
    Test,
    /// The rows that the model learned from
    Train,
    /// Every row
    All,
}

impl Which {
    /// Its name in options and output.
    pub fn name(self) -> &'static str {
        match self {
            Which::Test => "test",
            Which::Train => "train",
            Which::All => "all",
        }
    }
}

/// Rows to judge by. `split.test` are those that are judged, `split.train` those that the baselines are fitted on.
pub struct JudgedRows {
    /// The rows.
    pub source: Source,
    /// Which of them are what.
    pub split: Split,
    /// What a user should know about the choice.
    pub notes: Vec<String>,
}

impl JudgedRows {
    /// Loads and chooses them for a model.
    ///
    /// # Errors
    /// Data that are missing, cannot be read, or have another width than the model's.
    pub fn load(
        model: &Description,
        path: Option<&Path>,
        kind: Option<Kind>,
        which: Which,
    ) -> Result<JudgedRows, Failure> {
        let (rows, same) = JudgedRows::split(model, path, kind)?;
        let mut rows = rows.choose(model, same, which);
        rows.expect_some();
        Ok(rows)
    }

    /// Loads them for something that learns from `split.train` and is judged on rows apart from those: the test rows, or those held
    /// out.
    ///
    /// # Errors
    /// As [`JudgedRows::load`]; no rows to judge by.
    pub fn load_apart(
        model: &Description,
        path: Option<&Path>,
        kind: Option<Kind>,
    ) -> Result<JudgedRows, Failure> {
        let (mut rows, _) = JudgedRows::split(model, path, kind)?;
        if rows.split.test.is_empty() && rows.split.validation.is_empty() {
            return Err(Failure::new(
                "no rows are set aside to judge by".to_owned(),
                "give more rows, or train with --set data.test=0.2",
            ));
        }
        rows.expect_some();
        Ok(rows)
    }

    /// Rows as the model's recipe splits them, and whether they are those that it was trained on.
    fn split(
        model: &Description,
        path: Option<&Path>,
        kind: Option<Kind>,
    ) -> Result<(JudgedRows, bool), Failure> {
        let recipe = &model.recipe;
        let mut source = match path {
            Some(path) => load(model, path, kind, Limit::Recipe)?,
            None if recipe.data.source == SourceKind::Glyphs => {
                data::load(None, &recipe.data.options(recipe.train.seed))?
            }
            None => {
                return Err(Failure::new(
                    format!("the model was trained on {} data, which are not in its file", model.source),
                    "say where they are with --data PATH",
                ));
            }
        };
        let same = source.fingerprint() == model.fingerprint;
        if let (false, Some(path)) = (same, path) {
            let limited = recipe.data.rows.is_some() || recipe.data.test_rows.is_some();
            if limited && recipe.data.patch.is_none() {
                source = load(model, path, kind, Limit::None)?;
            }
            expect_form(model, &source, path)?;
        }
        let notes = source.notes.clone();
        let split = Split::new(&source, &recipe.data.split_options(recipe.train.seed));
        let split = split.or_else(|error| too_few(&source, error, same))?;
        Ok((JudgedRows { split, source, notes }, same))
    }

    /// Makes sure that there is something to judge by: without test rows those held out, without those the rows learned from.
    pub fn expect_some(&mut self) {
        if !self.split.test.is_empty() {
            return;
        }
        let (rows, whose) = match self.split.validation.is_empty() {
            false => (&self.split.validation, "the held-out rows"),
            true => (&self.split.train, "the rows that it learned from"),
        };
        self.split.test = rows.clone();
        self.split.test_is_own_part = false;
        self.notes.push(format!("no rows were set aside for testing: the model is judged on {whose}"));
    }

    /// Puts the rows that were asked for where judges look.
    fn choose(mut self, model: &Description, same: bool, which: Which) -> JudgedRows {
        let own_part = self.split.test_is_own_part;
        match which {
            Which::Test if same || own_part => {}
            // Of other data none was learned from.
            Which::Test | Which::All => self.judge_all(),
            Which::Train => {
                self.split.test = self.split.train.clone();
                self.split.test_is_own_part = false;
            }
        }
        if !same {
            let fitted = wording::of(self.split.train.len(), "row", "rows");
            // Models that tell classes are not held against PCA.
            let tells_classes =
                matches!(model.recipe.model.kind, ModelKind::Classifier | ModelKind::Segmenter);
            let told = [
                (which == Which::Test && !own_part, "all of them are judged".to_owned()),
                (!tells_classes, format!("PCA and the mean are fitted on {fitted} of them")),
            ];
            let told: Vec<String> = told.into_iter().filter(|(is, _)| *is).map(|(_, text)| text).collect();
            let what = if told.is_empty() { String::new() } else { format!(": {}", told.join(", and ")) };
            let whose = match model.is_imported() {
                true => "nobody here knows what the imported weights were trained on",
                false => "these are other data than the model was trained on",
            };
            self.notes.push(format!("{whose}{what}"));
        }
        self
    }

    /// Judges every row of both parts.
    fn judge_all(&mut self) {
        if let Some(test) = self.source.test.take() {
            let none = Dataset {
                maps: None,
                shape: test.shape.clone(),
                values: data::Values::U8(Vec::new()),
                labels: None,
                names: None,
            };
            let train = std::mem::replace(&mut self.source.train, none);
            self.source.train = joined(train, &test);
        }
        self.split.test = (0..self.source.train.rows() as u32).collect();
        self.split.test_is_own_part = false;
    }

    /// Judges the model; by so many samples, where it has a likelihood to estimate.
    ///
    /// # Errors
    /// As [`evaluate()`].
    pub fn evaluate(&self, codec: &Codec, samples: usize, compute: &Compute) -> Result<Evaluation, Failure> {
        let (dataset, rows) = (self.split.test_dataset(&self.source), &self.split.test);
        Ok(evaluate(codec, dataset, rows, (&self.source.train, &self.split.train), samples, compute)?)
    }
}

/// Other data may be too few to be split; a few rows can be judged all the same.
fn too_few(source: &Source, error: DataError, same: bool) -> Result<Split, DataError> {
    if same || !matches!(error, DataError::TooFewRows { .. }) {
        return Err(error);
    }
    let all = |dataset: &Dataset| (0..dataset.rows() as u32).collect::<Vec<u32>>();
    Ok(Split {
        train: all(&source.train),
        validation: Vec::new(),
        test: source.test.as_ref().map_or_else(Vec::new, all),
        test_is_own_part: source.test.is_some(),
    })
}

//! From a trained model and the rows that judge it to a report's input; the only file here that knows models.
//!
//! Rows that are shown come from the test part, spread over it, and the choice depends on nothing but their labels and
//! number: the same model and rows make the same page. Labels colour points and name classes; no model hears them here.

mod codes;
mod facts;
mod generated;
mod maps;
#[cfg(test)]
mod tests;
mod units;

use std::cmp::Reverse;

use super::html::whole;
use super::{
    ClassFigures, Comparison, EpochPoint, Figure, Mistake, NamedRows, PictureShape, ReportInput, Verdict,
};
use crate::Error;
use crate::apply::evaluate::{components, fit_pca, largest, true_classes};
use crate::apply::family::Denoiser;
use crate::apply::inpaint::{Mask, block, inpaint, quality};
use crate::apply::{Codec, Evaluation, Figures, Rival};
use crate::data::{Dataset, ItemShape, Preparation, Source, Split, Values};
use crate::model_file::Description;
use crate::recipe::Corruption;
use crate::train::Compute;

/// Pictures, or rows of a table, that are shown beside their reconstructions; pictures fill whole bands.
const MOST_PICTURES: usize = 24;
const MOST_CHARTS: usize = 12;
/// Filters that are shown as pictures, or as lines of squares.
const MOST_FILTERS: usize = 64;
const MOST_LINES: usize = 24;
/// Mistakes that are shown.
const MOST_MISTAKES: usize = 24;
/// Rows classified at once.
const CHUNK: usize = 1024;

/// Everything that a report shows of a model: what it was trained on and how, what it makes of rows that it has not
/// learned from, beside PCA fitted on the training rows of `split`, and what its layers and codes look like.
///
/// `evaluation` is that of the same model on the rows that judge it: the test rows, or where there are none the
/// validation rows, or the training rows. `rivals` are models trained beside it, often none. `followed` is the one of the judging rows
/// whose way through the layers is shown, counted from 0; if there is no such row, none is.
///
/// # Errors
///
/// Rows of another width than the model's; for a classifier rows without labels, or with labels that it does not know;
/// rows that PCA cannot be fitted to.
pub fn of_model(
    codec: &Codec,
    source: &Source,
    split: &Split,
    evaluation: &Evaluation,
    rivals: &[Rival],
    followed: usize,
    compute: &Compute,
) -> Result<ReportInput, Error> {
    source.train.expect_features(codec.features(), "the data")?;
    let description = &codec.model().description;
    let shown = Shown::new(codec, source, split);
    let comparison = match !codec.model().is_autoencoder() {
        true => Comparison::default(),
        false => comparison(&shown, (&source.train, &split.train), rivals, compute)?,
    };
    let recipe = &description.recipe;
    let title = match recipe.name.as_str() {
        "" => capitalised(facts::source_words(&description.source)),
        name => name.to_owned(),
    };
    Ok(ReportInput {
        title,
        about: recipe.about.clone(),
        facts: facts::of(codec, source),
        verdict: Some(verdict(&shown, evaluation)?),
        history: history(description),
        loss_name: description.output.loss_name().to_owned(),
        best_epoch: description.best_epoch,
        picture: shown.picture,
        filter_picture: units::filter_picture(&shown),
        comparison,
        gradients: units::gradients(description),
        activations: units::activations(&shown)?,
        filters: units::filters(&shown, if shown.picture.is_some() { MOST_FILTERS } else { MOST_LINES })?,
        other_filters: units::other_filters(&shown, (&source.train, &split.train), rivals, compute)?,
        filters_of: codec.network().layers[0].units(),
        words: words(description),
        codes: codes::map(&shown, compute)?,
        generated: generated::of(&shown, (&source.train, &split.train))?,
        classes: classes(&shown, evaluation)?,
        segmentation: maps::segmentation(&shown, &evaluation.figures)?,
        followed: shown.followed(followed),
        maps: maps::feature_maps(&shown, followed)?,
        recipe: recipe.to_toml(),
    })
}

/// The rows that judge the model, and how their values become what the page draws.
struct Shown<'a> {
    codec: &'a Codec,
    dataset: &'a Dataset,
    /// Rows of the data set.
    rows: &'a [u32],
    /// What they are: "test".
    part: &'static str,
    picture: Option<PictureShape>,
    /// Stored values that are black and white in a picture.
    levels: (f32, f32),
}

impl<'a> Shown<'a> {
    fn new(codec: &'a Codec, source: &'a Source, split: &'a Split) -> Self {
        let (dataset, rows, part) = if !split.test.is_empty() {
            (split.test_dataset(source), &split.test, "test")
        } else if !split.validation.is_empty() {
            (&source.train, &split.validation, "validation")
        } else {
            (&source.train, &split.train, "training")
        };
        let picture = match dataset.shape {
            ItemShape::Image { height, width, channels: channels @ (1 | 3) } => {
                Some(PictureShape { height, width, channels })
            }
            _ => None,
        };
        let levels = levels(&dataset.values, &codec.model().description.preparation);
        Shown { codec, dataset, rows, part, picture, levels }
    }

    fn preparation(&self) -> &Preparation {
        &self.codec.model().description.preparation
    }

    /// So many rows, in order, evenly spread over all.
    fn spread(&self, most: usize) -> Vec<u32> {
        let count = most.min(self.rows.len());
        (0..count).map(|index| self.rows[index * self.rows.len() / count]).collect()
    }

    /// So many rows: the first of each class, then the second of each; evenly spread where there are no labels.
    fn of_each_class(&self, most: usize) -> Vec<u32> {
        let Some(labels) = &self.dataset.labels else { return self.spread(most) };
        let mut classes = vec![Vec::new(); labels.names.len()];
        for row in self.rows {
            classes[labels.of_row[*row as usize] as usize].push(*row);
        }
        let turns = (0..self.rows.len()).take(most);
        turns
            .flat_map(|turn| classes.iter().filter_map(move |rows| rows.get(turn).copied()))
            .take(most)
            .collect()
    }

    /// One of the rows, counted from 0, by its name or its number among them, as the page draws it.
    fn followed(&self, number: usize) -> Option<(String, Vec<f32>)> {
        let row = *self.rows.get(number).filter(|_| self.picture.is_some())?;
        let name = match &self.dataset.names {
            Some(names) => names[row as usize].clone(),
            None => format!("picture {number} of the {} part, counted from 0", self.part),
        };
        Some((name, self.draw(self.stored(&[row])).concat()))
    }

    /// Stored values of rows, one row after the other.
    fn stored(&self, rows: &[u32]) -> Vec<f32> {
        self.dataset.select(rows).values.to_f32()
    }

    /// Stored rows as the page draws them: pictures from 0 to 1, others in the prepared scale, where columns of
    /// different units have their places on one axis.
    fn draw(&self, mut stored: Vec<f32>) -> Vec<Vec<f32>> {
        if self.picture.is_some() {
            let (black, white) = self.levels;
            stored.iter_mut().for_each(|value| *value = ((*value - black) / (white - black)).clamp(0.0, 1.0));
        } else {
            self.preparation().prepare(&mut stored);
        }
        self.cut(&stored)
    }

    /// The same of prepared rows.
    fn draw_prepared(&self, mut prepared: Vec<f32>) -> Vec<Vec<f32>> {
        if self.picture.is_none() {
            return self.cut(&prepared);
        }
        self.preparation().restore(&mut prepared);
        self.draw(prepared)
    }

    fn cut(&self, values: &[f32]) -> Vec<Vec<f32>> {
        values.chunks_exact(self.codec.features()).map(<[f32]>::to_vec).collect()
    }

    /// "2 000 test rows"; without their name where so many others were counted.
    fn words(&self, count: usize) -> String {
        let part = if count == self.rows.len() { self.part } else { "" };
        format!("{} {part} rows", whole(count as f64)).replace("  ", " ")
    }
}

/// Stored values that are black and white: what the training rows were scaled from, 0 and 1, or else the extremes.
fn levels(values: &Values, preparation: &Preparation) -> (f32, f32) {
    let (low, high) = match (values, preparation) {
        (Values::U8(_) | Values::Stored(_), _) => (0.0, 255.0),
        (_, Preparation::Scale { minimum, maximum }) if minimum.len() == 1 => (minimum[0], maximum[0]),
        (Values::F32(values), _) => {
            let low = values.iter().copied().fold(0.0, f32::min);
            (low, values.iter().copied().fold(1.0 + low, f32::max))
        }
    };
    if low < high { (low, high) } else { (low, low + 1.0) }
}

/// Pictures of which blocks are filled in for the verdict.
const MOST_FILLED: usize = 256;

/// How well missing blocks are filled in, of models that have learned to, beside the mean of their border.
fn filled(shown: &Shown<'_>) -> Result<Vec<(String, String)>, Error> {
    let train = &shown.codec.model().description.recipe.train;
    let (Corruption::Block { height, width }, true) = (train.corruption, shown.picture.is_some()) else {
        return Ok(Vec::new());
    };
    let rows = shown.spread(MOST_FILLED);
    let stored = shown.stored(&rows);
    let shape = &shown.dataset.shape;
    let masks: Vec<Mask> =
        rows.iter().map(|row| block(shape, (height, width), *row, train.seed)).collect::<Result<_, _>>()?;
    let range = f64::from(shown.levels.1 - shown.levels.0);
    let made = inpaint(shown.codec, &stored, &masks)?;
    let [own, border] = quality(&stored, &made, &masks, shape, range);
    let blocks = format!("missing blocks of {height}x{width}");
    Ok(vec![
        (format!("{blocks}, filled"), format!("{own:.2} dB")),
        (format!("{blocks}, the mean of their border"), format!("{border:.2} dB")),
    ])
}

fn verdict(shown: &Shown<'_>, evaluation: &Evaluation) -> Result<Verdict, Error> {
    let rows = shown.words(evaluation.rows);
    let figure = |name: String, value, is_model| Figure { name, value, is_model };
    let of_rivals = |scale: f64| {
        evaluation.rivals.iter().map(move |rival| figure(rival.name.clone(), scale * rival.figure, false))
    };
    let text = capitalised(&evaluation.verdict) + ".";
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let mut more: Vec<(String, String)> = Vec::new();
    let mut tell = |name: &str, value: String| more.push((name.to_owned(), value));
    let (figures_are, figures) = match &evaluation.figures {
        Figures::Reconstruction(own) => {
            let components = own.baselines.pca_components;
            let units = if components == 1 { "unit" } else { "units" };
            let pca = format!("PCA, {} {units}", whole(components as f64));
            let figures = vec![
                figure("this model".to_owned(), own.squared_error, true),
                figure(pca, own.baselines.pca.squared_error, false),
                figure("the mean".to_owned(), own.baselines.mean.squared_error, false),
            ];
            if let Some(pictures) = &own.pictures {
                tell("PSNR", format!("{:.2} dB", pictures.psnr));
                tell("SSIM", format!("{:.4}", pictures.ssim));
            }
            more.extend(filled(shown)?);
            let figures = figures.into_iter().chain(of_rivals(1.0)).collect();
            (format!("squared error a row on {rows}, in the prepared scale; lower is better"), figures)
        }
        Figures::Classification(own) => {
            tell("accuracy", percent(own.accuracy));
            if let Some(share) = own.top_5 {
                tell("top-5 accuracy", percent(share));
            }
            tell("cross-entropy a row", super::html::number(own.cross_entropy));
            let figures = vec![
                figure("this model".to_owned(), 100.0 * own.accuracy, true),
                figure("always the commonest".to_owned(), 100.0 * own.most_frequent, false),
            ];
            let figures = figures.into_iter().chain(of_rivals(100.0)).collect();
            (format!("{rows}: percent that are given their own class; higher is better"), figures)
        }
        Figures::Segmentation(own) => {
            let figures = vec![
                figure("this model".to_owned(), 100.0 * own.pixel_accuracy, true),
                figure("always the commonest".to_owned(), 100.0 * own.most_frequent, false),
            ];
            tell("pixel accuracy", percent(own.pixel_accuracy));
            tell("class average", percent(own.class_average));
            tell("mean IoU", percent(own.mean_iou));
            let figures = figures.into_iter().chain(of_rivals(100.0)).collect();
            (format!("{rows}: percent of pixels that are given their own class; higher is better"), figures)
        }
    };
    Ok(Verdict { text, figures_are, figures, more })
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn history(description: &Description) -> Vec<EpochPoint> {
    let point = |record: &crate::train::EpochRecord| EpochPoint {
        epoch: record.epoch,
        train_loss: record.train_loss,
        held_out_loss: record.held_out_loss,
    };
    // Stages of pre-training have losses of their own, which mean something else.
    description.history.iter().filter(|record| record.stage == 0).map(point).collect()
}

/// What a text's columns are.
fn words(description: &Description) -> Option<Vec<String>> {
    match (&description.shape, description.source.as_str()) {
        (ItemShape::Vector { columns, .. }, "text") => columns.clone(),
        _ => None,
    }
}

/// Rows, and what the model and PCA with as many numbers make of them.
fn comparison(
    shown: &Shown<'_>,
    training: (&Dataset, &[u32]),
    rivals: &[Rival],
    compute: &Compute,
) -> Result<Comparison, Error> {
    let most = if shown.picture.is_some() { MOST_PICTURES } else { MOST_CHARTS };
    let rows = shown.of_each_class(most);
    let stored = shown.stored(&rows);
    let pca = fit_pca(shown.preparation(), training, components(shown.codec), compute)?;
    let mut prepared = stored.clone();
    shown.preparation().prepare(&mut prepared);
    let mut from_pca = vec![0.0; prepared.len()];
    let features = shown.codec.features();
    for (row, out) in prepared.chunks_exact(features).zip(from_pca.chunks_exact_mut(features)) {
        pca.reconstruct(row, out);
    }
    let rebuilt = shown.codec.reconstruct_prepared(&stored)?;
    let train = &shown.codec.model().description.recipe.train;
    let mut both = [Vec::new(), Vec::new()];
    // Lines in a chart of five would be told apart by nobody.
    if shown.picture.is_some() && train.corruption != Corruption::None {
        both = Denoiser::new(shown.codec, train.corruption)?.run(&stored, &rows, train.seed)?;
    }
    let of_rival = |rival: &Rival| -> Result<NamedRows, Error> {
        Ok((rival.name.clone(), shown.draw_prepared(rival.codec.reconstruct_prepared(&stored)?)))
    };
    let rivals = rivals.iter().map(of_rival).collect::<Result<_, Error>>()?;
    if let (Corruption::Block { .. }, [before, after]) = (train.corruption, &mut both) {
        // Filled in: what was known stays as it was.
        for ((after, before), clean) in after.iter_mut().zip(before.iter()).zip(&prepared) {
            *after = if before == clean { *clean } else { *after };
        }
    }
    let [corrupted, cleaned] = both.map(|rows| shown.draw_prepared(rows));
    Ok(Comparison {
        corrupted,
        cleaned,
        rivals,
        originals: shown.draw(stored),
        reconstructions: shown.draw_prepared(rebuilt),
        pca: shown.draw_prepared(from_pca),
    })
}

/// For a classifier: what was taken for what, and the mistakes of which it was surest.
fn classes(shown: &Shown<'_>, evaluation: &Evaluation) -> Result<Option<ClassFigures>, Error> {
    let Figures::Classification(figures) = &evaluation.figures else { return Ok(None) };
    let truths = true_classes(shown.codec, shown.dataset)?;
    let mut mistakes = Vec::new();
    for chunk in shown.rows.chunks(CHUNK) {
        let confidences = shown.codec.classify(&shown.stored(chunk))?;
        for (row, confidences) in chunk.iter().zip(confidences.chunks_exact(shown.codec.network().outputs()))
        {
            let (truth, guess) = (truths[*row as usize], largest(confidences));
            if guess != truth {
                mistakes.push((*row, truth, guess, confidences[guess]));
            }
        }
    }
    // Bits of positive numbers are in the numbers' order; sorting keeps the rows' order among equals.
    mistakes.sort_by_key(|(_, _, _, confidence)| Reverse(confidence.to_bits()));
    mistakes.truncate(MOST_MISTAKES);
    let mistake = |(row, truth, guess, confidence): (u32, usize, usize, f32)| {
        let row = shown.draw(shown.stored(&[row])).concat();
        Mistake { row, truth, guess, confidence }
    };
    Ok(Some(ClassFigures {
        names: figures.classes.clone(),
        confusion: figures.confusion.clone(),
        mistakes: mistakes.into_iter().map(mistake).collect(),
    }))
}

//! Evaluation: a model's figures on rows that it has not learned from, beside the baselines that a sceptic would name.

use super::codec::Codec;
use super::family::{self, Family, Judged};
use super::health;
use super::pca::{DIRECT, Pca};
use super::picture_quality::{PictureQuality, mean_squared_error, psnr, ssim};
use super::segmentation::{Segmentation, segmentation};
use crate::data::{Dataset, ItemShape, Preparation, Values};
use crate::error::Error;
use crate::recipe::Bottleneck;
use crate::train::Compute;
use serde::Serialize;

/// Rows read at once.
const ROWS: usize = 1024;

/// The error of a baseline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Baseline {
    /// Summed over features, averaged over rows, in the prepared scale.
    pub squared_error: f64,
}

/// What an autoencoder is held against.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Baselines {
    /// Every row rebuilt as the mean training row.
    pub mean: Baseline,
    /// PCA with as many components as the code has units, or keeps of them in a row, fitted on the training rows.
    pub pca: Baseline,
    /// How many components those are.
    pub pca_components: usize,
}

/// Figures of an autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reconstruction {
    /// Summed over features, averaged over rows, in the prepared scale.
    pub squared_error: f64,
    /// The same, divided by the number of features.
    pub squared_error_per_feature: f64,
    /// Of pictures of one or three colours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<PictureQuality>,
    /// The baselines.
    pub baselines: Baselines,
    /// What the model's parts call for.
    #[serde(flatten)]
    pub family: Family,
}

/// Figures of a classifier.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classification {
    /// Share of rows given their own class.
    pub accuracy: f64,
    /// Share of rows whose own class is among the five most confident, where there are more than five.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_5: Option<f64>,
    /// −ln of the confidence in the true class, averaged over rows.
    pub cross_entropy: f64,
    /// Rows of true class i that were given class j.
    pub confusion: Vec<Vec<u64>>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Accuracy of naming the most frequent class of these rows every time.
    pub most_frequent: f64,
}

/// The figures of one kind of model or another.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Figures {
    /// Of an autoencoder.
    Reconstruction(Reconstruction),
    /// Of a classifier.
    Classification(Classification),
    /// Of a segmenter.
    Segmentation(Segmentation),
}

/// A model that was trained beside another one, to be held against it.
pub struct Rival {
    /// What it is called in the recipe of both.
    pub name: String,
    /// The model.
    pub codec: Codec,
}

/// A rival's figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RivalFigure {
    /// What it is called.
    pub name: String,
    /// Its squared error a row, or the share of rows or pixels that it gives their own class.
    pub figure: f64,
}

/// An evaluation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Rows looked at.
    pub rows: usize,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// What they mean, in a sentence.
    pub verdict: String,
    /// The figures of models trained beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<RivalFigure>,
}

impl Evaluation {
    /// Judges rivals on the same rows.
    ///
    /// # Errors
    /// As [`evaluate()`].
    pub fn add_rivals(&mut self, rivals: &[Rival], dataset: &Dataset, rows: &[u32]) -> Result<(), Error> {
        for Rival { name, codec } in rivals {
            let model = codec.model();
            let figure = if model.is_classifier() || model.is_segmenter() {
                let told = match model.is_classifier() {
                    true => classification(codec, dataset, rows)?,
                    false => segmentation(codec, dataset, rows)?,
                };
                match told.figures {
                    Figures::Classification(own) => own.accuracy,
                    Figures::Segmentation(own) => own.pixel_accuracy,
                    Figures::Reconstruction(own) => own.squared_error,
                }
            } else {
                squared_error(codec, dataset, rows, |_, _| ())?
            };
            self.rivals.push(RivalFigure { name: name.clone(), figure });
        }
        Ok(())
    }
}

/// The squared error of reconstructions, averaged over rows; every prepared row, and what becomes of it, is shown to `see`.
fn squared_error(
    codec: &Codec,
    dataset: &Dataset,
    rows: &[u32],
    mut see: impl FnMut(&[f32], &[f32]),
) -> Result<f64, Error> {
    let features = dataset.features();
    let mut error = 0.0;
    for chunk in rows.chunks(ROWS) {
        let mut prepared = dataset.select(chunk).values.to_f32();
        let rebuilt = codec.reconstruct_prepared(&prepared)?;
        codec.model().description.preparation.prepare(&mut prepared);
        for (row, rebuilt) in prepared.chunks_exact(features).zip(rebuilt.chunks_exact(features)) {
            error += squared_distance(row, rebuilt);
            see(row, rebuilt);
        }
    }
    Ok(error / rows.len().max(1) as f64)
}

/// Evaluates `codec` on `rows` of `dataset`. PCA and the mean are fitted on `training`; a log-likelihood is estimated by so many
/// `samples`, if any, where the model has one.
///
/// # Errors
/// Rows of another width, labels missing or unknown.
pub fn evaluate(
    codec: &Codec,
    dataset: &Dataset,
    rows: &[u32],
    training: (&Dataset, &[u32]),
    samples: usize,
    compute: &Compute,
) -> Result<Evaluation, Error> {
    dataset.expect_features(codec.features(), "the data")?;
    if codec.model().is_classifier() {
        return classification(codec, dataset, rows);
    }
    if codec.model().is_segmenter() {
        return segmentation(codec, dataset, rows);
    }
    let pca = fit_pca(&codec.model().description.preparation, training, components(codec), compute)?;
    reconstruction(&Judged { codec, dataset, rows, pca: &pca, samples }, training.1.len())
}

/// As many components for PCA as a row is told by numbers.
pub(crate) fn components(codec: &Codec) -> usize {
    match codec.network().bottleneck {
        Bottleneck::TopK { keep, .. } => keep,
        // Of wide rows so many directions take longer to find than the model took to train.
        _ if codec.features() > DIRECT => codec.code().min(MOST_COMPONENTS),
        _ => codec.code().min(codec.features()),
    }
}

/// Components of PCA that wide rows are held against at most.
const MOST_COMPONENTS: usize = 256;

/// PCA of prepared training rows.
///
/// # Errors
/// As [`Pca::fit`].
pub fn fit_pca(
    preparation: &Preparation,
    (dataset, rows): (&Dataset, &[u32]),
    components: usize,
    compute: &Compute,
) -> Result<Pca, Error> {
    let mut read = |row: usize, out: &mut [f32]| {
        dataset.row_f32(rows[row] as usize, out);
        preparation.prepare(out);
    };
    // N rows differ from their mean in N − 1 directions at most.
    let components = components.min(rows.len().saturating_sub(1).max(1));
    Ok(Pca::fit(rows.len(), dataset.features(), components, &mut read, &compute.pool, compute.level)?)
}

fn reconstruction(judged: &Judged<'_>, fitted: usize) -> Result<Evaluation, Error> {
    let Judged { codec, dataset, rows, pca, .. } = *judged;
    let features = dataset.features();
    let preparation = &codec.model().description.preparation;
    let mut mean = 0.0;
    let mut pictures = PictureMeans::new(dataset, preparation, rows.len());
    let squared_error = squared_error(codec, dataset, rows, |row, rebuilt| {
        mean += squared_distance(row, pca.mean());
        if let Some(pictures) = &mut pictures {
            pictures.add(row, rebuilt);
        }
    })?;
    let mut read = |row: usize, out: &mut [f32]| {
        dataset.row_f32(rows[row] as usize, out);
        preparation.prepare(out);
    };
    let count = rows.len().max(1) as f64;
    let baselines = Baselines {
        mean: Baseline { squared_error: mean / count },
        pca: Baseline { squared_error: pca.squared_error(rows.len(), &mut read)? },
        pca_components: pca.components(),
    };
    let family = family::figures(judged)?;
    let held_back = family != Family::default() || codec.model().is_boltzmann();
    // As many as a row is told by, whether or not PCA has so many components.
    let numbers = pca.components().max(match codec.network().bottleneck {
        Bottleneck::TopK { keep, .. } => keep,
        _ => codec.code(),
    });
    let bits = matches!(codec.network().bottleneck, Bottleneck::Binary { .. });
    let mut verdict = verdict(squared_error, &baselines, numbers, features, fitted, held_back, bits);
    add_sentences(&mut verdict, family.sentences(codec.code()));
    add_sentences(&mut verdict, health::sentences(&codec.model().description));
    let squared_error_per_feature = squared_error / features as f64;
    let figures = Figures::Reconstruction(Reconstruction {
        squared_error,
        squared_error_per_feature,
        pictures: pictures.map(|pictures| pictures.mean()),
        baselines,
        family,
    });
    Ok(Evaluation { rows: rows.len(), figures, verdict, rivals: Vec::new() })
}

/// How near pictures come to theirs, summed up.
struct PictureMeans<'p> {
    preparation: &'p Preparation,
    size: (usize, usize, usize),
    range: f64,
    sum: PictureQuality,
    /// Pictures so far, those of them that structural similarity was found for, and how many there are for one of these.
    seen: usize,
    compared: usize,
    every: usize,
}

/// Pictures that structural similarity is found for, evenly spread over all: it takes a hundred times as long as the rest.
const MOST_COMPARED: usize = 1000;

impl PictureMeans<'_> {
    /// Of pictures of one or three colours; of others nothing.
    fn new<'p>(dataset: &Dataset, preparation: &'p Preparation, rows: usize) -> Option<PictureMeans<'p>> {
        let ItemShape::Image { height, width, channels: channels @ (1 | 3) } = dataset.shape else {
            return None;
        };
        let range = match &dataset.values {
            Values::U8(_) | Values::Stored(_) => 255.0,
            Values::F32(values) => {
                let ends = values
                    .iter()
                    .fold((0.0f32, 0.0f32), |(low, high), value| (low.min(*value), high.max(*value)));
                f64::from(ends.1 - ends.0).max(f64::MIN_POSITIVE)
            }
        };
        Some(PictureMeans {
            preparation,
            size: (height, width, channels),
            range,
            sum: PictureQuality::default(),
            seen: 0,
            compared: 0,
            every: rows.div_ceil(MOST_COMPARED).max(1),
        })
    }

    fn add(&mut self, row: &[f32], rebuilt: &[f32]) {
        let stored = |prepared: &[f32]| {
            let mut stored = prepared.to_vec();
            self.preparation.restore(&mut stored);
            stored
        };
        let (row, rebuilt) = (stored(row), stored(rebuilt));
        self.sum.psnr += psnr(mean_squared_error(&row, &rebuilt), self.range);
        if self.seen.is_multiple_of(self.every) {
            self.sum.ssim += ssim(&row, &rebuilt, self.size, self.range);
            self.compared += 1;
        }
        self.seen += 1;
    }

    fn mean(&self) -> PictureQuality {
        let mean = |sum: f64, count: usize| sum / count.max(1) as f64;
        PictureQuality { psnr: mean(self.sum.psnr, self.seen), ssim: mean(self.sum.ssim, self.compared) }
    }
}

pub(super) fn add_sentences(verdict: &mut String, sentences: Vec<String>) {
    for sentence in sentences {
        verdict.push_str("; ");
        verdict.push_str(&sentence);
    }
}

pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

/// What an autoencoder's figures mean. PCA is matched within 1 % of its error, or of 0.01 % of the mean's where it leaves
/// next to nothing.
fn verdict(
    own: f64,
    baselines: &Baselines,
    code: usize,
    features: usize,
    fitted: usize,
    held_back: bool,
    bits: bool,
) -> String {
    let (mean, pca) = (baselines.mean.squared_error, baselines.pca.squared_error);
    let percent = |from: f64| 100.0 * (1.0 - own / from);
    let units = match (bits, code) {
        (true, _) => format!("{code} bits"),
        (false, 1) => "1 number".to_owned(),
        _ => format!("{code} numbers"),
    };
    let [own_, mean_, pca_] = [own, mean, pca].map(figure);
    // Of wide or few rows there are fewer directions than a code has numbers.
    let as_many = match baselines.pca_components {
        fewer if fewer < code.min(features) => format!("with {fewer}"),
        _ => "with as many".to_owned(),
    };
    if own.partial_cmp(&mean) != Some(std::cmp::Ordering::Less) {
        return format!(
            "not useful yet: an error of {own_} a row, and the mean training row alone leaves {mean_}; train longer, or lower the learning rate"
        );
    }
    // What is kept from copying pays for it with its error; its family's figures say what that buys.
    if held_back && (code >= features || own > pca) {
        return format!(
            "{units} a row leave an error of {own_}; copying is held back, PCA {as_many} numbers leaves {pca_}, the mean {mean_}"
        );
    }
    if code >= features {
        return format!(
            "an error of {own_} a row with a code as wide as the row: copying would leave 0, so the figure says little; narrow the code"
        );
    }
    let equal = (0.01 * pca).max(1e-4 * mean);
    if own <= pca - equal {
        format!(
            "worth having: {units} a row leave an error of {own_}, {:.0} % less than PCA {as_many} ({pca_}) and {:.0} % less than the mean ({mean_})",
            percent(pca),
            percent(mean)
        )
    } else if own < pca + equal {
        format!(
            "as good as PCA: {units} a row leave an error of {own_}, PCA {pca_}, the mean {mean_}; a linear model does as well here"
        )
    } else {
        let more = if fitted < 2000 {
            "with so few training rows, prefer PCA or a smaller network"
        } else {
            "train longer or wider, or use PCA"
        };
        format!("worse than PCA: {units} a row leave an error of {own_}, PCA {as_many} {pca_}; {more}")
    }
}

/// An error with two places, or as many as show three digits of a small one.
fn figure(value: f64) -> String {
    if !(1e-9..1.0).contains(&value) {
        return format!("{value:.2}");
    }
    let places = (2.0 - value.log10().floor()).max(2.0) as usize;
    format!("{value:.places$}")
}

fn classification(codec: &Codec, dataset: &Dataset, rows: &[u32]) -> Result<Evaluation, Error> {
    let classes = codec.model().description.classes.clone();
    let truths = true_classes(codec, dataset)?;
    let mut confusion = vec![vec![0u64; classes.len()]; classes.len()];
    let (mut cross_entropy, mut among_five) = (0.0, 0u64);
    for chunk in rows.chunks(ROWS) {
        let confidences = codec.classify(&dataset.select(chunk).values.to_f32())?;
        for (row, confidence) in chunk.iter().zip(confidences.chunks_exact(classes.len())) {
            let truth = truths[*row as usize];
            confusion[truth][largest(confidence)] += 1;
            // Of equally sure classes the first count as surer.
            let surer = confidence.iter().enumerate().filter(|(class, own)| {
                **own > confidence[truth] || (**own == confidence[truth] && *class < truth)
            });
            among_five += u64::from(surer.count() < 5);
            // The smallest positive f32 keeps a certain mistake finite.
            cross_entropy -= f64::from(confidence[truth].max(f32::MIN_POSITIVE)).ln();
        }
    }
    let count = rows.len().max(1) as f64;
    let right: u64 = (0..classes.len()).map(|class| confusion[class][class]).sum();
    let frequent = confusion.iter().map(|row| row.iter().sum::<u64>()).max().unwrap_or(0);
    let (accuracy, most_frequent) = (right as f64 / count, frequent as f64 / count);
    let mut verdict = if accuracy > most_frequent {
        format!(
            "{:.2} % of {} rows get their own class; naming the most frequent class every time gets {:.2} %",
            100.0 * accuracy,
            rows.len(),
            100.0 * most_frequent
        )
    } else {
        format!(
            "not useful yet: {:.2} % right, no better than naming the most frequent class every time",
            100.0 * accuracy
        )
    };
    add_sentences(&mut verdict, health::sentences(&codec.model().description));
    let cross_entropy = cross_entropy / count;
    let figures = Figures::Classification(Classification {
        accuracy,
        top_5: (classes.len() > 5).then_some(among_five as f64 / count),
        cross_entropy,
        confusion,
        classes,
        most_frequent,
    });
    Ok(Evaluation { rows: rows.len(), figures, verdict, rivals: Vec::new() })
}

/// The model's number of each row's class.
///
/// # Errors
/// No labels, or one that the model does not know.
pub fn true_classes(codec: &Codec, dataset: &Dataset) -> Result<Vec<usize>, Error> {
    true_classes_of(&codec.model().description.classes, dataset)
}

/// The place of each row's class among known names.
///
/// # Errors
/// No labels, or one that is not known.
pub fn true_classes_of(known: &[String], dataset: &Dataset) -> Result<Vec<usize>, Error> {
    let Some(labels) = &dataset.labels else { return Err(Error::NoLabels { name: "the data".to_owned() }) };
    let numbers: Vec<Option<usize>> =
        labels.names.iter().map(|name| known.iter().position(|class| class == name)).collect();
    labels
        .of_row
        .iter()
        .map(|label| {
            numbers[*label as usize].ok_or_else(|| Error::UnknownLabel {
                label: labels.names[*label as usize].clone(),
                known: known.len(),
            })
        })
        .collect()
}

/// The position of the largest value; the lowest of several equal ones.
pub fn largest(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;

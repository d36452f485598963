//! From stored numbers to numbers that a network likes, and back.
//!
//! A preparation is fitted on training rows only, is kept in the model file, and is a pure function of a row, so a row
//! alone and a row in a batch give the same bits. With m features' minima a, maxima b, means μ and deviations σ:
//!
//! scale: x′ = (x − a) / (b − a)      standardise: x′ = (x − μ) / σ      tf-idf: x′ = w (1 + ln x) / length
//!
//! A column that is constant in the training rows has spread 1 instead of 0: it becomes 0 and comes back exactly.

use serde::{Deserialize, Serialize};

use super::dataset::{Dataset, ItemShape};
use super::error::DataError;

/// How rows are prepared; invertible but for [`Preparation::TfIdf`].
///
/// Lists hold one entry a feature, one a channel of a picture (published weights), or a single one for all features alike (images).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Preparation {
    /// Left as it is.
    None,
    /// Moved and stretched so that the training rows span 0 to 1.
    Scale {
        /// What becomes 0.
        minimum: Vec<f32>,
        /// What becomes 1.
        maximum: Vec<f32>,
    },
    /// Counts n as weights w · (1 + ln n), 0 for 0, and each row's weights divided by their length (Salton and Buckley 1988). How often
    /// words come is lost thereby: rows come back as weights.
    #[serde(rename = "tf-idf")]
    TfIdf {
        /// w = ln(N / N with the word), N training rows.
        weight: Vec<f32>,
    },
    /// Moved and stretched to mean 0 and standard deviation 1 over the training rows.
    Standardise {
        /// What becomes 0.
        mean: Vec<f32>,
        /// The distance that becomes 1.
        deviation: Vec<f32>,
    },
}

/// Which preparation is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreparationChoice {
    /// Chosen from the data: see [`Preparation::fit`].
    #[default]
    Auto,
    /// Scale to 0–1: pictures by their range (bytes by 255), tables column by column.
    Unit,
    /// Mean 0, deviation 1, feature by feature (one mean and deviation for the whole of an image).
    Standardise,
    /// Mean 0 in every column, divided by √m for m training rows: the lectures' normalisation for PCA, after which XᵀX is the
    /// covariance.
    Centre,
    /// Counts of words as weights: see [`Preparation::TfIdf`].
    #[serde(rename = "tf-idf")]
    TfIdf,
    /// None at all.
    None,
}

/// Which output distribution, and so which loss, suits prepared data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suits {
    /// Sigmoid units with cross-entropy: values in 0–1, most of them near 0 or 1.
    Bernoulli,
    /// Linear units with squared error: everything else.
    Gaussian,
}

/// Flat rows at least this wide whose values look like pixels are taken for images written out flat; tables that
/// people make by hand are narrower, and there each column has its own unit.
const LEAST_PIXELS: usize = 64;

/// What fitting has to know about the chosen rows, gathered in one pass.
struct Summary {
    minimum: Vec<f32>,
    maximum: Vec<f32>,
    /// Whether every value is a whole number.
    whole: bool,
    /// Whether every value is 0 or 1.
    binary: bool,
}

impl Preparation {
    /// Fits the preparation to the rows `rows` of `dataset`: the training rows, and no others.
    ///
    /// [`PreparationChoice::Auto`] leaves binary data and images that lie in 0–1 alone, scales other images (and rows
    /// of 64 or more whole numbers in 0–255, which are images written out flat) to 0–1, and standardises tables.
    ///
    /// # Errors
    ///
    /// No rows to fit to; values that are no counts where counts are expected.
    ///
    /// # Panics
    ///
    /// If `rows` names a row that does not exist.
    pub fn fit(dataset: &Dataset, rows: &[u32], choice: PreparationChoice) -> Result<Preparation, DataError> {
        if rows.is_empty() {
            return Err(DataError::Empty { name: "preparation".to_string(), found: "no training rows" });
        }
        let image = matches!(dataset.shape, ItemShape::Image { .. });
        if choice == PreparationChoice::None {
            return Ok(Preparation::None);
        }
        let summary = Summary::of(dataset, rows);
        let bytes = summary.range_within(0.0, 255.0) && summary.whole && summary.highest() > 1.0;
        let pixels = image || (dataset.features() >= LEAST_PIXELS && bytes && summary.highest() > 127.0);
        let unit = || match pixels {
            true if dataset.values.are_bytes() || bytes => Preparation::bytes(),
            true => Preparation::Scale { minimum: vec![summary.lowest()], maximum: vec![summary.highest()] },
            false => {
                Preparation::Scale { minimum: summary.minimum.clone(), maximum: summary.maximum.clone() }
            }
        };
        Ok(match choice {
            PreparationChoice::Unit => unit(),
            PreparationChoice::Standardise => standardise(dataset, rows, &summary, image),
            PreparationChoice::Centre => centre(dataset, rows, &summary),
            PreparationChoice::TfIdf => tf_idf(dataset, rows, &summary)?,
            _ if summary.binary => Preparation::None,
            _ if summary.is_unit() && (image || dataset.features() >= LEAST_PIXELS) => Preparation::None,
            _ if pixels => unit(),
            _ => standardise(dataset, rows, &summary, false),
        })
    }

    /// Bytes to 0–1, whatever the brightest pixel of these rows is.
    fn bytes() -> Preparation {
        Preparation::Scale { minimum: vec![0.0], maximum: vec![255.0] }
    }

    /// Prepares one row, or several rows one after the other, in place.
    ///
    /// # Panics
    ///
    /// If `values` is not a whole number of rows: check with [`Preparation::expect_shape`] before.
    pub fn prepare(&self, values: &mut [f32]) {
        if let Preparation::TfIdf { weight } = self {
            assert_eq!(values.len() % weight.len(), 0, "whole rows of {} features", weight.len());
            return values.chunks_exact_mut(weight.len()).for_each(|row| weigh(row, weight));
        }
        self.each(values, |value, shift, spread| (value - shift) / spread);
    }

    /// Undoes [`Preparation::prepare`], up to rounding; weights of words stay as they are.
    ///
    /// # Panics
    ///
    /// As [`Preparation::prepare`].
    pub fn restore(&self, values: &mut [f32]) {
        if matches!(self, Preparation::TfIdf { .. }) {
            return;
        }
        self.each(values, |value, shift, spread| value * spread + shift);
    }

    /// Copies the rows `rows` of `dataset` into `out`, row after row, and prepares them.
    ///
    /// # Panics
    ///
    /// If a row does not exist, or `out` is not rows × D long.
    pub fn prepare_rows(&self, dataset: &Dataset, rows: &[u32], out: &mut [f32]) {
        let features = dataset.features();
        assert_eq!(out.len(), rows.len() * features, "room for {} rows of {features} features", rows.len());
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(features)) {
            dataset.row_f32(row as usize, out);
        }
        self.prepare(out);
    }

    /// The raw values that become 0 and 1 if they are the same for all features: the range of a picture's pixels.
    pub fn range(&self) -> Option<(f32, f32)> {
        match self {
            Preparation::Scale { minimum, maximum } if minimum.len() == 1 => Some((minimum[0], maximum[0])),
            _ => None,
        }
    }

    /// Checks that rows of this shape can be prepared.
    ///
    /// # Errors
    ///
    /// [`DataError::Width`] if the preparation was fitted on another width, or its own lists disagree.
    pub fn expect_shape(&self, shape: &ItemShape, name: &str) -> Result<(), DataError> {
        let Some((shifts, other)) = self.lists() else { return Ok(()) };
        let features = shape.features();
        // Each word has a weight of its own.
        let shared = !matches!(self, Preparation::TfIdf { .. });
        let fits = |entries: usize| match shape {
            _ if entries == features || (shared && entries == 1) => true,
            ItemShape::Image { channels, .. } => shared && entries == *channels,
            ItemShape::Vector { .. } => false,
        };
        for list in [shifts, other] {
            if !fits(list.len()) || list.len() != shifts.len() {
                return Err(DataError::Width {
                    name: name.to_string(),
                    expected: list.len(),
                    found: features,
                });
            }
        }
        Ok(())
    }

    /// The two lists, if there are any.
    fn lists(&self) -> Option<(&[f32], &[f32])> {
        match self {
            Preparation::None => None,
            Preparation::TfIdf { weight } => Some((weight, weight)),
            Preparation::Scale { minimum, maximum } => Some((minimum, maximum)),
            Preparation::Standardise { mean, deviation } => Some((mean, deviation)),
        }
    }

    /// Applies `step(value, shift, spread)` to every value.
    ///
    /// In 64 bits, so that neither a large offset nor the distance between two extreme numbers is lost.
    fn each(&self, values: &mut [f32], step: impl Fn(f64, f64, f64) -> f64) {
        let Some((shifts, other)) = self.lists() else { return };
        assert_eq!(shifts.len(), other.len(), "a preparation's lists are equally long");
        let scale = matches!(self, Preparation::Scale { .. });
        let spread = |i: usize| {
            spread(if scale { f64::from(other[i]) - f64::from(shifts[i]) } else { other[i].into() })
        };
        if let [shift] = *shifts {
            let (shift, spread) = (f64::from(shift), spread(0));
            for value in values {
                *value = step(f64::from(*value), shift, spread) as f32;
            }
            return;
        }
        assert_eq!(values.len() % shifts.len(), 0, "whole rows of {} features", shifts.len());
        for row in values.chunks_exact_mut(shifts.len()) {
            for (i, value) in row.iter_mut().enumerate() {
                *value = step(f64::from(*value), f64::from(shifts[i]), spread(i)) as f32;
            }
        }
    }
}

/// The distance that becomes 1; a constant has none, and takes 1.
fn spread(distance: f64) -> f64 {
    if distance > 0.0 { distance } else { 1.0 }
}

/// Means and deviations over the rows, each feature its own or one for all.
fn standardise(dataset: &Dataset, rows: &[u32], summary: &Summary, together: bool) -> Preparation {
    let features = dataset.features();
    let (mut mean, mut square) = (vec![0f64; features], vec![0f64; features]);
    let mut values = vec![0f32; features];
    // Two passes, in 64 bits, so that a large offset costs no digits of the deviation.
    for &row in rows {
        dataset.row_f32(row as usize, &mut values);
        mean.iter_mut().zip(&values).for_each(|(sum, &v)| *sum += f64::from(v));
    }
    mean.iter_mut().for_each(|sum| *sum /= rows.len() as f64);
    if together {
        let all = mean.iter().sum::<f64>() / features as f64;
        mean.fill(all);
    }
    for &row in rows {
        dataset.row_f32(row as usize, &mut values);
        for ((sum, &v), mean) in square.iter_mut().zip(&values).zip(&mean) {
            *sum += (f64::from(v) - mean).powi(2);
        }
    }
    if together {
        let deviation = (square.iter().sum::<f64>() / (rows.len() * features) as f64).sqrt();
        return Preparation::Standardise { mean: vec![mean[0] as f32], deviation: vec![deviation as f32] };
    }
    let mut deviation: Vec<f32> = square.iter().map(|sum| (sum / rows.len() as f64).sqrt() as f32).collect();
    let mut mean: Vec<f32> = mean.iter().map(|&mean| mean as f32).collect();
    for i in 0..features {
        // The mean of equal numbers is rounded, and what rounding leaves is no spread.
        if summary.minimum[i] == summary.maximum[i] {
            (mean[i], deviation[i]) = (summary.minimum[i], 0.0);
        }
    }
    Preparation::Standardise { mean, deviation }
}

/// Every column's mean taken off, all divided by the root of the number of rows.
fn centre(dataset: &Dataset, rows: &[u32], summary: &Summary) -> Preparation {
    let fitted = standardise(dataset, rows, summary, false);
    let root = (rows.len() as f64).sqrt() as f32;
    match fitted {
        Preparation::Standardise { mean, deviation } => {
            Preparation::Standardise { mean, deviation: vec![root; deviation.len()] }
        }
        other => other,
    }
}

/// Weights of counts: rarer words weigh more.
fn tf_idf(dataset: &Dataset, rows: &[u32], summary: &Summary) -> Result<Preparation, DataError> {
    let features = dataset.features();
    if summary.lowest() < 0.0 || !summary.whole {
        return Err(DataError::NotCounts { whole: summary.whole, lowest: summary.lowest() });
    }
    let (mut rows_with, mut values) = (vec![0u32; features], vec![0f32; features]);
    for &row in rows {
        dataset.row_f32(row as usize, &mut values);
        rows_with.iter_mut().zip(&values).for_each(|(rows, value)| *rows += u32::from(*value > 0.0));
    }
    // A word that no training row has weighs as if one had it.
    let weight = |&with: &u32| (rows.len() as f64 / f64::from(with.max(1))).ln() as f32;
    Ok(Preparation::TfIdf { weight: rows_with.iter().map(weight).collect() })
}

/// A row of counts as weights.
fn weigh(row: &mut [f32], weight: &[f32]) {
    let mut square = 0f64;
    for (value, weight) in row.iter_mut().zip(weight) {
        let weighed = if *value > 0.0 { f64::from(*weight) * (1.0 + f64::from(*value).ln()) } else { 0.0 };
        square += weighed * weighed;
        *value = weighed as f32;
    }
    let length = spread(square.sqrt());
    row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
}

impl Summary {
    /// Looks at every value of the rows.
    fn of(dataset: &Dataset, rows: &[u32]) -> Summary {
        let features = dataset.features();
        let mut summary = Summary {
            minimum: vec![f32::INFINITY; features],
            maximum: vec![f32::NEG_INFINITY; features],
            whole: true,
            binary: true,
        };
        let mut values = vec![0f32; features];
        for &row in rows {
            dataset.row_f32(row as usize, &mut values);
            for ((&value, low), high) in values.iter().zip(&mut summary.minimum).zip(&mut summary.maximum) {
                *low = low.min(value);
                *high = high.max(value);
            }
            summary.whole = summary.whole && values.iter().all(|v| v.fract() == 0.0);
            summary.binary = summary.binary && values.iter().all(|&v| v == 0.0 || v == 1.0);
        }
        summary
    }

    /// The smallest value of all.
    fn lowest(&self) -> f32 {
        self.minimum.iter().copied().fold(f32::INFINITY, f32::min)
    }

    /// The largest value of all.
    fn highest(&self) -> f32 {
        self.maximum.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    /// Whether all values lie in the range.
    fn range_within(&self, low: f32, high: f32) -> bool {
        self.lowest() >= low && self.highest() <= high
    }

    /// Whether the values fill 0–1 already, as scaled pixels do.
    fn is_unit(&self) -> bool {
        self.range_within(0.0, 1.0) && self.highest() > 0.5
    }
}

impl Suits {
    /// Looks at the rows `rows` of `dataset` as `preparation` prepares them.
    ///
    /// [`Suits::Bernoulli`] for binary data, and for images in 0–1 of which three quarters of the pixels are within a
    /// tenth of 0 or 1; else [`Suits::Gaussian`].
    pub fn of(dataset: &Dataset, rows: &[u32], preparation: &Preparation) -> Suits {
        if matches!(preparation, Preparation::TfIdf { .. }) {
            return Suits::Gaussian;
        }
        let image = matches!(dataset.shape, ItemShape::Image { .. }) || dataset.features() >= LEAST_PIXELS;
        let mut values = vec![0f32; dataset.features()];
        let (mut near, mut binary, mut all) = (0usize, true, 0usize);
        for &row in rows {
            dataset.row_f32(row as usize, &mut values);
            preparation.prepare(&mut values);
            if !values.iter().all(|v| (0.0..=1.0).contains(v)) {
                return Suits::Gaussian;
            }
            binary = binary && values.iter().all(|&v| v == 0.0 || v == 1.0);
            near += values.iter().filter(|&&v| v <= 0.1 || v >= 0.9).count();
            all += values.len();
        }
        if binary || (image && 4 * near >= 3 * all) { Suits::Bernoulli } else { Suits::Gaussian }
    }
}

#[cfg(test)]
#[path = "preparation_tests.rs"]
mod tests;

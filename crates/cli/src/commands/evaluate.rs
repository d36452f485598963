//! `narrows evaluate`: a model's figures on rows that it has not learned from.

use crate::arguments::{self, ComputeOptions};
use crate::failure::Failure;
use crate::judged_rows::{JudgedRows, Which};
use crate::{output, wording};
use clap::Args;
use narrows::apply::{Codec, Evaluation, Figures, generate};
use narrows::data::Kind;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Options of `narrows evaluate`.
#[derive(Debug, Args)]
pub struct Options {
    /// The model's file
    model: PathBuf,
    /// The data; a model of drawn digits draws them again
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Kind of the data, where the path does not tell: idx, pictures, npy, csv or text
    #[arg(long, value_name = "KIND", value_parser = arguments::kind)]
    kind: Option<Kind>,
    /// The rows to judge by
    #[arg(long, value_enum, default_value_t = Which::Test)]
    split: Which,
    /// Estimate the log-likelihood: of a variational autoencoder by so many samples a row (left out, not at all), of Boltzmann machines too
    /// large for the sum over all states by so many annealed chains (left out, 100)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    samples: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// Chains by which Boltzmann machines are judged where no other number is asked for.
const CHAINS: u32 = 100;
/// Most chains: all of them are moved together.
const MOST_CHAINS: usize = 10_000;

/// Judges a model and prints its figures.
///
/// # Errors
/// A model or data that cannot be read or do not go together.
pub fn run(options: &Options) -> Result<(), Failure> {
    let compute = options.compute.start()?;
    let codec = Codec::load(&options.model, &compute)?;
    let description = &codec.model().description;
    let machines = codec.model().is_boltzmann();
    if options.samples.is_some() && !machines && !generate::has_prior(&codec) {
        return Err(Failure::new(
            format!("--samples: {} has no likelihood to estimate", options.model.display()),
            "leave --samples out; variational autoencoders and Boltzmann machines have one",
        ));
    }
    let samples = options.samples.unwrap_or(if machines { CHAINS } else { 0 }) as usize;
    if machines && (samples == 1 || samples > MOST_CHAINS) {
        return Err(Failure::new(
            format!("--samples: {samples} chains tell no spread, or fit no memory"),
            format!("ask for 2 to {MOST_CHAINS}, or for 0 to leave the likelihood out"),
        ));
    }
    let rows = JudgedRows::load(description, options.data.as_deref(), options.kind, options.split)?;
    let evaluation = rows.evaluate(&codec, samples, &compute)?;
    if options.json {
        let mut object = as_json(&evaluation)?;
        object["model"] = json!(options.model.to_string_lossy());
        object["split"] = json!(options.split.name());
        object["notes"] = json!(rows.notes);
        return output::json(&object);
    }
    for note in &rows.notes {
        output::note(&format!("note: {note}"));
    }
    output::result(&figures(&evaluation))
}

/// The evaluation as a JSON object.
///
/// # Errors
/// None in practice.
pub fn as_json(evaluation: &Evaluation) -> Result<Value, Failure> {
    serde_json::to_value(evaluation)
        .map_err(|error| Failure::new(format!("the figures cannot be told: {error}"), "leave --json out"))
}

/// The verdict and the figures that it rests on, for people.
pub fn figures(evaluation: &Evaluation) -> String {
    let rows = wording::of(evaluation.rows, "row", "rows");
    let (head, table) = match &evaluation.figures {
        Figures::Reconstruction(own) => {
            let largest = own.squared_error.max(own.baselines.mean.squared_error);
            let digits = if largest >= 1.0 { 3 } else { 5 };
            let line = |name: String, error: f64| vec![name, format!("{error:.digits$}")];
            let components = wording::of(own.baselines.pca_components, "unit", "units");
            let mut lines = vec![line("this model".to_owned(), own.squared_error)];
            lines.extend(evaluation.rivals.iter().map(|rival| line(rival.name.clone(), rival.figure)));
            lines.push(line(format!("PCA, {components}"), own.baselines.pca.squared_error));
            lines.push(line("the mean".to_owned(), own.baselines.mean.squared_error));
            if let Some(pictures) = own.pictures {
                lines.push(vec!["PSNR, dB".to_owned(), format!("{:.2}", pictures.psnr)]);
                lines.push(vec!["SSIM".to_owned(), format!("{:.4}", pictures.ssim)]);
            }
            let table = wording::table(&lines, |column| column == 1);
            (format!("squared error a row, on {rows}; lower is better:"), table)
        }
        Figures::Classification(own) => {
            let percent = |share: f64| format!("{:.2} %", 100.0 * share);
            let mut lines = vec![vec!["accuracy".to_owned(), percent(own.accuracy)]];
            lines.extend(
                evaluation.rivals.iter().map(|rival| vec![rival.name.clone(), percent(rival.figure)]),
            );
            lines.extend(own.top_5.map(|share| vec!["top-5 accuracy".to_owned(), percent(share)]));
            lines.push(vec!["the most frequent class".to_owned(), percent(own.most_frequent)]);
            lines.push(vec!["cross-entropy".to_owned(), wording::figure(own.cross_entropy)]);
            let table = wording::table(&lines, |column| column == 1);
            (format!("on {rows}:"), format!("{table}\n\n{}", confusion(&own.classes, &own.confusion)))
        }
        Figures::Segmentation(own) => {
            let percent = |share: f64| format!("{:.2} %", 100.0 * share);
            let mut lines = vec![vec!["pixel accuracy".to_owned(), percent(own.pixel_accuracy)]];
            lines.extend(
                evaluation.rivals.iter().map(|rival| vec![rival.name.clone(), percent(rival.figure)]),
            );
            lines.push(vec!["the most frequent class".to_owned(), percent(own.most_frequent)]);
            lines.push(vec!["class average".to_owned(), percent(own.class_average)]);
            lines.push(vec!["mean IoU".to_owned(), percent(own.mean_iou)]);
            let classes = own.classes.iter().zip(&own.iou);
            let of_class = |(class, iou): (&String, &Option<f64>)| {
                vec![format!("IoU, {class}"), iou.map_or("·".to_owned(), percent)]
            };
            lines.extend(classes.map(of_class));
            (format!("on {rows}:"), wording::table(&lines, |column| column == 1))
        }
    };
    format!("{}\n\n{head}\n{table}", evaluation.verdict)
}

/// More classes than this make a table that nobody can read; `--json` has them all.
const MOST_CLASSES: usize = 20;

fn confusion(classes: &[String], counts: &[Vec<u64>]) -> String {
    if classes.len() > MOST_CLASSES {
        return format!("the confusion of {} classes is in --json", classes.len());
    }
    let mut rows = vec![[vec![String::new()], classes.to_vec()].concat()];
    for (class, counts) in classes.iter().zip(counts) {
        let mut row = vec![class.clone()];
        row.extend(counts.iter().map(|&count| if count == 0 { "·".to_owned() } else { count.to_string() }));
        rows.push(row);
    }
    format!("true class (down) and what it was taken for (across):\n{}", wording::table(&rows, |_| true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confusion_reads_as_a_table() {
        let text = confusion(&["a".to_owned(), "bc".to_owned()], &[vec![9, 0], vec![1, 12]]);
        assert!(text.ends_with("\n      a  bc\n   a  9   ·\n  bc  1  12"), "{text}");
    }
}

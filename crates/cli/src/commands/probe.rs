//! `narrows probe`: what codes are worth to a classifier that sees few labels.

use crate::arguments::{self, ComputeOptions};
use crate::failure::Failure;
use crate::judged_rows::JudgedRows;
use crate::{output, wording};
use clap::Args;
use narrows::apply::Codec;
use narrows::apply::probe::{ProbeOptions, Probed, probe};
use narrows::data::Kind;
use serde_json::json;
use std::path::PathBuf;

/// Options of `narrows probe`.
#[derive(Debug, Args)]
pub struct Options {
    /// The model's file
    model: PathBuf,
    /// The data, with labels; a model of drawn digits draws them again
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Kind of the data, where the path does not tell: idx, pictures, npy, csv or text
    #[arg(long, value_name = "KIND", value_parser = arguments::kind, requires = "data")]
    kind: Option<Kind>,
    /// Labelled rows of each class that a classifier learns from
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    labels_per_class: u32,
    /// How many times they are drawn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    draws: u16,
    /// The seed of the draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// Trains softmax classifiers on codes, rows and PCA, and compares them.
///
/// # Errors
/// A model or data that cannot be read or do not go together; rows without labels, or with too few of a class.
pub fn run(options: &Options) -> Result<(), Failure> {
    let compute = options.compute.start()?;
    let codec = Codec::load(&options.model, &compute)?;
    let description = &codec.model().description;
    let rows = JudgedRows::load_apart(description, options.data.as_deref(), options.kind)?;
    let training = (&rows.source.train, &rows.split.train[..]);
    let judging = (rows.split.test_dataset(&rows.source), &rows.split.test[..]);
    let asked = ProbeOptions {
        labels_per_class: options.labels_per_class as usize,
        draws: usize::from(options.draws),
        seed: options.seed,
    };
    let found = probe(&codec, training, judging, asked, &compute)?;
    if options.json {
        return output::json(&json!({
            "model": options.model.to_string_lossy(),
            "labels_per_class": options.labels_per_class,
            "draws": options.draws,
            "rows": judging.1.len(),
            "probes": found,
            "notes": rows.notes,
        }));
    }
    for note in &rows.notes {
        output::note(&format!("note: {note}"));
    }
    output::result(&as_text(&found, asked, judging.1.len()))
}

fn as_text(found: &[Probed], asked: ProbeOptions, judged: usize) -> String {
    let lines: Vec<Vec<String>> = found
        .iter()
        .map(|probed| {
            let on = format!("on {}, {}", probed.on, wording::of(probed.numbers, "number", "numbers"));
            let percent = |share: f64| format!("{:.2}", 100.0 * share);
            vec![on, format!("{} %", percent(probed.accuracy)), format!("± {}", percent(probed.deviation))]
        })
        .collect();
    format!(
        "a softmax layer that has seen {} of each class, over {}; share of {} told right:\n{}",
        wording::of(asked.labels_per_class, "labelled row", "labelled rows"),
        wording::of(asked.draws, "draw", "draws"),
        wording::of(judged, "row", "rows"),
        wording::table(&lines, |column| column > 0)
    )
}

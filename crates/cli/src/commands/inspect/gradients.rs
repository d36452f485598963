//! How much of the gradient reached each layer, over the epochs of training: the lectures' vanishing gradient.

use crate::wording::table;
use narrows::train::EpochRecord;
use serde_json::{Value, json};

/// Epochs of a stage that are shown; `--json` has them all.
const MOST_EPOCHS: usize = 12;

/// A table a stage: the norm of the gradient by each layer's weight after some of its epochs.
pub fn as_text(history: &[EpochRecord]) -> String {
    let stages = history.chunk_by(|a, b| a.stage == b.stage);
    stages.map(of_stage).collect::<Vec<_>>().join("\n\n")
}

fn of_stage(records: &[EpochRecord]) -> String {
    let names: Vec<&str> = records[0].layers.iter().map(|layer| layer.layer.as_str()).collect();
    if names.is_empty() {
        return "no gradients: the model's file is older than their being kept".to_owned();
    }
    let head = ["epoch"].iter().chain(&names).map(|name| (*name).to_owned()).collect();
    let mut rows: Vec<Vec<String>> = vec![head];
    for at in shown(records.len()) {
        let EpochRecord { epoch, layers, .. } = &records[at];
        rows.push(
            [epoch.to_string()].into_iter().chain(layers.iter().map(|layer| norm(layer.gradient))).collect(),
        );
    }
    let of = match records[0].stage {
        0 => String::new(),
        stage => format!(" in stage {stage} of pre-training"),
    };
    format!("norm of the gradient by each layer's weight{of}, after the epoch:\n{}", table(&rows, |_| true))
}

/// The first epoch, the last, and some between, closer together at the beginning.
fn shown(epochs: usize) -> Vec<usize> {
    let place = |at: usize| {
        let share = at as f64 / (MOST_EPOCHS - 1) as f64;
        ((epochs as f64).powf(share) - 1.0).round() as usize
    };
    let mut all: Vec<usize> =
        if epochs <= MOST_EPOCHS { (0..epochs).collect() } else { (0..MOST_EPOCHS).map(place).collect() };
    all.dedup();
    all
}

fn norm(gradient: f32) -> String {
    if gradient == 0.0 { "0".to_owned() } else { format!("{gradient:.2e}") }
}

/// Every epoch.
pub fn as_json(history: &[EpochRecord]) -> Value {
    let of_epoch = |record: &EpochRecord| {
        let layers = record.layers.iter().map(|layer| (layer.layer.clone(), json!(layer.gradient)));
        json!({ "epoch": record.epoch, "stage": record.stage, "norms": layers.collect::<serde_json::Map<_, _>>() })
    };
    history.iter().map(of_epoch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_epochs_are_among_those_shown() {
        for epochs in [1, 5, 12, 13, 50, 1000] {
            let all = shown(epochs);
            assert_eq!((all[0], all[all.len() - 1]), (0, epochs - 1));
            assert!(all.len() <= MOST_EPOCHS && all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
        }
    }
}

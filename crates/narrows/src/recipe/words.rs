//! The exchangeable parts of a recipe in words, for start lines, reports and verdicts.

use super::{Bottleneck, Contraction, Corruption, Recipe, Setting, Sparsity};
use toml::Value;

impl Recipe {
    /// The parts that make this more than a plain autoencoder, each with its settings: "masking corruption (share 0.25)". Empty for
    /// a plain one.
    pub fn parts(&self) -> Vec<String> {
        let (model, train, penalty) = (&self.model, &self.train, &self.train.penalty);
        let chosen = [
            (train.corruption.write(), "corruption"),
            (model.bottleneck.write(), "bottleneck"),
            (penalty.sparsity.write(), "sparsity"),
            (penalty.contraction.write(), "contraction"),
            (train.pretraining.write(), "pre-training"),
        ];
        let mut parts: Vec<String> =
            chosen.into_iter().filter_map(|(value, what)| in_words(value.as_ref()?, what)).collect();
        let weighed = [
            (train.emphasis != 1.0, "corrupted numbers weighing", train.emphasis),
            (penalty.code_l1 > 0.0, "code L1", penalty.code_l1),
            (penalty.code_l2 > 0.0, "code L2", penalty.code_l2),
        ];
        parts
            .extend(weighed.iter().filter(|part| part.0).map(|(_, what, weight)| format!("{what} {weight}")));
        let plain = [(model.tied, "tied weights"), (penalty.unit_atoms, "unit atoms")];
        parts.extend(plain.iter().filter(|part| part.0).map(|(_, what)| (*what).to_owned()));
        parts
    }

    /// Whether anything keeps a network whose code is as wide as a row from copying its input.
    pub fn is_regularised(&self) -> bool {
        let (model, train, penalty) = (&self.model, &self.train, &self.train.penalty);
        let weights =
            [model.dropout, model.input_dropout, train.weight_decay, penalty.code_l1, penalty.code_l2];
        weights.iter().any(|weight| *weight > 0.0)
            || match train.corruption {
                Corruption::None => false,
                Corruption::Masking { share } | Corruption::SaltAndPepper { share } => share > 0.0,
                Corruption::Gaussian { .. } | Corruption::Block { .. } => true,
            }
            || match model.bottleneck {
                Bottleneck::Plain => false,
                Bottleneck::Gaussian { beta, .. } => beta > 0.0,
                Bottleneck::Binary { .. } => true,
                Bottleneck::TopK { keep, .. } => model.code == 0 || keep < model.code,
            }
            || matches!(penalty.sparsity, Sparsity::Kl { weight, .. } if weight > 0.0)
            || matches!(
                penalty.contraction,
                Contraction::Exact { weight } | Contraction::Estimate { weight, .. } if weight > 0.0
            )
    }
}

/// A choice with its settings, unless it is the plain one.
fn in_words(value: &Value, what: &str) -> Option<String> {
    let (kind, settings) = match value {
        Value::Table(table) => (table.get("kind")?.as_str()?, Some(table)),
        other => (other.as_str()?, None),
    };
    if kind == "none" || kind == "plain" {
        return None;
    }
    let settings: Vec<String> = settings
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "kind")
        .map(|(key, value)| format!("{} {value}", key.replace('_', " ")))
        .collect();
    Some(format!("{kind} {what} ({})", settings.join(", ")))
}

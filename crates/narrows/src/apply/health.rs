//! What training saw of a model's units, in words: which are of no use, and what to do about it.

use crate::model_file::Description;
use crate::recipe::{Activation, Bottleneck, Contraction, ModelKind, Sparsity};
use crate::train::LayerHealth;

/// Fewer useless units than this share of a layer are not worth a sentence.
const WORTH_TELLING: f64 = 0.1;

/// A sentence for each way in which a layer's units are of no use, about the layer where most of them are.
pub fn sentences(description: &Description) -> Vec<String> {
    let kept = description.best_epoch.or_else(|| description.history.last().map(|record| record.epoch));
    let Some(record) = description.history.iter().find(|record| Some(record.epoch) == kept) else {
        return Vec::new();
    };
    let recipe = &description.recipe;
    let (model, penalty) = (&recipe.model, &recipe.train.penalty);
    let worst = |count: &dyn Fn(&LayerHealth) -> usize| {
        let share = |layer: &&LayerHealth| count(layer) as f64 / layer.units.max(1) as f64;
        record
            .layers
            .iter()
            .max_by(|a, b| share(a).total_cmp(&share(b)))
            .filter(|layer| share(layer) >= WORTH_TELLING)
    };
    let mut sentences = Vec::new();
    if let Some(layer) = worst(&|layer| layer.dead) {
        let what = if penalty.code_l1 > 0.0 {
            "lower train.penalty.code_l1"
        } else if let Bottleneck::TopK { .. } = model.bottleneck {
            "train longer, raise model.bottleneck.conscience or lower dead_after"
        } else if model.activation == Activation::Relu || model.code_activation == Activation::Relu {
            "lower train.learning_rate, or use \"leaky-relu\""
        } else {
            "use fewer units, or lower train.learning_rate"
        };
        sentences
            .push(format!("{} of {} units of {} are dead: {what}", layer.dead, layer.units, layer.layer));
    }
    // Where units are meant to be at an end, it is nothing to tell.
    let meant = penalty.contraction != Contraction::None
        || penalty.sparsity != Sparsity::None
        || matches!(model.bottleneck, Bottleneck::Binary { .. })
        || model.kind == ModelKind::Boltzmann;
    if let (Some(layer), false) = (worst(&|layer| layer.saturated), meant) {
        sentences.push(format!(
            "{} of {} units of {} are saturated and learn no more: lower train.learning_rate, standardise the rows, or set model.batch_normalisation",
            layer.saturated, layer.units, layer.layer
        ));
    }
    if let Some(layer) = worst(&|layer| layer.collapsed) {
        sentences.push(format!(
            "{} of {} code units have collapsed onto the prior and tell nothing: lower model.bottleneck.beta, lengthen its warmup, or set its free_bits",
            layer.collapsed, layer.units
        ));
    }
    sentences
}

//! Settings that do not go with the network that they make: what recipes alone do not show, since layers have settings of their own.

use crate::error::Error;
use crate::network::{Layer, Network};
use crate::recipe::{Activation, Bottleneck, Contraction, ModelKind, Recipe, Sparsity};

/// Refuses what does not go together.
///
/// # Errors
/// The setting, what is wrong and what to do.
pub fn expect(recipe: &Recipe, network: &Network) -> Result<(), Error> {
    let code = &network.layers[network.encoder - 1];
    let encoder = || network.layers[..network.encoder].iter().flat_map(Layer::with_inner);
    let penalty = &recipe.train.penalty;
    let (said, asked) = (code.activation, recipe.model.code_activation);
    let linear = matches!(network.bottleneck, Bottleneck::Gaussian { .. } | Bottleneck::Binary { .. });
    let between = matches!(said, Activation::Sigmoid | Activation::Softmax)
        || matches!(network.bottleneck, Bottleneck::Binary { .. });
    let normalised = network.layers.iter().flat_map(Layer::with_inner).any(|layer| layer.normalised);
    // What a "top-k" bottleneck chooses from may be maps, whose size depends on the rows.
    let (keep, revived, auxiliary_keep) = match network.bottleneck {
        Bottleneck::TopK { keep, auxiliary_keep, auxiliary, .. } => (keep, auxiliary > 0.0, auxiliary_keep),
        _ => (0, false, 0),
    };
    let alone = matches!(&network.layers[network.encoder..], [only] if only.is_dense());
    let dense = network.layers.get(network.encoder).is_some_and(Layer::is_dense);
    // Blocks may leave out on one way what they bring on another.
    if let Some((layer, problem)) = network.layers.iter().find_map(|layer| Some((layer, layer.leaves_out()?)))
    {
        return Err(Error::Setting {
            setting: "model.decoder",
            problem: format!("{}: {problem}", layer.name),
            hint: "set model.growth=upsample, or write model.decoder as a list of layers".to_owned(),
        });
    }
    let wrong = [
        (
            linear && (said != Activation::Identity || !code.has_weights()),
            "model.bottleneck",
            format!(
                "a \"{}\" bottleneck stands behind linear units, and {} is {}",
                network.bottleneck,
                code.name,
                code.in_words()
            ),
            "give that layer the activation \"identity\", or model.code a width",
        ),
        (
            keep > network.code(),
            "model.bottleneck.keep",
            format!("{keep} units are to be kept, and {} says {}", code.name, network.code()),
            "keep fewer",
        ),
        (
            auxiliary_keep > network.code(),
            "model.bottleneck.auxiliary_keep",
            format!("{auxiliary_keep} units are to be kept, and {} says {}", code.name, network.code()),
            "keep fewer",
        ),
        (
            revived && !alone,
            "model.bottleneck.auxiliary",
            "dead units rebuild rows of their own through a dense decoder of one layer alone".to_owned(),
            "set model.bottleneck.auxiliary to 0",
        ),
        (
            penalty.sparsity != Sparsity::None && !between,
            "train.penalty.sparsity",
            format!("code units are to be from 0 to 1, and {} is {}", code.name, code.in_words()),
            "give that layer the activation \"sigmoid\", or use train.penalty.code_l1",
        ),
        (
            penalty.contraction != Contraction::None && encoder().any(|layer| layer.normalised),
            "train.penalty.contraction",
            "layers are normalised over the batch, so that a code depends on the rows beside it".to_owned(),
            "leave the normalisation or the penalty out",
        ),
        (
            recipe.train.batch == 1 && normalised,
            "train.batch",
            "a layer is normalised over batches of one row, which has no variance".to_owned(),
            "set train.batch to 2 or more",
        ),
        (
            penalty.unit_atoms && !dense,
            "train.penalty.unit_atoms",
            "no dense layer hears the code".to_owned(),
            "begin model.decoder with a width, or leave unit_atoms out",
        ),
        (
            recipe.model.kind == ModelKind::Autoencoder
                && recipe.model.code == 0
                && asked != Activation::Identity
                && said != asked,
            "model.code_activation",
            format!(
                "\"{asked}\" is asked for, and {}, which says the code, is {}",
                code.name,
                code.in_words()
            ),
            "end model.hidden with a layer that has weights and no activation of its own, or give model.code a width",
        ),
    ];
    match wrong.into_iter().find(|(wrong, ..)| *wrong) {
        Some((_, setting, problem, hint)) => Err(Error::Setting { setting, problem, hint: hint.to_owned() }),
        None => Ok(()),
    }
}

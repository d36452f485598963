//! Rows to codes with a trained encoder, as a user of the library calls it: [`Codec::encode`].

use super::Step;
use crate::network::{self, ENCODER, Layer, SIMPLE_ENCODER};
use crate::npy::Array;
use crate::{Error, Result};
use narrows::apply::Codec;
use narrows::autoencoder::Output;
use narrows::data::{ItemShape, Preparation};
use narrows::model_file::{Description, Model, NamedTensor, RowCounts};
use narrows::network::Network;
use narrows::recipe::Recipe;
use narrows::train::Compute;
use std::path::Path;

/// An encoder: its widths, and what its code does (hidden layers are always rectified).
#[derive(Debug)]
pub struct Shape {
    widths: &'static [usize],
    code_activation: &'static str,
}

/// 784-1000-500-250-30, linear code.
pub const DEEP: Shape = Shape { widths: ENCODER, code_activation: "identity" };
/// 784-32, ReLU code.
pub const SIMPLE: Shape = Shape { widths: SIMPLE_ENCODER, code_activation: "relu" };

/// Builds the step that is timed: all rows at once, their codes in a list of their own.
pub fn prepare(shape: &Shape, rows: usize, threads: usize) -> Result<Step> {
    let codec = codec(shape, &network::random_layers(shape.widths), threads)?;
    let rows = network::random_rows(rows, shape.widths[0]);
    Ok(Box::new(move || {
        std::hint::black_box(codec.encode(std::hint::black_box(&rows.data))?);
        Ok(())
    }))
}

/// The codes of the folder's rows.
pub fn check(folder: &Path, shape: &Shape, threads: usize) -> Result<()> {
    let codec = codec(shape, &network::read_layers(folder, shape.widths)?, threads)?;
    let rows = Array::read(&folder.join("rows.npy"))?;
    let codes = codec.encode(&rows.data)?;
    let own = network::result_folder(folder)?;
    Array::new(&[rows.shape[0], codec.code()], codes).write(&own.join("codes.npy"))
}

/// A codec of these layers. A model has a decoder, too; here it is zeros, as nothing runs it.
fn codec(shape: &Shape, layers: &[Layer], threads: usize) -> Result<Codec> {
    let [features, hidden @ .., code] = shape.widths else {
        return Err(Error("an encoder has at least two widths".into()));
    };
    let text = format!(
        r#"model = {{ hidden = {hidden:?}, code = {code}, activation = "relu", code_activation = "{}" }}"#,
        shape.code_activation
    );
    let recipe = Recipe::parse(&text, &[]).map_err(|problems| Error(problems.to_string()))?;
    let mut tensors = Vec::new();
    for (number, place) in Network::new(&recipe.model, *features, 0)?.layers.iter().enumerate() {
        let layer =
            layers.get(number).cloned().unwrap_or_else(|| Layer::zeros(place.inputs(), place.outputs()));
        for (name, Array { shape, data: values }) in [("weight", layer.weight), ("bias", layer.bias)] {
            tensors.push(NamedTensor { name: format!("{}.{name}", place.name), shape, values });
        }
    }
    let model = Model {
        tensors,
        description: Description {
            recipe,
            preparation: Preparation::None,
            shape: ItemShape::Vector { columns: None, width: *features },
            output: Output::Gaussian,
            classes: Vec::new(),
            history: Vec::new(),
            best_epoch: None,
            source: "npy".to_owned(),
            fingerprint: String::new(),
            rows: RowCounts { train: 0, validation: 0, test: 0 },
        },
    };
    Ok(Codec::new(model, &Compute::new(threads)?)?)
}

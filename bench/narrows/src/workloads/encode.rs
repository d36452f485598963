//! Rows to codes with a trained encoder, as a user of the library calls it: [`Codec::encode`].

use super::Step;
use crate::network::{self, ENCODER, Layer, SIMPLE_ENCODER};
use crate::npy::Array;
use crate::{Error, Result, rows};
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
pub fn prepare(file: Option<&Path>, shape: &Shape, count: usize, threads: usize) -> Result<Step> {
    let codec = codec(shape, &network::random_layers(shape.widths), threads)?;
    Ok(encoding(codec, rows::table(file, count, shape.widths[0])?))
}

fn encoding(codec: Codec, rows: Array) -> Step {
    Box::new(move || {
        std::hint::black_box(codec.encode(std::hint::black_box(&rows.data))?);
        Ok(())
    })
}

/// The convolutional encoder of `bench/peers/convolution_encode.py`: 1→32→64→30.
const MAPS: &str = r#"
    model.activation = "relu"
    model.code = 30
    model.hidden = [
        { kind = "convolution", channels = 32, stride = 2, padding = 1 },
        { kind = "convolution", channels = 64, stride = 2, padding = 1 },
    ]
"#;

/// Builds the step that is timed for the convolutional encoder.
pub fn prepare_maps(file: Option<&Path>, count: usize, threads: usize) -> Result<Step> {
    Ok(encoding(codec_of_maps(&[], threads)?, rows::table(file, count, 784)?))
}

/// The codes of the folder's rows by the convolutional encoder.
pub fn check_maps(folder: &Path, threads: usize) -> Result<()> {
    let layers = network::read_layers(folder, 3)?;
    write_codes(&codec_of_maps(&layers, threads)?, folder)
}

/// A codec of these layers, or of random ones; what decodes is zeros, as nothing runs it.
fn codec_of_maps(layers: &[Layer], threads: usize) -> Result<Codec> {
    let recipe = Recipe::parse(MAPS, &[]).map_err(|problems| Error(problems.to_string()))?;
    let shape = ItemShape::Image { height: 28, width: 28, channels: 1 };
    let network = Network::new(&recipe.model, &shape, 0)?;
    let mut tensors = Vec::new();
    for (number, place) in network.layers.iter().enumerate() {
        for (name, shape) in place.tensors() {
            let count: usize = shape.iter().product();
            let values = match layers.get(number) {
                Some(layer) if name.ends_with("weight") => layer.weight.data.clone(),
                Some(layer) => layer.bias.data.clone(),
                None if number < 3 => {
                    network::random_rows(1, count).data.iter().map(|x| 0.1 * (x - 0.5)).collect()
                }
                None => vec![0.0; count],
            };
            tensors.push(NamedTensor { name, shape, values });
        }
    }
    codec_of(recipe, shape, tensors, threads)
}

/// The codes of the folder's rows.
pub fn check(folder: &Path, shape: &Shape, threads: usize) -> Result<()> {
    let codec = codec(shape, &network::read_dense(folder, shape.widths)?, threads)?;
    write_codes(&codec, folder)
}

fn write_codes(codec: &Codec, folder: &Path) -> Result<()> {
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
    codec_of(recipe, ItemShape::Vector { columns: None, width: *features }, tensors, threads)
}

fn codec_of(recipe: Recipe, shape: ItemShape, tensors: Vec<NamedTensor>, threads: usize) -> Result<Codec> {
    let model = Model {
        tensors,
        description: Description {
            recipe,
            preparation: Preparation::None,
            shape,
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

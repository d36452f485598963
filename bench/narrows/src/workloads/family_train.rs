//! Training steps of families: a variational, a denoising deep, a contractive, a deep contractive and a
//! sparse autoencoder, each by the library's own parts. The comparison feeds the random numbers that the
//! timed step draws.

use super::Step;
use crate::network::{self, Layer};
use crate::npy::Array;
use crate::{Error, Result, rows};
use narrows::autoencoder::Output;
use narrows::autoencoder::bottleneck::{self, gaussian};
use narrows::autoencoder::corruption::corrupt;
use narrows::autoencoder::penalty::{self, Penalised};
use narrows::data::ItemShape;
use narrows::engine::cpu::{Executable, Feed, Run, States};
use narrows::engine::{Graph, Tensor};
use narrows::network::dense::Parameters;
use narrows::network::{Mode, Network, Pass};
use narrows::recipe::{Bottleneck, Corruption, Recipe};
use narrows::train::Compute;
use narrows::train::optimiser::{Scalars, StepScalars, add_updates, declare_scalars};
use std::path::Path;

/// Rows of the table that batches are taken from, one after the other, from the start again at its end.
const TABLE_ROWS: usize = 4096;

/// What is trained, and on how many rows of how many numbers at once.
#[derive(Debug)]
pub struct Family {
    recipe: &'static str,
    batch: usize,
    features: usize,
}

/// 784-400-20.
pub const VAE: Family = Family {
    recipe: r#"
        model = { hidden = [400], code = 20, activation = "relu", bottleneck = "gaussian", output = "bernoulli" }
        train = { optimiser = "adam", learning_rate = 1e-3 }
    "#,
    batch: 128,
    features: 784,
};
/// 784-1000-500-250-30 and back, a quarter masked.
pub const DENOISING: Family = Family {
    recipe: r#"
        model = { hidden = [1000, 500, 250], code = 30, activation = "relu", output = "gaussian" }
        train = { optimiser = "adam", learning_rate = 1e-3, corruption = { kind = "masking", share = 0.25 } }
    "#,
    batch: 128,
    features: 784,
};
/// 784-256, the Jacobian's weight 0.1.
pub const CONTRACTIVE: Family = Family {
    recipe: r#"
        model = { hidden = [], code = 256, code_activation = "sigmoid", output = "bernoulli" }
        train = { optimiser = "adam", learning_rate = 1e-3, penalty = { contraction = { kind = "exact", weight = 0.1 } } }
    "#,
    batch: 128,
    features: 784,
};
/// 784-400-200-64 and back, the Jacobian's weight 0.1.
pub const CONTRACTIVE_DEEP: Family = Family {
    recipe: r#"
        model = { hidden = [400, 200], code = 64, activation = "sigmoid", code_activation = "sigmoid", output = "bernoulli" }
        train = { optimiser = "adam", learning_rate = 1e-3, penalty = { contraction = { kind = "exact", weight = 0.1 } } }
    "#,
    batch: 128,
    features: 784,
};
/// 768-16384, of which each row keeps 32.
pub const TOP_K: Family = Family {
    recipe: r#"
        model.hidden = []
        model.code = 16384
        model.bottleneck = { kind = "top-k", keep = 32, auxiliary = 0.0, conscience = 0.0 }
        model.output = "gaussian"
        train = { optimiser = "adam", learning_rate = 1e-3 }
    "#,
    batch: 1024,
    features: 768,
};

/// Builds the step that is timed.
pub fn prepare(file: Option<&Path>, family: &Family, threads: usize) -> Result<Step> {
    let Family { batch, features, .. } = *family;
    let recipe = parsed(family.recipe)?;
    let network = Network::new(&recipe.model, features, 0)?;
    let graph = Graph::new();
    let scalars = declare_scalars(&graph);
    let (loss, parameters) = loss(&graph, &recipe, &network, &scalars, (batch, None))?;
    graph.output("loss", loss);
    add_updates(&graph, loss, &parameters, &recipe.train, &scalars, None)?;
    let compute = Compute::new(threads)?;
    let mut executable = Executable::new(&graph, &compute.pool, compute.level)?;
    let mut states = States::new(&graph.states());
    network.initialise(&recipe.model, 1, &mut states)?;
    let table = rows::table(file, TABLE_ROWS, features)?;
    let ids: Vec<u32> = (0..TABLE_ROWS as u32).collect();
    let mut step = 0u32;
    Ok(Box::new(move || {
        let first = step as usize * batch % TABLE_ROWS;
        let rows = &table.data[first * features..(first + batch) * features];
        let train = &recipe.train;
        let scalars = StepScalars::new(train, train.learning_rate, 1.0, u64::from(step)).as_array();
        let inputs = [Feed::F32(rows), Feed::U32(&ids[first..first + batch])];
        executable.run(&mut states, &Run { inputs: &inputs, scalars: &scalars, seed: 1, step })?;
        step += 1;
        Ok(())
    }))
}

/// Loss and gradients for the folder's weights, rows and random numbers.
pub fn check(folder: &Path, family: &Family, threads: usize) -> Result<()> {
    let recipe = parsed(family.recipe)?;
    let network = Network::new(&recipe.model, family.features, 0)?;
    // In the order of the files: the layer beside the code's stands behind it.
    let mut places: Vec<&narrows::network::Layer> = network.layers.iter().collect();
    if let Some(layer) = &network.log_variance {
        places.insert(network.encoder, layer);
    }
    let rows = Array::read(&folder.join("rows.npy"))?;
    let noise = folder.join("noise.npy");
    let noise = if noise.exists() { Some(Array::read(&noise)?) } else { None };
    let graph = Graph::new();
    let scalars = declare_scalars(&graph);
    let given = noise.as_ref().map(|noise| graph.input("noise", [noise.shape[0], noise.shape[1]]));
    let (loss, parameters) = loss(&graph, &recipe, &network, &scalars, (family.batch, given))?;
    graph.output("loss", loss);
    let by: Vec<Tensor<'_>> = parameters.list.iter().map(|parameter| parameter.1).collect();
    for ((name, ..), gradient) in parameters.list.iter().zip(graph.gradient(loss, &by)?) {
        graph.output(name, gradient);
    }
    let compute = Compute::new(threads)?;
    let mut executable = Executable::new(&graph, &compute.pool, compute.level)?;
    let mut states = States::new(&graph.states());
    for (index, place) in places.iter().enumerate() {
        for (file, state) in [("weight", "weight"), ("bias", "bias")] {
            let values = Array::read(&folder.join(format!("{file}_{index}.npy")))?;
            states.set(&format!("{}.{state}", place.name), &values.data)?;
        }
    }
    let ids: Vec<u32> = (0..family.batch as u32).collect();
    let mut inputs: Vec<Feed<'_>> = noise.iter().map(|noise| Feed::F32(&noise.data)).collect();
    inputs.extend([Feed::F32(&rows.data), Feed::U32(&ids)]);
    let scalars = StepScalars::new(&recipe.train, 0.0, 1.0, 0).as_array();
    // Not `infer`: a sparse code counts what each unit has been idle.
    executable.run(&mut states, &Run { inputs: &inputs, scalars: &scalars, ..Run::default() })?;
    let fetch = |name: String, shape: &[usize]| -> Result<Array> {
        let number = executable
            .output_number(&name)
            .ok_or_else(|| Error(format!("there is no gradient of `{name}`")))?;
        let mut values = vec![0.0; shape.iter().product()];
        executable.output(number, &mut values);
        Ok(Array::new(shape, values))
    };
    let gradients: Vec<Layer> = places
        .iter()
        .map(|place| {
            Ok(Layer {
                weight: fetch(format!("{}.weight", place.name), &[place.inputs(), place.outputs()])?,
                bias: fetch(format!("{}.bias", place.name), &[place.outputs()])?,
            })
        })
        .collect::<Result<_>>()?;
    let own = network::result_folder(folder)?;
    Array::new(&[], vec![executable.number(0)]).write(&own.join("loss.npy"))?;
    network::write_layers(&own, "gradient_", &gradients)
}

fn parsed(recipe: &str) -> Result<Recipe> {
    Recipe::parse(recipe, &[]).map_err(|problems| Error(problems.to_string()))
}

/// The loss of so many rows, as training has it; `given` stands in for what training draws.
fn loss<'g>(
    graph: &'g Graph,
    recipe: &Recipe,
    network: &Network,
    scalars: &Scalars<'g>,
    (batch, given): (usize, Option<Tensor<'g>>),
) -> Result<(Tensor<'g>, Parameters<'g>)> {
    let rows = graph.input("rows", [batch, network.features]);
    let row_ids = graph.indices("row ids", [batch]);
    let shape = ItemShape::Vector { columns: None, width: network.features };
    let input = match (given, recipe.train.corruption) {
        (Some(kept), Corruption::Masking { .. }) => rows * kept,
        (_, corruption) => corrupt(graph, corruption, &shape, rows, row_ids).rows,
    };
    let mut pass = Pass::new(Mode::Training(row_ids));
    let values = network.encode(graph, &mut pass, input);
    let (code, cost) = match (given, network.bottleneck) {
        (Some(noise), Bottleneck::Gaussian { .. }) => {
            let posterior = gaussian::posterior(graph, network, &mut pass, values);
            (posterior.at(noise), Some(posterior.divergence().sum_all() * (1.0 / batch as f32)))
        }
        _ => {
            let weight = scalars.bottleneck_weight;
            let coded = bottleneck::training(graph, network, &mut pass, values, row_ids, weight);
            (coded.code, coded.cost)
        }
    };
    let sums = network.decode(graph, &mut pass, code);
    let output = Output::from_choice(recipe.model.output)
        .ok_or_else(|| Error("the recipe leaves its output open".to_owned()))?;
    let of = Penalised { graph, pass: &pass, encoder: network.encoder, code, row_ids };
    let mut loss = output.loss(sums, rows).sum_all() * (1.0 / batch as f32);
    for term in cost.into_iter().chain(penalty::all(&recipe.train.penalty, &of)?) {
        loss = loss + term;
    }
    Ok((loss, pass.parameters))
}

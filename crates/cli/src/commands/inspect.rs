//! `narrows inspect`: the layers of a model or a recipe, and what a training step is compiled to.

mod gradients;
mod stand_in;

use crate::arguments::{ComputeOptions, Settings};
use crate::failure::Failure;
use crate::output;
use crate::recipe_choice;
use crate::wording::{bytes, count, figure, flops, of, table};
use clap::Args;
use narrows::model_file::{Description, Model};
use narrows::network::{Layer, Network};
use narrows::recipe::Recipe;
use narrows::train::{Setup, Trainer};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Options of `narrows inspect`.
#[derive(Debug, Args)]
pub struct Options {
    /// A model's file, a built-in recipe, or a recipe's TOML file
    #[arg(value_name = "MODEL|RECIPE")]
    what: String,
    /// The data of a recipe, which decide how wide its network is
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// List the steps of the compiled training step: what each does, its operations, its bytes
    #[arg(long)]
    plan: bool,
    /// Show how much of the gradient reached each layer over the epochs of a trained model
    #[arg(long)]
    gradients: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// Shows a model or a recipe.
///
/// # Errors
/// Something that is neither; a recipe whose data must be named.
pub fn run(options: &Options) -> Result<(), Failure> {
    let compute = options.compute.start()?;
    let subject = Subject::new(options)?;
    if options.gradients && subject.trained().is_none() {
        return Err(Failure::new(
            format!("--gradients: {} is a recipe, and gradients are kept by training", options.what),
            "train it, and inspect the model's file",
        ));
    }
    let mut shown = Shown {
        network: subject.network()?,
        trained: subject.trained().cloned(),
        notes: Vec::new(),
        gradients: options.gradients,
        plan: None,
    };
    let recipe = match &subject {
        Subject::Model(model) => model.description.recipe.clone(),
        Subject::Recipe(setup, notes) => {
            shown.notes.clone_from(notes);
            setup.recipe.clone()
        }
    };
    if options.plan {
        let setup = match subject {
            Subject::Model(model) => stand_in::setup_of_model(&model)?,
            Subject::Recipe(setup, _) => *setup,
        };
        shown.plan = Some(Trainer::new(setup, &compute)?);
    }
    if options.json {
        return output::json(&shown.as_json(&recipe));
    }
    output::result(&shown.as_text(&recipe))
}

/// What is shown.
enum Subject {
    Model(Box<Model>),
    /// With what to say about the rows that it was made with.
    Recipe(Box<Setup>, Vec<String>),
}

impl Subject {
    fn new(options: &Options) -> Result<Subject, Failure> {
        let path = Path::new(&options.what);
        let is_toml = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
        if Recipe::built_in(&options.what).is_none() && !is_toml && path.exists() {
            if !options.settings.set.is_empty() || options.data.is_some() {
                return Err(Failure::new(
                    format!("{}: --set and --data belong to a recipe, and this is a file", options.what),
                    "leave them out; a trained model is what it is",
                ));
            }
            return Ok(Subject::Model(Box::new(Model::load(path)?)));
        }
        let choice = recipe_choice::choose(Some(&options.what), options.data.as_deref(), &options.settings)?;
        let (source, notes) = match choice.data {
            Some(_) => {
                let source = choice.load(None)?;
                let notes = source.notes.clone();
                (source, notes)
            }
            None => stand_in::source_of_recipe(&choice.recipe)?,
        };
        Ok(Subject::Recipe(Box::new(Setup::new(&choice.recipe, source)?), notes))
    }

    fn network(&self) -> Result<Network, Failure> {
        Ok(match self {
            Subject::Model(model) => model.network()?,
            Subject::Recipe(setup, _) => setup.network.clone(),
        })
    }

    fn trained(&self) -> Option<&Description> {
        match self {
            Subject::Model(model) => Some(&model.description),
            Subject::Recipe(..) => None,
        }
    }
}

/// Everything that is printed.
struct Shown {
    network: Network,
    trained: Option<Description>,
    notes: Vec<String>,
    gradients: bool,
    plan: Option<Trainer>,
}

impl Shown {
    fn as_text(&self, recipe: &Recipe) -> String {
        let mut parts = vec![head(recipe)];
        parts.extend(self.trained.as_ref().map(history));
        parts.push(layers(&self.network));
        if let (Some(trained), true) = (&self.trained, self.gradients) {
            parts.push(gradients::as_text(&trained.history));
        }
        parts.extend(self.notes.iter().map(|note| format!("note: {note}")));
        if let Some(trainer) = &self.plan {
            let prediction = trainer.prediction();
            parts.push(format!(
                "a training step, compiled:\n\n{}\nan epoch: {}; peak memory of a run: about {}",
                trainer.step_executable().listing(),
                flops(prediction.flops_an_epoch),
                bytes(prediction.peak_bytes)
            ));
        }
        parts.push(format!("the recipe, complete:\n\n{}", recipe.to_toml().trim()));
        parts.join("\n\n")
    }

    fn as_json(&self, recipe: &Recipe) -> Value {
        let layer = |layer: &narrows::network::Layer| {
            json!({
                "name": layer.name,
                "inputs": layer.inputs(),
                "from": layer.from,
                "outputs": layer.outputs(),
                "to": layer.to,
                "activation": layer.activation.name(),
                "parameters": layer.parameter_count(),
                "flops": layer.flops(),
                "if_fully_connected": layer.if_fully_connected(),
            })
        };
        let with_inner = |of: &narrows::network::Layer| {
            let mut object = layer(of);
            // The first is the layer itself.
            let inner: Vec<Value> = of.with_inner().into_iter().skip(1).map(layer).collect();
            if !inner.is_empty() {
                object["inside"] = json!(inner);
            }
            object
        };
        let heads = self.network.auxiliary.iter().flat_map(|head| &head.layers);
        let mut object = json!({
            "kind": if self.trained.is_some() { "model" } else { "recipe" },
            "name": recipe.name,
            "features": self.network.features,
            "code": self.network.code(),
            "parameters": self.network.parameter_count(),
            "layers": self.network.layers.iter().map(with_inner).collect::<Vec<_>>(),
            "auxiliary": heads.map(with_inner).collect::<Vec<_>>(),
            "recipe": recipe,
            "notes": self.notes,
        });
        if let Some(trained) = &self.trained {
            object["classes"] = json!(trained.classes);
            object["rows"] = json!(trained.rows);
            object["epochs"] = json!(trained.history.len());
            object["best_epoch"] = json!(trained.best_epoch);
            object["fingerprint"] = json!(trained.fingerprint);
            if self.gradients {
                object["gradients"] = gradients::as_json(&trained.history);
            }
        }
        if let Some(trainer) = &self.plan {
            object["plan"] = plan(trainer);
        }
        object
    }
}

fn plan(trainer: &Trainer) -> Value {
    let executable = trainer.step_executable();
    let step = |step: narrows::engine::cpu::ListedStep| {
        json!({
            "phase": step.phase,
            "work": step.work,
            "program": step.program,
            "writes": step.writes,
            "units": step.units,
            "flops": step.flops,
            "bytes": step.bytes,
        })
    };
    json!({
        "instructions": executable.level().name(),
        "flops": executable.plan().flops(),
        "peak_bytes": trainer.prediction().peak_bytes,
        "steps": executable.steps().into_iter().map(step).collect::<Vec<_>>(),
    })
}

fn head(recipe: &Recipe) -> String {
    let about = if recipe.about.is_empty() { String::new() } else { format!(": {}", recipe.about) };
    format!("{}{about}", recipe.name)
}

fn history(trained: &Description) -> String {
    let rows = format!("{}: {}", trained.source, trained.shape.describe());
    let mut text = if trained.is_imported() {
        format!("imported weights ({rows})")
    } else {
        let epochs = of(trained.history.len(), "epoch", "epochs");
        format!("trained for {epochs} on {} ({rows})", of(trained.rows.train, "row", "rows"))
    };
    if let Some(last) = trained.history.last() {
        text.push_str(&format!("; last loss {}", figure(last.train_loss)));
        if let Some(held_out) = last.held_out_loss {
            text.push_str(&format!(", held-out {}", figure(held_out)));
        }
    }
    if let Some(best) = trained.best_epoch {
        text.push_str(&format!("; the weights are those of epoch {best}"));
    }
    if !trained.classes.is_empty() {
        text.push_str(&format!("\nclasses: {}", trained.classes.join(", ")));
    }
    text
}

/// A layer's name; of one inside another only what tells it from its neighbours, further in.
fn shown(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.len() {
        _ if parts[0] == "auxiliary" => name.to_owned(),
        0..=2 => name.to_owned(),
        deep => format!("{}{}", "  ".repeat((deep - 1) / 2), parts[2..].join(".")),
    }
}

fn layers(network: &Network) -> String {
    let head = ["layer", "shape", "what it does", "parameters", "FLOPs a row", "if fully connected"];
    // Only convolutions have something to be compared with.
    let columns = if network.layers.iter().any(|layer| layer.window().is_some()) { 6 } else { 5 };
    let head = head.map(str::to_owned)[..columns].to_vec();
    let mut rows = vec![head];
    let heads = network.auxiliary.iter().flat_map(|head| &head.layers);
    let all = network.layers.iter().chain(heads).enumerate();
    for (number, layer) in
        all.flat_map(|(number, layer)| layer.with_inner().into_iter().map(move |l| (number, l)))
    {
        let code = if number + 1 == network.encoder && layer.name == network.layers[number].name {
            " (the code)"
        } else {
            ""
        };
        let connected = layer.if_fully_connected().map_or(String::new(), count);
        let mut row = vec![
            format!("{}{code}", shown(&layer.name)),
            format!("{} → {}", layer.from, layer.to),
            layer.in_words(),
            count(layer.parameter_count() as u64),
            count(layer.flops()),
            connected,
        ];
        row.truncate(columns);
        rows.push(row);
    }
    let total = count(network.parameter_count() as u64);
    let flops = count(network.all_layers().map(Layer::flops).sum::<u64>());
    let mut row = vec!["all".to_owned(), network.widths(), String::new(), total, flops, String::new()];
    row.truncate(columns);
    rows.push(row);
    table(&rows, |column| column >= 3)
}

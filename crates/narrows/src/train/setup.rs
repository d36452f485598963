//! The checked plan of a run: recipe and rows brought together, every "auto" decided.

use super::augment::Augmentation;
use super::stage::{Stage, stages};
use super::suits_network;
use crate::autoencoder::Output;
use crate::data::{Dataset, ItemShape, Preparation, Source, Split, Suits};
use crate::error::Error;
use crate::network::Network;
use crate::recipe::{ClassWeights, Corruption, ModelKind, PrepareChoice, Pretraining, Recipe, SourceKind};
use narrows_engine::cpu::{Level, Pool};
use std::sync::Arc;

/// Threads and instruction set to run on.
#[derive(Clone)]
pub struct Compute {
    /// The threads.
    pub pool: Arc<Pool>,
    /// The instruction set.
    pub level: Level,
}

impl Compute {
    /// So many threads at this machine's best instruction set.
    ///
    /// # Errors
    /// Threads that cannot be started.
    pub fn new(threads: usize) -> Result<Compute, Error> {
        Ok(Compute { pool: Pool::new(threads)?, level: Level::best() })
    }
}

/// What will be done, completely decided.
#[derive(Clone)]
pub struct Setup {
    /// The recipe, "auto" replaced by what was chosen.
    pub recipe: Recipe,
    /// The rows.
    pub source: Source,
    /// Which rows learn, choose and judge.
    pub split: Split,
    /// How rows are prepared.
    pub preparation: Preparation,
    /// What the outputs are.
    pub output: Output,
    /// The layers.
    pub network: Network,
    /// Names of the classes; empty for an autoencoder.
    pub classes: Vec<String>,
    /// What each of them counts in the loss; empty where all count the same.
    pub class_weights: Vec<f32>,
    /// What is trained when, pre-training first.
    pub stages: Vec<Stage>,
    /// What the outputs are where rows are rebuilt: those of an autoencoder, or what suits the rows of a classifier.
    pub rebuilt: Output,
}

impl Setup {
    /// Brings a recipe and rows together.
    ///
    /// # Errors
    /// Too few rows, labels missing, settings that the data do not allow.
    pub fn new(recipe: &Recipe, source: Source) -> Result<Setup, Error> {
        let mut recipe = recipe.clone().without_path();
        let split = Split::new(&source, &recipe.data.split_options(recipe.train.seed))?;
        recipe.data.source = source_kind(&source.name).unwrap_or(recipe.data.source);
        let preparation = Preparation::fit(&source.train, &split.train, recipe.data.preparation())?;
        let (classifier, segmenter) =
            (recipe.model.kind == ModelKind::Classifier, recipe.model.kind == ModelKind::Segmenter);
        let classes = match (&source.train.labels, &source.train.maps) {
            (Some(labels), _) if classifier => labels.names.clone(),
            (_, Some(maps)) if segmenter => maps.names.clone(),
            _ if classifier => return Err(Error::NoLabels { name: source.name.clone() }),
            _ if segmenter => return Err(Error::NoLabelMaps { name: source.name.clone() }),
            _ => Vec::new(),
        };
        let class_weights =
            class_weights(recipe.train.class_weights, &source.train, &split.train, classes.len());
        let suiting = || match Suits::of(&source.train, &split.train, &preparation) {
            Suits::Bernoulli => Output::Bernoulli,
            Suits::Gaussian => Output::Gaussian,
        };
        let chosen = Output::from_choice(recipe.model.output);
        let output =
            if classifier || segmenter { Output::Categorical } else { chosen.unwrap_or_else(suiting) };
        let rebuilt = match recipe.train.pretraining {
            Pretraining::None => output,
            _ if classifier => suiting(),
            _ => output,
        };
        refuse(&recipe, &source.train, &split.train, &preparation, output)?;
        recipe.model.output = output.as_choice();
        recipe.data.prepare = match (recipe.data.prepare, &preparation) {
            (PrepareChoice::Auto, Preparation::None) => PrepareChoice::None,
            (PrepareChoice::Auto, Preparation::Scale { .. }) => PrepareChoice::Unit,
            (PrepareChoice::Auto, Preparation::TfIdf { .. }) => PrepareChoice::TfIdf,
            (PrepareChoice::Auto, Preparation::Standardise { .. }) => PrepareChoice::Standardise,
            (chosen, _) => chosen,
        };
        let mut network = Network::new(&recipe.model, &source.train.shape, classes.len())?;
        suits_network::expect(&recipe, &network)?;
        if recipe.train.pretraining != Pretraining::None {
            network = network.with_partners(&recipe.model)?;
        }
        let stages = stages(&recipe, &network, &source.train, &split.train, rebuilt)?;
        Ok(Setup {
            recipe,
            source,
            split,
            preparation,
            output,
            network,
            classes,
            class_weights,
            stages,
            rebuilt,
        })
    }

    /// What a user should know about this plan before it runs, one sentence each; often none.
    pub fn notes(&self) -> Vec<String> {
        let model = &self.recipe.model;
        let hidden = &self.network.layers[..self.network.layers.len() - 1];
        let narrowest = hidden.iter().map(|layer| layer.outputs()).min().unwrap_or(0);
        let mut notes = Vec::new();
        if model.kind == ModelKind::Autoencoder
            && narrowest >= self.network.features
            && !self.recipe.is_regularised()
        {
            notes.push(format!(
                "the code ({} units) is as wide as a row ({} numbers) and nothing keeps the network from copying its \
                 input; narrow model.code, or set train.corruption, train.penalty.sparsity or train.weight_decay",
                self.network.code(), self.network.features
            ));
        }
        notes
    }

    /// Whether classes of pixels are told.
    pub fn is_segmenter(&self) -> bool {
        self.recipe.model.kind == ModelKind::Segmenter
    }

    /// Epochs of all stages together.
    pub fn epochs(&self) -> usize {
        self.stages.iter().map(|stage| stage.train.epochs).sum()
    }

    /// Steps of all stages together.
    pub fn steps(&self) -> usize {
        self.stages.iter().map(|stage| stage.train.epochs * stage.steps()).sum()
    }

    /// The stage that an epoch (from 0) of the run belongs to; the last one after its end.
    pub fn stage_of(&self, epoch: usize) -> usize {
        let within = |stage: &Stage| epoch < stage.end();
        self.stages.iter().position(within).unwrap_or(self.stages.len() - 1)
    }
}

/// What classes count: the median frequency over each one's own; what is never seen counts nothing.
fn class_weights(choice: ClassWeights, train: &Dataset, rows: &[u32], classes: usize) -> Vec<f32> {
    if choice == ClassWeights::Equal || classes == 0 {
        return Vec::new();
    }
    let counts: Vec<[u64; 2]> = match (&train.maps, &train.labels) {
        (Some(maps), _) => maps.counts(rows, train.shape.pixels()),
        (None, Some(labels)) => (0..classes as u32)
            .map(|class| {
                let own = rows.iter().filter(|row| labels.of_row[**row as usize] == class).count();
                [own as u64, rows.len() as u64]
            })
            .collect(),
        (None, None) => return Vec::new(),
    };
    let shares: Vec<f64> =
        counts.iter().map(|[own, all]| if *all > 0 { *own as f64 / *all as f64 } else { 0.0 }).collect();
    let mut seen: Vec<f64> = shares.iter().copied().filter(|share| *share > 0.0).collect();
    seen.sort_by(f64::total_cmp);
    let middle = seen.len() / 2;
    let median = match seen.len() {
        0 => 0.0,
        even if even % 2 == 0 => (seen[middle - 1] + seen[middle]) / 2.0,
        _ => seen[middle],
    };
    shares.iter().map(|share| if *share > 0.0 { (median / share) as f32 } else { 0.0 }).collect()
}

fn source_kind(name: &str) -> Option<SourceKind> {
    match name {
        "glyphs" => Some(SourceKind::Glyphs),
        "idx" => Some(SourceKind::Idx),
        "pictures" => Some(SourceKind::Pictures),
        "npy" => Some(SourceKind::Npy),
        "csv" => Some(SourceKind::Csv),
        "text" => Some(SourceKind::Text),
        _ => None,
    }
}

fn refuse(
    recipe: &Recipe,
    rows: &Dataset,
    training: &[u32],
    preparation: &Preparation,
    output: Output,
) -> Result<(), Error> {
    let weights = matches!(preparation, Preparation::TfIdf { .. });
    if weights && matches!(rows.shape, ItemShape::Image { .. }) {
        return Err(Error::Setting {
            setting: "data.prepare",
            problem: format!("\"tf-idf\" weighs counts of words, and rows are {}", rows.shape.describe()),
            hint: "leave it out, and data.size where rows are texts".to_owned(),
        });
    }
    let shift = recipe.train.augment_shift;
    match rows.shape {
        ItemShape::Vector { .. } if Augmentation::new(&recipe.train).is_some() => {
            return Err(Error::Setting {
                setting: "train.augment_shift",
                problem: format!("rows are {}, and only pictures can be augmented", rows.shape.describe()),
                hint: "leave it out, or read the rows as pictures with --set data.size=[H,W]".to_owned(),
            });
        }
        ItemShape::Image { height, width, .. } if shift >= height.min(width) => {
            return Err(Error::Setting {
                setting: "train.augment_shift",
                problem: format!("{shift} pixels would move {} out of sight", rows.shape.describe()),
                hint: "use a few pixels".to_owned(),
            });
        }
        _ => {}
    }
    if let Corruption::Block { height: tall, width: wide } = recipe.train.corruption {
        let fits =
            matches!(rows.shape, ItemShape::Image { height, width, .. } if tall <= height && wide <= width);
        if !fits {
            return Err(Error::Setting {
                setting: "train.corruption",
                problem: format!(
                    "a block of {tall}x{wide} pixels cannot be cut out of {}",
                    rows.shape.describe()
                ),
                hint: "choose a smaller block, or \"masking\" where rows are no pictures".to_owned(),
            });
        }
    }
    let unit = |row: &[f32]| row.iter().all(|value| (-1e-6..=1.0 + 1e-6).contains(value));
    let shares = |row: &[f32]| unit(row) && (row.iter().sum::<f32>() - 1.0).abs() < 1e-3;
    // Training rows only: scaling is fitted on them, and others may lie a little outside.
    let every = |fits: &dyn Fn(&[f32]) -> bool| {
        let mut row = vec![0.0; rows.features()];
        training.iter().all(|number| {
            rows.row_f32(*number as usize, &mut row);
            preparation.prepare(&mut row);
            fits(&row)
        })
    };
    if recipe.data.binarise && (weights || !every(&unit)) {
        return Err(Error::Setting {
            setting: "data.binarise",
            problem: "prepared values are taken as probabilities, and some are none".to_owned(),
            hint: "use --set data.prepare=unit, or leave data.binarise out".to_owned(),
        });
    }
    if matches!(recipe.train.corruption, Corruption::SaltAndPepper { .. }) && !every(&unit) {
        return Err(Error::Setting {
            setting: "train.corruption",
            problem: "\"salt-and-pepper\" sets numbers to 0 and 1, and some prepared values lie outside"
                .to_owned(),
            hint: "use --set data.prepare=unit, or another corruption".to_owned(),
        });
    }
    let (problem, hint) = match output {
        Output::Bernoulli if !every(&unit) => (
            "\"bernoulli\" needs prepared values from 0 to 1, and some lie outside",
            "use --set data.prepare=unit, or --set model.output=gaussian",
        ),
        // In a classifier the targets are classes, whatever the rows are.
        Output::Categorical if recipe.model.kind == ModelKind::Autoencoder && !every(&shares) => (
            "\"categorical\" needs prepared rows that are shares or one class of several, and some do not sum to 1",
            "use --set model.output=gaussian, or train a classifier with --set model.kind=classifier",
        ),
        _ => return Ok(()),
    };
    Err(Error::Setting { setting: "model.output", problem: problem.to_owned(), hint: hint.to_owned() })
}

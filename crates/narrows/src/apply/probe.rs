//! What codes are worth to a classifier that sees few labels: a softmax layer on codes, on the rows themselves, and on PCA with as many
//! numbers, over several draws of labelled rows.

use super::codec::Codec;
use super::evaluate::{fit_pca, largest, true_classes_of};
use crate::autoencoder::Output;
use crate::data::Dataset;
use crate::error::Error;
use crate::network::dense::{Parameters, dense};
use crate::network::{Extent, Layer, LayerWork};
use crate::recipe::{Activation, Optimiser, Schedule, TrainRecipe};
use crate::streams;
use crate::train::Compute;
use crate::train::optimiser::{StepScalars, add_updates, declare_scalars};
use crate::train::schedule::{Plateau, rate};
use narrows_engine::Graph;
use narrows_engine::cpu::{Executable, Feed, Run, States};
use serde::Serialize;

/// Weights of the penalty λ‖W‖² that are tried; a fifth of the labelled rows chooses.
const DECAYS: [f64; 5] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1];
/// The penalty where there are too few labelled rows to choose by.
const USUAL_DECAY: f64 = 1e-2;
/// Fewest labelled rows of a class of which some can be set aside.
const ENOUGH: usize = 5;
/// Steps of a classifier, each over all of its rows.
const STEPS: usize = 300;
/// Rows read at once.
const ROWS: usize = 1024;

/// What is to be tried.
#[derive(Clone, Copy, Debug)]
pub struct ProbeOptions {
    /// Labelled rows of each class that a classifier sees.
    pub labels_per_class: usize,
    /// How many times they are drawn.
    pub draws: usize,
    /// The seed of the draws.
    pub seed: u64,
}

/// How well classes are told from one kind of numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probed {
    /// What the classifier sees: "codes", "rows" or "PCA".
    pub on: &'static str,
    /// How many numbers a row.
    pub numbers: usize,
    /// Share of test rows given their own class, averaged over draws.
    pub accuracy: f64,
    /// Standard deviation over draws; 0 for a single one.
    pub deviation: f64,
    /// Every draw's accuracy.
    pub accuracies: Vec<f64>,
}

/// Probes a model: classifiers learn from labelled rows of `training` and are judged on `judging`. PCA is fitted on all of
/// `training`, whose other labels nobody looks at.
///
/// # Errors
/// Rows without labels, or with too few of a class.
pub fn probe(
    codec: &Codec,
    training: (&Dataset, &[u32]),
    judging: (&Dataset, &[u32]),
    options: ProbeOptions,
    compute: &Compute,
) -> Result<Vec<Probed>, Error> {
    let Some(labels) = &training.0.labels else {
        return Err(Error::NoLabels { name: "the data".to_owned() });
    };
    let (names, classes) = (&labels.names[..], labels.names.len());
    let (truths, judged) = (true_classes_of(names, training.0)?, true_classes_of(names, judging.0)?);
    let chosen: Vec<Vec<u32>> = (0..options.draws)
        .map(|draw| {
            let key = (options.seed, streams::PROBE, draw as u32);
            let each = options.labels_per_class;
            labels.some_of_each(training.1, each, key).map_err(|(class, found)| Error::Mismatch {
                what: format!("class `{}` of the training rows", names[class]),
                expected: format!("{each} rows"),
                found: found.to_string(),
                hint: "ask for fewer labels per class".to_owned(),
            })
        })
        .collect::<Result<_, Error>>()?;
    let preparation = &codec.model().description.preparation;
    let components = codec.code().min(codec.features());
    let pca = fit_pca(preparation, training, components, compute)?;
    let prepared = |mut rows: Vec<f32>| {
        preparation.prepare(&mut rows);
        rows
    };
    let by_pca = |rows: Vec<f32>| {
        let mut codes = vec![0.0; rows.len() / codec.features() * components];
        let rows = prepared(rows);
        let each = rows.chunks_exact(codec.features()).zip(codes.chunks_exact_mut(components));
        each.for_each(|(row, code)| pca.encode(row, code));
        codes
    };
    type View<'v> = (&'static str, usize, &'v dyn Fn(Vec<f32>) -> Result<Vec<f32>, Error>);
    let views: [View<'_>; 3] = [
        ("codes", codec.code(), &|rows| codec.encode(&rows)),
        ("rows", codec.features(), &|rows| Ok(prepared(rows))),
        ("PCA", components, &|rows| Ok(by_pca(rows))),
    ];
    let mut results = Vec::new();
    for (on, numbers, view) in views {
        let seen = |(dataset, rows): (&Dataset, &[u32])| -> Result<Vec<f32>, Error> {
            let mut all = Vec::with_capacity(rows.len() * numbers);
            for chunk in rows.chunks(ROWS) {
                all.extend(view(dataset.select(chunk).values.to_f32())?);
            }
            Ok(all)
        };
        let test = seen(judging)?;
        let answers: Vec<usize> = judging.1.iter().map(|row| judged[*row as usize]).collect();
        let mut accuracies = Vec::new();
        for rows in &chosen {
            let values = seen((training.0, rows))?;
            let own: Vec<usize> = rows.iter().map(|row| truths[*row as usize]).collect();
            let task = Task { values: &values, truths: &own, numbers, classes, compute };
            accuracies.push(task.learn(options.labels_per_class)?.accuracy(&test, &answers));
        }
        let count = accuracies.len().max(1) as f64;
        let accuracy = accuracies.iter().sum::<f64>() / count;
        let squares: f64 = accuracies.iter().map(|value| (value - accuracy).powi(2)).sum();
        let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
        results.push(Probed { on, numbers, accuracy, deviation, accuracies });
    }
    Ok(results)
}

/// Labelled rows to learn from, N×numbers.
struct Task<'t> {
    values: &'t [f32],
    truths: &'t [usize],
    numbers: usize,
    classes: usize,
    compute: &'t Compute,
}

/// A softmax layer.
struct Softmax {
    mean: Vec<f32>,
    scale: f32,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Task<'_> {
    /// Learns from all rows, by the penalty that a part of them likes best.
    fn learn(&self, labels_per_class: usize) -> Result<Softmax, Error> {
        if labels_per_class < ENOUGH {
            return self.fit(USUAL_DECAY);
        }
        // Rows are in a random order already.
        let held = self.truths.len() / 5;
        let (own, test) = (self.part(held..self.truths.len()), self.part(0..held));
        let mut best = (USUAL_DECAY, -1.0);
        for decay in DECAYS {
            let accuracy = own.fit(decay)?.accuracy(test.values, test.truths);
            if accuracy > best.1 {
                best = (decay, accuracy);
            }
        }
        self.fit(best.0)
    }

    fn part(&self, rows: std::ops::Range<usize>) -> Task<'_> {
        let values = &self.values[rows.start * self.numbers..rows.end * self.numbers];
        Task { values, truths: &self.truths[rows], ..*self }
    }

    /// Minimises the mean cross-entropy plus λ‖W‖² by Adam over all rows at once.
    fn fit(&self, decay: f64) -> Result<Softmax, Error> {
        let rows = self.truths.len();
        let mut mean = vec![0.0f32; self.numbers];
        for row in self.values.chunks_exact(self.numbers) {
            mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value / rows as f32);
        }
        let centred: Vec<f32> =
            self.values.iter().enumerate().map(|(at, value)| value - mean[at % self.numbers]).collect();
        // One scale for all: numbers that hardly vary are not to be made loud.
        let square = centred.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / centred.len() as f64;
        let scale = (1.0 / square.sqrt().max(1e-12)) as f32;
        let input: Vec<f32> = centred.iter().map(|value| value * scale).collect();
        let mut targets = vec![0.0f32; rows * self.classes];
        self.truths.iter().enumerate().for_each(|(row, class)| targets[row * self.classes + class] = 1.0);

        let train = TrainRecipe {
            epochs: STEPS,
            optimiser: Optimiser::default(),
            learning_rate: 0.02,
            schedule: Schedule::Cosine { last: 0.0 },
            weight_decay: decay,
            ..TrainRecipe::default()
        };
        let graph = Graph::new();
        let (x, target) =
            (graph.input("x", [rows, self.numbers]), graph.input("targets", [rows, self.classes]));
        let mut parameters = Parameters::default();
        let to = (LayerWork::Dense, Extent::from(self.classes));
        let layer = Layer::new("softmax".to_owned(), Extent::from(self.numbers), to, Activation::Identity);
        let sums = dense(&graph, &mut parameters, &layer, x);
        let loss = Output::Categorical.loss(sums, target).sum_all() * (1.0 / rows as f32);
        graph.output("loss", loss);
        let scalars = declare_scalars(&graph);
        add_updates(&graph, loss, &parameters, &train, &scalars, None)?;
        let mut executable = Executable::new(&graph, &self.compute.pool, self.compute.level)?;
        let mut states = States::new(&graph.states());
        let feeds = [Feed::F32(&input), Feed::F32(&targets)];
        for step in 0..STEPS {
            let rate = rate(&train, step as f64 + 0.5, &Plateau::default());
            let scalars = StepScalars::new(&train, rate, 1.0, step as u64).as_array();
            executable.run(&mut states, &Run { inputs: &feeds, scalars: &scalars, ..Run::default() })?;
        }
        let state = |name: &str| states.get(name).unwrap_or_default();
        Ok(Softmax { mean, scale, weight: state("softmax.weight"), bias: state("softmax.bias") })
    }
}

impl Softmax {
    /// Share of rows whose largest sum is that of their own class.
    fn accuracy(&self, values: &[f32], truths: &[usize]) -> f64 {
        let classes = self.bias.len();
        let right = values.chunks_exact(self.mean.len()).zip(truths).filter(|(row, truth)| {
            let mut sums = self.bias.clone();
            for ((value, mean), weights) in row.iter().zip(&self.mean).zip(self.weight.chunks_exact(classes))
            {
                let value = (value - mean) * self.scale;
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
            }
            largest(&sums) == **truth
        });
        right.count() as f64 / truths.len().max(1) as f64
    }
}

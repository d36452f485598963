//! Figures of families: on models small enough to know the answer.

mod library_support;

use library_support::{compute, pictures, table, train, with};
use narrows::apply::evaluate::{Evaluation, Reconstruction, fit_pca};
use narrows::apply::family::Denoiser;
use narrows::apply::{Codec, Figures, evaluate};
use narrows::data::{Dataset, Values};
use narrows::model_file::Model;

/// Judges a model on all rows of what it was trained on.
fn judged(model: Model, rows: &Dataset, samples: usize) -> (Codec, Reconstruction) {
    let all: Vec<u32> = (0..rows.rows() as u32).collect();
    let codec = Codec::new(model, &compute(2)).unwrap();
    let judge = || evaluate(&codec, rows, &all, (rows, &all), samples, &compute(2)).unwrap();
    let Evaluation { figures: Figures::Reconstruction(found), .. } = judge() else { panic!("a classifier") };
    let Figures::Reconstruction(again) = judge().figures else { panic!("a classifier") };
    assert_eq!(found, again, "scoring twice gives the same numbers");
    (codec, found)
}

/// A model with every tensor 0 but those named.
fn emptied(mut model: Model, named: &[(&str, &[f32])]) -> Model {
    for tensor in &mut model.tensors {
        tensor.values.fill(0.0);
        if let Some((_, values)) = named.iter().find(|(name, _)| *name == tensor.name) {
            tensor.values.copy_from_slice(values);
        }
    }
    model
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() < tolerance, "{found}, expected {expected}");
}

const SHORT: [&str; 3] = ["train.epochs=1", "train.batch=16", "data.validation=0"];

/// Nothing depends on anything: the divergence is that of constant distributions, the loss that of a coin for every pixel, and the
/// likelihood the coin's, whatever the codes are drawn from.
#[test]
fn the_bound_and_the_likelihood_of_a_model_that_ignores_its_code() {
    let settings = with(
        &SHORT,
        &["model.hidden=[]", "model.code=2", "model.bottleneck=gaussian", "model.output=bernoulli"],
    );
    let rows = pictures(60, 1);
    let trained = train(&settings, rows.clone(), &compute(1)).0;
    let (mean, spread) = ([0.5f32, -0.5], [0.3f32, 0.2]);
    let model = emptied(trained, &[("encoder.0.bias", &mean), ("log_variance.bias", &spread)]);
    let bound = judged(model, &rows, 2000).1.family.bound.unwrap();
    let divergence: f64 = mean
        .iter()
        .zip(spread)
        .map(|(m, s)| (f64::from(*m), f64::from(s)))
        .map(|(m, s)| 0.5 * (m * m + s.exp() - s - 1.0))
        .sum();
    let coins = 30.0 * 2f64.ln();
    near(bound.divergence, divergence, 1e-5);
    near(bound.reconstruction, coins, 1e-4);
    near(bound.bound, divergence + coins, 1e-4);
    near(bound.log_likelihood.unwrap(), -coins, 0.02);
    assert_eq!((bound.active_units, bound.samples), (0, 2000));
}

/// More samples make the likelihood larger than the bound; a trained model uses its units.
#[test]
fn the_likelihood_lies_above_the_bound() {
    let settings = [
        "model.hidden=[16]",
        "model.code=3",
        "model.bottleneck=gaussian",
        "model.output=bernoulli",
        "train.epochs=60",
        "train.batch=16",
        "train.learning_rate=0.01",
    ];
    let rows = pictures(120, 1);
    let bound = judged(train(&settings, rows.clone(), &compute(1)).0, &rows, 200).1.family.bound.unwrap();
    assert!(bound.active_units > 0, "{bound:?}");
    assert!(bound.log_likelihood.unwrap() > -bound.bound, "{bound:?}");
}

/// Rows that are draws of grey values are drawn once: every sample of the code meets the same zeros and ones.
#[test]
fn the_likelihood_of_drawn_rows_is_that_of_one_draw() {
    let settings = with(
        &SHORT,
        &[
            "model.hidden=[]",
            "model.code=2",
            "model.bottleneck=gaussian",
            "model.output=bernoulli",
            "data.prepare=unit",
            "data.binarise=true",
        ],
    );
    let mut rows = pictures(60, 1);
    rows.values = Values::U8((0..rows.values.len()).map(|at| [80, 160, 0, 255][at % 4]).collect());
    let bias: Vec<f32> = (0..30).map(|at| if at % 3 == 0 { 2.0 } else { -2.0 }).collect();
    let model = emptied(train(&settings, rows.clone(), &compute(1)).0, &[("decoder.0.bias", &bias)]);
    let bound = judged(model, &rows, 40).1.family.bound.unwrap();
    near(bound.log_likelihood.unwrap(), -bound.reconstruction, 1e-4);
    // By the grey values: a pixel that is 1 with p costs ln(1 + eᵃ) − p a on average.
    let grey = rows.values.to_f32();
    let cost = |at: usize| {
        let a = f64::from(bias[at % 30]);
        (1.0 + a.exp()).ln() - f64::from(grey[at]) / 255.0 * a
    };
    let expected = (0..grey.len()).map(cost).sum::<f64>() / 60.0;
    assert!((bound.reconstruction - expected).abs() < 2.0, "{} and {expected}", bound.reconstruction);
}

/// A squared error is a normal density with variance ½: its constant is in the likelihood.
#[test]
fn the_likelihood_of_real_rows_has_the_densitys_constant() {
    let settings = with(
        &SHORT,
        &[
            "model.hidden=[]",
            "model.code=2",
            "model.bottleneck=gaussian",
            "model.output=gaussian",
            "data.prepare=none",
        ],
    );
    let rows = table(40, 8, 1);
    let model = emptied(train(&settings, rows.clone(), &compute(1)).0, &[]);
    let bound = judged(model, &rows, 5).1.family.bound.unwrap();
    let squares: f64 = rows.values.to_f32().iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / 40.0;
    let exact = squares + 4.0 * std::f64::consts::PI.ln();
    near(bound.reconstruction, exact, 1e-4);
    near(bound.log_likelihood.unwrap(), -exact, 1e-4);
}

/// Four units of a top-k code with known biases: two are always kept, one never, and one is kept but 0.
#[test]
fn the_use_of_units() {
    let settings = with(
        &SHORT,
        &[
            "model.hidden=[]",
            "model.code=4",
            "model.bottleneck={ kind = 'top-k', keep = 2, auxiliary = 0.0 }",
            "model.output=gaussian",
            "data.prepare=none",
        ],
    );
    let rows = table(40, 8, 1);
    let trained = train(&settings, rows.clone(), &compute(1)).0;
    let model = emptied(trained, &[("encoder.0.bias", &[3.0, -1.0, 5.0, -2.0])]);
    let (_, figures) = judged(model, &rows, 0);
    let activity = figures.family.activity.unwrap();
    near(activity.mean_activation, (3.0 + 5.0) / 4.0, 1e-6);
    near(activity.active_a_row, 2.0, 1e-9);
    assert_eq!(activity.dead_units, 2);
    // It rebuilds 0: what it leaves unexplained is all the variance and the mean besides.
    let squares: f64 = rows.values.to_f32().iter().map(|v| f64::from(*v).powi(2)).sum();
    let variance = 40.0 * figures.baselines.mean.squared_error;
    near(activity.variance_unexplained, squares / variance, 1e-4);
    // PCA is given as many components as a row has numbers.
    let all: Vec<u32> = (0..40).collect();
    let pca = fit_pca(&narrows::data::Preparation::None, (&rows, &all), 2, &compute(1)).unwrap();
    let mut read = |row: usize, out: &mut [f32]| rows.row_f32(row, out);
    near(figures.baselines.pca.squared_error, pca.squared_error(40, &mut read).unwrap(), 1e-9);
}

/// Of a linear code the Jacobian is the weight itself.
#[test]
fn the_norm_of_the_jacobian() {
    for (hidden, names) in
        [("[]", &["encoder.0.weight"][..]), ("[3]", &["encoder.0.weight", "encoder.1.weight"])]
    {
        let settings = with(
            &SHORT,
            &[
                "model.code=2",
                "model.activation=identity",
                "train.penalty.contraction=exact",
                &format!("model.hidden={hidden}"),
            ]
            .map(|setting| setting.to_owned().leak() as &str),
        );
        let rows = table(40, 8, 1);
        let model = train(&settings, rows.clone(), &compute(1)).0;
        let of = |name: &str| {
            let values = library_support::tensor(&model, name);
            values.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>()
        };
        let jacobian: Vec<f64> = match names {
            [only] => of(only),
            _ => {
                let (first, second) = (of(names[0]), of(names[1]));
                let entry = |i: usize, j: usize| (0..3).map(|k| first[i * 3 + k] * second[k * 2 + j]).sum();
                (0..16).map(|at| entry(at / 2, at % 2)).collect()
            }
        };
        let expected = jacobian.iter().map(|v| v * v).sum::<f64>().sqrt();
        near(judged(model, &rows, 0).1.family.contraction.unwrap().mean_norm, expected, 1e-4);
    }
}

/// Masking a share of the numbers leaves that share of their squares as the error; PCA is given its best number of components.
#[test]
fn the_error_on_corrupted_rows() {
    let settings = with(
        &SHORT,
        &[
            "model.hidden=[]",
            "model.code=5",
            "model.output=gaussian",
            "data.prepare=none",
            "train.corruption=masking",
        ],
    );
    let rows = table(4000, 8, 1);
    let model = emptied(train(&settings, rows.clone(), &compute(1)).0, &[]);
    let (_, figures) = judged(model, &rows, 0);
    let found = figures.family.denoising.unwrap();
    let squares: f64 = rows.values.to_f32().iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / 4000.0;
    near(found.as_it_is / squares, 0.25, 0.01);
    near(found.squared_error, squares, 1e-3);
    // PCA's own way for each number of components: none does better, and the one told does as well.
    let all: Vec<u32> = (0..4000).collect();
    let codec = judged(train(&settings, rows.clone(), &compute(1)).0, &rows, 0).0;
    let mut denoiser = Denoiser::new(&codec, codec.model().description.recipe.train.corruption).unwrap();
    let clean = rows.values.to_f32();
    let [corrupted, _] = denoiser.run(&clean, &all, 1).unwrap();
    let error_of = |components| {
        let pca = fit_pca(&narrows::data::Preparation::None, (&rows, &all), components, &compute(1)).unwrap();
        let mut out = [0.0; 8];
        let error = |(clean, corrupted): (&[f32], &[f32])| {
            pca.reconstruct(corrupted, &mut out);
            clean.iter().zip(&out).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
        };
        clean.chunks(8).zip(corrupted.chunks(8)).map(error).sum::<f64>() / 4000.0
    };
    let errors: Vec<f64> = (1..=5).map(error_of).collect();
    let best = errors.iter().copied().fold(figures.baselines.mean.squared_error, f64::min);
    near(found.pca, best, 1e-3);
    near(errors[found.pca_components - 1], best, 1e-3);
}

//! Bottlenecks against formulae written independently in f64, and what they promise in use.

mod library_support;

use library_support::coded::{FEATURES, ROWS, evaluated, feed, training};
use library_support::{SMALL, compute, pictures, table, tensor, train, with};
use narrows::apply::{Codec, generate};
use narrows::engine::check::check_gradient;
use narrows::engine::reference::{Feed, evaluate};
use narrows::engine::{Graph, Tensor};

/// ln σ² by hand: the layer beside the code's hears what it hears.
fn log_variance(feed: &Feed, units: usize) -> Vec<f64> {
    let (x, weight) = (&feed.inputs["x"], &feed.states["log_variance.weight"]);
    let bias = &feed.states["log_variance.bias"];
    let sum = |row: usize, unit: usize| {
        (0..FEATURES).map(|i| x[row * FEATURES + i] * weight[i * units + unit]).sum::<f64>() + bias[unit]
    };
    (0..ROWS * units).map(|at| sum(at / units, at % units)).collect()
}

const GAUSSIAN: [&str; 3] =
    ["model.hidden=[]", "model.code=3", "model.bottleneck={ kind = 'gaussian', beta = 0.7 }"];

#[test]
fn the_divergence_is_that_of_normal_distributions() {
    let feed = feed(&GAUSSIAN);
    let found = evaluated(&GAUSSIAN, &feed);
    let spread = log_variance(&feed, 3);
    let each: Vec<f64> = found.outputs["values"]
        .iter()
        .zip(&spread)
        .map(|(mean, spread)| 0.5 * (mean * mean + spread.exp() - spread - 1.0))
        .collect();
    let expected = 0.7 * each.iter().sum::<f64>() / ROWS as f64;
    assert!((found.outputs["cost"][0] / expected - 1.0).abs() < 1e-6);
    // A share of it while β rises.
    let rising = evaluated(&GAUSSIAN, &feed.clone().scalar("weight", 0.25));
    assert!((rising.outputs["cost"][0] / (0.25 * expected) - 1.0).abs() < 1e-6);
    // With free bits a unit's mean divergence counts from there on.
    let unit = |unit: usize| each.iter().skip(unit).step_by(3).sum::<f64>() / ROWS as f64;
    let mut sorted = [unit(0), unit(1), unit(2)];
    sorted.sort_by(f64::total_cmp);
    let free = (sorted[0] + sorted[1]) / 2.0;
    let setting = format!("model.bottleneck={{ kind = 'gaussian', beta = 0.7, free_bits = {free} }}");
    let charged = evaluated(&["model.hidden=[]", "model.code=3", &setting], &feed);
    let expected = 0.7 * (free + sorted[1] + sorted[2]);
    assert!((charged.outputs["cost"][0] / expected - 1.0).abs() < 1e-6);
}

#[test]
fn draws_have_the_posteriors_mean_and_variance_and_gradients_flow_through() {
    let feed = feed(&GAUSSIAN);
    let spread = log_variance(&feed, 3);
    let draws = 4000;
    let mut sums = vec![(0.0, 0.0); ROWS * 3];
    let mut means = Vec::new();
    for step in 0..draws {
        let found = evaluated(&GAUSSIAN, &feed.clone().keyed(5, step));
        means = found.outputs["values"].clone();
        for (sum, (code, mean)) in sums.iter_mut().zip(found.outputs["code"].iter().zip(&means)) {
            sum.0 += code - mean;
            sum.1 += (code - mean).powi(2);
        }
    }
    for ((sum, squares), spread) in sums.iter().zip(&spread) {
        let variance = spread.exp();
        assert!((sum / f64::from(draws)).abs() < 4.0 * (variance / f64::from(draws)).sqrt());
        assert!((squares / f64::from(draws) / variance - 1.0).abs() < 0.1);
    }
    assert_eq!(means.len(), ROWS * 3);
    let graph = Graph::new();
    let (coded, pass) = training(&graph, &GAUSSIAN);
    let loss = coded.code.square().sum_all() + coded.cost.unwrap();
    let leaves: Vec<Tensor<'_>> = pass.parameters.list.iter().map(|parameter| parameter.1).collect();
    assert_eq!(leaves.len(), 4, "two layers with weight and bias");
    assert!(check_gradient(&graph, loss, &leaves, &feed).unwrap().largest > 0.0);
}

#[test]
fn binary_codes_are_soft_and_noisy_in_training_and_0_or_1_in_use() {
    let soft = ["model.hidden=[]", "model.code=3", "model.bottleneck={ kind = 'binary', noise = 0.0 }"];
    let feed = feed(&soft);
    let found = evaluated(&soft, &feed);
    for (code, sum) in found.outputs["code"].iter().zip(&found.outputs["values"]) {
        assert!((code - 1.0 / (1.0 + (-sum).exp())).abs() < 1e-6);
    }
    // With noise, the sum that a sigmoid shows differs by a normal number of that deviation.
    let noisy = ["model.hidden=[]", "model.code=3", "model.bottleneck={ kind = 'binary', noise = 2.0 }"];
    let mut squares = 0.0;
    for step in 0..400 {
        let found = evaluated(&noisy, &feed.clone().keyed(1, step));
        let noise = |(code, sum): (&f64, &f64)| ((code / (1.0 - code)).ln() - sum).powi(2);
        squares += found.outputs["code"].iter().zip(&found.outputs["values"]).map(noise).sum::<f64>();
    }
    assert!((squares / (400.0 * 18.0) / 4.0 - 1.0).abs() < 0.1, "{squares}");
    // Straight through: 0 or 1, with the sigmoid's slope.
    let step = [
        "model.hidden=[]",
        "model.code=3",
        "model.bottleneck={ kind = 'binary', noise = 0.0, straight_through = true }",
    ];
    let found = evaluated(&step, &feed);
    for (code, sum) in found.outputs["code"].iter().zip(&found.outputs["values"]) {
        assert!((code - f64::from(u8::from(*sum > 0.0))).abs() < 1e-6);
    }
    let slope_of = |settings: &[&str]| {
        let graph = Graph::new();
        let (coded, pass) = training(&graph, settings);
        let weight = pass.parameters.list[0].1;
        graph.output("slope", graph.gradient(coded.code.sum_all(), &[weight]).unwrap()[0]);
        evaluate(&graph, &feed).unwrap().outputs["slope"].clone()
    };
    let pairs = slope_of(&soft).into_iter().zip(slope_of(&step));
    pairs.for_each(|(soft, step)| assert!((soft - step).abs() < 1e-6 && soft != 0.0));

    let model = train(&with(&SMALL, &["model.bottleneck=binary"]), table(80, 8, 1), &compute(1)).0;
    let codes = Codec::new(model, &compute(1)).unwrap().encode(&table(80, 8, 1).values.to_f32()).unwrap();
    assert!(codes.iter().all(|value| *value == 0.0 || *value == 1.0));
    assert!(codes.contains(&0.0) && codes.contains(&1.0));
}

/// One parameter for both: in the file once, and its gradient is the sum of what encoder and decoder say.
#[test]
fn tied_weights_are_one_parameter() {
    let settings = with(
        &SMALL[2..],
        &[
            "model.hidden=[7]",
            "model.code=3",
            "model.tied=true",
            "model.activation=tanh",
            "train.learning_rate=0.01",
        ],
    );
    let (model, history) = train(&settings, table(80, 8, 1), &compute(2));
    assert!(history.last().unwrap().train_loss < 0.7 * history[0].train_loss);
    let mut names: Vec<&str> = model.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    names.sort_unstable();
    let biases = ["decoder.0.bias", "decoder.1.bias", "encoder.0.bias"];
    assert_eq!(names, [&biases[..], &["encoder.0.weight", "encoder.1.bias", "encoder.1.weight"]].concat());
    assert_eq!(model.network().unwrap().parameter_count(), 8 * 7 + 7 * 3 + 7 + 8 + 7 + 3);

    // By hand: h = tanh(x W₁ + b), z = h W₂ + b, and the same matrices turned on the way back.
    let codec = Codec::new(model.clone(), &compute(1)).unwrap();
    let codes = [0.3f32, -0.8, 0.5];
    let of = |name: &str| tensor(&model, name).iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let turned = |h: &[f64], weight: &[f64], bias: &[f64]| -> Vec<f64> {
        let inner = h.len();
        let sum = |unit: usize| (0..inner).map(|k| h[k] * weight[unit * inner + k]).sum::<f64>() + bias[unit];
        (0..bias.len()).map(sum).collect()
    };
    let z: Vec<f64> = codes.iter().map(|value| f64::from(*value)).collect();
    let hidden: Vec<f64> =
        turned(&z, &of("encoder.1.weight"), &of("decoder.0.bias")).into_iter().map(f64::tanh).collect();
    let sums = turned(&hidden, &of("encoder.0.weight"), &of("decoder.1.bias"));
    let mut rebuilt: Vec<f32> = sums.iter().map(|value| *value as f32).collect();
    model.description.preparation.restore(&mut rebuilt);
    let found = codec.decode(&codes).unwrap();
    found.iter().zip(&rebuilt).for_each(|(found, by_hand)| assert!((found - by_hand).abs() < 1e-4));
}

/// A distribution over codes is scored by one draw keyed by row, so that scoring twice gives the same number.
#[test]
fn scoring_draws_by_row_and_seed() {
    let settings = ["model.hidden=[8]", "model.code=2", "train.epochs=3", "model.bottleneck=gaussian"];
    let run = |threads, seed: &str| {
        let history = train(&with(&settings, &[seed]), pictures(60, 1), &compute(threads)).1;
        history.iter().map(|record| record.held_out_loss.unwrap().to_bits()).collect::<Vec<u64>>()
    };
    assert_eq!(run(1, "train.seed=3"), run(3, "train.seed=3"));
    assert_ne!(run(1, "train.seed=3"), run(1, "train.seed=4"));
}

/// New codes are codes of the model: on the prior's grid, at both ends of a line, and of no more units than a row keeps.
#[test]
fn generated_codes_are_codes() {
    let rows = table(80, 8, 1);
    let all: Vec<u32> = (0..80).collect();
    let codec = |settings: &[&str]| {
        let model =
            train(&with(&["train.epochs=2", "train.batch=16"], settings), rows.clone(), &compute(1)).0;
        Codec::new(model, &compute(1)).unwrap()
    };
    let gaussian = codec(&["model.hidden=[6]", "model.code=2", "model.bottleneck=gaussian"]);
    let grid = generate::grid(&gaussian, None, 2).unwrap();
    // The quarters of the normal distribution, the second unit rising from the bottom line up.
    let quarter = 0.674_49;
    for (found, expected) in
        grid.iter().zip([-quarter, quarter, quarter, quarter, -quarter, -quarter, quarter, -quarter])
    {
        assert!((found - expected).abs() < 1e-4, "{grid:?}");
    }
    assert_eq!(generate::from_prior(&gaussian, 3, 5)[..4], generate::from_prior(&gaussian, 2, 5)[..]);

    let values = rows.values.to_f32();
    let top_k = codec(&[
        "model.hidden=[]",
        "model.code=12",
        "model.bottleneck={ kind = 'top-k', keep = 3, auxiliary = 0 }",
    ]);
    let binary = codec(&["model.hidden=[6]", "model.code=5", "model.bottleneck=binary"]);
    // Codes wider than a mixture can be fitted to are drawn along their principal directions, around the mean of those of the rows.
    let wide = codec(&["model.hidden=[]", "model.code=150"]);
    let drawn = generate::from_mixture(&wide, (&rows, &all), 1, 400, 1).unwrap();
    let codes = wide.encode(&values).unwrap();
    let mean = |codes: &[f32], unit: usize| {
        codes.iter().skip(unit).step_by(150).sum::<f32>() / (codes.len() / 150) as f32
    };
    assert_eq!(drawn.len(), 400 * 150);
    assert!((0..150).all(|unit| (mean(&drawn, unit) - mean(&codes, unit)).abs() < 0.3));
    assert!((0..150).any(|unit| (drawn[unit] - drawn[150 + unit]).abs() > 0.05));
    for codec in [&top_k, &binary] {
        let mixed = generate::from_mixture(codec, (&rows, &all), 2, 20, 1).unwrap();
        let between = generate::between(codec, &values[..8], &values[8..16], 4).unwrap();
        for code in mixed.chunks(codec.code()).chain(between.chunks(codec.code())) {
            match codec.code() {
                12 => assert!(code.iter().filter(|value| **value != 0.0).count() <= 3, "{code:?}"),
                _ => assert!(code.iter().all(|value| *value == 0.0 || *value == 1.0), "{code:?}"),
            }
        }
        let ends = codec.encode(&values[..8]).unwrap();
        assert_eq!(between[..codec.code()], ends[..]);
    }
}

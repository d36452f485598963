//! Bottlenecks against formulae written independently in f64, and what they promise in use.

mod library_support;

use library_support::{SMALL, compute, numbers, pictures, recipe, table, tensor, train, with};
use narrows::apply::{Codec, generate};
use narrows::autoencoder::bottleneck::{self, Coded};
use narrows::engine::check::check_gradient;
use narrows::engine::reference::{Evaluation, Feed, evaluate};
use narrows::engine::{Graph, Tensor};
use narrows::network::{Mode, Network, Pass};
use narrows::recipe::Bottleneck;

const ROWS: usize = 6;
const FEATURES: usize = 5;

/// A code in training, in a graph, with its parameters.
fn training<'g>(graph: &'g Graph, settings: &[&str]) -> (Coded<'g>, Pass<'g>) {
    let network = Network::new(&recipe(settings).model, FEATURES, 0);
    let x = graph.input("x", [ROWS, FEATURES]);
    let row_ids = graph.indices("row ids", [ROWS]);
    let mut pass = Pass::new(Mode::Training(row_ids));
    let values = network.encode(graph, &mut pass, x);
    let weight = graph.scalar("weight");
    graph.output("values", values);
    let coded = bottleneck::training(graph, &network, &mut pass, values, row_ids, weight);
    graph.output("code", coded.code);
    if let Some(cost) = coded.cost {
        graph.output("cost", cost);
    }
    (coded, pass)
}

fn feed(settings: &[&str]) -> Feed {
    let network = Network::new(&recipe(settings).model, FEATURES, 0);
    let mut feed = Feed::new()
        .input("x", numbers(ROWS * FEATURES, -1.0, 1.0, 1))
        .input("row ids", (0..ROWS as u32).map(|row| row * 3))
        .scalar("weight", 1.0)
        .keyed(5, 2);
    for layer in network.all_layers() {
        let salt = layer.name.len() as u32;
        feed = feed
            .state(&format!("{}.weight", layer.name), numbers(layer.inputs * layer.outputs, -1.0, 1.0, salt))
            .state(&format!("{}.bias", layer.name), numbers(layer.outputs, -0.5, 0.5, salt));
    }
    if let Bottleneck::TopK { .. } = network.bottleneck {
        feed = feed.state("bottleneck.idle", vec![0.0; network.code()]);
        feed = feed.state("bottleneck.favour", vec![0.0; network.code()]);
    }
    feed
}

fn evaluated(settings: &[&str], feed: &Feed) -> Evaluation {
    let graph = Graph::new();
    training(&graph, settings);
    evaluate(&graph, feed).unwrap()
}

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

const TOP_K: [&str; 2] = ["model.hidden=[]", "model.code=9"];

#[test]
fn the_k_largest_are_kept() {
    let settings = with(&TOP_K, &["model.bottleneck={ kind = 'top-k', keep = 3, auxiliary = 0 }"]);
    let found = evaluated(&settings, &feed(&settings));
    for (codes, values) in found.outputs["code"].chunks(9).zip(found.outputs["values"].chunks(9)) {
        let mut sorted = values.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        for (code, value) in codes.iter().zip(values) {
            assert_eq!(*code, if *value >= sorted[2] { *value } else { 0.0 });
        }
    }
    let graph = Graph::new();
    let (coded, pass) = training(&graph, &settings);
    let leaves: Vec<Tensor<'_>> = pass.parameters.list.iter().map(|parameter| parameter.1).collect();
    let loss = coded.code.square().sum_all();
    assert!(check_gradient(&graph, loss, &leaves, &feed(&settings)).unwrap().largest > 0.0);
}

#[test]
fn a_batch_shares_its_units_and_teaches_a_threshold() {
    let settings =
        with(&TOP_K, &["model.bottleneck={ kind = 'top-k', keep = 3, batch = true, auxiliary = 0 }"]);
    let feed = feed(&settings).state("bottleneck.threshold", [0.5]);
    let found = evaluated(&settings, &feed);
    let values = &found.outputs["values"];
    let mut sorted = values.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let smallest = sorted[3 * ROWS - 1];
    assert!(smallest > 0.0, "the test's values keep positive ones only");
    for (code, value) in found.outputs["code"].iter().zip(values) {
        assert_eq!(*code, if *value >= smallest { *value } else { 0.0 });
    }
    let kept = |row: usize| found.outputs["code"][row * 9..][..9].iter().filter(|code| **code != 0.0).count();
    assert!((0..ROWS).any(|row| kept(row) != 3), "rows keep different numbers");
    let expected = 0.99 * 0.5 + 0.01 * smallest;
    assert!((found.states["bottleneck.threshold"][0] - expected).abs() < 1e-6);
    // The first batch sets it.
    let first = evaluated(&settings, &feed.clone().state("bottleneck.threshold", [0.0]));
    assert!((first.states["bottleneck.threshold"][0] - smallest).abs() < 1e-6);
    // Nothing positive: the threshold stays.
    let negative = feed.state("encoder.0.bias", [-100.0; 9]);
    assert_eq!(evaluated(&settings, &negative).states["bottleneck.threshold"][0], 0.5);
}

/// In use, what passes the threshold is kept: the same bits for a row alone and in a batch.
#[test]
fn the_threshold_makes_codes_of_rows_alone() {
    let settings = with(
        &SMALL[2..],
        &[
            "model.hidden=[]",
            "model.code=12",
            "model.bottleneck={ kind = 'top-k', keep = 3, batch = true, conscience = 0 }",
        ],
    );
    let rows = table(120, 8, 1);
    let model = train(&settings, rows.clone(), &compute(2)).0;
    let threshold = tensor(&model, "bottleneck.threshold")[0];
    assert!(threshold > 0.0);
    let values = rows.values.to_f32();
    let codec = Codec::new(model, &compute(2)).unwrap();
    let together = codec.encode(&values).unwrap();
    assert!(together.iter().all(|value| *value == 0.0 || *value > threshold));
    let mean = together.iter().filter(|value| **value != 0.0).count() as f64 / 120.0;
    assert!((2.0..4.5).contains(&mean), "{mean} units a row, 3 asked for");
    let alone: Vec<f32> = values.chunks(8).flat_map(|row| codec.encode(row).unwrap()).collect();
    assert_eq!(library_support::bits(&together), library_support::bits(&alone));
}

/// Units are chosen by value plus favour and kept by value; what is dead gains favour until it is chosen, and then gives it up.
#[test]
fn dead_units_gain_favour_until_they_are_chosen() {
    let favour = [0.0, 0.0, 5.0, 0.2, 0.0, 0.0, 0.1, -3.0, 0.0];
    let idle = [0.0, 12.0, 3.0, 12.0, 50.0, 10.0, 0.0, 99.0, 7.0];
    for batch in [false, true] {
        let bottleneck = format!(
            "model.bottleneck={{ kind = 'top-k', keep = 3, batch = {batch}, dead_after = 10, conscience = 0.5 }}"
        );
        let settings = with(&TOP_K, &[&bottleneck]);
        let feed = feed(&settings)
            .state("bottleneck.idle", idle)
            .state("bottleneck.favour", favour)
            .state("bottleneck.threshold", [0.5]);
        let found = evaluated(&settings, &feed);
        let (codes, values) = (&found.outputs["code"], &found.outputs["values"]);
        let scores: Vec<f64> = values.iter().enumerate().map(|(at, v)| v + favour[at % 9]).collect();
        let smallest = |scores: &[f64], count: usize| {
            let mut sorted = scores.to_vec();
            sorted.sort_by(|a, b| b.total_cmp(a));
            sorted[count - 1]
        };
        let all = smallest(&scores, 3 * ROWS);
        for (row, scores) in scores.chunks(9).enumerate() {
            let least = if batch { all } else { smallest(scores, 3) };
            for unit in 0..9 {
                let expected = if scores[unit] >= least { values[row * 9 + unit] } else { 0.0 };
                assert!((codes[row * 9 + unit] - expected).abs() < 1e-6, "row {row}, unit {unit}");
            }
        }
        if batch {
            let threshold = found.states["bottleneck.threshold"][0];
            assert!((threshold - (0.99 * 0.5 + 0.01 * all)).abs() < 1e-6);
        }
        let mean = codes.iter().map(|code| code.abs()).sum::<f64>() / (3 * ROWS) as f64;
        let (mut taken, mut given) = (0, 0);
        for unit in 0..9 {
            let used = (0..ROWS).any(|row| codes[row * 9 + unit] != 0.0);
            let before = f64::from(favour[unit] as f32);
            let expected = match (used, idle[unit] > 10.0) {
                (true, _) => before * 0.9,
                (false, true) => before + 0.5 * mean * ROWS as f64 / 10.0,
                (false, false) => before,
            };
            taken += usize::from(used && before > 0.0);
            given += usize::from(!used && idle[unit] > 10.0);
            let found = found.states["bottleneck.favour"][unit];
            assert!((found - expected).abs() < 1e-5, "unit {unit}: {found}, expected {expected}");
        }
        assert!(taken > 0 && given > 0, "{taken} gave favour up, {given} gained some");
    }
}

/// A unit that can say nothing but 0 gives its favour up when it is chosen, though it stays dead.
#[test]
fn units_that_say_nothing_take_no_place_for_long() {
    let settings = with(
        &TOP_K,
        &[
            "model.code_activation=relu",
            "model.bottleneck={ kind = 'top-k', keep = 3, dead_after = 10, conscience = 0.5 }",
        ],
    );
    let mut favour = [0.0; 9];
    favour[4] = 100.0;
    let mut bias = [0.5; 9];
    bias[4] = -100.0;
    let feed = feed(&settings)
        .state("encoder.0.bias", bias)
        .state("bottleneck.idle", [50.0; 9])
        .state("bottleneck.favour", favour);
    let found = evaluated(&settings, &feed);
    assert!(found.outputs["code"].chunks(9).all(|code| code[4] == 0.0));
    assert_eq!(found.states["bottleneck.idle"][4], 50.0 + ROWS as f64);
    assert!((found.states["bottleneck.favour"][4] - 90.0).abs() < 1e-5);
}

/// In use the same units are chosen, by the favours that training left.
#[test]
fn favours_count_in_use() {
    for batch in [false, true] {
        let bottleneck = format!(
            "model.bottleneck={{ kind = 'top-k', keep = 3, batch = {batch}, dead_after = 20, conscience = 2 }}"
        );
        let settings = with(&SMALL[2..], &["model.hidden=[]", "model.code=40", &bottleneck]);
        let rows = table(120, 8, 1);
        let mut model = train(&settings, rows.clone(), &compute(1)).0;
        let favour = tensor(&model, "bottleneck.favour").to_vec();
        assert!(favour.iter().any(|favour| *favour != 0.0), "nobody was ever dead");
        let values = rows.values.to_f32();
        let encode = |model: &narrows::model_file::Model| {
            Codec::new(model.clone(), &compute(1)).unwrap().encode(&values).unwrap()
        };
        let before = encode(&model);
        let at = model.tensors.iter().position(|tensor| tensor.name == "bottleneck.favour").unwrap();
        model.tensors[at].values.fill(0.0);
        model.tensors[at].values[7] = 1e6;
        let after = encode(&model);
        assert!(after.chunks(40).all(|code| code[7] != 0.0) && !before.chunks(40).all(|code| code[7] != 0.0));
    }
}

/// Units that were silent too long rebuild the residual: the loss is α‖e − W z‖², z the dead units' largest values.
#[test]
fn dead_units_learn_to_rebuild_the_residual() {
    let settings = with(
        &TOP_K,
        &[
            "model.bottleneck={ kind = 'top-k', keep = 2, dead_after = 10, auxiliary = 0.5, auxiliary_keep = 2 }",
        ],
    );
    let idle = [0.0, 11.0, 3.0, 12.0, 50.0, 10.0, 0.0, 99.0, 7.0];
    let feed = feed(&settings).state("bottleneck.idle", idle);
    let graph = Graph::new();
    let (coded, _) = training(&graph, &settings);
    let spare = coded.spare.unwrap();
    graph.output("spare", spare.rows);
    let residual = graph.table([ROWS, 2], &[0.5, -1.0, 0.25, 2.0, 1.0, 0.0, 0.0, 3.0, -0.5, 1.5, 1.0, 1.0]);
    let weight = graph.table([9, 2], &(0..18).map(|at| at as f32 * 0.1 - 0.8).collect::<Vec<f32>>());
    let bottleneck = recipe(&settings).model.bottleneck;
    let loss = bottleneck::top_k::auxiliary(bottleneck, spare, residual, weight).unwrap();
    graph.output("loss", loss);
    let found = evaluate(&graph, &feed).unwrap();
    let dead: Vec<usize> = (0..9).filter(|unit| idle[*unit] > 10.0).collect();
    assert_eq!(dead, [1, 3, 4, 7]);
    let mut expected = 0.0;
    for row in 0..ROWS {
        let values = &found.outputs["values"][row * 9..][..9];
        let mut order = dead.clone();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        let chosen = &order[..2];
        for unit in 0..9 {
            let spare = found.outputs["spare"][row * 9 + unit];
            assert_eq!(spare, if chosen.contains(&unit) { values[unit] } else { 0.0 });
        }
        for column in 0..2 {
            let at = |tensor: Tensor<'_>, at: usize| found.value(tensor).unwrap()[at];
            let rebuilt: f64 = chosen.iter().map(|unit| values[*unit] * at(weight, unit * 2 + column)).sum();
            expected += 0.5 * (at(residual, row * 2 + column) - rebuilt).powi(2) / ROWS as f64;
        }
    }
    assert!((found.outputs["loss"][0] / expected - 1.0).abs() < 1e-6);
    // Who had a value starts again at 0, the others have waited for six rows more.
    for unit in 0..9 {
        let used = (0..ROWS).any(|row| found.outputs["code"][row * 9 + unit] != 0.0);
        let expected = if used { 0.0 } else { idle[unit] + 6.0 };
        assert_eq!(found.states["bottleneck.idle"][unit], expected, "unit {unit}");
    }
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
    assert_eq!(model.network().parameter_count(), 8 * 7 + 7 * 3 + 7 + 8 + 7 + 3);

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

/// The atoms of a dictionary start as the encoder's weights, turned.
#[test]
fn a_top_k_dictionary_starts_as_its_encoder() {
    let still = ["train.optimiser=sgd", "train.learning_rate=1e-30", "train.epochs=1", "train.batch=16"];
    let settings = with(
        &still,
        &["model.hidden=[]", "model.code=11", "model.bottleneck={ kind = 'top-k', keep = 3, auxiliary = 0 }"],
    );
    let model = train(&settings, table(40, 8, 1), &compute(1)).0;
    let (encoder, decoder) = (tensor(&model, "encoder.0.weight"), tensor(&model, "decoder.0.weight"));
    for (unit, feature) in (0..88).map(|at| (at / 8, at % 8)) {
        assert_eq!(decoder[unit * 8 + feature], encoder[feature * 11 + unit]);
    }
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

/// With fewer dead units than could take part only those do, and where none is dead there is nothing to add.
#[test]
fn living_units_take_no_part_in_the_dead_ones_loss() {
    let settings = with(
        &TOP_K,
        &[
            "model.bottleneck={ kind = 'top-k', keep = 2, dead_after = 10, auxiliary = 0.5, auxiliary_keep = 6 }",
        ],
    );
    let bottleneck = recipe(&settings).model.bottleneck;
    let found = |idle: [f64; 9]| {
        let graph = Graph::new();
        let (coded, _) = training(&graph, &settings);
        let spare = coded.spare.unwrap();
        graph.output("spare", spare.rows);
        let residual = graph.constant(1.0).stretch([ROWS, 2]);
        let weight = graph.constant(0.5).stretch([9, 2]);
        graph.output("loss", bottleneck::top_k::auxiliary(bottleneck, spare, residual, weight).unwrap());
        evaluate(&graph, &feed(&settings).state("bottleneck.idle", idle)).unwrap().outputs
    };
    let some = found([0.0, 11.0, 3.0, 12.0, 0.0, 10.0, 0.0, 0.0, 7.0]);
    for (at, spare) in some["spare"].iter().enumerate() {
        assert_eq!(*spare != 0.0, [1, 3].contains(&(at % 9)), "unit {}", at % 9);
    }
    assert!(some["loss"][0] > 0.0);
    let none = found([0.0; 9]);
    assert_eq!((none["loss"][0], none["spare"].iter().all(|value| *value == 0.0)), (0.0, true));
}

//! The top-k bottleneck against choices made by hand: rows and batches, thresholds, dead units and their favours.

mod library_support;

use library_support::coded::{ROWS, evaluated, feed, training};
use library_support::{SMALL, compute, pictures, recipe, source, table, tensor, train, with};
use narrows::apply::{Codec, generate};
use narrows::autoencoder::bottleneck::{self};
use narrows::engine::check::check_gradient;
use narrows::engine::reference::evaluate;
use narrows::engine::{Graph, Tensor};
use narrows::train::Setup;

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

/// Maps may be what is chosen from, whatever decodes them; how many there are depends on the rows.
#[test]
fn maps_are_chosen_from_before_any_decoder() {
    let base = ["model.code=0", "train.epochs=1", "train.batch=8"];
    let top_k = "model.bottleneck={ kind = 'top-k', keep = 3, auxiliary = 0 }";
    let convolution = "{ kind = 'convolution', channels = 2, stride = 2 }";
    for hidden in [
        format!("model.hidden=[{convolution}]"),
        format!("model.hidden=[{{ kind = 'parallel', branches = [[{convolution}], [{convolution}]] }}]"),
    ] {
        let settings = with(&base, &[&hidden, "model.decoder=[]", top_k]);
        let codes = Codec::new(train(&settings, pictures(24, 1), &compute(1)).0, &compute(1)).unwrap();
        let code = codes.encode(&pictures(5, 2).values.to_f32()).unwrap();
        let kept = |row: &[f32]| row.iter().filter(|value| **value != 0.0).count();
        assert!(code.chunks(codes.code()).all(|row| kept(row) == 3), "{code:?}");
    }
    // A map is dead where no place of it is chosen. Its first one sees nothing but a dark corner here.
    let hidden = "model.hidden=[{ kind = 'convolution', channels = 2, size = 1 }]";
    let history = train(&with(&base, &[hidden, top_k]), pictures(24, 1), &compute(1)).1;
    let code = history[0].layers.iter().find(|layer| layer.layer == "encoder.0").unwrap();
    assert!(code.units == 2 && code.dead < 2, "{history:?}");
    let refused = |bottleneck: &str| {
        let hidden = format!("model.hidden=[{convolution}]");
        let bottleneck = format!("model.bottleneck={{ kind = 'top-k', {bottleneck} }}");
        Setup::new(&recipe(&with(&base, &[&hidden, &bottleneck])), source(pictures(24, 1)))
            .err()
            .unwrap()
            .to_string()
    };
    assert!(refused("keep = 500, auxiliary = 0").starts_with("model.bottleneck.keep: 500 units"));
    let kept = refused("keep = 3, auxiliary = 0, auxiliary_keep = 500");
    assert!(kept.starts_with("model.bottleneck.auxiliary_keep: 500 units"), "{kept}");
    assert!(refused("keep = 3").starts_with("model.bottleneck.auxiliary: dead units"));
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
        // A line between rows begins and ends with their codes; in between the favoured unit is among the kept, too.
        if !batch {
            let codec = Codec::new(model, &compute(1)).unwrap();
            let line = generate::between(&codec, &values[..8], &values[8..16], 4).unwrap();
            assert_eq!((&line[..40], &line[120..]), (&after[..40], &after[40..80]));
            assert!(line.chunks(40).all(|code| code[7] != 0.0));
        }
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

//! What training sees of its layers: gradients against their equation, and units made useless on purpose.

mod library_support;

use library_support::{compute, pictures, table, tensor, train, with};
use narrows::apply::{Codec, evaluate};
use narrows::data::Dataset;
use narrows::train::{EpochRecord, LayerHealth};

const STILL: [&str; 6] = [
    "train.optimiser=sgd",
    "train.learning_rate=1e-30",
    "train.epochs=1",
    "train.batch=60",
    "data.validation=0",
    "data.test=0",
];

fn layer<'r>(record: &'r EpochRecord, name: &str) -> &'r LayerHealth {
    record.layers.iter().find(|layer| layer.layer == name).unwrap_or_else(|| panic!("no {name}: {record:?}"))
}

/// x̂ = x A B with squared error: ∂/∂A = 2 xᵀ (x̂ − x) Bᵀ / N, ∂/∂B = 2 (x A)ᵀ (x̂ − x) / N.
#[test]
fn gradients_are_those_of_the_loss() {
    let (rows, width, units) = (60, 4, 2);
    let settings =
        with(&STILL, &["model.hidden=[]", "model.code=2", "model.output=gaussian", "data.prepare=none"]);
    let data = table(rows, width, 1);
    let x: Vec<f64> = data.values.to_f32().iter().map(|value| f64::from(*value)).collect();
    let (model, history) = train(&settings, data, &compute(2));
    let of = |name: &str| tensor(&model, name).iter().map(|value| f64::from(*value)).collect::<Vec<f64>>();
    let (a, b) = (of("encoder.0.weight"), of("decoder.0.weight"));
    let product = |left: &[f64], right: &[f64], inner: usize, columns: usize| -> Vec<f64> {
        let at = |row: usize, column: usize| {
            (0..inner).map(|k| left[row * inner + k] * right[k * columns + column]).sum()
        };
        (0..left.len() / inner)
            .flat_map(|row| (0..columns).map(move |column| (row, column)))
            .map(|(r, c)| at(r, c))
            .collect()
    };
    let turned = |values: &[f64], columns: usize| -> Vec<f64> {
        let rows = values.len() / columns;
        (0..values.len()).map(|at| values[at % rows * columns + at / rows]).collect()
    };
    let code = product(&x, &a, width, units);
    let error: Vec<f64> =
        product(&code, &b, units, width).iter().zip(&x).map(|(a, b)| 2.0 * (a - b) / rows as f64).collect();
    let by_b = product(&turned(&code, units), &error, rows, width);
    let by_a = product(&turned(&x, width), &product(&error, &turned(&b, width), width, units), rows, units);
    for (name, gradient) in [("encoder.0", by_a), ("decoder.0", by_b)] {
        let expected = gradient.iter().map(|value| value * value).sum::<f64>().sqrt();
        let found = f64::from(layer(&history[0], name).gradient);
        assert!((found / expected - 1.0).abs() < 1e-4, "{name}: {found}, {expected}");
    }
}

/// The one epoch of a run that changes next to nothing.
fn seen(settings: &[&str], rows: Dataset) -> EpochRecord {
    train(&with(&STILL, settings), rows, &compute(1)).1.remove(0)
}

#[test]
fn useless_units_are_counted() {
    let sound = seen(&["model.hidden=[9]", "model.activation=sigmoid"], pictures(60, 1));
    for LayerHealth { dead, saturated, collapsed, .. } in &sound.layers {
        assert_eq!((*dead, *saturated, *collapsed), (0, 0, 0), "{sound:?}");
    }
    let constant = |value: &str| format!("model.initial={{ kind = 'constant', value = {value} }}");
    // Sums far below 0 for every row: all are off, and nothing tells one row from another.
    let dead = seen(&["model.hidden=[9]", "model.activation=relu", &constant("-1.0")], pictures(60, 1));
    assert_eq!((layer(&dead, "encoder.0").dead, layer(&dead, "encoder.0").units), (9, 9), "{dead:?}");
    // Outputs may stand for pixels that never change; they are no units.
    assert_eq!(layer(&dead, "decoder.1").dead, 0);
    // Sums far above and below 0: the few that are at neither end tell rows apart.
    let steep =
        ["model.hidden=[9]", "model.activation=tanh", "model.initial={ kind = 'sparse', connections = 30 }"];
    let saturated = train(
        &with(&with(&STILL, &steep), &["train.learning_rate=30", "train.epochs=3"]),
        pictures(60, 1),
        &compute(1),
    );
    let last = saturated.1.last().unwrap();
    assert!(layer(last, "encoder.0").saturated > 0 || layer(last, "decoder.0").saturated > 0, "{last:?}");
    let collapsed = train(
        &[
            "model.hidden=[]",
            "model.code=5",
            "model.bottleneck={ kind = 'gaussian', beta = 1000 }",
            "train.epochs=60",
            "train.batch=16",
            "train.learning_rate=0.02",
        ],
        pictures(60, 1),
        &compute(1),
    );
    let (model, history) = collapsed;
    let last = history.last().unwrap();
    assert!(layer(last, "encoder.0").collapsed >= 4, "{last:?}");
    let rows = pictures(20, 2);
    let all: Vec<u32> = (0..20).collect();
    let codec = Codec::new(model, &compute(1)).unwrap();
    let verdict = evaluate(&codec, &rows, &all, (&rows, &all), 0, &compute(1)).unwrap().verdict;
    assert!(
        verdict.contains("code units have collapsed onto the prior") && verdict.contains("beta"),
        "{verdict}"
    );
}

/// Behind top-k a unit is dead that was not kept once in an epoch.
#[test]
fn units_that_top_k_never_keeps_are_dead() {
    let settings = with(
        &STILL,
        &[
            "model.hidden=[]",
            "model.code=400",
            "model.bottleneck={ kind = 'top-k', keep = 1, auxiliary = 0.0 }",
        ],
    );
    let history = train(&settings, pictures(60, 1), &compute(1)).1;
    // Sixty rows keep one unit each.
    let dead = layer(&history[0], "encoder.0").dead;
    assert!((340..400).contains(&dead), "{dead}");
}

/// Each stage tells of the layers that learn in it.
#[test]
fn stages_tell_of_their_own_layers() {
    let settings = [
        "model.hidden=[7]",
        "model.code=3",
        "model.activation=sigmoid",
        "train.pretraining={ kind = 'rbm', epochs = 1 }",
        "train.epochs=1",
        "train.batch=16",
    ];
    let history = train(&settings, pictures(60, 1), &compute(1)).1;
    let names = |at: usize| history[at].layers.iter().map(|layer| layer.layer.as_str()).collect::<Vec<_>>();
    assert_eq!((names(0), names(1)), (vec!["encoder.0"], vec!["encoder.1"]));
    assert_eq!(names(2), ["encoder.0", "encoder.1", "decoder.0", "decoder.1"]);
    assert!(
        history.iter().flat_map(|record| &record.layers).all(|layer| layer.gradient > 0.0),
        "{history:?}"
    );
}

//! Penalties against formulae written independently in f64, brute force, and differences.

mod library_support;

use library_support::{compute, narrow, numbers, pictures, recipe, source, tensor, train, with};
use narrows::autoencoder::penalty::{self, Penalised};
use narrows::engine::check::check_gradient;
use narrows::engine::cpu::{self, Executable, Run, States};
use narrows::engine::reference::{Feed, evaluate};
use narrows::engine::{Graph, Tensor};
use narrows::network::{Layer, Mode, Network, Pass};
use narrows::recipe::Recipe;
use narrows::train::Setup;

const ROWS: usize = 5;
const FEATURES: usize = 7;
const ACTIVATIONS: [&str; 10] =
    ["identity", "sigmoid", "tanh", "relu", "leaky-relu", "elu", "silu", "gelu", "softplus", "softmax"];

fn network(recipe: &Recipe) -> Network {
    Network::new(&recipe.model, FEATURES, 0).unwrap()
}

/// Rows, row ids and weights for an encoder.
fn feed(network: &Network) -> Feed {
    let mut feed = Feed::new()
        .input("x", numbers(ROWS * FEATURES, -1.0, 1.0, 1))
        .input("row ids", (0..ROWS as u32).map(|row| row * 3))
        .keyed(5, 2);
    for layer in network.layers[..network.encoder].iter().flat_map(Layer::with_inner) {
        let weights = layer.weight_shape().iter().product();
        if layer.has_weights() {
            feed = feed
                .state(&format!("{}.weight", layer.name), numbers(weights, -0.9, 0.9, layer.outputs() as u32))
                .state(&format!("{}.bias", layer.name), numbers(layer.units(), -0.5, 0.5, 3));
        }
    }
    feed
}

/// The code of each row and the sum of a recipe's penalties in a graph, with the leaves that they depend on.
fn penalised<'g>(graph: &'g Graph, recipe: &Recipe) -> (Tensor<'g>, Option<Tensor<'g>>, Vec<Tensor<'g>>) {
    let network = network(recipe);
    let x = graph.input("x", [ROWS, FEATURES]);
    let row_ids = graph.indices("row ids", [ROWS]);
    let dropout = recipe.model.dropout > 0.0;
    let mut pass = Pass::new(if dropout { Mode::Training(row_ids) } else { Mode::Use });
    let code = network.encode(graph, &mut pass, x);
    let of = Penalised { graph, pass: &pass, encoder: network.encoder, code, row_ids };
    let terms = penalty::all(&recipe.train.penalty, &of).unwrap();
    let mut leaves: Vec<Tensor<'g>> = pass.parameters.list.iter().map(|parameter| parameter.1).collect();
    leaves.push(x);
    (code, terms.into_iter().reduce(|sum, term| sum + term), leaves)
}

fn value(recipe: &Recipe, feed: &Feed) -> f64 {
    let graph = Graph::new();
    graph.output("penalty", penalised(&graph, recipe).1.unwrap());
    evaluate(&graph, feed).unwrap().outputs["penalty"][0]
}

fn codes(recipe: &Recipe, feed: &Feed) -> Vec<f64> {
    let graph = Graph::new();
    graph.output("code", penalised(&graph, recipe).0);
    evaluate(&graph, feed).unwrap().outputs["code"].clone()
}

/// ‖∂h/∂x‖²_F averaged over rows, every entry by a difference; rows do not touch each other, so one column of all moves at once.
fn brute_force(recipe: &Recipe, feed: &Feed) -> f64 {
    let step = 1e-5;
    let mut squares = 0.0;
    for column in 0..FEATURES {
        let moved = |by: f64| {
            let mut moved = feed.clone();
            let rows = moved.inputs.get_mut("x").unwrap();
            rows.iter_mut().skip(column).step_by(FEATURES).for_each(|value| *value += by);
            codes(recipe, &moved)
        };
        let (up, down) = (moved(step), moved(-step));
        squares += up.iter().zip(&down).map(|(up, down)| ((up - down) / (2.0 * step)).powi(2)).sum::<f64>();
    }
    squares / ROWS as f64
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{what}: {found}, expected {expected}");
}

/// One layer (closed form), one of softmax, and three, wider and narrower than the rows, with dropout, every activation; maps, pooled, in
/// blocks and as the code.
#[test]
fn the_contractive_penalty_is_the_squared_jacobian() {
    for activation in ACTIVATIONS {
        let column = "{ kind = 'reshape', height = 7, width = 1, channels = 1 }";
        let maps = "{ kind = 'convolution', channels = 2, size = [3, 1] }";
        let pooled = format!("[{column}, {maps}, {{ kind = 'max-pool', size = [2, 1] }}]");
        let block = format!("[{column}, {maps}, {{ kind = 'residual', layers = [{maps}, {maps}] }}]");
        for (hidden, code, dropout) in [
            ("[]", 4, 0.0),
            ("[]", 9, 0.3),
            ("[6, 5]", 3, 0.0),
            ("[9, 8]", 4, 0.3),
            (&*pooled, 3, 0.0),
            (&*block, 0, 0.0),
        ] {
            let settings = [
                format!("model.hidden={hidden}"),
                format!("model.code={code}"),
                format!("model.activation={activation}"),
                format!("model.code_activation={activation}"),
                format!("model.dropout={dropout}"),
                "train.penalty.contraction={ kind = 'exact', weight = 0.7 }".to_owned(),
            ];
            let recipe = recipe(&settings.each_ref().map(String::as_str));
            let feed = feed(&network(&recipe));
            let what = format!("{activation}, {hidden}, {code}, dropout {dropout}");
            close(value(&recipe, &feed), 0.7 * brute_force(&recipe, &feed), 1e-6, &what);
            let graph = Graph::new();
            let (_, loss, leaves) = penalised(&graph, &recipe);
            let agreement = check_gradient(&graph, loss.unwrap(), &leaves, &feed)
                .unwrap_or_else(|failure| panic!("{what}: {failure}"));
            assert!(agreement.largest > 0.0, "{what}");
        }
    }
}

/// What the executor makes of the contraction of several layers and of its derivatives, which meet rows of the batch again for each code unit,
/// is what is written: layers wider and narrower than a panel, M = W₁ᵀW₁ and without.
#[test]
fn the_contraction_of_deep_encoders_runs_as_it_is_written() {
    for hidden in ["[70, 130]", "[6, 5]"] {
        let settings = [
            format!("model.hidden={hidden}"),
            "model.code=4".to_owned(),
            "model.activation=tanh".to_owned(),
            "model.code_activation=tanh".to_owned(),
            "train.penalty.contraction=exact".to_owned(),
        ];
        let recipe = recipe(&settings.each_ref().map(String::as_str));
        let feed = feed(&network(&recipe));
        let graph = Graph::new();
        let (_, loss, leaves) = penalised(&graph, &recipe);
        let gradients = graph.gradient(loss.unwrap(), &leaves).unwrap();
        for (number, output) in gradients.into_iter().chain(loss).enumerate() {
            graph.output(&format!("{number}"), output);
        }
        let expected = evaluate(&graph, &feed).unwrap().outputs;
        let compute = compute(2);
        let mut executable = Executable::new(&graph, &compute.pool, compute.level).unwrap();
        let mut states = States::new(&graph.states());
        for (name, values) in &feed.states {
            states.set(name, &narrow(values)).unwrap();
        }
        let rows = narrow(&feed.inputs["x"]);
        let ids: Vec<u32> = (0..ROWS as u32).map(|row| row * 3).collect();
        let feeds = [cpu::Feed::F32(&rows), cpu::Feed::U32(&ids)];
        executable.run(&mut states, &Run { inputs: &feeds, ..Run::default() }).unwrap();
        for number in 0..expected.len() {
            let expected = &expected[&format!("{number}")];
            let mut found = vec![0.0; expected.len()];
            executable.output(number, &mut found);
            let largest = expected.iter().fold(0.0f64, |most, value| most.max(value.abs()));
            let near = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() <= 1e-5 * largest;
            assert!(largest > 0.0 && found.iter().zip(expected).all(near), "{hidden}, {number}");
        }
    }
}

/// Behind layers of maps each code unit is a pass of its own, of every part that is trained by itself, too.
#[test]
fn wide_codes_behind_maps_have_no_exact_jacobian() {
    let base = ["train.penalty.contraction=exact", "model.hidden=[{ kind = 'convolution', channels = 6 }]"];
    let problem = |settings: &[&str]| {
        let all = with(&base, settings);
        Setup::new(&recipe(&all), source(pictures(20, 1))).err().map(|error| error.to_string())
    };
    assert_eq!(problem(&["model.code=128"]), None);
    let wide = problem(&["model.code=129"]).unwrap();
    assert!(wide.starts_with("train.penalty.contraction: encoder.1 says 129 numbers"), "{wide}");
    let stage = problem(&["model.code=4", "train.pretraining=greedy"]).unwrap();
    assert!(stage.starts_with("train.penalty.contraction: encoder.0 says 180 numbers"), "{stage}");
}

/// The estimate's mean over many draws is the exact penalty, and its gradient passes differences.
#[test]
fn the_estimated_jacobian_is_right_on_average() {
    let base = ["model.hidden=[6]", "model.code=4", "model.activation=tanh", "model.code_activation=sigmoid"];
    let exact = recipe(&with(&base, &["train.penalty.contraction={ kind = 'exact', weight = 0.5 }"]));
    let estimate =
        recipe(&with(&base, &["train.penalty.contraction={ kind = 'estimate', weight = 0.5, draws = 2 }"]));
    let feed = feed(&network(&exact));
    let draws = 2000;
    let sum: f64 = (0..draws).map(|step| value(&estimate, &feed.clone().keyed(5, step))).sum();
    close(sum / f64::from(draws), value(&exact, &feed), 0.03, "the mean of the estimates");
    let graph = Graph::new();
    let (_, loss, leaves) = penalised(&graph, &estimate);
    assert!(check_gradient(&graph, loss.unwrap(), &leaves, &feed).unwrap().largest > 0.0);
}

#[test]
fn penalties_on_the_size_of_codes() {
    let base = ["model.hidden=[6]", "model.code=4", "model.activation=tanh"];
    for (setting, power) in [("train.penalty.code_l1=0.3", 1), ("train.penalty.code_l2=0.3", 2)] {
        let recipe = recipe(&with(&base, &[setting]));
        let feed = feed(&network(&recipe));
        let expected: f64 = codes(&recipe, &feed).iter().map(|value| value.abs().powi(power)).sum();
        close(value(&recipe, &feed), 0.3 * expected / ROWS as f64, 1e-6, setting);
        let graph = Graph::new();
        let (_, loss, leaves) = penalised(&graph, &recipe);
        assert!(check_gradient(&graph, loss.unwrap(), &leaves, &feed).unwrap().largest > 0.0);
    }
}

fn mean_activations(codes: &[f64], units: usize) -> Vec<f64> {
    (0..units).map(|unit| codes.iter().skip(unit).step_by(units).sum::<f64>() / ROWS as f64).collect()
}

fn divergence(target: f64, means: &[f64]) -> f64 {
    let term =
        |mean: &f64| target * (target / mean).ln() + (1.0 - target) * ((1.0 - target) / (1.0 - mean)).ln();
    means.iter().map(term).sum()
}

#[test]
fn sparsity_is_the_divergence_of_mean_activations_from_the_target() {
    let base = ["model.hidden=[6]", "model.code=4", "model.code_activation=sigmoid"];
    let kl = "train.penalty.sparsity={ kind = 'kl', target = 0.1, weight = 2.5 }";
    let recipe = recipe(&with(&base, &[kl]));
    let feed = feed(&network(&recipe));
    let means = mean_activations(&codes(&recipe, &feed), 4);
    close(value(&recipe, &feed), 2.5 * divergence(0.1, &means), 5e-6, "sparsity");
    let graph = Graph::new();
    let (_, loss, leaves) = penalised(&graph, &recipe);
    assert!(check_gradient(&graph, loss.unwrap(), &leaves, &feed).unwrap().largest > 0.0);
}

/// The running mean starts at the target, moves by a step's share, and is what the divergence looks at; the gradient is that of
/// the divergence there, times the batch's own slope.
#[test]
fn sparsity_by_a_running_mean() {
    let base = ["model.hidden=[]", "model.code=4", "model.code_activation=sigmoid"];
    let kl = "train.penalty.sparsity={ kind = 'kl', target = 0.1, weight = 2.5, running = 0.75 }";
    let recipe = recipe(&with(&base, &[kl]));
    let running = [0.02, -0.03, 0.1, 0.0];
    let feed = feed(&network(&recipe)).state("sparsity.encoder.0", running);
    let batch = mean_activations(&codes(&recipe, &feed), 4);
    let means: Vec<f64> =
        batch.iter().zip(running).map(|(batch, state)| 0.75 * (state + 0.1) + 0.25 * batch).collect();
    close(value(&recipe, &feed), 2.5 * divergence(0.1, &means), 5e-6, "sparsity");
    let graph = Graph::new();
    let (code, loss, _) = penalised(&graph, &recipe);
    let slope = graph.gradient(loss.unwrap(), &[code]).unwrap()[0];
    graph.output("slope", slope);
    let after = evaluate(&graph, &feed).unwrap();
    for (unit, mean) in means.iter().enumerate() {
        close(after.states["sparsity.encoder.0"][unit], mean - 0.1, 1e-6, "the running mean");
        let expected = 2.5 * ((1.0 - 0.1) / (1.0 - mean) - 0.1 / mean) / ROWS as f64;
        close(after.outputs["slope"][unit], expected, 1e-5, "the slope");
    }
}

/// Trained with the constraint, every atom has length 1: written-out and tied decoders, deep and shallow.
#[test]
fn atoms_are_of_length_1() {
    let base = [
        "model.code=3",
        "train.epochs=2",
        "train.batch=16",
        "train.penalty.unit_atoms=true",
        "train.penalty.code_l1=0.01",
    ];
    let compute = library_support::compute(2);
    for (settings, name, stride, count) in [
        (["model.hidden=[]", "model.tied=false"], "decoder.0.weight", 1, 8),
        (["model.hidden=[5]", "model.tied=false"], "decoder.0.weight", 1, 5),
        (["model.hidden=[5]", "model.tied=true"], "encoder.1.weight", 3, 5),
    ] {
        let model = train(&with(&base, &settings), library_support::table(60, 8, 1), &compute).0;
        let weight = tensor(&model, name);
        for atom in 0..3 {
            let first = if stride == 1 { atom * count } else { atom };
            let squares: f32 =
                weight[first..].iter().step_by(stride).take(count).map(|value| value * value).sum();
            assert!((squares - 1.0).abs() < 1e-5, "{settings:?}: {squares}");
        }
    }
}

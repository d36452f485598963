//! Boltzmann machines against what can be had by going through all their states, in f64.

mod library_support;

use library_support::{compute, numbers, pictures, recipe, source, table, tensor, train, with};
use narrows::apply::{Codec, Figures, evaluate, generate};
use narrows::boltzmann::contrastive::contrast;
use narrows::boltzmann::{Annealing, Machine, Units, partition};
use narrows::data::{Dataset, ItemShape, Values};
use narrows::engine::cpu::{Executable, Feed, Run, States};
use narrows::engine::{Graph, Shape};
use narrows::model_file::Model;
use narrows::network::Parameters;
use narrows::recipe::Chain;
use narrows::train::{Event, Setup, Signal, Trainer};

/// A machine with parameters of its own.
struct Case {
    machine: Machine,
    /// W, visible×hidden; b; c.
    parameters: [Vec<f64>; 3],
}

impl Case {
    fn new(visible: Units, hidden: Units, sizes: [usize; 2], spread: f64) -> Case {
        let parameter = |count, salt| numbers(count, -spread, spread, salt);
        Case {
            machine: Machine {
                weight: "w".to_owned(),
                hidden_bias: "c".to_owned(),
                visible_bias: "b".to_owned(),
                hidden,
                visible,
                sizes,
                windows: None,
            },
            parameters: [parameter(sizes[0] * sizes[1], 1), parameter(sizes[0], 2), parameter(sizes[1], 3)],
        }
    }

    fn states(&self) -> States {
        let [visible, hidden] = self.machine.sizes;
        let declared = [
            ("w".to_owned(), Shape::from([visible, hidden])),
            ("b".to_owned(), Shape::from([visible])),
            ("c".to_owned(), Shape::from([hidden])),
        ];
        let mut states = States::new(&declared);
        for ((name, _), values) in declared.iter().zip(&self.parameters) {
            states.set(name, &library_support::narrow(values)).unwrap();
        }
        states
    }

    /// Sums of the hidden units for visible values, or of the visible ones for hidden values.
    fn sums(&self, values: &[f64], up: bool) -> Vec<f64> {
        let ([w, b, c], [visible, hidden]) = (&self.parameters, self.machine.sizes);
        if up {
            (0..hidden)
                .map(|j| c[j] + (0..visible).map(|i| values[i] * w[i * hidden + j]).sum::<f64>())
                .collect()
        } else {
            (0..visible)
                .map(|i| b[i] + (0..hidden).map(|j| values[j] * w[i * hidden + j]).sum::<f64>())
                .collect()
        }
    }

    /// ln Σ or ∫ over one side given the other's values, its own biases and the other's included; each state of the other side is
    /// gone through unit by unit.
    fn joint(&self, values: &[f64], up: bool) -> f64 {
        let bias = if up { &self.parameters[1] } else { &self.parameters[2] };
        let units = if up { self.machine.hidden } else { self.machine.visible };
        let own: f64 = values.iter().zip(bias).map(|(value, bias)| value * bias).sum();
        own + self.sums(values, up).into_iter().map(|sum| normaliser(units, sum)).sum::<f64>()
    }

    /// ln Z and the means of v, h and v hᵀ, by the states of the Bernoulli side.
    fn exact(&self) -> (f64, [Vec<f64>; 3]) {
        let up = self.machine.visible == Units::Bernoulli;
        let ([visible, hidden], other) =
            (self.machine.sizes, if up { self.machine.hidden } else { self.machine.visible });
        let side = if up { visible } else { hidden };
        let states: Vec<Vec<f64>> = (0..1u32 << side)
            .map(|bits| (0..side).map(|unit| f64::from(bits >> unit & 1)).collect())
            .collect();
        let weights: Vec<f64> = states.iter().map(|state| self.joint(state, up)).collect();
        let largest = weights.iter().copied().fold(f64::MIN, f64::max);
        let log_z = largest + weights.iter().map(|weight| (weight - largest).exp()).sum::<f64>().ln();
        let mut means = [vec![0.0; visible * hidden], vec![0.0; visible], vec![0.0; hidden]];
        for (state, weight) in states.iter().zip(&weights) {
            let share = (weight - log_z).exp();
            let others: Vec<f64> = self.sums(state, up).into_iter().map(|sum| mean(other, sum)).collect();
            let (v, h) = if up { (state, &others) } else { (&others, state) };
            for i in 0..visible {
                means[1][i] += share * v[i];
                for j in 0..hidden {
                    means[0][i * hidden + j] += share * v[i] * h[j];
                }
            }
            h.iter().zip(&mut means[2]).for_each(|(h, mean)| *mean += share * h);
        }
        (log_z, means)
    }
}

fn normaliser(units: Units, sum: f64) -> f64 {
    match units {
        Units::Bernoulli => (1.0 + sum.exp()).ln(),
        _ => 0.5 * sum * sum + 0.5 * (2.0 * std::f64::consts::PI).ln(),
    }
}

fn mean(units: Units, sum: f64) -> f64 {
    if units == Units::Bernoulli { 1.0 / (1.0 + (-sum).exp()) } else { sum }
}

const KINDS: [(Units, Units); 3] = [
    (Units::Bernoulli, Units::Bernoulli),
    (Units::Gaussian, Units::Bernoulli),
    (Units::Bernoulli, Units::Gaussian),
];

/// Every state of both sides is gone through here; the library goes through one side only.
#[test]
fn ln_z_of_a_machine_of_12_and_8_units_is_the_sum_over_all_states() {
    for sizes in [[12, 8], [8, 12]] {
        let case = Case::new(Units::Bernoulli, Units::Bernoulli, sizes, 1.0);
        let ([w, b, c], [visible, hidden]) = (&case.parameters, sizes);
        let mut z = 0.0;
        for v in 0..1u32 << visible {
            let v: Vec<f64> = (0..visible).map(|i| f64::from(v >> i & 1)).collect();
            let sums: Vec<f64> = (0..hidden)
                .map(|j| c[j] + (0..visible).map(|i| v[i] * w[i * hidden + j]).sum::<f64>())
                .collect();
            let own: f64 = v.iter().zip(b).map(|(v, b)| v * b).sum();
            for h in 0..1u32 << hidden {
                let both: f64 =
                    sums.iter().enumerate().filter(|(j, _)| h >> j & 1 == 1).map(|(_, s)| s).sum();
                z += (own + both).exp();
            }
        }
        let found = partition::log_partition(&case.machine, &case.states()).unwrap();
        assert!((found - z.ln()).abs() < 1e-5, "{sizes:?}: {found}, {}", z.ln());
    }
    let wide = Case::new(Units::Bernoulli, Units::Bernoulli, [40, 30], 0.1);
    assert!(partition::log_partition(&wide.machine, &wide.states()).is_none());
}

#[test]
fn annealing_comes_within_a_twentieth_of_ln_z() {
    for (visible, hidden) in KINDS {
        let spread = if (visible, hidden) == (Units::Bernoulli, Units::Bernoulli) { 1.0 } else { 0.4 };
        let case = Case::new(visible, hidden, [12, 8], spread);
        let states = case.states();
        let exact = case.exact().0;
        let enumerated = partition::log_partition(&case.machine, &states).unwrap();
        assert!((enumerated - exact).abs() < 1e-5, "{visible:?} {hidden:?}: {enumerated}, {exact}");
        let base = library_support::narrow(&numbers(12, -0.5, 0.5, 4));
        let chains =
            Annealing::new(&case.machine, &states, base, (0..200).collect(), 1, &compute(2)).unwrap();
        let found = chains.log_partition(2000).unwrap().unwrap();
        assert!((found.value - exact).abs() < 0.05, "{visible:?} {hidden:?}: {found:?}, {exact}");
        assert!(found.standard_error > 0.0 && found.standard_error < 0.05, "{found:?}");
    }
}

/// The gradient of the loss by W, b and c, on `rows` rows, all alike but for their draws; chains run for `steps` steps.
fn gradients(case: &Case, rows: &[f32], chain: Chain, updates: u32) -> [Vec<f32>; 3] {
    let graph = Graph::new();
    let [width, hidden] = case.machine.sizes;
    let count = rows.len() / width;
    let visible = graph.input("rows", [count, width]);
    let ids = graph.indices("row ids", [count]);
    let weights = case.machine.weights(&graph, &mut Parameters::default());
    let chains =
        matches!(chain, Chain::Persistent { .. }).then(|| (graph.state("chains", [count, width]), ids));
    let sums = weights.up(visible);
    let made = contrast(&graph, &case.machine, weights, (visible, sums), ids, chain, chains);
    if let (Some((state, _)), Some(moved)) = (chains, made.chains) {
        graph.update(state, moved);
    }
    let parameters = [weights.weight, weights.visible_bias, weights.hidden_bias];
    for (number, gradient) in graph.gradient(made.loss, &parameters).unwrap().into_iter().enumerate() {
        graph.output(&format!("{number}"), gradient);
    }
    let compute = compute(2);
    let mut executable = Executable::new(&graph, &compute.pool, compute.level).unwrap();
    let mut states = case.states();
    states.declare(&graph.states());
    let row_ids: Vec<u32> = (0..count as u32).collect();
    for step in 0..updates {
        let feeds = [Feed::F32(rows), Feed::U32(&row_ids)];
        executable.run(&mut states, &Run { inputs: &feeds, seed: 1, step, ..Run::default() }).unwrap();
    }
    let mut found = [vec![0.0; width * hidden], vec![0.0; width], vec![0.0; hidden]];
    found.iter_mut().enumerate().for_each(|(number, values)| executable.output(number, values));
    found
}

/// −∂ ln p: what the data have in common, by their own hidden means, against what all states of the machine have.
#[test]
fn the_gradient_of_long_chains_is_that_of_the_likelihood() {
    for (visible, hidden) in KINDS {
        let case = Case::new(visible, hidden, [5, 4], 0.4);
        let one = if visible == Units::Bernoulli {
            vec![1.0, 0.0, 1.0, 1.0, 0.0]
        } else {
            numbers(5, -1.0, 1.0, 5)
        };
        let rows: Vec<f32> = library_support::narrow(&one).repeat(40_000);
        let (_, model) = case.exact();
        let h: Vec<f64> = case.sums(&one, true).into_iter().map(|sum| mean(hidden, sum)).collect();
        let both = (0..20).map(|at| one[at / 4] * h[at % 4]).collect();
        let expected = [both, one.clone(), h];
        let far = Chain::Contrastive { steps: 25, means: false };
        for (chain, updates) in [(far, 1), (Chain::Persistent { steps: 1 }, 40)] {
            for (part, found) in gradients(&case, &rows, chain, updates).iter().enumerate() {
                for (at, found) in found.iter().enumerate() {
                    let expected = model[part][at] - expected[part][at];
                    assert!(
                        (f64::from(*found) - expected).abs() < 0.03,
                        "{visible:?} {hidden:?} {chain:?} {part} {at}: {found}, {expected}"
                    );
                }
            }
        }
    }
}

/// With one step of means, every quantity but the hidden draw is a closed form.
#[test]
fn one_step_of_contrastive_divergence_is_what_its_equations_say() {
    let case = Case::new(Units::Bernoulli, Units::Bernoulli, [3, 1], 1.0);
    let one = [1.0, 0.0, 1.0];
    let rows: Vec<f32> = library_support::narrow(&one).repeat(40_000);
    let h0 = mean(Units::Bernoulli, case.sums(&one, true)[0]);
    let mut expected = [0.0; 3];
    for (h, share) in [(1.0, h0), (0.0, 1.0 - h0)] {
        let v: Vec<f64> = case.sums(&[h], false).into_iter().map(|sum| mean(Units::Bernoulli, sum)).collect();
        let h1 = mean(Units::Bernoulli, case.sums(&v, true)[0]);
        (0..3).for_each(|i| expected[i] += share * v[i] * h1);
    }
    let found = gradients(&case, &rows, Chain::Contrastive { steps: 1, means: true }, 1);
    for i in 0..3 {
        let expected = expected[i] - one[i] * h0;
        assert!((f64::from(found[0][i]) - expected).abs() < 0.005, "{i}: {}, {expected}", found[0][i]);
    }
}

/// Rectified units: mean and variance of the draw against the normal distribution cut at 0.
#[test]
fn rectified_units_draw_what_nair_and_hinton_say() {
    let graph = Graph::new();
    let count = 40_000;
    let sums = graph.table([1, 3], &[-1.0, 0.3, 2.5]).stretch([count, 3]);
    let ids = graph.indices("row ids", [count]);
    graph.output("drawn", Units::Rectified.draw(&graph, sums, ids));
    let compute = compute(1);
    let mut executable = Executable::new(&graph, &compute.pool, compute.level).unwrap();
    let row_ids: Vec<u32> = (0..count as u32).collect();
    let run = Run { inputs: &[Feed::U32(&row_ids)], seed: 3, ..Run::default() };
    executable.infer(&States::new(&[]), &run).unwrap();
    let mut drawn = vec![0.0; count * 3];
    executable.output(0, &mut drawn);
    for (column, sum) in [-1.0f64, 0.3, 2.5].into_iter().enumerate() {
        let deviation = mean(Units::Bernoulli, sum).sqrt();
        let at = sum / deviation;
        let density = (-0.5 * at * at).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let below = 0.5 * (1.0 + narrows::engine::reference::erf(at / 2f64.sqrt()));
        let expected = sum * below + deviation * density;
        let found = drawn.iter().skip(column).step_by(3).map(|x| f64::from(*x)).sum::<f64>() / count as f64;
        assert!((found - expected).abs() < 0.015, "{sum}: {found}, {expected}");
    }
}

const RBM: [&str; 6] = [
    "model.kind=boltzmann",
    "model.hidden=[]",
    "model.code=6",
    "data.prepare=none",
    "train.batch=20",
    "data.validation=0.1",
];

/// Rows of `width` bits, of three kinds.
fn bits_of(rows: usize, width: usize) -> Dataset {
    let mut values = table(rows, width, 3).values.to_f32();
    values.iter_mut().for_each(|value| *value = f32::from(u8::from(*value > 0.5)));
    Dataset {
        maps: None,
        shape: ItemShape::Vector { columns: None, width },
        values: Values::F32(values),
        labels: None,
        names: None,
    }
}

/// A model with random weights in place of those that it was trained to.
fn model_of(settings: &[&str], rows: Dataset, spread: f64) -> Model {
    let mut model = train(&with(settings, &["train.epochs=1"]), rows, &compute(1)).0;
    for (salt, tensor) in model.tensors.iter_mut().enumerate() {
        tensor.values =
            library_support::narrow(&numbers(tensor.values.len(), -spread, spread, 10 + salt as u32));
    }
    model
}

/// The machine of layer `layer` in a model whose mirror image is decoder layer `mirror`.
fn case_of(model: &Model, layer: usize, mirror: usize, sizes: [usize; 2]) -> Case {
    let values = |name: String| tensor(model, &name).iter().map(|value| f64::from(*value)).collect();
    Case {
        parameters: [
            values(format!("encoder.{layer}.weight")),
            values(format!("decoder.{mirror}.bias")),
            values(format!("encoder.{layer}.bias")),
        ],
        ..Case::new(Units::Bernoulli, Units::Bernoulli, sizes, 1.0)
    }
}

fn likelihood(codec: &Codec, rows: &Dataset, samples: usize) -> Box<narrows::apply::family::Likelihood> {
    let all: Vec<u32> = (0..rows.rows() as u32).collect();
    let judged = evaluate(codec, rows, &all, (rows, &all), samples, &compute(2)).unwrap();
    let Figures::Reconstruction(figures) = judged.figures else { panic!("no reconstruction") };
    figures.family.likelihood.unwrap()
}

#[test]
fn likelihood_and_pseudo_likelihood_are_those_of_all_states() {
    let rows = bits_of(60, 9);
    let model = model_of(&RBM, rows.clone(), 0.8);
    let case = case_of(&model, 0, 0, [9, 6]);
    let (log_z, _) = case.exact();
    let found = likelihood(&Codec::new(model, &compute(1)).unwrap(), &rows, 0);
    let values: Vec<f64> = rows.values.to_f32().iter().map(|value| f64::from(*value)).collect();
    let of_row: Vec<f64> = values.chunks(9).map(|row| case.joint(row, true) - log_z).collect();
    let expected = of_row.iter().sum::<f64>() / 60.0;
    assert!((found.log_likelihood.unwrap() - expected).abs() < 1e-4, "{found:?}, {expected}");
    assert!((found.free_energy.unwrap() + expected + log_z).abs() < 1e-4, "{found:?}");
    let variance = of_row.iter().map(|value| (value - expected).powi(2)).sum::<f64>() / 59.0;
    assert!((found.standard_error.unwrap() - (variance / 60.0).sqrt()).abs() < 1e-4);
    assert_eq!((found.log_partition_error, found.is_bound), (Some(0.0), false));
    // Each unit given all others, by the machine's own distribution.
    let mut pseudo = 0.0;
    for row in values.chunks(9) {
        for unit in 0..9 {
            let mut turned = row.to_vec();
            turned[unit] = 1.0 - turned[unit];
            let (own, other) = (case.joint(row, true), case.joint(&turned, true));
            pseudo -= (1.0 + (other - own).exp()).ln() / 60.0;
        }
    }
    assert!((found.pseudo_log_likelihood.unwrap() - pseudo).abs() < 1e-3, "{found:?}, {pseudo}");
}

/// ln p(v) of a stack of two machines, by all states of the layer between.
#[test]
fn the_bound_of_a_stack_lies_a_little_below_its_likelihood() {
    let rows = bits_of(400, 9);
    let settings = with(&RBM, &["model.hidden=[6]", "model.code=5"]);
    let model = model_of(&settings, rows.clone(), 0.5);
    let (lower, upper) = (case_of(&model, 0, 1, [9, 6]), case_of(&model, 1, 0, [6, 5]));
    let codec = Codec::new(model, &compute(1)).unwrap();
    let (log_z, _) = upper.exact();
    let values: Vec<f64> = rows.values.to_f32().iter().map(|value| f64::from(*value)).collect();
    let mut exact = 0.0;
    for row in values.chunks(9) {
        let mut sum = 0.0;
        for bits in 0..1u32 << 6 {
            let h: Vec<f64> = (0..6).map(|unit| f64::from(bits >> unit & 1)).collect();
            let of_row: f64 = lower
                .sums(&h, false)
                .iter()
                .zip(row)
                .map(|(sum, v)| v * sum - normaliser(Units::Bernoulli, *sum))
                .sum();
            sum += (of_row + upper.joint(&h, true) - log_z).exp();
        }
        exact += sum.ln() / 400.0;
    }
    let found = likelihood(&codec, &rows, 0);
    let (bound, error) = (found.log_likelihood.unwrap(), found.standard_error.unwrap());
    assert!(
        found.is_bound && bound < exact + 4.0 * error && bound > exact - 1.0,
        "{bound} ± {error}, {exact}"
    );

    // What the stack makes up has the means of its distribution.
    let made = generate::from_machines(&codec, 4000, 60, 1).unwrap();
    let mut means = [0.0; 9];
    for bits in 0..1u32 << 6 {
        let h: Vec<f64> = (0..6).map(|unit| f64::from(bits >> unit & 1)).collect();
        let share = (upper.joint(&h, true) - log_z).exp();
        for (mean_of, sum) in means.iter_mut().zip(lower.sums(&h, false)) {
            *mean_of += share * mean(Units::Bernoulli, sum);
        }
    }
    for (unit, expected) in means.iter().enumerate() {
        let found = made.iter().skip(unit).step_by(9).map(|x| f64::from(*x)).sum::<f64>() / 4000.0;
        assert!((found - expected).abs() < 0.02, "{unit}: {found}, {expected}");
    }
    assert_eq!(generate::from_machines(&codec, 3, 60, 1).unwrap()[..], made[..27]);
    assert_ne!(generate::from_machines(&codec, 3, 60, 2).unwrap()[..], made[..27]);
}

#[test]
fn machines_of_every_kind_come_to_find_their_rows_more_probable() {
    let kinds: [&[&str]; 6] = [
        &[],
        &["train.chain=persistent"],
        &["train.chain={ kind = 'contrastive', steps = 3, means = true }"],
        &["model.activation=identity", "train.learning_rate=0.003"],
        &["model.output=gaussian", "data.prepare=standardise", "train.learning_rate=0.01"],
        &["train.penalty.sparsity={ kind = 'kl', target = 0.1, weight = 0.1 }"],
    ];
    for kind in kinds {
        let settings = with(&with(&RBM, &["train.learning_rate=0.02"]), kind);
        let of = |epochs: &str| {
            let model = train(&with(&settings, &[epochs]), bits_of(300, 9), &compute(2)).0;
            likelihood(&Codec::new(model, &compute(2)).unwrap(), &bits_of(300, 9), 0).log_likelihood.unwrap()
        };
        let (first, last) = (of("train.epochs=1"), of("train.epochs=40"));
        assert!(last > first + 0.3, "{kind:?}: {first} to {last}");
    }
    // The mean of rows alone leaves this much to every machine that looks at hidden units.
    let rectified = with(&RBM, &["model.activation=relu", "train.learning_rate=0.01", "train.epochs=30"]);
    let history = train(&rectified, bits_of(300, 9), &compute(2)).1;
    assert!(history[29].held_out_loss.unwrap() < 0.8 * history[0].held_out_loss.unwrap(), "{history:?}");
}

/// Weights and biases in the checkpoint after so many epochs.
fn after(settings: &[&str], epochs: usize) -> Vec<(String, Vec<f32>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.checkpoint");
    let mut trainer =
        Trainer::new(Setup::new(&recipe(settings), source(pictures(60, 1))).unwrap(), &compute(1)).unwrap();
    let mut observe = |event: &Event| match event {
        Event::Epoch { record, .. } if record.epoch == epochs => Signal::Stop,
        _ => Signal::Continue,
    };
    trainer.train(&path, &mut observe).unwrap();
    let tensors = narrows::model_file::read(&path, "checkpoint").unwrap().tensors;
    tensors.into_iter().filter(|it| !it.name.contains('/')).map(|it| (it.name, it.values)).collect()
}

/// Each machine moves its layer and its mirror image's bias; when its stage is over, the mirror image has its weight, turned.
#[test]
fn machines_are_unrolled_into_an_autoencoder() {
    let settings = [
        "model.hidden=[7]",
        "model.code=3",
        "model.activation=sigmoid",
        "train.pretraining={ kind = 'rbm', epochs = 1 }",
        "train.epochs=1",
        "train.optimiser=sgd",
        "train.learning_rate=1e-30",
        "train.batch=16",
        "data.validation=0.2",
    ];
    let (first, second) = (after(&settings, 1), after(&settings, 2));
    let moved: Vec<&str> =
        first.iter().zip(&second).filter(|(a, b)| a != b).map(|(a, _)| a.0.as_str()).collect();
    assert_eq!(moved, ["decoder.0.bias", "decoder.1.weight", "encoder.1.bias", "encoder.1.weight"]);
    // The last stage, whose steps are next to nothing, begins with the second machine's turned.
    let model = train(&settings, pictures(60, 1), &compute(1)).0;
    for (layer, mirror, [inputs, outputs]) in [(0, 1, [30, 7]), (1, 0, [7, 3])] {
        let own = tensor(&model, &format!("encoder.{layer}.weight"));
        let turned = tensor(&model, &format!("decoder.{mirror}.weight"));
        for (i, j) in (0..inputs).flat_map(|i| (0..outputs).map(move |j| (i, j))) {
            assert_eq!(own[i * outputs + j], turned[j * inputs + i]);
        }
    }
}

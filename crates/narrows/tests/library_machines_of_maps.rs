//! Boltzmann machines between maps: against the machines that their windows make written out, and as the beginning of autoencoders.

mod library_support;

use library_support::{compute, numbers, pictures, recipe, source, tensor, train};
use narrows::autoencoder::Output;
use narrows::boltzmann::contrastive::contrast;
use narrows::boltzmann::{Machine, Units, Windows};
use narrows::engine::{Convolution, Graph, reference};
use narrows::network::{Extent, Parameters};
use narrows::recipe::Chain;
use narrows::train::Setup;

/// A machine of maps is the machine of all their numbers whose weights are the windows, written out: the same sums, free energies and draws, and a
/// gradient that is summed up over the pixels of a map, and averaged over windows.
#[test]
fn a_machine_of_maps_is_the_machine_that_its_windows_make() {
    let (visible, hidden) =
        (Extent { height: 4, width: 3, channels: 4 }, Extent { height: 2, width: 2, channels: 6 });
    let form = Convolution { stride: [2, 2], groups: 2, ..Convolution::default() }.same([4, 3], [3, 2]);
    let kernel_sizes = [3, 2, 2, 6];
    let kernel = numbers(72, -0.6, 0.6, 1);
    let (b, c) = (numbers(4, -0.5, 0.5, 2), numbers(6, -0.5, 0.5, 3));
    // Visible pixel (r, s) at tap (k, l) of the window of place (p, q), channels of one group.
    let mut owners = vec![None; 48 * 24];
    for (v, h) in (0..48).flat_map(|v| (0..24).map(move |h| (v, h))) {
        let (r, s, channel, p, q, map) = (v / 12, v / 4 % 3, v % 4, h / 12, h / 6 % 2, h % 6);
        let tap = |at: usize, place: usize, axis: usize| {
            (at + form.before[axis]).checked_sub(2 * place).filter(|tap| *tap < [3, 2][axis])
        };
        if let (Some(k), Some(l)) = (tap(r, p, 0), tap(s, q, 1))
            && channel / 2 == map / 3
        {
            owners[v * 24 + h] = Some(((k * 2 + l) * 2 + channel % 2) * 6 + map);
        }
    }
    let windows = Windows { form, size: [3, 2], visible, hidden };
    for (kind, above) in [
        (Units::Bernoulli, Units::Bernoulli),
        (Units::Gaussian, Units::Bernoulli),
        (Units::Bernoulli, Units::Gaussian),
    ] {
        let run = |windows: Option<Windows>| {
            let of = |name: &str| name.to_owned();
            let machine = Machine {
                weight: of("w"),
                hidden_bias: of("c"),
                visible_bias: of("b"),
                hidden: above,
                visible: kind,
                sizes: [48, 24],
                windows,
            };
            let graph = Graph::new();
            let (rows, ids) = (graph.input("rows", [3, 48]), graph.indices("row ids", [3]));
            let weights = machine.weights(&graph, &mut Parameters::default());
            let sums = weights.up(rows);
            graph.output("up", sums);
            graph.output("down", weights.down(sums.sigmoid()));
            graph.output("free energy", machine.minus_free_energy(weights, rows).unwrap());
            let chain = Chain::Contrastive { steps: 2, means: false };
            let made = contrast(&graph, &machine, weights, (rows, sums), ids, chain, None);
            let parameters = [weights.weight, weights.visible_bias, weights.hidden_bias];
            for (name, gradient) in
                ["dw", "db", "dc"].iter().zip(graph.gradient(made.loss, &parameters).unwrap())
            {
                graph.output(name, gradient);
            }
            let (w, b, c) = match windows {
                Some(_) => (kernel.clone(), b.clone(), c.clone()),
                None => (
                    owners.iter().map(|owner| owner.map_or(0.0, |owner| kernel[owner])).collect(),
                    b.repeat(12),
                    c.repeat(4),
                ),
            };
            let feed = reference::Feed::new()
                .input("rows", numbers(144, 0.0, 1.0, 9))
                .input("row ids", [0u32, 1, 2])
                .state("w", w)
                .state("b", b)
                .state("c", c)
                .keyed(7, 1);
            reference::evaluate(&graph, &feed).unwrap().outputs
        };
        let (maps, all) = (run(Some(windows)), run(None));
        let close = |found: &[f64], expected: &[f64], what: &str| {
            assert_eq!(found.len(), expected.len());
            let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9;
            assert!(found.iter().zip(expected).all(near), "{kind:?} {what}: {found:?}\n{expected:?}");
        };
        for what in ["up", "down", "free energy"] {
            close(&maps[what], &all[what], what);
        }
        let summed = |values: &[f64], count: usize, owner: &dyn Fn(usize) -> Option<usize>| {
            let mut sums = vec![0.0; count];
            values.iter().enumerate().for_each(|(at, value)| {
                if let Some(owner) = owner(at) {
                    sums[owner] += value / hidden.pixels() as f64;
                }
            });
            sums
        };
        let kernel_gradient = summed(&all["dw"], kernel_sizes.iter().product(), &|at| owners[at]);
        close(&maps["dw"], &kernel_gradient, "dw");
        close(&maps["db"], &summed(&all["db"], 4, &|at| Some(at % 4)), "db");
        close(&maps["dc"], &summed(&all["dc"], 6, &|at| Some(at % 6)), "dc");
        assert!(maps["dw"].iter().any(|value| value.abs() > 1e-3));
    }
}

/// Convolutional layers are pre-trained as machines of maps, what pools between them is left as it is, and decoders get the kernels, channels
/// exchanged within groups.
#[test]
fn layers_of_maps_are_pre_trained_as_machines() {
    let settings = [
        "model.hidden=[{ kind = 'convolution', channels = 4 }, 'max-pool', { kind = 'convolution', channels = 6, groups = 2 }]",
        "model.code=3",
        "model.growth=repeat",
        "model.activation=sigmoid",
        "train.pretraining={ kind = 'rbm', epochs = 3 }",
        "train.epochs=1",
        "train.optimiser=sgd",
        "train.learning_rate=1e-30",
        "train.batch=16",
    ];
    let (model, history) = train(&settings, pictures(60, 1), &compute(2));
    let stages: Vec<usize> = history.iter().map(|record| record.stage).collect();
    assert_eq!(stages, [1, 1, 1, 2, 2, 2, 3, 3, 3, 0]);
    assert!(history[2].train_loss < history[0].train_loss, "{history:?}");
    let (own, turned) = (tensor(&model, "encoder.2.weight"), tensor(&model, "decoder.1.weight"));
    for at in 0..own.len() {
        // K×L, 2 channels of a group, 6 maps.
        let (window, channel, map) = (at / 12, at / 6 % 2, at % 6);
        assert_eq!(own[at], turned[(window * 3 + map % 3) * 4 + map / 3 * 2 + channel], "{at}");
    }
    for (hidden, problem) in [
        (
            "{ kind = 'residual', layers = [{ kind = 'convolution', channels = 1 }] }",
            "encoder.0 is no Boltzmann machine: it is residual",
        ),
        ("{ kind = 'convolution', batch_normalisation = true }", "its sums are normalised over the batch"),
        ("{ kind = 'convolution', activation = 'silu' }", "no units like those of encoder.0, silu"),
        ("{ kind = 'convolution', bias = 'each' }", "no bias, or one for each place"),
        ("{ kind = 'dense', units = 4, bias = 'none' }", "no bias, or one for each place"),
        (
            "'convolution', 'group-normalisation'",
            "what it hears comes from encoder.1, normalised in 8 groups",
        ),
    ] {
        let settings =
            [&format!("model.hidden=[{hidden}]"), "train.pretraining=rbm", "model.activation=sigmoid"];
        let refused = Setup::new(&recipe(&settings), source(pictures(60, 1))).err().unwrap().to_string();
        assert!(refused.contains(problem), "{refused}");
    }
    // What pools Bernoulli units says shares, as they do.
    let network = model.network().unwrap();
    let machine = |layer| Machine::of_layer(&network, layer, Output::Gaussian).unwrap();
    assert_eq!(
        [machine(0), machine(2), machine(3)].map(|it| it.visible),
        [Units::Gaussian, Units::Bernoulli, Units::Bernoulli]
    );
}

/// Penalties are averaged over windows, as all is that a machine of maps learns by: where units are as often on as off, a step along that of
/// their sum moves a bias by λ/4, however many places a map has.
#[test]
fn penalties_of_maps_are_averaged_over_windows() {
    let settings = [
        "model.hidden=[{ kind = 'convolution', channels = 4 }]",
        "model.code=3",
        "model.activation=sigmoid",
        "model.output=bernoulli",
        "train.pretraining={ kind = 'rbm', epochs = 1, learning_rate = 0.001 }",
        "train.penalty.code_l1=100",
        "train.epochs=1",
        "train.optimiser=sgd",
        "train.learning_rate=1e-30",
        "train.batch=60",
    ];
    let (model, _) = train(&settings, pictures(60, 1), &compute(2));
    let bias = tensor(&model, "encoder.0.bias");
    assert_eq!(bias.len(), 4);
    assert!(bias.iter().all(|bias| (bias + 0.025).abs() < 0.002), "{bias:?}");
}

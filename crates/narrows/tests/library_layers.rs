//! Layers of every kind and blocks of layers: their values by formulae in f64, their derivatives by differences, what does not fit, and
//! training and use.

mod library_support;

use library_support::{compute, numbers, pictures, recipe, tensor, train};
use narrows::apply::Codec;
use narrows::engine::Graph;
use narrows::engine::check::{check_gradient, check_second_gradient};
use narrows::engine::reference::{Feed, evaluate};
use narrows::network::{Extent, Mode, Network, Pass};

fn rows(height: usize, width: usize, channels: usize) -> Extent {
    Extent { height, width, channels }
}

fn network(settings: &[&str], rows: Extent) -> Network {
    let classes = if settings.contains(&"model.kind=classifier") { 10 } else { 0 };
    Network::new(&recipe(settings).model, rows, classes).unwrap()
}

/// One layer of model.hidden by itself.
fn alone(layer: &str, from: Extent) -> Network {
    let settings = ["model.kind=classifier", "model.code=2", "model.activation=identity"];
    network(&[&settings[..], &[&format!("model.hidden=[{layer}]")]].concat(), from)
}

fn feed(network: &Network, images: usize, salt: u32) -> Feed {
    let mut feed = Feed::new().input("x", numbers(images * network.features, -1.0, 1.0, salt));
    for (number, (name, shape)) in network.all_layers().flat_map(|layer| layer.tensors()).enumerate() {
        feed = feed.state(&name, numbers(shape.iter().product(), 0.2, 1.0, 100 + number as u32));
    }
    feed
}

/// What the first layer says in use.
fn said(network: &Network, images: usize, values: &Feed) -> Vec<f64> {
    let graph = Graph::new();
    let x = graph.input("x", [images, network.features]);
    graph.output("y", network.apply(&graph, &mut Pass::new(Mode::Use), 0..1, x));
    evaluate(&graph, values).unwrap().outputs["y"].clone()
}

#[test]
fn derivatives_are_those_of_the_values() {
    for layer in [
        "{ kind = 'bilinear', size = [2, 3] }",
        "{ kind = 'local-response-normalisation', channels = 3, alpha = 0.5 }",
        "{ kind = 'group-normalisation', groups = 2 }",
        "'batch-normalisation'",
        "'opposite'",
        "{ kind = 'convolution', channels = 3, bias = 'each' }",
        "{ kind = 'residual', layers = [{ kind = 'convolution', channels = 4, activation = 'tanh' }] }",
        "{ kind = 'residual', layers = [{ kind = 'convolution', channels = 2, stride = 2 }], shortcut = [{ kind = 'convolution', channels = 2, size = 1, stride = 2 }] }",
        "{ kind = 'parallel', branches = [[{ kind = 'convolution', channels = 2 }], [], [{ kind = 'average-pool', size = 3, stride = 1, padding = 1 }]] }",
    ] {
        let network = alone(layer, rows(3, 4, 4));
        for training in [false, true] {
            let values = feed(&network, 2, 3).input("ids", vec![0.0, 1.0]);
            let graph = Graph::new();
            let (x, ids) = (graph.input("x", [2, network.features]), graph.indices("ids", [2]));
            let mut pass = Pass::new(if training { Mode::Training(ids) } else { Mode::Use });
            let y = network.apply(&graph, &mut pass, 0..1, x);
            let loss = (y * (y * (y + 0.5) + 0.3)).sum_all();
            let mut leaves: Vec<_> = pass.parameters.list.iter().map(|(_, state, _)| *state).collect();
            leaves.push(x);
            for check in [check_gradient, check_second_gradient] {
                let found = check(&graph, loss, &leaves, &values).unwrap_or_else(|e| panic!("{layer}: {e}"));
                assert!(found.largest > 1e-3, "{layer}: {found:?}");
            }
        }
    }
}

/// Pixels between pixels lie where their areas' centres do; beyond the edge the edge goes on.
#[test]
fn bilinear_pixels_are_weighed_by_distance() {
    for factor in [[2, 3], [4, 1], [5, 2], [1, 1], [3, 6]] {
        let network = alone(&format!("{{ kind = 'bilinear', size = {factor:?} }}"), rows(3, 4, 2));
        let values = feed(&network, 1, 1);
        let x = numbers(24, -1.0, 1.0, 1);
        let found = said(&network, 1, &values);
        let (tall, wide) = (3 * factor[0], 4 * factor[1]);
        assert_eq!(found.len(), tall * wide * 2);
        let near = |place: usize, factor: usize, size: usize| {
            let at = ((place as f64 + 0.5) / factor as f64 - 0.5).clamp(0.0, (size - 1) as f64);
            let first = (at.floor() as usize).min(size - 1);
            (first, (first + 1).min(size - 1), at - first as f64)
        };
        for (at, value) in found.iter().enumerate() {
            let (row, column, channel) = (at / 2 / wide, at / 2 % wide, at % 2);
            let (top, bottom, down) = near(row, factor[0], 3);
            let (left, right, across) = near(column, factor[1], 4);
            let pixel = |row: usize, column: usize| x[(row * 4 + column) * 2 + channel];
            let upper = pixel(top, left) * (1.0 - across) + pixel(top, right) * across;
            let lower = pixel(bottom, left) * (1.0 - across) + pixel(bottom, right) * across;
            let expected = upper * (1.0 - down) + lower * down;
            // Shares are f32.
            assert!(
                (value - expected).abs() < 1e-6,
                "{factor:?} at {row}, {column}: {value}, not {expected}"
            );
        }
    }
}

#[test]
fn local_responses_follow_the_formula() {
    for channels in [1, 2, 3, 5, 9] {
        let layer = format!(
            "{{ kind = 'local-response-normalisation', channels = {channels}, offset = 1.5, alpha = 0.25, beta = 0.5 }}"
        );
        let network = alone(&layer, rows(2, 1, 6));
        let x = numbers(12, -1.0, 1.0, 2);
        let found = said(&network, 1, &feed(&network, 1, 2));
        for (at, value) in found.iter().enumerate() {
            let (pixel, channel) = (at / 6 * 6, (at % 6) as i64);
            let first = (channel - (channels - 1) / 2).max(0);
            let last = (channel + channels / 2).min(5);
            let sum: f64 = (first..=last).map(|near| x[pixel + near as usize].powi(2)).sum();
            let expected = x[at] / (1.5 + 0.25 * sum).sqrt();
            assert!((value - expected).abs() < 1e-9, "{channels} at {at}: {value}, not {expected}");
        }
    }
}

#[test]
fn groups_are_normalised_row_by_row() {
    let network = alone("{ kind = 'group-normalisation', groups = 3 }", rows(2, 2, 6));
    let values = feed(&network, 2, 3);
    let x = numbers(48, -1.0, 1.0, 3);
    let (scale, shift) = (numbers(6, 0.2, 1.0, 100), numbers(6, 0.2, 1.0, 101));
    let found = said(&network, 2, &values);
    for (at, value) in found.iter().enumerate() {
        let (row, group) = (at / 24, at % 6 / 2);
        let members: Vec<f64> =
            (0..24).filter(|place| place % 6 / 2 == group).map(|place| x[row * 24 + place]).collect();
        let mean = members.iter().sum::<f64>() / 8.0;
        let variance = members.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 8.0;
        let expected = (x[at] - mean) / (variance + 1e-5).sqrt() * scale[at % 6] + shift[at % 6];
        assert!((value - expected).abs() < 1e-6, "{at}: {value}, not {expected}");
    }
}

/// In use the mean of a window, weighed by size; in training each pixel as often as it is large, and nothing that is not above 0.
#[test]
fn pooling_by_chance_draws_large_pixels() {
    let network = alone("'stochastic-pool'", rows(2, 4, 1));
    let window = [1.0, 2.0, 5.0, -3.0];
    let x: Vec<f64> = vec![window[0], window[1], -1.0, -2.0, window[2], window[3], 0.0, -1.0];
    let found = said(&network, 1, &Feed::new().input("x", x.clone()));
    assert!((found[0] - (1.0 + 4.0 + 25.0) / 8.0).abs() < 1e-9 && found[1] == 0.0, "{found:?}");
    let count = 8000;
    let graph = Graph::new();
    let (input, ids) = (graph.input("x", [count, 8]), graph.indices("ids", [count]));
    graph.output("y", network.apply(&graph, &mut Pass::new(Mode::Training(ids)), 0..1, input));
    let all: Vec<f64> = (0..count).flat_map(|_| x.clone()).collect();
    let values = Feed::new().input("x", all).input("ids", (0..count).map(|row| row as f64)).keyed(5, 1);
    let drawn = evaluate(&graph, &values).unwrap().outputs["y"].clone();
    for (value, share) in [(1.0, 0.125), (2.0, 0.25), (5.0, 0.625), (-3.0, 0.0)] {
        let found = drawn.iter().step_by(2).filter(|drawn| **drawn == value).count() as f64 / count as f64;
        // Four standard deviations of such a share.
        assert!((found - share).abs() < 0.022 && (share > 0.0 || found == 0.0), "{value}: {found}");
    }
    assert!(drawn.iter().skip(1).step_by(2).all(|drawn| *drawn == 0.0));
}

/// What a pool took stands again where it was found; "unpool" in a written decoder undoes the last pool that is left, and so on.
#[test]
fn what_was_pooled_goes_back_to_its_place() {
    let pools = "model.hidden=['max-pool', { kind = 'max-pool', size = [1, 2] }]";
    let written = "model.decoder=['unpool', 'unpool', { kind = 'convolution', channels = 1, size = 1 }]";
    let base = [pools, "model.code=0", "model.activation=identity"];
    let x = numbers(24, 0.5, 1.0, 4);
    for settings in [&["model.growth=unpool"][..], &[written]] {
        let network = network(&[&base[..], settings].concat(), rows(4, 6, 1));
        assert_eq!((network.encoder, network.code()), (2, 2));
        let graph = Graph::new();
        let mut pass = Pass::new(Mode::Use);
        let input = graph.input("x", [1, 24]);
        let code = network.encode(&graph, &mut pass, input);
        network.decode(&graph, &mut pass, code);
        graph.output("back", pass.trace[3].values);
        let mut values = Feed::new().input("x", x.clone());
        for (name, shape) in network.all_layers().flat_map(|layer| layer.tensors()) {
            values = values.state(&name, vec![1.0; shape.iter().product()]);
        }
        let found = evaluate(&graph, &values).unwrap().outputs["back"].clone();
        let kept: Vec<usize> = (0..24).filter(|at| found[*at] != 0.0).collect();
        assert_eq!(kept.len(), 2, "{found:?}");
        for at in kept {
            // The largest of the 2×4 pixels that the two windows see together; columns 4 and 5 were left over.
            assert_eq!(found[at], x[at]);
            let largest = (0..24)
                .filter(|other| other / 12 == at / 12 && other % 6 / 4 == at % 6 / 4)
                .map(|other| x[other])
                .fold(0.0, f64::max);
            assert_eq!(x[at], largest);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |settings: &[&str], rows: Extent| {
        Network::new(&recipe(settings).model, rows, 0).unwrap_err().to_string()
    };
    for (layers, expected) in [
        ("model.hidden=['unpool']", "none is left"),
        ("model.hidden=['max-pool', 'unpool', 'unpool']", "layer 3"),
        (
            "model.hidden=['max-pool', { kind = 'convolution', channels = 3 }, 'unpool']",
            "3×2×4, and is given 3×2×3",
        ),
        ("model.hidden=[{ kind = 'group-normalisation', groups = 3 }]", "3 groups do not divide 4"),
        (
            "model.hidden=[{ kind = 'residual', layers = [{ kind = 'convolution', channels = 3 }] }]",
            "6×5×3 cannot be added to 6×5×4",
        ),
        ("model.hidden=[{ kind = 'parallel', branches = [['max-pool'], []] }]", "cannot stand side by side"),
        ("model.hidden=['opposite']", "no mirror image"),
        ("model.hidden=[{ kind = 'residual', layers = [{ kind = 'max-pool', size = 9 }] }]", "9×9"),
        ("model.hidden=[{ kind = 'bilinear', size = 1000 }]", "more than"),
    ] {
        let message = refused(&[layers], rows(6, 5, 4));
        assert!(message.contains(expected), "{layers}: {message}");
    }
    let code =
        refused(&["model.hidden=['max-pool']", "model.code=0", "model.bottleneck=gaussian"], rows(6, 5, 4));
    assert!(code.contains("encoder.0 has none"), "{code}");
    for own in ["activation = 'relu'", "batch_normalisation = true"] {
        let decoder = format!("model.decoder=[{{ kind = 'convolution', channels = 4, {own} }}]");
        let message = refused(
            &["model.hidden=[{ kind = 'convolution', channels = 2 }]", &decoder, "model.code=0"],
            rows(6, 5, 4),
        );
        assert!(message.contains("decoder.0 is the output"), "{own}: {message}");
    }
    let beside = ["model.kind=classifier", "model.auxiliary=[{ after = 4 }]"];
    assert!(
        refused(&beside, rows(6, 5, 4)).contains("layer 4 is asked for, and model.hidden and the code are 2")
    );
    let pairs = |layers: &str| vec![("model.hidden".to_owned(), layers.to_owned())];
    for (layers, expected) in [
        ("[{ kind = 'residual' }]", "model.hidden[0].layers: expected layers"),
        ("[{ kind = 'parallel', branches = [3] }]", "model.hidden[0].branches[0]: expected a list"),
        ("[{ kind = 'residual', layers = ['relu'] }]", "model.hidden[0].layers[0]: expected one of"),
        ("[{ kind = 'residual', layers = [3], times = 0 }]", "model.hidden[0].times: expected"),
        ("[{ kind = 'parallel', branches = [[3]], layers = [] }]", "of the chosen kind"),
    ] {
        let message = narrows::recipe::Recipe::parse("", &pairs(layers)).unwrap_err().to_string();
        assert!(message.contains(expected), "{layers}: {message}");
    }
    let mut deep = "3".to_owned();
    for _ in 0..20 {
        deep = format!("{{ kind = 'residual', layers = [{deep}] }}");
    }
    let message = narrows::recipe::Recipe::parse("", &pairs(&format!("[{deep}]"))).unwrap_err().to_string();
    assert!(message.contains("blocks inside one another"), "{message}");
}

/// A code alone does not tell where pools found what they took.
#[test]
fn a_decoder_that_asks_the_encoder_decodes_no_codes() {
    let settings = [
        "model.hidden=[{ kind = 'convolution', channels = 3 }, 'max-pool']",
        "model.growth=unpool",
        "model.code=3",
        "train.epochs=1",
    ];
    let (model, _) = train(&settings, pictures(20, 1), &compute(1));
    let codec = Codec::new(model, &compute(1)).unwrap();
    let error = codec.decode(&[0.0; 3]).unwrap_err();
    assert!(error.to_string().contains("where the encoder found them"), "{error}");
    assert!(error.hint().is_some());
    codec.reconstruct(&pictures(2, 2).values.to_f32()).unwrap();
}

/// Settings of single layers are looked at as those of the model are.
#[test]
fn settings_that_do_not_suit_the_network_are_refused() {
    let convolution = "{ kind = 'convolution', channels = 2 }";
    let own = |activation: &str, more: &str| {
        format!(
            "model.hidden=[{convolution}, {{ kind = 'dense', units = 3, activation = '{activation}' }}]{more}"
        )
    };
    let normalised = format!("model.hidden=[{convolution}, 'batch-normalisation']");
    for (settings, expected) in [
        (&[&*own("relu", ""), "model.code=0", "model.bottleneck=gaussian"][..], "model.bottleneck"),
        (
            &[
                &*own("relu", ""),
                "model.code=0",
                "model.code_activation=sigmoid",
                "train.penalty.sparsity=kl",
            ],
            "sparsity",
        ),
        (&[&*own("relu", ""), "model.code=0", "model.code_activation=sigmoid"], "model.code_activation"),
        (&[&*normalised, "train.penalty.contraction=estimate"], "contraction"),
        (&[&*normalised, "train.batch=1"], "train.batch"),
        (
            &[&*format!("model.hidden=[{convolution}]"), "model.code=0", "train.penalty.unit_atoms=true"],
            "unit_atoms",
        ),
    ] {
        let error = narrows::train::Setup::new(&recipe(settings), library_support::source(pictures(20, 1)));
        let error = error.err().unwrap_or_else(|| panic!("{settings:?}"));
        assert!(error.to_string().contains(expected) && error.hint().is_some(), "{settings:?}: {error}");
    }
}

/// Unpooling inside a block undoes what was pooled there, or asks the encoder; a code alone is refused however deep it stands.
#[test]
fn blocks_pool_and_unpool_by_themselves() {
    let conv = "{ kind = 'convolution', channels = 1 }";
    let inside = format!("{{ kind = 'residual', layers = ['max-pool', {conv}, 'unpool'] }}");
    let network = network(&[&format!("model.hidden=[{inside}]"), "model.code=3"], rows(6, 6, 1));
    assert_eq!((network.layers[0].to, network.asks_encoder().is_none()), (rows(6, 6, 1), true));
    let decoder =
        format!("model.decoder=[36, {{ kind = 'reshape', height = 6, width = 6, channels = 1 }}, {inside}]");
    let network = self::network(&["model.hidden=[]", &decoder, "model.code=3"], rows(6, 6, 1));
    assert!(network.asks_encoder().is_none(), "a code alone is enough");
    let pooled = "model.hidden=[{ kind = 'residual', layers = ['max-pool'], shortcut = ['max-pool'] }]";
    let asks = self::network(&[pooled, "model.growth=unpool", "model.code=3"], rows(6, 6, 1));
    assert!(asks.asks_encoder().is_some());
    let outside = [
        "model.hidden=['max-pool']",
        &format!("model.decoder=[{{ kind = 'residual', layers = ['unpool', {conv}] }}]"),
    ];
    let refused = Network::new(&recipe(&[&outside[..], &["model.code=0"]].concat()).model, rows(6, 6, 1), 0);
    assert!(refused.unwrap_err().to_string().contains("none is left"));
}

/// Inner convolutions of a mirrored block are tied like others; written decoders that end with what is asked for end there.
#[test]
fn blocks_are_tied_and_decoders_end_where_they_should() {
    let block = "model.hidden=[{ kind = 'residual', layers = [{ kind = 'convolution', channels = 2, size = 5 }, { kind = 'convolution', channels = 2 }] }]";
    let tied = network(&[block, "model.tied=true", "model.code=3"], rows(6, 6, 2));
    let weights =
        tied.all_layers().flat_map(|layer| layer.tensors()).filter(|(name, _)| name.ends_with("weight"));
    assert_eq!(weights.count(), 3);
    for (last, layers) in
        [("'bilinear'", 4), ("{ kind = 'convolution', channels = 7, size = 1 }, 'bilinear'", 6)]
    {
        let decoder = format!(
            "model.decoder=[18, {{ kind = 'reshape', height = 3, width = 3, channels = 2 }}, {last}]"
        );
        let network = network(&["model.hidden=[]", "model.code=3", &decoder], rows(6, 6, 2));
        let end = &network.layers[network.layers.len() - 1];
        assert_eq!((end.to, network.layers.len(), end.is_dense()), (rows(6, 6, 2), layers, false));
    }
}

/// A few words may ask for more layers than there is memory for.
#[test]
fn networks_have_an_end() {
    let mut layers = "3".to_owned();
    for _ in 0..5 {
        layers = format!("{{ kind = 'residual', times = 1000, layers = [{layers}, 30], shortcut = [30] }}");
    }
    let refused = Network::new(&recipe(&[&format!("model.hidden=[{layers}]")]).model, rows(6, 5, 1), 0);
    assert!(refused.unwrap_err().to_string().contains("more than 10000 layers"));
    let wide = "model.hidden=[100000, { kind = 'group-normalisation', groups = 2 }]";
    let refused = Network::new(&recipe(&[wide]).model, rows(6, 5, 1), 0).unwrap_err().to_string();
    assert!(refused.contains("4096 are the most"), "{refused}");
}

/// Small networks of every kind of layer learn, and give the same numbers for a row alone and among others.
#[test]
fn networks_of_every_kind_of_layer_are_trained_and_used() {
    let base = ["model.code=4", "train.batch=8", "train.epochs=6", "train.learning_rate=0.01"];
    let convolution = "{ kind = 'convolution', channels = 4 }";
    let residual = format!("{{ kind = 'residual', times = 2, layers = [{convolution}, {convolution}] }}");
    let auxiliary = "model.auxiliary=[{ after = 1, layers = ['global-pool', 5] }]";
    for settings in [
        &[&*format!("model.hidden=[{convolution}, {residual}]")][..],
        &[&*format!("model.hidden=[{convolution}, {residual}]"), "model.batch_normalisation=true"],
        &[
            &*format!("model.hidden=[{convolution}, 'max-pool']"),
            "model.growth=unpool",
            "train.pretraining=growing",
        ],
        &[&*format!("model.hidden=[{convolution}, 'max-pool']"), "model.code=0"],
        &[&*format!("model.hidden=['max-pool', {convolution}]"), "model.code=0", "model.bottleneck=gaussian"],
        &[
            "model.hidden=[]",
            "model.decoder=[{ kind = 'reshape', height = 2, width = 1, channels = 2 }, 'bilinear']",
        ],
        &[
            "model.kind=classifier",
            auxiliary,
            &format!(
                "model.hidden=[{{ kind = 'parallel', branches = [[{convolution}], ['dropout']] }}, 'local-response-normalisation', 'stochastic-pool']"
            ),
        ],
        &[
            "model.kind=classifier",
            "model.activation=relu",
            "model.code=0",
            "model.decoder=[{ kind = 'dense', units = 1, activation = 'identity' }, 'opposite']",
            &format!(
                "model.hidden=[{convolution}, {{ kind = 'group-normalisation', groups = 2 }}, 'batch-normalisation']"
            ),
        ],
    ] {
        let all = [&base[..], settings].concat();
        let (model, history) = train(&all, pictures(60, 1), &compute(2));
        let (first, last) = (history[0].train_loss, history[history.len() - 1].train_loss);
        assert!(last < first, "{settings:?}: {first} then {last}");
        let codec = Codec::new(model, &compute(1)).unwrap();
        let rows = pictures(9, 2).values.to_f32();
        let classifier = settings.contains(&"model.kind=classifier");
        let use_of =
            |rows: &[f32]| if classifier { codec.classify(rows) } else { codec.reconstruct(rows) }.unwrap();
        let together = use_of(&rows);
        let each = together.len() / 9;
        for row in 0..9 {
            let by_itself = use_of(&rows[row * 30..(row + 1) * 30]);
            assert_eq!(by_itself, together[row * each..(row + 1) * each], "{settings:?}");
        }
    }
}

/// Gradients reach the layers before an auxiliary classifier through it: its loss is part of the whole, times its weight.
#[test]
fn auxiliary_classifiers_add_their_loss() {
    let base = [
        "model.kind=classifier",
        "model.hidden=[5, 4]",
        "model.code=3",
        "train.epochs=1",
        "train.batch=60",
        "data.validation=0",
        "data.test=0",
    ];
    let loss = |more: &[&str]| {
        let (model, history) = train(&[&base[..], more].concat(), pictures(60, 1), &compute(1));
        (history[0].train_loss, model)
    };
    let (plain, _) = loss(&[]);
    let (one, model) = loss(&["model.auxiliary=[{ after = 1, weight = 1.0 }]"]);
    let (half, _) = loss(&["model.auxiliary=[{ after = 1, weight = 0.5 }]"]);
    assert!(
        (one - plain) / (half - plain) > 1.999 && (one - plain) / (half - plain) < 2.001,
        "{plain} {half} {one}"
    );
    assert_eq!(tensor(&model, "auxiliary.0.output.weight").len(), 10);
}

//! Layers that look at rows as pictures: shapes, the mirrored decoder, ties, starting weights, training and use.

mod library_support;

use library_support::{compute, numbers, pictures, recipe, train};
use narrows::apply::Codec;
use narrows::engine::cpu::States;
use narrows::engine::reference::{Feed, evaluate};
use narrows::engine::{Convolution, Graph, Pool};
use narrows::network::{Extent, LayerWork, Mode, Network, Pass};
use narrows::recipe::Recipe;

fn rows(height: usize, width: usize, channels: usize) -> Extent {
    Extent { height, width, channels }
}

fn network(settings: &[&str], rows: Extent) -> Network {
    let classes = if settings.contains(&"model.kind=classifier") { 10 } else { 0 };
    Network::new(&recipe(settings).model, rows, classes).unwrap()
}

fn refused(settings: &[&str], rows: Extent) -> String {
    Network::new(&recipe(settings).model, rows, 0).unwrap_err().to_string()
}

/// 26, 13, 11, 5, 1250; 9 and 225 weights a filter.
#[test]
fn the_lectures_network() {
    let recipe = Recipe::parse(Recipe::built_in("lecture-cnn").unwrap(), &[]).unwrap();
    let network = Network::new(&recipe.model, rows(28, 28, 1), 10).unwrap();
    let said: Vec<Extent> = network.layers.iter().map(|layer| layer.to).collect();
    let maps = [rows(26, 26, 25), rows(13, 13, 25), rows(11, 11, 50), rows(5, 5, 50)];
    assert_eq!(said[..4], maps);
    assert_eq!(said[4..], [Extent::from(100), Extent::from(10)]);
    assert_eq!(network.layers[4].inputs(), 1250);
    let weights = |layer: usize| network.layers[layer].kernel()[..3].iter().product::<usize>();
    assert_eq!((weights(0), weights(2)), (9, 225));
    assert_eq!(network.parameter_count(), 250 + 11_300 + 125_100 + 1010);
}

/// A 200×200 picture and 40,000 units: 1.6 billion weights if each hears every pixel, 2,500 for 100 maps of 5×5.
#[test]
fn the_lectures_count_of_weights() {
    // 40,000 units, a map of them or a hundred maps, each unit with a bias or a window without.
    for (channels, bias, parameters, connected) in [
        (1, "none", 25, 1_600_000_000),
        (100, "none", 2500, 160_000_000_000),
        (1, "shared", 26, 1_600_040_000),
    ] {
        let settings = format!(
            "model.hidden=[{{ kind = 'convolution', channels = {channels}, size = 5, bias = '{bias}' }}]"
        );
        let layer = &network(&[&settings], rows(200, 200, 1)).layers[0];
        assert_eq!((layer.parameter_count(), layer.if_fully_connected()), (parameters, Some(connected)));
    }
}

#[test]
fn what_a_layer_of_maps_says() {
    let said = |layer: &str| network(&[&format!("model.hidden=[{layer}]")], rows(7, 9, 4)).layers[0].to;
    for (layer, expected) in [
        ("'convolution'", rows(7, 9, 32)),
        ("{ kind = 'convolution', stride = 2, channels = 3 }", rows(4, 5, 3)),
        ("{ kind = 'convolution', padding = 'none', channels = 3 }", rows(5, 7, 3)),
        (
            "{ kind = 'convolution', size = [1, 4], padding = [0, 2], channels = 3, groups = 1 }",
            rows(7, 10, 3),
        ),
        ("{ kind = 'convolution', dilation = 2, padding = 'none', channels = 3 }", rows(3, 5, 3)),
        ("{ kind = 'transposed-convolution', channels = 3 }", rows(14, 18, 3)),
        ("{ kind = 'transposed-convolution', channels = 3, padding = 'none' }", rows(15, 19, 3)),
        ("{ kind = 'transposed-convolution', channels = 3, size = 4, padding = 1 }", rows(14, 18, 3)),
        ("{ kind = 'transposed-convolution', channels = 3, padding = 1 }", rows(13, 17, 3)),
        (
            "{ kind = 'transposed-convolution', channels = 3, padding = 1, output_padding = 1 }",
            rows(14, 18, 3),
        ),
        (
            "{ kind = 'transposed-convolution', channels = 3, padding = 1, output_padding = [0, 1] }",
            rows(13, 18, 3),
        ),
        (
            "{ kind = 'transposed-convolution', channels = 3, padding = 'none', stride = 1, dilation = 2 }",
            rows(11, 13, 3),
        ),
        ("'max-pool'", rows(3, 4, 4)),
        ("{ kind = 'max-pool', padding = 'same' }", rows(4, 5, 4)),
        ("{ kind = 'average-pool', size = 3, stride = 2 }", rows(3, 4, 4)),
        ("'global-pool'", Extent::from(4)),
        ("'repeat'", rows(14, 18, 4)),
        ("{ kind = 'reshape', height = 6, width = 6, channels = 7 }", rows(6, 6, 7)),
    ] {
        assert_eq!(said(layer), expected, "{layer}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for (layer, expected) in [
        ("{ kind = 'convolution', size = 8, padding = 'none' }", "8×8"),
        ("{ kind = 'max-pool', size = [2, 10] }", "2×10"),
        ("{ kind = 'convolution', groups = 3, channels = 6 }", "3 groups do not divide 4 channels"),
        ("{ kind = 'convolution', groups = 2, channels = 5 }", "5 out"),
        ("{ kind = 'transposed-convolution', size = 1, stride = 1, padding = 8 }", "cannot grow"),
        ("{ kind = 'transposed-convolution', padding = 1, output_padding = 2 }", "2×2 added"),
        ("{ kind = 'transposed-convolution', output_padding = 1 }", "padding in numbers"),
        ("{ kind = 'transposed-convolution', dilation = [1, 2] }", "leave out pixels"),
        ("{ kind = 'convolution', dilation = 4, padding = 'none' }", "reaches over 9×9"),
        ("{ kind = 'transposed-convolution', channels = 3, groups = 2 }", "2 groups do not divide"),
        ("{ kind = 'reshape', height = 6 }", "6×7×64"),
        ("{ kind = 'max-pool', padding = 2 }", "nothing but zeros"),
        ("{ kind = 'convolution', size = 1000, dilation = 1000 }", "far larger than"),
        ("{ kind = 'convolution', size = 2, dilation = 63 }", "nothing but zeros"),
        ("{ kind = 'repeat', size = 1000 }", "more than"),
        ("{ kind = 'reshape', height = 100000, width = 100000, channels = 100000 }", "not as many"),
    ] {
        let message = refused(
            &[&format!("model.hidden=[20, {layer}]"), "model.hidden[0]='repeat'", "model.hidden[0].size=1"],
            rows(7, 9, 4),
        );
        assert!(message.contains("layer 2") && message.contains(expected), "{layer}: {message}");
    }
    let wide = refused(
        &[
            "model.hidden=[{ kind = 'convolution', size = 7, channels = 100000 }, { kind = 'convolution', channels = 100000 }]",
        ],
        rows(7, 9, 4),
    );
    assert!(wide.contains("weights"), "{wide}");
    let table = refused(&["model.hidden=['convolution']"], Extent::from(30));
    assert!(table.contains("30 numbers"), "{table}");
    let flat = refused(&["model.hidden=['max-pool']"], Extent::from(30));
    assert!(flat.contains("2×2") && flat.contains("30"), "{flat}");
}

/// Every height and width from 5 to 40 and 223 and 224, strides 1 to 3, every way of growing: what comes back is as large as what went in.
#[test]
fn a_mirrored_decoder_says_what_the_encoder_heard() {
    for growth in ["transposed", "repeat", "upsample", "unpool"] {
        for (stride, padding) in
            [(1, "same"), (2, "same"), (3, "same"), (1, "none"), (2, "none"), (3, "none")]
        {
            let convolution =
                format!("{{ kind = 'convolution', channels = 2, stride = {stride}, padding = '{padding}' }}");
            let hidden = format!("model.hidden=[{convolution}, 'max-pool', 'convolution']");
            let recipe = recipe(&[&hidden, &format!("model.growth={growth}"), "model.code=3"]);
            let sizes = || (5..=40).chain([223, 224]);
            for (height, width) in sizes().flat_map(|h| sizes().map(move |w| (h, w))) {
                let heard = rows(height, width, 3);
                // What is one pixel wide cannot be pooled, and nothing else is refused.
                let places = match padding {
                    "same" => height.min(width).div_ceil(stride),
                    _ => (height.min(width) - 3) / stride + 1,
                };
                let network = Network::new(&recipe.model, heard, 0);
                assert_eq!(network.is_ok(), places > 1, "{height}×{width} at {stride}, {padding}");
                let Ok(network) = network else { continue };
                let layers = &network.layers;
                assert_eq!(layers.len(), 8);
                for layer in 0..4 {
                    let mirror = &layers[7 - layer];
                    assert_eq!(
                        (mirror.from, mirror.to),
                        (layers[layer].to, layers[layer].from),
                        "{growth} {stride}"
                    );
                }
                assert_eq!(layers[7].to, heard);
            }
        }
    }
}

/// The last layer that learns says the output's sums, whatever moves these to their places; blocks are linear at their end, not inside.
#[test]
fn the_output_is_linear_behind_every_mirror() {
    let settings = ["model.batch_normalisation=true", "model.activation=relu"];
    let around = |hidden: &str, decoder: usize| {
        let growth = if hidden.contains("pool") { "model.growth=repeat" } else { "model.growth=transposed" };
        let hidden = format!("model.hidden=[{hidden}]");
        let layers = network(&[&settings[..], &[growth, &hidden]].concat(), rows(8, 8, 1)).layers;
        let inner = layers[decoder]
            .with_inner()
            .into_iter()
            .filter(|layer| layer.has_weights() || layer.name == layers[decoder].name);
        inner.map(|layer| (layer.activation.name(), layer.normalised)).collect::<Vec<_>>()
    };
    let linear = ("identity", false);
    let two = "[{ kind = 'convolution', channels = 4 }, { kind = 'convolution', channels = 6 }]";
    assert_eq!(around("'max-pool', 'convolution'", 4), [linear]);
    assert_eq!(
        around("{ kind = 'reshape', height = 4, width = 16, channels = 1 }, 'convolution'", 4),
        [linear]
    );
    let block = format!("{{ kind = 'parallel', branches = [{two}, []] }}");
    assert_eq!(around(&block, 3), [linear, ("relu", true), linear]);
    let inside = around(&format!("'convolution', {block}"), 4);
    assert_eq!(inside, [("relu", false), ("relu", true), ("identity", true)]);
}

/// Training refuses a mirror image some pixels of which hear nothing; as upsampling and a convolution it has none.
#[test]
fn mirror_images_leave_no_pixel_out() {
    for form in ["stride = 2, dilation = 2", "stride = 2, size = 1", "stride = [1, 3], size = 2"] {
        let hidden = format!("model.hidden=[{{ kind = 'convolution', {form} }}]");
        let told = |settings: &[&str]| network(settings, rows(12, 12, 1)).layers[3].leaves_out();
        assert!(told(&[&hidden]).is_some_and(|told| told.contains("hear nothing")), "{form}");
        assert_eq!(told(&[&hidden, "model.growth=upsample"]), None);
        let block = |other: &str| {
            format!(
                "model.hidden=[{{ kind = 'parallel', branches = [[{{ kind = 'convolution', {form} }}], [{other}]] }}]"
            )
        };
        let alike = format!("{{ kind = 'convolution', {form} }}");
        assert!(told(&[&block(&alike)]).is_some());
        let whole = alike
            .replace("size = 1", "size = 2")
            .replace("dilation = 2", "dilation = 1")
            .replace("[1, 3]", "[1, 3], padding = 'same'")
            .replace("size = 2 }", "size = 3 }");
        assert_eq!(told(&[&block(&whole)]), None, "{whole}");
    }
}

/// Windows larger than what pooling has left see all of it.
#[test]
fn windows_may_be_larger_than_what_they_see() {
    for (hidden, heard) in [("size = 7", rows(2, 2, 3)), ("size = 5, stride = 2", rows(1, 784, 1))] {
        let network = network(&[&format!("model.hidden=[{{ kind = 'convolution', {hidden} }}]")], heard);
        assert_eq!(network.layers.last().unwrap().to, heard);
    }
}

/// The same in a graph: shapes are those that the layers promise, for sizes at which strides and pooling leave something over.
#[test]
fn networks_can_be_built_at_any_size() {
    for growth in ["transposed", "repeat", "upsample", "unpool"] {
        for (height, width, stride) in [(5, 8, 1), (9, 11, 2), (23, 17, 3), (28, 28, 2), (31, 30, 2)] {
            for padding in ["same", "none"] {
                let convolution = format!(
                    "{{ kind = 'convolution', channels = 2, stride = {stride}, padding = '{padding}' }}"
                );
                let pool = "{ kind = 'max-pool', padding = 'same' }";
                let branches =
                    format!("{{ kind = 'parallel', branches = [['convolution', {pool}], [{pool}]] }}");
                let hidden = format!("model.hidden=[{convolution}, {pool}, {branches}, 'convolution']");
                let network = network(&[&hidden, &format!("model.growth={growth}")], rows(height, width, 2));
                let graph = Graph::new();
                let mut pass = Pass::new(Mode::Use);
                let x = graph.input("x", [3, network.features]);
                let code = network.encode(&graph, &mut pass, x);
                let back = network.decode(&graph, &mut pass, code);
                graph.check().unwrap();
                assert_eq!(back.shape(), x.shape());
                for (step, layer) in pass.trace.iter().zip(&network.layers) {
                    assert_eq!(step.values.shape().sizes(), [3, layer.outputs()], "{}", layer.name);
                }
            }
        }
    }
}

/// Whatever strides and pooling leave over, what comes back stands where it came from: rows that tell their number are told within a window's
/// reach, and only what no window held is 0.
#[test]
fn maps_grow_to_where_they_came_from() {
    for (size, stride, padding) in
        [(7, 2, "same"), (28, 3, "same"), (9, 2, "same"), (28, 2, "none"), (11, 3, "none")]
    {
        let pool = format!("model.hidden=[{{ kind = 'max-pool', size = {stride}, padding = '{padding}' }}]");
        for growth in ["repeat", "upsample"] {
            let network = network(&[&pool, &format!("model.growth={growth}")], rows(size, size, 1));
            let graph = Graph::new();
            let mut pass = Pass::new(Mode::Use);
            let small = network.apply(&graph, &mut pass, 0..1, graph.input("x", [1, size * size]));
            graph.output("back", network.apply(&graph, &mut pass, 3..4, small));
            let values = (0..size * size).map(|at| (at / size + 1) as f32);
            let found = evaluate(&graph, &Feed::new().input("x", values)).unwrap().outputs["back"].clone();
            let covered = network.layers[0].to.height * stride;
            assert!(covered >= size || padding == "none");
            for (at, value) in found.iter().enumerate() {
                let (row, column) = (at / size, at % size);
                let off = (value - (row + 1) as f64).abs();
                let told = match row < covered && column < covered {
                    true => off < (2 * stride) as f64,
                    false => *value == 0.0,
                };
                assert!(told, "{size} by {stride}, {padding}, {growth}: {value} at {row}, {column}");
            }
        }
    }
}

/// A tied transposed convolution has its encoder's kernel: for linear layers without biases, x ↦ decode(encode(x)) is symmetric.
#[test]
fn tied_convolutions_share_their_kernel() {
    for hidden in [
        "{ kind = 'convolution', channels = 3, stride = 2 }",
        "{ kind = 'convolution', channels = 6, stride = 2, groups = 2 }",
        "{ kind = 'transposed-convolution', channels = 4, groups = 2 }",
        "{ kind = 'parallel', branches = [[{ kind = 'convolution', channels = 3 }, { kind = 'convolution', channels = 2, size = 1 }], []] }",
    ] {
        are_symmetric(hidden);
    }
}

fn are_symmetric(hidden: &str) {
    let hidden = format!("model.hidden=[{hidden}]");
    let settings = [&*hidden, "model.tied=true", "model.activation=identity", "model.code=4"];
    let network = network(&settings, rows(5, 4, 2));
    let names: Vec<String> =
        network.all_layers().flat_map(|layer| layer.tensors()).map(|(name, _)| name).collect();
    let own = |name: &&String| name.starts_with("decoder") && name.ends_with("weight");
    assert_eq!(names.iter().find(own), None);
    let graph = Graph::new();
    let mut pass = Pass::new(Mode::Use);
    let x = graph.input("x", [2, 40]);
    let code = network.encode(&graph, &mut pass, x);
    let back = network.decode(&graph, &mut pass, code);
    let turned = back.slice(&[0, 0], &[1, 40]) * x.slice(&[1, 0], &[1, 40]);
    graph.output("one way", turned.sum_all());
    graph.output("other way", (back.slice(&[1, 0], &[1, 40]) * x.slice(&[0, 0], &[1, 40])).sum_all());
    let mut feed = Feed::new().input("x", numbers(80, -1.0, 1.0, 1));
    for layer in network.all_layers() {
        for (name, shape) in layer.tensors() {
            let count: usize = shape.iter().product();
            let values = if name.ends_with("bias") { vec![0.0; count] } else { numbers(count, -1.0, 1.0, 2) };
            feed = feed.state(&name, values);
        }
    }
    let found = evaluate(&graph, &feed).unwrap().outputs;
    let (one, other) = (found["one way"][0], found["other way"][0]);
    assert!((one - other).abs() < 1e-9 && one.abs() > 1e-3, "{hidden}: {one} {other}");
}

/// So is one behind repeated pixels: what it makes of c, times y, is c times what its encoder's windows at every pixel make of y, summed up.
#[test]
fn tied_convolutions_behind_repeated_pixels_are_turned_round() {
    let settings = [
        "model.hidden=[{ kind = 'convolution', channels = 3, stride = 2, bias = 'none' }]",
        "model.growth=upsample",
        "model.tied=true",
        "model.activation=identity",
        "model.code=0",
    ];
    let network = network(&settings, rows(6, 4, 2));
    let graph = Graph::new();
    let (code, y) = (graph.input("code", [1, 18]), graph.input("y", [1, 6, 4, 2]));
    let mut pass = Pass::new(Mode::Use);
    let decoded = network.decode(&graph, &mut pass, code);
    graph.output("one way", (decoded * y.reshape([1, 48])).sum_all());
    let kernel = graph.input("kernel", [3, 3, 2, 3]);
    let everywhere = y.convolution(kernel, &Convolution::default().same([6, 4], [3, 3]));
    let summed = everywhere.pool_sum(&Pool::of([2, 2])).reshape([1, 18]);
    graph.output("other way", (summed * code).sum_all());
    let weights = numbers(54, -1.0, 1.0, 2);
    let feed = Feed::new()
        .input("code", numbers(18, -1.0, 1.0, 3))
        .input("y", numbers(48, -1.0, 1.0, 4))
        .input("kernel", weights.clone())
        .state("encoder.0.weight", weights)
        .state("decoder.0.bias", [0.0; 2]);
    let found = evaluate(&graph, &feed).unwrap().outputs;
    let (one, other) = (found["one way"][0], found["other way"][0]);
    assert!((one - other).abs() < 1e-9 && one.abs() > 1e-3, "{one} {other}");
}

/// He's variance is that of the weights that meet at a pixel: of a transposed convolution at stride 2 a quarter of the window's.
#[test]
fn starting_weights_suit_windows() {
    let settings = [
        "model.hidden=[{ kind = 'convolution', channels = 64, size = 5, stride = 2 }, { kind = 'convolution', channels = 64, size = 4, stride = 2 }]",
        "model.initial=he-normal",
    ];
    let network = network(&settings, rows(20, 20, 16));
    let shapes: Vec<(String, Vec<usize>)> = network.all_layers().flat_map(|layer| layer.tensors()).collect();
    let declared: Vec<_> =
        shapes.iter().map(|(name, shape)| (name.clone(), shape.as_slice().into())).collect();
    let mut states = States::new(&declared);
    network.initialise(&recipe(&settings).model, 1, &mut states).unwrap();
    for (layer, heard) in [("encoder.0", 25.0 * 16.0), ("encoder.1", 16.0 * 64.0), ("decoder.1", 4.0 * 64.0)]
    {
        let values = states.get(&format!("{layer}.weight")).unwrap();
        let variance =
            values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((variance * heard / 2.0 - 1.0).abs() < 0.05, "{layer}: {variance}");
    }
}

#[test]
fn averages_leave_out_what_lies_beyond_the_picture() {
    let network = network(
        &["model.hidden=[{ kind = 'average-pool', size = 3, stride = 2, padding = 'same' }]"],
        rows(5, 4, 2),
    );
    assert!(matches!(network.layers[0].work, LayerWork::AveragePool(_)));
    let graph = Graph::new();
    let x = graph.input("x", [1, 40]);
    graph.output("y", network.apply(&graph, &mut Pass::new(Mode::Use), 0..1, x));
    let found = evaluate(&graph, &Feed::new().input("x", vec![3.0; 40])).unwrap();
    assert!(found.outputs["y"].iter().all(|value| (value - 3.0).abs() < 1e-6), "{:?}", found.outputs);
}

/// Every figure that the model's parts call for can be had.
fn evaluate_rows(codec: &Codec, settings: &[&str]) {
    let (rows, all) = (pictures(20, 3), (0..20).collect::<Vec<u32>>());
    let found = narrows::apply::evaluate::evaluate(codec, &rows, &all, (&rows, &all), 0, &compute(1));
    assert!(found.is_ok(), "{settings:?}: {:?}", found.err());
}

/// Small networks of every kind of layer learn, and give the same numbers for a row alone and among others.
#[test]
fn networks_of_maps_are_trained_and_used() {
    let base = [
        "model.code=4",
        "train.batch=8",
        "train.epochs=6",
        "train.learning_rate=0.01",
        "data.validation=0.2",
    ];
    let convolution = "model.hidden=[{ kind = 'convolution', channels = 4, stride = 2 }, 'max-pool']";
    for settings in [
        &[convolution][..],
        &[convolution, "model.batch_normalisation=true", "model.dropout=0.1"],
        &[convolution, "model.growth=upsample", "model.bottleneck=gaussian"],
        &[convolution, "model.growth=repeat", "train.corruption=masking", "model.tied=true"],
        &[convolution, "train.pretraining=greedy", "train.penalty.code_l1=0.001"],
        &[convolution, "train.pretraining=growing"],
        &[
            "model.hidden=[{ kind = 'parallel', branches = [[{ kind = 'convolution', channels = 3, stride = 2 }], [{ kind = 'max-pool', padding = 'same' }]] }]",
            "model.growth=unpool",
            "model.tied=true",
            "train.pretraining=greedy",
        ],
        &[convolution, "train.penalty.contraction=estimate"],
        &[convolution, "train.penalty.contraction=exact"],
        &[convolution, "model.code=0", "model.bottleneck={ kind = 'top-k', keep = 3, auxiliary = 0 }"],
        &[
            convolution,
            "model.code=0",
            "model.bottleneck={ kind = 'top-k', keep = 3, batch = true, auxiliary = 0 }",
        ],
        &["model.kind=classifier", "model.hidden=[{ kind = 'convolution', channels = 4 }, 'average-pool']"],
        &["model.kind=classifier", convolution, "train.pretraining=greedy"],
        &[
            "model.hidden=['global-pool']",
            "model.decoder=[30, { kind = 'reshape', height = 3, width = 5, channels = 2 }, 'repeat', { kind = 'convolution', channels = 1 }]",
        ],
        &[
            "model.hidden=[12]",
            "model.decoder=[18, { kind = 'reshape', height = 3, width = 3, channels = 2 }, { kind = 'transposed-convolution', channels = 3 }]",
        ],
    ] {
        let all = [&base[..], settings].concat();
        let (model, history) = train(&all, pictures(60, 1), &compute(2));
        let (first, last) = (history[0].train_loss, history[history.len() - 1].train_loss);
        assert!(last < first, "{settings:?}: {first} then {last}");
        let rows = pictures(9, 2).values.to_f32();
        let classifier = settings.contains(&"model.kind=classifier");
        let codec = Codec::new(model, &compute(1)).unwrap();
        evaluate_rows(&codec, settings);
        let use_of =
            |rows: &[f32]| if classifier { codec.encode(rows) } else { codec.reconstruct(rows) }.unwrap();
        let together = use_of(&rows);
        let each = together.len() / 9;
        for row in 0..9 {
            assert_eq!(
                use_of(&rows[row * 30..(row + 1) * 30]),
                together[row * each..(row + 1) * each],
                "{settings:?}"
            );
        }
    }
}

/// Of a window whose gaps the stride divides, every weight meets the pixels that any of them meets; groups hear and say their part alone.
#[test]
fn weights_that_meet_are_counted_beside_gaps_and_groups() {
    let fans = |layer: &str| {
        let hidden = format!("model.hidden=[{layer}]");
        network(&[&hidden, "model.decoder=[10]"], rows(9, 9, 4)).layers[0].fans().1
    };
    assert_eq!(fans("{ kind = 'convolution', stride = 2, channels = 6 }"), [36.0, 9.0 / 4.0 * 6.0]);
    assert_eq!(fans("{ kind = 'convolution', stride = 2, dilation = 2, channels = 6 }"), [36.0, 54.0]);
    let grown = "{ kind = 'transposed-convolution', stride = 2, dilation = 3, padding = 1, channels = 6, groups = 2 }";
    assert_eq!(fans(grown), [9.0 / 4.0 * 2.0, 9.0 * 3.0]);
}

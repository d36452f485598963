//! The architectures that the lectures name: parameters as published, and two steps of training at a reduced size.

mod library_support;

use library_support::{compute, source};
use narrows::data::{Dataset, ItemShape, Labels, Values};
use narrows::network::{Extent, Network};
use narrows::recipe::Recipe;
use narrows::train::{Event, Setup, Signal, Trainer};

fn built_in(name: &str, settings: &[(&str, &str)]) -> Recipe {
    let settings: Vec<(String, String)> =
        settings.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
    Recipe::parse(Recipe::built_in(name).unwrap(), &settings)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn network(name: &str) -> Network {
    let recipe = built_in(name, &[]);
    let [height, width] = recipe.data.size.unwrap();
    let channels = recipe.data.channels.unwrap_or(3);
    Network::new(&recipe.model, Extent { height, width, channels }, recipe.data.classes.unwrap()).unwrap()
}

/// The counts of Krizhevsky et al. 2012 and of torchvision 0.29's models, auxiliary classifiers included; AlphaGo's by its description.
#[test]
fn parameters_are_as_published() {
    let value = 25 * 49 * 192 + 192 + 11 * (9 * 192 * 192 + 192) + 193 + (361 + 1) * 256 + 257;
    for (name, expected) in [
        ("alexnet", 60_965_224),
        ("alexnet-one-tower", 61_100_840),
        ("vgg-16", 138_357_544),
        ("vgg-19", 143_667_240),
        ("resnet-101", 44_549_160),
        ("googlenet", 13_004_888),
        ("inception-v3", 27_161_264),
        ("alphago-policy", 25 * 48 * 192 + 192 + 11 * (9 * 192 * 192 + 192) + 192 + 361),
        ("alphago-value", value),
    ] {
        assert_eq!(network(name).parameter_count(), expected, "{name}");
    }
    let without = Network { auxiliary: Vec::new(), ..network("googlenet") };
    assert_eq!(without.parameter_count(), 6_624_904);
}

/// Maps shrink as the papers' tables say.
#[test]
fn shapes_are_as_published() {
    for (name, layer, height, channels) in [
        ("alexnet", 0, 55, 96),
        ("alexnet", 9, 6, 256),
        ("vgg-16", 17, 7, 512),
        ("googlenet", 5, 28, 256),
        ("googlenet", 8, 14, 512),
        ("googlenet", 15, 7, 1024),
        ("inception-v3", 7, 35, 256),
        ("inception-v3", 10, 17, 768),
        ("inception-v3", 17, 8, 2048),
        ("resnet-101", 4, 56, 256),
        ("resnet-101", 34, 7, 2048),
        ("alphago-policy", 11, 19, 192),
    ] {
        let network = network(name);
        let to = network.layers[layer].to;
        assert_eq!([to.height, to.width, to.channels], [height, height, channels], "{name}, layer {layer}");
    }
}

/// Noisy pictures, their class by the channel that is brightest.
fn pictures(rows: usize, size: usize, channels: usize, classes: usize) -> Dataset {
    let features = size * size * channels;
    let values = (0..rows * features).map(|at| {
        let row = at / features;
        let bright = if at % channels == row % classes % channels { 120 } else { 0 };
        (at * 7919 % 101 + bright) as u8
    });
    let names: Vec<String> = (0..rows).map(|row| (row % classes).to_string()).collect();
    Dataset {
        maps: None,
        shape: ItemShape::Image { height: size, width: size, channels },
        values: Values::U8(values.collect()),
        labels: Some(Labels::from_texts(&names)),
        names: None,
    }
}

#[test]
fn two_steps_are_trained_at_a_reduced_size() {
    for (name, size, channels, settings) in [
        ("alexnet", 67, 3, &[("model.hidden[11]", "64"), ("model.hidden[13]", "64")][..]),
        ("alexnet-one-tower", 67, 3, &[("model.hidden[9]", "64"), ("model.hidden[11]", "64")]),
        ("vgg-16", 32, 3, &[("model.hidden[18]", "64"), ("model.hidden[20]", "64")]),
        ("vgg-19", 32, 3, &[("model.hidden[21]", "64"), ("model.hidden[23]", "64")]),
        ("googlenet", 80, 3, &[]),
        ("inception-v3", 139, 3, &[("model.auxiliary[0].layers[2].size", "1")]),
        ("resnet-101", 32, 3, &[]),
        ("alphago-policy", 5, 48, &[("data.size", "[5, 5]"), ("model.hidden[0].channels", "32")]),
        ("alphago-value", 5, 49, &[("data.size", "[5, 5]")]),
    ] {
        let classes = match name {
            "alphago-policy" => 25,
            "alphago-value" => 2,
            _ => 3,
        };
        let small = [
            ("train.batch", "2"),
            ("train.epochs", "1"),
            ("data.validation", "0"),
            ("data.test", "0"),
            ("train.schedule", "constant"),
        ];
        let recipe = built_in(name, &[&small, settings].concat());
        // Every class has to be there.
        let rows = if classes > 4 { 26 } else { 4 };
        let setup = Setup::new(&recipe, source(pictures(rows, size, channels, classes))).unwrap();
        let mut trainer = Trainer::new(setup, &compute(2)).unwrap();
        let mut losses = Vec::new();
        let folder = tempfile::tempdir().unwrap();
        let two = &mut |event: &Event| match event {
            Event::Step { loss, .. } => {
                losses.push(*loss);
                if losses.len() == 2 { Signal::Stop } else { Signal::Continue }
            }
            _ => Signal::Continue,
        };
        trainer
            .train(&folder.path().join("checkpoint"), two)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(losses.len() == 2 && losses.iter().all(|loss| *loss > 0.0), "{name}: {losses:?}");
    }
}

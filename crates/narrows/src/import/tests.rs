//! Files as PyTorch writes them, networks computed channel by channel as other programs compute them, and what is refused.

use super::*;
use crate::apply::Codec;
use crate::train::Compute;

const ARCHIVE: &[u8] = include_bytes!("../../tests/fixtures/weights.pth");
const LEGACY: &[u8] = include_bytes!("../../tests/fixtures/weights-before-1.6.pth");

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> NamedTensor {
    NamedTensor { name: name.to_owned(), shape: shape.to_vec(), values: values.to_vec() }
}

fn ordered(tensors: Vec<NamedTensor>) -> Weights {
    Weights { tensors, ordered: true }
}

/// Numbers that repeat nowhere near.
fn drawn(name: &str, shape: &[usize]) -> NamedTensor {
    let salt = name.bytes().map(usize::from).sum::<usize>();
    let count = shape.iter().product::<usize>();
    let values: Vec<f32> =
        (0..count).map(|at| ((at * 7919 + salt * 131) % 1009) as f32 / 504.5 - 1.0).collect();
    tensor(name, shape, &values)
}

/// A running variance must be above 0.
fn above_zero(name: &str, size: usize) -> NamedTensor {
    let mut tensor = drawn(name, &[size]);
    tensor.values.iter_mut().for_each(|value| *value = value.abs() + 0.5);
    tensor
}

#[test]
fn both_of_pytorchs_formats_are_read() {
    let grid: Vec<f32> = (0..12).map(|at| at as f32 / 4.0 - 1.0).collect();
    let turned: Vec<f32> = (0..12).map(|at| grid[at % 3 * 4 + at / 3]).collect();
    let one_more: Vec<f32> = grid.iter().map(|value| value + 1.0).collect();
    let expected = [
        tensor("grid.weight", &[3, 4], &grid),
        tensor("turned.weight", &[4, 3], &turned),
        tensor("part.bias", &[2], &[grid[6], grid[10]]),
        tensor("parameter.weight", &[3, 4], &one_more),
        tensor("double.bias", &[2], &[0.1, -2.0]),
        tensor("half.bias", &[2], &[1.5, -0.25]),
        tensor("brain.bias", &[2], &[-3.0, 1024.0]),
        tensor("old.weight", &[3, 4], &grid.iter().map(|value| value + 2.0).collect::<Vec<f32>>()),
    ];
    for file in [ARCHIVE, LEGACY] {
        assert!(pytorch::is_one(file));
        assert_eq!(pytorch::read(file).unwrap(), expected);
    }
}

#[test]
fn safetensors_of_every_fraction_are_read_and_our_own_refused() {
    use safetensors::tensor::TensorView;
    let view = |dtype, bytes: &'static [u8]| TensorView::new(dtype, vec![1], bytes).unwrap();
    let all = [
        ("a", view(Dtype::F16, &[0, 0xbc])),
        ("b", view(Dtype::BF16, &[0x40, 0x40])),
        ("c", view(Dtype::F64, &[0, 0, 0, 0, 0, 0, 0xe0, 0x3f])),
        ("norm.num_batches_tracked", view(Dtype::I8, &[1])),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    std::fs::write(&path, safetensors::serialize(all.clone(), None).unwrap()).unwrap();
    let expected = [tensor("a", &[1], &[-1.0]), tensor("b", &[1], &[3.0]), tensor("c", &[1], &[0.5])];
    assert_eq!(read(&path).unwrap(), Weights { tensors: expected.to_vec(), ordered: false });
    let whole = [("a.10", view(Dtype::U8, &[1]))];
    std::fs::write(&path, safetensors::serialize(whole, None).unwrap()).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("a.10: found numbers of kind U8"));
    let own = std::collections::HashMap::from([("narrows".to_owned(), String::new())]);
    std::fs::write(&path, safetensors::serialize(all, Some(own)).unwrap()).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("a model of Narrows"));
    std::fs::write(&path, b"nothing of the kind").unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("malformed weights"));
    assert!(matches!(read(&folder.path().join("x")), Err(Error::Data(DataError::Missing { .. }))));
}

#[test]
fn damaged_files_are_refused_and_nothing_panics() {
    for file in [ARCHIVE, LEGACY] {
        for length in 0..file.len() {
            assert!(pytorch::read(&file[..length]).is_err(), "{length}");
        }
        for at in 0..file.len() {
            for flipped in [0x01, 0x80, 0xff] {
                let mut changed = file.to_vec();
                changed[at] ^= flipped;
                let _ = pytorch::read(&changed);
            }
        }
    }
}

fn recipe(settings: &[(&str, &str)]) -> Recipe {
    let all: Vec<(String, String)> =
        settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Recipe::parse("", &all).unwrap_or_else(|problems| panic!("{problems}"))
}

fn known([height, width, channels]: [usize; 3]) -> Known {
    let shape = ItemShape::Image { height, width, channels };
    Known { shape, classes: Vec::new(), preparation: Preparation::None, epsilon: 1e-3 }
}

/// A tensor of maps, one after another.
struct Maps3 {
    sizes: [usize; 3],
    values: Vec<f64>,
}

impl Maps3 {
    fn at(&self, channel: usize, row: isize, column: isize) -> f64 {
        let [_, height, width] = self.sizes;
        let inside = (0..height as isize).contains(&row) && (0..width as isize).contains(&column);
        if inside { self.values[(channel * height + row as usize) * width + column as usize] } else { 0.0 }
    }

    fn of(sizes: [usize; 3], value: impl Fn(usize, usize, usize) -> f64) -> Maps3 {
        let [channels, height, width] = sizes;
        let mut values = Vec::new();
        for channel in 0..channels {
            for row in 0..height {
                values.extend((0..width).map(|column| value(channel, row, column)));
            }
        }
        Maps3 { sizes, values }
    }

    /// As PyTorch's Conv2d defines it: weight D×(C/groups)×K×L.
    fn convolved(
        &self,
        weight: &NamedTensor,
        bias: &[f32],
        (stride, zeros, groups): (usize, usize, usize),
    ) -> Maps3 {
        let [said, heard, down, across] = weight.shape[..] else { panic!() };
        let size = |pixels: usize, window: usize| (pixels + 2 * zeros - window) / stride + 1;
        let sizes = [said, size(self.sizes[1], down), size(self.sizes[2], across)];
        Maps3::of(sizes, |channel, row, column| {
            let mut sum = f64::from(bias[channel]);
            for input in 0..heard {
                for place in 0..down * across {
                    let (k, l) = (place / across, place % across);
                    let from = channel / (said / groups) * heard + input;
                    let (r, c) = ((row * stride + k) as isize, (column * stride + l) as isize);
                    let value = self.at(from, r - zeros as isize, c - zeros as isize);
                    let at = (channel * heard + input) * down * across + place;
                    sum += value * f64::from(weight.values[at]);
                }
            }
            sum
        })
    }

    /// As PyTorch's ConvTranspose2d defines it: weight C×(D/groups)×K×L.
    fn spread(
        &self,
        weight: &NamedTensor,
        bias: &[f32],
        (stride, zeros, added, groups): (usize, usize, usize, usize),
    ) -> Maps3 {
        let [heard, of_group, down, across] = weight.shape[..] else { panic!() };
        let size = |pixels: usize, window: usize| (pixels - 1) * stride + window + added - 2 * zeros;
        let sizes = [of_group * groups, size(self.sizes[1], down), size(self.sizes[2], across)];
        let mut said = Maps3::of(sizes, |channel, _, _| f64::from(bias[channel]));
        for input in 0..heard {
            for (within, place) in
                (0..of_group * down * across).map(|at| (at / (down * across), at % (down * across)))
            {
                let channel = input / (heard / groups) * of_group + within;
                let factor = f64::from(weight.values[(input * of_group + within) * down * across + place]);
                for (row, column) in
                    (0..self.sizes[1] * self.sizes[2]).map(|at| (at / self.sizes[2], at % self.sizes[2]))
                {
                    let r = (row * stride + place / across) as isize - zeros as isize;
                    let c = (column * stride + place % across) as isize - zeros as isize;
                    if (0..sizes[1] as isize).contains(&r) && (0..sizes[2] as isize).contains(&c) {
                        let at = (channel * sizes[1] + r as usize) * sizes[2] + c as usize;
                        said.values[at] += factor * self.at(input, row as isize, column as isize);
                    }
                }
            }
        }
        said
    }

    fn each(mut self, change: impl Fn(usize, f64) -> f64) -> Maps3 {
        let pixels = self.sizes[1] * self.sizes[2];
        self.values.iter_mut().enumerate().for_each(|(at, value)| *value = change(at / pixels, *value));
        self
    }
}

fn dense(values: &[f64], weight: &NamedTensor, bias: &[f32]) -> Vec<f64> {
    let inputs = values.len();
    let sum =
        |row: &[f32]| row.iter().zip(values).map(|(weight, value)| f64::from(*weight) * value).sum::<f64>();
    weight.values.chunks_exact(inputs).zip(bias).map(|(row, bias)| sum(row) + f64::from(*bias)).collect()
}

/// Strides, groups, a normalisation behind a bias, flattened maps and back, transposed windows in groups with rows added.
#[test]
fn a_network_computes_what_it_computed_where_it_came_from() {
    let recipe = recipe(&[
        ("data.size", "[7, 6]"),
        (
            "model.hidden",
            "[{ kind = 'convolution', channels = 4, size = 3, stride = 2, padding = 1, batch_normalisation = true }, \
              { kind = 'convolution', channels = 6, size = [3, 1], groups = 2, padding = 'none' }]",
        ),
        ("model.code", "5"),
        (
            "model.decoder",
            "[24, { kind = 'reshape', height = 2, width = 3, channels = 4 }, \
              { kind = 'transposed-convolution', channels = 6, size = 3, stride = 3, padding = 0, output_padding = 1, groups = 2 }, \
              { kind = 'convolution', channels = 3, size = [1, 5], padding = 'none' }]",
        ),
        ("model.activation", "relu"),
        ("model.output", "gaussian"),
    ]);
    let weights = vec![
        drawn("down.0.weight", &[4, 3, 3, 3]),
        drawn("down.0.bias", &[4]),
        drawn("down.1.weight", &[4]),
        drawn("down.1.bias", &[4]),
        drawn("down.1.running_mean", &[4]),
        above_zero("down.1.running_var", 4),
        drawn("down.3.weight", &[6, 2, 3, 1]),
        drawn("down.3.bias", &[6]),
        drawn("down.10.weight", &[5, 6 * 2 * 3]),
        drawn("down.10.bias", &[5]),
        drawn("up.0.weight", &[24, 5]),
        drawn("up.0.bias", &[24]),
        drawn("up.1.weight", &[4, 3, 3, 3]),
        drawn("up.1.bias", &[6]),
        drawn("up.2.weight", &[3, 6, 1, 5]),
        drawn("up.2.bias", &[3]),
    ];
    let of = |name: &str| weights.iter().find(|weight| weight.name == name).unwrap();
    let picture = Maps3::of([3, 7, 6], |channel, row, column| {
        f64::from(drawn("picture", &[126]).values[(channel * 7 + row) * 6 + column])
    });
    let relu = |value: f64| value.max(0.0);
    let normal = |channel: usize, value: f64| {
        let state = |name: &str| f64::from(of(&format!("down.1.{name}")).values[channel]);
        let spread = (state("running_var") + 1e-3).sqrt();
        relu((value - state("running_mean")) / spread * state("weight") + state("bias"))
    };
    let maps = picture.convolved(of("down.0.weight"), &of("down.0.bias").values, (2, 1, 1)).each(normal);
    let maps = maps.convolved(of("down.3.weight"), &of("down.3.bias").values, (1, 0, 2));
    let maps = maps.each(|_, value| relu(value));
    assert_eq!(maps.sizes, [6, 2, 3]);
    let code = dense(&maps.values, of("down.10.weight"), &of("down.10.bias").values);
    let grown: Vec<f64> =
        dense(&code, of("up.0.weight"), &of("up.0.bias").values).into_iter().map(relu).collect();
    let grown = Maps3 { sizes: [4, 2, 3], values: grown };
    let spread = grown.spread(of("up.1.weight"), &of("up.1.bias").values, (3, 0, 1, 2));
    let spread = spread.each(|_, value| relu(value));
    assert_eq!(spread.sizes, [6, 7, 10]);
    let expected = spread.convolved(of("up.2.weight"), &of("up.2.bias").values, (1, 0, 1));

    let imported = import(&recipe, &known([7, 6, 3]), ordered(weights.clone())).unwrap();
    let found: Vec<&str> = imported.pairs.iter().map(|pair| pair.found.as_str()).collect();
    assert_eq!(found, ["down.0", "down.1", "down.3", "down.10", "up.0", "up.1", "up.2"]);
    let codec = Codec::new(imported.model, &Compute::new(1).unwrap()).unwrap();
    let row: Vec<f32> = (0..126).map(|at| picture.values[at % 3 * 42 + at / 3] as f32).collect();
    let rebuilt = codec.reconstruct(&row).unwrap();
    for (at, value) in rebuilt.iter().enumerate() {
        let expected = expected.values[at % 3 * 42 + at / 3];
        assert!(
            (f64::from(*value) - expected).abs() < 1e-4 * (1.0 + expected.abs()),
            "{at}: {value}, {expected}"
        );
    }
}

/// Pictures that a dense network sees as numbers lie one channel after another elsewhere; a group normalisation has no statistics.
#[test]
fn pictures_of_dense_networks_and_group_normalisations_are_turned_too() {
    let flat = recipe(&[
        ("data.size", "[2, 2]"),
        ("model.hidden", "[]"),
        ("model.code", "1"),
        ("model.output", "gaussian"),
        ("model.code_activation", "identity"),
    ]);
    let weights = vec![
        tensor("a.weight", &[1, 8], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]),
        tensor("b.weight", &[8, 1], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]),
        tensor("b.bias", &[8], &[0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0]),
    ];
    let model = import(&flat, &known([2, 2, 2]), ordered(weights)).unwrap().model;
    let state = |name: &str| &model.tensors.iter().find(|tensor| tensor.name == name).unwrap().values[..];
    assert_eq!(state("encoder.0.weight"), [1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0]);
    assert_eq!(state("encoder.0.bias"), [0.0]);
    assert_eq!(state("decoder.0.weight"), [1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0]);
    assert_eq!(state("decoder.0.bias"), [0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);

    // What was taken off each channel is taken off inside the network as before it: one number a channel, or the same for each pixel.
    let codes = |list: &[f32]| {
        let preparation = Preparation::Standardise { mean: list.to_vec(), deviation: vec![2.0; list.len()] };
        let description = Description { preparation, ..model.description.clone() };
        let model = Model { description, tensors: model.tensors.clone() };
        let codec = Codec::new(model, &Compute::new(1).unwrap()).unwrap();
        codec.encode(&[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]).unwrap()
    };
    assert_eq!(codes(&[1.0, 3.0]), codes(&[1.0, 3.0].repeat(4)));
    // Σ weight · (value − mean) / 2, by hand.
    assert_eq!(codes(&[1.0, 3.0]), [34.0]);

    let grouped = recipe(&[
        ("data.size", "[4, 4]"),
        (
            "model.hidden",
            "[{ kind = 'convolution', channels = 4 }, { kind = 'group-normalisation', groups = 2 }]",
        ),
        ("model.code", "0"),
        ("model.decoder", "[{ kind = 'convolution', channels = 1 }]"),
        ("model.output", "gaussian"),
    ]);
    let weights = vec![
        drawn("a.weight", &[4, 1, 3, 3]),
        drawn("n.weight", &[4]),
        drawn("n.bias", &[4]),
        drawn("z.weight", &[1, 4, 3, 3]),
    ];
    let model = import(&grouped, &known([4, 4, 1]), ordered(weights.clone())).unwrap().model;
    let state = |name: &str| &model.tensors.iter().find(|tensor| tensor.name == name).unwrap().values;
    assert_eq!(
        (state("encoder.1.scale"), state("encoder.1.shift")),
        (&weights[1].values, &weights[2].values)
    );
}

/// What stands between a dense layer and the maps that its numbers are taken for is brought into their order, too.
#[test]
fn normalisations_of_flattened_maps_are_turned_with_them() {
    let recipe = recipe(&[
        ("data.size", "[2, 3]"),
        ("model.hidden", "[]"),
        ("model.code", "2"),
        (
            "model.decoder",
            "[{ kind = 'dense', units = 12, batch_normalisation = true }, { kind = 'batch-normalisation' }, { kind = 'dropout' }, \
              { kind = 'reshape', height = 2, width = 3, channels = 2 }, { kind = 'convolution', channels = 1 }]",
        ),
        ("model.activation", "identity"),
        ("model.output", "gaussian"),
    ]);
    let norm = |name: &str| {
        let part = |part: &str| drawn(&format!("{name}.{part}"), &[12]);
        vec![
            part("weight"),
            part("bias"),
            part("running_mean"),
            above_zero(&format!("{name}.running_var"), 12),
        ]
    };
    let weights = [
        vec![drawn("code.weight", &[2, 6]), drawn("grow.0.weight", &[12, 2]), drawn("grow.0.bias", &[12])],
        norm("grow.1"),
        norm("grow.2"),
        vec![drawn("last.weight", &[1, 2, 3, 3])],
    ]
    .concat();
    let of = |name: &str| weights.iter().find(|weight| weight.name == name).unwrap();
    let row: Vec<f64> = drawn("row", &[6]).values.iter().map(|value| f64::from(*value)).collect();
    let code = dense(&row, of("code.weight"), &[0.0; 2]);
    let normal = |values: Vec<f64>, name: &str| {
        let state = |part: &str, at: usize| f64::from(of(&format!("{name}.{part}")).values[at]);
        let one = |(at, value): (usize, f64)| {
            let spread = (state("running_var", at) + 1e-3).sqrt();
            (value - state("running_mean", at)) / spread * state("weight", at) + state("bias", at)
        };
        values.into_iter().enumerate().map(one).collect::<Vec<f64>>()
    };
    let grown = dense(&code, of("grow.0.weight"), &of("grow.0.bias").values);
    let grown = Maps3 { sizes: [2, 2, 3], values: normal(normal(grown, "grow.1"), "grow.2") };
    let expected = grown.convolved(of("last.weight"), &[0.0], (1, 1, 1));
    let model = import(&recipe, &known([2, 3, 1]), ordered(weights.clone())).unwrap().model;
    let codec = Codec::new(model, &Compute::new(1).unwrap()).unwrap();
    let rebuilt = codec.reconstruct(&drawn("row", &[6]).values).unwrap();
    for (value, expected) in rebuilt.iter().zip(&expected.values) {
        assert!((f64::from(*value) - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{value}, {expected}");
    }
}

/// Maps taken for others lie in another order elsewhere, and no weights mend that.
#[test]
fn maps_that_are_taken_for_others_are_refused() {
    let refused = |hidden: &str, channels: usize| {
        let recipe = recipe(&[
            ("data.size", "[4, 4]"),
            ("model.hidden", hidden),
            ("model.code", "2"),
            ("model.decoder", "[]"),
            ("model.output", "gaussian"),
        ]);
        match import(&recipe, &known([4, 4, channels]), ordered(Vec::new())) {
            Err(Error::Setting { problem, .. }) => problem,
            other => other.unwrap_err().to_string(),
        }
    };
    let taken = "takes maps for plain numbers or these for maps";
    let reshape = "{ kind = 'reshape', height = 2, width = 2, channels = 8 }";
    let convolution = "{ kind = 'convolution', channels = 2 }";
    assert!(refused(&format!("[{convolution}, {reshape}, {convolution}]"), 1).contains(taken));
    assert!(
        refused(&format!("[32, {{ kind = 'residual', layers = [32] }}, {reshape}, {convolution}]"), 2)
            .contains(taken)
    );
    // Flattened first: dense layers know how.
    let flat = "{ kind = 'reshape', height = 1, width = 1, channels = 32 }";
    assert!(refused(&format!("[{convolution}, {flat}, 5]"), 1).contains("encoder.0: expected weights"));
    assert!(refused(&format!("[{flat}, {{ kind = 'residual', layers = [32] }}]"), 2).contains(taken));
}

/// A variational encoder's two last layers have one shape; a file's order tells them apart, and names alone do not.
#[test]
fn what_order_does_not_tell_is_told() {
    let recipe = recipe(&[
        ("model.hidden", "[3]"),
        ("model.code", "3"),
        ("model.decoder", "[3]"),
        ("model.bottleneck", "gaussian"),
        ("model.output", "gaussian"),
    ]);
    let known = Known { shape: ItemShape::Vector { columns: None, width: 3 }, ..known([1, 1, 1]) };
    let names = ["encoder.0", "fc_mu", "fc_logvar", "decoder.0", "decoder.2"];
    let mut tensors: Vec<NamedTensor> = names.map(|name| drawn(&format!("{name}.weight"), &[3, 3])).to_vec();
    let pairs = |weights: Weights| {
        let pairs = import(&recipe, &known, weights).unwrap().pairs;
        pairs.into_iter().map(|pair| (pair.layer, pair.found, pair.other)).collect::<Vec<_>>()
    };
    let told = pairs(ordered(tensors.clone()));
    let expected = [
        ("encoder.0", "encoder.0"),
        ("encoder.1", "fc_mu"),
        ("log_variance", "fc_logvar"),
        ("decoder.0", "decoder.0"),
        ("decoder.1", "decoder.2"),
    ];
    assert_eq!(told, expected.map(|(layer, found)| (layer.to_owned(), found.to_owned(), None)));
    tensors.sort_by(|a, b| by_name(&a.name, &b.name));
    let told = pairs(Weights { tensors, ordered: false });
    assert_eq!(told[0], ("encoder.0".to_owned(), "decoder.0".to_owned(), Some("encoder.0".to_owned())));
    assert_eq!(told[2], ("log_variance".to_owned(), "encoder.0".to_owned(), Some("fc_logvar".to_owned())));
}

/// Windows of one row, or as a matrix; but not a row's for a column's.
#[test]
fn windows_may_be_written_without_their_ones() {
    let with = |size: &str, kernel: &[usize], last: &[usize]| {
        let recipe = recipe(&[
            ("data.size", "[4, 4]"),
            ("model.kind", "classifier"),
            (
                "model.hidden",
                &format!("[{{ kind = 'convolution', channels = 2, size = {size}, bias = 'each' }}]"),
            ),
            ("model.code", "0"),
        ]);
        let known = Known { classes: vec!["a".to_owned(), "b".to_owned()], ..known([4, 4, 1]) };
        let tensors = vec![drawn("a.weight", kernel), drawn("a.bias", &[2]), drawn("z.weight", last)];
        import(&recipe, &known, ordered(tensors)).map(|imported| imported.model)
    };
    let model = with("[1, 3]", &[2, 1, 3], &[2, 32]).unwrap();
    let bias = &model.tensors.iter().find(|tensor| tensor.name == "encoder.0.bias").unwrap();
    let first = drawn("a.bias", &[2]).values;
    assert_eq!(
        (bias.shape.as_slice(), &bias.values[..2], &bias.values[30..]),
        (&[4, 4, 2][..], &first[..], &first[..])
    );
    assert!(with("[3, 1]", &[2, 1, 3, 1], &[2, 2, 4, 4]).is_ok());
    assert!(with("1", &[2, 1], &[2, 32]).is_ok());
    assert!(with("[3, 1]", &[2, 1, 1, 3], &[2, 32]).is_err());
    assert!(with("[3, 1]", &[2, 1, 3, 1], &[2, 4, 4]).is_err());
}

/// Layers that could be mistaken for each other by their shapes: branches in another order, a classifier beside the network.
#[test]
fn layers_are_matched_by_order_and_shape() {
    let recipe = recipe(&[
        ("data.size", "[8, 8]"),
        ("model.kind", "classifier"),
        (
            "model.hidden",
            "[{ kind = 'parallel', branches = [[{ kind = 'convolution', channels = 2, size = 1 }], \
              [{ kind = 'convolution', channels = 3, size = 5 }], [{ kind = 'convolution', channels = 2, size = 1 }]] }, \
              { kind = 'residual', times = 12, layers = [{ kind = 'convolution', channels = 7 }] }, 'global-pool']",
        ),
        ("model.code", "0"),
        ("model.auxiliary", "[{ after = 1, weight = 0.5, layers = ['global-pool'] }]"),
    ]);
    let mut known = known([8, 8, 1]);
    known.classes = ["a", "b"].map(str::to_owned).to_vec();
    let convolution = |name: &str, shape: [usize; 4]| {
        vec![drawn(&format!("{name}.weight"), &shape), drawn(&format!("{name}.bias"), &shape[..1])]
    };
    let line =
        |name: &str| vec![drawn(&format!("{name}.weight"), &[2, 7]), drawn(&format!("{name}.bias"), &[2])];
    let mut weights = [
        line("head.aux1.fc"),
        convolution("mixed.branch1x1", [2, 1, 1, 1]),
        convolution("mixed.branch3", [2, 1, 1, 1]),
        convolution("mixed.branch5x5", [3, 1, 5, 5]),
        line("fc"),
    ]
    .concat();
    (0..12).for_each(|block| weights.extend(convolution(&format!("mixer.{block}.conv"), [7, 7, 3, 3])));
    let imported = import(&recipe, &known, ordered(weights.clone())).unwrap();
    let pairs: Vec<(&str, &str)> =
        imported.pairs.iter().map(|pair| (pair.layer.as_str(), pair.found.as_str())).collect();
    assert_eq!(
        pairs[..4],
        [
            ("encoder.0.branches.0.0", "mixed.branch1x1"),
            ("encoder.0.branches.1.0", "mixed.branch5x5"),
            ("encoder.0.branches.2.0", "mixed.branch3"),
            ("encoder.1.layers.0", "mixer.0.conv"),
        ]
    );
    assert_eq!(
        pairs[12..],
        [
            ("encoder.10.layers.0", "mixer.9.conv"),
            ("encoder.11.layers.0", "mixer.10.conv"),
            ("encoder.12.layers.0", "mixer.11.conv"),
            ("output", "fc"),
            ("auxiliary.0.output", "head.aux1.fc"),
        ]
    );

    let refused = |weights: Vec<NamedTensor>, known: &Known| {
        import(&recipe, known, ordered(weights)).unwrap_err().to_string()
    };
    let left: Vec<NamedTensor> = [weights.clone(), line("more")].concat();
    assert_eq!(
        refused(left, &known),
        "the weights: expected a layer for each of them, found none for more (2×7, bias 2)"
    );
    let lacking: Vec<NamedTensor> =
        weights.iter().filter(|tensor| !tensor.name.starts_with("mixer.11")).cloned().collect();
    assert_eq!(
        refused(lacking, &known),
        "encoder.12.layers.0: expected weights of 7×7×3×3, a bias of 7 or none, found fc (2×7, bias 2)"
    );
    known.classes.push("c".to_owned());
    assert_eq!(
        refused(weights, &known),
        "output: expected weights of 3×7, a bias of 3 or none, found fc (2×7, bias 2)"
    );
}

#[test]
fn what_other_programs_do_not_have_is_refused() {
    let known = Known { shape: ItemShape::Vector { columns: None, width: 4 }, ..known([2, 2, 1]) };
    let with = |settings: &[(&str, &str)], tensors: Vec<NamedTensor>| {
        let base = [("model.code", "2"), ("model.output", "gaussian")];
        import(&recipe(&[&base, settings].concat()), &known, ordered(tensors))
    };
    let refused = |settings: &[(&str, &str)], tensors| with(settings, tensors).unwrap_err().to_string();
    let plain = [("model.hidden", "[]")];
    assert!(
        refused(&[("model.hidden", "[3]"), ("model.tied", "true")], Vec::new()).starts_with("model.tied")
    );
    assert!(
        refused(&[("model.hidden", "[]"), ("model.output", "auto")], Vec::new()).starts_with("model.output")
    );
    let strange = refused(&plain, vec![drawn("a.weight_g", &[2])]);
    assert!(strange.starts_with("a.weight_g: expected a tensor called weight"), "{strange}");
    assert_eq!(
        refused(&plain, Vec::new()),
        "encoder.0: expected weights of 2×4, a bias of 2 or none, found no more of such"
    );
    assert_eq!(
        refused(&plain, vec![drawn("weight", &[2, 4]), drawn("bias", &[3])]),
        "encoder.0: expected weights of 2×4, a bias of 2 or none, found the file itself (2×4, bias 3)"
    );
    let normalised = [("model.hidden", "[3]"), ("model.batch_normalisation", "true")];
    let mut weights = vec![
        drawn("a.0.weight", &[3, 4]),
        drawn("a.1.running_mean", &[3]),
        above_zero("a.1.running_var", 3),
        drawn("b.weight", &[2, 3]),
        drawn("c.0.weight", &[3, 2]),
        drawn("c.1.running_mean", &[3]),
        above_zero("c.1.running_var", 3),
        drawn("d.weight", &[4, 3]),
    ];
    assert!(with(&normalised, weights.clone()).is_ok());
    weights[2].values[1] = -1.0;
    let error = refused(&normalised, weights);
    assert!(error.contains("a.1.running_var: expected variances above 0, found -1"), "{error}");
}

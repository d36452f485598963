//! From a trained model to a page: small models of each kind through the whole library.

use std::sync::LazyLock;

use super::*;
use crate::apply::evaluate;
use crate::data::{self, Labels};
use crate::recipe::Recipe;
use crate::report::render;
use crate::train::{Setup, Signal, Trainer};

/// A trained model, and what was left of its training.
struct Trained {
    codec: Codec,
    setup: Setup,
    evaluation: Evaluation,
}

static COMPUTE: LazyLock<Compute> = LazyLock::new(|| Compute::new(2).unwrap());

fn trained(recipe: &str, source: Option<Source>, overrides: &[(&str, &str)]) -> Trained {
    let overrides: Vec<(String, String)> =
        overrides.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let recipe = Recipe::parse(recipe, &overrides).unwrap();
    let draw = || data::load(None, &recipe.data.options(recipe.train.seed)).unwrap();
    let setup = Setup::new(&recipe, source.unwrap_or_else(draw)).unwrap();
    let mut trainer = Trainer::new(setup, &COMPUTE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    trainer.train(&folder.path().join("checkpoint"), &mut |_| Signal::Continue).unwrap();
    let (model, setup) = trainer.finish().unwrap();
    let codec = Codec::new(model, &COMPUTE).unwrap();
    let training = (&setup.source.train, setup.split.train.as_slice());
    let judges = setup.split.test_dataset(&setup.source);
    let evaluation = evaluate(&codec, judges, &setup.split.test, training, 0, &COMPUTE).unwrap();
    Trained { codec, setup, evaluation }
}

/// The built-in recipe on a few drawn digits.
fn glyphs(name: &str, overrides: &[(&str, &str)]) -> Trained {
    let few = [("data.rows", "300"), ("data.test_rows", "60"), ("train.epochs", "2"), ("train.batch", "32")];
    trained(Recipe::built_in(name).unwrap(), None, &[&few, overrides].concat())
}

/// Settings with which training and PCA take no time.
const SMALL: [(&str, &str); 3] = [("data.size", "[12, 12]"), ("model.hidden", "[20]"), ("train.epochs", "1")];

/// A table of `rows` rows of five columns of different units, that follow from two numbers a row.
fn table(rows: usize) -> Source {
    let hash = |row: usize, salt: u32| {
        (((row as u32 + 1).wrapping_mul(2_654_435_761 ^ salt)).wrapping_mul(0x9e37_79b1) >> 8) as f32
            / 16_777_216.0
    };
    let row = |row: usize| {
        let (a, b) = (hash(row, 1), hash(row, 77));
        [a, 100.0 * b, a * b, 1000.0 + 10.0 * a, (3.0 * a).sin() - b]
    };
    let shape = ItemShape::Vector { columns: None, width: 5 };
    let values = Values::F32((0..rows).flat_map(row).collect());
    Source {
        name: "csv".into(),
        train: Dataset { maps: None, shape, values, labels: None, names: None },
        test: None,
        notes: vec![],
    }
}

fn report(trained: &Trained) -> ReportInput {
    let Trained { codec, setup, evaluation } = trained;
    of_model(codec, &setup.source, &setup.split, evaluation, &[], 0, &COMPUTE).unwrap()
}

fn sections(html: &str) -> Vec<&str> {
    html.split("<section id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

fn fact<'a>(input: &'a ReportInput, name: &str) -> &'a str {
    &input.facts.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no fact {name}")).1
}

fn assert_levels(rows: &[Vec<f32>], count: usize) {
    assert_eq!(rows.len(), count);
    for row in rows {
        assert_eq!(row.len(), 784);
        assert!(row.iter().all(|value| (0.0..=1.0).contains(value)), "{row:?}");
    }
}

#[test]
fn an_autoencoder_of_pictures_fills_the_page() {
    let trained = glyphs("glyphs", &[]);
    let input = report(&trained);
    let page = render(&input).unwrap();
    assert_eq!(
        sections(&page.html),
        ["verdict", "comparison", "curves", "codes", "filters", "layers", "recipe"]
    );
    assert!(!page.html.contains("NaN") && !page.html.contains("inf\""));

    assert_eq!((input.title.as_str(), input.history.len(), input.best_epoch), ("glyphs", 2, None));
    assert_eq!(fact(&input, "rows"), "270 training, 30 validation, 60 test");
    assert_eq!(fact(&input, "a row"), "28 × 28 pixels, grey");
    assert_eq!(fact(&input, "preparation"), "0 to 255 become 0 to 1");
    assert_eq!(fact(&input, "network"), "784-256-64-16-64-256-784");
    assert_eq!(fact(&input, "units"), "silu, code linear");
    assert_eq!(fact(&input, "parameters"), "437\u{202f}664");
    assert_eq!(fact(&input, "epochs"), "2, 32 rows a step");
    assert_eq!(fact(&input, "fingerprint of the rows"), &trained.setup.source.fingerprint()[..12]);
    assert!(input.facts.iter().all(|(name, value)| !value.is_empty() && name != "rows shown here"));

    let verdict = input.verdict.as_ref().unwrap();
    let names: Vec<&str> = verdict.figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(names, ["this model", "PCA, 16 units", "the mean"]);
    assert!(verdict.figures_are.contains("60 test rows"), "{}", verdict.figures_are);

    let Comparison { originals, reconstructions, pca, .. } = &input.comparison;
    for rows in [originals, reconstructions, pca] {
        assert_levels(rows, 24);
    }
    // Bytes drawn as levels are read back exactly; PCA of 16 units is near the rows, but not the rows.
    let first = trained.setup.source.test.as_ref().unwrap();
    assert!((0..60).any(|row| {
        first.select(&[row]).values.to_f32().iter().map(|byte| byte / 255.0).eq(originals[0].iter().copied())
    }));
    let error: f32 = originals.iter().flatten().zip(pca.iter().flatten()).map(|(a, b)| (a - b).powi(2)).sum();
    let figures: Vec<f64> = verdict.figures.iter().map(|figure| figure.value).collect();
    assert!(error > 0.0 && f64::from(error / 24.0) < 1.5 * figures[1], "{error} {figures:?}");

    assert_eq!((input.filters.len(), input.filters_of), (64, 256));
    // The most used first: by the variance of silu(x W + b) over the test rows.
    let tensor = |name: &str| {
        let all = &trained.codec.model().tensors;
        all.iter().find(|tensor| tensor.name == name).unwrap().values.clone()
    };
    let (weight, bias) = (tensor("encoder.0.weight"), tensor("encoder.0.bias"));
    let use_of = |filter: &Vec<f32>| {
        let unit = (0..256).find(|unit| weight.iter().skip(*unit).step_by(256).eq(filter.iter())).unwrap();
        let value = |row: &[f32]| {
            let sum: f32 = row.iter().zip(filter).map(|(x, w)| x / 255.0 * w).sum::<f32>() + bias[unit];
            f64::from(sum / (1.0 + (-sum).exp()))
        };
        let values: Vec<f64> = first.values.to_f32().chunks(filter.len()).map(value).collect();
        let mean = values.iter().sum::<f64>() / 60.0;
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
    };
    let used: Vec<f64> = input.filters.iter().map(use_of).collect();
    assert!(used.is_sorted_by(|a, b| *a >= *b * 0.999) && used[0] > 1.5 * used[63], "{used:?}");
    let codes = input.codes.as_ref().unwrap();
    assert_eq!((codes.points.len(), codes.label_names.len()), (60, 10));
    assert_eq!(codes.labels.as_ref().unwrap().len(), 60);
    assert_levels(&codes.thumbnails, 60);
    assert!(codes.axes[0].starts_with("first principal direction ("), "{:?}", codes.axes);
    assert!(codes.points.iter().all(|(x, y)| x.is_finite() && y.is_finite()));
}

#[test]
fn the_first_rows_of_each_class_come_first_and_labels_change_nothing_else() {
    let mut trained = glyphs("glyphs", &SMALL);
    let shown = Shown::new(&trained.codec, &trained.setup.source, &trained.setup.split);
    let labels = &shown.dataset.labels.as_ref().unwrap().of_row;
    let chosen: Vec<u32> = shown.of_each_class(24).into_iter().map(|row| labels[row as usize]).collect();
    assert_eq!(chosen[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(chosen[..4], chosen[20..]);
    let with = report(&trained);
    trained.setup.source.train.labels = None;
    trained.setup.source.test.as_mut().unwrap().labels = None;
    let without = report(&trained);
    assert_eq!(
        fact(&without, "rows shown here"),
        format!("others than those trained on: {}", &trained.setup.source.fingerprint()[..12])
    );
    let (with, without) = (with.codes.unwrap(), without.codes.unwrap());
    assert_eq!(with.points, without.points, "labels are colours only");
    assert_eq!((without.labels, without.label_names.len()), (None, 0));
}

#[test]
fn one_and_two_units_are_drawn_as_they_are() {
    for (units, axes) in
        [("1", ["the unit", "squared error of the row"]), ("2", ["first unit", "second unit"])]
    {
        let trained = glyphs("glyphs", &[&SMALL[..], &[("model.code", units)]].concat());
        let input = report(&trained);
        let codes = input.codes.as_ref().unwrap();
        assert_eq!(codes.axes, axes);
        let rows = trained.setup.source.test.as_ref().unwrap().values.to_f32();
        let own = trained.codec.encode(&rows).unwrap();
        let across: Vec<f32> = own.chunks(trained.codec.code()).map(|code| code[0]).collect();
        assert_eq!(codes.points.iter().map(|point| point.0).collect::<Vec<_>>(), across);
        render(&input).unwrap();
    }
}

#[test]
fn the_errors_drawn_for_one_unit_are_those_of_the_evaluation() {
    let trained = trained("", Some(table(200)), &[("model.code", "1"), ("train.epochs", "3")]);
    let codes = report(&trained).codes.unwrap();
    let mean = codes.points.iter().map(|point| f64::from(point.1)).sum::<f64>() / codes.points.len() as f64;
    let Figures::Reconstruction(figures) = &trained.evaluation.figures else { panic!("an autoencoder") };
    assert!((mean / figures.squared_error - 1.0).abs() < 1e-4, "{mean} {}", figures.squared_error);
}

#[test]
fn a_table_is_drawn_in_the_prepared_scale() {
    let trained = trained("", Some(table(400)), &[("model.code", "3"), ("train.epochs", "2")]);
    let input = report(&trained);
    assert_eq!((input.title.as_str(), input.picture), ("A table (CSV)", None));
    assert_eq!(fact(&input, "preparation"), "mean 0, deviation 1 in each column");
    assert_eq!(input.comparison.originals.len(), 12);
    assert!(input.comparison.originals.iter().flatten().all(|value| value.abs() < 8.0));
    let codes = input.codes.as_ref().unwrap();
    assert_eq!((codes.points.len(), codes.thumbnails.len(), codes.labels.is_none()), (40, 0, true));
    let page = render(&input).unwrap();
    assert_eq!(
        sections(&page.html),
        ["verdict", "comparison", "curves", "codes", "filters", "layers", "recipe"]
    );
    assert!(!page.html.contains("NaN"));
}

#[test]
fn a_classifier_shows_its_mistakes_surest_first() {
    let trained = glyphs("digits-16x16", &[]);
    let input = report(&trained);
    let page = render(&input).unwrap();
    assert_eq!(
        sections(&page.html),
        ["verdict", "classes", "curves", "codes", "filters", "layers", "recipe"]
    );
    let classes = input.classes.as_ref().unwrap();
    let counted: u64 = classes.confusion.iter().flatten().sum();
    let right: u64 = (0..10).map(|class| classes.confusion[class][class]).sum();
    assert_eq!((counted, classes.names.len()), (60, 10));
    assert_eq!(classes.mistakes.len() as u64, (counted - right).min(24));
    assert!(!classes.mistakes.is_empty(), "two epochs on 270 rows leave some");
    assert!(classes.mistakes.is_sorted_by(|a, b| a.confidence >= b.confidence));
    assert!(
        classes.mistakes.iter().all(|mistake| mistake.truth != mistake.guess && mistake.row.len() == 256)
    );
    assert!(input.comparison.originals.is_empty());
    assert!(input.codes.as_ref().unwrap().about.contains("64 numbers of its last hidden layer"));
    assert!(page.html.contains("Colours are the true classes."));
    let verdict = input.verdict.unwrap();
    let names: Vec<&str> = verdict.more.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["accuracy", "top-5 accuracy", "cross-entropy a row"]);
}

#[test]
fn a_classifier_needs_labels_that_it_knows() {
    let mut trained = glyphs("digits-16x16", &[("train.epochs", "1")]);
    let fails = |trained: &Trained| {
        let Trained { codec, setup, evaluation } = trained;
        of_model(codec, &setup.source, &setup.split, evaluation, &[], 0, &COMPUTE).unwrap_err()
    };
    let test = trained.setup.source.test.as_mut().unwrap();
    test.labels = Some(Labels::from_texts(&["eleven"; 60]));
    assert!(matches!(fails(&trained), Error::UnknownLabel { .. }));
    trained.setup.source.test.as_mut().unwrap().labels = None;
    assert!(matches!(fails(&trained), Error::NoLabels { .. }));
    trained.setup.source = table(60);
    assert!(matches!(fails(&trained), Error::Data(_)));
}

#[test]
fn what_was_corrupted_what_was_drawn_and_the_map_are_shown() {
    let family = [("model.code", "2"), ("model.bottleneck", "gaussian"), ("train.corruption", "masking")];
    let trained = glyphs("glyphs", &family);
    let input = report(&trained);
    assert_levels(&input.comparison.corrupted, input.comparison.originals.len());
    assert_levels(&input.comparison.cleaned, input.comparison.originals.len());
    assert_ne!(input.comparison.corrupted, input.comparison.originals);
    assert_levels(&input.generated.map, 225);
    assert_levels(&input.generated.samples, 18);
    assert_levels(&input.generated.nearest, 18);
    // A nearest row is a training row.
    let first =
        input.generated.nearest[0].iter().map(|level| (level * 255.0).round() as u8).collect::<Vec<u8>>();
    let Values::U8(pixels) = &trained.setup.source.train.values else { panic!("bytes") };
    assert!(pixels.chunks(784).any(|row| row == first));
    let plain = report(&glyphs("glyphs", &[&SMALL[..], &[("model.code", "3")]].concat()));
    assert!(plain.generated.map.is_empty() && plain.generated.samples.is_empty());
    assert!(plain.comparison.corrupted.is_empty());
}

#[test]
fn the_same_model_and_rows_make_the_same_page() {
    let trained = glyphs("glyphs", &SMALL);
    assert_eq!(render(&report(&trained)).unwrap(), render(&report(&trained)).unwrap());
}

#[test]
fn maps_are_shown_of_layers_inside_blocks() {
    let block = "[{ kind = 'convolution', channels = 4, size = 3 }, { kind = 'residual', layers = [{ kind = 'convolution', channels = 4 }] }]";
    let small =
        [("data.source", "glyphs"), ("data.size", "[12, 12]"), ("train.epochs", "1"), ("model.code", "8")];
    let trained = glyphs("conv-autoencoder", &[&small[..], &[("model.hidden", block)]].concat());
    let input = report(&trained);
    let of = |name: &str| input.maps.iter().find(|maps| maps.name.starts_with(name));
    let inner = trained.codec.network().layers[1].with_inner()[1].name.clone();
    let maps = of(&format!("{inner}:")).unwrap();
    assert_eq!((maps.size, maps.maps.len(), maps.filters.len()), ([12, 12], 4, 4));
    assert!(maps.maps.iter().any(|map| map.iter().any(|value| *value != 0.0)));
    // The block itself is a sum: it has maps, and no windows of its own.
    assert_eq!(of("encoder.1:").map(|maps| (maps.maps.len(), maps.filters.len())), Some((4, 0)));
}

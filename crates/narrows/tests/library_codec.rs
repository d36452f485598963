//! Trained models in use: the codec, its promises about bits, evaluation by hand, and the linear autoencoder beside PCA.

mod library_support;

use library_support::{bits, compute, pictures, recipe, table, tensor, train};
use narrows::apply::evaluate::fit_pca;
use narrows::apply::{Codec, Evaluation, Figures, evaluate};
use narrows::autoencoder::Output;
use narrows::data::{DataError, Dataset, ItemShape, Labels, Preparation, Values};
use narrows::engine::random::Stream;
use narrows::model_file::{Description, Model, NamedTensor, RowCounts};
use narrows::{Error, train::Compute};

/// A model put together by hand: weights as inputs×outputs, one layer after another, with their biases.
fn by_hand(
    settings: &[&str],
    width: usize,
    output: Output,
    classes: &[&str],
    layers: &[(&[f32], &[f32])],
) -> Model {
    let description = Description {
        recipe: recipe(settings),
        preparation: Preparation::None,
        shape: ItemShape::Vector { columns: None, width },
        output,
        classes: classes.iter().map(ToString::to_string).collect(),
        history: Vec::new(),
        best_epoch: None,
        source: "hand".to_owned(),
        fingerprint: String::new(),
        rows: RowCounts { train: 0, validation: 0, test: 0 },
    };
    let mut model = Model { description, tensors: Vec::new() };
    for (layer, (weights, biases)) in model.network().unwrap().layers.iter().zip(layers) {
        let named = |kind: &str, shape: Vec<usize>, values: &[f32]| NamedTensor {
            name: format!("{}.{kind}", layer.name),
            shape,
            values: values.to_vec(),
        };
        model.tensors.push(named("weight", vec![layer.inputs(), layer.outputs()], weights));
        model.tensors.push(named("bias", vec![layer.outputs()], biases));
    }
    model
}

/// The lectures' worked example: three layers of two sigmoid units.
#[test]
fn the_lectures_network_maps_as_they_say() {
    let settings = [
        "model.hidden=[2]",
        "model.code=2",
        "model.decoder=[]",
        "model.activation=sigmoid",
        "model.code_activation=sigmoid",
        "model.output=bernoulli",
    ];
    // The lectures write a unit's weights as a row; here they are a column.
    let layers: [(&[f32], &[f32]); 3] = [
        (&[1.0, -1.0, -2.0, 1.0], &[1.0, 0.0]),
        (&[2.0, -2.0, -1.0, -1.0], &[0.0, 0.0]),
        (&[3.0, -1.0, -1.0, 4.0], &[-2.0, 2.0]),
    ];
    let codec = Codec::new(by_hand(&settings, 2, Output::Bernoulli, &[], &layers), &compute(1)).unwrap();
    let rows = [1.0, -1.0, 0.0, 0.0];
    let found = codec.reconstruct(&rows).unwrap();
    for (found, expected) in found.iter().zip([0.62, 0.83, 0.51, 0.85]) {
        assert!((found - expected).abs() < 0.005, "{found}, expected {expected}");
    }
    // The second layer's outputs for (1, −1), as the lectures write them: 0.86 and 0.11.
    let code = codec.encode(&rows[..2]).unwrap();
    assert!((code[0] - 0.86).abs() < 0.005 && (code[1] - 0.11).abs() < 0.005, "{code:?}");
    assert_eq!(bits(&codec.decode(&codec.encode(&rows).unwrap()).unwrap()), bits(&found));
}

#[test]
fn a_codec_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Codec>();
    shared::<Compute>();
}

/// An autoencoder with everything between its layers, and a classifier.
fn trained() -> [Model; 2] {
    let common = ["model.hidden=[33]", "model.code=5", "train.epochs=2", "model.batch_normalisation=true"];
    let classifier = ["model.kind=classifier", "model.activation=relu"];
    let autoencoder = train(&common, pictures(60, 1), &compute(1)).0;
    [autoencoder, train(&[&common[..], &classifier].concat(), table(60, 30, 1), &compute(1)).0]
}

/// A task of a codec, by name.
type Task = (&'static str, fn(&Codec, &[f32]) -> Result<Vec<f32>, Error>);
const AUTOENCODER: [Task; 4] = [
    ("encode", |codec, rows| codec.encode(rows)),
    ("reconstruct", |codec, rows| codec.reconstruct(rows)),
    ("reconstruct_prepared", |codec, rows| codec.reconstruct_prepared(rows)),
    ("decode", |codec, rows| codec.decode(&codec.encode(rows)?)),
];
const CLASSIFIER: [Task; 2] =
    [("encode", |codec, rows| codec.encode(rows)), ("classify", |codec, rows| codec.classify(rows))];

fn wild_rows(rows: usize, width: usize) -> Vec<f32> {
    let mut stream = Stream::new(3, 3, 3);
    (0..rows * width).map(|_| stream.uniform() * 255.0).collect()
}

#[test]
fn a_row_alone_is_the_row_in_any_batch_at_any_number_of_threads() {
    let [autoencoder, classifier] = trained();
    // Enough for three threads to share out whole chunks, and some more.
    let rows = wild_rows(800, 30);
    for (model, tasks) in [(autoencoder, &AUTOENCODER[..]), (classifier, &CLASSIFIER[..])] {
        let codec = Codec::new(model.clone(), &compute(1)).unwrap();
        for (name, task) in tasks {
            let alone: Vec<f32> = rows.chunks(30).flat_map(|row| task(&codec, row).unwrap()).collect();
            let width = alone.len() / 800;
            for count in [1, 5, 16, 17, 256, 300, 800] {
                let together = task(&codec, &rows[..count * 30]).unwrap();
                assert_eq!(bits(&together), bits(&alone[..count * width]), "{name}, {count} rows");
            }
            let parallel = Codec::new(model.clone(), &compute(3)).unwrap();
            assert_eq!(bits(&task(&parallel, &rows).unwrap()), bits(&alone), "{name}, 3 threads");
        }
        assert_eq!(codec.encode(&[]).unwrap(), [0.0; 0]);
    }
}

/// Of maps each thread takes a few rows, of which there are some left; where a number is none, its row is named.
#[test]
fn maps_are_as_of_pictures_alone() {
    let settings =
        ["model.hidden=[{ kind = 'convolution', channels = 24 }]", "model.code=4", "train.epochs=1"];
    let (model, _) = train(&settings, pictures(60, 1), &compute(1));
    let network = model.network().unwrap();
    assert!(network.rows_of_a_thread() < network.rows_at_once());
    let mut rows = pictures(700, 2).values.to_f32();
    let alone = Codec::new(model.clone(), &compute(1)).unwrap();
    let expected: Vec<f32> = rows.chunks(30).flat_map(|row| alone.encode(row).unwrap()).collect();
    for threads in 1..=3 {
        let codec = Codec::new(model.clone(), &compute(threads)).unwrap();
        assert_eq!(bits(&codec.encode(&rows).unwrap()), bits(&expected), "{threads} threads");
    }
    for row in [3, 200, 699] {
        let known = std::mem::replace(&mut rows[30 * row + 7], f32::NAN);
        let error = Codec::new(model.clone(), &compute(2)).unwrap().encode(&rows).unwrap_err();
        let Error::Data(DataError::NotFinite { row: named, column, .. }) = &error else { panic!("{error}") };
        assert_eq!((*named, column.as_str()), (row as u64 + 1, "8"), "{error}");
        rows[30 * row + 7] = known;
    }
}

#[test]
fn four_threads_at_once_get_what_one_gets_alone() {
    let [autoencoder, _] = trained();
    let codec = Codec::new(autoencoder, &compute(2)).unwrap();
    let rows = wild_rows(600, 30);
    let alone: Vec<Vec<u32>> =
        AUTOENCODER.iter().map(|(_, task)| bits(&task(&codec, &rows).unwrap())).collect();
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (codec, rows, alone) = (&codec, &rows, &alone);
            scope.spawn(move || {
                for round in 0..25 {
                    let at = (start + round) % 4;
                    let found = AUTOENCODER[at].1(codec, rows).unwrap();
                    assert_eq!(bits(&found), alone[at], "{}", AUTOENCODER[at].0);
                }
            });
        }
    });
}

#[test]
fn what_a_codec_cannot_do_is_an_error_with_a_hint() {
    let [autoencoder, classifier] = trained().map(|model| Codec::new(model, &compute(1)).unwrap());
    let refused = |result: Result<Vec<f32>, Error>, kind: fn(&Error) -> bool| {
        let error = result.unwrap_err();
        assert!(kind(&error) && error.hint().is_some(), "{error}");
    };
    let width: fn(&Error) -> bool = |error| matches!(error, Error::Mismatch { .. });
    refused(autoencoder.encode(&[0.0; 29]), width);
    refused(autoencoder.reconstruct(&[0.0; 31]), width);
    refused(autoencoder.decode(&[0.0; 6]), width);
    refused(classifier.classify(&[0.0; 59]), width);
    let kind: fn(&Error) -> bool = |error| matches!(error, Error::WrongKind { .. });
    refused(autoencoder.classify(&[0.0; 30]), kind);
    refused(classifier.decode(&[0.0; 5]), kind);
    refused(classifier.reconstruct(&[0.0; 30]), kind);
}

/// As in the data room: NaN would come out as some number, or as the first class.
#[test]
fn numbers_that_are_not_finite_are_refused_with_their_place() {
    let [autoencoder, classifier] = trained().map(|model| Codec::new(model, &compute(1)).unwrap());
    for (wrong, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let mut rows = wild_rows(300, 30);
        rows[270 * 30 + 7] = wrong;
        for result in [autoencoder.encode(&rows), autoencoder.reconstruct(&rows), classifier.classify(&rows)]
        {
            let error = result.unwrap_err();
            let Error::Data(DataError::NotFinite { row, column, found, .. }) = &error else {
                panic!("{error}")
            };
            assert_eq!((*row, column.as_str(), found.as_str()), (271, "8", shown));
        }
        assert!(autoencoder.decode(&[0.0, 1.0, wrong, 0.0, 0.0]).is_err());
    }
    // Large and denormal numbers are numbers.
    assert!(autoencoder.encode(&[[f32::MAX, -f32::MAX, 1e-45].repeat(10)].concat()).is_ok());
}

#[test]
fn tensors_that_do_not_fit_are_refused_before_use() {
    let [model, _] = trained();
    let without = |name: &str| {
        let mut model = model.clone();
        model.tensors.retain(|tensor| tensor.name != name);
        Codec::new(model, &compute(1))
    };
    for name in ["encoder.0.weight", "encoder.0.scale", "encoder.0.variance", "decoder.1.weight"] {
        assert!(matches!(without(name), Err(Error::Mismatch { .. })), "{name}");
    }
    assert!(without("nothing").is_ok());
}

/// Rows of 8 numbers with three strong directions and a little of everything.
fn three_directions(rows: usize) -> Dataset {
    let mut stream = Stream::new(21, 1, 0);
    let directions: Vec<f32> = (0..24).map(|_| stream.normal()).collect();
    let mut values = Vec::new();
    for _ in 0..rows {
        let strengths = [stream.normal() * 1.5, stream.normal(), stream.normal() * 0.7];
        for column in 0..8 {
            let strong: f32 = (0..3).map(|k| strengths[k] * directions[k * 8 + column]).sum();
            values.push(1.0 + strong + 0.15 * stream.normal());
        }
    }
    Dataset {
        maps: None,
        shape: ItemShape::Vector { columns: None, width: 8 },
        values: Values::F32(values),
        labels: None,
        names: None,
    }
}

#[test]
fn a_linear_autoencoder_spans_the_principal_subspace() {
    let settings = [
        "model.hidden=[]",
        "model.code=3",
        "model.code_activation=identity",
        "model.output=gaussian",
        "data.prepare=none",
        "data.validation=0",
        "data.test=0",
        "train.batch=100",
        "train.epochs=500",
        "train.learning_rate=0.02",
    ];
    let rows = three_directions(500);
    let all: Vec<u32> = (0..500).collect();
    let compute = compute(1);
    let model = train(&settings, rows.clone(), &compute).0;
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for row in tensor(&model, "decoder.0.weight").chunks(8) {
        let mut vector: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
        vector = outside(&basis, &vector);
        let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        basis.push(vector.iter().map(|v| v / length).collect());
    }
    let pca = fit_pca(&Preparation::None, (&rows, &all), 3, &compute).unwrap();
    // What of a principal direction lies outside the span has the sine of an angle as its length.
    for component in 0..3 {
        let direction: Vec<f64> = pca.direction(component).iter().map(|v| f64::from(*v)).collect();
        let sine = outside(&basis, &direction).iter().map(|v| v * v).sum::<f64>().sqrt();
        assert!(
            sine.asin().to_degrees() < 1.0 / 3f64.sqrt(),
            "direction {component}: {}°",
            sine.asin().to_degrees()
        );
    }
    let codec = Codec::new(model, &compute).unwrap();
    let evaluation = evaluate(&codec, &rows, &all, (&rows, &all), 0, &compute).unwrap();
    let Figures::Reconstruction(figures) = &evaluation.figures else { panic!("{evaluation:?}") };
    let ratio = figures.squared_error / figures.baselines.pca.squared_error;
    assert!((0.9999..1.01).contains(&ratio), "{ratio}");
    assert!(figures.baselines.pca.squared_error < 0.05 * figures.baselines.mean.squared_error);
    assert!(evaluation.verdict.starts_with("as good as PCA"), "{}", evaluation.verdict);
}

/// What is left of a vector when its shadow on an orthonormal basis is taken off.
fn outside(basis: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    let mut left = vector.to_vec();
    for unit in basis {
        let shadow: f64 = left.iter().zip(unit).map(|(a, b)| a * b).sum();
        left.iter_mut().zip(unit).for_each(|(left, unit)| *left -= shadow * unit);
    }
    left
}

fn vectors(width: usize, values: &[f32], labels: Option<&[&str]>) -> Dataset {
    Dataset {
        maps: None,
        shape: ItemShape::Vector { columns: None, width },
        values: Values::F32(values.to_vec()),
        labels: labels.map(Labels::from_texts),
        names: None,
    }
}

/// Rows (t, 2t) and (t ± ..): a code that keeps the first number and gives back (t, 2t).
#[test]
fn squared_errors_are_those_computed_by_hand() {
    let settings =
        ["model.hidden=[]", "model.code=1", "model.code_activation=identity", "model.output=gaussian"];
    let layers: [(&[f32], &[f32]); 2] = [(&[1.0, 0.0], &[0.0]), (&[1.0, 2.0], &[0.0, 0.5])];
    let codec = Codec::new(by_hand(&settings, 2, Output::Gaussian, &[], &layers), &compute(1)).unwrap();
    // Training rows on the line (t, 2t), one unit off it to each side: PCA leaves exactly 1 a row, the mean is (0, 0).
    let off = 1.0 / 5f32.sqrt();
    let mut training = Vec::new();
    for (t, side) in [(-3.0, 1.0), (-3.0, -1.0), (3.0, 1.0), (3.0, -1.0)] {
        training.extend([t - 2.0 * off * side, 2.0 * t + off * side]);
    }
    let training = vectors(2, &training, None);
    let judged = vectors(2, &[9.0, 9.0, 1.0, 2.0, -2.0, -3.0, 4.0, 4.0], None);
    let evaluation =
        evaluate(&codec, &judged, &[1, 2, 3], (&training, &[0, 1, 2, 3]), 0, &compute(1)).unwrap();
    // Rebuilt: (1, 2.5), (−2, −3.5), (4, 8.5): errors 0.25, 0.25, 20.25.
    let Evaluation { rows: 3, figures: Figures::Reconstruction(figures), .. } = &evaluation else {
        panic!("{evaluation:?}")
    };
    let close =
        |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-5, "{found}, {expected}");
    close(figures.squared_error, 20.75 / 3.0);
    close(figures.squared_error_per_feature, 20.75 / 6.0);
    close(figures.baselines.mean.squared_error, (5.0 + 13.0 + 32.0) / 3.0);
    // Distances from the line: (2x − y)²/5.
    close(figures.baselines.pca.squared_error, (0.0 + 1.0 / 5.0 + 16.0 / 5.0) / 3.0);
    let json = serde_json::to_value(&evaluation).unwrap();
    assert_eq!(json["rows"], 3);
    assert!(json["baselines"]["pca"]["squared_error"].is_number() && json["verdict"].is_string());
    assert!(
        evaluate(&codec, &vectors(3, &[0.0; 3], None), &[0], (&training, &[0, 1]), 0, &compute(1)).is_err()
    );
}

/// Errors are measured in the prepared scale.
#[test]
fn errors_are_in_the_prepared_scale() {
    let settings =
        ["model.hidden=[]", "model.code=1", "model.code_activation=identity", "model.output=gaussian"];
    let layers: [(&[f32], &[f32]); 2] = [(&[1.0, 0.0], &[0.0]), (&[1.0, 0.0], &[0.0, 0.0])];
    let mut model = by_hand(&settings, 2, Output::Gaussian, &[], &layers);
    model.description.preparation =
        Preparation::Standardise { mean: vec![10.0, 20.0], deviation: vec![2.0, 4.0] };
    let codec = Codec::new(model, &compute(1)).unwrap();
    let rows = vectors(2, &[12.0, 24.0, 8.0, 12.0], None);
    // Prepared (1, 1) and (−1, −2), rebuilt (1, 0) and (−1, 0).
    let evaluation = evaluate(&codec, &rows, &[0, 1], (&rows, &[0, 1]), 0, &compute(1)).unwrap();
    let Figures::Reconstruction(figures) = evaluation.figures else { panic!() };
    assert!((figures.squared_error - 2.5).abs() < 1e-6, "{figures:?}");
    assert_eq!(codec.reconstruct(&[12.0, 24.0]).unwrap(), [12.0, 20.0]);
    assert_eq!(codec.encode(&[12.0, 24.0]).unwrap(), [1.0]);
    assert_eq!(codec.decode(&[1.5]).unwrap(), [13.0, 20.0]);
}

#[test]
fn a_classifier_is_judged_by_hand_computed_figures() {
    let settings =
        ["model.kind=classifier", "model.hidden=[]", "model.code=2", "model.code_activation=identity"];
    let layers: [(&[f32], &[f32]); 2] =
        [(&[1.0, 0.0, 0.0, 1.0], &[0.0, 0.0]), (&[1.0, 0.0, 0.0, 1.0], &[0.0, 0.0])];
    let model = by_hand(&settings, 2, Output::Categorical, &["cat", "dog"], &layers);
    let codec = Codec::new(model, &compute(1)).unwrap();
    // The larger of the two numbers is the class; this data numbers its labels otherwise than the model.
    let rows = vectors(2, &[3.0, 1.0, 1.0, 3.0, 2.0, 0.0, 0.0, 4.0], Some(&["dog", "dog", "cat", "dog"]));
    let evaluation = evaluate(&codec, &rows, &[0, 1, 2, 3], (&rows, &[0]), 0, &compute(1)).unwrap();
    let Figures::Classification(figures) = &evaluation.figures else { panic!("{evaluation:?}") };
    assert_eq!(figures.confusion, [vec![1, 0], vec![1, 2]]);
    assert_eq!((figures.accuracy, figures.most_frequent), (0.75, 0.75));
    let wrong = |distance: f64| (1.0 + distance.exp()).ln();
    let expected = (wrong(2.0) + wrong(-2.0) + wrong(-2.0) + wrong(-4.0)) / 4.0;
    assert!((figures.cross_entropy - expected).abs() < 1e-6, "{} {expected}", figures.cross_entropy);
    assert!(evaluation.verdict.starts_with("not useful yet: 75.00 % right"), "{}", evaluation.verdict);
    let some = evaluate(&codec, &rows, &[1, 2], (&rows, &[0]), 0, &compute(1)).unwrap();
    assert!(some.verdict.starts_with("100.00 % of 2 rows get their own class"), "{}", some.verdict);
    // A certain mistake stays finite.
    let certain = vectors(2, &[1e4, -1e4], Some(&["dog"]));
    let evaluation = evaluate(&codec, &certain, &[0], (&certain, &[0]), 0, &compute(1)).unwrap();
    let Figures::Classification(figures) = &evaluation.figures else { panic!("{evaluation:?}") };
    assert!(figures.cross_entropy.is_finite() && figures.cross_entropy > 80.0);
    let unknown = vectors(2, &[0.0, 1.0], Some(&["cow"]));
    let error = evaluate(&codec, &unknown, &[0], (&unknown, &[0]), 0, &compute(1)).unwrap_err();
    assert!(matches!(&error, Error::UnknownLabel { label, known: 2 } if label == "cow"), "{error}");
    let unlabelled = vectors(2, &[0.0, 1.0], None);
    let error = evaluate(&codec, &unlabelled, &[0], (&unlabelled, &[0]), 0, &compute(1)).unwrap_err();
    assert!(matches!(error, Error::NoLabels { .. }), "{error}");
}

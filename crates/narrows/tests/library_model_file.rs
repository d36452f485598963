//! Model files that are not as they should be: never a panic, never a wrong model loaded without a word; and files of every
//! format version, which load forever.

mod library_support;

use library_support::{compute, file_bytes, table, train};
use narrows::Error;
use narrows::apply::Codec;
use narrows::data::{ItemShape, Vocabulary};
use narrows::model_file::{self, FORMAT_VERSION, Model, ModelFileError, NamedTensor, Payload};
use std::path::{Path, PathBuf};

/// Loads bytes as a model's file.
struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.narrows");
        Place { _folder: folder, path }
    }

    fn load(&self, bytes: &[u8]) -> Result<Model, Error> {
        std::fs::write(&self.path, bytes).unwrap();
        Model::load(&self.path)
    }

    fn error(&self, bytes: &[u8]) -> ModelFileError {
        match self.load(bytes) {
            Err(Error::ModelFile(error)) => error,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("loaded"),
        }
    }
}

fn small() -> Model {
    let settings = ["model.hidden=[3]", "model.code=2", "train.epochs=2", "model.batch_normalisation=true"];
    train(&settings, table(40, 4, 1), &compute(1)).0
}

fn header_length(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

#[test]
fn a_file_comes_back_as_it_was_saved() {
    let model = small();
    let mut loaded = Place::new().load(&file_bytes(&model)).unwrap();
    assert_eq!(loaded.description, model.description);
    let mut saved = model.tensors;
    saved.sort_by(|a, b| a.name.cmp(&b.name));
    loaded.tensors.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(loaded.tensors, saved);
}

#[test]
fn a_truncated_or_lengthened_file_is_refused() {
    let (bytes, place) = (file_bytes(&small()), Place::new());
    // Every byte of a smaller file is tried in `container_tests.rs`.
    for length in (0..bytes.len()).step_by(13).chain(bytes.len() - 9..bytes.len()) {
        let error = place.error(&bytes[..length]);
        assert!(error.hint().is_some());
        assert!(
            matches!(error, ModelFileError::NotOurs { .. } | ModelFileError::Length { .. }),
            "{length} bytes: {error}"
        );
    }
    let longer = [&bytes[..], &[0]].concat();
    place.error(&longer);
}

#[test]
fn any_single_bit_flipped_is_refused_or_harmless() {
    let (bytes, place) = (file_bytes(&small()), Place::new());
    let whole = place.load(&bytes).unwrap();
    // All bits of a smaller file are tried in `container_tests.rs`.
    for at in (0..bytes.len()).step_by(3) {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        if let Ok(model) = place.load(&altered) {
            assert_eq!(model, whole, "bit {} of byte {at}", at % 8);
        }
    }
    let mut data = bytes.clone();
    *data.last_mut().unwrap() ^= 1;
    assert!(matches!(place.error(&data), ModelFileError::Altered { .. }));
}

/// The same file with a piece of its header replaced by another of the same length.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let header = header_length(bytes);
    let text = String::from_utf8(bytes[8..header].to_vec()).unwrap();
    assert!(text.contains(from), "{text}");
    [&bytes[..8], text.replace(from, to).as_bytes(), &bytes[header..]].concat()
}

#[test]
fn other_versions_kinds_and_formats_are_named() {
    let (bytes, place) = (file_bytes(&small()), Place::new());
    let version = format!("\\\"version\\\":{FORMAT_VERSION}");
    let newer = place.error(&replaced(&bytes, &version, "\\\"version\\\":9"));
    assert!(matches!(newer, ModelFileError::Newer { known: FORMAT_VERSION, found: 9, .. }), "{newer}");
    let error = place.error(&replaced(&bytes, &version, "\\\"version\\\":0"));
    assert!(matches!(error, ModelFileError::NotOurs { .. }), "{error}");
    let error = place.error(&replaced(&bytes, "\"narrows\"", "\"wideeee\""));
    assert!(error.to_string().contains("a safetensors file of another program"), "{error}");
    // The same bytes as numbers of another kind.
    let error = place.error(&replaced(&bytes, "\"F32\"", "\"I32\""));
    assert!(error.to_string().contains("expected F32 numbers, found I32"), "{error}");
    for (content, found) in [
        (&b""[..], "an empty file"),
        (b"\x89PNG\r\n\x1a\n a picture of some length, which is no model", "a file of another format"),
        (&[0xff; 64], "a file of another format"),
        (&[0; 64], "a file of another format"),
        (b"epoch,loss\n1,2\n", "a file of another format"),
    ] {
        let error = place.error(content);
        assert!(error.to_string().contains(found), "{error}");
    }
    // A checkpoint is no model, and a model no checkpoint.
    let payload = Payload { description: "{}".to_owned(), tensors: Vec::new() };
    model_file::write(&place.path, "checkpoint", &payload).unwrap();
    let error = Model::load(&place.path).unwrap_err();
    assert!(error.to_string().contains("expected a Narrows model, found a checkpoint"), "{error}");
    small().save(&place.path).unwrap();
    assert!(model_file::read(&place.path, "checkpoint").is_err());
    let missing = Model::load(Path::new("no/such/file.narrows")).unwrap_err();
    assert!(matches!(missing, Error::ModelFile(ModelFileError::Unreadable { .. })), "{missing}");
    let folder = tempfile::tempdir().unwrap();
    assert!(Model::load(folder.path()).is_err());
}

/// Saves what only an attacker would: a right checksum over a description or tensors that do not fit.
fn forged(model: &Model, change: impl FnOnce(&mut serde_json::Value, &mut Vec<NamedTensor>)) -> String {
    let place = Place::new();
    let mut description = serde_json::to_value(&model.description).unwrap();
    let mut tensors = model.tensors.clone();
    change(&mut description, &mut tensors);
    let payload = Payload { description: description.to_string(), tensors };
    model_file::write(&place.path, "model", &payload).unwrap();
    match Model::load(&place.path) {
        Err(Error::ModelFile(ModelFileError::Inconsistent { problem, .. })) => problem,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("loaded: {}", payload.description),
    }
}

/// Changes the description at a JSON pointer.
fn described(model: &Model, pointer: &str, value: serde_json::Value) -> String {
    forged(model, |description, _| {
        *description.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    })
}

#[test]
fn tensors_that_do_not_fit_the_layers_are_refused_by_name() {
    let model = small();
    for tensor in &model.tensors {
        let name = &tensor.name;
        let missing = forged(&model, |_, tensors| tensors.retain(|tensor| tensor.name != *name));
        assert_eq!(missing, format!("{name} is missing"));
        let reshaped = forged(&model, |_, tensors| {
            let tensor = tensors.iter_mut().find(|tensor| tensor.name == *name).unwrap();
            tensor.shape.push(1);
        });
        assert!(reshaped.starts_with(&format!("{name}: expected shape")), "{reshaped}");
        let longer = forged(&model, |_, tensors| {
            let tensor = tensors.iter_mut().find(|tensor| tensor.name == *name).unwrap();
            tensor.values.resize(2 * tensor.values.len(), 0.0);
            tensor.shape[0] *= 2;
        });
        assert!(longer.starts_with(&format!("{name}: expected shape")), "{longer}");
    }
    let extra = forged(&model, |_, tensors| {
        tensors.push(NamedTensor { name: "encoder.9.weight".to_owned(), shape: vec![1], values: vec![0.0] });
    });
    assert!(extra.starts_with("encoder.9.weight is no part"), "{extra}");
}

/// What a description claims is believed only as far as the tensors bear it out: nothing is allocated for it.
#[test]
fn absurd_descriptions_are_refused_at_once() {
    let model = small();
    let start = std::time::Instant::now();
    let huge = serde_json::json!(u64::MAX / 2);
    for width in [huge.clone(), 0.into(), 5.into(), 1_000_000_000_000_000u64.into()] {
        described(&model, "/shape/width", width);
    }
    for shape in [
        serde_json::json!({"kind": "image", "height": 1u64 << 40, "width": 1u64 << 40, "channels": 1u64 << 40}),
        serde_json::json!({"kind": "image", "height": 0, "width": 2, "channels": 2}),
        serde_json::json!({"kind": "vector", "width": 4, "columns": ["a", "b"]}),
        serde_json::json!({"kind": "cube", "width": 4}),
    ] {
        described(&model, "/shape", shape);
    }
    for (pointer, value) in [
        ("/recipe/model/hidden", serde_json::json!([100_000])),
        ("/recipe/model/hidden", serde_json::json!([100_000, 100_000, 100_000])),
        ("/recipe/model/hidden", serde_json::json!(vec![1; 10_000])),
        ("/recipe/model/hidden", serde_json::json!([])),
        ("/recipe/model/hidden", serde_json::json!([-3])),
        ("/recipe/model/code", huge),
        ("/recipe/model/code", serde_json::json!(99_999)),
        ("/recipe/model/code", serde_json::json!(0)),
        ("/recipe/model/decoder", serde_json::json!([99_999])),
        ("/recipe/model/kind", serde_json::json!("classifier")),
        ("/recipe/model/batch_normalisation", serde_json::json!(false)),
        ("/recipe/model/activation", serde_json::json!("cosine")),
        ("/recipe/model", serde_json::json!({"unknown": 1})),
        ("/recipe", serde_json::json!(null)),
        ("/output", serde_json::json!("poisson")),
        ("/classes", serde_json::json!(["a", "b"])),
        (
            "/preparation",
            serde_json::json!({"kind": "standardise", "mean": [0.0, 1.0], "deviation": [1.0, 1.0]}),
        ),
        ("/preparation", serde_json::json!({"kind": "standardise", "mean": [], "deviation": []})),
        ("/preparation", serde_json::json!({"kind": "scale", "minimum": [0.0], "maximum": [1.0, 2.0]})),
        ("/preparation", serde_json::json!({"kind": "whiten"})),
        ("/rows", serde_json::json!(-1)),
    ] {
        described(&model, pointer, value);
    }
    for description in
        [String::new(), "{".to_owned(), "[".repeat(100_000), "null".to_owned(), "{}".to_owned()]
    {
        let place = Place::new();
        let payload = Payload { description, tensors: model.tensors.clone() };
        model_file::write(&place.path, "model", &payload).unwrap();
        assert!(Model::load(&place.path).is_err());
    }
    assert!(start.elapsed().as_secs() < 20);
    // A header that announces more than there is.
    let place = Place::new();
    for announced in [u64::MAX, 1 << 60, 1 << 33, 99_999_999] {
        let bytes = [&announced.to_le_bytes()[..], &[b'{'; 100]].concat();
        place.error(&bytes);
    }
}

#[test]
fn equal_runs_are_equal_files_wherever_they_ran() {
    let settings = ["model.hidden=[3]", "model.code=2", "train.epochs=1"];
    let file =
        |more: &[&str]| file_bytes(&train(&[&settings[..], more].concat(), table(40, 4, 1), &compute(2)).0);
    assert!(file(&[]) == file(&["data.path=/somewhere/else.npy"]));
    assert!(file(&[]) != file(&["train.seed=3"]));
}

// ---- files of every format version ------------------------------------------------------------------------------

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Rows that the fixtures' codes are known for, and how the models were made.
const ROWS: [f32; 8] = [0.1, 0.4, 0.7, 1.0, 0.9, 0.2, 0.5, 0.3];

/// An upright and a flat bar, 6×5.
fn bars() -> Vec<f32> {
    let upright = (0..30).map(|at| if at % 5 == 1 && (5..25).contains(&at) { 230.0 } else { 0.0 });
    upright.chain((0..30).map(|at| if (10..14).contains(&at) { 230.0 } else { 0.0 })).collect()
}

/// Bits are promised for one instruction set and version; values for all.
#[track_caller]
fn close(found: Vec<f32>, expected: &[f32]) {
    let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4 * b.abs().max(1.0));
    assert!(near && found.len() == expected.len(), "{found:?}, expected {expected:?}");
}

#[test]
fn version_1_loads_forever() {
    let compute = compute(1);
    let codec = Codec::load(&fixture("version-1-autoencoder.narrows"), &compute).unwrap();
    close(codec.encode(&ROWS).unwrap(), &AUTOENCODER_CODES);
    close(codec.reconstruct(&ROWS).unwrap(), &AUTOENCODER_ROWS);
    let description = &codec.model().description;
    assert_eq!((description.history.len(), description.best_epoch), (2, Some(2)));
    let codec = Codec::load(&fixture("version-1-classifier.narrows"), &compute).unwrap();
    close(codec.classify(&bars()).unwrap(), &CLASSIFIER_CONFIDENCES);
    assert_eq!(codec.model().description.classes, ["flat", "upright"]);
}

#[test]
fn version_2_loads_forever() {
    let compute = compute(1);
    let codec = Codec::load(&fixture("version-2-variational.narrows"), &compute).unwrap();
    close(codec.encode(&ROWS).unwrap(), &[0.29859784, 0.50398505, 0.71304005, -0.7727003]);
    close(codec.decode(&codec.encode(&ROWS).unwrap()).unwrap(), &codec.reconstruct(&ROWS).unwrap());
    let model = codec.model();
    assert!(model.description.recipe.model.tied && model.network().unwrap().log_variance.is_some());
    let codec = Codec::load(&fixture("version-2-top-k.narrows"), &compute).unwrap();
    let codes = [[0.0, 1.3909619, 0.0, 0.771094, 0.0, 1.6045375], [0.83766794, 0.0, 0.0, 0.0, 0.0, 0.0]];
    close(codec.encode(&ROWS).unwrap(), codes.as_flattened());
}

#[test]
fn version_3_loads_forever() {
    let compute = compute(1);
    let codec = Codec::load(&fixture("version-3-top-k.narrows"), &compute).unwrap();
    let codes = [[0.0, 0.51746345, 0.0, 0.0, 0.0, 0.482045], [0.2944556, 0.0, 0.07887618, 0.0, 0.0, 0.0]];
    close(codec.encode(&ROWS).unwrap(), codes.as_flattened());
    let codec = Codec::load(&fixture("version-3-text.narrows"), &compute).unwrap();
    let ItemShape::Vector { columns: Some(words), .. } = codec.model().description.shape.clone() else {
        panic!("columns are words")
    };
    assert_eq!(words, ["sea", "cat", "dog", "fur", "pet", "sail", "ship", "bark"]);
    let counts = Vocabulary::new(words).count("The cat, the storm and a cat");
    let rows: Vec<f32> = counts.into_iter().map(f32::from).collect();
    close(codec.encode(&rows).unwrap(), &[-0.005051545, -0.29360932]);
}

/// Layers that were normalised had a bias of their own, which their mean now holds.
#[test]
fn normalised_layers_of_version_3_load_forever() {
    let codec = Codec::load(&fixture("version-3-normalised.narrows"), &compute(1)).unwrap();
    close(codec.encode(&ROWS).unwrap(), &[2.2200003, -0.30888084, 0.47132972, -0.3025519]);
    assert!(codec.model().tensors.iter().all(|tensor| tensor.name != "encoder.0.bias"));
}

#[test]
fn version_4_loads_forever() {
    let codec = Codec::load(&fixture("version-4-segmenter.narrows"), &compute(1)).unwrap();
    let bar = |at: usize| (5..15).contains(&at) && (1..=3).contains(&(at % 5));
    let picture: Vec<f32> = (0..30).map(|at| if bar(at) { 220.0 } else { 25.0 }).collect();
    let ones: Vec<usize> = (0..30).filter(|at| codec.segment(&picture).unwrap()[*at] == 1).collect();
    assert_eq!(ones, [8, 11, 13]);
    assert_eq!(codec.model().description.classes, ["ground", "bar"]);
}

// The fixtures were trained by the first release on made rows; a new format version adds files of its own beside them.
const AUTOENCODER_CODES: [f32; 4] = [2.2406502, 0.5769887, 1.786385, 0.74156386];
const AUTOENCODER_ROWS: [f32; 8] =
    [-0.017839344, 0.9038488, 0.64694625, 0.77869266, 0.32365927, 0.8714949, 0.67319334, 0.6675848];
const CLASSIFIER_CONFIDENCES: [f32; 4] = [0.03293671, 0.9670633, 0.87773275, 0.12226725];

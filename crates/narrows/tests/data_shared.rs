//! Real data, read from the folder beside the project where there is one; where not, each test says that it skipped.

use std::path::{Path, PathBuf};

use narrows::data::{
    ItemShape, Kind, Options, Preparation, PreparationChoice, Split, SplitOptions, Suits, Values,
};
use narrows::data::{detect, load};

/// A folder of the shared data, or `None` and a line that says so.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    #[allow(clippy::print_stderr)]
    {
        eprintln!("skipped: no shared data at {}", path.display());
    }
    None
}

#[test]
fn mnist_is_read_as_published() {
    let Some(path) = shared("mnist") else { return };
    assert_eq!(detect(&path).unwrap(), Kind::Idx);
    let source = load(Some(&path), &Options::default()).unwrap();
    let test = source.test.as_ref().unwrap();
    assert_eq!(source.train.shape, ItemShape::Image { height: 28, width: 28, channels: 1 });
    assert_eq!((source.train.rows(), test.rows()), (60_000, 10_000));
    let labels = source.train.labels.as_ref().unwrap();
    assert_eq!(labels.names, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(labels.of_row[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!(test.labels.as_ref().unwrap().of_row[..5], [7, 2, 1, 0, 4]);
    // The mean pixel that everybody knows.
    let Values::U8(values) = &source.train.values else { panic!("MNIST is bytes") };
    let mean = values.iter().map(|&v| u64::from(v)).sum::<u64>() as f64 / values.len() as f64 / 255.0;
    assert!((mean - 0.1307).abs() < 5e-5, "{mean}");
    let split = Split::new(&source, &SplitOptions::default()).unwrap();
    assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (54_000, 6_000, 10_000));
    let preparation = Preparation::fit(&source.train, &split.train, PreparationChoice::Auto).unwrap();
    assert_eq!(preparation.range(), Some((0.0, 255.0)));
    assert_eq!(Suits::of(&source.train, &split.train, &preparation), Suits::Bernoulli);
}

#[test]
fn mnist_is_brought_to_another_size() {
    let Some(path) = shared("mnist") else { return };
    let options =
        Options { image_size: Some((16, 16)), rows: Some(500), test_rows: Some(100), ..Options::default() };
    let source = load(Some(&path), &options).unwrap();
    assert_eq!(source.train.shape, ItemShape::Image { height: 16, width: 16, channels: 1 });
    assert_eq!((source.train.rows(), source.test.unwrap().rows()), (500, 100));
}

#[test]
fn one_idx_file_brings_its_labels() {
    let Some(path) = shared("mnist") else { return };
    let source = load(Some(&path.join("t10k-images-idx3-ubyte.gz")), &Options::default()).unwrap();
    assert_eq!((source.train.rows(), source.test.is_none()), (10_000, true));
    assert_eq!(source.train.labels.unwrap().of_row[..5], [7, 2, 1, 0, 4]);
}

#[test]
fn every_adbench_table_is_read_with_its_labels() {
    let Some(folder) = shared("adbench") else { return };
    let known = [
        ("16_http.npz", 567_498, 3),
        ("23_mammography.npz", 11_183, 6),
        ("27_PageBlocks.npz", 5_393, 10),
        ("28_pendigits.npz", 6_870, 16),
        ("29_Pima.npz", 768, 8),
        ("2_annthyroid.npz", 7_200, 6),
        ("30_satellite.npz", 6_435, 36),
        ("32_shuttle.npz", 49_097, 9),
        ("38_thyroid.npz", 3_772, 6),
        ("40_vowels.npz", 1_456, 12),
        ("43_WDBC.npz", 367, 30),
        ("6_cardio.npz", 1_831, 21),
    ];
    for (name, rows, features) in known {
        let source = load(Some(&folder.join(name)), &Options::default()).unwrap();
        assert_eq!((source.train.rows(), source.train.features()), (rows, features), "{name}");
        assert_eq!(source.train.labels.as_ref().unwrap().names, ["0", "1"], "{name}");
        let split = Split::new(&source, &SplitOptions::default()).unwrap();
        let preparation = Preparation::fit(&source.train, &split.train, PreparationChoice::Auto).unwrap();
        assert!(matches!(preparation, Preparation::Standardise { .. }), "{name}");
        let mut prepared = vec![0.0; rows * features];
        preparation.prepare_rows(&source.train, &(0..rows as u32).collect::<Vec<u32>>(), &mut prepared);
        assert!(prepared.iter().all(|v| v.is_finite()), "{name}");
    }
}

#[test]
fn fortran_order_is_read_as_numpy_reads_it() {
    let Some(folder) = shared("adbench") else { return };
    // numpy.load('29_Pima.npz')['X'][0], and [-1]
    let source = load(Some(&folder.join("29_Pima.npz")), &Options::default()).unwrap();
    let mut row = [0f32; 8];
    source.train.row_f32(0, &mut row);
    assert_eq!(row, [6.0, 148.0, 72.0, 35.0, 0.0, 33.6, 0.627, 50.0]);
    source.train.row_f32(767, &mut row);
    assert_eq!(row, [1.0, 93.0, 70.0, 31.0, 0.0, 30.4, 0.315, 23.0]);
}

#[test]
fn photographs_are_read_in_colour_with_their_folders_as_labels() {
    let Some(path) = shared("cifar10-small") else { return };
    assert_eq!(detect(&path).unwrap(), Kind::Pictures);
    let source = load(Some(&path), &Options::default()).unwrap();
    let test = source.test.as_ref().unwrap();
    assert_eq!(source.train.shape, ItemShape::Image { height: 32, width: 32, channels: 3 });
    assert_eq!((source.train.rows(), test.rows()), (5_000, 1_000));
    let labels = source.train.labels.as_ref().unwrap();
    assert_eq!(labels.names.len(), 10);
    assert_eq!(labels.names[0], "airplane");
    assert_eq!(labels.of_row.iter().filter(|&&label| label == 3).count(), 500);
    assert!(source.notes.is_empty(), "{:?}", source.notes);
}

#[test]
fn street_scenes_are_resized_and_made_grey_on_request() {
    let Some(path) = shared("camvid-small") else { return };
    let options = Options { image_size: Some((30, 40)), colour: Some(false), ..Options::default() };
    let source = load(Some(&path), &options).unwrap();
    assert_eq!(source.train.shape, ItemShape::Image { height: 30, width: 40, channels: 1 });
    assert_eq!((source.train.rows(), source.test.unwrap().rows()), (367, 233));
    assert!(
        source.notes[0].ends_with("not used: testannot, trainannot, val, valannot"),
        "{:?}",
        source.notes
    );
    assert_eq!(source.notes[1], "600 of 600 pictures were resized to 30x40");
    assert_eq!(source.notes[2], "600 of 600 pictures are stored in colour, and were read as grey");
    assert_eq!(source.notes.len(), 3);
}

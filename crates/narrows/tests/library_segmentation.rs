//! Segmenters: pictures and label maps from folders, their loss by the formula, training, use and figures; and filling in.

mod library_support;

use library_support::{compute, pictures, recipe, source, tensor, train, trainer};
use narrows::apply::inpaint::{block, inpaint};
use narrows::apply::{Codec, Figures, evaluate};
use narrows::data::{Dataset, LabelMaps, Options, VOID, load, png_bytes};
use narrows::network::{LayerWork, Network};
use narrows::recipe::Recipe;
use narrows::train::{Setup, Signal};
use std::path::Path;

/// Pictures of bars whose pixels are ink, paper, or at the left edge unknown.
fn labelled(rows: usize, salt: u32) -> Dataset {
    let dataset = pictures(rows, salt);
    let bytes = dataset.values.to_f32();
    let of_pixel = bytes.iter().enumerate().map(|(at, value)| match (at % 5, *value > 100.0) {
        (0, _) => VOID,
        (_, ink) => u8::from(ink),
    });
    let maps = LabelMaps { names: vec!["paper".to_owned(), "ink".to_owned()], of_pixel: of_pixel.collect() };
    Dataset { labels: None, maps: Some(maps), ..dataset }
}

const SEGMENTER: [&str; 8] = [
    "model.kind=segmenter",
    "model.hidden=[{ kind = 'convolution', channels = 6 }, 'max-pool', { kind = 'convolution', channels = 6 }]",
    "model.code=0",
    "model.growth=unpool",
    "train.batch=8",
    "train.epochs=30",
    "train.learning_rate=0.02",
    "data.maps=annot",
];

#[test]
fn a_small_segmenter_learns_and_says_the_same_of_a_picture_alone() {
    for more in [
        &[][..],
        &["train.class_weights=median-frequency", "train.augment_flip=true", "train.augment_shift=1"],
    ] {
        let (model, history) = train(&[&SEGMENTER[..], more].concat(), labelled(60, 1), &compute(2));
        assert!(history[29].train_loss < 0.5 * history[0].train_loss, "{history:?}");
        let codec = Codec::new(model, &compute(1)).unwrap();
        let rows = labelled(9, 2);
        let stored = rows.values.to_f32();
        let together = codec.segment(&stored).unwrap();
        for row in 0..9 {
            assert_eq!(codec.segment(&stored[row * 30..][..30]).unwrap(), together[row * 30..][..30]);
        }
        let all: Vec<u32> = (0..9).collect();
        let found = evaluate(&codec, &rows, &all, (&rows, &all), 0, &compute(1)).unwrap();
        let Figures::Segmentation(own) = found.figures else { panic!("no segmentation") };
        assert!(own.pixel_accuracy > 0.95 && own.mean_iou > 0.8, "{own:?}");
        // 9 pictures of 6×5 pixels without their first column.
        assert_eq!(own.confusion.iter().flatten().sum::<u64>(), 9 * 24);
        for error in [codec.reconstruct(&stored), codec.classify(&stored)] {
            assert!(error.unwrap_err().to_string().contains("a segmenter"));
        }
        let without = Dataset { maps: None, ..rows.clone() };
        assert!(evaluate(&codec, &without, &all, (&rows, &all), 0, &compute(1)).is_err());
    }
    let (autoencoder, _) = train(&["model.hidden=[]", "train.epochs=1"], pictures(20, 1), &compute(1));
    let error = Codec::new(autoencoder, &compute(1)).unwrap().segment(&[0.0; 30]).unwrap_err();
    assert!(error.to_string().contains("an autoencoder"), "{error}");
}

/// The loss of a picture is its pixels' cross-entropy, each counting what its class counts, over the pixels that anything is known of: with
/// weights of 0 every class has probability ½.
#[test]
fn the_loss_leaves_out_what_nobody_knows() {
    let still = [
        "model.initial={ kind = 'constant', value = 0.0 }",
        "train.epochs=1",
        "train.batch=60",
        "data.validation=0",
        "data.test=0",
        "data.prepare=unit",
    ];
    let rows = labelled(60, 1);
    let loss = |more: &[&str], rows: &Dataset| {
        let mut run = trainer(&[&SEGMENTER[..], &still, more].concat(), rows.clone(), &compute(1));
        run.train(Path::new("none"), &mut |_| Signal::Continue).unwrap();
        run.history()[0].train_loss
    };
    let half = std::f64::consts::LN_2;
    assert!((loss(&[], &rows) - half).abs() < 1e-5);
    let maps = rows.maps.clone().unwrap();
    // Every picture has both: 4 pixels of ink at most, fewer where some lie in the first column.
    let weigh = |class: u8| {
        let (mut own, mut seen) = (0.0, 0.0);
        for map in maps.of_pixel.chunks_exact(30) {
            let count = map.iter().filter(|found| **found == class).count() as f64;
            own += count;
            seen += if count > 0.0 { 24.0 } else { 0.0 };
        }
        own / seen
    };
    let shares = [weigh(0), weigh(1)];
    let median = (shares[0] + shares[1]) / 2.0;
    let mean =
        |class: u8| maps.of_pixel.iter().filter(|found| **found == class).count() as f64 / (60.0 * 24.0);
    let expected = half * (mean(0) * median / shares[0] + mean(1) * median / shares[1]);
    let found = loss(&["train.class_weights=median-frequency"], &rows);
    assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
    // A map of which nothing is known has no loss.
    let mut unknown = rows.clone();
    unknown.maps.as_mut().unwrap().of_pixel[..30 * 30].fill(VOID);
    let found = loss(&[], &unknown);
    assert!((found - half / 2.0).abs() < 1e-5, "{found}");
}

#[test]
fn decoders_of_segmenters_end_at_the_pictures_size() {
    let network = |settings: &[&str]| {
        let all = [&SEGMENTER[..3], &["data.maps=annot"], settings].concat();
        let size = narrows::network::Extent { height: 6, width: 5, channels: 1 };
        Network::new(&recipe(&all).model, size, 7)
    };
    let mirrored = network(&[]).unwrap();
    assert_eq!(mirrored.layers[5].to.channels, 7);
    let written = network(&["model.decoder=[{ kind = 'transposed-convolution', channels = 3, stride = 2 }]"]);
    assert!(written.unwrap_err().to_string().contains("ends with 6×4×3"));
    let same =
        network(&["model.hidden=[{ kind = 'convolution', channels = 3 }]", "model.decoder=[]"]).unwrap();
    assert!(matches!(same.layers[1].work, LayerWork::Convolution { size: [1, 1], .. }));
    assert_eq!((same.layers[1].to.channels, same.layers[1].normalised), (7, false));
    let own = network(&["model.decoder=['unpool', { kind = 'convolution', channels = 7 }]"]).unwrap();
    assert_eq!((own.layers.len(), own.layers[4].activation.name()), (5, "identity"));
}

/// A folder with `train`, `trainannot` and the like.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (part, rows) in [("train", 6), ("test", 2)] {
            for row in 0..rows {
                let grey: Vec<u8> = (0..12).map(|at| (at * 20 + row) as u8).collect();
                folder.write(&format!("{part}/{row}.png"), &png_bytes(3, 4, 1, &grey));
                let map: Vec<u8> = (0..12).map(|at| [0, 1, 2, 9][at % 4]).collect();
                folder.write(&format!("{part}annot/{row}.png"), &png_bytes(3, 4, 1, &map));
            }
        }
        folder
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn options(&self, more: &[(&str, &str)]) -> Options {
        let mut settings: Vec<(String, String)> =
            vec![("model.kind".into(), "segmenter".into()), ("data.maps".into(), "annot".into())];
        settings.extend(more.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())));
        Recipe::parse("", &settings).unwrap().data.options(1)
    }

    fn refused(&self, more: &[(&str, &str)]) -> String {
        let error = load(Some(self.0.path()), &self.options(more)).unwrap_err();
        assert!(error.hint().is_some(), "{error}");
        error.to_string()
    }
}

#[test]
fn label_maps_are_read_beside_their_pictures() {
    let folder = Folder::new();
    let read = |more: &[(&str, &str)]| load(Some(folder.0.path()), &folder.options(more)).unwrap();
    let source = read(&[("data.void", "9")]);
    assert!(source.notes.is_empty(), "{:?}", source.notes);
    let maps = source.train.maps.unwrap();
    assert_eq!((maps.names.join(" "), maps.of_pixel.len()), ("0 1 2".to_owned(), 72));
    assert_eq!(maps.of_pixel[..5], [0, 1, 2, VOID, 0]);
    assert_eq!(source.test.unwrap().maps.unwrap().of_pixel.len(), 24);
    // Without a void class 9 is one, and so are those between; a void class in between leaves no gap.
    assert_eq!(read(&[]).train.maps.unwrap().names.len(), 10);
    let gap = read(&[("data.void", "1")]).train.maps.unwrap();
    assert_eq!((gap.names[1].as_str(), &gap.of_pixel[..4]), ("2", &[0, VOID, 1, 8][..]));
    // The nearest pixels, not means.
    let small = read(&[("data.void", "9"), ("data.size", "[3, 2]")]).train.maps.unwrap();
    assert_eq!(small.of_pixel[..4], [1, VOID, 1, VOID]);
    // 255 is nobody's class, said or not; maps lie in sub-folders like their pictures.
    let deep = tempfile::tempdir().unwrap();
    let deep = Folder(deep);
    for (name, most) in [("a/0", 1), ("b/1", 255)] {
        deep.write(&format!("train/{name}.png"), &png_bytes(1, 2, 1, &[3, 4]));
        deep.write(&format!("trainannot/{name}.png"), &png_bytes(1, 2, 1, &[0, most]));
    }
    let maps = load(Some(deep.0.path()), &deep.options(&[])).unwrap().train.maps.unwrap();
    assert_eq!((maps.names.len(), maps.of_pixel), (2, vec![0, 1, 0, VOID]));
    let named = read(&[("data.void", "9"), ("data.class_names", "['sky', 'road', 'tree']")]);
    assert_eq!(named.train.maps.unwrap().names, ["sky", "road", "tree"]);
}

#[test]
fn label_maps_that_do_not_fit_are_refused() {
    let folder = Folder::new();
    assert!(folder.refused(&[("data.maps", "_labels")]).contains("there is no folder train_labels"));
    let message = folder.refused(&[("data.void", "9"), ("data.class_names", "['a', 'b']")]);
    assert!(message.contains("a pixel of class 2, and there are 2 classes"), "{message}");
    let spare = png_bytes(3, 4, 1, &[0; 12]);
    folder.write("trainannot/more.png", &spare);
    assert!(folder.refused(&[]).contains("7 label maps for 6 pictures"));
    let folder = Folder::new();
    folder.write("testannot/1.png", &png_bytes(4, 3, 1, &[0; 12]));
    let message = folder.refused(&[]);
    assert!(message.contains("the label map has 4x3 pixels, its picture 3x4"), "{message}");
    folder.write("testannot/1.png", &png_bytes(3, 4, 3, &[0; 36]));
    assert!(folder.refused(&[]).contains("grey or palette"));
    std::fs::remove_file(folder.0.path().join("testannot/1.png")).unwrap();
    assert!(folder.refused(&[]).contains("no label map"));
    let without = Setup::new(&recipe(&SEGMENTER), source(pictures(20, 1))).err().unwrap();
    assert!(without.to_string().contains("needs label maps") && without.hint().is_some(), "{without}");
}

/// What is known stays as it is to the last bit, what is missing is what the model makes of the rest.
#[test]
fn known_pixels_are_not_touched() {
    let settings =
        ["model.hidden=[20]", "model.code=8", "train.corruption={ kind = 'block', height = 2, width = 2 }"];
    let (model, _) = train(&settings, pictures(60, 1), &compute(1));
    assert!(tensor(&model, "encoder.0.weight").len() == 600);
    let codec = Codec::new(model, &compute(1)).unwrap();
    let rows = pictures(4, 2);
    let stored = rows.values.to_f32();
    let masks: Vec<_> = (0..4).map(|row| block(&rows.shape, (2, 3), row, 1).unwrap()).collect();
    let filled = inpaint(&codec, &stored, &masks).unwrap();
    let missing: Vec<bool> = masks.concat();
    assert!(filled.iter().zip(&stored).zip(&missing).all(|((a, b), missing)| *missing || a == b));
    // What lies under a mask is not looked at.
    let hidden: Vec<f32> =
        stored.iter().zip(&missing).map(|(value, missing)| if *missing { 99.0 } else { *value }).collect();
    assert_eq!(inpaint(&codec, &hidden, &masks).unwrap(), filled);
    let none = vec![vec![false; 30]; 4];
    assert_eq!(inpaint(&codec, &stored, &none).unwrap(), stored);
    for wrong in [vec![vec![false; 30]; 3], vec![vec![false; 29]; 4]] {
        assert!(inpaint(&codec, &stored, &wrong).unwrap_err().to_string().contains("masks"));
    }
}

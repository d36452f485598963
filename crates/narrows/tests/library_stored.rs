//! Pictures that are read from a file while training: the same model as from memory, the same file used again, and what goes wrong told.

mod library_support;

use library_support::{compute, recipe};
use narrows::data::{Cache, Options, Source, Values, load, png_bytes};
use narrows::model_file::Model;
use narrows::train::{Setup, Signal, Trainer};
use std::path::{Path, PathBuf};

/// A folder of 60 small pictures in two classes, and a test part.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (part, count) in [("train", 60), ("test", 10)] {
        for number in 0..count {
            let class = if number % 2 == 0 { "dark" } else { "light" };
            let path = folder.path().join(part).join(class);
            std::fs::create_dir_all(&path).unwrap();
            let pixels: Vec<u8> =
                (0..8 * 8 * 3).map(|at| ((at * 7 + number * 13) % 100 + number % 2 * 100) as u8).collect();
            std::fs::write(path.join(format!("{number:02}.png")), png_bytes(8, 8, 3, &pixels)).unwrap();
        }
    }
    folder
}

fn read(folder: &Path, cache: Option<&Path>, settings: &[&str]) -> Source {
    let cache = cache.map(|path| Cache { path: path.to_path_buf(), most_in_memory: 100 });
    load(Some(folder), &Options { cache, ..recipe(settings).data.options(1) }).unwrap()
}

const SETTINGS: [&str; 5] = [
    "model.hidden=[{ kind = 'convolution', channels = 4, stride = 2 }]",
    "model.code=3",
    "train.batch=8",
    "train.epochs=3",
    "train.augment_shift=1",
];

fn trained(source: Source) -> Model {
    let mut trainer = Trainer::new(Setup::new(&recipe(&SETTINGS), source).unwrap(), &compute(2)).unwrap();
    trainer.train(Path::new("none"), &mut |_| Signal::Continue).unwrap();
    trainer.finish().unwrap().0
}

#[test]
fn a_file_of_rows_gives_the_same_model_as_memory() {
    let (folder, room) = (folder(), tempfile::tempdir().unwrap());
    let file = room.path().join("x.rows");
    let stored = read(folder.path(), Some(&file), &SETTINGS);
    let kept = read(folder.path(), None, &SETTINGS);
    assert!(matches!(stored.train.values, Values::Stored(_)) && stored.train.values.memory() == 0);
    assert!(stored.notes.iter().any(|note| note.contains("x.rows")), "{:?}", stored.notes);
    assert_eq!(stored.train.values.to_f32(), kept.train.values.to_f32());
    assert_eq!((&stored.train.labels, &stored.train.names), (&kept.train.labels, &kept.train.names));
    assert_eq!(stored.fingerprint(), kept.fingerprint());
    assert_eq!(trained(stored), trained(kept));
    assert_eq!(std::fs::read_dir(room.path()).unwrap().count(), 2);
}

#[test]
fn the_file_is_used_again_for_the_same_pictures_only() {
    let (folder, room) = (folder(), tempfile::tempdir().unwrap());
    let file = room.path().join("x.rows");
    let written = |settings: &[&str]| -> Vec<u8> {
        read(folder.path(), Some(&file), settings);
        std::fs::read(&file).unwrap()
    };
    let first = written(&[]);
    // Were it decoded anew, what is marked here would be gone.
    let mut marked = first.clone();
    marked[70] ^= 1;
    std::fs::write(&file, &marked).unwrap();
    assert_eq!(written(&[]), marked);
    assert!(written(&["data.size=[4, 4]"]).len() < first.len() / 2);
    assert_eq!(written(&[]), first);
    let picture: PathBuf = folder.path().join("train/dark/00.png");
    std::fs::write(&picture, png_bytes(8, 8, 3, &[9; 192])).unwrap();
    assert_ne!(written(&[]), first);
    // Grey where all are stored as grey, or where it is asked for; unreadable ones are left out, and stay so when the file is used again.
    std::fs::write(folder.path().join("train/dark/02.png"), &std::fs::read(&picture).unwrap()[..70]).unwrap();
    for _ in 0..2 {
        let source = read(folder.path(), Some(&file), &["data.colour=false"]);
        assert_eq!((source.train.rows(), source.train.features()), (59, 64));
    }
}

#[test]
fn a_file_that_fails_stops_training_with_a_reason() {
    let (folder, room) = (folder(), tempfile::tempdir().unwrap());
    let file = room.path().join("x.rows");
    let source = read(folder.path(), Some(&file), &SETTINGS);
    let mut trainer = Trainer::new(Setup::new(&recipe(&SETTINGS), source).unwrap(), &compute(1)).unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_len(100).unwrap();
    let error = trainer.train(Path::new("none"), &mut |_| Signal::Continue).unwrap_err();
    assert!(error.to_string().contains("x.rows") && error.hint().is_some(), "{error}");
}

#[test]
fn pictures_stored_as_grey_stay_grey() {
    let (folder, room) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for number in 0..4 {
        let pixels: Vec<u8> = (0..64).map(|at| at + number).collect();
        std::fs::write(folder.path().join(format!("{number}.png")), png_bytes(8, 8, 1, &pixels)).unwrap();
    }
    let stored = read(folder.path(), Some(&room.path().join("x.rows")), &[]);
    assert_eq!(stored.train.values.to_f32(), read(folder.path(), None, &[]).train.values.to_f32());
    assert_eq!(stored.train.features(), 64);
}

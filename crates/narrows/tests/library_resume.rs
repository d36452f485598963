//! Every run repeats to the bit: interrupted anywhere and resumed, in pieces, at any number of threads.

mod library_support;

use library_support::{SMALL, compute, file_bytes, pictures, table, train, trainer, with};
use narrows::Error;
use narrows::train::{Event, Outcome, Signal, checkpoint_path};

/// A run with everything that has a state: moments, running statistics, averages, best weights, plateau, random streams.
const RICH: [&str; 14] = [
    "model.hidden=[8]",
    "model.code=3",
    "model.dropout=0.2",
    "model.input_dropout=0.1",
    "model.batch_normalisation=true",
    "train.batch=7",
    "train.epochs=2",
    "train.average=0.9",
    "train.patience=5",
    "train.corruption={ kind = 'gaussian', deviation = 0.1 }",
    "train.augment_shift=1",
    "train.warmup=0.5",
    "train.schedule={ kind = 'plateau', patience = 1 }",
    "train.optimiser=adam",
];

#[test]
fn a_run_interrupted_anywhere_ends_in_the_same_file() {
    let compute = compute(2);
    let straight = file_bytes(&train(&RICH, pictures(30, 1), &compute).0);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = checkpoint_path(&folder.path().join("m.narrows"));
    let mut steps = 0;
    trainer(&RICH, pictures(30, 1), &compute)
        .train(&checkpoint, &mut |event| {
            steps += usize::from(matches!(event, Event::Step { .. }));
            Signal::Continue
        })
        .unwrap();
    assert_eq!(steps, 8, "24 rows in batches of 7, twice");
    for stop in 1..=steps {
        let mut first = trainer(&RICH, pictures(30, 1), &compute);
        let mut done = 0;
        let outcome = first.train(&checkpoint, &mut |event| {
            done += usize::from(matches!(event, Event::Step { .. }));
            if done == stop { Signal::Stop } else { Signal::Continue }
        });
        assert_eq!(outcome.unwrap(), Outcome::Interrupted, "at step {stop}");
        let mut second = trainer(&RICH, pictures(30, 1), &compute);
        second.resume(&checkpoint).unwrap();
        assert_eq!(second.train(&checkpoint, &mut |_| Signal::Continue).unwrap(), Outcome::Finished);
        let resumed = file_bytes(&second.finish().unwrap().0);
        assert!(straight == resumed, "interrupted after step {stop}");
    }
}

/// Stopped at every step in turn, each time resumed by a new trainer: many small pieces are one run.
#[test]
fn a_run_in_the_smallest_pieces_ends_in_the_same_file() {
    let compute = compute(1);
    let straight = file_bytes(&train(&RICH, pictures(30, 1), &compute).0);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = checkpoint_path(&folder.path().join("m.narrows"));
    let mut pieces = 0;
    loop {
        let mut piece = trainer(&RICH, pictures(30, 1), &compute);
        if pieces > 0 {
            piece.resume(&checkpoint).unwrap();
        }
        pieces += 1;
        if piece.train(&checkpoint, &mut |_| Signal::Stop).unwrap() == Outcome::Finished {
            assert!(straight == file_bytes(&piece.finish().unwrap().0));
            break;
        }
        assert!(pieces < 20);
    }
}

#[test]
fn an_epoch_end_is_a_place_to_stop_and_checkpoints_of_others_are_refused() {
    let compute = compute(1);
    let straight = file_bytes(&train(&RICH, pictures(30, 1), &compute).0);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = checkpoint_path(&folder.path().join("m.narrows"));
    let at_epoch = |event: &Event| match event {
        Event::Epoch { .. } => Signal::Stop,
        _ => Signal::Continue,
    };
    let mut first = trainer(&RICH, pictures(30, 1), &compute);
    assert_eq!(first.train(&checkpoint, &mut |event| at_epoch(event)).unwrap(), Outcome::Interrupted);
    assert_eq!(first.history().len(), 1);
    let mut second = trainer(&RICH, pictures(30, 1), &compute);
    second.resume(&checkpoint).unwrap();
    second.train(&checkpoint, &mut |_| Signal::Continue).unwrap();
    assert!(straight == file_bytes(&second.finish().unwrap().0));
    // Another recipe, other rows.
    let other = with(&RICH, &["train.seed=2"]);
    let error = trainer(&other, pictures(30, 1), &compute).resume(&checkpoint).unwrap_err();
    assert!(
        matches!(&error, Error::Mismatch { found, .. } if found.contains("seed = 1 instead of seed = 2")),
        "{error}"
    );
    let error = trainer(&RICH, pictures(30, 2), &compute).resume(&checkpoint).unwrap_err();
    assert!(matches!(&error, Error::Mismatch { found, .. } if found == "one on other rows"), "{error}");
    assert!(trainer(&RICH, pictures(30, 1), &compute).resume(&folder.path().join("none")).is_err());
}

#[test]
fn any_number_of_threads_gives_the_same_file() {
    // Wide enough that threads really share the work.
    let settings = with(&RICH, &["model.hidden=[300, 70]", "train.batch=64", "train.epochs=1"]);
    let files: Vec<Vec<u8>> = [1, 2, 3, 7]
        .map(|threads| file_bytes(&train(&settings, pictures(180, 1), &compute(threads)).0))
        .into();
    assert!(files.iter().all(|file| *file == files[0]));
}

/// What a plateau has done to the rate is part of a checkpoint.
#[test]
fn a_plateau_is_resumed() {
    let plateau = "train.schedule={ kind = 'plateau', patience = 2, factor = 0.5 }";
    let settings =
        with(&SMALL, &[plateau, "train.learning_rate=1e-30", "train.optimiser=sgd", "train.epochs=7"]);
    let (compute, folder) = (compute(1), tempfile::tempdir().unwrap());
    let checkpoint = folder.path().join("c");
    let mut history = Vec::new();
    while history.len() < 7 {
        let mut piece = trainer(&settings, table(60, 6, 1), &compute);
        if !history.is_empty() {
            piece.resume(&checkpoint).unwrap();
        }
        piece
            .train(&checkpoint, &mut |event| match event {
                Event::Epoch { .. } => Signal::Stop,
                _ => Signal::Continue,
            })
            .unwrap();
        history = piece.history().to_vec();
    }
    assert_eq!(history, train(&settings, table(60, 6, 1), &compute).1);
}

//! A run that was interrupted, or killed, and resumed ends in the same bytes as one that ran straight through.
#![cfg(unix)]

use crate::support::{Ran, Room, TABLE};
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

const SLOW: &str = "--set train.epochs=6000 --set train.patience=5900 --set train.schedule=plateau";

fn room() -> Room {
    let room = Room::new();
    room.table("t.csv", 60, 5);
    room
}

fn arguments(more: &str) -> String {
    format!("train t.csv {TABLE} {SLOW} --skip verdict {more}")
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|found| found.modified()).ok()
}

/// Waits until a file has been written anew; tells whether the program still runs.
fn wait_for(child: &mut Child, path: &Path, before: Option<SystemTime>) -> bool {
    let begun = Instant::now();
    while changed(path) == before {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{}: never written", path.display());
        sleep(Duration::from_millis(1));
    }
    true
}

fn interrupt(child: &Child) {
    let done = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(done.success());
}

#[test]
fn ctrl_c_saves_and_says_how_to_go_on_and_the_end_is_the_same() {
    let room = room();
    room.done(&arguments("--quiet --out straight.narrows"));
    let mut child = room.command(&arguments("--out cut.narrows")).spawn().unwrap();
    assert!(wait_for(&mut child, &room.path("cut.log.jsonl"), None));
    interrupt(&child);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("error: interrupted; the checkpoint stands at cut.narrows.checkpoint"));
    assert!(room.path("cut.narrows.checkpoint").exists() && !room.path("cut.narrows").exists());
    let (_, told) = ran.stderr.split_once("go on with: narrows ").expect(&ran.stderr);
    assert!(told.trim().ends_with("--resume"), "{told}");
    let script = format!("{} {told}", env!("CARGO_BIN_EXE_narrows"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(room.path(".")).output().unwrap();
    let ran = Ran::from(output);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let (_, after) =
        ran.stderr.split_once("going on from cut.narrows.checkpoint, after ").expect(&ran.stderr);
    // Had it begun anew, the bytes would be the same and nothing won.
    assert!(!after.starts_with("0 epochs"), "{}", ran.stderr);
    assert!(room.read("cut.narrows") == room.read("straight.narrows"), "the bytes differ");
    assert!(!room.path("cut.narrows.checkpoint").exists());
    let log = room.text("cut.log.jsonl");
    assert_eq!(log.lines().count(), 6000);
}

/// Once training is over there is nothing to save, and the first Ctrl-C ends the program; before, the second does. Either
/// way a run that is asked twice is gone at once, and whole files are all that it leaves.
#[test]
fn a_second_ctrl_c_ends_it() {
    let room = room();
    let mut child = room.command(&arguments("--out m.narrows")).spawn().unwrap();
    assert!(wait_for(&mut child, &room.path("m.log.jsonl"), None));
    interrupt(&child);
    interrupt(&child);
    let begun = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn twenty_kills_at_random_moments_change_no_bit() {
    let room = room();
    let often = "--quiet --set train.checkpoint_seconds=0.004";
    room.done(&arguments(&format!("{often} --out straight.narrows")));
    let checkpoint = room.path("killed.narrows.checkpoint");
    let mut kills = 0;
    let mut random = 12345u64;
    while kills < 20 {
        let before = changed(&checkpoint);
        let mut child =
            room.command(&arguments(&format!("{often} --out killed.narrows --resume"))).spawn().unwrap();
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        if wait_for(&mut child, &checkpoint, before) {
            sleep(Duration::from_micros(random >> 50));
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
    }
    room.done(&arguments(&format!("{often} --out killed.narrows --resume")));
    assert!(room.read("killed.narrows") == room.read("straight.narrows"), "the bytes differ");
    let left: Vec<_> = room.everything().into_iter().map(|(path, _)| path).collect();
    let names: Vec<_> = left.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(
        names,
        ["killed.log.jsonl", "killed.narrows", "straight.log.jsonl", "straight.narrows", "t.csv"]
    );
}

#[test]
fn resume_without_a_checkpoint_starts_at_the_beginning_and_says_so() {
    let room = room();
    let ran = room.done(&format!("train t.csv {TABLE} --resume"));
    assert!(ran.stderr.contains("no checkpoint at t.narrows.checkpoint"), "{}", ran.stderr);
    let straight = room.read("t.narrows");
    room.done(&format!("train t.csv {TABLE}"));
    assert!(room.read("t.narrows") == straight);
}

#[test]
fn a_checkpoint_of_another_run_is_refused_and_a_new_run_warns() {
    let room = room();
    let mut child = room.command(&arguments("--out m.narrows")).spawn().unwrap();
    assert!(wait_for(&mut child, &room.path("m.log.jsonl"), None));
    interrupt(&child);
    child.wait().unwrap();
    let line = room.refused(&format!("train t.csv {TABLE} --out m.narrows --resume"));
    assert!(line.contains("m.narrows.checkpoint: expected a checkpoint of a run with this recipe"), "{line}");
    room.table("t.csv", 61, 5);
    let line = room.refused(&arguments("--out m.narrows --resume"));
    assert!(line.contains("on these rows"), "{line}");
    let ran = room.done(&format!("train t.csv {TABLE} --out m.narrows"));
    assert!(ran.stderr.contains("the checkpoint of an earlier run, which this one will overwrite"));
}

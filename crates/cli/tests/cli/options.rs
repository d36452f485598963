//! Every option changes something: each of these tests fails when its option is ignored.

use crate::support::{GLYPHS, Room, TABLE};

/// The model that `narrows train t.csv` with these options writes.
fn model(room: &Room, options: &str) -> Vec<u8> {
    room.done(&format!("train t.csv {TABLE} --quiet --skip verdict,log --out m.narrows {options}"));
    room.read("m.narrows")
}

fn room() -> Room {
    let room = Room::new();
    room.table("t.csv", 60, 5);
    room
}

#[test]
fn set_and_seed_change_the_model_and_equal_runs_are_equal() {
    let room = room();
    let plain = model(&room, "");
    assert_eq!(model(&room, ""), plain);
    for option in ["--set train.epochs=4", "--set train.batch=8", "--set model.code=3", "--seed 7"] {
        assert_ne!(model(&room, option), plain, "{option}");
    }
    assert_eq!(model(&room, "--seed 7"), model(&room, "--set train.seed=7"));
    assert_eq!(model(&room, "--set train.seed=3 --seed 7"), model(&room, "--seed 7"));
}

#[test]
fn out_and_skip_decide_which_files_are_written() {
    let room = room();
    let names = |room: &Room| {
        let mut names: Vec<String> = std::fs::read_dir(room.path("out"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    for (skip, expected) in [
        ("--skip verdict,log", vec!["m.narrows"]),
        ("--skip verdict", vec!["m.log.jsonl", "m.narrows"]),
        ("--skip report", vec!["m.log.jsonl", "m.narrows"]),
        ("--skip log", vec!["m-pictures", "m.html", "m.narrows"]),
        ("", vec!["m-pictures", "m.html", "m.log.jsonl", "m.narrows"]),
    ] {
        let _ = std::fs::remove_dir_all(room.path("out"));
        std::fs::create_dir(room.path("out")).unwrap();
        let ran = room.done(&format!("train t.csv {TABLE} --out out/m.narrows {skip}"));
        assert_eq!(names(&room), expected, "{skip}");
        assert_eq!(ran.stdout.contains("the mean"), !skip.contains("verdict"), "{}", ran.stdout);
    }
}

#[test]
fn quiet_prints_nothing_and_errors_all_the_same() {
    let room = room();
    let ran = room.done(&format!("train t.csv {TABLE} --quiet"));
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert!(room.refused("train missing.csv --quiet").contains("missing.csv"));
}

#[test]
fn threads_are_as_many_as_asked_for_and_change_no_bit() {
    let room = Room::new();
    let mut models = Vec::new();
    for threads in [1, 2, 3, 7] {
        let ran = room.done(&format!("train {GLYPHS} --skip verdict --threads {threads} --out m.narrows"));
        let said = format!("computing  {threads} thread");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        models.push(room.read("m.narrows"));
    }
    assert!(models.iter().all(|model| *model == models[0]));
    assert!(room.refused("train --threads 0").contains("--threads"));
}

/// The system counts the threads of a run, not we ourselves.
#[cfg(target_os = "linux")]
#[test]
fn seven_threads_are_really_started() {
    let room = room();
    let arguments = format!("train t.csv {TABLE} --set train.epochs=1000000 --threads 7 --out m.narrows");
    let mut child = room.command(&arguments).spawn().unwrap();
    while !room.path("m.log.jsonl").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count();
    child.kill().unwrap();
    child.wait().unwrap();
    // Six beside the one that waits for them, and the one that listens for Ctrl-C.
    assert!((7..=9).contains(&tasks), "{tasks}");
}

#[test]
fn instructions_are_those_that_are_forced() {
    let room = room();
    let ran = room.done(&format!("train t.csv {TABLE} --instructions plain --out p.narrows"));
    assert!(ran.stderr.contains(", plain;"), "{}", ran.stderr);
    let shown = room.json("inspect mnist-simple --plan --json --instructions plain");
    assert_eq!(shown["plan"]["instructions"], "plain");
    // No machine has them all.
    let foreign = if cfg!(target_arch = "x86_64") { "neon" } else { "avx2" };
    for command in
        ["evaluate p.narrows --data t.csv", "encode p.narrows --data t.csv --out x.npy", "train t.csv"]
    {
        let line = room.refused(&format!("{command} --instructions {foreign}"));
        assert!(line.contains("this machine does not have them"), "{line}");
    }
}

#[test]
fn data_named_twice_and_settings_without_a_value_are_refused() {
    let room = room();
    assert!(room.refused("train t.csv --data t.csv").contains("named twice"));
    assert!(room.refused("train t.csv --set model.code").contains("key=value"));
    assert!(room.refused("trian").contains("trian"));
    assert!(room.refused("evaluate").contains("<MODEL>"));
}

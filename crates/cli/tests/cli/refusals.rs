//! Bad input: each with one clear line, a hint, exit code 1, and nothing left behind.

use crate::support::{GLYPHS, Room, TABLE, idx};
use std::process::Command;

fn says(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part:?} is not in: {line}");
    }
}

#[test]
fn missing_paths() {
    let room = Room::with_table_model();
    for command in [
        "train missing.csv",
        "train glyphs --data missing",
        "train missing.toml",
        "evaluate t.narrows --data missing.csv",
        "encode t.narrows --data missing.npy --out x.npy",
        "decode t.narrows --codes missing.npy --out x.npy",
        "evaluate missing.narrows",
        "inspect missing.narrows",
    ] {
        says(&room.refused(command), &["missing"]);
    }
    says(&room.refused("evaluate t.narrows"), &["csv", "not in its file"]);
    says(&room.refused("train mnist-deep"), &["idx needs a path"]);
}

#[test]
fn broken_idx_files() {
    let room = Room::new();
    let whole = idx(&[10, 6, 6], (0..).map(|at: u32| at as u8));
    room.write("cut-idx3-ubyte", &whole[..100]);
    says(&room.refused("train cut-idx3-ubyte"), &["cut-idx3-ubyte", "truncated", "360", "84"]);
    room.write("magic-idx3-ubyte", [&b"nope"[..], &whole[4..]].concat());
    says(&room.refused("train magic-idx3-ubyte"), &["magic-idx3-ubyte", "begin with"]);
}

#[test]
fn folders_and_files_that_are_no_pictures() {
    let room = Room::new();
    room.write("bad/a.png", "no picture at all");
    says(&room.refused("train bad"), &["a.png", "not a readable picture"]);
    room.write("none/notes.md", "nothing to see");
    says(&room.refused("train none"), &["none", "no PNG or JPEG"]);
}

#[test]
fn broken_tables() {
    let room = Room::new();
    room.write("ragged.csv", "a,b\n1,2\n3\n4,5\n");
    says(&room.refused("train ragged.csv"), &["row 3", "1 cells", "expected 2"]);
    room.write("word.csv", "a,b\n1,2\n3,red\n");
    says(&room.refused("train word.csv"), &["row 3", "\"b\"", "red"]);
    room.write("nan.csv", "a,b\n1,NaN\n3,4\n");
    says(&room.refused("train nan.csv"), &["row 2", "\"b\"", "NaN"]);
    room.write("inf.csv", "a,b\n1,2\n-inf,4\n");
    says(&room.refused("train inf.csv"), &["row 3", "\"a\"", "-inf"]);
    room.write("empty.csv", "");
    says(&room.refused("train empty.csv"), &["empty"]);
    room.write("head.csv", "a,b\n");
    says(&room.refused("train head.csv"), &["no rows"]);
    room.write("few.csv", "a,b\n1,2\n2,3\n");
    says(&room.refused("train few.csv"), &["2 rows are too few", "needed"]);
}

#[test]
fn broken_texts() {
    let room = Room::new();
    room.write("cut.jsonl", "{\"text\": \"one two\"}\n{\"text\": \"three");
    says(&room.refused("train cut.jsonl"), &["cut.jsonl", "line 2"]);
    room.write("body.jsonl", "{\"body\": \"one two\"}\n");
    says(&room.refused("train body.jsonl"), &["line 1", "expected", "\"text\""]);
    room.write("blank.jsonl", "\n\n");
    says(&room.refused("train blank.jsonl"), &["empty"]);
    room.table("t.csv", 60, 5);
    says(&room.refused("train t.csv --set data.source=csv --set data.words=9"), &["data.words", "texts"]);
    says(&room.refused("train t.csv --set data.prepare=tf-idf"), &["counts", "fractions"]);
}

#[test]
fn broken_recipes() {
    let room = Room::new();
    room.write("key.toml", "[train]\nepoch = 3\n");
    says(&room.refused("train key.toml"), &["key.toml", "train.epoch"]);
    room.write("type.toml", "[train]\nepochs = \"many\"\n");
    says(&room.refused("train type.toml"), &["type.toml", "train.epochs", "many"]);
    says(&room.refused("train --set model.code=-1"), &["model.code", "-1"]);
    says(&room.refused("train --set model.hidden=[100000,100000]"), &["100000"]);
    says(&room.refused("train mnst-deep"), &["mnst-deep"]);
    let ran = room.run("train --set train.epoch=3");
    assert!(ran.stderr.contains("hint: did you mean train.epochs?"), "{}", ran.stderr);
    assert!(room.run("train mnst-deep").stderr.contains("hint: did you mean mnist-deep?"));
    let several = room.run("train --set train.epoch=3 --set model.code=-1");
    assert_eq!(several.code, 1);
    says(&several.stderr, &["2 problems", "train.epochs?", "model.code"]);
}

#[test]
fn broken_model_files() {
    let room = Room::with_table_model();
    let whole = room.read("t.narrows");
    room.write("cut.narrows", &whole[..whole.len() - 10]);
    room.write("head.narrows", &whole[..50]);
    room.write("none.narrows", "");
    let mut altered = whole.clone();
    let last = altered.len() - 5;
    altered[last] ^= 1;
    room.write("altered.narrows", altered);
    let before = br#"{\"version\":"#;
    let at = whole.windows(before.len()).position(|part| part == before).expect("a version in the header");
    let at = at + before.len();
    room.write("newer.narrows", [&whole[..at], b"9", &whole[at + 1..]].concat());
    let header = br#"{"__metadata__":{"format":"pt"},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let foreign = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    room.write("foreign.narrows", foreign);
    for (file, parts) in [
        ("cut", &["truncated"][..]),
        ("head", &["expected a Narrows model"]),
        ("none", &["an empty file"]),
        ("altered", &["has been altered"]),
        ("newer", &[&format!("version {} or older", narrows::model_file::FORMAT_VERSION), "9"]),
        ("foreign", &["another program"]),
    ] {
        for command in ["evaluate", "inspect", "report"] {
            let line = room.refused(&format!("{command} {file}.narrows"));
            says(&line, &[file]);
            says(&line, parts);
        }
    }
    says(&room.refused("evaluate t.csv"), &["expected a Narrows model"]);
}

#[test]
fn data_and_codes_of_another_width() {
    let room = Room::with_table_model();
    room.table("wide.csv", 40, 8);
    for command in ["evaluate", "report"] {
        says(&room.refused(&format!("{command} t.narrows --data wide.csv")), &["8 features", "expected 5"]);
    }
    for command in ["encode", "reconstruct"] {
        let line = room.refused(&format!("{command} t.narrows --data wide.csv --out x.npy"));
        says(&line, &["wide.csv", "8 features", "expected 5"]);
    }
    says(&room.refused("decode t.narrows --codes wide.csv --out x.csv"), &["expected 2"]);
}

#[test]
fn tasks_that_the_model_is_not_made_for() {
    let room = Room::with_table_model();
    says(&room.refused("classify t.narrows --data t.csv"), &["an autoencoder"]);
    says(&room.refused("encode t.narrows --data t.csv --part test --out x.npy"), &["no test part"]);
    room.done(&format!("train t.csv {TABLE} --set model.kind=classifier --out c.narrows --quiet"));
    says(&room.refused("reconstruct c.narrows --data t.csv --out x.csv"), &["a classifier"]);
    room.write("bare.csv", "a,b\n1,2\n2,3\n3,4\n4,5\n");
    says(&room.refused("train bare.csv --set model.kind=classifier"), &["needs labels"]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let room = Room::with_table_model();
    room.write("folder/notes.txt", "mine");
    for out in ["no/such/m.narrows", "folder", "/proc/m.narrows"] {
        says(&room.refused(&format!("train t.csv {TABLE} --out {out}")), &[out, "cannot be written"]);
    }
    room.write("codes.csv", "1,2\n3,4\n");
    for command in [
        "encode t.narrows --data t.csv --out no/such/x.npy",
        "decode t.narrows --codes codes.csv --out no/such/x.npy",
        "reconstruct t.narrows --data t.csv --out no/such/x.npy",
        "report t.narrows --data t.csv --out no/such/x.html",
    ] {
        says(&room.refused(command), &["no/such"]);
    }
    says(&room.refused("encode t.narrows --data t.csv --out codes.txt"), &["codes.txt", ".npy or .csv"]);
    says(&room.refused("reconstruct t.narrows --data t.csv --out folder"), &["folder"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let room = Room::with_table_model();
    room.write("codes.csv", "1,2\n3,4\n");
    for command in
        ["encode t.narrows --data t.csv --out /dev/full", "train t.csv --set train.epochs=1 --out /dev/full"]
    {
        says(&room.refused(command), &["/dev/full", "the disk is full"]);
    }
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = room.command("recipes");
    command.stdout(full());
    says(&room.refused_by(command, "recipes to a full disk"), &["stdout"]);
}

/// A limit on the size of files stands for a disk that fills up while the model is written.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_at_the_end_of_training_leaves_nothing_behind() {
    let room = Room::new();
    let program = env!("CARGO_BIN_EXE_narrows");
    let script = format!("trap '' XFSZ; ulimit -f 8; exec {program} train {GLYPHS}");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(room.path("."));
    says(&room.refused_by(command, &script), &["glyphs.narrows", "cannot be written"]);
}

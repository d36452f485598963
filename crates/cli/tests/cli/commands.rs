//! Every command, end to end.

use crate::support::{GLYPHS, Room, TABLE, write_idx_folder};
use serde_json::Value;

#[test]
fn train_shows_the_run_and_the_verdict_and_leaves_model_report_and_log() {
    let room = Room::new();
    let ran = room.done(&format!("train {GLYPHS}"));
    for part in [
        "training glyphs",
        "270 to learn from, 30 held out, 60 to test by",
        "784-32-4-32-784",
        "memory",
        "epoch 2/2",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    for part in ["this model", "PCA, 4 units", "the mean", "on 60 rows", "glyphs.narrows", "glyphs.html"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(room.text("glyphs.html").contains("<html"));
    let log = room.text("glyphs.log.jsonl");
    let epochs: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(epochs.len(), 2);
    for key in ["epoch", "loss", "held_out_loss", "learning_rate", "seconds", "rows_per_second"] {
        assert!(epochs[1][key].is_number(), "{key}: {log}");
    }
    assert!(!room.path("glyphs.narrows.checkpoint").exists());
}

#[test]
fn train_and_evaluate_agree_and_say_what_the_contract_names() {
    let room = Room::new();
    let trained = room.json(&format!("train {GLYPHS} --json"));
    let judged = room.json("evaluate glyphs.narrows --json");
    assert_eq!(trained["evaluation"]["squared_error"], judged["squared_error"]);
    let (own, features) = (judged["squared_error"].as_f64().unwrap(), 784.0);
    assert!((own - features * judged["squared_error_per_feature"].as_f64().unwrap()).abs() < 1e-9 * own);
    let baseline = |name: &str| judged["baselines"][name]["squared_error"].as_f64().unwrap();
    assert!(0.0 < baseline("pca") && baseline("pca") < baseline("mean"), "{judged}");
    assert_eq!((judged["rows"].as_u64(), judged["split"].as_str()), (Some(60), Some("test")));
    assert!(judged["verdict"].as_str().unwrap().len() > 20);
    assert_eq!((trained["epochs"].as_u64(), trained["rows"]["train"].as_u64()), (Some(2), Some(270)));
}

#[test]
fn the_splits_of_evaluate_hold_different_rows() {
    let room = Room::with_table_model();
    let rows = |split: &str| {
        let judged = room.json(&format!("evaluate t.narrows --data t.csv --split {split} --json"));
        (judged["rows"].as_u64().unwrap(), judged["squared_error"].as_f64().unwrap(), judged["notes"].clone())
    };
    let (test, train, all) = (rows("test"), rows("train"), rows("all"));
    assert_eq!((test.0, train.0, all.0), (6, 48, 60));
    assert!(test.1 != train.1 && train.1 != all.1);
    assert_eq!(test.2, serde_json::json!([]));
}

#[test]
fn other_data_are_judged_whole_and_a_note_says_so() {
    let room = Room::with_table_model();
    room.table("other.csv", 20, 5);
    let judged = room.json("evaluate t.narrows --data other.csv --json");
    assert_eq!(judged["rows"].as_u64(), Some(20));
    let note = judged["notes"][0].as_str().unwrap();
    assert!(note.contains("other data") && note.contains("all of them are judged"), "{note}");
}

#[test]
fn codes_go_out_and_come_back() {
    let room = Room::with_table_model();
    for ending in ["csv", "npy"] {
        room.done(&format!("encode t.narrows --data t.csv --out codes.{ending}"));
        room.done(&format!("decode t.narrows --codes codes.{ending} --out decoded-{ending}.csv"));
    }
    room.done("reconstruct t.narrows --data t.csv --out rebuilt.csv");
    let rebuilt = room.text("rebuilt.csv");
    assert_eq!(rebuilt.lines().next(), Some("c0,c1,c2,c3,c4"));
    assert_eq!(rebuilt.lines().count(), 61);
    assert_eq!(room.text("decoded-csv.csv"), rebuilt);
    assert_eq!(room.text("decoded-npy.csv"), rebuilt);
    assert_eq!(room.text("codes.csv").lines().next(), Some("code_1,code_2"));
}

#[test]
fn rows_without_the_label_column_can_be_encoded_too() {
    let room = Room::with_table_model();
    let text = room.text("t.csv");
    let without: String =
        text.lines().map(|line| format!("{}\n", line.rsplit_once(',').unwrap().0)).collect();
    room.write("bare.csv", without);
    room.done("encode t.narrows --data bare.csv --out bare-codes.csv");
    room.done("encode t.narrows --data t.csv --out codes.csv");
    assert_eq!(room.text("bare-codes.csv"), room.text("codes.csv"));
}

#[test]
fn a_classifier_tells_classes_and_how_sure_it_is() {
    let room = Room::new();
    write_idx_folder(&room, "digits");
    let settings = "--set model.kind=classifier --set model.hidden=[] --set model.code=8 --set train.epochs=15 --set train.batch=16 --out c.narrows";
    let trained = room.json(&format!("train digits {settings} --json"));
    assert_eq!(trained["evaluation"]["accuracy"].as_f64(), Some(1.0), "{trained}");
    let judged = room.json("evaluate c.narrows --data digits --json");
    assert_eq!(judged["rows"].as_u64(), Some(20));
    assert!(judged["cross_entropy"].as_f64().unwrap() < 0.6);
    assert_eq!(judged["confusion"], serde_json::json!([[10, 0], [0, 10]]));
    let ran = room.done("classify c.narrows --data digits --part test --out classes.csv");
    assert!(ran.stderr.contains("classes.csv: the classes of 20 rows"), "{}", ran.stderr);
    let classes = room.text("classes.csv");
    let lines: Vec<&str> = classes.lines().collect();
    assert_eq!((lines.len(), lines[0]), (21, "row,class,confidence"));
    assert!(lines[1].starts_with("1,0,0.") && lines[2].starts_with("2,1,0."), "{classes}");
    assert_eq!(room.done("classify c.narrows --data digits --part test").stdout, classes);
    let told = room.json("classify c.narrows --data digits --part all --json");
    assert_eq!(told["rows"].as_u64(), Some(100));
    let sure: f64 = told["confidences"][0].as_array().unwrap().iter().filter_map(Value::as_f64).sum();
    assert!((sure - 1.0).abs() < 1e-6);
}

#[test]
fn inspect_shows_layers_of_models_and_recipes_and_the_plan() {
    let room = Room::with_table_model();
    let ran = room.done("inspect t.narrows --plan");
    for part in
        ["5-6-2-6-5", "encoder.1 (the code)", "trained for 3 epochs on 48 rows", "MFLOP", "peak memory"]
    {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!room.done("inspect t.narrows").stdout.contains("MFLOP"));
    let shown = room.json("inspect mnist-deep --plan --json");
    assert_eq!(shown["parameters"].as_u64(), Some(2_837_314));
    assert_eq!(shown["layers"].as_array().unwrap().len(), 8);
    assert!(shown["plan"]["steps"].as_array().unwrap().len() > 20);
    assert!(shown["plan"]["peak_bytes"].as_u64().unwrap() > 4 * 2_837_314);
    assert_eq!(room.json("inspect t.narrows --json")["kind"], "model");
    let wide = room.json("inspect glyphs --set model.code=3 --json");
    assert_eq!((wide["kind"].as_str(), wide["code"].as_u64()), (Some("recipe"), Some(3)));
}

#[test]
fn report_is_written_beside_the_model_or_where_told() {
    let room = Room::with_table_model();
    std::fs::remove_file(room.path("t.html")).unwrap();
    room.done("report t.narrows --data t.csv");
    let page = room.text("t.html");
    assert!(page.contains("<html"), "{page}");
    let ran = room.done("report t.narrows --data t.csv --out elsewhere.html");
    assert_eq!(
        (ran.stdout.as_str(), room.text("elsewhere.html").contains("<html")),
        ("elsewhere.html\n", true)
    );
}

#[test]
fn recipes_are_listed_and_printed_and_can_be_changed_and_run() {
    let room = Room::new();
    let listed = room.done("recipes").stdout;
    for name in ["glyphs", "mnist-simple", "mnist-deep", "mnist-pca", "digits-16x16", "mnist-classifier"] {
        assert!(listed.contains(name), "{listed}");
    }
    assert!(room.done("recipes --settings").stdout.contains("train.epochs"));
    let text = room.done("recipes glyphs").stdout;
    room.write("mine.toml", text.replace("name = \"glyphs\"", ""));
    room.done(&format!("train mine.toml {GLYPHS} --quiet"));
    assert!(room.path("mine.narrows").exists());
}

#[test]
fn completions_come_for_every_shell() {
    let room = Room::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = room.done(&format!("completions {shell}")).stdout;
        assert!(script.contains("narrows") && script.contains("reconstruct"), "{shell}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let room = Room::new();
    assert!(room.done("").stdout.contains("First steps:"));
    assert!(room.done("train --help").stdout.contains("--resume"));
    assert!(room.done("--version").stdout.starts_with("narrows 0."));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let room = Room::new();
    let mut child = room.command("recipes --settings").spawn().unwrap();
    drop(child.stdout.take());
    let ran = crate::support::Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn tables_are_trained_on_with_the_defaults() {
    let room = Room::new();
    room.table("rows.csv", 60, 5);
    let ran = room.done(&format!("train rows.csv {TABLE}"));
    assert!(ran.stderr.contains("training rows\n") && room.path("rows.narrows").exists(), "{}", ran.stderr);
}

/// A model of texts counts its own words, whatever words other texts have.
#[test]
fn texts_are_trained_on_and_put_to_use() {
    let room = Room::new();
    let line = |row: usize| match row % 2 {
        0 => format!("{{\"text\": \"the cat has fur, cat {row}\", \"label\": \"pets\"}}\n"),
        _ => "{\"text\": \"a ship at sea; the sea\", \"label\": \"sea\"}\n".to_owned(),
    };
    room.write("texts-train.jsonl", (0..60).map(line).collect::<String>());
    room.write("texts-test.jsonl", (0..10).map(line).collect::<String>());
    let settings = "--set model.hidden=[] --set model.code=1 --set train.epochs=40 --set train.batch=8 --set train.learning_rate=0.02";
    let trained = room.json(&format!("train texts-train.jsonl {settings} --out t.narrows --json"));
    let judged = &trained["evaluation"];
    assert_eq!(judged["rows"].as_u64(), Some(10));
    assert!(
        judged["squared_error"].as_f64() < judged["baselines"]["mean"]["squared_error"].as_f64(),
        "{judged}"
    );
    room.write("other.jsonl", "{\"text\": \"sea and ship and storm\"}\n{\"text\": \"fur\"}\n");
    room.done("encode t.narrows --data other.jsonl --out codes.csv");
    room.write("ship.txt", "sea and ship and storm");
    room.done("encode t.narrows --data ship.txt --out file.csv");
    let codes = String::from_utf8(room.read("codes.csv")).unwrap();
    let file = String::from_utf8(room.read("file.csv")).unwrap();
    assert_eq!(codes.lines().nth(1), file.lines().nth(1));
    assert!(codes.lines().nth(1) != codes.lines().nth(2));
    let refused = room.refused("train glyphs --set data.prepare=tf-idf");
    assert!(refused.contains("counts of words"), "{refused}");
    let refused = room.refused("train texts-train.jsonl --set data.binarise=true");
    assert!(refused.contains("probabilities"), "{refused}");
    // A table's columns are no words.
    room.table("t.csv", 60, 5);
    room.done(&format!("train t.csv {TABLE} --out table.narrows"));
    let refused = room.refused("encode table.narrows --data other.jsonl --out x.csv");
    assert!(refused.contains("these are texts"), "{refused}");
}

#[test]
fn a_recipe_may_name_its_data() {
    let room = Room::new();
    room.table("rows.csv", 60, 5);
    room.write("mine.toml", "[data]\npath = \"rows.csv\"\n[train]\nepochs = 1\n");
    let trained = room.json("train mine.toml --json --skip report");
    assert_eq!((trained["rows"]["train"].as_u64(), trained["report"].is_null()), (Some(48), true));
    // Where the rows lay is no part of a model.
    assert!(!String::from_utf8_lossy(&room.read("mine.narrows")).contains("rows.csv"));
}

#[test]
fn without_test_rows_those_held_out_judge() {
    let room = Room::new();
    room.table("t.csv", 60, 5);
    let trained = room.json(&format!("train t.csv {TABLE} --set data.test=0 --json"));
    assert_eq!(trained["evaluation"]["rows"].as_u64(), Some(6));
    assert!(trained["notes"][0].as_str().unwrap().contains("held-out rows"), "{trained}");
    let judged = room.json("evaluate t.narrows --data t.csv --json");
    assert_eq!(judged["squared_error"], trained["evaluation"]["squared_error"]);
}

#[test]
fn inspect_takes_the_width_of_the_data() {
    let room = Room::new();
    room.table("t.csv", 60, 5);
    assert_eq!(room.json("inspect glyphs --data t.csv --json")["features"].as_u64(), Some(6));
    let shown = room.json("inspect glyphs --data t.csv --set data.label=kind --json");
    assert_eq!(shown["features"].as_u64(), Some(5));
    room.write("bare.toml", "");
    assert!(room.refused("inspect bare.toml").contains("depends on the data"));
}

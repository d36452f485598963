//! Each kind of data, in and out.

use crate::support::{GLYPHS, Room, TABLE, write_idx_folder};

/// Twelve codes of four numbers.
fn codes() -> String {
    (0..40).map(|row| format!("{},{},{},{}\n", row, 40 - row, row % 7, row % 3)).collect()
}

#[test]
fn pictures_go_out_and_can_be_learned_from() {
    let room = Room::new();
    room.done(&format!("train {GLYPHS} --quiet"));
    room.write("codes.csv", codes());
    room.done("decode glyphs.narrows --codes codes.csv --out drawn");
    assert_eq!(std::fs::read_dir(room.path("drawn")).unwrap().count(), 40);
    let ran = room.done("train drawn --set model.hidden=[16] --set model.code=2 --set train.epochs=1");
    assert!(ran.stderr.contains("pictures: 28x28 grey images"), "{}", ran.stderr);
    room.done("reconstruct drawn.narrows --data drawn --out again");
    assert_eq!(std::fs::read_dir(room.path("again")).unwrap().count(), 40);
    // One picture alone is a row like any other.
    room.done("encode drawn.narrows --data drawn --out all.csv");
    room.done("encode drawn.narrows --data drawn/00000.png --out one.csv");
    let all = room.text("all.csv");
    assert_eq!(room.text("one.csv").lines().nth(1), all.lines().nth(1));
}

#[test]
fn pictures_are_classified_under_their_own_names() {
    let room = Room::new();
    room.done(&format!("train {GLYPHS} --quiet"));
    room.write("codes.csv", codes());
    std::fs::create_dir(room.path("drawn")).unwrap();
    for kind in ["a", "b"] {
        room.done(&format!("decode glyphs.narrows --codes codes.csv --out drawn/{kind}"));
    }
    let settings =
        "--set model.kind=classifier --set model.hidden=[] --set model.code=2 --set train.epochs=1";
    room.done(&format!("train drawn {settings} --out c.narrows --quiet"));
    let told = room.done("classify c.narrows --data drawn").stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!((lines.len(), lines[0]), (81, "row,name,class,confidence"));
    assert!(lines[1].starts_with("1,a/00000.png,") && lines[80].starts_with("80,b/00039.png,"), "{told}");
    assert_eq!(room.json("classify c.narrows --data drawn --json")["names"][79], "b/00039.png");
}

#[test]
fn arrays_go_out_and_can_be_learned_from() {
    let room = Room::new();
    room.done(&format!("train {GLYPHS} --quiet"));
    room.write("codes.csv", codes());
    room.done("decode glyphs.narrows --codes codes.csv --out drawn.npy");
    assert!(room.read("drawn.npy").starts_with(b"\x93NUMPY"));
    let ran = room.done("train drawn.npy --set model.hidden=[] --set model.code=2 --set train.epochs=1");
    assert!(ran.stderr.contains("npy: "), "{}", ran.stderr);
    room.done("encode drawn.narrows --data drawn.npy --out codes.npy");
    // A header of 128 bytes, then 40 × 2 numbers of 4 bytes.
    assert_eq!(room.read("codes.npy").len(), 128 + 40 * 2 * 4);
}

#[test]
fn idx_folders_have_a_test_part_of_their_own() {
    let room = Room::new();
    write_idx_folder(&room, "digits");
    let ran = room.done("train digits --set model.hidden=[] --set model.code=2 --set train.epochs=2");
    assert!(
        ran.stderr.contains("20 to test by, a part of their own (idx: 6x6 grey images)"),
        "{}",
        ran.stderr
    );
    let ran = room.done("encode digits.narrows --data digits --out train.csv");
    assert!(ran.stderr.contains("these are the 80 rows of the training part"), "{}", ran.stderr);
    room.done("encode digits.narrows --data digits --part test --out test.csv");
    room.done("encode digits.narrows --data digits --part all --out all.csv");
    let (train, test, all) = (room.text("train.csv"), room.text("test.csv"), room.text("all.csv"));
    assert_eq!((train.lines().count(), test.lines().count()), (81, 21));
    assert_eq!(all, format!("{train}{}", test.split_once('\n').unwrap().1));
    assert_eq!(
        room.json("evaluate digits.narrows --data digits --split all --json")["rows"].as_u64(),
        Some(100)
    );
}

#[test]
fn a_recipe_that_draws_takes_other_data() {
    let room = Room::new();
    room.table("t.csv", 60, 5);
    let ran = room.done(&format!("train glyphs --data t.csv {TABLE}"));
    assert!(ran.stderr.contains("csv: 5 columns"), "{}", ran.stderr);
}

#[test]
fn a_kind_can_be_named_where_the_path_does_not_tell() {
    let room = Room::with_table_model();
    std::fs::copy(room.path("t.csv"), room.path("t.data")).unwrap();
    room.done("encode t.narrows --data t.data --kind csv --out a.csv");
    room.done("encode t.narrows --data t.csv --out b.csv");
    assert_eq!(room.text("a.csv"), room.text("b.csv"));
    for command in ["evaluate", "report --out page.html"] {
        room.done(&format!("{command} t.narrows --data t.data --kind csv"));
        assert!(room.refused(&format!("{command} t.narrows --data t.data --kind npy")).contains("NPY"));
    }
    assert!(room.refused("encode t.narrows --data t.csv --kind npy --out c.csv").contains("NPY"));
}

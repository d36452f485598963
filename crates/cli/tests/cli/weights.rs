//! Weights of other programs: from a file to a model in use, and what is refused.

use crate::support::Room;
use narrows::data::png_bytes;

/// A safetensors file of numbers that follow each other.
fn write_weights(room: &Room, name: &str, tensors: &[(&str, &[usize])]) {
    let (mut entries, mut bytes) = (Vec::new(), Vec::new());
    for (tensor, sizes) in tensors {
        let start = bytes.len();
        let count = sizes.iter().product::<usize>();
        let values = (0..count).map(|at| ((at * 37 + start) % 101) as f32 / 101.0 - 0.3);
        values.for_each(|value| bytes.extend(value.to_le_bytes()));
        entries.push(format!(
            "\"{tensor}\":{{\"dtype\":\"F32\",\"shape\":{sizes:?},\"data_offsets\":[{start},{}]}}",
            bytes.len()
        ));
    }
    let header = format!("{{{}}}", entries.join(","));
    room.write(name, [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes].concat());
}

#[test]
fn published_weights_become_a_model_that_is_put_to_use() {
    let room = Room::new();
    room.write(
        "small.toml",
        "name = \"small\"\n[data]\nsource = \"pictures\"\nsize = [4, 4]\ncolour = true\nclasses = 2\n[model]\nkind = \"classifier\"\n\
         hidden = [{ kind = \"convolution\", channels = 3 }, \"max-pool\"]\ncode = 0\nactivation = \"relu\"\n",
    );
    let layers: [(&str, &[usize]); 4] = [
        ("features.0.weight", &[3, 3, 3, 3]),
        ("features.0.bias", &[3]),
        ("classifier.weight", &[2, 12]),
        ("classifier.bias", &[2]),
    ];
    write_weights(&room, "small.safetensors", &layers);
    room.write("names.txt", "cat\ndog\n");
    let ran = room.done("import small.toml --weights small.safetensors --classes names.txt");
    assert!(ran.stdout.contains("encoder.0  features.0  3×3×3×3"), "{}", ran.stdout);
    assert!(ran.stderr.contains("small.narrows: small, 110 parameters; pixels of 0 to 255 become 0 to 1"));
    let shown = room.done("inspect small.narrows").stdout;
    assert!(shown.contains("imported weights (pictures: 4x4 colour images)\nclasses: cat, dog"), "{shown}");
    let judged = |folder: &str| room.json(&format!("classify small.narrows --data {folder} --json"));
    for (class, light) in [("cat", 40), ("dog", 200)] {
        let pixels: Vec<u8> = (0..16).flat_map(|at| [light, at, 255 - light]).collect();
        room.write(&format!("pets/{class}/a.png"), png_bytes(4, 4, 3, &pixels));
    }
    let told = judged("pets");
    assert_eq!((told["rows"].as_u64(), &told["classes"][1]), (Some(2), &serde_json::json!("dog")));
    let all = room.json("evaluate small.narrows --data pets --json");
    assert!(all["notes"][0].as_str().unwrap().contains("what the imported weights were trained on"), "{all}");
    room.done("report small.narrows --data pets");
    let page = room.text("small.html");
    assert!(page.contains("imported") && !page.contains("rows a step"));

    let asked = "import small.toml --weights small.safetensors --out other.narrows";
    let told = room.json(&format!("{asked} --mean 0.5 --deviation 0.25 --epsilon 0.001 --json"));
    assert_eq!(told["preparation"]["mean"], serde_json::json!([127.5]));
    assert_eq!(
        told["weights"][1],
        serde_json::json!({"layer": "output", "found": "classifier", "sizes": [2, 12], "other": null})
    );
    for (added, message) in [
        (
            "--mean 0.5,0.5 --deviation 1,1",
            "--mean and --deviation: expected one number each, or 3, found 2 and 2",
        ),
        ("--mean 124 --deviation 1", "expected means from 0 to 1"),
        ("--mean 0 --deviation 0", "expected deviations above 0"),
        ("--mean 0.5", "--deviation"),
        ("--classes small.toml", "expected 2 names (data.classes), found"),
        ("--epsilon=-1", "--epsilon -1: expected a number from 0"),
        (
            "--set data.classes=3",
            "output: expected weights of 3×12, a bias of 3 or none, found classifier (2×12, bias 2)",
        ),
        ("--set data.prepare=standardise", "data.prepare: \"standardise\" goes by training rows"),
        ("--set data.size=[8,8]", "output: expected weights of 2×48"),
    ] {
        let ran = room.run(&format!("{asked} {added}"));
        assert_eq!(ran.code, 1, "{added}: {}", ran.stderr);
        assert!(ran.stderr.contains(message), "{added}: {}", ran.stderr);
    }
    let ran = room.run("import small.toml --weights small.safetensors --out small.safetensors");
    assert!(ran.stderr.contains("write to another place"), "{}", ran.stderr);
    let ran = room.run("import small.toml --weights small.safetensors --out small.toml");
    assert!(ran.stderr.contains("write to another place"), "{}", ran.stderr);
    room.write("cranes.txt", "\u{feff}crane\ncrane\n\n");
    let told =
        room.json(&format!("{asked} --mean 0.1,0.2,0.3 --deviation 1,1,0.5 --classes cranes.txt --json"));
    assert_eq!(told["preparation"]["deviation"], serde_json::json!([255.0, 255.0, 127.5]));
    let shown = room.done("inspect other.narrows").stdout;
    assert!(shown.contains("classes: crane, crane (2)"), "{shown}");
    // As it is prepared before layers, so it is inside the network.
    let codes = |data: &str| {
        room.done(&format!("encode other.narrows --data {data} --out codes.csv"));
        room.text("codes.csv")
    };
    assert_ne!(codes("pets/cat"), codes("pets/dog"));
}

/// Numbers of rows that are no pictures; layers that a file's order does not tell apart.
#[test]
fn weights_of_tables_are_imported_and_what_is_guessed_is_told() {
    let room = Room::new();
    room.write(
        "table.toml",
        "name = \"table\"\n[model]\nhidden = [3]\ncode = 3\noutput = \"gaussian\"\ndecoder = []\n",
    );
    let layers: [(&str, &[usize]); 3] =
        [("encode.weight", &[3, 3]), ("code.weight", &[3, 3]), ("z.weight", &[3, 3])];
    write_weights(&room, "table.safetensors", &layers);
    let asked = "import table.toml --weights table.safetensors";
    assert!(room.run(asked).stderr.contains("table: how wide its rows are is not said"));
    let ran = room.done(&format!("{asked} --width 3"));
    assert!(ran.stdout.contains("encoder.0  code      3×3          encode"), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("does not tell in which order")
            && ran.stderr.contains("rows are taken as they are")
    );
    room.write("rows.csv", "1,2,3\n4,5,6\n7,8,8\n1,0,1\n2,2,2\n");
    room.done("encode table.narrows --data rows.csv --out codes.csv");
    assert_eq!(room.text("codes.csv").lines().count(), 5 + 1);
}

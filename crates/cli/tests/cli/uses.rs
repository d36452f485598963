//! What trained autoencoders are put to: cleaning, making, going from one row to another, and probing.

use crate::support::{Room, write_idx_folder};

const SMALL: &str = "--set model.hidden=[12] --set train.epochs=3 --set train.batch=16 --quiet";

/// A folder of digits with a model of it.
fn digits(settings: &str) -> Room {
    let room = Room::new();
    write_idx_folder(&room, "digits");
    room.done(&format!("train digits {SMALL} {settings} --out m.narrows"));
    room
}

/// The numbers of an NPY file that Narrows wrote: a header of 128 bytes, then f32.
fn numbers(room: &Room, name: &str) -> Vec<f32> {
    room.read(name)[128..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[test]
fn corrupted_rows_are_cleaned() {
    let room = digits("--set model.code=8 --set train.corruption=masking");
    let ran = room.done("denoise m.narrows --data digits --part test --corrupt worse.npy --out clean.npy");
    assert!(ran.stderr.contains("clean.npy: 20 rows, cleaned"), "{}", ran.stderr);
    let (worse, clean) = (numbers(&room, "worse.npy"), numbers(&room, "clean.npy"));
    assert_eq!((worse.len(), clean.len()), (720, 720));
    let masked = worse.iter().filter(|value| **value == 0.0).count();
    assert!((120..240).contains(&masked), "{masked} of 720 masked, a quarter asked for");
    // What was written corrupted is cleaned to the same when it comes in from outside.
    room.done("denoise m.narrows --data worse.npy --out again.npy");
    let again = numbers(&room, "again.npy");
    assert!(again.iter().zip(&clean).all(|(again, clean)| (again - clean).abs() < 0.05));
    room.done("denoise m.narrows --data digits --part test --corrupt other.npy --seed 2 --out clean.npy");
    assert_ne!(numbers(&room, "other.npy"), worse);
    let judged = room.json("evaluate m.narrows --data digits --json");
    assert!(judged["denoising"]["as_it_is"].as_f64().unwrap() > 0.0, "{judged}");
}

#[test]
fn rows_are_made_from_a_prior_from_a_mixture_and_on_a_grid() {
    let room = digits("--set model.code=2 --set model.bottleneck=gaussian");
    let ran = room.done("generate m.narrows --count 10 --out a.npy");
    assert!(ran.stderr.contains("a.npy: 10 rows from codes from the prior"), "{}", ran.stderr);
    room.done("generate m.narrows --count 4 --out b.npy");
    assert_eq!(numbers(&room, "a.npy")[..4 * 36], numbers(&room, "b.npy")[..]);
    room.done("generate m.narrows --count 4 --seed 9 --out c.npy");
    assert_ne!(numbers(&room, "b.npy"), numbers(&room, "c.npy"));
    let ran = room.done("generate m.narrows --components 2 --data digits --count 5 --out d.npy");
    assert!(ran.stderr.contains("a mixture of 2 normal distributions"), "{}", ran.stderr);
    room.done("generate m.narrows --grid 3 --out map.png");
    // Three pictures of 6 pixels a side, with two between.
    let png = room.read("map.png");
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!((side(16), side(20)), (22, 22));
    let judged = room.json("evaluate m.narrows --data digits --samples 3 --json");
    let bound = &judged["bound"];
    let sum = bound["reconstruction"].as_f64().unwrap() + bound["divergence"].as_f64().unwrap();
    assert!((bound["bound"].as_f64().unwrap() - sum).abs() < 1e-9 && bound["samples"] == 3, "{judged}");
}

#[test]
fn rows_between_two_rows() {
    let room = digits("--set model.code=3");
    room.done("interpolate m.narrows --data digits --from 1 --to 2 --steps 5 --out line.npy");
    room.done("reconstruct m.narrows --data digits --out all.npy");
    let (line, all) = (numbers(&room, "line.npy"), numbers(&room, "all.npy"));
    assert_eq!(line.len(), 5 * 36);
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
    assert!(near(&line[..36], &all[..36]) && near(&line[144..], &all[36..72]));
    assert!(!near(&line[72..108], &all[..36]));
}

#[test]
fn codes_are_probed_beside_rows_and_pca() {
    let room = digits("--set model.code=4");
    let told = room.json("probe m.narrows --data digits --labels-per-class 6 --draws 3 --json");
    let probes = told["probes"].as_array().unwrap();
    let on: Vec<&str> = probes.iter().map(|probe| probe["on"].as_str().unwrap()).collect();
    assert_eq!(on, ["codes", "rows", "PCA"]);
    for probe in probes {
        let each: Vec<f64> =
            probe["accuracies"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect();
        assert_eq!(each.len(), 3);
        assert!((probe["accuracy"].as_f64().unwrap() - each.iter().sum::<f64>() / 3.0).abs() < 1e-12);
        // Bright above or bright below: easy, and from six labelled rows of each.
        assert!(each.iter().all(|accuracy| *accuracy == 1.0), "{probe}");
    }
    // Rows that a probe learns from do not judge it: of 80 rows without a test part, a tenth is set aside.
    write_idx_folder(&room, "other");
    for file in ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
        std::fs::remove_file(room.path("other").join(file)).unwrap();
    }
    let told = room.json("probe m.narrows --data other --labels-per-class 2 --json");
    assert_eq!(told["rows"].as_u64(), Some(8), "{told}");
    let text = room.done("probe m.narrows --data digits --labels-per-class 2").stdout;
    assert!(text.contains("over 5 draws") && text.contains("on PCA, 4 numbers"), "{text}");
}

#[test]
fn boltzmann_machines_make_rows_and_tell_how_probable_rows_are() {
    let machine = "--set model.kind=boltzmann --set data.binarise=true --set train.learning_rate=0.02";
    let room = digits(&format!("{machine} --set model.code=7"));
    let ran = room.done("generate m.narrows --count 10 --steps 20 --out a.npy");
    assert!(ran.stderr.contains("a.npy: 10 rows from Gibbs chains of 20 steps"), "{}", ran.stderr);
    room.done("generate m.narrows --count 4 --steps 20 --out b.npy");
    assert_eq!(numbers(&room, "a.npy")[..4 * 36], numbers(&room, "b.npy")[..]);
    room.done("generate m.narrows --count 4 --steps 30 --out c.npy");
    assert_ne!(numbers(&room, "b.npy"), numbers(&room, "c.npy"));
    room.done("generate m.narrows --components 2 --data digits --count 5 --out d.npy");
    // The machine on top is small: its states are gone through, and the same numbers come out again.
    let judged = room.json("evaluate m.narrows --data digits --json");
    let likelihood = &judged["likelihood"];
    assert_eq!((&likelihood["is_bound"], &likelihood["log_partition_error"]), (&true.into(), &0.0.into()));
    assert!(likelihood["log_likelihood"].as_f64().unwrap() < 0.0, "{judged}");
    assert_eq!(room.json("evaluate m.narrows --data digits --json"), judged);
    // A larger one is judged by chains, unless none are wanted.
    room.done(&format!(
        "train digits {SMALL} {machine} --set model.hidden=[] --set model.code=40 --out w.narrows"
    ));
    let annealed = room.json("evaluate w.narrows --data digits --samples 5 --json");
    assert!(annealed["likelihood"]["log_partition_error"].as_f64().unwrap() > 0.0, "{annealed}");
    let without = room.json("evaluate w.narrows --data digits --samples 0 --json");
    assert!(without["likelihood"]["log_likelihood"].is_null(), "{without}");
    for key in ["free_energy", "pseudo_log_likelihood"] {
        assert_eq!(without["likelihood"][key], annealed["likelihood"][key]);
    }
}

#[test]
fn what_a_model_cannot_do_is_refused() {
    let room = digits("--set model.code=3");
    let says = |line: &str, words: &str| assert!(line.contains(words), "{line}");
    says(&room.refused("generate m.narrows --grid 4 --data digits --out g.png"), "a code of 2 units");
    says(&room.refused("generate m.narrows --out g.png"), "no prior");
    says(&room.refused("interpolate m.narrows --data digits --from 0 --to 2 --out i.png"), "rows 1 to 80");
    says(&room.refused("denoise m.narrows --data digits --corrupt c.npy --out d.npy"), "clean rows");
    says(&room.refused("probe m.narrows --data digits --labels-per-class 500"), "500 rows");
    says(&room.refused("evaluate m.narrows --data digits --samples 5"), "no likelihood to estimate");
    room.done(&format!(
        "train digits {SMALL} --set model.code=2 --set model.bottleneck=gaussian --out v.narrows"
    ));
    says(&room.refused("generate v.narrows --data digits --out g.npy"), "makes rows on its own");
    says(&room.refused("generate v.narrows --steps 5 --out g.npy"), "no Boltzmann machine");
    room.table("t.csv", 60, 5);
    let machine = "train t.csv --set model.kind=boltzmann";
    says(
        &room.refused(&format!("{machine} --set model.output=bernoulli --set data.prepare=standardise")),
        "0 to 1",
    );
    says(
        &room.refused(&format!("{machine} --set model.code_activation=tanh")),
        "units that Boltzmann machines have",
    );
    says(&room.refused(&format!("{machine} --set model.dropout=0.1")), "drawn already");
    says(&room.refused(&format!("{machine} --set train.pretraining=greedy")), "all there is to train");
    says(&room.refused("train t.csv --set train.chain=persistent"), "without Boltzmann machines");
    says(&room.refused("train t.csv --set train.pretraining=rbm"), "units that Boltzmann machines have");
    says(
        &room.refused("train t.csv --set data.binarise=true --set data.prepare=standardise"),
        "probabilities",
    );
    for ignored in [
        "generate v.narrows --kind idx --out g.npy",
        "generate v.narrows --grid 3 --seed 2 --out g.npy",
        "denoise m.narrows --data digits --seed 2 --out d.npy",
        "probe m.narrows --kind idx --labels-per-class 2",
    ] {
        assert_eq!(room.run(ignored).code, 1, "{ignored}");
    }
    says(&room.refused("train t.csv --set train.corruption=block"), "cannot be cut out");
    says(&room.refused("train t.csv --set train.corruption.share=1"), "another kind");
    says(&room.refused("train t.csv --set train.corruption={kind='masking',share=1.0}"), "less than 1");
    says(
        &room.refused("train t.csv --set train.penalty.sparsity={kind='kl',target=0.0}"),
        "more than 0 and less than 1",
    );
    says(&room.refused("train t.csv --set model.tied=true --set model.decoder=[3]"), "unequal shapes");
    says(&room.refused("train t.csv --set model.output=bernoulli --set data.prepare=standardise"), "0 to 1");
    room.done("train t.csv --set model.hidden=[] --set train.epochs=1 --out t.narrows --quiet");
    says(&room.refused("interpolate t.narrows --data t.csv --from 1 --to 2 --out i.png"), "no pictures");
}

/// A recipe's rivals learn from the same rows, stand in verdict and report, and are not trained twice when a run goes on.
#[test]
fn rivals_are_trained_beside_the_model() {
    let room = Room::new();
    write_idx_folder(&room, "digits");
    let recipe = "name = 'r'\n[model]\nhidden = [12]\ncode = 3\n[train]\nepochs = 3\nbatch = 16\n\
                  [rivals]\nnarrow = { 'model.code' = 1 }\nlinear = { 'model.hidden' = [] }\n";
    std::fs::write(room.path("r.toml"), recipe).unwrap();
    let told = room.json("train r.toml --data digits --quiet --json");
    let rivals = told["evaluation"]["rivals"].as_array().unwrap();
    let names: Vec<&str> = rivals.iter().map(|rival| rival["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["narrow", "linear"]);
    // Each figure is what the rival's own model file is judged by.
    for rival in rivals {
        let own = format!("evaluate r-{}.narrows --data digits --json", rival["name"].as_str().unwrap());
        assert_eq!(room.json(&own)["squared_error"], rival["figure"]);
    }
    let page = String::from_utf8(room.read("r.html")).unwrap();
    assert!(page.contains(">narrow<") && page.contains("filters-2"), "no rivals on the page");
    let before = room.read("r-narrow.narrows");
    std::fs::write(room.path("r-linear.narrows"), b"spoilt").unwrap();
    let again = room.run("train r.toml --data digits --resume");
    assert!(again.stdout.contains("linear  ") && again.stdout.contains("narrow  "), "{}", again.stdout);
    // The one that stands is taken up; the spoilt one is trained anew.
    assert!(
        again.stderr.contains("r-linear") && !again.stderr.contains("training r-narrow"),
        "{}",
        again.stderr
    );
    assert_eq!(room.read("r-narrow.narrows"), before);
    room.write("w.toml", "[rivals]\n'a/b' = { 'model.code' = 1 }\na-b = { 'model.code' = 2 }\n");
    let refused = room.refused("train w.toml --data digits");
    assert!(refused.contains("another rival's file"), "{refused}");
    let wrong = "[rivals]\nbad = { 'data.rows' = 5 }\n";
    std::fs::write(room.path("w.toml"), wrong).unwrap();
    let refused = room.refused("train w.toml --data digits");
    assert!(refused.contains("rivals.bad.data.rows"), "{refused}");
    for foreign in ["'train.seed' = 2", "'model.kind' = 'classifier'", "train = { epochs = 2 }"] {
        std::fs::write(room.path("w.toml"), format!("[rivals]\nbad = {{ {foreign} }}\n")).unwrap();
        let refused = room.refused("train w.toml --data digits");
        assert!(refused.contains("a setting of the model or of its training by its path"), "{refused}");
    }
    std::fs::write(room.path("w.toml"), "[rivals]\nbad = { 'model.cod' = 5 }\n").unwrap();
    let refused = room.refused("train w.toml --data digits");
    assert!(refused.contains("rivals.bad") && refused.contains("model.cod"), "{refused}");
}

#[test]
fn patches_take_the_place_of_pictures() {
    let room = Room::new();
    write_idx_folder(&room, "digits");
    let told = room.json("train digits --set data.patch=[3,4] --set data.rows=200 --set data.test_rows=30 --set model.hidden=[] --set model.code=3 --set train.epochs=2 --out p.narrows --quiet --json");
    assert_eq!((&told["rows"]["train"], &told["rows"]["test"]), (&180.into(), &30.into()), "{told}");
    let shown = room.json("inspect p.narrows --json");
    assert_eq!(shown["features"], 12);
    let refused = room.refused("train digits --set data.patch=[9,2] --out q.narrows");
    assert!(refused.contains("a patch of 9x2 pixels cannot be cut out of 6x6 pixels"), "{refused}");
}

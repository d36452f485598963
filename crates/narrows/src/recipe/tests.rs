//! Tests of the room: every setting is read, checked, documented and written back; every recipe parses.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;

/// Another value than the default for every setting, as `--set` takes it; kinds that settings belong to come first.
const OTHER_VALUES: &[(&str, &str)] = &[
    ("name", "mine"),
    ("about", "what it is"),
    ("data.source", "csv"),
    ("data.path", "table.csv"),
    ("data.rows", "500"),
    ("data.test_rows", "100"),
    ("data.size", "[16, 8]"),
    ("data.patch", "[6, 4]"),
    ("data.in_memory", "1e6"),
    ("data.colour", "true"),
    ("data.channels", "4"),
    ("data.channels_first", "true"),
    ("data.classes", "7"),
    ("data.maps", "annot"),
    ("data.void", "11"),
    ("data.class_names", "['a', 'b']"),
    ("data.label", "species"),
    ("data.header", "true"),
    ("data.array", "x_train"),
    ("data.words", "300"),
    ("data.prepare", "standardise"),
    ("data.binarise", "true"),
    ("data.labels_per_class", "5"),
    ("data.validation", "0.2"),
    ("data.test", "50"),
    ("model.kind", "classifier"),
    ("model.hidden", "[20, 10]"),
    ("model.hidden[0].units", "9"),
    ("model.hidden[0].activation", "tanh"),
    ("model.hidden[0].batch_normalisation", "true"),
    ("model.hidden[0].bias", "none"),
    ("model.hidden[0].channels", "7"),
    ("model.hidden[0].size", "[3, 5]"),
    ("model.hidden[0].stride", "3"),
    ("model.hidden[0].dilation", "2"),
    ("model.hidden[0].padding", "[1, 2]"),
    ("model.hidden[0].output_padding", "1"),
    ("model.hidden[0].groups", "2"),
    ("model.hidden[0].offset", "1"),
    ("model.hidden[0].alpha", "0.5"),
    ("model.hidden[0].beta", "0.5"),
    ("model.hidden[0].rate", "0.25"),
    ("model.hidden[0].height", "3"),
    ("model.hidden[0].width", "4"),
    ("model.hidden[0].layers", "[9]"),
    ("model.hidden[0].shortcut", "[9]"),
    ("model.hidden[0].times", "2"),
    ("model.hidden[0].branches", "[[9], []]"),
    ("model.code", "5"),
    ("model.decoder", "[12]"),
    ("model.growth", "upsample"),
    ("model.activation", "relu"),
    ("model.code_activation", "sigmoid"),
    ("model.bottleneck", "gaussian"),
    ("model.bottleneck.beta", "0.5"),
    ("model.bottleneck.warmup", "2"),
    ("model.bottleneck.free_bits", "0.5"),
    ("model.bottleneck.noise", "1"),
    ("model.bottleneck.straight_through", "true"),
    ("model.bottleneck.keep", "4"),
    ("model.bottleneck.batch", "true"),
    ("model.bottleneck.dead_after", "5"),
    ("model.bottleneck.auxiliary", "0"),
    ("model.bottleneck.auxiliary_keep", "7"),
    ("model.bottleneck.conscience", "0.5"),
    ("model.tied", "true"),
    ("model.output", "bernoulli"),
    ("model.initial", "orthogonal"),
    ("model.initial.connections", "7"),
    ("model.initial.value", "0.5"),
    ("model.initial.deviation", "0.1"),
    ("model.dropout", "0.25"),
    ("model.input_dropout", "0.125"),
    ("model.batch_normalisation", "true"),
    ("model.auxiliary", "[{ after = 1, layers = [5] }]"),
    ("train.epochs", "7"),
    ("train.batch", "33"),
    ("train.optimiser", "sgd"),
    ("train.optimiser.momentum", "0.8"),
    ("train.optimiser.decay", "0.95"),
    ("train.optimiser.beta1", "0.8"),
    ("train.optimiser.beta2", "0.99"),
    ("train.optimiser.epsilon", "1e-6"),
    ("train.learning_rate", "0.1"),
    ("train.schedule", "constant"),
    ("train.schedule.every", "3"),
    ("train.schedule.factor", "0.25"),
    ("train.schedule.last", "0.125"),
    ("train.schedule.rise", "0.5"),
    ("train.schedule.first", "0.5"),
    ("train.schedule.patience", "2"),
    ("train.schedule.least", "0.25"),
    ("train.warmup", "1.5"),
    ("train.clip_norm", "1"),
    ("train.clip_value", "2"),
    ("train.weight_decay", "0.001"),
    ("train.average", "0.999"),
    ("train.patience", "3"),
    ("train.augment_shift", "2"),
    ("train.augment_flip", "true"),
    ("train.augment_crop", "0.2"),
    ("train.augment_rotate", "10"),
    ("train.augment_scale", "0.1"),
    ("train.augment_brightness", "0.3"),
    ("train.augment_elastic", "1.5"),
    ("train.class_weights", "median-frequency"),
    ("train.corruption", "masking"),
    ("train.corruption.share", "0.5"),
    ("train.corruption.deviation", "0.5"),
    ("train.corruption.height", "3"),
    ("train.corruption.width", "3"),
    ("train.emphasis", "2"),
    ("train.penalty.code_l1", "0.1"),
    ("train.penalty.code_l2", "0.1"),
    ("train.penalty.sparsity", "kl"),
    ("train.penalty.sparsity.target", "0.2"),
    ("train.penalty.sparsity.weight", "2"),
    ("train.penalty.sparsity.running", "0.9"),
    ("train.penalty.contraction", "exact"),
    ("train.penalty.contraction.weight", "2"),
    ("train.penalty.contraction.draws", "2"),
    ("train.penalty.unit_atoms", "true"),
    ("train.pretraining", "greedy"),
    ("train.pretraining.epochs", "3"),
    ("train.pretraining.learning_rate", "0.1"),
    ("train.pretraining.real_learning_rate", "0.002"),
    ("train.pretraining.momentum", "0.5"),
    ("train.pretraining.weight_decay", "0.001"),
    ("train.chain", "persistent"),
    ("train.chain.steps", "7"),
    ("train.chain.means", "true"),
    ("train.checkpoint_seconds", "5"),
    ("train.seed", "42"),
    ("rivals", "{ narrow = { \"model.code\" = 3 }, linear = { \"model.hidden\" = [] } }"),
];

/// What settings need beside them.
fn companions(path: &str, kind: Option<&str>) -> Vec<(String, String)> {
    pairs(match (path, kind) {
        ("model.growth", _) => &[("model.hidden[0]", "max-pool")],
        ("data.labels_per_class" | "model.auxiliary" | "train.class_weights", _) => {
            &[("model.kind", "classifier")]
        }
        ("train.emphasis", _) => &[("train.corruption", "masking")],
        ("data.maps" | "data.void" | "data.class_names", _) => {
            &[("model.kind", "segmenter"), ("data.maps", "_maps")]
        }
        (path, Some("rbm")) if path.starts_with("train.pretraining") => {
            &[("model.activation", "relu"), ("model.code_activation", "relu")]
        }
        (path, _) if path.starts_with("train.chain") => &[("model.kind", "boltzmann")],
        (_, Some("kl")) | ("train.penalty.sparsity", _) => &[("model.code_activation", "sigmoid")],
        (_, Some("top-k")) => &[("model.code", "64"), ("model.hidden", "[]")],
        _ => &[],
    })
}

fn pairs(overrides: &[(&str, &str)]) -> Vec<(String, String)> {
    overrides.iter().map(|(path, value)| ((*path).to_string(), (*value).to_string())).collect()
}

fn with(overrides: &[(&str, &str)]) -> Result<Recipe, RecipeProblems> {
    Recipe::parse("", &pairs(overrides))
}

fn problems(text: &str) -> Vec<RecipeProblem> {
    Recipe::parse(text, &[]).expect_err("the recipe is wrong").problems
}

/// Asserts that a recipe reads back unchanged from TOML, from JSON and from serde's TOML.
fn assert_round_trip(recipe: &Recipe) {
    assert_eq!(Recipe::parse(&recipe.to_toml(), &[]).as_ref(), Ok(recipe), "{}", recipe.to_toml());
    let json = serde_json::to_string(recipe).unwrap();
    assert_eq!(&serde_json::from_str::<Recipe>(&json).unwrap(), recipe, "{json}");
    assert_eq!(&toml::from_str::<Recipe>(&toml::to_string(recipe).unwrap()).unwrap(), recipe);
}

/// The kinds (by the setting that chooses) among whose settings the one at `path` is.
fn kinds_with(path: &str) -> Vec<(String, String)> {
    let settings = Recipe::settings();
    let mut kind = None;
    let mut kinds = Vec::new();
    for setting in &settings {
        if let Some((chooser, word)) = setting.path.split_once(" = ") {
            // Blocks are nothing without the layers in them.
            let least = match word.trim_matches('"') {
                "residual" => "{ kind = 'residual', layers = [8] }",
                "parallel" => "{ kind = 'parallel', branches = [[8]] }",
                word => word,
            };
            kind = Some((chooser.to_string(), least.to_string()));
        } else if setting.path == path {
            kinds.extend(kind.clone().filter(|(chooser, _)| path.starts_with(&format!("{chooser}."))));
        }
    }
    kinds
}

#[test]
fn every_built_in_recipe_parses_and_round_trips() {
    for name in Recipe::built_in_names() {
        let text = Recipe::built_in(name).unwrap();
        assert!(text.starts_with("# "), "{name} begins with a comment that says what it is");
        assert!(text.contains("# Look at:"), "{name} says what to look at");
        let recipe = Recipe::parse(text, &[]).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        assert_eq!(recipe.name, name);
        assert!(!recipe.about.is_empty());
        assert_round_trip(&recipe);
    }
}

#[test]
fn every_built_in_recipe_takes_the_promised_overrides() {
    let overrides = pairs(&[("train.epochs", "3"), ("train.batch", "17"), ("model.code", "40")]);
    for name in Recipe::built_in_names() {
        let recipe = Recipe::parse(Recipe::built_in(name).unwrap(), &overrides).unwrap();
        assert_eq!((recipe.train.epochs, recipe.train.batch, recipe.model.code), (3, 17, 40), "{name}");
    }
}

#[test]
fn every_file_in_the_recipe_folder_is_built_in() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, Recipe::built_in_names().map(str::to_string).collect());
}

#[test]
fn an_unknown_recipe_has_a_nearest_one() {
    assert_eq!(Recipe::nearest_built_in("mnist-depp"), Some("mnist-deep"));
    assert_eq!(Recipe::nearest_built_in("zebra"), None);
}

#[test]
fn the_default_recipe_is_the_empty_one_and_sensible() {
    let recipe = Recipe::parse("", &[]).unwrap();
    assert_eq!(recipe, Recipe::default());
    assert_eq!(recipe.data.source, SourceKind::Auto);
    assert_eq!(recipe.model.kind, ModelKind::Autoencoder);
    assert_eq!(recipe.model.code_activation, Activation::Identity);
    assert_eq!(recipe.train.optimiser, Optimiser::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
    assert_eq!(recipe.train.learning_rate, 0.001);
    assert_round_trip(&recipe);
}

#[test]
fn the_table_of_other_values_has_every_setting() {
    let settings: BTreeSet<String> = Recipe::settings()
        .into_iter()
        .filter(|setting| !setting.path.contains(" = ") && setting.expected != "a table of settings")
        .map(|setting| setting.path)
        .collect();
    assert_eq!(settings, OTHER_VALUES.iter().map(|(path, _)| (*path).to_string()).collect());
}

#[test]
fn every_setting_changes_the_recipe_and_round_trips() {
    for (path, value) in OTHER_VALUES {
        let kinds = kinds_with(path);
        let bases = if kinds.is_empty() { vec![None] } else { kinds.into_iter().map(Some).collect() };
        for base in bases {
            let mut all = companions(path, base.as_ref().map(|(_, kind)| kind.as_str()));
            all.extend(base);
            let base = all;
            let before = Recipe::parse("", &base).unwrap();
            let mut overrides = base.clone();
            overrides.extend(pairs(&[(path, value)]));
            let after = Recipe::parse("", &overrides).unwrap_or_else(|problems| panic!("{path}: {problems}"));
            assert_ne!(before, after, "{path} = {value} is ignored after {base:?}");
            assert_round_trip(&after);
        }
    }
}

#[test]
fn every_setting_refuses_a_wrong_type_all_at_once() {
    // A date is the one TOML type that nothing in a recipe takes.
    let plain: Vec<_> =
        OTHER_VALUES.iter().map(|(path, _)| *path).filter(|path| kinds_with(path).is_empty()).collect();
    let overrides: Vec<_> = plain.iter().map(|path| (*path, "1979-05-27")).collect();
    let found = with(&overrides).expect_err("dates everywhere").problems;
    let paths: Vec<&str> = found.iter().map(RecipeProblem::path).collect();
    assert_eq!(paths, plain);
    for problem in &found {
        assert!(matches!(problem, RecipeProblem::WrongValue { .. }), "{problem:?}");
        assert!(!problem.hint().is_empty());
    }
}

#[test]
fn every_misspelt_key_is_refused_with_the_nearest() {
    for (path, value) in OTHER_VALUES {
        let base: Vec<(String, String)> = kinds_with(path).into_iter().take(1).collect();
        let mut overrides = companions(path, base.first().map(|(_, kind)| kind.as_str()));
        overrides.extend(base);
        overrides.push((format!("{path}s"), (*value).to_string()));
        let found = Recipe::parse("", &overrides).expect_err(path).problems;
        let [RecipeProblem::UnknownKey { nearest, .. }] = found.as_slice() else {
            panic!("{path}: {found:?}")
        };
        assert_eq!(nearest.as_deref(), Some(*path));
    }
}

#[test]
fn numbers_out_of_range_are_refused_all_at_once() {
    let wrong = [
        ("data.rows", "0"),
        ("data.size", "[0, 16]"),
        ("data.validation", "1.0"),
        ("data.test", "-5"),
        ("model.hidden", "[100, 0]"),
        ("model.code", "-1"),
        ("model.decoder", "[100001]"),
        ("model.dropout", "1.0"),
        ("model.input_dropout", "-0.1"),
        ("train.epochs", "0"),
        ("train.batch", "0"),
        ("train.optimiser.beta1", "1.0"),
        ("train.optimiser.epsilon", "0"),
        ("train.learning_rate", "-0.001"),
        ("train.schedule.last", "1.5"),
        ("train.warmup", "-1"),
        ("train.clip_norm", "nan"),
        ("train.clip_value", "-1"),
        ("train.weight_decay", "-0.1"),
        ("train.average", "1"),
        ("train.patience", "-1"),
        ("train.augment_shift", "2000"),
        ("train.augment_crop", "1"),
        ("train.augment_rotate", "181"),
        ("train.emphasis", "-1"),
        ("train.penalty.code_l1", "-1"),
        ("train.penalty.code_l2", "inf"),
        ("train.checkpoint_seconds", "-1"),
        ("train.seed", "-1"),
    ];
    let found = with(&wrong).expect_err("all wrong").problems;
    let paths: Vec<&str> = found.iter().map(|problem| problem.path().split('[').next().unwrap()).collect();
    assert_eq!(paths, wrong.map(|(path, _)| path));
    for problem in &found {
        assert!(matches!(problem, RecipeProblem::OutOfRange { .. }), "{problem:?}");
    }
    let second_width = found.iter().find(|problem| problem.path() == "model.hidden[1]").unwrap();
    assert_eq!(
        second_width.to_string(),
        "model.hidden[1]: expected a whole number of at least 1 and at most 100000, found 0"
    );
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("model.code", &[("model.code", "0"), ("model.hidden", "[]")]),
        ("model.auxiliary", &[("model.auxiliary", "[{ after = 1 }]")]),
        ("data.maps", &[("data.maps", "annot")]),
        ("data.void", &[("data.void", "3")]),
        ("data.class_names", &[("data.class_names", "['a']")]),
        ("data.patch", &[("model.kind", "segmenter"), ("data.maps", "annot"), ("data.patch", "[8, 8]")]),
        (
            "train.pretraining",
            &[("model.kind", "segmenter"), ("data.maps", "x"), ("train.pretraining", "greedy")],
        ),
        ("train.class_weights", &[("train.class_weights", "median-frequency")]),
        ("model.output", &[("model.kind", "classifier"), ("model.output", "gaussian")]),
        ("model.hidden", &[("model.hidden", "[100000, 100000]")]),
        ("model.hidden", &[("model.hidden[0]", "max-pool"), ("model.kind", "boltzmann")]),
        ("model.growth", &[("model.growth", "repeat")]),
        (
            "model.growth",
            &[("model.growth", "repeat"), ("model.hidden[0]", "max-pool"), ("model.decoder", "[5]")],
        ),
        (
            "model.growth",
            &[("model.growth", "repeat"), ("model.hidden[0]", "max-pool"), ("model.kind", "classifier")],
        ),
        (
            "train.penalty.unit_atoms",
            &[("model.decoder[0]", "max-pool"), ("train.penalty.unit_atoms", "true")],
        ),
        ("model.batch_normalisation", &[("model.batch_normalisation", "true"), ("train.batch", "1")]),
        ("model.bottleneck", &[("model.kind", "classifier"), ("model.bottleneck", "gaussian")]),
        ("model.code_activation", &[("model.bottleneck", "gaussian"), ("model.code_activation", "relu")]),
        ("model.code_activation", &[("model.bottleneck", "binary"), ("model.code_activation", "sigmoid")]),
        ("model.bottleneck.keep", &[("model.bottleneck", "{ kind = 'top-k', keep = 17, auxiliary = 0 }")]),
        ("model.bottleneck.auxiliary", &[("model.bottleneck", "{ kind = 'top-k', keep = 3 }")]),
        ("train.penalty.unit_atoms", &[("train.penalty.unit_atoms", "true"), ("train.average", "0.9")]),
        (
            "model.bottleneck.auxiliary_keep",
            &[("model.bottleneck", "{ kind = 'top-k', keep = 3, auxiliary = 0, auxiliary_keep = 17 }")],
        ),
        (
            "model.bottleneck",
            &[("model.bottleneck", "{ kind = 'gaussian', warmup = 3 }"), ("train.epochs", "2")],
        ),
        ("model.tied", &[("model.tied", "true"), ("model.decoder", "[20]")]),
        ("model.tied", &[("model.tied", "true"), ("model.kind", "classifier")]),
        ("train.pretraining", &[("train.pretraining", "greedy"), ("model.hidden", "[]")]),
        ("train.pretraining", &[("train.pretraining", "growing"), ("model.decoder", "[7]")]),
        ("train.pretraining", &[("train.pretraining", "greedy"), ("model.bottleneck", "gaussian")]),
        ("data.labels_per_class", &[("data.labels_per_class", "5")]),
        ("train.emphasis", &[("train.emphasis", "2")]),
        (
            "train.emphasis",
            &[("train.emphasis", "2"), ("train.corruption", "masking"), ("model.kind", "classifier")],
        ),
        ("train.penalty.code_l1", &[("train.penalty.code_l1", "1"), ("model.bottleneck", "gaussian")]),
        ("train.penalty.code_l2", &[("train.penalty.code_l2", "1"), ("model.bottleneck", "gaussian")]),
        ("train.penalty.sparsity", &[("train.penalty.sparsity", "kl")]),
        (
            "train.penalty.contraction",
            &[("train.penalty.contraction", "exact"), ("model.batch_normalisation", "true")],
        ),
        (
            "train.penalty.contraction",
            &[("train.penalty.contraction", "estimate"), ("model.bottleneck", "binary")],
        ),
        ("train.penalty.unit_atoms", &[("train.penalty.unit_atoms", "true"), ("model.kind", "classifier")]),
        ("train.warmup", &[("train.warmup", "3"), ("train.epochs", "2")]),
        ("train.patience", &[("train.patience", "3"), ("data.validation", "0")]),
        ("train.schedule", &[("train.schedule", "plateau"), ("data.validation", "0.0")]),
        ("data.label", &[("data.source", "idx"), ("data.label", "y")]),
        ("data.header", &[("data.source", "pictures"), ("data.header", "true")]),
        ("data.array", &[("data.source", "csv"), ("data.array", "x")]),
        ("data.words", &[("data.source", "csv"), ("data.words", "5")]),
        ("data.path", &[("data.source", "glyphs"), ("data.path", "x")]),
    ];
    for (path, overrides) in cases {
        let found = with(overrides).expect_err(path).problems;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(matches!(&found[0], RecipeProblem::Conflict { .. }) && found[0].path() == *path, "{found:?}");
        assert!(!found[0].hint().is_empty());
        for (one, value) in *overrides {
            let alone = [companions(one, None), pairs(&[(one, value)])].concat();
            let alone = Recipe::parse("", &alone);
            assert!(overrides.len() == 1 || alone.is_ok(), "{one} = {value} alone is right");
        }
    }
}

#[test]
fn a_wrong_setting_is_not_reported_again_as_a_conflict() {
    let found = with(&[("train.epochs", "many"), ("train.warmup", "30")]).unwrap_err().problems;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path(), "train.epochs");
}

#[test]
fn messages_name_the_place_and_say_what_to_do() {
    let text = "[model]\ncode = \"30\"\nactivation = \"rely\"\n[train]\nepoch = 3\nmomentum = 0.9\nbatch = 20.0\n[trian]\n";
    let lines: Vec<String> =
        problems(text).iter().map(|problem| format!("{problem}; {}", problem.hint())).collect();
    assert_eq!(
        lines,
        [
            "trian: expected a known setting, found an unknown key; did you mean train?",
            "model.code: expected a whole number of at least 0 and at most 100000, found the text \"30\"; \
             write 30 without quotes",
            "model.activation: expected one of \"identity\", \"sigmoid\", \"tanh\", \"relu\", \"leaky-relu\", \"elu\", \
             \"silu\", \"gelu\", \"softplus\", \"softmax\", found the text \"rely\"; did you mean \"relu\"?",
            "train.epoch: expected a known setting, found an unknown key; did you mean train.epochs?",
            "train.momentum: expected a known setting, found an unknown key; did you mean train.optimiser.momentum?",
            "train.batch: expected a whole number of at least 1 and at most 1000000, found the number 20.0; \
             write 20 without the point",
        ]
    );
    let all = Recipe::parse(text, &[]).unwrap_err();
    assert!(all.to_string().starts_with("the recipe has 6 problems\n  trian: expected"));
    assert_eq!(all.hint().lines().count(), 6);
}

#[test]
fn text_that_is_not_toml_is_one_problem_with_its_line() {
    let found = problems("[model]\ncode = 30\nhidden = [1000, 500\n[train]\n");
    assert!(matches!(found.as_slice(), [RecipeProblem::Syntax { line: 3 | 4, .. }]), "{found:?}");
    assert!(problems("a = 1\na = 2\n")[0].to_string().starts_with("line 2 of the recipe: "));
    assert_eq!(
        problems("model = 3")[0].to_string(),
        "model: expected a table of settings, found the number 3"
    );
}

#[test]
fn overrides_win_and_reach_into_choices() {
    let text = "[train]\noptimiser = \"momentum\"\nepochs = 5\nschedule = { kind = \"step\", every = 4 }\n";
    let overrides = pairs(&[
        ("train.epochs", "6"),
        ("train.epochs", "7"),
        ("train.pretraining", "greedy"),
        ("train.pretraining.epochs", "3"),
        ("train.optimiser.momentum", "0.5"),
        ("train.schedule.factor", "0.1"),
    ]);
    let recipe = Recipe::parse(text, &overrides).unwrap();
    assert_eq!(recipe.train.epochs, 7);
    assert_eq!(recipe.train.optimiser, Optimiser::Momentum { momentum: 0.5 });
    assert_eq!(recipe.train.schedule, Schedule::Step { every: 4, factor: 0.1 });
    let swapped = Recipe::parse(text, &pairs(&[("train.schedule", "cosine")])).unwrap();
    assert_eq!(swapped.train.schedule, Schedule::Cosine { last: 0.0 });
    let unset = Recipe::parse("[data]\nsize = [16, 16]", &pairs(&[("data.size", "")])).unwrap();
    assert_eq!(unset.data.size, None);
    let found = with(&[("train.epochs", "3"), ("train.epochs.more", "1")]).unwrap_err().problems;
    assert_eq!(found[0].hint(), "set epochs itself");
}

#[test]
fn a_setting_of_another_kind_is_refused() {
    let found = problems("[train]\noptimiser = { kind = \"sgd\", beta1 = 0.9 }");
    assert_eq!(found[0].path(), "train.optimiser.beta1");
    assert_eq!(found[0].hint(), "leave it out, or set train.optimiser = \"adam\"");
}

#[test]
fn defaults_follow_from_other_settings() {
    let classifier = with(&[("model.kind", "classifier"), ("model.activation", "relu")]).unwrap();
    assert_eq!(classifier.model.code_activation, Activation::Relu);
    assert_eq!(classifier.model.output, OutputChoice::Categorical);
    assert_eq!(with(&[("train.optimiser", "sgd")]).unwrap().train.learning_rate, 0.01);
    assert_eq!(with(&[("train.optimiser", "adamw")]).unwrap().train.weight_decay, 0.01);
    let deep = with(&[("model.hidden", "[30, 20]")]).unwrap();
    assert!(deep.model.is_mirrored() && deep.model.decoder_depth() == 2);
}

#[test]
fn an_altered_stored_recipe_is_refused() {
    let mut json = serde_json::to_value(Recipe::default()).unwrap();
    json["train"]["epochs"] = serde_json::json!(0);
    let error = serde_json::from_value::<Recipe>(json).unwrap_err();
    assert!(error.to_string().contains("train.epochs: expected a whole number"), "{error}");
}

#[test]
fn a_model_file_keeps_no_path() {
    let recipe = with(&[("data.path", "/home/someone/digits")]).unwrap();
    assert!(!recipe.without_path().to_toml().contains("someone"));
}

#[test]
fn the_reference_is_up_to_date_and_lists_every_setting() {
    let page = Recipe::reference();
    for (path, _) in OTHER_VALUES {
        assert!(page.contains(&format!("| `{path}` | ")), "{path} is not in the reference");
    }
    for setting in Recipe::settings() {
        assert!(!setting.about.is_empty(), "{} says nothing about itself", setting.path);
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/recipe/reference.md");
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    if kept != page {
        let fresh = tempfile::env::temp_dir().join("narrows-recipe-reference.md");
        std::fs::write(&fresh, &page).unwrap();
        panic!("{} is out of date; the new page is in {}", file.display(), fresh.display());
    }
}

//! No option is accepted and ignored: every setting of `[model]` and `[train]`, walked as the recipe lists them, changes what
//! training makes, or stands below with the reason why it does not.

mod library_support;

use library_support::{compute, file_bytes, pictures, train, trainer};
use narrows::apply::Codec;
use narrows::model_file::{self, Model};
use narrows::recipe::Recipe;
use narrows::train::{Event, Signal};

/// What every pair of runs begins with: pictures, small enough to take a few milliseconds.
const BASE: [&str; 6] = [
    "model.hidden=[6]",
    "model.code=3",
    "train.batch=8",
    "train.epochs=3",
    "data.validation=0.2",
    "train.seed=1",
];

/// A setting, what both runs have beside the base so that it matters, and a value that is not its default.
const CHANGES: &[(&str, &[&str], &str)] = &[
    ("model.kind", &[], "classifier"),
    ("model.hidden", &[], "[7]"),
    ("model.hidden[0].channels", &["model.hidden[0]=convolution"], "3"),
    ("model.hidden[0].size", &["model.hidden[0]=convolution"], "[1, 3]"),
    ("model.hidden[0].stride", &["model.hidden[0]=convolution"], "2"),
    ("model.hidden[0].dilation", &["model.hidden[0]=convolution"], "2"),
    ("model.hidden[0].padding", &["model.hidden[0]=convolution"], "none"),
    ("model.hidden[1].groups", &["model.hidden[0]=convolution", "model.hidden[1]=convolution"], "2"),
    ("model.hidden[0].channels", &["model.hidden[0]=transposed-convolution"], "3"),
    ("model.hidden[0].size", &["model.hidden[0]=transposed-convolution"], "2"),
    ("model.hidden[0].stride", &["model.hidden[0]=transposed-convolution"], "1"),
    ("model.hidden[0].padding", &["model.hidden[0]=transposed-convolution"], "none"),
    ("model.hidden[0].dilation", &["model.hidden[0]={ kind = 'transposed-convolution', padding = 1 }"], "3"),
    (
        "model.hidden[0].output_padding",
        &["model.hidden[0]={ kind = 'transposed-convolution', padding = 1 }"],
        "1",
    ),
    (
        "model.hidden[1].groups",
        &["model.hidden[0]=convolution", "model.hidden[1]=transposed-convolution"],
        "2",
    ),
    ("model.hidden[0].size", &["model.hidden[0]=max-pool"], "3"),
    ("model.hidden[0].stride", &["model.hidden[0]=max-pool"], "1"),
    ("model.hidden[0].padding", &["model.hidden[0]={ kind = 'max-pool', size = 3 }"], "same"),
    ("model.hidden[0].size", &["model.hidden[0]=average-pool"], "3"),
    ("model.hidden[0].stride", &["model.hidden[0]=average-pool"], "1"),
    ("model.hidden[0].padding", &["model.hidden[0]={ kind = 'average-pool', size = 3 }"], "same"),
    ("model.hidden[0]", &["model.hidden[0]=max-pool"], "global-pool"),
    ("model.hidden[0].size", &["model.hidden[0]=repeat"], "3"),
    ("model.hidden[0].units", &["model.hidden[0]=dense"], "3"),
    ("model.hidden[0].activation", &["model.hidden[0]=dense"], "tanh"),
    ("model.hidden[0].batch_normalisation", &["model.hidden[0]=dense"], "true"),
    ("model.hidden[0].bias", &["model.hidden[0]=dense"], "none"),
    ("model.hidden[0].activation", &["model.hidden[0]=convolution"], "tanh"),
    ("model.hidden[0].batch_normalisation", &["model.hidden[0]=convolution"], "true"),
    ("model.hidden[0].bias", &["model.hidden[0]=convolution"], "each"),
    ("model.hidden[0].activation", &["model.hidden[0]=transposed-convolution"], "tanh"),
    ("model.hidden[0].batch_normalisation", &["model.hidden[0]=transposed-convolution"], "true"),
    ("model.hidden[0].bias", &["model.hidden[0]=transposed-convolution"], "none"),
    ("model.hidden[0].size", &["model.hidden[0]=stochastic-pool"], "3"),
    ("model.hidden[0].stride", &["model.hidden[0]=stochastic-pool"], "1"),
    ("model.hidden[0].padding", &["model.hidden[0]={ kind = 'stochastic-pool', size = 3 }"], "same"),
    ("model.hidden[0]", &["model.hidden[0]=max-pool"], "stochastic-pool"),
    ("model.hidden[0].size", &["model.hidden[0]=bilinear"], "3"),
    ("model.hidden[0]", &["model.hidden[0]=repeat"], "bilinear"),
    ("model.hidden[0].activation", &["model.hidden[0]=batch-normalisation"], "tanh"),
    ("model.hidden[0].activation", &["model.hidden[0]={ kind = 'group-normalisation', groups = 1 }"], "tanh"),
    (
        "model.hidden[1].groups",
        &["model.hidden[0]=convolution", "model.hidden[1]={ kind = 'group-normalisation', groups = 1 }"],
        "2",
    ),
    (
        "model.hidden[1].channels",
        &[
            "model.hidden[0]=convolution",
            "model.hidden[1]={ kind = 'local-response-normalisation', alpha = 1 }",
        ],
        "1",
    ),
    ("model.hidden[0].offset", &["model.hidden[0]=local-response-normalisation"], "1"),
    ("model.hidden[0].alpha", &["model.hidden[0]=local-response-normalisation"], "1"),
    ("model.hidden[0].beta", &["model.hidden[0]=local-response-normalisation"], "0.5"),
    ("model.hidden[0].rate", &["model.hidden[0]=dropout"], "0.25"),
    ("model.hidden[0].layers", &[RESIDUAL], "[{ kind = 'convolution', channels = 1, size = 5 }]"),
    ("model.hidden[0].shortcut", &[RESIDUAL], "[{ kind = 'convolution', channels = 1 }]"),
    ("model.hidden[0].times", &[RESIDUAL], "2"),
    (
        "model.hidden[0].branches",
        &["model.decoder=[5]", "model.hidden[0]={ kind = 'parallel', branches = [[5]] }"],
        "[[5], [3]]",
    ),
    ("model.growth", &["model.hidden[0]=max-pool"], "unpool"),
    ("model.auxiliary", &["model.kind=classifier"], "[{ after = 1 }]"),
    (
        "model.auxiliary",
        &["model.kind=classifier", "model.auxiliary=[{ after = 1 }]"],
        "[{ after = 1, weight = 0.5 }]",
    ),
    ("model.kind", &["model.hidden=['convolution']", "model.code=0"], "classifier"),
    ("model.growth", &["model.hidden[0]=max-pool"], "repeat"),
    ("model.growth", &["model.hidden[0]={ kind = 'convolution', stride = 2 }"], "upsample"),
    ("model.code", &[], "4"),
    ("model.decoder", &[], "[5]"),
    ("model.activation", &[], "tanh"),
    ("model.code_activation", &[], "tanh"),
    ("model.bottleneck", &[], "gaussian"),
    ("model.bottleneck.beta", &["model.bottleneck=gaussian"], "0.5"),
    ("model.bottleneck.warmup", &["model.bottleneck=gaussian"], "2"),
    ("model.bottleneck.free_bits", &["model.bottleneck=gaussian"], "0.5"),
    ("model.bottleneck", &[], "binary"),
    ("model.bottleneck.noise", &["model.bottleneck=binary"], "1"),
    ("model.bottleneck.straight_through", &["model.bottleneck=binary"], "true"),
    ("model.bottleneck", &["model.hidden=[]"], "{ kind = 'top-k', keep = 2 }"),
    ("model.bottleneck.keep", TOP_K, "1"),
    ("model.bottleneck.batch", TOP_K, "true"),
    ("model.bottleneck.dead_after", TOP_K, "30"),
    ("model.bottleneck.auxiliary", TOP_K, "0"),
    ("model.bottleneck.auxiliary_keep", TOP_K, "1"),
    ("model.bottleneck.conscience", TOP_K, "2"),
    ("model.tied", &[], "true"),
    ("model.output", &[], "gaussian"),
    ("model.initial", &[], "he-uniform"),
    ("model.initial.connections", &["model.initial=sparse"], "2"),
    ("model.initial.deviation", &["model.initial=normal"], "0.1"),
    ("model.initial.value", &["model.initial=constant"], "0.1"),
    ("model.dropout", &[], "0.3"),
    ("model.input_dropout", &[], "0.3"),
    ("model.batch_normalisation", &[], "true"),
    ("train.epochs", &[], "2"),
    ("train.pretraining", &[], "greedy"),
    ("train.pretraining", &["model.hidden=[6, 5]"], "growing"),
    ("train.pretraining.epochs", &["train.pretraining=greedy"], "2"),
    ("train.pretraining.epochs", &["train.pretraining=growing"], "2"),
    ("train.pretraining", &[SIGMOIDS], "rbm"),
    ("train.pretraining.epochs", RBM, "2"),
    ("train.pretraining.learning_rate", &[SIGMOIDS, "train.pretraining=rbm", BERNOULLI], "0.01"),
    ("train.pretraining.real_learning_rate", RBM, "0.01"),
    ("train.pretraining.momentum", RBM, "0.5"),
    ("train.pretraining.weight_decay", RBM, "0.01"),
    ("train.chain", &["model.kind=boltzmann"], "persistent"),
    ("train.chain.steps", &["model.kind=boltzmann", "train.chain=contrastive"], "2"),
    ("train.chain.means", &["model.kind=boltzmann", "train.chain=contrastive"], "true"),
    ("train.chain.steps", &["model.kind=boltzmann", "train.chain=persistent"], "2"),
    ("train.batch", &[], "5"),
    ("train.optimiser", &[], "rmsprop"),
    ("train.optimiser.momentum", &["train.optimiser=momentum"], "0.5"),
    ("train.optimiser.momentum", &["train.optimiser=nesterov"], "0.5"),
    ("train.optimiser.decay", &["train.optimiser=rmsprop"], "0.5"),
    ("train.optimiser.epsilon", &["train.optimiser=rmsprop"], "0.1"),
    ("train.optimiser.epsilon", &["train.optimiser=adagrad"], "0.1"),
    ("train.optimiser.beta1", &["train.optimiser=adam"], "0.5"),
    ("train.optimiser.beta2", &["train.optimiser=adam"], "0.5"),
    ("train.optimiser.epsilon", &["train.optimiser=adam"], "0.1"),
    ("train.optimiser.beta1", &["train.optimiser=adamw"], "0.5"),
    ("train.optimiser.beta2", &["train.optimiser=adamw"], "0.5"),
    ("train.optimiser.epsilon", &["train.optimiser=adamw"], "0.1"),
    ("train.learning_rate", &[], "0.01"),
    ("train.schedule", &[], "exponential"),
    ("train.schedule.every", &["train.schedule=step"], "1"),
    ("train.schedule.factor", &["train.schedule={ kind = 'step', every = 1 }"], "0.1"),
    ("train.schedule.factor", &["train.schedule=exponential"], "0.1"),
    ("train.schedule.last", &["train.schedule=cosine"], "0.5"),
    ("train.schedule.rise", &["train.schedule=one-cycle"], "0.6"),
    ("train.schedule.first", &["train.schedule=one-cycle"], "0.5"),
    ("train.schedule.last", &["train.schedule=one-cycle"], "0.5"),
    ("train.schedule.patience", &[PLATEAU, STUCK], "1"),
    ("train.schedule.factor", &[EAGER, STUCK], "0.1"),
    ("train.schedule.least", &[EAGER, STUCK], "0.9"),
    ("train.warmup", &[], "1"),
    ("train.clip_norm", &[], "0.01"),
    ("train.clip_value", &[], "0.0001"),
    ("train.weight_decay", &[], "0.1"),
    ("train.weight_decay", &["train.optimiser=adamw"], "0.5"),
    ("train.average", &[], "0.9"),
    ("train.patience", &["train.schedule=constant", STUCK], "1"),
    ("train.augment_shift", &[], "1"),
    ("train.augment_flip", &[], "true"),
    ("train.augment_crop", &[], "0.3"),
    ("train.augment_rotate", &[], "10"),
    ("train.augment_scale", &[], "0.2"),
    ("train.augment_brightness", &[], "0.3"),
    ("train.augment_elastic", &[], "1"),
    ("train.class_weights", &["model.kind=classifier"], "median-frequency"),
    ("train.corruption", &[], "masking"),
    ("train.corruption.share", &["train.corruption=masking"], "0.5"),
    ("train.corruption.deviation", &["train.corruption=gaussian"], "0.5"),
    ("train.corruption.share", &["train.corruption=salt-and-pepper"], "0.5"),
    ("train.corruption.height", &[BLOCK], "3"),
    ("train.corruption.width", &[BLOCK], "3"),
    ("train.emphasis", &["train.corruption=masking"], "2"),
    ("train.penalty.code_l1", &[], "0.1"),
    ("train.penalty.code_l2", &[], "0.1"),
    ("train.penalty.sparsity", &[SIGMOID], "kl"),
    ("train.penalty.sparsity.target", &[SIGMOID, "train.penalty.sparsity=kl"], "0.2"),
    ("train.penalty.sparsity.weight", &[SIGMOID, "train.penalty.sparsity=kl"], "2"),
    ("train.penalty.sparsity.running", &[SIGMOID, "train.penalty.sparsity=kl"], "0.9"),
    ("train.penalty.contraction", &[], "exact"),
    ("train.penalty.contraction.weight", &["train.penalty.contraction=exact"], "1"),
    ("train.penalty.contraction", &[], "estimate"),
    ("train.penalty.contraction.weight", &["train.penalty.contraction=estimate"], "1"),
    ("train.penalty.contraction.draws", &["train.penalty.contraction=estimate"], "3"),
    ("train.penalty.unit_atoms", &[], "true"),
    ("data.binarise", &["data.prepare=unit"], "true"),
    ("train.penalty.code_l1", &["model.kind=boltzmann"], "0.1"),
    ("train.seed", &[], "2"),
];
const RESIDUAL: &str =
    "model.hidden[0]={ kind = 'residual', layers = [{ kind = 'convolution', channels = 1 }] }";
const BLOCK: &str = "train.corruption={ kind = 'block', height = 2, width = 2 }";
const SIGMOIDS: &str = "model.activation=sigmoid";
const BERNOULLI: &str = "model.code_activation=sigmoid";
const RBM: &[&str] = &[SIGMOIDS, "train.pretraining=rbm"];
const SIGMOID: &str = "model.code_activation=sigmoid";
/// Units that fall silent quickly, so that the loss of the dead ones plays a part.
const TOP_K: &[&str] =
    &["model.hidden=[]", "model.code=9", "model.bottleneck={ kind = 'top-k', keep = 2, dead_after = 5 }"];
const PLATEAU: &str = "train.schedule=plateau";
const EAGER: &str = "train.schedule={ kind = 'plateau', patience = 1 }";
/// A rate so large that the validation error goes up and down.
const STUCK: &str = "train.optimiser={ kind = 'adam', beta1 = 0.0 }";

/// Settings that change no weight, each with its reason.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    (
        "train.checkpoint_seconds",
        "when checkpoints are written must not change what is learned; a_checkpoint_is_written_as_often_as_asked tests it",
    ),
    ("model.hidden[0].height", RESHAPED),
    ("model.hidden[0].width", RESHAPED),
    ("model.hidden[0].channels", RESHAPED),
];
const RESHAPED: &str = "no other number of them has as many numbers; what_a_layer_of_maps_says tests them";

fn weights(settings: &[&str]) -> Vec<(String, Vec<f32>)> {
    let model: Model = train(settings, pictures(40, 1), &compute(1)).0;
    model.tensors.into_iter().map(|tensor| (tensor.name, tensor.values)).collect()
}

#[test]
fn every_setting_changes_what_is_learned() {
    for (path, beside, value) in CHANGES {
        // A plateau acts only where the validation error does not fall.
        let rough = ["train.learning_rate=0.3", "train.epochs=12"];
        let rough: &[&str] = if beside.contains(&STUCK) { &rough } else { &[] };
        let before = [&BASE[..], rough, beside].concat();
        let change = format!("{path}={value}");
        let after = [&before[..], &[change.as_str()]].concat();
        assert!(weights(&before) != weights(&after), "{change} beside {beside:?} changes nothing");
    }
}

/// A new option without a line above fails here.
#[test]
fn every_setting_is_listed() {
    let mut choice = String::new();
    for setting in Recipe::settings() {
        let path = setting.path;
        let learned = path.starts_with("model.") || path.starts_with("train.");
        if !learned || setting.expected == "a table of settings" {
            continue;
        }
        if let Some((of, kind)) = path.split_once(" = ") {
            choice = format!("{of}={}", kind.trim_matches('"'));
            continue;
        }
        let own = |(known, beside, _): &&(&str, &[&str], &str)| {
            // A setting of one kind of several must be tried in that kind.
            let chooser = choice.split_once('=').map_or("", |(chooser, _)| chooser);
            let of_a_kind = path.starts_with(&format!("{chooser}."));
            // Any layer may stand for the first.
            let first = |text: &str| text.replace("[1]", "[0]");
            let beside: Vec<String> = beside.iter().map(|setting| first(setting)).collect();
            first(known) == path && (!of_a_kind || belongs(&beside, &choice))
        };
        let excepted = WITHOUT_EFFECT.iter().any(|(known, reason)| *known == path && !reason.is_empty());
        assert!(excepted || CHANGES.iter().any(|change| own(&change)), "{path} of {choice} has no test");
    }
}

/// Whether what stands beside a change chooses this kind: `train.schedule=step`, or written as a table.
fn belongs(beside: &[String], choice: &str) -> bool {
    let (path, kind) = choice.split_once('=').unwrap();
    beside
        .iter()
        .any(|setting| *setting == choice || setting.starts_with(&format!("{path}={{ kind = '{kind}'")))
}

/// What happens at random in training does not happen in use: validation looks at clean rows, and codes repeat.
#[test]
fn noise_dropout_and_shifts_act_in_training_only() {
    let still =
        ["train.optimiser=sgd", "train.learning_rate=1e-30", "train.epochs=1", "train.schedule=constant"];
    let base = [&BASE[..], &still].concat();
    let rows = pictures(40, 1).values.to_f32();
    let (plain, clean) = train(&base, pictures(40, 1), &compute(1));
    let codes = |model: Model| Codec::new(model, &compute(1)).unwrap().encode(&rows).unwrap();
    let plain = codes(plain);
    for option in [
        "train.corruption={ kind = 'gaussian', deviation = 0.5 }",
        "model.input_dropout=0.5",
        "train.augment_shift=2",
        "train.augment_rotate=20",
        "train.augment_brightness=0.5",
        "model.dropout=0.5",
    ] {
        let (model, noisy) = train(&[&base[..], &[option]].concat(), pictures(40, 1), &compute(1));
        assert_eq!(clean[0].held_out_loss, noisy[0].held_out_loss, "{option}");
        assert_ne!(clean[0].train_loss, noisy[0].train_loss, "{option}");
        assert_eq!(codes(model), plain, "{option}");
    }
}

/// The loss compares with the clean rows, not the noisy ones: with weights of 0 the output is 0, and the loss the mean
/// square of the clean rows, whatever the noise.
#[test]
fn noise_is_on_the_input_and_not_on_the_target() {
    let still = [
        "train.optimiser=sgd",
        "train.learning_rate=1e-30",
        "train.epochs=1",
        "model.initial={ kind = 'constant', value = 0.0 }",
        "model.output=gaussian",
        "model.activation=identity",
        "data.validation=0",
        "data.test=0",
    ];
    for option in [
        "train.corruption=none",
        "train.corruption={ kind = 'gaussian', deviation = 3 }",
        "model.input_dropout=0.5",
    ] {
        let settings = [&BASE[..], &still, &[option]].concat();
        let rows = pictures(40, 1);
        let history = train(&settings, rows.clone(), &compute(1)).1;
        let squares: f64 = rows.values.to_f32().iter().map(|v| (f64::from(*v) / 255.0).powi(2)).sum();
        assert!((history[0].train_loss / (squares / 40.0) - 1.0).abs() < 1e-5, "{option}: {history:?}");
    }
}

/// Noise differs from step to step and from row to row, by seed only.
#[test]
fn what_is_random_follows_the_seed() {
    let run = |seed: &str| {
        let options = [
            "train.corruption={ kind = 'gaussian', deviation = 0.3 }",
            "model.dropout=0.3",
            "train.augment_shift=1",
            seed,
        ];
        file_bytes(&train(&[&BASE[..], &options].concat(), pictures(40, 1), &compute(2)).0)
    };
    assert!(run("train.seed=5") == run("train.seed=5"));
    assert!(run("train.seed=5") != run("train.seed=6"));
}

#[test]
fn a_checkpoint_is_written_as_often_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.checkpoint");
    let mut files = Vec::new();
    for (seconds, expected) in [("0", 3), ("1e-9", 12), ("3600", 0)] {
        let setting = format!("train.checkpoint_seconds={seconds}");
        let mut run = trainer(&[&BASE[..], &[setting.as_str()]].concat(), pictures(40, 1), &compute(1));
        let mut written = 0;
        run.train(&path, &mut |event| {
            if matches!(event, Event::Checkpoint) {
                written += 1;
                assert!(model_file::read(&path, "checkpoint").is_ok());
            }
            Signal::Continue
        })
        .unwrap();
        assert_eq!(written, expected, "{setting}: 28 rows in batches of 8 are 4 steps an epoch");
        files.push(run.finish().unwrap().0.tensors);
        let _ = std::fs::remove_file(&path);
    }
    assert!(files.iter().all(|tensors| *tensors == files[0]));
}

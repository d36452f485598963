//! The recipes that come with Narrows. A new one is a file in `recipes/` and a line here.

/// Name and text of each built-in recipe; the first is what `narrows train` trains.
pub(super) const RECIPES: &[(&str, &str)] = &[
    ("glyphs", include_str!("../../../../recipes/glyphs.toml")),
    ("mnist-simple", include_str!("../../../../recipes/mnist-simple.toml")),
    ("mnist-deep", include_str!("../../../../recipes/mnist-deep.toml")),
    ("mnist-pca", include_str!("../../../../recipes/mnist-pca.toml")),
    ("mnist-classifier", include_str!("../../../../recipes/mnist-classifier.toml")),
    ("digits-16x16", include_str!("../../../../recipes/digits-16x16.toml")),
    ("undercomplete", include_str!("../../../../recipes/undercomplete.toml")),
    ("overcomplete", include_str!("../../../../recipes/overcomplete.toml")),
    ("tied", include_str!("../../../../recipes/tied.toml")),
    ("weight-decay", include_str!("../../../../recipes/weight-decay.toml")),
    ("denoising", include_str!("../../../../recipes/denoising.toml")),
    ("denoising-half", include_str!("../../../../recipes/denoising-half.toml")),
    ("denoising-gaussian", include_str!("../../../../recipes/denoising-gaussian.toml")),
    ("sparse", include_str!("../../../../recipes/sparse.toml")),
    ("sparse-lecture", include_str!("../../../../recipes/sparse-lecture.toml")),
    ("contractive", include_str!("../../../../recipes/contractive.toml")),
    ("code-l2", include_str!("../../../../recipes/code-l2.toml")),
    ("logistic-pca", include_str!("../../../../recipes/logistic-pca.toml")),
    ("vae", include_str!("../../../../recipes/vae.toml")),
    ("vae-2d", include_str!("../../../../recipes/vae-2d.toml")),
    ("binary-codes", include_str!("../../../../recipes/binary-codes.toml")),
    ("greedy", include_str!("../../../../recipes/greedy.toml")),
    ("growing", include_str!("../../../../recipes/growing.toml")),
    ("few-labels", include_str!("../../../../recipes/few-labels.toml")),
];

//! The recipes that come with Narrows. A new one is a file in `recipes/` and a line here.

/// Name and text of each built-in recipe; the first is what `narrows train` trains.
pub(super) const RECIPES: &[(&str, &str)] = &[
    ("glyphs", include_str!("../../../../recipes/glyphs.toml")),
    ("mnist-simple", include_str!("../../../../recipes/mnist-simple.toml")),
    ("mnist-deep", include_str!("../../../../recipes/mnist-deep.toml")),
    ("mnist-pca", include_str!("../../../../recipes/mnist-pca.toml")),
    ("mnist-classifier", include_str!("../../../../recipes/mnist-classifier.toml")),
    ("digits-16x16", include_str!("../../../../recipes/digits-16x16.toml")),
];

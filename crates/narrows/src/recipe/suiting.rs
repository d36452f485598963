//! What pictures without a recipe are trained with: a convolutional autoencoder, or classifier, that suits their size.

use super::ModelKind;

/// Maps of the convolutions, each of which halves what the one before leaves.
const MAPS: [usize; 4] = [32, 64, 128, 128];
/// Sides that are small enough.
const SMALL: usize = 7;
/// Numbers of a picture for one of the code.
const SQUEEZED: usize = 24;
/// Pictures seen in training, all epochs together, where there are few.
const SEEN: usize = 300_000;

/// Settings for pictures, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suited {
    /// Dotted paths and values.
    pub settings: Vec<(String, String)>,
    /// A sentence for the user.
    pub why: String,
}

/// A convolutional model of this kind for so many pictures of this height, width and number of channels; nothing for kinds that have no
/// code, and for pictures that are too small to be looked at through windows.
pub fn suited_to_pictures(
    kind: ModelKind,
    [height, width, channels]: [usize; 3],
    rows: usize,
) -> Option<Suited> {
    if !matches!(kind, ModelKind::Autoencoder | ModelKind::Classifier) {
        return None;
    }
    let mut size = [height, width];
    let mut maps = Vec::new();
    for channels in MAPS {
        if size[0].min(size[1]) <= SMALL {
            break;
        }
        size = size.map(|side| side.div_ceil(2));
        maps.push(channels);
    }
    if maps.is_empty() {
        return None;
    }
    let code = (height * width * channels / SQUEEZED).clamp(16, 256).next_power_of_two();
    let epochs = (SEEN / rows.max(1)).clamp(5, 60);
    let layers: Vec<String> = maps
        .iter()
        .map(|maps| format!("{{ kind = \"convolution\", channels = {maps}, size = 3, stride = 2 }}"))
        .collect();
    let settings = [
        ("model.hidden", format!("[{}]", layers.join(", "))),
        ("model.code", code.to_string()),
        ("train.batch", "64".to_owned()),
        ("train.epochs", epochs.to_string()),
        ("train.learning_rate", "0.002".to_owned()),
        ("train.warmup", "1.0".to_owned()),
    ];
    let (count, plural) = (maps.len(), if maps.len() == 1 { "" } else { "s" });
    let halve = if count == 1 { "halves" } else { "halve" };
    Some(Suited {
        settings: settings.map(|(path, value)| (path.to_owned(), value)).into(),
        why: format!(
            "pictures are learned by a convolutional {}: {count} convolution{plural} at stride 2 {halve} {height}x{width} pixels to {}x{}, \
             and of {} numbers the code keeps {code}, if model.code does not say otherwise; model.hidden asks for other layers",
            kind.name(),
            size[0],
            size[1],
            height * width * channels
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn convolutions_go_down_to_a_few_pixels() {
        for (size, depth, code, epochs) in [
            ([28, 28, 1], 2, 32, 5),
            ([32, 32, 3], 3, 128, 60),
            ([200, 120, 3], 4, 256, 60),
            ([9, 40, 1], 1, 16, 60),
        ] {
            let rows = if epochs == 5 { 60_000 } else { 1000 };
            let suited = suited_to_pictures(ModelKind::Autoencoder, size, rows).unwrap();
            let recipe = Recipe::parse("", &suited.settings).unwrap();
            assert_eq!(
                (recipe.model.hidden.len(), recipe.model.code, recipe.train.epochs),
                (depth, code, epochs)
            );
            assert!(suited.why.contains(&format!("{}x{}", size[0], size[1])), "{}", suited.why);
        }
        assert_eq!(suited_to_pictures(ModelKind::Autoencoder, [7, 30, 3], 10), None);
        assert_eq!(suited_to_pictures(ModelKind::Segmenter, [70, 30, 3], 10), None);
        assert!(
            suited_to_pictures(ModelKind::Classifier, [70, 30, 3], 10).unwrap().why.contains("classifier")
        );
    }
}

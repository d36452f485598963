//! Settings of earlier versions, as model files of those versions still hold them.

use toml::{Table, Value};

/// Puts former settings in their present form. Only what files hold is read so; a recipe is told what it should say.
pub(super) fn renew(recipe: &mut Table) {
    // Version 2 had top-k without a conscience.
    let bottleneck = recipe.get_mut("model").and_then(|model| model.get_mut("bottleneck"));
    if let Some(bottleneck) = bottleneck.and_then(Value::as_table_mut)
        && bottleneck.get("kind").and_then(Value::as_str) == Some("top-k")
    {
        bottleneck.entry("conscience").or_insert(Value::Float(0.0));
    }
    let Some(train) = recipe.get_mut("train").and_then(Value::as_table_mut) else { return };
    // Version 1 had gaussian noise alone.
    let noise = train.remove("input_noise");
    if let Some(deviation) = noise.filter(|noise| noise.as_float() > Some(0.0)) {
        let kind = ("kind".to_owned(), Value::String("gaussian".to_owned()));
        let gaussian = Table::from_iter([kind, ("deviation".to_owned(), deviation)]);
        train.insert("corruption".to_owned(), Value::Table(gaussian));
    }
}

#[cfg(test)]
mod tests {
    use crate::recipe::{Bottleneck, Corruption, Recipe};

    #[test]
    fn noise_of_version_1_is_gaussian_corruption() {
        let read = |train: &str| serde_json::from_str::<Recipe>(&format!("{{\"train\": {train}}}"));
        let noisy = read("{\"input_noise\": 0.25}").unwrap();
        assert_eq!(noisy.train.corruption, Corruption::Gaussian { deviation: 0.25 });
        assert_eq!(read("{\"input_noise\": 0.0}").unwrap().train.corruption, Corruption::None);
        // A recipe that somebody writes is told what the setting is called now.
        assert!(Recipe::parse("[train]\ninput_noise = 0.25", &[]).is_err());
    }

    #[test]
    fn top_k_of_version_2_has_no_conscience() {
        let conscience = |text: &str| {
            let recipe: Recipe = serde_json::from_str(text).unwrap();
            match recipe.model.bottleneck {
                Bottleneck::TopK { conscience, .. } => conscience,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            conscience("{\"model\": {\"hidden\": [], \"bottleneck\": {\"kind\": \"top-k\", \"keep\": 3}}}"),
            0.0
        );
        let own = "{\"model\": {\"hidden\": [], \"bottleneck\": {\"kind\": \"top-k\", \"keep\": 3, \"conscience\": 0.5}}}";
        assert_eq!(conscience(own), 0.5);
        // What files hold names every setting, so that nothing is taken for an old one.
        let recipe =
            Recipe::parse("[model]\nhidden = []\nbottleneck = { kind = 'top-k', keep = 3 }\n", &[]).unwrap();
        assert_eq!(conscience(&serde_json::to_string(&recipe).unwrap()), 0.1);
    }
}

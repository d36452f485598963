//! Settings of earlier versions, as model files of those versions still hold them.

use toml::{Table, Value};

/// Puts former settings in their present form. Only what files hold is read so; a recipe is told what it should say.
pub(super) fn renew(recipe: &mut Table) {
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
    use crate::recipe::{Corruption, Recipe};

    #[test]
    fn noise_of_version_1_is_gaussian_corruption() {
        let read = |train: &str| serde_json::from_str::<Recipe>(&format!("{{\"train\": {train}}}"));
        let noisy = read("{\"input_noise\": 0.25}").unwrap();
        assert_eq!(noisy.train.corruption, Corruption::Gaussian { deviation: 0.25 });
        assert_eq!(read("{\"input_noise\": 0.0}").unwrap().train.corruption, Corruption::None);
        // A recipe that somebody writes is told what the setting is called now.
        assert!(Recipe::parse("[train]\ninput_noise = 0.25", &[]).is_err());
    }
}

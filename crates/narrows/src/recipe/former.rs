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

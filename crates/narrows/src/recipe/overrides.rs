//! `--set key=value` laid over a recipe's table, before it is checked.

use toml::{Table, Value};

use super::problem::RecipeProblem;
use super::setting::found;

/// Lays each override over the table, later ones over earlier ones.
pub(super) fn lay_over(table: &mut Table, overrides: &[(String, String)]) -> Vec<RecipeProblem> {
    overrides.iter().filter_map(|(path, text)| set(table, path, value_of(text)).err()).collect()
}

/// Reads a value as TOML (`3`, `true`, `[1, 2]`, `{ kind = "step" }`), anything else as text (`cosine`).
fn value_of(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok();
    parsed
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_string()))
}

/// Puts a value at a dotted path and makes the tables on the way.
fn set(table: &mut Table, path: &str, value: Value) -> Result<(), RecipeProblem> {
    let mut keys: Vec<&str> = path.split('.').map(str::trim).collect();
    let last = keys.pop().unwrap_or_default();
    let mut place = table;
    for key in keys {
        let entry = place.entry(key).or_insert_with(|| Value::Table(Table::new()));
        // `optimiser = "sgd"` is short for a table with that kind, so a setting inside it can follow.
        if let Value::String(kind) = entry {
            let kind = Value::String(std::mem::take(kind));
            *entry = Value::Table(Table::from_iter([("kind".to_string(), kind)]));
        }
        let what_is_there = found(entry);
        place = entry.as_table_mut().ok_or_else(|| RecipeProblem::WrongValue {
            path: path.to_string(),
            expected: format!("{key} to have settings of its own"),
            found: what_is_there,
            hint: format!("set {key} itself"),
        })?;
    }
    place.insert(last.to_string(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::value_of;
    use toml::Value;

    #[test]
    fn values_are_toml_and_bare_words_are_text() {
        assert_eq!(value_of("3"), Value::Integer(3));
        assert_eq!(value_of("1e-3"), Value::Float(0.001));
        assert_eq!(value_of("true"), Value::Boolean(true));
        assert_eq!(value_of("[16, 8]"), Value::Array(vec![Value::Integer(16), Value::Integer(8)]));
        assert_eq!(value_of("cosine"), Value::String("cosine".to_string()));
        assert_eq!(value_of("\"quoted\""), Value::String("quoted".to_string()));
        assert_eq!(value_of(""), Value::String(String::new()));
        assert_eq!(value_of("1\nother = 2"), Value::String("1\nother = 2".to_string()));
        assert_eq!(value_of("/data/it's here"), Value::String("/data/it's here".to_string()));
    }
}

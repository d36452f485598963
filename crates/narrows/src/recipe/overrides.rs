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

/// Puts a value at a dotted path and makes the tables on the way; `hidden[1]` is the second of a list.
fn set(table: &mut Table, path: &str, value: Value) -> Result<(), RecipeProblem> {
    let wrong = |expected: String, found: String, hint: String| RecipeProblem::WrongValue {
        path: path.to_string(),
        expected,
        found,
        hint,
    };
    let mut keys: Vec<&str> = path.split('.').map(str::trim).collect();
    let last = keys.pop().unwrap_or_default();
    let mut place = table;
    for key in keys {
        let entry = entry(place, key, &wrong)?;
        // `optimiser = "sgd"` is short for a table with that kind, so a setting inside it can follow.
        if let Value::String(kind) = entry {
            let kind = Value::String(std::mem::take(kind));
            *entry = Value::Table(Table::from_iter([("kind".to_string(), kind)]));
        }
        let what_is_there = found(entry);
        place = entry.as_table_mut().ok_or_else(|| {
            wrong(format!("{key} to have settings of its own"), what_is_there, format!("set {key} itself"))
        })?;
    }
    *entry(place, last, &wrong)? = value;
    Ok(())
}

/// The value of a key, an empty table if there is none yet; with a number in brackets an element of its list, or a new one behind the last.
fn entry<'t>(
    table: &'t mut Table,
    key: &str,
    wrong: &dyn Fn(String, String, String) -> RecipeProblem,
) -> Result<&'t mut Value, RecipeProblem> {
    let empty = || Value::Table(Table::new());
    let numbered = key.strip_suffix(']').and_then(|key| key.split_once('['));
    let Some((name, number)) =
        numbered.and_then(|(name, number)| Some((name, number.parse::<usize>().ok()?)))
    else {
        return Ok(table.entry(key).or_insert_with(empty));
    };
    let list = table.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    let what_is_there = found(list);
    let hint = format!("set {name} itself");
    let Value::Array(elements) = list else {
        return Err(wrong(format!("{name} to be a list"), what_is_there, hint));
    };
    let count = elements.len();
    if number > count {
        return Err(wrong(format!("at most {name}[{count}]"), format!("{name}[{number}]"), hint));
    }
    if number == count {
        elements.push(empty());
    }
    Ok(&mut elements[number])
}

#[cfg(test)]
mod tests {
    use super::{lay_over, value_of};
    use toml::{Table, Value};

    #[test]
    fn elements_of_a_list_have_numbers() {
        let mut table: Table = toml::from_str("model.hidden = [30, { kind = 'max-pool' }]").unwrap();
        let over = |path: &str, value: &str| (path.to_string(), value.to_string());
        let overrides =
            [over("model.hidden[1].size", "3"), over("model.hidden[0]", "20"), over("model.hidden[2]", "10")];
        assert!(lay_over(&mut table, &overrides).is_empty());
        let expected = "model.hidden = [20, { kind = 'max-pool', size = 3 }, 10]";
        assert_eq!(table, toml::from_str(expected).unwrap());
        let wrong = [over("model.hidden[5]", "1"), over("model[0]", "1"), over("model.hidden[0].size", "1")];
        assert_eq!(lay_over(&mut table, &wrong).len(), 3);
    }

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

//! One setting: how its value is read from TOML, checked, described and written back.
//!
//! Everything in a recipe is a [`Setting`]: numbers, words and lists here, and by the macros in `part.rs` whole
//! sections and the exchangeable parts inside them.

use toml::Value;

use super::problem::RecipeProblem;

/// The numbers that a setting accepts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Smallest accepted number.
    pub least: f64,
    /// Largest accepted number.
    pub most: f64,
    /// Whether `most` itself is refused.
    pub below_most: bool,
    /// Whether `least` itself is refused.
    pub above_least: bool,
}

impl Limits {
    /// Any number; also for settings that are not numbers.
    pub const ANY: Self = Self::between(f64::NEG_INFINITY, f64::INFINITY);
    /// 0 or more.
    pub const NOT_NEGATIVE: Self = Self::between(0.0, f64::INFINITY);
    /// More than 0.
    pub const POSITIVE: Self = Self { above_least: true, ..Self::NOT_NEGATIVE };
    /// A rate: 0 or more, less than 1.
    pub const RATE: Self = Self { below_most: true, ..Self::between(0.0, 1.0) };
    /// A share that is neither nothing nor all.
    pub const BETWEEN_0_AND_1: Self = Self { above_least: true, ..Self::RATE };
    /// The width of a layer.
    pub const WIDTH: Self = Self::between(1.0, 100_000.0);

    /// From `least` to `most`, both accepted.
    pub const fn between(least: f64, most: f64) -> Self {
        Self { least, most, below_most: false, above_least: false }
    }

    /// Whether the number is inside; never for NaN and infinity.
    pub fn accept(&self, number: f64) -> bool {
        number.is_finite()
            && (if self.above_least { number > self.least } else { number >= self.least })
            && (if self.below_most { number < self.most } else { number <= self.most })
    }

    /// The limits in words, with a leading space, empty for [`Limits::ANY`].
    fn words(&self) -> String {
        let lower = if self.above_least { "more than" } else { "at least" };
        let upper = if self.below_most { "less than" } else { "at most" };
        match (self.least.is_finite(), self.most.is_finite()) {
            (false, false) => String::new(),
            (true, false) => format!(" of {lower} {}", self.least),
            (false, true) => format!(" of {upper} {}", self.most),
            (true, true) => format!(" of {lower} {} and {upper} {}", self.least, self.most),
        }
    }
}

/// One line of a recipe's reference.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingDescription {
    /// Dotted path, as `--set` takes it.
    pub path: String,
    /// What it means.
    pub about: String,
    /// What can be written.
    pub expected: String,
    /// Its default as TOML; empty when there is none.
    pub default: String,
}

/// A value in a recipe.
pub trait Setting: Sized {
    /// What can be written, in words.
    fn expected(limits: Limits) -> String;

    /// Reads and checks a value. Adds a problem and returns nothing when it is wrong.
    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self>;

    /// The TOML value that reads back as this one; nothing for an absent option.
    fn write(&self) -> Option<Value>;

    /// The settings inside this one, when it is a section or a part.
    fn describe(path: &str) -> Vec<SettingDescription> {
        let _ = path;
        Vec::new()
    }
}

/// Joins a section's path and a key.
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}

/// How a value that was found is named in a message.
pub fn found(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the text \"{text}\""),
        Value::Integer(_) => format!("the number {value}"),
        Value::Float(_) => format!("the number {value}"),
        Value::Boolean(_) => format!("the switch {value}"),
        Value::Datetime(_) => format!("the date {value}"),
        Value::Array(_) => format!("the list {value}"),
        Value::Table(_) => format!("the table {value}"),
    }
}

/// Records that a value has the wrong type.
pub fn wrong_value(
    value: &Value,
    expected: String,
    path: &str,
    problems: &mut Vec<RecipeProblem>,
    hint: Option<String>,
) {
    let hint = hint.unwrap_or_else(|| format!("write {expected}"));
    problems.push(RecipeProblem::WrongValue { path: path.to_string(), expected, found: found(value), hint });
}

/// Checks a number that has the right type against its limits.
fn accept<T: Setting>(
    number: f64,
    value: &Value,
    limits: Limits,
    path: &str,
    problems: &mut Vec<RecipeProblem>,
) -> Option<()> {
    if limits.accept(number) {
        return Some(());
    }
    problems.push(RecipeProblem::OutOfRange {
        path: path.to_string(),
        expected: T::expected(limits),
        found: value.to_string(),
    });
    None
}

/// A hint for the commonest slip with numbers: the right number in quotes, or with a needless point.
fn number_hint(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            text.parse::<f64>().ok().map(|number| format!("write {number} without quotes"))
        }
        Value::Float(number) if number.fract() == 0.0 => Some(format!("write {number} without the point")),
        _ => None,
    }
}

macro_rules! whole_number {
    ($type:ty) => {
        impl Setting for $type {
            fn expected(limits: Limits) -> String {
                // Nothing counted or seeded is negative, whatever wider limits a setting names.
                format!("a whole number{}", Limits { least: limits.least.max(0.0), ..limits }.words())
            }

            fn read(
                value: &Value,
                limits: Limits,
                path: &str,
                problems: &mut Vec<RecipeProblem>,
            ) -> Option<Self> {
                let Value::Integer(number) = value else {
                    wrong_value(value, Self::expected(limits), path, problems, number_hint(value));
                    return None;
                };
                accept::<Self>(
                    *number as f64,
                    value,
                    Limits { least: limits.least.max(0.0), ..limits },
                    path,
                    problems,
                )?;
                Self::try_from(*number).ok()
            }

            fn write(&self) -> Option<Value> {
                i64::try_from(*self).ok().map(Value::Integer)
            }
        }
    };
}

whole_number!(usize);
whole_number!(u64);

impl Setting for f64 {
    fn expected(limits: Limits) -> String {
        format!("a number{}", limits.words())
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        let number = match value {
            Value::Float(number) => *number,
            Value::Integer(number) => *number as f64,
            _ => {
                wrong_value(value, Self::expected(limits), path, problems, number_hint(value));
                return None;
            }
        };
        accept::<Self>(number, value, limits, path, problems)?;
        Some(number)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Float(*self))
    }
}

impl Setting for bool {
    fn expected(_: Limits) -> String {
        "true or false".to_string()
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        if value.as_bool().is_none() {
            wrong_value(value, Self::expected(limits), path, problems, None);
        }
        value.as_bool()
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Boolean(*self))
    }
}

impl Setting for String {
    fn expected(_: Limits) -> String {
        "text in quotes".to_string()
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        if value.as_str().is_none() {
            wrong_value(value, Self::expected(limits), path, problems, Some(format!("write \"{value}\"")));
        }
        value.as_str().map(str::to_string)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.clone()))
    }
}

/// An option may be left out; empty text takes away a value that a recipe gives (`--set data.size=`).
impl<T: Setting> Setting for Option<T> {
    fn expected(limits: Limits) -> String {
        T::expected(limits)
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        if value.as_str() == Some("") {
            return Some(None);
        }
        T::read(value, limits, path, problems).map(Some)
    }

    fn write(&self) -> Option<Value> {
        self.as_ref().and_then(T::write)
    }
}

/// The limits of a list are those of its elements.
impl<T: Setting> Setting for Vec<T> {
    fn expected(limits: Limits) -> String {
        format!("a list, in brackets, each element {}", T::expected(limits))
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        let Value::Array(elements) = value else {
            wrong_value(value, Self::expected(limits), path, problems, Some(format!("write [{value}]")));
            return None;
        };
        let read: Vec<Option<T>> = elements
            .iter()
            .enumerate()
            .map(|(index, element)| T::read(element, limits, &format!("{path}[{index}]"), problems))
            .collect();
        read.into_iter().collect()
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Array(self.iter().filter_map(T::write).collect()))
    }

    fn describe(path: &str) -> Vec<SettingDescription> {
        // The first one stands for all.
        T::describe(&format!("{path}[0]"))
    }
}

/// Height and width of a picture in pixels.
impl Setting for [usize; 2] {
    fn expected(limits: Limits) -> String {
        format!("height and width in brackets, each {}", usize::expected(limits))
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        if value.as_array().is_none_or(|elements| elements.len() != 2) {
            wrong_value(value, Self::expected(limits), path, problems, Some("write [16, 16]".to_string()));
            return None;
        }
        Vec::read(value, limits, path, problems)?.try_into().ok()
    }

    fn write(&self) -> Option<Value> {
        self.to_vec().write()
    }
}

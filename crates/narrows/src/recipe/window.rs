//! How windows lie: sizes for down and across, and zeros around a picture.

use toml::Value;

use super::setting::wrong_value;
use super::{Limits, RecipeProblem, Setting};

/// Zeros around a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Padding {
    /// None.
    None,
    /// As many as give one window for each stride of pixels; an odd one goes behind.
    Same,
    /// So many above and below, and left and right.
    Around([usize; 2]),
}

/// A number for both ways, or one for down and one for across.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair(pub [usize; 2]);

impl Setting for Pair {
    fn expected(limits: Limits) -> String {
        format!("{}, or two of them in brackets", usize::expected(limits))
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        match value {
            Value::Integer(_) => usize::read(value, limits, path, problems).map(|both| Self([both; 2])),
            Value::Array(elements) if elements.len() == 2 => {
                Vec::read(value, limits, path, problems)?.try_into().ok().map(Self)
            }
            _ => {
                let hint = Some("write 3, or [3, 5] for height and width".to_string());
                wrong_value(value, Self::expected(limits), path, problems, hint);
                None
            }
        }
    }

    fn write(&self) -> Option<Value> {
        match self.0 {
            [down, across] if down == across => down.write(),
            both => both.to_vec().write(),
        }
    }
}

impl Setting for Padding {
    fn expected(limits: Limits) -> String {
        format!("\"none\", \"same\", or {}", Pair::expected(limits))
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        match value.as_str() {
            Some("none") => Some(Self::None),
            Some("same") => Some(Self::Same),
            None if value.is_integer() || value.is_array() => {
                Pair::read(value, limits, path, problems).map(|pair| Self::Around(pair.0))
            }
            _ => {
                wrong_value(value, Self::expected(limits), path, problems, None);
                None
            }
        }
    }

    fn write(&self) -> Option<Value> {
        match self {
            Self::None => Some(Value::String("none".to_string())),
            Self::Same => Some(Value::String("same".to_string())),
            Self::Around(around) => Pair(*around).write(),
        }
    }
}

//! A list's element: a width, a layer, or a block of layers side by side.

use toml::{Table, Value};

use super::layer::LayerKind;
use super::part::refuse_unknown;
use super::setting::{join, wrong_value};
use super::{Limits, RecipeProblem, Setting, SettingDescription};

/// An element of `model.hidden` or `model.decoder`.
#[derive(Debug, Clone, PartialEq)]
pub enum LayerRecipe {
    /// So many units, each hearing everything.
    Dense(usize),
    /// A layer of another kind.
    Other(LayerKind),
    /// Layers whose result is added to what they were given (He et al. 2016); then the activation.
    Residual {
        /// The layers.
        layers: Vec<LayerRecipe>,
        /// What is added goes through these; none add it as it is.
        shortcut: Vec<LayerRecipe>,
        /// So many of these blocks, one after another.
        times: usize,
    },
    /// Lists of layers that are given the same; what they say is put side by side, channel by channel (Szegedy et al. 2015).
    Parallel {
        /// The lists; an empty one says what it is given.
        branches: Vec<Vec<LayerRecipe>>,
    },
}

/// How often a block may be repeated.
const TIMES: Limits = Limits::between(1.0, 1000.0);
/// Blocks inside blocks: more is somebody's mistake.
const MOST_DEPTH: usize = 8;

impl LayerRecipe {
    /// Whether this, or a layer inside, is of a kind for which `is` holds.
    pub fn any(&self, is: &dyn Fn(&LayerKind) -> bool) -> bool {
        match self {
            Self::Dense(_) => false,
            Self::Other(kind) => is(kind),
            Self::Residual { layers, shortcut, .. } => {
                layers.iter().chain(shortcut).any(|layer| layer.any(is))
            }
            Self::Parallel { branches } => branches.iter().flatten().any(|layer| layer.any(is)),
        }
    }

    /// So many of it, one after another.
    pub fn times(&self) -> usize {
        if let Self::Residual { times, .. } = self { *times } else { 1 }
    }

    /// Whether every unit hears everything.
    pub fn is_dense(&self) -> bool {
        matches!(self, Self::Dense(_) | Self::Other(LayerKind::Dense { .. }))
    }

    fn read_inside(
        value: &Value,
        limits: Limits,
        path: &str,
        (problems, depth): (&mut Vec<RecipeProblem>, usize),
    ) -> Option<Self> {
        match value {
            Value::Integer(_) => usize::read(value, limits, path, problems).map(Self::Dense),
            Value::Table(table) if depth >= MOST_DEPTH && block_of(table).is_some() => {
                let expected = format!("at most {MOST_DEPTH} blocks inside one another");
                wrong_value(value, expected, path, problems, None);
                None
            }
            Value::Table(table) => match block_of(table) {
                Some(block) => Self::read_block(block, table, limits, path, (problems, depth + 1)),
                None => LayerKind::read(value, limits, path, problems).map(Self::Other),
            },
            Value::String(_) => LayerKind::read(value, limits, path, problems).map(Self::Other),
            _ => {
                wrong_value(value, Self::expected(limits), path, problems, None);
                None
            }
        }
    }

    fn read_block(
        block: &str,
        table: &Table,
        limits: Limits,
        path: &str,
        (problems, depth): (&mut Vec<RecipeProblem>, usize),
    ) -> Option<Self> {
        let before = problems.len();
        let mut list = |value: &Value, path: &str| -> Vec<LayerRecipe> {
            let Some(elements) = value.as_array() else {
                wrong_value(value, Vec::<Self>::expected(limits), path, problems, None);
                return Vec::new();
            };
            let read = |(at, value): (usize, &Value)| {
                Self::read_inside(value, limits, &format!("{path}[{at}]"), (&mut *problems, depth))
            };
            elements.iter().enumerate().filter_map(read).collect()
        };
        let read = if block == RESIDUAL {
            let empty = Value::Array(Vec::new());
            let mut of = |key: &str| list(table.get(key).unwrap_or(&empty), &join(path, key));
            let (layers, shortcut) = (of("layers"), of("shortcut"));
            refuse_unknown(table, &["kind", "layers", "shortcut", "times"], path, problems);
            let times = match table.get("times") {
                Some(value) => usize::read(value, TIMES, &join(path, "times"), problems).unwrap_or(1),
                None => 1,
            };
            if layers.is_empty() && problems.len() == before {
                let expected =
                    "layers whose result is added, such as layers = [{ kind = \"convolution\" }]".to_string();
                wrong_value(&empty, expected, &join(path, "layers"), problems, None);
            }
            Self::Residual { layers, shortcut, times }
        } else {
            let branches = table.get("branches").and_then(Value::as_array).cloned().unwrap_or_default();
            let at = join(path, "branches");
            let branches: Vec<_> = branches
                .iter()
                .enumerate()
                .map(|(number, value)| list(value, &format!("{at}[{number}]")))
                .collect();
            refuse_unknown(table, &["kind", "branches"], path, problems);
            if branches.is_empty() && problems.len() == before {
                let expected =
                    "a list of lists of layers, such as [[{ kind = \"convolution\" }], []]".to_string();
                wrong_value(&Value::Array(Vec::new()), expected, &at, problems, None);
            }
            Self::Parallel { branches }
        };
        (problems.len() == before).then_some(read)
    }
}

const RESIDUAL: &str = "residual";
const PARALLEL: &str = "parallel";

/// The name of the block that a table is.
fn block_of(table: &Table) -> Option<&str> {
    table.get("kind").and_then(Value::as_str).filter(|kind| [RESIDUAL, PARALLEL].contains(kind))
}

fn block(kind: &str, settings: Vec<(&str, Option<Value>)>) -> Option<Value> {
    Some(super::part::write_kind(kind, settings))
}

impl Setting for LayerRecipe {
    fn expected(limits: Limits) -> String {
        format!("{}, or a layer such as {{ kind = \"convolution\", channels = 32 }}", usize::expected(limits))
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        Self::read_inside(value, limits, path, (problems, 0))
    }

    fn write(&self) -> Option<Value> {
        match self {
            Self::Dense(width) => width.write(),
            Self::Other(kind) => kind.write(),
            Self::Residual { layers, shortcut, times } => {
                let settings =
                    [("layers", layers.write()), ("shortcut", shortcut.write()), ("times", times.write())];
                block(RESIDUAL, settings.into())
            }
            Self::Parallel { branches } => {
                let branches = branches.iter().filter_map(Setting::write).collect();
                block(PARALLEL, vec![("branches", Some(Value::Array(branches)))])
            }
        }
    }

    fn describe(path: &str) -> Vec<SettingDescription> {
        let described = |path: String, about: &str, expected: &str, default: &str| SettingDescription {
            path,
            about: about.to_string(),
            expected: expected.to_string(),
            default: default.to_string(),
        };
        let list = "a list of layers, in brackets";
        let mut all = LayerKind::describe(path);
        all.extend([
            described(
                format!("{path} = \"{RESIDUAL}\""),
                "Layers whose result is added to what they were given (He et al. 2016); then the activation. The last of them has none of \
                 its own unless it says so.",
                "",
                "",
            ),
            described(join(path, "layers"), "The layers.", list, ""),
            described(
                join(path, "shortcut"),
                "What is added goes through these; none add it as it is.",
                list,
                "[]",
            ),
            described(
                join(path, "times"),
                "So many of these blocks, one after another.",
                &usize::expected(TIMES),
                "1",
            ),
            described(
                format!("{path} = \"{PARALLEL}\""),
                "Lists of layers that are given the same; what they say is put side by side, channel by channel (Szegedy et al. 2015).",
                "",
                "",
            ),
            described(
                join(path, "branches"),
                "The lists; an empty one says what it is given.",
                "a list of lists of layers, in brackets",
                "",
            ),
        ]);
        all
    }
}

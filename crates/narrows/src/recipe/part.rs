//! The two macros in which a recipe is written down: `section!` for a table of settings, `part!` for a choice.
//!
//! Each setting stands once: its doc comment is also its line in the reference, its type and limits are also its
//! check, its default is what a recipe without it means. A new setting is one entry; a new part is one file with a
//! `part!` and one line in its section.

use toml::{Table, Value};

use super::problem::RecipeProblem;
use super::setting::{Setting, SettingDescription, join};

/// Records every key of a table that is not among the known ones.
pub(super) fn refuse_unknown(table: &Table, known: &[&str], path: &str, problems: &mut Vec<RecipeProblem>) {
    for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
        let nearest = super::nearest_name(key, known.iter().copied().filter(|name| *name != "kind"));
        problems.push(RecipeProblem::UnknownKey {
            path: join(path, key),
            nearest: nearest.map(|name| join(path, name)),
            known: known.iter().map(|name| (*name).to_string()).collect(),
        });
    }
}

/// Joins the lines of a doc comment to running text.
pub(super) fn running_text(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_string()
}

/// Writes a setting's default for the reference; a section's is that of its settings, a choice's is the kind.
fn default_text(value: Option<&Value>) -> String {
    match value {
        Some(Value::Table(table)) => table.get("kind").map(ToString::to_string).unwrap_or_default(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

/// Describes one setting and everything inside it.
pub(super) fn describe_setting<T: Setting>(
    path: String,
    about: &[&str],
    limits: super::Limits,
    default: Option<&Value>,
) -> Vec<SettingDescription> {
    let inside = T::describe(&path);
    let own = SettingDescription {
        about: running_text(about),
        expected: T::expected(limits),
        default: default_text(default),
        path,
    };
    std::iter::once(own).chain(inside).collect()
}

/// A table of settings: a plain struct with public fields, with its defaults, limits, reference and checks.
///
/// A default may use the settings above it.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident {
            $( $(#[doc = $field_about:literal])* $field:ident: $type:ty = $default:expr, $limits:expr; )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[doc = $field_about])* pub $field: $type, )*
        }

        impl $crate::recipe::Setting for $name {
            fn expected(_: $crate::recipe::Limits) -> String {
                "a table of settings".to_string()
            }

            fn read(
                value: &toml::Value,
                _: $crate::recipe::Limits,
                path: &str,
                problems: &mut Vec<$crate::recipe::RecipeProblem>,
            ) -> Option<Self> {
                let Some(table) = value.as_table() else {
                    let hint = Some(format!("write [{path}] on a line of its own and its settings below"));
                    let expected = Self::expected($crate::recipe::Limits::ANY);
                    $crate::recipe::setting::wrong_value(value, expected, path, problems, hint);
                    return None;
                };
                $crate::recipe::part::refuse_unknown(table, &[$(stringify!($field)),*], path, problems);
                $(
                    let $field: $type = table
                        .get(stringify!($field))
                        .and_then(|value| {
                            let path = $crate::recipe::setting::join(path, stringify!($field));
                            <$type as $crate::recipe::Setting>::read(value, $limits, &path, problems)
                        })
                        .unwrap_or_else(|| $default);
                )*
                Some(Self { $($field),* })
            }

            fn write(&self) -> Option<toml::Value> {
                let mut table = toml::Table::new();
                $(
                    if let Some(value) = $crate::recipe::Setting::write(&self.$field) {
                        table.insert(stringify!($field).to_string(), value);
                    }
                )*
                Some(toml::Value::Table(table))
            }

            fn describe(path: &str) -> Vec<$crate::recipe::SettingDescription> {
                let defaults = Self::default();
                let mut all = Vec::new();
                $(
                    all.extend($crate::recipe::part::describe_setting::<$type>(
                        $crate::recipe::setting::join(path, stringify!($field)),
                        &[$($field_about),*],
                        $limits,
                        $crate::recipe::Setting::write(&defaults.$field).as_ref(),
                    ));
                )*
                all
            }
        }

        impl Default for $name {
            fn default() -> Self {
                $( let $field: $type = $default; )*
                Self { $($field),* }
            }
        }
    };
}

/// A choice by name, each with settings of its own or none: `schedule = "cosine"`, or
/// `schedule = { kind = "step", every = 5 }`.
///
/// A setting that belongs to another kind is refused, so none is accepted and then ignored.
macro_rules! part {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident: $default_kind:literal {
            $(
                $(#[doc = $kind_about:literal])*
                $kind:ident = $word:literal
                $( { $( $(#[doc = $field_about:literal])* $field:ident: $type:ty = $default:expr, $limits:expr; )* } )?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub enum $name {
            $( $(#[doc = $kind_about])* $kind $( { $( $(#[doc = $field_about])* $field: $type ),* } )? ),*
        }

        impl $name {
            /// Every kind's name, as recipes write it.
            pub const NAMES: &'static [&'static str] = &[$($word),*];

            /// The name that recipes write.
            pub fn name(&self) -> &'static str {
                match self {
                    $( Self::$kind { .. } => $word ),*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.name())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                let mut problems = Vec::new();
                let value = toml::Value::String($default_kind.to_string());
                <Self as $crate::recipe::Setting>::read(&value, $crate::recipe::Limits::ANY, "", &mut problems)
                    .expect("the default kind is one of the kinds")
            }
        }

        impl $crate::recipe::Setting for $name {
            fn expected(_: $crate::recipe::Limits) -> String {
                $crate::recipe::part::one_of(Self::NAMES)
            }

            #[allow(unused_variables, reason = "a kind without settings reads nothing from its table")]
            fn read(
                value: &toml::Value,
                _: $crate::recipe::Limits,
                path: &str,
                problems: &mut Vec<$crate::recipe::RecipeProblem>,
            ) -> Option<Self> {
                let (kind, table) =
                    $crate::recipe::part::kind_and_settings(value, Self::NAMES, $default_kind, path, problems)?;
                match kind.as_str() {
                    $(
                        $word => {
                            let known: &[&str] = &["kind", $( $(stringify!($field)),* )?];
                            $crate::recipe::part::refuse_unknown(&table, known, path, problems);
                            $( $(
                                let $field: $type = table
                                    .get(stringify!($field))
                                    .and_then(|value| {
                                        let path = $crate::recipe::setting::join(path, stringify!($field));
                                        <$type as $crate::recipe::Setting>::read(value, $limits, &path, problems)
                                    })
                                    .unwrap_or_else(|| $default);
                            )* )?
                            Some(Self::$kind $( { $($field),* } )?)
                        }
                    )*
                    _ => None,
                }
            }

            fn write(&self) -> Option<toml::Value> {
                match self {
                    $(
                        Self::$kind $( { $($field),* } )? => {
                            let settings: Vec<(&str, Option<toml::Value>)> =
                                vec![$( $((stringify!($field), $crate::recipe::Setting::write($field))),* )?];
                            Some($crate::recipe::part::write_kind($word, settings))
                        }
                    )*
                }
            }

            fn describe(path: &str) -> Vec<$crate::recipe::SettingDescription> {
                let mut all = Vec::new();
                $(
                    all.push($crate::recipe::SettingDescription {
                        path: format!("{path} = {:?}", $word),
                        about: $crate::recipe::part::running_text(&[$($kind_about),*]),
                        expected: String::new(),
                        default: String::new(),
                    });
                    $( $(
                        all.extend($crate::recipe::part::describe_setting::<$type>(
                            $crate::recipe::setting::join(path, stringify!($field)),
                            &[$($field_about),*],
                            $limits,
                            <$type as $crate::recipe::Setting>::write(&$default).as_ref(),
                        ));
                    )* )?
                )*
                all
            }
        }
    };
}

pub(crate) use {part, section};

/// The names of the kinds, as a message lists them.
pub(super) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!("one of {}", quoted.join(", "))
}

/// Splits a part's value, written as a word or as a table, into the kind's name and the table of its settings.
pub(super) fn kind_and_settings(
    value: &Value,
    names: &[&str],
    default_kind: &str,
    path: &str,
    problems: &mut Vec<RecipeProblem>,
) -> Option<(String, Table)> {
    let default_word = Value::String(default_kind.to_string());
    let (word, table, path) = match value {
        Value::Table(table) => match table.get("kind") {
            Some(word) => (word, table.clone(), join(path, "kind")),
            None => (&default_word, table.clone(), path.to_string()),
        },
        other => (other, Table::new(), path.to_string()),
    };
    match word.as_str() {
        Some(kind) if names.contains(&kind) => Some((kind.to_string(), table)),
        wrong => {
            let nearest = wrong.and_then(|kind| super::nearest_name(kind, names.iter().copied()));
            let hint = nearest.map(|name| format!("did you mean \"{name}\"?"));
            super::setting::wrong_value(word, one_of(names), &path, problems, hint);
            None
        }
    }
}

/// Writes a kind without settings as a word, one with settings as a table.
pub(super) fn write_kind(word: &str, settings: Vec<(&str, Option<Value>)>) -> Value {
    let kind = Value::String(word.to_string());
    if settings.is_empty() {
        return kind;
    }
    let mut table = Table::new();
    table.insert("kind".to_string(), kind);
    for (key, value) in settings {
        if let Some(value) = value {
            table.insert(key.to_string(), value);
        }
    }
    Value::Table(table)
}

//! What can be wrong with a recipe, each problem with its place, what was expected, what was found and what to do.

use std::fmt;

use thiserror::Error;

/// One thing that is wrong with a recipe.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum RecipeProblem {
    /// The text is not TOML at all.
    #[error("line {line} of the recipe: expected TOML, found {found}")]
    Syntax {
        /// Line number, counted from 1.
        line: usize,
        /// What the TOML reader says about it.
        found: String,
    },
    /// A key that no part of the recipe knows.
    #[error("{path}: expected a known setting, found an unknown key")]
    UnknownKey {
        /// Dotted path of the key.
        path: String,
        /// Dotted path of the known setting that was probably meant.
        nearest: Option<String>,
        /// The keys that are known at this place.
        known: Vec<String>,
    },
    /// A value of another type than the setting's, or a word that is not one of its choices.
    #[error("{path}: expected {expected}, found {found}")]
    WrongValue {
        /// Dotted path of the setting.
        path: String,
        /// What could have been written.
        expected: String,
        /// What was written.
        found: String,
        /// What to do.
        hint: String,
    },
    /// A number of the right type outside its limits.
    #[error("{path}: expected {expected}, found {found}")]
    OutOfRange {
        /// Dotted path of the setting, with the position in a list.
        path: String,
        /// What could have been written, limits included.
        expected: String,
        /// What was written.
        found: String,
    },
    /// Two settings, each right by itself, that do not go together.
    #[error("{path}: expected {expected}, found {found}")]
    Conflict {
        /// Dotted path of the setting to change first.
        path: String,
        /// What would go with the rest of the recipe.
        expected: String,
        /// What was written.
        found: String,
        /// What to do.
        hint: String,
    },
}

impl RecipeProblem {
    /// Dotted path of the setting that the problem is about; empty for a syntax error.
    pub fn path(&self) -> &str {
        match self {
            Self::Syntax { .. } => "",
            Self::UnknownKey { path, .. }
            | Self::WrongValue { path, .. }
            | Self::OutOfRange { path, .. }
            | Self::Conflict { path, .. } => path,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Syntax { .. } => {
                "write `key = value` lines under [data], [model] or [train]; text stands in quotes"
                    .to_string()
            }
            Self::UnknownKey { nearest: Some(name), .. } => format!("did you mean {name}?"),
            Self::UnknownKey { known, .. } => format!("known here: {}", known.join(", ")),
            Self::OutOfRange { expected, .. } => format!("write {expected}"),
            Self::WrongValue { hint, .. } | Self::Conflict { hint, .. } => hint.clone(),
        }
    }
}

/// Everything that is wrong with one recipe, never empty.
#[derive(Debug, Clone, PartialEq, Error)]
pub struct RecipeProblems {
    /// The problems, in the order of the settings.
    pub problems: Vec<RecipeProblem>,
}

impl RecipeProblems {
    /// What to do: the hints of all problems, one a line.
    pub fn hint(&self) -> String {
        self.problems.iter().map(RecipeProblem::hint).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for RecipeProblems {
    /// One line for a single problem; a heading and one line each for several, hints included.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.problems.as_slice() {
            return write!(formatter, "{only}");
        }
        write!(formatter, "the recipe has {} problems", self.problems.len())?;
        for problem in &self.problems {
            write!(formatter, "\n  {problem} ({})", problem.hint())?;
        }
        Ok(())
    }
}

//! Recipes: what the user asked for (TOML text and `--set`), and what will be done ([`Recipe`], checked).
//!
//! A recipe has three sections, `[data]`, `[model]` and `[train]`. Every setting stands once, in the file of its
//! section, with its meaning, type, limits and default (`part.rs` says how). [`Recipe::parse`] reports every problem at
//! once; what it returns is complete, so it can be written back, as TOML or through serde, and read again unchanged.

mod bottleneck;
mod built_in;
mod chain;
mod conflict;
mod corruption;
mod data;
mod former;
mod layer;
mod layers;
mod model;
mod nearest;
mod optimiser;
mod overrides;
mod part;
mod penalty;
mod pretraining;
mod problem;
mod reference;
mod rivals;
mod schedule;
mod setting;
mod suiting;
#[cfg(test)]
mod tests;
mod train;
mod window;
mod words;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use toml::{Table, Value};

pub use bottleneck::Bottleneck;
pub use chain::Chain;
pub use corruption::Corruption;
pub use data::{DataRecipe, PrepareChoice, SourceKind};
pub use layer::{Bias, LayerKind};
pub use layers::LayerRecipe;
pub use model::{
    Activation, AuxiliaryHeads, AuxiliaryRecipe, Decoder, Growth, Initial, ModelKind, ModelRecipe,
    OutputChoice,
};
pub use nearest::nearest_name;
pub use optimiser::Optimiser;
pub use penalty::{Contraction, PenaltyRecipe, Sparsity};
pub use pretraining::Pretraining;
pub use problem::{RecipeProblem, RecipeProblems};
pub use rivals::Rivals;
pub use schedule::Schedule;
pub use setting::{Limits, Setting, SettingDescription};
pub use suiting::{Suited, suited_to_pictures};
pub use train::{ClassWeights, TrainRecipe};
pub use window::{Padding, Pair};

part::section! {
    /// What will be done: which rows, which network, how it is trained. Checked and complete.
    ///
    /// `Recipe::default()` is what data without a recipe is trained with.
    pub struct Recipe {
        /// The recipe's name.
        name: String = String::new(), Limits::ANY;
        /// What it is, in one line.
        about: String = String::new(), Limits::ANY;
        /// Which rows the model is trained on, and how they are prepared.
        data: DataRecipe = DataRecipe::default(), Limits::ANY;
        /// The network: its layers, units and starting weights.
        model: ModelRecipe = ModelRecipe::default(), Limits::ANY;
        /// How the weights are found.
        train: TrainRecipe = TrainRecipe::default(), Limits::ANY;
        /// Variants that are trained on the same rows, one after the other, and stand beside the model in verdict and report.
        rivals: Rivals = Rivals::default(), Limits::ANY;
    }
}

impl Recipe {
    /// Reads a recipe and lays the overrides (dotted path, value as TOML or a bare word) over it.
    ///
    /// # Errors
    ///
    /// Every problem at once: unknown keys, wrong types, numbers out of range, settings that do not go together.
    pub fn parse(text: &str, overrides: &[(String, String)]) -> Result<Self, RecipeProblems> {
        let mut table: Table = toml::from_str(text).map_err(|error| syntax_problem(text, &error))?;
        let mut problems = overrides::lay_over(&mut table, overrides);
        match Self::check(table) {
            Ok(recipe) if problems.is_empty() => Ok(recipe),
            Ok(_) => Err(RecipeProblems { problems }),
            Err(found) => {
                problems.extend(found.problems);
                Err(RecipeProblems { problems })
            }
        }
    }

    /// Checks what was asked for and completes it with defaults.
    fn check(table: Table) -> Result<Self, RecipeProblems> {
        let mut problems = Vec::new();
        let recipe = Self::read(&Value::Table(table), Limits::ANY, "", &mut problems).unwrap_or_default();
        conflict::find(&recipe, &mut problems);
        if problems.is_empty() {
            rivals::find_problems(&recipe, &mut problems);
        }
        if problems.is_empty() {
            return Ok(recipe);
        }
        let settings = Self::settings();
        for problem in &mut problems {
            suggest_elsewhere(problem, &settings);
        }
        Err(RecipeProblems { problems })
    }

    /// Every setting, in order, with its meaning, what can be written and its default.
    pub fn settings() -> Vec<SettingDescription> {
        Self::describe("")
    }

    /// The names of the built-in recipes.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        built_in::RECIPES.iter().map(|(name, _)| *name)
    }

    /// The TOML text of a built-in recipe.
    pub fn built_in(name: &str) -> Option<&'static str> {
        built_in::RECIPES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// The built-in recipe whose name is nearest to a misspelt one.
    pub fn nearest_built_in(name: &str) -> Option<&'static str> {
        nearest_name(name, Self::built_in_names())
    }

    /// Every setting as a page in Markdown.
    pub fn reference() -> String {
        reference::page(&Self::settings())
    }

    /// The same recipe without its data path, as a model file keeps it: equal runs are equal files wherever they ran.
    #[must_use]
    pub fn without_path(mut self) -> Self {
        self.data.path = None;
        self
    }

    /// The complete recipe as TOML that parses to the same recipe.
    pub fn to_toml(&self) -> String {
        let Some(Value::Table(top)) = self.write() else { return String::new() };
        let (sections, plain): (Vec<_>, Vec<_>) = top.into_iter().partition(|(_, value)| value.is_table());
        let mut text: String = plain.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        for (name, section) in &sections {
            text.push_str(&format!("\n[{name}]\n"));
            for (key, value) in section.as_table().into_iter().flatten() {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    }
}

impl Serialize for Recipe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write().serialize(serializer)
    }
}

/// Reads through the same checks as [`Recipe::parse`], so that an altered model file is refused.
impl<'de> Deserialize<'de> for Recipe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Table::deserialize(deserializer)?;
        former::renew(&mut table);
        Self::check(table).map_err(D::Error::custom)
    }
}

/// Turns the TOML reader's error into a problem with a line number.
fn syntax_problem(text: &str, error: &toml::de::Error) -> RecipeProblems {
    let before = error.span().map_or(0, |span| span.start).min(text.len());
    let line = 1 + text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count();
    let found = error.message().lines().collect::<Vec<_>>().join(", ");
    RecipeProblems { problems: vec![RecipeProblem::Syntax { line, found }] }
}

/// Improves on an unknown key that is known elsewhere: in another kind of the same choice, or at another place
/// (`momentum` for `train.optimiser.momentum`).
fn suggest_elsewhere(problem: &mut RecipeProblem, settings: &[SettingDescription]) {
    let RecipeProblem::UnknownKey { path, nearest, .. } = problem else { return };
    if let Some(index) = settings.iter().position(|setting| setting.path == *path) {
        let kind = settings[..index].iter().rev().find(|setting| setting.path.contains(" = "));
        let kind = kind.map(|setting| setting.path.clone()).unwrap_or_default();
        *problem = RecipeProblem::Conflict {
            path: path.clone(),
            expected: "a setting of the chosen kind".to_string(),
            found: "one of another kind".to_string(),
            hint: format!("leave it out, or set {kind}"),
        };
    } else if nearest.is_none() {
        let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_string();
        let known: Vec<_> = settings.iter().filter(|setting| !setting.path.contains(' ')).collect();
        let names: Vec<String> = known.iter().map(|setting| last(&setting.path)).collect();
        *nearest = nearest_name(&last(path), names.iter().map(String::as_str))
            .and_then(|name| names.iter().position(|known| known == name))
            .map(|index| known[index].path.clone());
    }
}

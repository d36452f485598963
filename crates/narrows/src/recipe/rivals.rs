//! Rivals: variants of a recipe that are trained on the same rows and stand beside its model.

use toml::{Table, Value};

use super::setting::{found, join, wrong_value};
use super::{Limits, Recipe, RecipeProblem, RecipeProblems, Setting};

/// Variants by name, each the settings in which it differs, by their dotted paths.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rivals(Vec<(String, Vec<(String, Value)>)>);

impl Rivals {
    /// The names, in the order of the recipe.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl Recipe {
    /// The rival of that name: this recipe with the rival's settings laid over it.
    ///
    /// # Errors
    /// Settings that make no recipe; rows of its own, which nothing could be compared on.
    pub fn rival(&self, name: &str) -> Result<Recipe, RecipeProblems> {
        let settings = self.rivals.0.iter().find(|(known, _)| known == name);
        let settings = settings.map_or(&[][..], |(_, settings)| settings);
        let path = |key: &str| join(&join("rivals", name), key);
        // The seed decides which rows are which; models of another kind have figures of another kind.
        let foreign = |key: &str| {
            let (model, train) = (key.starts_with("model."), key.starts_with("train."));
            !model && !train || key == "train.seed" || key == "model.kind"
        };
        let own = settings.iter().find(|(key, _)| foreign(key));
        if let Some((key, value)) = own {
            return Err(RecipeProblems {
                problems: vec![RecipeProblem::Conflict {
                    path: path(key),
                    expected:
                        "a setting of the model or of its training by its path, other than its kind and seed"
                            .to_string(),
                    found: value.to_string(),
                    hint: "rivals learn from the same rows for the same end; write { \"model.code\" = 8 }"
                        .to_string(),
                }],
            });
        }
        let mut overrides: Vec<(String, String)> =
            settings.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
        let text = |text: String| Value::String(text).to_string();
        overrides.push(("name".to_string(), text(format!("{}-{name}", self.name))));
        overrides.push(("about".to_string(), text(format!("{name}, a rival of {}", self.name))));
        let alone = Recipe { rivals: Rivals::default(), ..self.clone() };
        Recipe::parse(&alone.to_toml(), &overrides)
    }
}

/// Adds what is wrong with a recipe's rivals, each problem under the rival's name.
pub(super) fn find_problems(recipe: &Recipe, problems: &mut Vec<RecipeProblem>) {
    for name in recipe.rivals.names() {
        let Err(own) = recipe.rival(name) else { continue };
        problems.extend(own.problems.into_iter().map(|problem| match problem {
            conflict @ RecipeProblem::Conflict { .. } if conflict.path().starts_with("rivals.") => conflict,
            other => RecipeProblem::Conflict {
                path: format!("rivals.{name}"),
                expected: "settings that make a recipe".to_string(),
                found: other.to_string(),
                hint: other.hint(),
            },
        }));
    }
}

impl Setting for Rivals {
    fn expected(_: Limits) -> String {
        "a table for each rival: its settings by their paths, such as { \"model.code\" = 8 }".to_string()
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        let Some(table) = value.as_table() else {
            wrong_value(value, Self::expected(limits), path, problems, None);
            return None;
        };
        let mut rivals = Vec::new();
        for (name, settings) in table {
            let Some(settings) = settings.as_table() else {
                let (path, expected) = (join(path, name), "a table of settings by their paths".to_string());
                let hint = "write { \"model.code\" = 8 }".to_string();
                problems.push(RecipeProblem::WrongValue { path, expected, found: found(settings), hint });
                continue;
            };
            let settings = settings.iter().map(|(key, value)| (key.clone(), value.clone()));
            rivals.push((name.clone(), settings.collect()));
        }
        Some(Rivals(rivals))
    }

    fn write(&self) -> Option<Value> {
        if self.0.is_empty() {
            return None;
        }
        let table = |settings: &[(String, Value)]| Value::Table(settings.iter().cloned().collect::<Table>());
        let rivals = self.0.iter().map(|(name, settings)| (name.clone(), table(settings)));
        Some(Value::Table(rivals.collect()))
    }
}

//! `narrows recipes`: what comes with the program.

use crate::arguments::recipe_names;
use crate::failure::Failure;
use crate::{output, recipe_choice, wording};
use clap::Args;
use narrows::recipe::Recipe;

/// Options of `narrows recipes`.
#[derive(Debug, Args)]
pub struct Options {
    /// Print this recipe as TOML, to save and change it
    name: Option<String>,
    /// Print every setting that a recipe may have, as a page in Markdown
    #[arg(long, conflicts_with = "name")]
    settings: bool,
}

/// Lists the recipes, or prints one, or all settings.
///
/// # Errors
/// A name that is none of a recipe's.
pub fn run(options: &Options) -> Result<(), Failure> {
    if options.settings {
        return output::result(Recipe::reference().trim_end());
    }
    if let Some(name) = &options.name {
        let text = Recipe::built_in(name).ok_or_else(|| {
            let hint = recipe_choice::did_you_mean(name)
                .unwrap_or_else(|| format!("built-in recipes: {}", recipe_names()));
            Failure::new(format!("{name}: there is no built-in recipe of that name"), hint)
        })?;
        return output::result(text.trim_end());
    }
    let mut rows = Vec::new();
    for name in Recipe::built_in_names() {
        let recipe = Recipe::parse(Recipe::built_in(name).unwrap_or_default(), &[])?;
        rows.push(vec![name.to_owned(), recipe.about]);
    }
    output::result(&wording::table(&rows, |_| false))?;
    output::result(
        "\n  narrows train NAME trains one; those on MNIST need its folder: --data PATH\n  \
         narrows recipes NAME prints one as TOML, to save and change; --settings lists every setting",
    )
}

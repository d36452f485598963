//! The rivals of a recipe: trained on the same rows before the model itself, each with a model file of its own beside it.

use super::files::Files;
use super::{Options, begin, outcome, start, train};
use crate::failure::Failure;
use crate::output;
use narrows::apply::{Codec, Rival};
use narrows::data::Source;
use narrows::model_file::Model;
use narrows::recipe::Recipe;
use narrows::train::{Compute, Setup, Trainer};

/// Trains every rival, or takes up the one that a run gone on with had finished.
///
/// # Errors
/// As for the model itself.
pub fn train_all(
    recipe: &Recipe,
    source: &Source,
    files: &Files,
    compute: &Compute,
    options: &Options,
) -> Result<Vec<Rival>, Failure> {
    let mut places = Vec::new();
    for name in recipe.rivals.names() {
        let place = files.of_rival(name).model;
        if places.contains(&place) && !files.is_special {
            return Err(Failure::new(
                format!("rivals.{name}: {} is another rival's file, too", place.display()),
                "names that differ in / and - alone make one file's name: choose another",
            ));
        }
        places.push(place);
    }
    // What will not do is found before anything is trained.
    if recipe.rivals.names().next().is_some() {
        Setup::new(recipe, source.clone())?;
    }
    for name in recipe.rivals.names() {
        Setup::new(&recipe.rival(name).map_err(narrows::Error::from)?, source.clone())?;
    }
    let mut rivals = Vec::new();
    for name in recipe.rivals.names() {
        let variant = recipe.rival(name).map_err(narrows::Error::from)?;
        let setup = Setup::new(&variant, source.clone())?;
        let files = files.of_rival(name);
        let model = match known(&setup, &files, options) {
            Some(model) => model,
            None => one(setup, &files, compute, options)?,
        };
        rivals.push(Rival { name: name.to_owned(), codec: Codec::new(model, compute)? });
    }
    Ok(rivals)
}

/// The rival that an earlier run finished, if this one goes on with that.
fn known(setup: &Setup, files: &Files, options: &Options) -> Option<Model> {
    let model = options.resume.then(|| Model::load(&files.model).ok()).flatten()?;
    let same = model.description.recipe == setup.recipe
        && model.description.fingerprint == setup.source.fingerprint();
    same.then_some(model)
}

fn one(setup: Setup, files: &Files, compute: &Compute, options: &Options) -> Result<Model, Failure> {
    let mut trainer = Trainer::new(setup, compute)?;
    if !options.quiet {
        output::note(&start::described(&trainer, compute));
    }
    begin(&mut trainer, files, options)?;
    let progress = train(&mut trainer, files, None, options)?;
    let (model, _) = trainer.finish()?;
    if !files.is_special {
        model.save(&files.model)?;
    }
    // Its work is done; if it cannot be taken away, it does no harm.
    let _ = std::fs::remove_file(&files.checkpoint);
    if !options.quiet {
        output::note(&format!("{}\n", outcome::summary(&model.description, progress.took())));
    }
    Ok(model)
}

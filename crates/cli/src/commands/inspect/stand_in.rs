//! Rows that stand in for the real ones where only their shape matters: a plan is the same for any rows.

use crate::failure::Failure;
use crate::recipe_choice::{USUAL_CLASSES, shape_of};
use narrows::data::{Dataset, ItemShape, LabelMaps, Labels, Preparation, Source, Split, Values, load};
use narrows::model_file::Model;
use narrows::recipe::{ModelKind, Recipe, SourceKind};
use narrows::train::stage::stages;
use narrows::train::{Setup, Stage};

/// Rows that a recipe could be trained on, and what to say about them.
///
/// # Errors
/// A recipe from which the shape of its rows cannot be told.
pub fn source_of_recipe(recipe: &Recipe) -> Result<(Source, Vec<String>), Failure> {
    // Enough for a whole batch of training rows whatever is held out, and for "auto" to see what the rows are like.
    let rows = (4 * recipe.train.batch).max(1000);
    if recipe.data.source == SourceKind::Glyphs {
        let mut options = recipe.data.options(recipe.train.seed);
        options.rows = Some(options.rows.unwrap_or(rows).min(rows));
        options.test_rows = Some(1);
        return Ok((load(None, &options)?, Vec::new()));
    }
    let Some(shape) = shape_of(recipe) else {
        return Err(Failure::new(
            format!("{}: how wide the network is depends on the data, and none are named", recipe.name),
            "name them with --data PATH",
        ));
    };
    let told = recipe.data.patch.or(recipe.data.size).is_some();
    let note = (!told).then(|| {
        "taken for MNIST's pictures of 28 × 28 and 10 classes; --data PATH shows it for yours".to_owned()
    });
    let tells_classes = matches!(recipe.model.kind, ModelKind::Classifier | ModelKind::Segmenter);
    let classes = if tells_classes { recipe.data.classes.unwrap_or(USUAL_CLASSES) } else { 0 };
    Ok((pixels(shape, rows, classes), note.into_iter().collect()))
}

/// A run like the one that made a model.
///
/// # Errors
/// None in practice.
pub fn setup_of_model(model: &Model) -> Result<Setup, Failure> {
    let description = &model.description;
    let rows = description.recipe.train.batch.min(description.rows.train).max(1);
    let mut source = pixels(description.shape.clone(), rows, description.classes.len());
    let bytes = match &description.preparation {
        Preparation::Scale { minimum, maximum } => minimum == &[0.0] && maximum == &[255.0],
        Preparation::TfIdf { .. } => true,
        _ => false,
    };
    if !bytes {
        source.train.values = Values::F32(source.train.values.to_f32());
    }
    let split = Split {
        train: (0..rows as u32).collect(),
        validation: Vec::new(),
        test: Vec::new(),
        test_is_own_part: false,
    };
    let network = model.network()?;
    let stages = match model.is_boltzmann() {
        true => stages(&description.recipe, &network, &source.train, &split.train, description.output)?,
        false => vec![Stage::whole(&description.recipe.train, &split.train)],
    };
    Ok(Setup {
        recipe: description.recipe.clone(),
        source,
        split,
        preparation: description.preparation.clone(),
        output: description.output,
        network,
        classes: description.classes.clone(),
        class_weights: Vec::new(),
        stages,
        rebuilt: description.output,
    })
}

/// Rows of pixels of every brightness.
fn pixels(shape: ItemShape, rows: usize, classes: usize) -> Source {
    let values = (0..rows * shape.features()).map(|at| (at * 37 % 256) as u8).collect();
    let names: Vec<String> = (0..rows).map(|row| (row % classes.max(1)).to_string()).collect();
    let labels = (classes > 0).then(|| Labels::from_texts(&names));
    let maps = (classes > 0).then(|| LabelMaps {
        names: (0..classes).map(|class| class.to_string()).collect(),
        of_pixel: (0..rows * shape.pixels()).map(|at| (at % classes.min(255)) as u8).collect(),
    });
    let train = Dataset { maps, shape, values: Values::U8(values), labels, names: None };
    Source { name: "idx".to_owned(), train, test: None, notes: Vec::new() }
}

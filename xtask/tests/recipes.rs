//! Every recipe parses and trains for two steps, on rows made for it.

use narrows::data::{LabelMaps, Source};
use narrows::recipe::{ModelKind, Recipe, SourceKind};
use narrows::train::{Compute, Event, Setup, Signal, Trainer};
use xtask::{files, root};

/// Rows like those that the recipe asks for, without files: glyphs, resized where it says so.
fn rows(recipe: &Recipe) -> Source {
    let size = recipe.data.size.unwrap_or([28, 28]);
    let overrides = [
        ("data.source".to_owned(), "glyphs".to_owned()),
        ("data.size".to_owned(), format!("[{}, {}]", size[0], size[1])),
    ];
    let glyphs = Recipe::parse("", &overrides).unwrap();
    let mut options = glyphs.data.options(1);
    (options.rows, options.test_rows) = (Some(300), Some(50));
    let mut source = narrows::data::load(None, &options).unwrap();
    if recipe.data.colour == Some(true) {
        options.colour = Some(true);
        source = narrows::data::load(None, &options).unwrap();
    }
    if recipe.model.kind == ModelKind::Segmenter {
        // Ink and paper.
        for part in std::iter::once(&mut source.train).chain(&mut source.test) {
            let bytes = part.values.to_f32();
            let channels = part.shape.features() / part.shape.pixels();
            let of_pixel = bytes.iter().step_by(channels).map(|value| u8::from(*value > 127.0)).collect();
            part.maps = Some(LabelMaps { names: vec!["paper".to_owned(), "ink".to_owned()], of_pixel });
        }
    }
    source
}

#[test]
fn every_recipe_trains_for_two_steps() {
    let folder = tempfile::tempdir().unwrap();
    let compute = Compute::new(2).unwrap();
    let mut names = Vec::new();
    for path in files(&root().join("recipes"), "toml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let overrides = [("data.validation".to_owned(), "50".to_owned())];
        let recipe = Recipe::parse(&text, &overrides)
            .unwrap_or_else(|problems| panic!("{}: {problems}", path.display()));
        assert_eq!(
            Some(recipe.name.as_str()),
            path.file_stem().and_then(|stem| stem.to_str()),
            "a recipe is named after its file"
        );
        assert!(Recipe::built_in(&recipe.name).is_some(), "{} is built in", recipe.name);
        if recipe.data.classes.is_some() && recipe.model.kind == ModelKind::Classifier {
            // As large as published; the library's tests train them at a reduced size.
            names.push(recipe.name);
            continue;
        }
        let mut trainer = Trainer::new(Setup::new(&recipe, rows(&recipe)).unwrap(), &compute).unwrap();
        let mut steps = 0;
        let checkpoint = folder.path().join(&recipe.name);
        trainer
            .train(&checkpoint, &mut |event| {
                steps += usize::from(matches!(event, Event::Step { .. }));
                if steps == 2 { Signal::Stop } else { Signal::Continue }
            })
            .unwrap_or_else(|error| panic!("{}: {error}", recipe.name));
        assert_eq!(steps, 2, "{}", recipe.name);
        names.push(recipe.name);
    }
    assert_eq!(names.len(), Recipe::built_in_names().count(), "every built-in recipe is a file");
}

#[test]
fn a_recipe_that_reads_files_says_which_kind() {
    for name in Recipe::built_in_names() {
        let recipe = Recipe::parse(Recipe::built_in(name).unwrap_or_default(), &[]).unwrap();
        assert_ne!(recipe.data.source, SourceKind::Auto, "{name}");
        assert!(!recipe.about.is_empty(), "{name} says what it is");
    }
}

//! What `[RECIPE|PATH]` means: a built-in recipe, a recipe's TOML file, or data to train on with the defaults.

use crate::arguments::{Settings, recipe_names};
use crate::failure::Failure;
use narrows::data::{Cache, DataError, GLYPH_SIZE, ItemShape, Source, load};
use narrows::recipe::{Recipe, SourceKind, suited_to_pictures};
use std::path::{Path, PathBuf};

/// A recipe and where its rows come from.
#[derive(Debug)]
pub struct Choice {
    /// The recipe, settings laid over it.
    pub recipe: Recipe,
    /// The data, if any were named.
    pub data: Option<PathBuf>,
    /// Whether data alone were named.
    defaults: bool,
    /// What the settings lack to go with the plain network, where they go with one for pictures.
    lacking: Option<Failure>,
}

/// The recipe that is trained when none is named.
const FIRST: &str = "glyphs";

/// Finds out what was meant.
///
/// # Errors
/// A name that is neither a recipe nor a file; a recipe with problems.
pub fn choose(named: Option<&str>, data: Option<&Path>, settings: &Settings) -> Result<Choice, Failure> {
    let name = named.unwrap_or(FIRST);
    let path = Path::new(name);
    let is_toml = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
    let (mut defaults, mut lacking) = (false, None);
    let (mut recipe, mut named_data) = if let Some(text) = Recipe::built_in(name) {
        (parse(text, data, settings)?, None)
    } else if is_toml && !path.is_dir() {
        (parse(&read(path)?, data, settings).map_err(|failure| failure.of(name))?, None)
    } else if path.exists() {
        defaults = true;
        let recipe = match Recipe::parse("", &settings.set) {
            Ok(recipe) => recipe,
            Err(problems) => {
                // Any layer of maps stands for those that the pictures' size will ask for.
                let maps = ("model.hidden".to_owned(), "['max-pool']".to_owned());
                let for_pictures = Recipe::parse("", &[&[maps], &settings.set[..]].concat());
                let problems = Failure::from(problems);
                let Ok(recipe) = for_pictures else { return Err(problems) };
                lacking = Some(problems);
                recipe
            }
        };
        (recipe, Some(path.to_path_buf()))
    } else {
        return Err(neither(name, path));
    };
    if recipe.name.is_empty() {
        recipe.name = stem(path);
    }
    if let (Some(_), Some(_)) = (&named_data, data) {
        return Err(Failure::new(
            format!("data named twice: {name} and --data"),
            "name a recipe and --data, or the data alone",
        ));
    }
    if let Some(data) = data {
        named_data = Some(data.to_path_buf());
    }
    let data = named_data.or_else(|| recipe.data.path.as_ref().map(PathBuf::from));
    Ok(Choice { recipe, data, defaults, lacking })
}

impl Choice {
    /// Where pictures were named without a recipe, and no layers, takes those that suit them; tells why.
    ///
    /// # Errors
    /// Settings that go with such layers alone, where there are none.
    pub fn suit(&mut self, source: &Source, settings: &Settings) -> Result<Option<String>, Failure> {
        match (self.suited(source, settings), self.lacking.take()) {
            (None, Some(lacking)) => Err(lacking),
            (why, _) => Ok(why),
        }
    }

    fn suited(&mut self, source: &Source, settings: &Settings) -> Option<String> {
        let asked = ["model.hidden", "model.decoder"].iter().any(|path| settings.names(path));
        let &ItemShape::Image { height, width, channels } = &source.train.shape else { return None };
        if !self.defaults || asked || source.name != "pictures" {
            return None;
        }
        let suited =
            suited_to_pictures(self.recipe.model.kind, [height, width, channels], source.train.rows())?;
        let all = [&suited.settings[..], &settings.set].concat();
        // What was set may go with the plain network alone, as Boltzmann machines do.
        let recipe = Recipe::parse("", &all).ok()?;
        self.recipe = Recipe { name: self.recipe.name.clone(), ..recipe };
        Some(suited.why)
    }

    /// Loads the rows; pictures that take too much memory are decoded into the file `cache`, if there may be one.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&self, cache: Option<&Path>) -> Result<Source, Failure> {
        let mut options = self.recipe.data.options(self.recipe.train.seed);
        let most_in_memory = self.recipe.data.in_memory as u64;
        options.cache = cache.map(|path| Cache { path: path.to_path_buf(), most_in_memory });
        Ok(load(self.data.as_deref(), &options)?)
    }
}

/// Classes that are assumed where nobody says how many: there are ten digits.
pub const USUAL_CLASSES: usize = 10;

/// What rows of a recipe are, if that can be told without data.
pub fn shape_of(recipe: &Recipe) -> Option<ItemShape> {
    let colours = if recipe.data.colour == Some(true) { 3 } else { 1 };
    let channels = recipe.data.channels.unwrap_or(colours);
    let [height, width] = match (recipe.data.patch.or(recipe.data.size), recipe.data.source) {
        (Some(size), _) => size,
        (None, SourceKind::Idx | SourceKind::Glyphs) => [GLYPH_SIZE; 2],
        _ => return None,
    };
    Some(ItemShape::Image { height, width, channels })
}

/// Reads a recipe. One that draws its rows can be run on others; how many it would have drawn is no limit to them.
fn parse(text: &str, data: Option<&Path>, settings: &Settings) -> Result<Recipe, Failure> {
    let draws = Recipe::parse(text, &[]).is_ok_and(|recipe| recipe.data.source == SourceKind::Glyphs);
    if data.is_none() || !draws || settings.names("data.source") {
        return Ok(Recipe::parse(text, &settings.set)?);
    }
    let mut set = vec![("data.source".to_owned(), SourceKind::Auto.name().to_owned())];
    set.extend_from_slice(&settings.set);
    let mut recipe = Recipe::parse(text, &set)?;
    // Patches are cut, however many pictures there are.
    if recipe.data.patch.is_some() {
        return Ok(recipe);
    }
    if !settings.names("data.rows") {
        recipe.data.rows = None;
    }
    if !settings.names("data.test_rows") {
        recipe.data.test_rows = None;
    }
    Ok(recipe)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| {
        let path = path.to_path_buf();
        match source.kind() {
            std::io::ErrorKind::NotFound => DataError::Missing { path }.into(),
            std::io::ErrorKind::InvalidData => Failure::new(
                format!("{}: expected a recipe in TOML, found bytes that are no text", path.display()),
                "give a recipe's name, a TOML file, or data with --data PATH",
            ),
            _ => DataError::Unreadable { path, source }.into(),
        }
    })
}

/// Something that looks like a path was meant as one.
fn neither(name: &str, path: &Path) -> Failure {
    if name.contains(std::path::MAIN_SEPARATOR) || path.extension().is_some() {
        return DataError::Missing { path: path.to_path_buf() }.into();
    }
    let hint = did_you_mean(name)
        .unwrap_or_else(|| format!("built-in recipes: {}; or give the path of your data", recipe_names()));
    Failure::new(format!("{name}: there is no recipe and no file or folder of that name"), hint)
}

/// The recipe that was probably meant.
pub fn did_you_mean(name: &str) -> Option<String> {
    Recipe::nearest_built_in(name).map(|nearest| format!("did you mean {nearest}?"))
}

/// The name without folders and endings: `faces.csv.gz` is `faces`.
fn stem(path: &Path) -> String {
    let absolute = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = absolute.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match name.split_once('.') {
        Some((stem, _)) if !stem.is_empty() && !absolute.is_dir() => stem.to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Settings {
        Settings::default()
    }

    #[test]
    fn without_a_name_glyphs_are_meant() {
        let choice = choose(None, None, &none()).unwrap();
        assert_eq!((choice.recipe.name.as_str(), choice.data), ("glyphs", None));
        assert_eq!(choice.recipe.data.rows, Some(12000));
    }

    #[test]
    fn a_recipe_that_draws_takes_all_rows_of_other_data() {
        let there = Path::new(env!("CARGO_MANIFEST_DIR"));
        let choice = choose(Some("glyphs"), Some(there), &none()).unwrap();
        assert_eq!((choice.recipe.data.rows, choice.recipe.data.source), (None, SourceKind::Auto));
        assert_eq!(choose(Some("patches"), Some(there), &none()).unwrap().recipe.data.rows, Some(50000));
        let limited = Settings { set: vec![("data.rows".to_owned(), "50".to_owned())] };
        assert_eq!(choose(Some("glyphs"), Some(there), &limited).unwrap().recipe.data.rows, Some(50));
    }

    #[test]
    fn data_are_named_after_their_file() {
        assert_eq!(stem(Path::new("x/faces.csv.gz")), "faces");
        assert_eq!(stem(Path::new("x/.hidden")), ".hidden");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/..");
        assert_eq!(stem(&folder), "cli");
    }
}

//! The `[data]` section: which rows, and how they are prepared.

use toml::Value;

use super::part::{part, section};
use super::setting::wrong_value;
use super::{Limits, RecipeProblem, Setting};
use crate::data::{Kind, MapOptions, Options, Part, PreparationChoice, SplitOptions};

section! {
    /// Which rows a model is trained on, and how they are prepared.
    pub struct DataRecipe {
        /// Where rows come from; "auto" recognises the kind from the path.
        source: SourceKind = SourceKind::Auto, Limits::ANY;
        /// File or folder to read when the command line names none; never stored in a model file.
        path: Option<String> = None, Limits::ANY;
        /// Training rows: how many glyphs to draw, or the most to take from another source.
        rows: Option<usize> = None, Limits::between(1.0, 1e9);
        /// Test rows: how many glyphs to draw, or the most to take from another source.
        test_rows: Option<usize> = None, Limits::between(1.0, 1e9);
        /// Height and width that pictures are resized to; left out, they keep theirs. Rows of a table with exactly that
        /// many numbers are read as pictures.
        size: Option<[usize; 2]> = None, Limits::between(1.0, 4096.0);
        /// Height and width of patches that are cut out of pictures at random places and take their place as rows: data.rows of them,
        /// 20000 if left out. Pictures of a folder are cut in their own size unless data.size is given.
        patch: Option<[usize; 2]> = None, Limits::between(1.0, 4096.0);
        /// Bytes of decoded pictures that training keeps in memory; more are decoded once into a file beside the model, and read from there.
        in_memory: f64 = 4e9, Limits::NOT_NEGATIVE;
        /// Whether pictures have three colours or are grey; left out, they are grey if all of them are.
        colour: Option<bool> = None, Limits::ANY;
        /// Numbers of a pixel, where rows of a table are read as pictures; left out, 1 or 3.
        channels: Option<usize> = None, Limits::between(1.0, 4096.0);
        /// Whether arrays of four axes hold their channels before height and width; they are turned, channels last, and arrays that are written turned back.
        channels_first: bool = false, Limits::ANY;
        /// Classes to assume where a network is looked at without rows; rows tell their classes themselves.
        classes: Option<usize> = None, Limits::between(2.0, 1e6);
        /// For segmenters: what the folder of label maps has behind the name of the pictures' folder, "annot" for `train` and `trainannot`; a map
        /// is a grey or palette PNG of its picture's name, with a class number for each pixel.
        maps: Option<String> = None, Limits::ANY;
        /// The number in label maps of pixels whose class nobody knows; they count in no loss and no score.
        void: Option<usize> = None, Limits::between(0.0, 255.0);
        /// Names of the classes in label maps, in the order of their numbers; left out, the numbers.
        class_names: Vec<String> = Vec::new(), Limits::ANY;
        /// Name of the CSV column, of the array in an NPZ file, or of the field of JSON lines that holds the labels.
        label: Option<String> = None, Limits::ANY;
        /// Whether the first CSV line names the columns; left out, it is recognised.
        header: Option<bool> = None, Limits::ANY;
        /// Name of the array to read from an NPZ file that holds several.
        array: Option<String> = None, Limits::ANY;
        /// Words of texts that are counted, those that most texts have: the width of a row; 2000 if left out.
        words: Option<usize> = None, Limits::between(1.0, 1e6);
        /// How values are scaled, fitted on training rows only; "auto" chooses from the data.
        prepare: PrepareChoice = PrepareChoice::Auto, Limits::ANY;
        /// Whether values from 0 to 1 are taken as probabilities, and rows as draws of zeros and ones: new ones in each step of training,
        /// the same ones for each row in held-out losses, bounds and likelihoods. Codes and reconstructions are made of rows as they are.
        binarise: bool = false, Limits::ANY;
        /// Labelled rows of each class that a classifier learns from; the others serve pre-training alone. Left out, all.
        labels_per_class: Option<usize> = None, Limits::between(1.0, 1e9);
        /// Training rows set aside for choices such as early stopping: a share (0.1) or a number of rows (5000).
        validation: Part = Part::Share(0.1), Limits::ANY;
        /// Rows set aside for the final test when the source has no test part: a share or a number of rows.
        test: Part = Part::Share(0.1), Limits::ANY;
    }
}

part! {
    /// Where rows come from.
    pub enum SourceKind: "auto" {
        /// Recognised from the path.
        Auto = "auto",
        /// Digits drawn by Narrows itself, labelled; needs no file and no network.
        Glyphs = "glyphs",
        /// IDX files, plain or gzipped, or a folder with MNIST's file names.
        Idx = "idx",
        /// A folder of PNG and JPEG files; its sub-folders are the labels.
        Pictures = "pictures",
        /// A NumPy NPY or NPZ file.
        Npy = "npy",
        /// A table of numbers separated by commas.
        Csv = "csv",
        /// Texts, a row of which counts words: JSON lines with a field "text", or a folder of .txt files.
        Text = "text",
    }
}

part! {
    /// How values are scaled before a network sees them.
    pub enum PrepareChoice: "auto" {
        /// Chosen from the training rows.
        Auto = "auto",
        /// Scaled to 0 to 1.
        Unit = "unit",
        /// Mean 0 and standard deviation 1 in every column.
        Standardise = "standardise",
        /// Mean 0 in every column, all divided by the root of the number of training rows: the lectures' normalisation for PCA.
        Centre = "centre",
        /// Counts of words as weights, (1 + ln n) · ln(N / N with the word), of length 1 in every row (Salton and Buckley 1988).
        TfIdf = "tf-idf",
        /// Left as they are.
        None = "none",
    }
}

impl DataRecipe {
    /// What the data room is to load. `seed` is the training's: it decides what is drawn or taken.
    pub fn options(&self, seed: u64) -> Options {
        Options {
            kind: match self.source {
                SourceKind::Auto => None,
                SourceKind::Glyphs => Some(Kind::Glyphs),
                SourceKind::Idx => Some(Kind::Idx),
                SourceKind::Pictures => Some(Kind::Pictures),
                SourceKind::Npy => Some(Kind::Npy),
                SourceKind::Csv => Some(Kind::Csv),
                SourceKind::Text => Some(Kind::Text),
            },
            image_size: self.size.map(|[height, width]| (height, width)),
            patch: self.patch.map(|[height, width]| (height, width)),
            colour: self.colour,
            channels: self.channels,
            channels_first: self.channels_first,
            cache: None,
            maps: self.maps.clone().map(|suffix| MapOptions {
                suffix,
                void: self.void.and_then(|void| u8::try_from(void).ok()),
                names: self.class_names.clone(),
            }),
            label_column: self.label.clone(),
            header: self.header,
            rows: self.rows,
            test_rows: self.test_rows,
            words: self.words,
            vocabulary: None,
            seed,
            array: self.array.clone(),
            // A reader looks at its own of the two.
            label_array: self.label.clone(),
        }
    }

    /// Which rows are held out.
    pub fn split_options(&self, seed: u64) -> SplitOptions {
        SplitOptions { validation: self.validation, test: self.test, seed }
    }

    /// How the data room is to prepare the rows.
    pub fn preparation(&self) -> PreparationChoice {
        match self.prepare {
            PrepareChoice::Auto if self.source == SourceKind::Text => PreparationChoice::TfIdf,
            PrepareChoice::Auto => PreparationChoice::Auto,
            PrepareChoice::Unit => PreparationChoice::Unit,
            PrepareChoice::Standardise => PreparationChoice::Standardise,
            PrepareChoice::Centre => PreparationChoice::Centre,
            PrepareChoice::TfIdf => PreparationChoice::TfIdf,
            PrepareChoice::None => PreparationChoice::None,
        }
    }
}

/// A share of the rows (0.1) or a number of them (5000).
impl Setting for Part {
    fn expected(_: Limits) -> String {
        "a share of at least 0 and less than 1 (0.1) or a whole number of rows (5000)".to_string()
    }

    fn read(value: &Value, limits: Limits, path: &str, problems: &mut Vec<RecipeProblem>) -> Option<Self> {
        let (inside, part) = match value {
            Value::Integer(rows) => (*rows >= 0, Self::Rows(usize::try_from(*rows).unwrap_or(0))),
            Value::Float(share) => (Limits::RATE.accept(*share), Self::Share(*share)),
            _ => {
                wrong_value(value, Self::expected(limits), path, problems, None);
                return None;
            }
        };
        if !inside {
            let (path, expected, found) = (path.to_string(), Self::expected(limits), value.to_string());
            problems.push(RecipeProblem::OutOfRange { path, expected, found });
        }
        inside.then_some(part)
    }

    fn write(&self) -> Option<Value> {
        match self {
            Self::Share(share) => share.write(),
            Self::Rows(rows) => rows.write(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn every_data_setting_reaches_the_data_room() {
        let text = "[data]\nsource = 'npy'\nrows = 5\ntest_rows = 6\nsize = [8, 4]\npatch = [3, 2]\ncolour = true\nlabel = 'y'\n\
                    array = 'x'\nprepare = 'unit'\nvalidation = 7\ntest = 0.25\n";
        let data = Recipe::parse(text, &[]).unwrap().data;
        let expected = Options {
            kind: Some(Kind::Npy),
            image_size: Some((8, 4)),
            patch: Some((3, 2)),
            colour: Some(true),
            rows: Some(5),
            test_rows: Some(6),
            seed: 9,
            array: Some("x".to_string()),
            label_column: Some("y".to_string()),
            label_array: Some("y".to_string()),
            ..Options::default()
        };
        assert_eq!(data.options(9), expected);
        let split = SplitOptions { validation: Part::Rows(7), test: Part::Share(0.25), seed: 9 };
        assert_eq!(data.split_options(9), split);
        assert_eq!(data.preparation(), PreparationChoice::Unit);
        let csv = Recipe::parse("[data]\nsource = 'csv'\nlabel = 'kind'\nheader = false\n", &[])
            .unwrap()
            .data
            .options(1);
        assert_eq!((csv.label_column.as_deref(), csv.header), (Some("kind"), Some(false)));
    }

    #[test]
    fn every_kind_of_source_and_preparation_has_its_counterpart() {
        for (word, kind) in [
            ("glyphs", Some(Kind::Glyphs)),
            ("idx", Some(Kind::Idx)),
            ("pictures", Some(Kind::Pictures)),
            ("npy", Some(Kind::Npy)),
            ("csv", Some(Kind::Csv)),
            ("text", Some(Kind::Text)),
            ("auto", None),
        ] {
            let recipe = Recipe::parse("", &[("data.source".to_string(), word.to_string())]).unwrap();
            assert_eq!(recipe.data.options(1).kind, kind);
        }
        for (word, choice) in [
            ("auto", PreparationChoice::Auto),
            ("unit", PreparationChoice::Unit),
            ("standardise", PreparationChoice::Standardise),
            ("centre", PreparationChoice::Centre),
            ("tf-idf", PreparationChoice::TfIdf),
            ("none", PreparationChoice::None),
        ] {
            let recipe = Recipe::parse("", &[("data.prepare".to_string(), word.to_string())]).unwrap();
            assert_eq!(recipe.data.preparation(), choice);
        }
        let texts = Recipe::parse("[data]\nsource = 'text'\n", &[]).unwrap();
        assert_eq!(texts.data.preparation(), PreparationChoice::TfIdf);
    }
}

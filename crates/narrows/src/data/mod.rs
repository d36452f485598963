//! The data room: from files (or from nothing) to rows of numbers, and back to files.
//!
//! ```text
//! path ── detect ──► one reader a kind ──► Source { train, test } ──► Split (who learns, who judges)
//!                    glyphs idx pictures                         └──► Preparation (fitted on training rows)
//!                    npy csv text
//! ```
//!
//! Every reader ends in the same [`Source`]: N rows of D features, row-major, kept as they were stored. Readers check
//! everything that a hostile file could claim *before* they allocate for it, and name file, row and column when they
//! refuse. Labels are carried beside the values and are never part of them.
//!
//! The way out is `write`: values as NPY, CSV or pictures, each file written beside its final name and renamed
//! (`atomic`), so that nobody ever meets half a file.
//!
//! A new kind of data is one reader file, one line in [`Kind`], and one in [`load`].

mod atomic;
mod bytes;
mod csv;
mod dataset;
mod decoding;
mod detect;
mod error;
mod exif;
mod folder;
mod glyph_forms;
mod glyphs;
mod idx;
mod label_maps;
mod label_pictures;
mod labels;
mod npy;
mod npy_header;
mod patches;
mod picture_cache;
mod picture_file;
mod pictures;
mod preparation;
mod resize;
mod source;
mod split;
mod stored;
mod text;
mod write;

use std::path::{Path, PathBuf};

pub use atomic::{WriteError, write_atomically, write_bytes_atomically};
pub use dataset::{Dataset, ItemShape, Values};
pub use detect::{Kind, detect};
pub use error::DataError;
pub use glyphs::{GLYPH_SIZE, GlyphPart, draw_glyph};
pub use label_maps::{LabelMaps, MapOptions, VOID};
pub use label_pictures::{Legend, write_label_pictures};
pub use labels::Labels;
pub use pictures::{picture_size, read_mask};
pub use preparation::{Preparation, PreparationChoice, Suits};
pub use source::Source;
pub use split::{Part, Split, SplitOptions};
pub use stored::StoredRows;
pub use text::Vocabulary;
pub(crate) use write::encode_png;
pub use write::{Matrix, Written, png_bytes, read_codes, write_csv, write_npy, write_pictures, write_rows};

/// What to load and how: everything that a recipe's `[data]` may say about reading.
///
/// The default asks nothing: the kind is recognised from the path, shapes and colours are taken as they are found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// The kind of data; `None` recognises it from the path.
    pub kind: Option<Kind>,
    /// Height and width that images are resized to. Flat rows of exactly that many numbers (times 1 or 3 channels) are
    /// read as images of that size.
    pub image_size: Option<(usize, usize)>,
    /// `Some(true)` keeps or makes three channels, `Some(false)` makes one, `None` takes grey if all pictures are grey.
    pub colour: Option<bool>,
    /// Numbers of a pixel where flat rows are read as images; `None` for 1 or 3.
    pub channels: Option<usize>,
    /// Whether arrays of four axes are N×C×H×W.
    pub channels_first: bool,
    /// Where pictures go as rows of bytes if they would take more memory than that; `None` keeps them in memory.
    pub cache: Option<Cache>,
    /// Label maps beside pictures; `None` reads none.
    pub maps: Option<MapOptions>,
    /// The CSV column that holds labels, by name, or by number from 1 where there is no header.
    pub label_column: Option<String>,
    /// Whether a CSV file begins with a row of names; `None` looks.
    pub header: Option<bool>,
    /// Height and width of patches that are cut out of pictures at random places, and take their place as rows.
    pub patch: Option<(usize, usize)>,
    /// Rows of the training part: how many glyphs to draw (10,000 if not said), or the most to take of another source.
    pub rows: Option<usize>,
    /// Rows of the test part: how many glyphs to draw (2,000 if not said), or the most to take of another source.
    pub test_rows: Option<usize>,
    /// Words of texts that are counted; `None` for 2,000.
    pub words: Option<usize>,
    /// The very words to count, those of a trained model; `None` takes them from the texts.
    pub vocabulary: Option<Vec<String>>,
    /// The seed of what is drawn: glyphs, and which rows are taken when there are more than asked for.
    pub seed: u64,
    /// The array of an NPZ archive that holds the rows; `None` takes `X`, `x`, `data`, …, or the only one.
    pub array: Option<String>,
    /// The array of an NPZ archive that holds the labels; `None` takes `y`, `labels`, … if there is one.
    pub label_array: Option<String>,
}

/// A file for decoded pictures, which another run with the same pictures may use again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// The file of the training part; that of the test part has ".test" behind its name.
    pub path: PathBuf,
    /// Bytes of pictures that are kept in memory.
    pub most_in_memory: u64,
}

/// Loads the data at `path`, or draws glyphs when there is no path and no other kind is named.
///
/// A path wins over [`Kind::Glyphs`]: a recipe that draws its data can be run on other data.
///
/// # Errors
///
/// A [`DataError`] that names the file, and row and column where there is one: missing, unreadable, malformed or empty
/// data, numbers that are not finite, parts or labels that do not fit each other.
pub fn load(path: Option<&Path>, options: &Options) -> Result<Source, DataError> {
    let kind = match (options.kind, path) {
        // Glyphs have no path, so one that is given after all asks for other data.
        (None | Some(Kind::Glyphs), Some(path)) => detect(path)?,
        (Some(kind), _) => kind,
        (None, None) => Kind::Glyphs,
    };
    let mut source = match (kind, path) {
        (Kind::Glyphs, _) => glyphs::draw(options),
        (_, None) => return Err(DataError::NoPath { kind }),
        (Kind::Idx, Some(path)) => idx::load(existing(path)?)?,
        (Kind::Pictures, Some(path)) => match options.patch {
            Some(size) if options.image_size.is_none() => {
                let mut source = pictures::load_patches(existing(path)?, size, options)?;
                let notes = source.notes.clone();
                source.fit_images(&Options { image_size: None, ..options.clone() })?;
                // That patches of grey pictures had three colours for a while is nobody's business.
                source.notes = notes;
                source.check()?;
                return Ok(source);
            }
            _ => pictures::load(existing(path)?, options)?,
        },
        (Kind::Npy, Some(path)) => npy::load(existing(path)?, options)?,
        (Kind::Csv, Some(path)) => csv::load(existing(path)?, options)?,
        (Kind::Text, Some(path)) => text::load(existing(path)?, options)?,
    };
    if options.patch.is_none() {
        source.limit(options);
    }
    source.fit_images(options)?;
    if let Some(size) = options.patch {
        source.cut_patches(size, options)?;
    }
    source.check()?;
    Ok(source)
}

/// The numbers of this room's streams of random numbers, which nobody else draws from.
mod streams {
    pub const SPLIT: u32 = 0x4000_0000;
    pub const LIMIT: u32 = 0x4000_0001;
    pub const GLYPHS_TRAIN: u32 = 0x4000_0002;
    pub const GLYPHS_TEST: u32 = 0x4000_0003;
    pub const GLYPHS_TRAIN_DIGITS: u32 = 0x4000_0004;
    pub const GLYPHS_TEST_DIGITS: u32 = 0x4000_0005;
    /// Places of patches; the step is the patch's number. The next stream is the test part's.
    pub const PATCHES: u32 = 0x4000_0006;
}

/// The same path, once something is known to be there.
fn existing(path: &Path) -> Result<&Path, DataError> {
    match path.try_exists() {
        Ok(true) => Ok(path),
        Ok(false) => Err(DataError::Missing { path: path.to_path_buf() }),
        Err(source) => Err(DataError::Unreadable { path: path.to_path_buf(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn glyphs_are_drawn_without_a_path_and_give_way_to_one() {
        let few = Options { rows: Some(3), test_rows: Some(0), ..Options::default() };
        let source = load(None, &few).unwrap();
        assert_eq!((source.name.as_str(), source.train.rows(), source.test), ("glyphs", 3, None));
        let (_folder, path) = written("a.csv", b"1\n2\n");
        let source = load(Some(&path), &Options { kind: Some(Kind::Glyphs), ..Options::default() }).unwrap();
        assert_eq!(source.name, "csv");
    }

    #[test]
    fn a_kind_can_be_named_against_the_name() {
        let (_folder, path) = written("a.npy", b"1,2\n");
        let source = load(Some(&path), &Options { kind: Some(Kind::Csv), ..Options::default() }).unwrap();
        assert_eq!(source.train.features(), 2);
    }

    #[test]
    fn kinds_that_need_a_path_say_so_and_missing_paths_are_named_by_every_kind() {
        for kind in [Kind::Idx, Kind::Pictures, Kind::Npy, Kind::Csv, Kind::Text] {
            let options = Options { kind: Some(kind), ..Options::default() };
            assert!(matches!(load(None, &options), Err(DataError::NoPath { .. })), "{kind}");
            let missing = load(Some(Path::new("no/such/thing")), &options).unwrap_err();
            assert!(matches!(missing, DataError::Missing { .. }), "{kind}: {missing}");
            assert!(missing.hint().is_some());
        }
    }

    #[test]
    fn a_folder_where_a_file_is_expected_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for kind in [Kind::Npy, Kind::Csv] {
            let error =
                load(Some(folder.path()), &Options { kind: Some(kind), ..Options::default() }).unwrap_err();
            assert!(error.to_string().contains("it is a folder, a file was expected"), "{kind}: {error}");
        }
    }

    #[test]
    fn rows_are_limited_by_a_random_choice_in_order() {
        let text: String = (0..1000).map(|i| format!("{i}\n")).collect();
        let (_folder, path) = written("a.csv", text.as_bytes());
        let with = |seed| {
            let options = Options { rows: Some(100), seed, ..Options::default() };
            load(Some(&path), &options).unwrap().train.values.to_f32()
        };
        let chosen = with(1);
        assert_eq!(chosen.len(), 100);
        assert!(chosen.is_sorted() && chosen[99] > 900.0 && chosen[0] < 100.0, "{chosen:?}");
        assert_eq!(chosen, with(1));
        assert_ne!(chosen, with(2));
    }

    #[test]
    fn images_from_any_source_are_resized_and_recoloured() {
        let options = Options {
            rows: Some(2),
            test_rows: Some(1),
            image_size: Some((16, 12)),
            colour: Some(true),
            ..Options::default()
        };
        let source = load(None, &options).unwrap();
        let shape = ItemShape::Image { height: 16, width: 12, channels: 3 };
        assert_eq!((&source.train.shape, &source.test.unwrap().shape), (&shape, &shape));
        assert_eq!(source.train.values.len(), 2 * 16 * 12 * 3);
    }
}

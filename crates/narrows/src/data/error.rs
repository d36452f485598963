//! What can be wrong with data, each with what was expected, what was found, where, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::atomic::WriteError;
use super::detect::Kind;

/// Why data could not be read, split, prepared or written.
///
/// Messages are one line in lower case; [`DataError::hint`] says what to do. Rows are counted from 1; in a CSV file a
/// row is the line it begins on, so that an editor finds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Nothing is at the path.
    #[error("{}: there is no such file or folder", path.display())]
    Missing {
        /// The path that was given.
        path: PathBuf,
    },
    /// Something is at the path, but the system would not let it be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A kind that needs a path was named without one.
    #[error("data of kind {kind} needs a path, and none was given")]
    NoPath {
        /// The kind that was named.
        kind: Kind,
    },
    /// Neither the name nor the first bytes say what this is.
    #[error("{}: the kind of data was not recognised: {found}", path.display())]
    UnknownKind {
        /// The file or folder.
        path: PathBuf,
        /// What was seen there.
        found: String,
    },
    /// The file ends before its own header says that it should.
    #[error("{}: truncated {format}: expected {expected} bytes, found {found}", path.display())]
    Truncated {
        /// The file, or the array inside an archive.
        path: PathBuf,
        /// "IDX" or "NPY".
        format: &'static str,
        /// Bytes that the header promises.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The first bytes are not those of the format.
    #[error("{}: not {format}: expected it to begin with {expected}, found {found}", path.display())]
    WrongMagic {
        /// The file, or the array inside an archive.
        path: PathBuf,
        /// "an IDX file" or "an NPY file".
        format: &'static str,
        /// The bytes of the format.
        expected: &'static str,
        /// The bytes of the file.
        found: String,
    },
    /// The file breaks its format's rules in another way.
    #[error("{}: malformed {format}: {reason}", path.display())]
    Malformed {
        /// The file, or the array inside an archive.
        path: PathBuf,
        /// The format.
        format: &'static str,
        /// What is wrong, with what was expected and found.
        reason: String,
    },
    /// The file is sound, but its array has a shape that is not rows of items.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Shape {
        /// The file, or the array inside an archive.
        path: PathBuf,
        /// The shapes that would do.
        expected: String,
        /// The shape that is there.
        found: String,
    },
    /// The element type of an array is none that we read as numbers.
    #[error("{}: elements of type {found} are not numbers that can be learned from", path.display())]
    ElementType {
        /// The file, or the array inside an archive.
        path: PathBuf,
        /// The type, in the file's own notation.
        found: String,
    },
    /// An archive does not contain the array asked for, or none that could be meant.
    #[error("{}: no array {wanted}; it contains {}", path.display(), listed(known))]
    NoArray {
        /// The archive.
        path: PathBuf,
        /// The name asked for, in quotes, or what was looked for.
        wanted: String,
        /// The names in the archive.
        known: Vec<String>,
    },
    /// As many labels as rows were expected.
    #[error("{}: {labels} labels for {rows} rows", path.display())]
    LabelCount {
        /// Where the labels are.
        path: PathBuf,
        /// How many rows there are.
        rows: usize,
        /// How many labels there are.
        labels: usize,
    },
    /// There is no folder of label maps.
    #[error("{}: no label maps: there is no folder {expected} beside it", folder.display())]
    NoLabelMaps {
        /// The pictures' folder.
        folder: PathBuf,
        /// The folder's name.
        expected: String,
    },
    /// A picture has no label map.
    #[error("{}: no label map: {} is not there", picture.display(), expected.display())]
    NoLabelMap {
        /// The picture.
        picture: PathBuf,
        /// Where its map should be.
        expected: PathBuf,
    },
    /// More maps than pictures.
    #[error("{}: {maps} label maps for {pictures} pictures", path.display())]
    LabelMapCount {
        /// The maps' folder.
        path: PathBuf,
        /// How many there are.
        maps: usize,
        /// How many pictures there are.
        pictures: usize,
    },
    /// A label map is of another size than its picture.
    #[error("{}: the label map has {}x{} pixels, its picture {}x{}", path.display(), found.0, found.1, expected.0, expected.1)]
    LabelMapSize {
        /// The map.
        path: PathBuf,
        /// Height and width of the picture.
        expected: (usize, usize),
        /// Height and width of the map.
        found: (usize, usize),
    },
    /// A mask is of another size than the pictures.
    #[error("{}: the mask has {}x{} pixels, the pictures {}x{}", path.display(), found.0, found.1, expected.0, expected.1)]
    MaskSize {
        /// The mask.
        path: PathBuf,
        /// Height and width of the pictures.
        expected: (usize, usize),
        /// Height and width of the mask.
        found: (usize, usize),
    },
    /// A label map names a class that is not known.
    #[error("{}: its label map has a pixel of class {found}, and there are {classes} classes", path.display())]
    LabelMapClass {
        /// The picture.
        path: PathBuf,
        /// The number.
        found: u8,
        /// How many classes there are.
        classes: usize,
    },
    /// The training part and the test part hold different things.
    #[error("{name}: the test part has {test}, the training part {train}")]
    PartsDiffer {
        /// The source.
        name: String,
        /// The shape of a training row.
        train: String,
        /// The shape of a test row.
        test: String,
    },
    /// A file that is named like a picture is none.
    #[error("{}: not a readable picture: {reason}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// No picture where pictures were expected.
    #[error("{}: no PNG or JPEG picture in this folder", path.display())]
    NoPictures {
        /// The folder.
        path: PathBuf,
    },
    /// A row with more or fewer cells than the first.
    #[error("{}: row {row} has {found} cells, expected {expected}", path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// The line that the row begins on.
        row: u64,
        /// Cells in the first row.
        expected: usize,
        /// Cells in this one.
        found: usize,
    },
    /// Text where a number was expected.
    #[error("{}: row {row}, column {column}: expected a number, found {found:?}", path.display())]
    NotANumber {
        /// The file.
        path: PathBuf,
        /// The line that the row begins on.
        row: u64,
        /// The column's name, in quotes, or its number from 1.
        column: String,
        /// The cell.
        found: String,
    },
    /// Nothing where a value was expected.
    #[error("{}: row {row}, column {column}: the cell is empty", path.display())]
    EmptyCell {
        /// The file.
        path: PathBuf,
        /// The line that the row begins on.
        row: u64,
        /// The column's name, in quotes, or its number from 1.
        column: String,
    },
    /// NaN, an infinity, or a number too large for 32 bits.
    #[error("{name}: row {row}, column {column}: expected a finite 32-bit number, found {found}")]
    NotFinite {
        /// The file or array.
        name: String,
        /// The row, from 1 (in CSV, the line).
        row: u64,
        /// The column's name, in quotes, or its number from 1.
        column: String,
        /// The value.
        found: String,
    },
    /// No column of that name.
    #[error("{}: no column {wanted:?}; the columns are {}", path.display(), listed(known))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        wanted: String,
        /// The names in the file.
        known: Vec<String>,
    },
    /// Values that are no counts where a preparation expects them.
    #[error("prepare = \"tf-idf\" expects counts, whole numbers of at least 0; {}", uncounted(*whole, *lowest))]
    NotCounts {
        /// Whether all values are whole numbers.
        whole: bool,
        /// The smallest value.
        lowest: f32,
    },
    /// Texts in which no word can be counted.
    #[error("{}: no word of two letters or more that at most half of the texts have", path.display())]
    NoWords {
        /// The file or folder.
        path: PathBuf,
    },
    /// No rows, or rows of nothing.
    #[error("{name}: the data set is empty: {found}")]
    Empty {
        /// The file, array or source.
        name: String,
        /// What was found: "no rows", "no columns".
        found: &'static str,
    },
    /// Fewer rows than a split into training, validation and test rows needs.
    #[error("{name}: {rows} rows are too few: {needed} are needed for {purpose}")]
    TooFewRows {
        /// The source.
        name: String,
        /// Rows that there are.
        rows: usize,
        /// Rows that there must be.
        needed: usize,
        /// What they are needed for.
        purpose: String,
    },
    /// A fraction outside its range.
    #[error("{name} is {found}: expected {expected}")]
    Fraction {
        /// "validation" or "test".
        name: &'static str,
        /// The value that was given.
        found: f64,
        /// The range.
        expected: &'static str,
    },
    /// Pictures of another shape than the model's.
    #[error("{name}: found {found}, expected {expected}")]
    Form {
        /// What has the wrong shape.
        name: String,
        /// The shape that fits.
        expected: String,
        /// The shape that is there.
        found: String,
    },
    /// Data of another width than the model's (or the preparation's).
    #[error("{name}: {found} features a row, expected {expected}")]
    Width {
        /// What has the wrong width.
        name: String,
        /// The width that fits.
        expected: usize,
        /// The width that is there.
        found: usize,
    },
    /// Images asked of data that is none, or of another size.
    #[error("{name}: rows of {found} cannot become {height}x{width} images")]
    NotImages {
        /// The source.
        name: String,
        /// What a row is.
        found: String,
        /// The height asked for.
        height: usize,
        /// The width asked for.
        width: usize,
    },
    /// A patch that is larger than what it is to be cut out of.
    #[error("{name}: a patch of {height}x{width} pixels cannot be cut out of {found}")]
    PatchTooLarge {
        /// The source, or the picture.
        name: String,
        /// What is there.
        found: String,
        /// The patch's height.
        height: usize,
        /// The patch's width.
        width: usize,
    },
    /// More data than fits in memory.
    #[error("{name}: {bytes} bytes do not fit in memory")]
    TooLarge {
        /// The file or source.
        name: String,
        /// Bytes that would be needed.
        bytes: u64,
    },
    /// A form of output that was not recognised from its name.
    #[error("{}: {found}, expected a name that ends in {expected}", path.display())]
    OutputKind {
        /// The path to write to or read from.
        path: PathBuf,
        /// The endings that would do.
        expected: &'static str,
        /// What the path ends in.
        found: String,
    },
    /// A folder to write pictures into that already holds other things.
    #[error("{}: the folder already holds other files, such as {found:?}", path.display())]
    FolderInUse {
        /// The folder.
        path: PathBuf,
        /// One of the files.
        found: String,
    },
    /// Writing failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl DataError {
    /// What the user can do about it, in one line; `None` where the message says it all.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            DataError::Missing { path } => return missing_hint(path),
            DataError::Unreadable { .. } => "check the permissions of the file and of the folders above it",
            DataError::NoPath { .. } => "give one with --data PATH",
            DataError::UnknownKind { .. } => {
                "IDX, NPY, NPZ, CSV, JSON lines and folders of PNG, JPEG or text files are read; name the kind with data.source"
            }
            DataError::Truncated { .. } => {
                "the file was probably not copied or downloaded to the end; fetch it again"
            }
            DataError::WrongMagic { .. } => {
                "check that it is the file you meant, or name another kind with data.source"
            }
            DataError::Malformed { .. } => "the file is damaged or of another kind than its name says",
            DataError::Shape { .. } => "reshape the array so that its first axis counts the rows",
            DataError::ElementType { .. } => "save the array as numbers, for example with .astype('float32')",
            DataError::NoArray { .. } => "name the array that holds the rows with data.array",
            DataError::LabelCount { .. } => "check that rows and labels belong to each other",
            DataError::NoLabelMaps { .. } => {
                "label maps lie in a folder of the pictures' name with data.maps behind it: train and trainannot"
            }
            DataError::NoLabelMap { .. } => "give every picture a PNG of its name, or take the picture away",
            DataError::LabelMapCount { .. } => "give every map its picture, or take the others away",
            DataError::LabelMapSize { .. } => "save the map in its picture's size, without smoothing",
            DataError::MaskSize { .. } => "save the mask in the size that the model's pictures have",
            DataError::LabelMapClass { .. } => {
                "say which number means nothing with data.void, or name all classes in data.class_names"
            }
            DataError::PartsDiffer { .. } => "both parts must hold the same kind of item",
            DataError::Picture { .. } => "remove the file, or save it again as PNG",
            DataError::NoPictures { .. } => {
                "pictures end in .png, .jpg or .jpeg, texts in .txt; they may lie in sub-folders"
            }
            DataError::Ragged { .. } => {
                "every row needs as many cells as the first; check quotes and separators"
            }
            DataError::NotANumber { .. } => {
                "remove the column or the row, or name the column of labels with data.label"
            }
            DataError::EmptyCell { .. } => "fill the cell or remove its row: missing values are not guessed",
            DataError::NotFinite { .. } => "replace the value or remove its row",
            DataError::NoColumn { wanted, known, .. } => return nearest_hint(wanted, known),
            DataError::NoWords { .. } => {
                "give more texts, and different ones: a word that most texts have tells nothing"
            }
            DataError::NotCounts { .. } => "choose another preparation with data.prepare",
            DataError::Empty { .. } => "there must be at least one row with at least one number",
            DataError::TooFewRows { .. } => {
                "give more rows, or hold out fewer with data.validation and data.test"
            }
            DataError::Fraction { .. } => return None,
            DataError::Width { .. } | DataError::Form { .. } => {
                "use data of the same form as the data that the model was trained on"
            }
            DataError::PatchTooLarge { .. } => {
                "choose smaller patches with data.patch, or take larger pictures"
            }
            DataError::NotImages { .. } => "leave data.size out, or give the one that the rows have",
            DataError::TooLarge { .. } => {
                "use fewer rows with data.rows, smaller images with data.size, or fewer words with data.words"
            }
            DataError::OutputKind { .. } => "rename the path",
            DataError::FolderInUse { .. } => "choose a new or an empty folder",
            DataError::Write(error) => return Some(error.hint()),
        };
        Some(hint.to_string())
    }
}

/// What is wrong with values that should be counts.
fn uncounted(whole: bool, lowest: f32) -> String {
    if whole { format!("the smallest value found is {lowest}") } else { "fractions were found".to_string() }
}

/// The deepest folder on the way that does exist, because that is where the mistake begins.
fn missing_hint(path: &std::path::Path) -> Option<String> {
    let there = path.ancestors().skip(1).find(|a| !a.as_os_str().is_empty() && a.is_dir());
    Some(match there {
        Some(folder) if Some(folder) != path.parent() => {
            format!("check the spelling: {} exists, what follows it does not", folder.display())
        }
        _ => "check the spelling".to_string(),
    })
}

/// The name that was probably meant.
fn nearest_hint(wanted: &str, known: &[String]) -> Option<String> {
    let lower = wanted.to_lowercase();
    let nearest = known.iter().min_by_key(|name| strsim::levenshtein(&lower, &name.to_lowercase()))?;
    let near = strsim::levenshtein(&lower, &nearest.to_lowercase()) <= 1 + wanted.chars().count() / 3;
    near.then(|| format!("did you mean {nearest:?}?"))
}

/// Names for a message: in quotes, and not too many.
fn listed(names: &[String]) -> String {
    const MOST: usize = 8;
    let mut text = names.iter().take(MOST).map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        text.push_str("nothing");
    } else if names.len() > MOST {
        text.push_str(&format!(" and {} more", names.len() - MOST));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_column_is_answered_with_the_nearest_name() {
        let known = vec!["height".to_string(), "weight".into(), "label".into()];
        let error = DataError::NoColumn { path: "a.csv".into(), wanted: "lable".into(), known };
        assert_eq!(
            error.to_string(),
            "a.csv: no column \"lable\"; the columns are \"height\", \"weight\", \"label\""
        );
        assert_eq!(error.hint().as_deref(), Some("did you mean \"label\"?"));
    }

    #[test]
    fn a_name_that_is_near_to_nothing_gets_no_suggestion() {
        let known = vec!["height".to_string()];
        assert_eq!(DataError::NoColumn { path: "a".into(), wanted: "zzz".into(), known }.hint(), None);
    }
}

//! What a report is made from: plain values, filled in by whoever knows the model. What is empty is left out.

/// Everything on one page. `ReportInput::default()` is an empty page.
#[derive(Debug, Clone, Default)]
pub struct ReportInput {
    /// The page's title, such as the recipe's name.
    pub title: String,
    /// One line below it.
    pub about: String,
    /// What was trained on what: name and value.
    pub facts: Vec<(String, String)>,
    /// The sentence that sums up, with its figures.
    pub verdict: Option<Verdict>,
    /// One point an epoch.
    pub history: Vec<EpochPoint>,
    /// What the curves show, with its unit: "squared error a row".
    pub loss_name: String,
    /// The epoch whose weights were kept, when early stopping chose.
    pub best_epoch: Option<usize>,
    /// How a row is drawn as a picture; rows of other data are drawn as small line charts.
    pub picture: Option<PictureShape>,
    /// How one of the filters is drawn: a convolution's are as large as its window.
    pub filter_picture: Option<PictureShape>,
    /// Rows beside what came back of them.
    pub comparison: Comparison,
    /// For each layer its name and the norm of the gradient by its weight after each epoch.
    pub gradients: Vec<(String, Vec<(usize, f64)>)>,
    /// Which values code units take.
    pub activations: Option<Histogram>,
    /// Incoming weights of first-layer units, one list a unit, as long as a row.
    pub filters: Vec<Vec<f32>>,
    /// The filters of rivals and of PCA: whose, and as above.
    pub other_filters: Vec<NamedRows>,
    /// Units of the first layer, of which `filters` may hold only those that are used most; 0 when it holds all.
    pub filters_of: usize,
    /// The words that a row counts, where rows are texts: those of each filter's numbers.
    pub words: Option<Vec<String>>,
    /// The codes as points of a plane.
    pub codes: Option<CodeMap>,
    /// What other codes decode to.
    pub generated: Generated,
    /// For a classifier: what was taken for what.
    pub classes: Option<ClassFigures>,
    /// For a segmenter: pictures beside their classes.
    pub segmentation: Option<SegmentedPictures>,
    /// The picture that is followed through layers of maps: its name, and what the page draws of it.
    pub followed: Option<(String, Vec<f32>)>,
    /// What layers of maps make of it, and what they look for.
    pub maps: Vec<LayerMaps>,
    /// The resolved recipe as TOML.
    pub recipe: String,
}

/// Pictures, what each pixel is, and what it was taken for; all as red, green and blue from 0 to 1.
#[derive(Debug, Clone, Default)]
pub struct SegmentedPictures {
    /// The pictures.
    pub pictures: Vec<Vec<f32>>,
    /// The true classes' colours.
    pub truths: Vec<Vec<f32>>,
    /// Those of the classes that were told.
    pub told: Vec<Vec<f32>>,
    /// Names of the classes and their colours.
    pub legend: Vec<(String, [u8; 3])>,
    /// For each class the share of pixels that are and are called it among those that are or are called it.
    pub iou: Vec<Option<f64>>,
}

/// A layer's maps for one picture.
#[derive(Debug, Clone, Default)]
pub struct LayerMaps {
    /// The layer's name, what it does and what it says.
    pub name: String,
    /// Height and width of a map.
    pub size: [usize; 2],
    /// Maps of which the values differ most.
    pub maps: Vec<Vec<f32>>,
    /// How many maps it has.
    pub maps_of: usize,
    /// Height and width of a filter.
    pub window: [usize; 2],
    /// The filters of those maps, each for the channel that it weighs most; none where there are no weights.
    pub filters: Vec<Vec<f32>>,
}

/// Rows, filters or pictures, and whose they are.
pub type NamedRows = (String, Vec<Vec<f32>>);

/// Height, width and channels (1 grey, 3 colours) of a picture; its values are stored channels last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureShape {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Values of a pixel: 1 or 3.
    pub channels: usize,
}

impl PictureShape {
    /// Values of one picture.
    pub fn values(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// The sentence that sums up, with the figures it rests on.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// The sentence or two.
    pub text: String,
    /// What the figures are: "squared error a row on 10,000 test rows; lower is better".
    pub figures_are: String,
    /// The model's figure and the baselines'.
    pub figures: Vec<Figure>,
    /// What else was measured: name and value with its unit.
    pub more: Vec<(String, String)>,
}

/// One figure of the verdict, drawn as a bar.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Whose it is: "this model", "PCA, 30 units", "the mean".
    pub name: String,
    /// The figure, 0 or more.
    pub value: f64,
    /// Whether it is the model's own, which is drawn in the accent colour.
    pub is_model: bool,
}

/// The loss after one epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochPoint {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Mean loss over the epoch's training rows.
    pub train_loss: f64,
    /// Loss on the held-out rows after the epoch.
    pub held_out_loss: Option<f64>,
}

/// How often values lie in each of equal stretches.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// Where the first stretch begins.
    pub from: f32,
    /// Where the last one ends.
    pub to: f32,
    /// Values in each stretch.
    pub counts: Vec<u64>,
    /// A sentence on what they are.
    pub about: String,
}

/// Rows, and what the model and PCA made of them, in the same order. Pictures have values from 0 to 1.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// The rows as they went in.
    pub originals: Vec<Vec<f32>>,
    /// The model's reconstructions.
    pub reconstructions: Vec<Vec<f32>>,
    /// PCA's with as many units; empty when there are none.
    pub pca: Vec<Vec<f32>>,
    /// The rows as training corrupted such rows; empty when it did not.
    pub corrupted: Vec<Vec<f32>>,
    /// What the model makes of those.
    pub cleaned: Vec<Vec<f32>>,
    /// Reconstructions by models trained beside this one: whose, and the rows.
    pub rivals: Vec<NamedRows>,
}

/// Rows decoded from codes that no row gave.
#[derive(Debug, Clone, Default)]
pub struct Generated {
    /// For a code of two units, its codes on a square grid, decoded line by line from the top.
    pub map: Vec<Vec<f32>>,
    /// Codes drawn from a prior, decoded.
    pub samples: Vec<Vec<f32>>,
    /// The training row nearest to each of those.
    pub nearest: Vec<Vec<f32>>,
}

/// The codes as points of a plane.
#[derive(Debug, Clone, Default)]
pub struct CodeMap {
    /// One point a row.
    pub points: Vec<(f32, f32)>,
    /// One label a row, an index into the names; none when there are no labels.
    pub labels: Option<Vec<u32>>,
    /// What the labels are called.
    pub label_names: Vec<String>,
    /// The rows themselves, shown where the pointer is; as many as points, or none.
    pub thumbnails: Vec<Vec<f32>>,
    /// What the two axes are: "first unit", "first principal direction (41 % of the variance)".
    pub axes: [String; 2],
    /// A sentence on how the plane was chosen.
    pub about: String,
}

/// What a classifier took for what.
#[derive(Debug, Clone, Default)]
pub struct ClassFigures {
    /// What the classes are called.
    pub names: Vec<String>,
    /// Rows of true class i that were given class j.
    pub confusion: Vec<Vec<u64>>,
    /// The mistakes of which the model was surest, the surest first.
    pub mistakes: Vec<Mistake>,
}

/// One row that was given the wrong class.
#[derive(Debug, Clone, Default)]
pub struct Mistake {
    /// The row.
    pub row: Vec<f32>,
    /// Its true class.
    pub truth: usize,
    /// The class it was given.
    pub guess: usize,
    /// The model's confidence in that, from 0 to 1.
    pub confidence: f32,
}

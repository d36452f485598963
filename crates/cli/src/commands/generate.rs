//! `narrows generate`: rows that nobody has seen.

use crate::arguments::{self, ComputeOptions};
use crate::failure::Failure;
use crate::judged_rows::{JudgedRows, Which};
use crate::model_rows::written;
use crate::{output, places, wording};
use clap::Args;
use narrows::apply::{Codec, generate};
use narrows::data::{Kind, write_rows};
use narrows::recipe::SourceKind;
use std::path::{Path, PathBuf};

/// Options of `narrows generate`.
#[derive(Debug, Args)]
pub struct Options {
    /// The model's file
    model: PathBuf,
    /// How many rows
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// The seed of the draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where the rows go: a name that ends in .npy, .csv or .png (all in one picture), or a folder for pictures
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// The data that the model was trained on: needed by models without a prior, whose new codes are drawn from a mixture of
    /// normal distributions fitted to the codes of these rows
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Kind of the data, where the path does not tell: idx, pictures, npy, csv or text
    #[arg(long, value_name = "KIND", value_parser = arguments::kind, requires = "data")]
    kind: Option<Kind>,
    /// Components of the mixture; asks for one even where there is a prior
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    components: Option<u16>,
    /// Gibbs steps of a Boltzmann machine before a row is taken; 1000 if left out
    #[arg(long, value_name = "N", conflicts_with_all = ["components", "grid"], value_parser = clap::value_parser!(u32).range(2..=10_000_000))]
    steps: Option<u32>,
    /// Instead of draws, the codes of a square grid of so many lines: the map of a code of 2 units
    #[arg(long, value_name = "LINES", conflicts_with_all = ["count", "components", "seed"], value_parser = clap::value_parser!(u16).range(2..=200))]
    grid: Option<u16>,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// Components of a mixture where none are asked for.
const COMPONENTS: u16 = 20;

/// Draws codes and decodes them.
///
/// # Errors
/// A model or data that cannot be read or do not go together; a code that is too wide, or no map; rows that cannot be written.
pub fn run(options: &Options) -> Result<(), Failure> {
    let compute = options.compute.start()?;
    let codec = Codec::load(&options.model, &compute)?;
    // A classifier is refused before anything is read.
    codec.decode(&[])?;
    let description = &codec.model().description;
    let machines = codec.model().is_boltzmann();
    if options.steps.is_some() && !machines {
        return Err(Failure::new(
            format!("--steps: {} holds no Boltzmann machine", options.model.display()),
            "leave --steps out",
        ));
    }
    if options.grid.is_some() && codec.code() != 2 {
        // Says so before any data are read.
        generate::grid(&codec, None, 2)?;
    }
    let alone =
        options.components.is_none() && (machines && options.grid.is_none() || generate::has_prior(&codec));
    if alone && options.data.is_some() {
        return Err(Failure::new(
            format!("--data: {} makes rows on its own", options.model.display()),
            "leave --data out, or ask for a mixture fitted to codes of these rows with --components 20",
        ));
    }
    let drawn_again = description.recipe.data.source == SourceKind::Glyphs;
    if !alone && options.data.is_none() && !drawn_again {
        return Err(Failure::new(
            format!("{}: this model has no prior to draw codes from", options.model.display()),
            "say where its training data are with --data PATH: a mixture is fitted to their codes",
        ));
    }
    let data: Vec<&Path> = options.data.iter().map(PathBuf::as_path).collect();
    places::expect_apart(&data, &[&options.out])?;
    let rows = match alone {
        true => None,
        false => Some(JudgedRows::load(description, options.data.as_deref(), options.kind, Which::Test)?),
    };
    let training = rows.as_ref().map(|rows| (&rows.source.train, &rows.split.train[..]));
    let count = options.count as usize;
    let (decoded, whence) = match (options.grid, training) {
        (Some(lines), training) => {
            let codes = generate::grid(&codec, training, usize::from(lines))?;
            (codec.decode(&codes)?, format!("a grid of {lines}x{lines} codes"))
        }
        (None, Some(training)) => {
            let components = options.components.unwrap_or(COMPONENTS);
            let codes =
                generate::from_mixture(&codec, training, usize::from(components), count, options.seed)?;
            (codec.decode(&codes)?, format!("codes of a mixture of {components} normal distributions"))
        }
        (None, None) if machines => {
            let steps = options.steps.map_or(generate::GIBBS_STEPS, |steps| steps as usize);
            let rows = generate::from_machines(&codec, count, steps, options.seed)?;
            (rows, format!("Gibbs chains of {steps} steps"))
        }
        (None, None) => {
            let codes = generate::from_prior(&codec, count, options.seed);
            (codec.decode(&codes)?, "codes from the prior".to_owned())
        }
    };
    write_rows(&options.out, &description.shape, &decoded, written(description))?;
    for note in rows.iter().flat_map(|rows| &rows.notes) {
        output::note(&format!("note: {note}"));
    }
    let made = wording::of(decoded.len() / codec.features(), "row", "rows");
    output::note(&format!("{}: {made} from {whence}", options.out.display()));
    Ok(())
}

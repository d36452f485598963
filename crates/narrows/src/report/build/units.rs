//! What units do: the gradients that reach their layers, the values of the code's, and what the first layer's look for.

use super::{MOST_FILTERS, Shown};
use crate::Error;
use crate::apply::evaluate::fit_pca;
use crate::apply::row_program::{ROWS, RowProgram};
use crate::apply::{Codec, Rival};
use crate::data::Dataset;
use crate::model_file::Description;
use crate::network::{Mode, Pass};
use crate::report::{Histogram, NamedRows, PictureShape};
use crate::train::Compute;

/// Rows whose values are looked at.
const MOST_ROWS: usize = 2000;
/// Numbers that these rows take together, at most.
const MOST_NUMBERS: usize = 1 << 24;
/// Stretches of a histogram.
const STRETCHES: usize = 48;

/// The norm of the gradient by each layer's weight after the epochs of training itself.
pub(super) fn gradients(description: &Description) -> Vec<(String, Vec<(usize, f64)>)> {
    let mut curves: Vec<(String, Vec<(usize, f64)>)> = Vec::new();
    for record in description.history.iter().filter(|record| record.stage == 0) {
        for layer in &record.layers {
            let point = (record.epoch, f64::from(layer.gradient));
            match curves.iter_mut().find(|(name, _)| *name == layer.layer) {
                Some((_, points)) => points.push(point),
                None => curves.push((layer.layer.clone(), vec![point])),
            }
        }
    }
    curves
}

/// The values of code units in use; none where all are the same.
pub(super) fn activations(shown: &Shown<'_>) -> Result<Option<Histogram>, Error> {
    let widest = shown.codec.code().max(shown.codec.features());
    let rows = shown.spread((MOST_NUMBERS / widest).clamp(1, MOST_ROWS));
    let codes = shown.codec.encode(&shown.stored(&rows))?;
    let (from, to) = codes
        .iter()
        .filter(|value| value.is_finite())
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    if from >= to {
        return Ok(None);
    }
    let mut counts = vec![0; STRETCHES];
    let stretch = |value: f32| (((value - from) / (to - from)) * STRETCHES as f32) as usize;
    codes
        .iter()
        .filter(|value| value.is_finite())
        .for_each(|value| counts[stretch(*value).min(STRETCHES - 1)] += 1);
    let zeros = codes.iter().filter(|value| **value == 0.0).count();
    let mut about = format!("The values that code units take, on {}.", shown.words(rows.len()));
    if zeros * 10 > codes.len() {
        about.push_str(&format!(" Exactly 0: {:.1} % of them.", 100.0 * zeros as f64 / codes.len() as f64));
    }
    Ok(Some(Histogram { from, to, counts, about }))
}

/// The filters of rivals and of PCA, where there are rivals to be looked at side by side.
pub(super) fn other_filters(
    shown: &Shown<'_>,
    training: (&Dataset, &[u32]),
    rivals: &[Rival],
    compute: &Compute,
) -> Result<Vec<NamedRows>, Error> {
    if rivals.is_empty() || shown.picture.is_none() {
        return Ok(Vec::new());
    }
    let of_rival = |rival: &Rival| Ok((rival.name.clone(), filters_of(&rival.codec, shown, MOST_FILTERS)?));
    let mut all = rivals.iter().map(of_rival).collect::<Result<Vec<_>, Error>>()?;
    let components = shown.codec.features().min(MOST_FILTERS);
    let pca = fit_pca(shown.preparation(), training, components, compute)?;
    let direction = |number: usize| pca.direction(number).to_vec();
    all.push(("PCA".to_owned(), (0..pca.components()).map(direction).collect()));
    Ok(all)
}

/// How a unit of the first layer is drawn: the window of a convolution, if it has channels that can be shown, else a row.
pub(super) fn filter_picture(shown: &Shown<'_>) -> Option<PictureShape> {
    let layer = &shown.codec.network().layers[0];
    match (layer.window(), layer.kernel()[2]) {
        (Some([height, width]), channels @ (1 | 3)) => Some(PictureShape { height, width, channels }),
        (Some(_), _) => None,
        (None, _) => shown.picture,
    }
}

/// The incoming weights of the first layer's units, those whose values differ most from row to row first.
pub(super) fn filters(shown: &Shown<'_>, most: usize) -> Result<Vec<Vec<f32>>, Error> {
    filters_of(shown.codec, shown, most)
}

fn filters_of(codec: &Codec, shown: &Shown<'_>, most: usize) -> Result<Vec<Vec<f32>>, Error> {
    let layer = &codec.network().layers[0];
    let units_of = layer.units();
    let name = format!("{}.weight", layer.name);
    let Some(weight) = codec.model().tensors.iter().find(|tensor| tensor.name == name) else {
        return Ok(Vec::new());
    };
    let rows = shown.spread((MOST_NUMBERS / layer.outputs().max(layer.inputs())).clamp(1, MOST_ROWS));
    let mut program = RowProgram::new(codec, ROWS, |graph, rows, _| {
        Ok(vec![codec.network().apply(graph, &mut Pass::new(Mode::Use), 0..1, rows)])
    })?;
    let values = program.run(codec, &shown.stored(&rows), &rows, (0, 0))?.remove(0);
    let mut sums = vec![(0.0f64, 0.0f64); units_of];
    for (at, value) in values.iter().enumerate() {
        let (sum, value) = (&mut sums[at % units_of], f64::from(*value));
        *sum = (sum.0 + value, sum.1 + value * value);
    }
    // Of maps every pixel counts.
    let count = (values.len() / units_of).max(1) as f64;
    let use_of: Vec<f64> =
        sums.iter().map(|(sum, squares)| squares / count - (sum / count).powi(2)).collect();
    let mut units: Vec<usize> = (0..units_of).collect();
    units.sort_by(|a, b| use_of[*b].total_cmp(&use_of[*a]));
    let column =
        |unit: usize| -> Vec<f32> { weight.values.iter().skip(unit).step_by(units_of).copied().collect() };
    Ok(units.into_iter().take(most).map(column).collect())
}

//! The codes of test rows as points of a plane.

use super::Shown;
use crate::Error;
use crate::apply::evaluate::true_classes;
use crate::apply::pca::Pca;
use crate::report::codes::most_points;
use crate::report::html::{percent, whole};
use crate::report::{CodeMap, PictureShape};
use crate::train::Compute;

/// Bytes of pictures that are kept in memory for the points, at most, and points that are shown however large the
/// pictures are.
const MOST_PICTURE_BYTES: usize = 256 << 20;
const FEWEST_POINTS: usize = 100;

/// The codes of rows spread over those that judge the model; none where a code is no number.
pub(super) fn map(shown: &Shown<'_>, compute: &Compute) -> Result<Option<CodeMap>, Error> {
    let rows = shown.spread(most_rows(shown.picture));
    let stored = shown.stored(&rows);
    let codes = shown.codec.encode(&stored)?;
    if rows.is_empty() || !codes.iter().all(|code| code.is_finite()) {
        return Ok(None);
    }
    let plane = match shown.codec.code() {
        1 => line(shown, &rows, &stored, &codes)?,
        2 => direct(shown, &codes),
        units => principal(shown, &codes, units, compute)?,
    };
    let (labels, label_names) = labels(shown, &rows)?;
    let thumbnails = if shown.picture.is_some() { shown.draw(stored) } else { Vec::new() };
    let Plane { points, axes, about } = plane;
    Ok(Some(CodeMap { points, labels, label_names, thumbnails, axes, about }))
}

/// Points, what the axes are, and a sentence on how they were chosen.
struct Plane {
    points: Vec<(f32, f32)>,
    axes: [String; 2],
    about: String,
}

fn most_rows(picture: Option<PictureShape>) -> usize {
    let most = most_points(picture);
    match picture {
        Some(shape) => most.min((MOST_PICTURE_BYTES / 4 / shape.values().max(1)).max(FEWEST_POINTS)),
        None => most,
    }
}

/// What the units belong to: a classifier's last hidden layer has no name of its own.
fn layer(shown: &Shown<'_>) -> &'static str {
    if shown.codec.model().is_classifier() { "last hidden layer" } else { "code" }
}

/// One unit: across its value, up how well the row is served by it.
fn line(shown: &Shown<'_>, rows: &[u32], stored: &[f32], codes: &[f32]) -> Result<Plane, Error> {
    let (name, heights) = if shown.codec.model().is_classifier() {
        let confidences = shown.codec.classify(stored)?;
        let truths = true_classes(shown.codec, shown.dataset)?;
        let each = confidences.chunks_exact(shown.codec.network().outputs()).zip(rows);
        let of_truth = each.map(|(confidences, row)| confidences[truths[*row as usize]]);
        ("confidence in the true class", of_truth.collect())
    } else {
        let features = shown.codec.features();
        let rebuilt = shown.codec.reconstruct_prepared(stored)?;
        let mut prepared = stored.to_vec();
        shown.preparation().prepare(&mut prepared);
        let each = prepared.chunks_exact(features).zip(rebuilt.chunks_exact(features));
        let error = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
        ("squared error of the row", each.map(error).collect::<Vec<f32>>())
    };
    Ok(Plane {
        points: codes.iter().copied().zip(heights).collect(),
        axes: ["the unit".to_owned(), name.to_owned()],
        about: format!(
            "Each point is a {} row: across, the one number of its {}; up, the {name}.",
            shown.part,
            layer(shown)
        ),
    })
}

/// Two units are the plane.
fn direct(shown: &Shown<'_>, codes: &[f32]) -> Plane {
    Plane {
        points: codes.chunks_exact(2).map(|code| (code[0], code[1])).collect(),
        axes: ["first unit", "second unit"].map(str::to_owned),
        about: format!(
            "Each point is a {} row, placed by the two numbers of its {}.",
            shown.part,
            layer(shown)
        ),
    }
}

/// More units are seen along the two directions in which their codes vary most.
fn principal(shown: &Shown<'_>, codes: &[f32], units: usize, compute: &Compute) -> Result<Plane, Error> {
    let mut read = |row: usize, out: &mut [f32]| out.copy_from_slice(&codes[row * units..(row + 1) * units]);
    let pca = Pca::fit(codes.len() / units, units, 2, &mut read, &compute.pool, compute.level)?;
    let point = |code: &[f32]| {
        let mut place = [0.0; 2];
        pca.encode(code, &mut place);
        (place[0], place[1])
    };
    // Whole percents: the rows are a sample.
    let shares = [0, 1].map(|direction| (100.0 * pca.explained()[direction]).round() / 100.0);
    let axis = |name: &str, share: f64| format!("{name} principal direction ({})", percent(share));
    Ok(Plane {
        points: codes.chunks_exact(units).map(point).collect(),
        axes: [axis("first", shares[0]), axis("second", shares[1])],
        about: format!(
            "Each point is a {} row, placed by the first two principal directions of the {} numbers of its {}: {} of \
             their variance.",
            shown.part,
            whole(units as f64),
            layer(shown),
            percent(shares[0] + shares[1])
        ),
    })
}

/// The label of each row, and what the labels are called; a classifier's are its classes.
fn labels(shown: &Shown<'_>, rows: &[u32]) -> Result<(Option<Vec<u32>>, Vec<String>), Error> {
    let Some(labels) = &shown.dataset.labels else { return Ok((None, Vec::new())) };
    if shown.codec.model().is_classifier() {
        let truths = true_classes(shown.codec, shown.dataset)?;
        let names = shown.codec.model().description.classes.clone();
        return Ok((Some(rows.iter().map(|row| truths[*row as usize] as u32).collect()), names));
    }
    Ok((Some(rows.iter().map(|row| labels.of_row[*row as usize]).collect()), labels.names.clone()))
}

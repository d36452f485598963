//! Rows beside what the model and PCA made of them.

use super::html::escape;
use super::page::Section;
use super::sheet::{Ink, Sheet};
use super::small_chart;
use super::{Comparison, PictureShape, ReportError, ReportInput};

/// Rows side by side in one band: what fits on a phone.
const BAND: usize = 6;
/// The most rows that are shown.
const MOST: usize = 24;
/// Longest side of a picture on the sheets.
const LONGEST: usize = 112;

/// Sheet, label and style class of each version of a row.
const VERSIONS: [(&str, &str, &str); 5] = [
    ("originals", "original", "original"),
    ("reconstructions", "this model", "model"),
    ("pca-reconstructions", "PCA", "pca"),
    ("corrupted", "corrupted", "corrupted"),
    ("cleaned", "cleaned", "cleaned"),
];

/// The section with the rows, when there are any.
pub(super) fn section(input: &ReportInput, sheets: &mut Vec<Sheet>) -> Result<Option<Section>, ReportError> {
    let comparison = &input.comparison;
    let Comparison { originals, reconstructions, pca, corrupted, cleaned, rivals } = comparison;
    let all = [originals, reconstructions, pca, corrupted, cleaned].into_iter().zip(VERSIONS);
    let own = all.map(|(rows, (sheet, label, class))| (rows, sheet.to_owned(), label, class));
    // Lines in a chart of six would be told apart by nobody.
    let rivals = rivals.iter().filter(|_| input.picture.is_some()).enumerate();
    let rivals =
        rivals.map(|(number, (name, rows))| (rows, format!("rival-{}", number + 1), name.as_str(), "rival"));
    let versions: Vec<_> = own.chain(rivals).filter(|(rows, ..)| !rows.is_empty()).collect();
    let count = versions.iter().map(|(rows, ..)| rows.len()).min().unwrap_or(0).min(MOST);
    if comparison.originals.is_empty() || versions.len() < 2 {
        return Ok(None);
    }
    let versions: Vec<Version<'_>> = versions
        .into_iter()
        .map(|(rows, sheet, label, class)| Version { rows: &rows[..count], sheet, label, class })
        .collect();
    let html = match input.picture {
        Some(shape) => pictures(&versions, shape, sheets)?,
        None => charts(&versions),
    };
    Ok(Some(Section { id: "comparison", title: "What went in, what came back", html }))
}

/// All rows in one version.
struct Version<'a> {
    rows: &'a [Vec<f32>],
    sheet: String,
    label: &'a str,
    class: &'static str,
}

/// Pictures in bands: a line for each version, its name before it.
fn pictures(
    versions: &[Version<'_>],
    shape: PictureShape,
    sheets: &mut Vec<Sheet>,
) -> Result<String, ReportError> {
    let drawn: Vec<Sheet> = versions
        .iter()
        .map(|version| Sheet::draw(&version.sheet, version.rows, shape, Ink::Levels, BAND, LONGEST))
        .collect::<Result<_, _>>()?;
    let count = versions[0].rows.len();
    let mut html = String::from("<div class=\"bands\">\n");
    for start in (0..count).step_by(BAND) {
        html.push_str("<div class=\"band\">\n");
        for (version, sheet) in versions.iter().zip(&drawn) {
            html.push_str(&format!(
                "<div class=\"line\"><span class=\"name\">{}</span>",
                escape(version.label)
            ));
            for index in start..(start + BAND).min(count) {
                html.push_str(&sheet.tile(index, &format!("{} {}", version.label, index + 1)));
            }
            html.push_str("</div>\n");
        }
        html.push_str("</div>\n");
    }
    sheets.extend(drawn);
    Ok(html + "</div>\n")
}

/// Line charts, one a row, the versions over each other.
fn charts(versions: &[Version<'_>]) -> String {
    let mut html = String::from("<p class=\"legend\">");
    for version in versions {
        html.push_str(&format!("<span class=\"key {}\">{}</span>", version.class, version.label));
    }
    html.push_str("</p>\n<div class=\"charts\">\n");
    for index in 0..versions[0].rows.len() {
        let curves: Vec<(&str, &[f32])> =
            versions.iter().map(|version| (version.class, version.rows[index].as_slice())).collect();
        html.push_str(&small_chart::draw(
            &curves,
            &format!("row {}: original and what came back", index + 1),
        ));
        html.push('\n');
    }
    html + "</div>\n"
}

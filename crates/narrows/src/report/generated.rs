//! What codes decode to where nobody has looked yet: the map of a code of two units, and new rows beside the nearest known ones.

use super::page::Section;
use super::sheet::{Ink, Sheet};
use super::{ReportError, ReportInput};

/// Rows side by side in one band: what fits on a phone.
const BAND: usize = 6;
/// Longest side of a picture on the sheets.
const LONGEST: usize = 64;
/// Pixels that a picture of the map is shown at, so that a line of them fits on a phone.
const MAP_SIDE: usize = 22;

/// The section with what was generated, when there is any and rows are pictures.
pub(super) fn section(input: &ReportInput, sheets: &mut Vec<Sheet>) -> Result<Option<Section>, ReportError> {
    let generated = &input.generated;
    let Some(shape) = input.picture else { return Ok(None) };
    if generated.map.is_empty() && generated.samples.is_empty() {
        return Ok(None);
    }
    let mut html = String::new();
    if !generated.map.is_empty() {
        let side = generated.map.len().isqrt();
        html.push_str(&format!(
            "<p>The whole code as a map: the first unit grows to the right, the second upwards, {side} steps each.</p>\n<div class=\"codes-grid\" style=\"--columns:{side}\">\n"
        ));
        let sheet =
            Sheet::draw("decoded", &generated.map, shape, Ink::Levels, side, LONGEST)?.shown_at(MAP_SIDE);
        for index in 0..generated.map.len() {
            html.push_str(&sheet.tile(index, &format!("decoded code {}", index + 1)));
        }
        html.push_str("</div>\n");
        sheets.push(sheet);
    }
    if !generated.samples.is_empty() {
        html.push_str("<p>Rows decoded from codes that were drawn from the prior, each above the training row nearest to it: a model that learned rows by heart would show the same picture twice.</p>\n<div class=\"bands\">\n");
        let versions = [("samples", "drawn", &generated.samples), ("nearest", "nearest", &generated.nearest)];
        let drawn: Vec<(&str, Sheet)> = versions
            .into_iter()
            .filter(|(_, _, rows)| !rows.is_empty())
            .map(|(name, label, rows)| {
                Ok((label, Sheet::draw(name, rows, shape, Ink::Levels, BAND, LONGEST)?))
            })
            .collect::<Result<_, ReportError>>()?;
        for start in (0..generated.samples.len()).step_by(BAND) {
            html.push_str("<div class=\"band\">\n");
            for (label, sheet) in &drawn {
                html.push_str(&format!("<div class=\"line\"><span class=\"name\">{label}</span>"));
                for index in start..(start + BAND).min(generated.samples.len()) {
                    html.push_str(&sheet.tile(index, &format!("{label} {}", index + 1)));
                }
                html.push_str("</div>\n");
            }
            html.push_str("</div>\n");
        }
        html.push_str("</div>\n");
        sheets.extend(drawn.into_iter().map(|(_, sheet)| sheet));
    }
    Ok(Some(Section { id: "generated", title: "What other codes decode to", html }))
}

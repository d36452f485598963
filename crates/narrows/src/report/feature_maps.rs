//! What each layer of maps makes of one picture, and what it looks for.

use super::html::{escape, whole};
use super::page::Section;
use super::sheet::{Ink, Sheet};
use super::{PictureShape, ReportError, ReportInput};

/// Maps in a line.
const COLUMNS: usize = 8;
/// Longest side of a map on the sheets.
const LONGEST: usize = 64;

/// The section, where there are layers of maps.
pub(super) fn section(input: &ReportInput, sheets: &mut Vec<Sheet>) -> Result<Option<Section>, ReportError> {
    if input.maps.is_empty() {
        return Ok(None);
    }
    let mut html = String::from(
        "<p>One picture on its way through the network: of each layer the maps whose values differ most, each scaled by its own largest, and \
         below them the windows that they are found with, each for the channel that it weighs most.</p>\n",
    );
    if let (Some((name, row)), Some(shape)) = (&input.followed, input.picture) {
        let sheet = Sheet::draw("followed", &[row], shape, Ink::Levels, 1, LONGEST)?;
        html.push_str(&format!("<h3>{}</h3>\n<div class=\"tiles\">\n", escape(name)));
        html.push_str(&sheet.tile(0, name));
        html.push_str("\n</div>\n");
        sheets.push(sheet);
    }
    for (number, layer) in input.maps.iter().enumerate() {
        html.push_str(&format!("<h3>{}</h3>\n", escape(&layer.name)));
        if layer.maps.len() < layer.maps_of {
            html.push_str(&format!("<p>{} of {} maps.</p>\n", layer.maps.len(), whole(layer.maps_of as f64)));
        }
        let drawings = [("maps", layer.size, &layer.maps), ("windows", layer.window, &layer.filters)];
        for (what, [height, width], rows) in drawings.into_iter().filter(|(_, _, rows)| !rows.is_empty()) {
            let shape = PictureShape { height, width, channels: 1 };
            let name = format!("layer-{number}-{what}");
            let sheet = Sheet::draw(&name, rows, shape, Ink::Signed, COLUMNS, LONGEST)?;
            html.push_str("<div class=\"tiles\">\n");
            for index in 0..rows.len() {
                html.push_str(&sheet.tile(index, &format!("{what} of layer {}, {}", number + 1, index + 1)));
                html.push('\n');
            }
            html.push_str("</div>\n");
            sheets.push(sheet);
        }
    }
    Ok(Some(Section { id: "feature-maps", title: "What layers make of a picture", html }))
}

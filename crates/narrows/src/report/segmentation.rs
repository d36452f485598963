//! Pictures beside the classes of their pixels, true and told.

use super::html::escape;
use super::page::Section;
use super::sheet::{Ink, Sheet};
use super::{PictureShape, ReportError, ReportInput};

/// Pictures side by side in one band: what fits on a phone.
const BAND: usize = 2;
/// Longest side of a picture on the sheets, and on the page.
const LONGEST: usize = 160;

/// The section, for a segmenter.
pub(super) fn section(input: &ReportInput, sheets: &mut Vec<Sheet>) -> Result<Option<Section>, ReportError> {
    let (Some(own), Some(picture)) = (&input.segmentation, input.picture) else { return Ok(None) };
    let shape = PictureShape { channels: 3, ..picture };
    let mut html = String::from("<p class=\"legend\">");
    for ((name, [red, green, blue]), iou) in own.legend.iter().zip(&own.iou) {
        let share = iou.map_or(String::new(), |iou| format!(" {:.0} %", 100.0 * iou));
        html.push_str(&format!(
            "<span class=\"key dot\" style=\"--c:rgb({red},{green},{blue})\">{}{share}</span>",
            escape(name)
        ));
    }
    html.push_str(
        "</p>\n<p>Beside each class its IoU: the pixels that both are and are called it, among those that are or are called it. Black \
         pixels are known by nobody.</p>\n<div class=\"bands\">\n",
    );
    let versions = [
        ("pictures", "picture", &own.pictures),
        ("truths", "truth", &own.truths),
        ("told", "this model", &own.told),
    ];
    let drawn: Vec<(&str, Sheet)> = versions
        .into_iter()
        .map(|(name, label, rows)| {
            Ok((label, Sheet::draw(name, rows, shape, Ink::Levels, BAND, LONGEST)?.shown_at(LONGEST)))
        })
        .collect::<Result<_, ReportError>>()?;
    for start in (0..own.pictures.len()).step_by(BAND) {
        html.push_str("<div class=\"band\">\n");
        for (label, sheet) in &drawn {
            html.push_str(&format!("<div class=\"line\"><span class=\"name\">{label}</span>"));
            for index in start..(start + BAND).min(own.pictures.len()) {
                html.push_str(&sheet.tile(index, &format!("{label} {}", index + 1)));
            }
            html.push_str("</div>\n");
        }
        html.push_str("</div>\n");
    }
    html.push_str("</div>\n");
    sheets.extend(drawn.into_iter().map(|(_, sheet)| sheet));
    Ok(Some(Section { id: "segmentation", title: "What each pixel was taken for", html }))
}

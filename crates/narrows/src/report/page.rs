//! The page: its sections in order, between a head and a foot.

use super::html::escape;
use super::sheet::Sheet;
use super::{
    ReportError, ReportInput, classes, codes, comparison, curves, feature_maps, filters, generated, layers,
    segmentation, summary,
};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A part of the page with a heading of its own.
pub(super) struct Section {
    /// Name of its place on the page.
    pub id: &'static str,
    /// The heading.
    pub title: &'static str,
    /// What is below it.
    pub html: String,
}

/// What a section makes: itself when the input has something to show, and the sheets that its tiles lie on.
type Made = Result<Option<Section>, ReportError>;

/// The sections in the order of the page. A new one is a file and a line.
const SECTIONS: &[fn(&ReportInput, &mut Vec<Sheet>) -> Made] = &[
    |input, _| Ok(summary::verdict(input)),
    comparison::section,
    segmentation::section,
    classes::section,
    |input, _| Ok(curves::section(input)),
    codes::section,
    generated::section,
    filters::section,
    feature_maps::section,
    |input, _| Ok(layers::section(input)),
    |input, _| Ok(summary::recipe(input)),
];

/// A rendered report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPage {
    /// The page, complete in itself.
    pub html: String,
    /// Its pictures as PNG files: name and bytes.
    pub pictures: Vec<(String, Vec<u8>)>,
}

/// Renders a report. The same input gives the same bytes.
///
/// # Errors
///
/// When a picture has not the shape that was promised.
pub fn render(input: &ReportInput) -> Result<ReportPage, ReportError> {
    let mut sheets = Vec::new();
    let mut body = String::new();
    for make in SECTIONS {
        if let Some(Section { id, title, html }) = make(input, &mut sheets)? {
            body.push_str(&format!("<section id=\"{id}\">\n<h2>{title}</h2>\n{html}</section>\n"));
        }
    }
    let tiles: String = sheets.iter().map(Sheet::style).collect();
    let (title, head) = (escape(&input.title), summary::head(input));
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
         style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <title>{title} · Narrows</title>\n<style>\n{STYLE}{tiles}</style>\n</head>\n<body>\n<main>\n\
         {head}{body}</main>\n<footer>Made by Narrows {}</footer>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
    let pictures = sheets.into_iter().map(|sheet| (format!("{}.png", sheet.name), sheet.png)).collect();
    Ok(ReportPage { html, pictures })
}

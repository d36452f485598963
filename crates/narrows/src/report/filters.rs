//! What each first-layer unit answers to: its incoming weights, drawn like the rows themselves.

use super::html::{escape, whole};
use super::page::Section;
use super::sheet::{Ink, Sheet};
use super::{NamedRows, PictureShape, ReportError, ReportInput};

/// The most filters that are shown.
const MOST: usize = 120;
/// Longest side of a filter on its sheet.
const LONGEST: usize = 64;
/// The most columns of a table whose filters are drawn as lines of squares.
const MOST_COLUMNS: usize = 256;
/// Pixels of one of those squares, and of the longest line of them.
const SQUARE: usize = 16;
const WIDEST: usize = 800;

/// Words that are told of a unit.
const WORDS: usize = 8;

/// Which units these are, where there are more.
fn chosen(count: usize, all: usize) -> String {
    if count == all {
        return String::new();
    }
    let all = whole(all as f64);
    format!(
        " These are the {count} of {all} units whose values differ most from row to row, the most used first."
    )
}

/// Units of a network that reads texts, by the words that excite them most.
fn in_words(filters: &[Vec<f32>], words: &[String], all: usize) -> Section {
    let mut html = String::from(
        "<p>Each line is one unit of the first layer: the words that excite it most, the strongest first.",
    );
    html.push_str(&chosen(filters.len(), all));
    html.push_str("</p>\n<ol>\n");
    for filter in filters {
        let mut order: Vec<usize> =
            (0..filter.len().min(words.len())).filter(|at| filter[*at] > 0.0).collect();
        order.sort_by(|a, b| filter[*b].total_cmp(&filter[*a]));
        let told: Vec<String> = order.iter().take(WORDS).map(|at| escape(&words[*at])).collect();
        html.push_str(&format!("<li>{}</li>\n", told.join(", ")));
    }
    html.push_str("</ol>\n");
    Section { id: "filters", title: "What the first layer looks for", html }
}

/// The section with the filters, when there are any that can be drawn.
pub(super) fn section(input: &ReportInput, sheets: &mut Vec<Sheet>) -> Result<Option<Section>, ReportError> {
    let shown = &input.filters[..input.filters.len().min(MOST)];
    let Some(first) = shown.first() else { return Ok(None) };
    let all = input.filters.len().max(input.filters_of);
    if let Some(words) = &input.words {
        return Ok(Some(in_words(shown, words, all)));
    }
    let colours = match input.filter_picture {
        Some(PictureShape { channels: 3, .. }) => "in the colours that excite it, on grey where none does",
        _ => "orange where a larger input excites it, blue where it inhibits it",
    };
    let mut about = format!("Each tile is one unit of the first layer: {colours}.");
    about.push_str(&chosen(shown.len(), all));
    let others: Vec<&NamedRows> = input.other_filters.iter().filter(|_| input.picture.is_some()).collect();
    let (sheet, class) = match input.filter_picture {
        Some(shape) => (Sheet::draw("filters", shown, shape, Ink::Signed, 12, LONGEST)?, "tiles"),
        None if first.len() > MOST_COLUMNS => return Ok(None),
        None => {
            about.push_str(" A tile's squares are the columns of the data, from left to right.");
            let shape = PictureShape { height: 1, width: first.len(), channels: 1 };
            let sheet = Sheet::draw("filters", shown, shape, Ink::Signed, 1, MOST_COLUMNS)?;
            (sheet.shown_at((SQUARE * first.len()).min(WIDEST)), "tiles lines")
        }
    };
    let mut html = format!("<p>{about}</p>\n<div class=\"{class}\">\n");
    for index in 0..shown.len() {
        html.push_str(&sheet.tile(index, &format!("weights of one unit, {}", index + 1)));
        html.push('\n');
    }
    sheets.push(sheet);
    html.push_str("</div>\n");
    for (number, (name, filters)) in others.into_iter().enumerate() {
        let Some(shape) = input.picture.filter(|_| !filters.is_empty()) else { continue };
        // A rival's convolution, say.
        if filters[0].len() != shape.height * shape.width * shape.channels {
            continue;
        }
        let shown = &filters[..filters.len().min(MOST)];
        let sheet = Sheet::draw(&format!("filters-{}", number + 2), shown, shape, Ink::Signed, 12, LONGEST)?;
        html.push_str(&format!("<h3>{}</h3>\n<div class=\"tiles\">\n", escape(name)));
        for index in 0..shown.len() {
            html.push_str(&sheet.tile(index, &format!("{name}, {}", index + 1)));
            html.push('\n');
        }
        html.push_str("</div>\n");
        sheets.push(sheet);
    }
    Ok(Some(Section { id: "filters", title: "What the first layer looks for", html }))
}

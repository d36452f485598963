//! For a classifier: what was taken for what, and the mistakes of which it was surest.

use super::html::{escape, percent, whole};
use super::page::Section;
use super::sheet::{Ink, Sheet};
use super::small_chart;
use super::{ClassFigures, Mistake, ReportError, ReportInput};

/// With more classes than this the matrix is a list of the commonest confusions.
const MOST_CLASSES: usize = 20;
/// The most confusions in that list.
const MOST_CONFUSIONS: usize = 20;
/// The most mistakes that are shown.
const MOST_MISTAKES: usize = 24;
/// Longest side of a picture on the sheet.
const LONGEST: usize = 112;

/// The section with the confusion matrix and the mistakes, when the model is a classifier.
pub(super) fn section(input: &ReportInput, sheets: &mut Vec<Sheet>) -> Result<Option<Section>, ReportError> {
    let Some(classes) = &input.classes else { return Ok(None) };
    let total: u64 = classes.confusion.iter().flatten().sum();
    let right: u64 = classes.confusion.iter().enumerate().filter_map(|(truth, row)| row.get(truth)).sum();
    let mut html = String::new();
    if total > 0 {
        let (right_words, total_words) = (whole(right as f64), whole(total as f64));
        let share = percent(right as f64 / total as f64);
        html.push_str(&format!(
            "<p>{right_words} of {total_words} rows were given their class: {share}.</p>\n"
        ));
        html.push_str(&if classes.confusion.len() <= MOST_CLASSES { matrix(classes) } else { list(classes) });
    }
    if !classes.mistakes.is_empty() {
        html.push_str(&mistakes(input, classes, sheets)?);
    }
    Ok((!html.is_empty()).then_some(Section { id: "classes", title: "What it took for what", html }))
}

/// The name of a class; its number when it has none.
fn name(classes: &ClassFigures, index: usize) -> String {
    classes.names.get(index).map_or_else(|| index.to_string(), |name| escape(name))
}

/// The confusion matrix, each cell shaded by its share of the row.
fn matrix(classes: &ClassFigures) -> String {
    let columns = classes.confusion.iter().map(Vec::len).max().unwrap_or(0);
    let heads: String =
        (0..columns).map(|guess| format!("<th scope=\"col\">{}</th>", name(classes, guess))).collect();
    let mut html = format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"confusion matrix\">\n\
         <table class=\"confusion\">\n<caption>Rows: the true class. Columns: the class that was given.</caption>\n\
         <tr><td></td>{heads}</tr>\n"
    );
    for (truth, row) in classes.confusion.iter().enumerate() {
        let total: u64 = row.iter().sum();
        html.push_str(&format!("<tr><th scope=\"row\">{}</th>", name(classes, truth)));
        for (guess, count) in row.iter().enumerate() {
            let share = *count as f64 / total.max(1) as f64;
            // Mistakes are rare in a good model; the cube root keeps them visible beside the diagonal.
            let strength = (share.cbrt() * 100.0).round();
            let class = if guess == truth { "right" } else { "wrong" };
            let text = if *count == 0 { "·".to_string() } else { whole(*count as f64) };
            html.push_str(&format!("<td class=\"{class}\" style=\"--p:{strength}%\">{text}</td>"));
        }
        html.push_str("</tr>\n");
    }
    html + "</table>\n</div>\n"
}

/// The commonest confusions of many classes.
fn list(classes: &ClassFigures) -> String {
    let mut confusions: Vec<(u64, usize, usize)> = classes
        .confusion
        .iter()
        .enumerate()
        .flat_map(|(truth, row)| row.iter().enumerate().map(move |(guess, count)| (*count, truth, guess)))
        .filter(|(count, truth, guess)| *count > 0 && truth != guess)
        .collect();
    confusions.sort_by_key(|(count, truth, guess)| (std::cmp::Reverse(*count), *truth, *guess));
    let rows: String = confusions
        .iter()
        .take(MOST_CONFUSIONS)
        .map(|(count, truth, guess)| {
            let (truth, guess) = (name(classes, *truth), name(classes, *guess));
            format!("<tr><td>{truth}</td><td>{guess}</td><td>{}</td></tr>\n", whole(*count as f64))
        })
        .collect();
    format!(
        "<table class=\"confusions\">\n<caption>The commonest confusions</caption>\n\
         <tr><th scope=\"col\">true class</th><th scope=\"col\">class given</th><th scope=\"col\">rows</th></tr>\n\
         {rows}</table>\n"
    )
}

/// The mistakes of which the model was surest, each with its row.
fn mistakes(
    input: &ReportInput,
    classes: &ClassFigures,
    sheets: &mut Vec<Sheet>,
) -> Result<String, ReportError> {
    let shown: Vec<&Mistake> = classes.mistakes.iter().take(MOST_MISTAKES).collect();
    let rows: Vec<&[f32]> = shown.iter().map(|mistake| mistake.row.as_slice()).collect();
    let sheet = match input.picture {
        Some(shape) => Some(Sheet::draw("mistakes", &rows, shape, Ink::Levels, 12, LONGEST)?),
        None => None,
    };
    let mut html = String::from("<h3>The mistakes of which it was surest</h3>\n<div class=\"cards\">\n");
    for (index, mistake) in shown.iter().enumerate() {
        let (truth, guess) = (name(classes, mistake.truth), name(classes, mistake.guess));
        let picture = match &sheet {
            Some(sheet) => sheet.tile(index, &format!("row of class {truth}")),
            None => small_chart::draw(&[("original", &mistake.row)], &format!("row of class {truth}")),
        };
        let confidence = percent(f64::from(mistake.confidence));
        html.push_str(&format!(
            "<figure>{picture}<figcaption><b>{truth}</b> taken for <b>{guess}</b><br>{confidence} sure</figcaption>\
             </figure>\n"
        ));
    }
    sheets.extend(sheet);
    Ok(html + "</div>\n")
}

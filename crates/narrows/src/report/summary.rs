//! The top of the page (title, facts), the verdict with its bars, and the recipe at the bottom.

use super::html::{escape, number};
use super::page::Section;
use super::{Figure, ReportInput};

/// Title, one line, and what was trained on what.
pub(super) fn head(input: &ReportInput) -> String {
    let facts: String = input
        .facts
        .iter()
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value)))
        .collect();
    let about =
        if input.about.is_empty() { String::new() } else { format!("<p>{}</p>\n", escape(&input.about)) };
    let facts = if facts.is_empty() { facts } else { format!("<dl class=\"facts\">\n{facts}</dl>\n") };
    format!("<header>\n<h1>{}</h1>\n{about}{facts}</header>\n", escape(&input.title))
}

/// The verdict and its figures as bars.
pub(super) fn verdict(input: &ReportInput) -> Option<Section> {
    let verdict = input.verdict.as_ref()?;
    let sound = |figure: &&Figure| figure.value.is_finite();
    let most = verdict.figures.iter().filter(sound).map(|figure| figure.value).fold(0.0, f64::max);
    let rows: String = verdict.figures.iter().map(|figure| bar(figure, most)).collect();
    let bars = if rows.is_empty() {
        rows
    } else {
        let caption = escape(&verdict.figures_are);
        format!("<table class=\"bars\">\n<caption>{caption}</caption>\n{rows}</table>\n")
    };
    let more: String = verdict
        .more
        .iter()
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value)))
        .collect();
    let more = if more.is_empty() { more } else { format!("<dl class=\"facts\">\n{more}</dl>\n") };
    let html = format!("<p class=\"verdict\">{}</p>\n{bars}{more}", escape(&verdict.text));
    Some(Section { id: "verdict", title: "Verdict", html })
}

/// One figure as a row: name, number, bar.
fn bar(figure: &Figure, most: f64) -> String {
    let share = if most > 0.0 && figure.value.is_finite() { 100.0 * figure.value / most } else { 0.0 };
    format!(
        "<tr{}><th scope=\"row\">{}</th><td>{}</td>\
         <td class=\"bar\" aria-hidden=\"true\"><span style=\"width:{share:.1}%\"></span></td></tr>\n",
        if figure.is_model { " class=\"model\"" } else { "" },
        escape(&figure.name),
        number(figure.value)
    )
}

/// The recipe, folded.
pub(super) fn recipe(input: &ReportInput) -> Option<Section> {
    let text = input.recipe.trim();
    let html = format!(
        "<details>\n<summary>Every setting of this run, as TOML</summary>\n<pre tabindex=\"0\">{}</pre>\n</details>\n",
        escape(text)
    );
    (!text.is_empty()).then_some(Section { id: "recipe", title: "Recipe", html })
}

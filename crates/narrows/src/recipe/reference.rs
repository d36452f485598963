//! Every setting as a page in Markdown, made from the settings themselves.

use super::SettingDescription;

const HEAD: &str = "# Settings of a recipe

Made from the code (`narrows::recipe::Recipe::reference`). Each can be overridden with `--set path=value`.
A choice is written as a word, `schedule = \"cosine\"`, or as a table when its own settings differ from their
defaults, `schedule = { kind = \"step\", every = 5 }`; only the settings of the chosen kind are accepted.
The elements of a list have numbers: `--set model.hidden[0]=64` changes the first layer.
";

/// Writes the page: a table for each section, the kinds of a choice among its rows.
pub(super) fn page(settings: &[SettingDescription]) -> String {
    let (sections, plain): (Vec<_>, Vec<_>) = settings
        .iter()
        .partition(|setting| setting.expected == "a table of settings" || setting.path.contains('.'));
    let mut page = format!("{HEAD}\n## At the top\n\n{}", table(&plain));
    for group in sections.chunk_by(|_, next| next.path.contains('.')) {
        let (section, inside) = (group[0], &group[1..]);
        page.push_str(&format!("\n## [{}]\n\n{}\n\n{}", section.path, section.about, table(inside)));
    }
    page
}

/// The settings of one section, one a row.
fn table(settings: &[&SettingDescription]) -> String {
    let rows = settings.iter().map(|SettingDescription { path, about, expected, default }| {
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        format!("| `{path}` | {about} | {expected} | {default} |\n")
    });
    let head = "| setting | meaning | what to write | default |\n|---|---|---|---|\n";
    std::iter::once(head.to_string()).chain(rows).collect()
}

//! Every link in the documents leads somewhere.

use std::path::Path;
use xtask::{files, root};

/// Targets of Markdown links `[text](target)`, with their line.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (at, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        let mut rest = line;
        while let (false, Some(start)) = (fenced, rest.find("](")) {
            rest = &rest[start + 2..];
            let end = rest.find(')').unwrap_or(rest.len());
            found.push((at + 1, rest[..end].to_owned()));
        }
    }
    found
}

/// Headings as the anchors that they become.
fn anchors(text: &str) -> Vec<String> {
    let heading =
        |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_lowercase());
    let anchor = |title: String| -> String {
        title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    text.lines().filter_map(heading).map(anchor).collect()
}

#[test]
fn links_resolve() {
    let mut broken = Vec::new();
    for path in files(&root(), "md") {
        let text = std::fs::read_to_string(&path).unwrap();
        for (line, target) in links(&text) {
            if target.starts_with("http://")
                || target.starts_with("https://")
                || target.starts_with("mailto:")
            {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let to = if file.is_empty() {
                path.clone()
            } else {
                path.parent().unwrap_or(Path::new("")).join(file)
            };
            let there = to.exists()
                && (anchor.is_empty()
                    || anchors(&std::fs::read_to_string(&to).unwrap_or_default())
                        .iter()
                        .any(|a| a == anchor));
            if !there {
                broken.push(format!("{}:{line}: {target}", path.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn links_are_found() {
    assert_eq!(links("a [b](c.md#d) and [e](f)"), [(1, "c.md#d".to_owned()), (1, "f".to_owned())]);
    assert_eq!(anchors("## The engine's way\n"), ["the-engines-way"]);
}

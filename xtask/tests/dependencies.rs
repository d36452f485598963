//! Dependencies point one way: engine ← narrows ← front ends.

use std::collections::BTreeSet;
use xtask::root;

fn own_dependencies(manifest: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(manifest)).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let names = |section: &str| -> Vec<String> {
        table
            .get(section)
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    };
    names("dependencies").into_iter().filter(|name| name.starts_with("narrows")).collect()
}

#[test]
fn dependencies_point_from_the_front_ends_to_the_engine() {
    let allowed = [
        ("crates/engine/Cargo.toml", vec![]),
        ("crates/narrows/Cargo.toml", vec!["narrows-engine"]),
        ("crates/cli/Cargo.toml", vec!["narrows"]),
    ];
    for (manifest, allowed) in allowed {
        let allowed: BTreeSet<String> = allowed.into_iter().map(str::to_owned).collect();
        assert_eq!(own_dependencies(manifest), allowed, "{manifest}");
    }
}

#[test]
fn the_engine_needs_next_to_nothing() {
    let text = std::fs::read_to_string(root().join("crates/engine/Cargo.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let names: Vec<&String> = table["dependencies"].as_table().unwrap().keys().collect();
    assert_eq!(
        names,
        ["thiserror"],
        "a dependency of the engine is a dependency of everything: is it worth it?"
    );
}

//! Only front ends print, read the environment or exit; unsafe code stays in its room.

use std::path::Path;
use xtask::{files, root};

/// Lines of code, tests and comments left out, that contain any of the words.
fn offenders(folder: &str, words: &[&str], except: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(&root().join(folder), "rs") {
        let shown = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if except.iter().any(|part| shown.contains(part))
            || name.contains("test")
            || shown.contains("/tests/")
        {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in code(&text) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{shown}:{number}: {}", line.trim()));
            }
        }
    }
    found
}

/// Numbered lines before the unit tests of a file, comments left out.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn libraries_do_not_print_read_the_environment_or_exit() {
    let words =
        ["println!(", "eprintln!(", "print!(", "eprint!(", "dbg!(", "env::var", "env::args", "process::exit"];
    for folder in ["crates/engine/src", "crates/narrows/src"] {
        assert_eq!(offenders(folder, &words, &[]), Vec::<String>::new());
    }
}

#[test]
fn the_engine_knows_no_file_and_no_clock() {
    let words = ["std::fs", "File::", "Instant", "SystemTime", "std::net"];
    assert_eq!(offenders("crates/engine/src", &words, &[]), Vec::<String>::new());
}

#[test]
fn unsafe_code_stays_in_the_executor() {
    let found = offenders("crates", &["unsafe {", "unsafe fn", "unsafe impl"], &["crates/engine/src/cpu/"]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn nothing_is_left_unfinished() {
    let words = ["todo!(", "unimplemented!(", "TODO", "FIXME", "XXX"];
    for folder in ["crates", "bench"] {
        assert_eq!(offenders(folder, &words, &[]), Vec::<String>::new());
    }
}

#[test]
fn every_module_says_what_room_it_is() {
    let mut silent = Vec::new();
    for folder in ["crates/engine/src", "crates/narrows/src", "crates/cli/src"] {
        for path in files(&root().join(folder), "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            if !text.starts_with("//!") {
                silent.push(path.strip_prefix(root()).unwrap_or(Path::new("")).to_path_buf());
            }
        }
    }
    assert!(silent.is_empty(), "{silent:?} do not begin with //!");
}

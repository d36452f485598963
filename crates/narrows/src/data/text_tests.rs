//! Tests of `text`: words and vocabulary, JSON lines, folders, and every way in which a line can be wrong.

use super::*;
use std::fs;
use tempfile::TempDir;

const LINES: &str = "{\"text\": \"The cat, the CAT!\", \"label\": \"animal\"}\n\n\
                     {\"text\": \"A dog sees the cat's tail\", \"label\": \"animal\"}\n\
                     {\"text\": \"Über den Fluß 2 und zurück\", \"label\": \"place\"}\n\
                     {\"text\": \"the dog und the bridge\", \"label\": \"place\"}\n";

fn written(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn read_with(lines: &str, options: &Options) -> Result<Source, DataError> {
    let folder = written(&[("a.jsonl", lines)]);
    load(&folder.path().join("a.jsonl"), options)
}

fn columns(data: &Dataset) -> Vec<&str> {
    match &data.shape {
        ItemShape::Vector { columns: Some(columns), .. } => columns.iter().map(String::as_str).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn words_are_letters_side_by_side_in_lower_case() {
    let found: Vec<String> = words("It's 2 o'clock: ÜBER_x Wörter, a-b naïve").collect();
    assert_eq!(found, ["it", "clock", "über", "wörter", "naïve"]);
}

#[test]
fn the_words_that_most_texts_have_are_counted() {
    let source = read_with(LINES, &Options { words: Some(4), ..Options::default() }).unwrap();
    // "the" is in three of four texts, and tells nothing.
    assert_eq!(columns(&source.train), ["cat", "dog", "und", "bridge"]);
    let Values::U8(values) = &source.train.values else { panic!("counts are bytes") };
    assert_eq!(
        values.chunks(4).map(<[u8]>::to_vec).collect::<Vec<_>>(),
        [[2, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 1, 1, 1],]
    );
    let labels = source.train.labels.unwrap();
    assert_eq!((labels.names, labels.of_row), (vec!["animal".into(), "place".into()], vec![0, 0, 1, 1]));
}

#[test]
fn a_trained_models_words_are_taken_as_they_are() {
    let words = vec!["the".to_string(), "nowhere".into(), "dog".into()];
    let options = Options { vocabulary: Some(words.clone()), words: Some(1), ..Options::default() };
    let source = read_with("{\"text\": \"the dog and the other\"}\n", &options).unwrap();
    assert_eq!(columns(&source.train), words);
    assert_eq!(source.train.values, Values::U8(vec![2, 0, 1]));
    assert_eq!(source.train.labels, None);
    // A trained model needs no labels, and half of them are none.
    let options = Options { label_column: Some("stars".into()), ..options };
    let some = "{\"text\": \"the\", \"stars\": 1}\n{\"text\": \"dog\", \"label\": 2}\n";
    assert_eq!(read_with(some, &options).unwrap().train.labels, None);
    let many = "x the ".repeat(300);
    assert_eq!(Vocabulary::new(words).count(&many), [255, 0, 0]);
}

#[test]
fn a_file_with_test_in_its_name_is_the_test_part() {
    let test = "{\"text\": \"cat dog\", \"label\": \"other\"}\n";
    let folder = written(&[("pets-train.jsonl", LINES), ("pets-test.jsonl", test)]);
    let mut source = load(&folder.path().join("pets-train.jsonl"), &Options::default()).unwrap();
    source.check().unwrap();
    assert!(source.notes[0].contains("pets-test.jsonl"), "{:?}", source.notes);
    let part = source.test.unwrap();
    assert_eq!((part.rows(), columns(&part)), (1, columns(&source.train)));
    assert_eq!(part.labels.unwrap().of_row, [1]);
    // The last "train" is the part's.
    let twice = written(&[("train-train.jsonl", LINES), ("train-test.jsonl", test)]);
    assert!(load(&twice.path().join("train-train.jsonl"), &Options::default()).unwrap().test.is_some());
    let alone = load(&folder.path().join("pets-test.jsonl"), &Options::default());
    assert!(matches!(alone, Err(DataError::NoWords { .. })), "one text has no word that half of them lack");
}

#[test]
fn a_folder_holds_a_text_a_file() {
    let folder = written(&[
        ("train/birds/b.txt", "the robin sings"),
        ("train/birds/a.txt", "a robin"),
        ("train/fish/c.txt", "the pike swims"),
        ("train/fish/d.md", "not read"),
        ("test/fish/e.txt", "pike pike"),
    ]);
    assert_eq!(crate::data::detect(folder.path()).unwrap(), crate::data::Kind::Text);
    // Beside data of another kind a text is a note.
    fs::write(folder.path().join("table.csv"), "1,2\n").unwrap();
    assert!(crate::data::detect(folder.path()).is_err());
    let source = load(folder.path(), &Options { words: Some(2), ..Options::default() }).unwrap();
    assert_eq!(
        source.train.names.as_ref().unwrap(),
        &["train/birds/a.txt", "train/birds/b.txt", "train/fish/c.txt"]
    );
    assert_eq!(columns(&source.train), ["pike", "sings"]);
    assert_eq!(source.train.labels.unwrap().of_row, [0, 0, 1]);
    assert_eq!(source.test.unwrap().values, Values::U8(vec![2, 0]));
    let bare = written(&[("train/a.txt", "a robin"), ("test/a.md", "not read")]);
    let error = load(bare.path(), &Options::default()).unwrap_err().to_string();
    assert!(error.ends_with("test: the data set is empty: no .txt file"), "{error}");
}

#[test]
fn rows_are_chosen_before_they_are_counted() {
    let lines: String = (0..50).map(|at| format!("{{\"text\": \"w{} even\"}}\n", "x".repeat(at))).collect();
    let few = Options { rows: Some(3), seed: 4, ..Options::default() };
    let mut source = read_with(&format!("\u{feff}{lines}"), &few).unwrap();
    assert_eq!((source.train.rows(), columns(&source.train).len()), (3, 3));
    let before = source.clone();
    source.limit(&few);
    assert_eq!(source, before);
}

#[test]
fn labels_may_have_another_name_and_be_numbers() {
    let options = Options { label_column: Some("stars".into()), ..Options::default() };
    let lines = "{\"text\": \"good film\", \"stars\": 10}\n{\"text\": \"bad one\", \"stars\": 9}\n";
    let labels = read_with(lines, &options).unwrap().train.labels.unwrap();
    assert_eq!((labels.names, labels.of_row), (vec!["9".into(), "10".into()], vec![1, 0]));
    let error = read_with(LINES, &options).unwrap_err();
    assert!(
        matches!(&error, DataError::NoColumn { wanted, known, .. } if wanted == "stars" && known.len() == 2)
    );
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let message = |lines: &str| {
        let error = read_with(lines, &Options::default()).unwrap_err();
        assert!(error.hint().is_some());
        let text = error.to_string();
        text[text.find("a.jsonl").unwrap()..].to_string()
    };
    let broken = message("{\"text\": \"good film\"}\n{\"text\": \n");
    assert!(broken.starts_with("a.jsonl: malformed JSON lines: line 2: "), "{broken}");
    let without = message("{\"text\": \"good film\"}\n\n{\"body\": \"x\"}\n");
    assert!(without.ends_with("line 3: expected an object with a string named \"text\""), "{without}");
    assert!(message("[1, 2]\n").contains("line 1: expected an object"));
    assert!(message("{\"text\": 7}\n").contains("line 1: expected an object"));
    for label in ["", ", \"label\": null"] {
        let some = message(&format!("{{\"text\": \"a\", \"label\": \"x\"}}\n{{\"text\": \"b\"{label}}}\n"));
        assert_eq!(some, "a.jsonl: malformed JSON lines: line 2: no \"label\", which other lines have");
    }
    assert!(broken.ends_with("line 2: the object is not closed, column 8"), "{broken}");
    assert!(message("").contains("empty"));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.jsonl"), [b'{', 0xff, b'}', b'\n']).unwrap();
    let error = load(&folder.path().join("a.jsonl"), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("line 1: it is not UTF-8"), "{error}");
}

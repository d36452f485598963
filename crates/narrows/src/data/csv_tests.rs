//! Tests of `csv`: headers, separators, labels, and every way in which a cell can be wrong.

use super::*;
use std::fs;

fn read_with(text: &[u8], options: &Options) -> Result<Source, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, text).unwrap();
    load(&path, options)
}

fn read(text: &str) -> Result<Source, DataError> {
    read_with(text.as_bytes(), &Options::default())
}

fn values(text: &str) -> Vec<f32> {
    read(text).unwrap().train.values.to_f32()
}

/// The error without the folder's name, which changes.
fn error(text: &str) -> String {
    let error = read(text).unwrap_err().to_string();
    error[error.find("a.csv").unwrap()..].to_string()
}

fn labelled(name: &str) -> Options {
    Options { label_column: Some(name.to_string()), ..Options::default() }
}

#[test]
fn a_header_is_recognised_and_names_the_columns() {
    let data = read("height,weight\n1.5,60\n1.75,70e0\n").unwrap().train;
    let columns = Some(vec!["height".to_string(), "weight".into()]);
    assert_eq!(data.shape, ItemShape::Vector { columns, width: 2 });
    assert_eq!(data.values, Values::F32(vec![1.5, 60.0, 1.75, 70.0]));
}

#[test]
fn numbers_in_the_first_row_are_a_row() {
    let data = read("1,2\n3,4\n").unwrap().train;
    assert_eq!(data.shape, ItemShape::Vector { columns: None, width: 2 });
    assert_eq!(data.values, Values::F32(vec![1.0, 2.0, 3.0, 4.0]));
}

#[test]
fn years_as_names_are_a_header_when_a_word_stands_beside_them() {
    assert_eq!(values("country,2019,2020\n7,1,2\n"), [7.0, 1.0, 2.0]);
}

#[test]
fn a_header_can_be_said_and_denied() {
    let with = |header| Options { header: Some(header), ..Options::default() };
    assert_eq!(read_with(b"1,2\n3,4\n", &with(true)).unwrap().train.rows(), 1);
    let error = read_with(b"a,b\n3,4\n", &with(false)).unwrap_err();
    assert!(matches!(error, DataError::NotANumber { row: 1, .. }), "{error}");
}

#[test]
fn separators_quotes_line_ends_spaces_and_a_byte_order_mark_are_understood() {
    let expected = [1.0, -2.5, 3.0, 4.0];
    for text in [
        "1,-2.5\n3,4",
        "1;-2.5\n3;4\n",
        "1\t-2.5\r\n3\t4\r\n",
        " 1 , -2.5\n\n\"3\", +4 \n",
        "\u{feff}1,-2.5\n3,4",
    ] {
        assert_eq!(values(text), expected, "{text:?}");
    }
    assert_eq!(values("x\n1\n2\n"), [1.0, 2.0]);
}

#[test]
fn a_packed_table_is_unpacked() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, b"1,2\n").unwrap();
    let source = read_with(&encoder.finish().unwrap(), &Options::default()).unwrap();
    assert_eq!(source.train.values, Values::F32(vec![1.0, 2.0]));
}

#[test]
fn a_label_column_by_name_is_taken_out() {
    let data = read_with(b"x,kind,y\n1,rose,2\n3,oak,4\n5,rose,6\n", &labelled("kind")).unwrap().train;
    assert_eq!(data.shape, ItemShape::Vector { columns: Some(vec!["x".into(), "y".into()]), width: 2 });
    assert_eq!(data.values, Values::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let labels = data.labels.unwrap();
    assert_eq!((labels.names, labels.of_row), (vec!["oak".into(), "rose".into()], vec![1, 0, 1]));
}

#[test]
fn a_label_column_without_a_name_goes_by_its_number() {
    let data = read_with(b"5.1,3.5,setosa\n4.9,3.0,virginica\n", &labelled("3")).unwrap().train;
    assert_eq!((data.rows(), data.features()), (2, 2));
    assert_eq!(data.labels.unwrap().names, ["setosa", "virginica"]);
}

#[test]
fn an_unknown_label_column_is_answered_with_the_nearest() {
    let error = read_with(b"x,kind\n1,rose\n", &labelled("kimd")).unwrap_err();
    assert!(matches!(error, DataError::NoColumn { .. }), "{error}");
    assert_eq!(error.hint().as_deref(), Some("did you mean \"kind\"?"));
}

#[test]
fn what_looks_like_labels_but_is_learned_from_is_noted() {
    assert_eq!(read("x,label\n1,0\n").unwrap().notes.len(), 1);
    assert!(read("x,z\n1,0\n").unwrap().notes.is_empty());
    assert!(read_with(b"x,label\n1,0\n", &labelled("label")).unwrap().notes.is_empty());
}

#[test]
fn a_ragged_row_is_named_by_its_line() {
    assert_eq!(error("a,b,c\n1,2,3\n4,5\n"), "a.csv: row 3 has 2 cells, expected 3");
    assert_eq!(error("1,2\n3,4,5\n"), "a.csv: row 2 has 3 cells, expected 2");
}

#[test]
fn a_word_is_named_by_row_and_column() {
    let text = "height,weight\n1.5,60\n\n1.7,heavy\n";
    assert_eq!(error(text), "a.csv: row 4, column \"weight\": expected a number, found \"heavy\"");
    assert_eq!(error("1,2\n3,4\nx,6\n"), "a.csv: row 3, column 1: expected a number, found \"x\"");
    let setosa = "5.1,3.5,setosa\n4.9,3.0,virginica\n";
    assert_eq!(error(setosa), "a.csv: row 1, column 3: expected a number, found \"setosa\"");
}

#[test]
fn cells_that_are_empty_or_not_finite_are_named_by_row_and_column() {
    assert_eq!(error("x,y\n1,2\n3,\n"), "a.csv: row 3, column \"y\": the cell is empty");
    for text in ["NaN", "inf", "-Infinity", "1e39"] {
        let expected = format!("a.csv: row 2, column 2: expected a finite 32-bit number, found {text}");
        assert_eq!(error(&format!("1,2\n3,{text}\n")), expected);
    }
}

#[test]
fn rows_are_counted_in_lines_even_where_a_cell_spans_two() {
    let text = b"x,kind\n1,\"a\nb\"\nword,c\n";
    let error = read_with(text, &labelled("kind")).unwrap_err();
    assert!(matches!(error, DataError::NotANumber { row: 4, .. }), "{error}");
}

#[test]
fn a_table_without_rows_is_empty() {
    for text in ["", "\n\n", "x,y\n"] {
        let error = read(text).unwrap_err();
        assert!(matches!(error, DataError::Empty { found: "no rows", .. }), "{text:?}: {error}");
    }
}

#[test]
fn text_that_is_not_utf8_is_malformed_and_does_not_panic() {
    let error = read_with(b"1,2\n3,\xff\xfe\n", &Options::default()).unwrap_err();
    assert!(matches!(error, DataError::Malformed { .. }), "{error}");
}

//! Tests of `npy`: every element type and order, archives, and files that lie.

use super::*;
use std::fs;
use std::io::Write;

/// An NPY file's bytes, version 1.0.
pub(super) fn npy(descr: &str, fortran: bool, shape: &str, content: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(content);
    bytes
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn file_named(name: &str, content: &[u8], options: &Options) -> Result<Source, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    load(&path, options)
}

fn file(content: &[u8]) -> Result<Source, DataError> {
    file_named("a.npy", content, &Options::default())
}

/// Loads an archive of these arrays, packed or only stored.
fn archive(arrays: &[(&str, Vec<u8>)], packed: bool, options: &Options) -> Result<Source, DataError> {
    let method = if packed { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let settings = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in arrays {
        writer.start_file(format!("{name}.npy"), settings).unwrap();
        writer.write_all(content).unwrap();
    }
    file_named("a.npz", &writer.finish().unwrap().into_inner(), options)
}

#[test]
fn every_element_type_is_read_in_both_byte_orders() {
    let read =
        |descr: &str, content: &[u8]| file(&npy(descr, false, "(1, 2)", content)).unwrap().train.values;
    assert_eq!(read("|u1", &[1, 255]), Values::U8(vec![1, 255]));
    assert_eq!(read("|b1", &[0, 1]), Values::U8(vec![0, 1]));
    assert_eq!(read("|i1", &[1, 255]), Values::F32(vec![1.0, -1.0]));
    macro_rules! both {
        ($($descr:literal $type:ty),*) => {$(
            let values: [$type; 2] = [3 as $type, 77 as $type];
            let little: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let big: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
            assert_eq!(read(concat!("<", $descr), &little), Values::F32(vec![3.0, 77.0]), $descr);
            assert_eq!(read(concat!(">", $descr), &big), Values::F32(vec![3.0, 77.0]), $descr);
        )*};
    }
    both!("u2" u16, "i2" i16, "u4" u32, "i4" i32, "u8" u64, "i8" i64, "f4" f32, "f8" f64);
    assert_eq!(read("<i2", &[0xfe, 0xff, 0, 1]), Values::F32(vec![-2.0, 256.0]));
}

#[test]
fn fortran_order_is_turned_into_rows() {
    let content = floats(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let source = file(&npy("<f4", true, "(2, 3)", &content)).unwrap();
    assert_eq!(source.train.values, Values::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    // Three axes: element (n, h, w) of a 2 × 2 × 3 array lies at n + 2h + 4w.
    let content: Vec<u8> = (0..12).collect();
    let source = file(&npy("|u1", true, "(2, 2, 3)", &content)).unwrap();
    assert_eq!(source.train.values, Values::U8(vec![0, 4, 8, 2, 6, 10, 1, 5, 9, 3, 7, 11]));
}

#[test]
fn the_number_of_axes_says_what_a_row_is() {
    let shape = |shape: &str| file(&npy("|u1", false, shape, &[0; 24])).map(|source| source.train.shape);
    assert_eq!(shape("(4, 6)").unwrap(), ItemShape::Vector { columns: None, width: 6 });
    assert_eq!(shape("(2, 3, 4)").unwrap(), ItemShape::Image { height: 3, width: 4, channels: 1 });
    assert_eq!(shape("(2, 2, 2, 3)").unwrap(), ItemShape::Image { height: 2, width: 2, channels: 3 });
    for wrong in ["(24,)", "(2, 3, 2, 2)", "(1, 2, 2, 2, 3)"] {
        let error = shape(wrong).unwrap_err();
        assert!(matches!(error, DataError::Shape { .. }), "{wrong}: {error}");
    }
    assert!(shape("(2, 3, 2, 2)").unwrap_err().to_string().contains("channels first"));
}

#[test]
fn archives_are_read_packed_and_stored() {
    let rows = npy("<f4", false, "(3, 1)", &floats(&[1.0, 2.0, 3.0]));
    let labels =
        npy("<i8", false, "(3,)", &[1i64, 0, 1].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    for packed in [false, true] {
        let arrays = [("y", labels.clone()), ("X", rows.clone())];
        let source = archive(&arrays, packed, &Options::default()).unwrap();
        assert_eq!(source.train.values, Values::F32(vec![1.0, 2.0, 3.0]));
        let labels = source.train.labels.unwrap();
        assert_eq!((labels.names, labels.of_row), (vec!["0".to_string(), "1".into()], vec![1, 0, 1]));
    }
}

#[test]
fn labels_may_be_text() {
    let letters: Vec<u8> = "abc\0\0\0é\0\0".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
    let arrays =
        [("X", npy("|u1", false, "(3, 1)", &[1, 2, 3])), ("labels", npy(">U3", false, "(3,)", &letters))];
    let labels = archive(&arrays, false, &Options::default()).unwrap().train.labels.unwrap();
    assert_eq!(
        (labels.names, labels.of_row),
        (vec!["".to_string(), "abc".into(), "é".into()], vec![1, 0, 2])
    );
}

#[test]
fn keras_names_give_a_test_part() {
    let part = |n: u8| npy("|u1", false, &format!("({n}, 2)"), &vec![7; 2 * n as usize]);
    let labels = |n: u8| npy("|u1", false, &format!("({n},)"), &(0..n).collect::<Vec<u8>>());
    let arrays = [("x_train", part(3)), ("y_train", labels(3)), ("x_test", part(2)), ("y_test", labels(2))];
    let source = archive(&arrays, true, &Options::default()).unwrap();
    let test = source.test.unwrap();
    assert_eq!((source.train.rows(), test.rows()), (3, 2));
    assert_eq!(test.labels.unwrap().of_row, [0, 1]);
}

#[test]
fn arrays_can_be_named_and_unknown_names_are_answered_with_the_known() {
    let part = |n: u8| npy("|u1", false, "(1, 1)", &[n]);
    let arrays = [("first", part(1)), ("second", part(2))];
    let named = |name: &str| Options { array: Some(name.to_string()), ..Options::default() };
    assert_eq!(archive(&arrays, true, &named("second")).unwrap().train.values, Values::U8(vec![2]));
    let error = archive(&arrays, true, &named("third")).unwrap_err().to_string();
    assert!(error.ends_with("a.npz: no array \"third\"; it contains \"first\", \"second\""), "{error}");
    let error = archive(&arrays, true, &Options::default()).unwrap_err();
    assert!(matches!(error, DataError::NoArray { .. }), "{error}");
    // The only array needs no name.
    assert_eq!(archive(&arrays[..1], true, &Options::default()).unwrap().train.rows(), 1);
}

#[test]
fn another_number_of_labels_is_refused() {
    let arrays = [("X", npy("|u1", false, "(3, 1)", &[1, 2, 3])), ("y", npy("|u1", false, "(2,)", &[0, 1]))];
    let error = archive(&arrays, true, &Options::default()).unwrap_err();
    assert!(matches!(error, DataError::LabelCount { rows: 3, labels: 2, .. }), "{error}");
    let arrays =
        [("X", npy("|u1", false, "(3, 1)", &[1, 2, 3])), ("y", npy("|u1", false, "(3, 2)", &[0; 6]))];
    assert!(matches!(archive(&arrays, true, &Options::default()), Err(DataError::Shape { .. })));
}

#[test]
fn types_that_are_no_numbers_are_refused_by_name() {
    for descr in ["|O", "<c8", "<U4", "<M8[ns]", "<f2", "", "é", "<", "|S3"] {
        let error = file(&npy(descr, false, "(1, 2)", &[0; 32])).unwrap_err();
        assert!(
            matches!(error, DataError::ElementType { .. } | DataError::Malformed { .. }),
            "{descr}: {error}"
        );
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn truncated_overlong_and_absurd_files_are_refused() {
    let whole = npy("<f4", false, "(2, 2)", &floats(&[1.0; 4]));
    for cut in [0, 5, 9, 30, whole.len() - 1] {
        assert!(matches!(file(&whole[..cut]), Err(DataError::Truncated { .. })), "{cut}");
    }
    assert!(matches!(file(&[whole, vec![0]].concat()), Err(DataError::Malformed { .. })));
    let absurd = npy("<f8", false, "(4000000000, 4000000000)", &[0; 8]);
    assert!(matches!(file(&absurd), Err(DataError::Malformed { .. })));
    let large = npy("<f8", false, "(40000000, 4000000)", &[0; 8]);
    assert!(matches!(file(&large), Err(DataError::Truncated { .. })));
    for packed in [false, true] {
        let error = archive(&[("X", large.clone())], packed, &Options::default()).unwrap_err();
        assert!(matches!(error, DataError::Truncated { .. }), "{error}");
    }
}

#[test]
fn a_damaged_archive_is_an_error_that_names_the_file() {
    assert!(matches!(
        file_named("a.npz", b"PK\x03\x04 and nothing more", &Options::default()),
        Err(DataError::Malformed { format: "NPZ", .. })
    ));
    let content = npy("|u1", false, "(1, 4)", b"find");
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("X.npy", stored).unwrap();
    writer.write_all(&content).unwrap();
    let mut bytes = writer.finish().unwrap().into_inner();
    let place = bytes.windows(4).position(|w| w == b"find").unwrap();
    bytes[place] = b'b';
    let error = file_named("a.npz", &bytes, &Options::default()).unwrap_err();
    assert!(matches!(error, DataError::Malformed { .. }), "{error}");
}

#[test]
fn nothing_and_what_is_not_finite_are_refused() {
    assert!(matches!(
        file(&npy("<f4", false, "(0, 2)", &[])),
        Err(DataError::Empty { found: "no rows", .. })
    ));
    assert!(matches!(
        file(&npy("<f4", false, "(2, 0)", &[])),
        Err(DataError::Empty { found: "no columns", .. })
    ));
    let error =
        file(&npy("<f4", false, "(2, 2)", &floats(&[1.0, 2.0, f32::NAN, 4.0]))).unwrap_err().to_string();
    assert!(error.contains("a.npy: row 2, column 1: expected a finite 32-bit number, found NaN"), "{error}");
    let large = file(&npy("<f8", false, "(1, 1)", &1e300f64.to_le_bytes())).unwrap_err();
    assert!(matches!(large, DataError::NotFinite { row: 1, .. }), "{large}");
    let fortran =
        file(&npy("<f4", true, "(2, 2)", &floats(&[1.0, 2.0, f32::NAN, 4.0]))).unwrap_err().to_string();
    assert!(fortran.contains("row 1, column 2"), "{fortran}");
}

/// Two images of two channels and three pixels.
#[test]
fn channels_that_come_first_are_put_last() {
    let first = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16];
    assert_eq!(channels_last(&first, 2, 3), [1, 4, 2, 5, 3, 6, 11, 14, 12, 15, 13, 16]);
    assert_eq!(channels_last(&first[..6], 1, 6), first[..6]);
}

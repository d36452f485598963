//! Tests of `idx`: every element type, MNIST's names, and files that lie.

use super::*;
use std::io::Write;

/// An IDX file's bytes.
fn idx(element: u8, sizes: &[u32], content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, element, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(content);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Loads a folder made of these files.
fn folder(files: &[(&str, Vec<u8>)]) -> Result<Source, DataError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    load(folder.path())
}

/// Loads a single file.
fn file(content: &[u8]) -> Result<Source, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.idx");
    fs::write(&path, content).unwrap();
    load(&path)
}

fn images(count: u32) -> Vec<u8> {
    idx(8, &[count, 2, 3], &(0..6 * count as u8).collect::<Vec<u8>>())
}

#[test]
fn a_folder_named_like_mnist_gives_both_parts_with_labels() {
    for (dash, pack) in [("-", false), (".", false), ("-", true), (".", true)] {
        let end = if pack { ".gz" } else { "" };
        let packed = |bytes: Vec<u8>| if pack { gzip(&bytes) } else { bytes };
        let name = |part: &str, axes: u8| format!("{part}{dash}idx{axes}-ubyte{end}");
        let source = folder(&[
            (&name("train-images", 3), packed(images(4))),
            (&name("train-labels", 1), packed(idx(8, &[4], &[7, 2, 1, 7]))),
            (&name("t10k-images", 3), packed(images(2))),
            (&name("t10k-labels", 1), packed(idx(8, &[2], &[2, 7]))),
        ])
        .unwrap();
        let test = source.test.unwrap();
        assert_eq!(source.train.shape, ItemShape::Image { height: 2, width: 3, channels: 1 });
        assert_eq!((source.train.rows(), test.rows()), (4, 2));
        assert_eq!(source.train.values, Values::U8((0..24).collect()));
        let labels = source.train.labels.unwrap();
        assert_eq!(
            (labels.names, labels.of_row),
            (vec!["1".into(), "2".into(), "7".into()], vec![2, 1, 0, 2])
        );
        assert_eq!(test.labels.unwrap().of_row, [0, 1]);
    }
}

#[test]
fn packed_and_unpacked_copies_are_one_file() {
    let name = "train-images-idx3-ubyte";
    let source = folder(&[(name, images(4)), (&format!("{name}.gz"), gzip(&images(4)))]).unwrap();
    assert_eq!(source.train.rows(), 4);
}

#[test]
fn a_part_without_labels_has_none() {
    assert!(folder(&[("train-images-idx3-ubyte", images(4))]).unwrap().train.labels.is_none());
}

#[test]
fn every_element_type_is_read() {
    let numbers = |element, content: &[u8], bytes| {
        let source = file(&idx(element, &[2, (content.len() / bytes / 2) as u32], content)).unwrap();
        source.train.values
    };
    assert_eq!(numbers(0x08, &[1, 255], 1), Values::U8(vec![1, 255]));
    assert_eq!(numbers(0x09, &[1, 255], 1), Values::F32(vec![1.0, -1.0]));
    assert_eq!(numbers(0x0b, &[1, 0, 255, 254], 2), Values::F32(vec![256.0, -2.0]));
    assert_eq!(numbers(0x0c, &[0, 1, 0, 0, 255, 255, 255, 253], 4), Values::F32(vec![65536.0, -3.0]));
    let floats: Vec<u8> = [0.5f32, -1e30].iter().flat_map(|v| v.to_be_bytes()).collect();
    assert_eq!(numbers(0x0d, &floats, 4), Values::F32(vec![0.5, -1e30]));
    let doubles: Vec<u8> = [0.1f64, 3.0].iter().flat_map(|v| v.to_be_bytes()).collect();
    assert_eq!(numbers(0x0e, &doubles, 8), Values::F32(vec![0.1, 3.0]));
}

#[test]
fn a_truncated_file_is_counted_packed_or_not() {
    let whole = images(4);
    for cut in [0, 3, 4, 10, 16, whole.len() - 1] {
        for bytes in [whole[..cut].to_vec(), gzip(&whole[..cut])] {
            let error = file(&bytes).unwrap_err();
            assert!(matches!(error, DataError::Truncated { .. }), "{cut}: {error}");
        }
    }
    let error = file(&whole[..whole.len() - 1]).unwrap_err().to_string();
    assert!(error.ends_with("a.idx: truncated IDX: expected 24 bytes, found 23"), "{error}");
}

#[test]
fn a_gzip_file_that_breaks_off_or_is_damaged_is_an_error() {
    let packed = gzip(&images(4));
    let error = file(&packed[..packed.len() - 12]).unwrap_err();
    assert!(matches!(error, DataError::Truncated { .. } | DataError::Malformed { .. }), "{error}");
    let mut damaged = packed.clone();
    let place = damaged.len() - 5;
    damaged[place] ^= 0x55;
    assert!(matches!(file(&damaged), Err(DataError::Malformed { .. })));
}

#[test]
fn wrong_magic_is_shown() {
    for wrong in
        [vec![0x50, 0x4b, 3, 4, 0, 0], idx(0x0a, &[1, 1], &[1]), idx(8, &[1; 5], &[1]), idx(8, &[], &[1])]
    {
        let error = file(&wrong).unwrap_err();
        assert!(matches!(error, DataError::WrongMagic { .. }), "{error}");
    }
    assert!(file(b"PK\x03\x04").unwrap_err().to_string().contains("found 50 4b 03 04"));
}

#[test]
fn absurd_sizes_are_refused_before_anything_is_allocated() {
    let lie = idx(8, &[0x7fff_ffff, 1000, 1000], &[1, 2, 3]);
    assert!(matches!(
        file(&lie),
        Err(DataError::Truncated { expected: 2_147_483_647_000_000, found: 3, .. })
    ));
    assert!(matches!(file(&gzip(&lie)), Err(DataError::Truncated { .. })));
    let overflow = idx(0x0e, &[u32::MAX; 4], &[]);
    assert!(matches!(file(&overflow), Err(DataError::Malformed { .. })));
}

#[test]
fn bytes_after_the_end_are_an_error() {
    let mut long = images(4);
    long.push(0);
    assert!(matches!(file(&long), Err(DataError::Malformed { .. })));
}

#[test]
fn no_rows_and_no_columns_are_empty() {
    assert!(matches!(file(&idx(8, &[0, 2, 2], &[])), Err(DataError::Empty { found: "no rows", .. })));
    let lie = idx(8, &[0, u32::MAX, u32::MAX, 3], &[]);
    assert!(matches!(file(&lie), Err(DataError::Empty { found: "no rows", .. })));
    assert!(matches!(file(&idx(8, &[5, 0, 2], &[])), Err(DataError::Empty { found: "no columns", .. })));
}

#[test]
fn labels_alone_are_no_rows() {
    let error = file(&idx(8, &[5], &[0; 5])).unwrap_err();
    assert!(matches!(error, DataError::Shape { .. }), "{error}");
}

#[test]
fn another_number_of_labels_is_refused() {
    let labels = idx(8, &[3], &[1, 2, 3]);
    let error =
        folder(&[("train-images-idx3-ubyte", images(4)), ("train-labels-idx1-ubyte", labels)]).unwrap_err();
    assert!(matches!(error, DataError::LabelCount { rows: 4, labels: 3, .. }), "{error}");
    assert!(error.to_string().contains("train-labels-idx1-ubyte: 3 labels for 4 rows"), "{error}");
}

#[test]
fn infinity_is_named_by_row_and_column() {
    let content: Vec<u8> = [1.0f32, 2.0, 3.0, f32::INFINITY].iter().flat_map(|v| v.to_be_bytes()).collect();
    let error = file(&idx(0x0d, &[2, 2], &content)).unwrap_err().to_string();
    assert!(error.contains("row 2, column 2: expected a finite 32-bit number, found inf"), "{error}");
}

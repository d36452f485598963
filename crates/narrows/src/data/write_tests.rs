//! Tests of `write`: what is written reads back the same, and nothing is left behind when it cannot be.

use super::*;
use crate::data::{Values, load};

const GREY: ItemShape = ItemShape::Image { height: 2, width: 3, channels: 1 };
const PIXELS: [f32; 12] = [0.0, 255.0, 17.0, 3.0, 100.0, 200.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn as_pictures(white: f32) -> Written {
    Written { range: (0.0, white), channels_first: false }
}

/// As the array was that they came from.
#[test]
fn arrays_have_their_channels_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let shape = ItemShape::Image { height: 1, width: 2, channels: 3 };
    let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    for (channels_first, sizes) in [(false, "(1,1,2,3,)"), (true, "(1,3,1,2,)")] {
        write_rows(&path, &shape, &values, Written { range: (0.0, 1.0), channels_first }).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains(sizes));
        let options = Options { channels_first, ..Options::default() };
        assert_eq!(load(Some(&path), &options).unwrap().train.values.to_f32(), values);
    }
    let stored = &fs::read(&path).unwrap();
    let second = f32::from_le_bytes(stored[stored.len() - 20..][..4].try_into().unwrap());
    assert_eq!(second, 4.0);
}

#[test]
fn codes_come_back_bit_for_bit_from_both_forms() {
    let folder = tempfile::tempdir().unwrap();
    let values = vec![0.1, -0.0, 1e-30, 1.0 / 3.0, f32::MAX, f32::MIN_POSITIVE / 8.0];
    for (name, named) in [("a.npy", false), ("a.csv", false), ("b.csv", true)] {
        let path = folder.path().join(name);
        let columns = named.then(|| vec!["x, \"y\"".to_string(), "z".to_string()]);
        match name {
            "a.npy" => write_npy(&path, &[3, 2], &values).unwrap(),
            _ => write_csv(&path, columns.as_deref(), 2, &values).unwrap(),
        }
        let back = read_codes(&path).unwrap();
        assert_eq!((back.rows, back.width), (3, 2), "{name}");
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
        assert_eq!(bits(&back.values), bits(&values), "{name}");
    }
    assert_eq!(names(folder.path()), ["a.csv", "a.npy", "b.csv"]);
}

#[test]
fn the_npy_header_is_numpys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    write_npy(&path, &[3], &[1.0, 2.0, 3.0]).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 128 + 12);
    assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
    assert!(bytes[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }  "));
    assert_eq!(bytes[127], b'\n');
}

#[test]
fn images_keep_their_shape_in_npy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    write_rows(&path, &GREY, &PIXELS, as_pictures(255.0)).unwrap();
    let back = load(Some(&path), &Options::default()).unwrap();
    assert_eq!((back.train.shape, back.train.values), (GREY, Values::F32(PIXELS.to_vec())));
}

#[test]
fn pictures_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pictures");
    write_rows(&out, &GREY, &PIXELS, as_pictures(255.0)).unwrap();
    assert_eq!(names(&out), ["00000.png", "00001.png"]);
    let back = load(Some(&out), &Options::default()).unwrap();
    assert_eq!((&back.train.shape, back.train.values.to_f32()), (&GREY, PIXELS.to_vec()));
    let colour = ItemShape::Image { height: 1, width: 4, channels: 3 };
    write_pictures(&out, &colour, &PIXELS, (0.0, 255.0)).unwrap();
    let back = load(Some(&out), &Options::default()).unwrap();
    assert_eq!((&back.train.shape, back.train.values.to_f32()), (&colour, PIXELS.to_vec()));
    assert_eq!(names(folder.path()), ["pictures"]);
}

#[test]
fn values_beyond_the_range_are_black_and_white() {
    assert_eq!([-3.0, 0.0, 0.5, 1.0, 9.0].map(|v| to_byte(v, (0.0, 1.0))), [0, 0, 128, 255, 255]);
    assert_eq!([-1.0, 1.0].map(|v| to_byte(v, (-1.0, 1.0))), [0, 255]);
}

#[test]
fn a_folder_with_other_files_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), b"x").unwrap();
    let error = write_pictures(folder.path(), &GREY, &PIXELS, (0.0, 255.0)).unwrap_err();
    assert!(matches!(&error, DataError::FolderInUse { found, .. } if found == "thesis.txt"), "{error}");
    assert_eq!(names(folder.path()), ["thesis.txt"]);
}

/// Frames of a film are numbered, too.
#[test]
fn numbered_pictures_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = encode_png((1, 1), png::ColorType::Grayscale, png::Compression::Fast, None, &[7]).unwrap();
    fs::write(folder.path().join("00000.png"), &theirs).unwrap();
    let error = write_pictures(folder.path(), &GREY, &PIXELS, (0.0, 255.0)).unwrap_err();
    assert!(matches!(&error, DataError::FolderInUse { found, .. } if found == "00000.png"), "{error}");
    assert_eq!(fs::read(folder.path().join("00000.png")).unwrap(), theirs);
}

#[test]
fn places_that_cannot_be_written_to_are_named_and_stay_empty() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["no/a.npy", "no/a.csv", "no/pictures"] {
        let error = write_rows(&folder.path().join(name), &GREY, &PIXELS, as_pictures(255.0)).unwrap_err();
        assert!(matches!(error, DataError::Write(_)), "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
        assert!(error.hint().unwrap().contains("create the folder"), "{error}");
    }
    assert!(names(folder.path()).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported_by_every_form() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.npy", "a.csv"] {
        let path = folder.path().join(name);
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let error = write_rows(&path, &GREY, &PIXELS, as_pictures(255.0)).unwrap_err();
        assert!(error.to_string().ends_with("the disk is full"), "{error}");
    }
}

#[test]
fn forms_that_do_not_suit_the_rows_are_refused() {
    let table = ItemShape::Vector { columns: None, width: 6 };
    let error = write_rows(Path::new("out.xlsx"), &table, &PIXELS, as_pictures(1.0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "out.xlsx: the name ends in .xlsx, expected a name that ends in .npy or .csv"
    );
    let error = write_rows(Path::new("out"), &table, &PIXELS, as_pictures(1.0)).unwrap_err();
    assert_eq!(error.to_string(), "out: the name has no ending, expected a name that ends in .npy or .csv");
    assert!(matches!(read_codes(Path::new("codes.txt")), Err(DataError::OutputKind { .. })));
}

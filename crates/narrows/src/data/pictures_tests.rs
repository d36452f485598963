//! Tests of `pictures`: parts, labels, sizes, colours, and files that are no pictures.

use super::*;
use png::{BitDepth, ColorType};
use std::fs;

/// A PNG of `height` × `width` pixels, all of this value.
fn flat_deep(height: u32, width: u32, pixel: &[u8], colour: ColorType, depth: BitDepth) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    let pixels = pixel.repeat((height * width) as usize);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

/// The same with 8 bits a channel.
fn flat(height: u32, width: u32, pixel: &[u8], colour: ColorType) -> Vec<u8> {
    flat_deep(height, width, pixel, colour, BitDepth::Eight)
}

fn grey(value: u8) -> Vec<u8> {
    flat(2, 3, &[value], ColorType::Grayscale)
}

fn red() -> Vec<u8> {
    flat(2, 3, &[255, 0, 0], ColorType::Rgb)
}

/// Loads a folder of these files.
fn folder_with(files: &[(&str, Vec<u8>)], options: &Options) -> Result<Source, DataError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    super::super::load(Some(folder.path()), options)
}

fn folder(files: &[(&str, Vec<u8>)]) -> Result<Source, DataError> {
    folder_with(files, &Options::default())
}

#[test]
fn pictures_come_in_the_order_of_their_names_and_stay_grey() {
    let source =
        folder(&[("b.png", grey(2)), ("a.png", grey(1)), ("c.PNG", grey(3)), ("notes.txt", vec![1])])
            .unwrap();
    assert_eq!(source.train.shape, ItemShape::Image { height: 2, width: 3, channels: 1 });
    assert_eq!(source.train.values, Values::U8([[1; 6], [2; 6], [3; 6]].concat()));
    assert!(source.train.labels.is_none() && source.test.is_none() && source.notes.is_empty());
}

#[test]
fn sub_folders_are_labels() {
    let source =
        folder(&[("dog/1.png", grey(1)), ("cat/2.png", grey(2)), ("cat/deep/3.png", grey(3))]).unwrap();
    let labels = source.train.labels.unwrap();
    assert_eq!((labels.names, labels.of_row), (vec!["cat".into(), "dog".into()], vec![0, 0, 1]));
    let names = source.train.names.unwrap();
    assert!(names[0].starts_with("cat/") && names[2].starts_with("dog/"), "{names:?}");
    assert_eq!(source.train.values, Values::U8([[2; 6], [3; 6], [1; 6]].concat()));
}

#[test]
fn pictures_beside_sub_folders_leave_all_without_labels() {
    let source = folder(&[("dog/1.png", grey(1)), ("2.png", grey(2))]).unwrap();
    assert_eq!((source.train.rows(), source.train.labels), (2, None));
}

#[test]
fn train_and_test_are_parts_with_one_list_of_labels() {
    let files = [
        ("train/a/1.png", grey(1)),
        ("train/b/1.png", grey(2)),
        ("test/b/1.png", grey(3)),
        ("val/a/1.png", grey(4)),
    ];
    let source = folder(&files).unwrap();
    let test = source.test.unwrap();
    assert_eq!((source.train.rows(), test.rows()), (2, 1));
    assert_eq!(test.values, Values::U8(vec![3; 6]));
    assert_eq!(test.labels.unwrap().of_row, [1]);
    assert_eq!(source.notes, ["of the sub-folders train and test are used; not used: val"]);
}

#[test]
fn one_coloured_picture_makes_all_coloured() {
    let source = folder(&[("a.png", grey(9)), ("b.png", red())]).unwrap();
    assert_eq!(source.train.shape, ItemShape::Image { height: 2, width: 3, channels: 3 });
    assert_eq!(source.train.values, Values::U8([vec![9; 18], [255, 0, 0].repeat(6)].concat()));
}

#[test]
fn colour_can_be_asked_for_and_taken_away() {
    let with = |colour| Options { colour: Some(colour), ..Options::default() };
    let source = folder_with(&[("a.png", grey(9))], &with(true)).unwrap();
    assert_eq!(source.train.values, Values::U8(vec![9; 18]));
    let source = folder_with(&[("a.png", red())], &with(false)).unwrap();
    assert_eq!(source.train.values, Values::U8(vec![76; 6]));
}

#[test]
fn pictures_of_one_size_keep_it_and_others_are_brought_to_one() {
    let wide = flat(20, 40, &[7], ColorType::Grayscale);
    let source =
        folder(&[("a.png", wide.clone()), ("b.png", flat(50, 100, &[7], ColorType::Grayscale))]).unwrap();
    assert_eq!(source.train.shape, ItemShape::Image { height: 32, width: 64, channels: 1 });
    assert_eq!(source.train.values, Values::U8(vec![7; 2 * 32 * 64]));
    assert!(source.notes[0].contains("differ in size: 32x64 is small enough"), "{:?}", source.notes);
    assert_eq!(source.notes[1], "2 of 2 pictures were resized to 32x64");
    let small = folder(&[("a.png", grey(1)), ("b.png", flat(4, 6, &[1], ColorType::Grayscale))]).unwrap();
    assert_eq!(small.train.shape, ItemShape::Image { height: 4, width: 6, channels: 1 });
    let large = folder(&[("a.png", flat(300, 600, &[1], ColorType::Grayscale))]).unwrap();
    assert_eq!(large.train.shape, ItemShape::Image { height: 32, width: 64, channels: 1 });
    let options = Options { image_size: Some((5, 4)), ..Options::default() };
    let source = folder_with(&[("a.png", wide)], &options).unwrap();
    assert_eq!(source.train.shape, ItemShape::Image { height: 5, width: 4, channels: 1 });
    assert_eq!(source.notes, ["1 of 1 pictures was resized to 5x4, 1 of them squeezed out of proportion"]);
}

#[test]
fn colours_that_a_model_does_not_see_are_told_of() {
    let options = Options { colour: Some(false), ..Options::default() };
    let files = [("a.png", grey(1)), ("b.png", flat(2, 2, &[1, 2, 3], ColorType::Rgb))];
    let source = folder_with(&files, &options).unwrap();
    let told = "1 of 2 pictures are stored in colour, and were read as grey".to_owned();
    assert!(source.notes.contains(&told), "{:?}", source.notes);
}

#[test]
fn transparent_pixels_are_white_and_16_bits_become_8() {
    let clear = flat(1, 1, &[10, 10, 10, 0], ColorType::Rgba);
    let half = flat(1, 1, &[0, 0, 0, 128], ColorType::Rgba);
    let deep = flat_deep(1, 1, &[0x80, 0x80], ColorType::Grayscale, BitDepth::Sixteen);
    let source = folder(&[("a.png", clear), ("b.png", half), ("c.png", deep)]).unwrap();
    assert_eq!(source.train.values, Values::U8(vec![255, 127, 128]));
}

#[test]
fn jpeg_is_read_and_known_by_its_content() {
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 100)
        .encode(&[100; 64], 8, 8, jpeg_encoder::ColorType::Luma)
        .unwrap();
    for name in ["a.jpg", "a.JPEG", "a.png"] {
        let source = folder(&[(name, jpeg.clone())]).unwrap();
        let Values::U8(values) = source.train.values else { panic!("pictures are bytes") };
        assert_eq!(values.len(), 64);
        assert!(values.iter().all(|v| v.abs_diff(100) <= 1), "{values:?}");
    }
}

#[test]
fn a_single_picture_is_one_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    fs::write(&path, grey(5)).unwrap();
    let source = super::super::load(Some(&path), &Options::default()).unwrap();
    assert_eq!((source.train.rows(), source.train.values), (1, Values::U8(vec![5; 6])));
}

#[test]
fn what_is_no_picture_is_named() {
    for content in [b"not a picture".to_vec(), vec![], grey(1)[..30].to_vec(), grey(1)[..50].to_vec()] {
        let error = folder(&[("broken.png", content.clone())]).unwrap_err();
        assert!(matches!(&error, DataError::Picture { path, .. } if path.ends_with("broken.png")), "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
        // Among good ones it is left out, and told of.
        let source = folder(&[("a.png", grey(1)), ("broken.png", content), ("c.png", grey(3))]).unwrap();
        assert_eq!(source.train.values, Values::U8([[1; 6], [3; 6]].concat()));
        assert_eq!(source.train.names.unwrap(), ["a.png", "c.png"]);
        let [note] = &source.notes[..] else { panic!("{:?}", source.notes) };
        assert!(
            note.starts_with("1 of 3 pictures could not be read") && note.contains("broken.png"),
            "{note}"
        );
    }
}

#[test]
fn a_picture_that_claims_to_be_enormous_is_refused() {
    let mut png = grey(1);
    // Width and height in the header, and the checksum after it.
    png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let mut checksum = flate2::Crc::new();
    checksum.update(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
    let error = folder(&[("bomb.png", png)]).unwrap_err();
    assert!(matches!(error, DataError::Picture { .. }), "{error}");
}

#[test]
fn a_folder_without_pictures_says_so() {
    for files in [vec![], vec![("readme.md", vec![1])], vec![(".hidden.png", vec![1])]] {
        let error = folder(&files).unwrap_err();
        assert!(matches!(error, DataError::NoPictures { .. }), "{error}");
    }
    let error = folder(&[("train/a.png", grey(1)), ("test/readme.txt", vec![1])]).unwrap_err();
    assert!(matches!(&error, DataError::NoPictures { path } if path.ends_with("test")), "{error}");
}

#[cfg(unix)]
#[test]
fn a_loop_of_links_ends() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    assert!(matches!(any_in(folder.path()), Err(DataError::Unreadable { .. })));
}

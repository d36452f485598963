//! Tests of `picture_file`: every form of PNG and JPEG, and files that end early or claim too much.

use std::io::Write;

use super::*;

/// Writes the bytes to a file, and reads it as a picture.
fn read_bytes(bytes: &[u8]) -> Result<(Vec<u8>, (usize, usize)), DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    std::fs::write(&path, bytes).unwrap();
    let sized = size(&path);
    let read = read(&path).map(|picture| (picture.pixels, picture.size));
    // Whatever can be read has a size, and it is the same.
    if let Ok((pixels, size)) = &read {
        assert_eq!(sized.unwrap().0, *size);
        assert_eq!(pixels.len(), size.0 * size.1 * 3);
    }
    read
}

fn reason(bytes: &[u8]) -> String {
    match read_bytes(bytes).unwrap_err() {
        DataError::Picture { path, reason } if path.ends_with("a.png") => reason,
        other => panic!("{other}"),
    }
}

/// A chunk of a PNG file.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut checksum = flate2::Crc::new();
    checksum.update(name);
    checksum.update(content);
    let length = (content.len() as u32).to_be_bytes();
    [&length, &name[..], content, &checksum.sum().to_be_bytes()].concat()
}

/// A PNG file by hand: `colour` 0 grey, 2 colour, 3 palette, 4 and 6 with opacity; `lines` begin with their filter, 0.
fn png_file(
    (height, width): (u32, u32),
    [depth, colour, interlaced]: [u8; 3],
    extra: &[Vec<u8>],
    lines: &[u8],
) -> Vec<u8> {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(lines).unwrap();
    let header =
        [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colour, 0, 0, interlaced]].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        extra.concat(),
        chunk(b"IDAT", &packed.finish().unwrap()),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

fn pixels(file: &[u8]) -> Vec<u8> {
    read_bytes(file).unwrap().0
}

#[test]
fn few_bits_are_spread_over_eight() {
    assert_eq!(
        pixels(&png_file((1, 3), [1, 0, 0], &[], &[0, 0b1010_0000])),
        [[255; 3], [0; 3], [255; 3]].concat()
    );
    assert_eq!(pixels(&png_file((1, 2), [2, 0, 0], &[], &[0, 0b0110_0000])), [[85; 3], [170; 3]].concat());
    assert_eq!(pixels(&png_file((1, 2), [4, 0, 0], &[], &[0, 0x1f])), [[17; 3], [255; 3]].concat());
}

#[test]
fn palettes_become_their_colours_and_their_opacity_lies_on_white() {
    let palette = chunk(b"PLTE", &[1, 2, 3, 40, 50, 60]);
    let file = png_file((1, 2), [1, 3, 0], std::slice::from_ref(&palette), &[0, 0b0100_0000]);
    assert_eq!(pixels(&file), [1, 2, 3, 40, 50, 60]);
    let clear = chunk(b"tRNS", &[0]);
    assert_eq!(
        pixels(&png_file((1, 2), [1, 3, 0], &[palette, clear], &[0, 0b0100_0000])),
        [255, 255, 255, 40, 50, 60]
    );
}

#[test]
fn a_colour_that_counts_as_transparent_is_white() {
    let (grey, colour) = (chunk(b"tRNS", &[0, 9]), chunk(b"tRNS", &[0, 7, 0, 8, 0, 9]));
    assert_eq!(pixels(&png_file((1, 2), [8, 0, 0], &[grey], &[0, 9, 8])), [255, 255, 255, 8, 8, 8]);
    assert_eq!(
        pixels(&png_file((1, 2), [8, 2, 0], &[colour], &[0, 7, 8, 9, 7, 8, 8])),
        [255, 255, 255, 7, 8, 8]
    );
}

#[test]
fn sixteen_bits_are_rounded_in_every_form() {
    // 0x017f is 383, or 1.49 × 257; 0x0182 is 386, or 1.502 × 257.
    assert_eq!(pixels(&png_file((1, 2), [16, 0, 0], &[], &[0, 1, 0x7f, 1, 0x82])), [1, 1, 1, 2, 2, 2]);
    assert_eq!(pixels(&png_file((1, 1), [16, 2, 0], &[], &[0, 1, 0x82, 0, 0, 255, 255])), [2, 0, 255]);
    assert_eq!(pixels(&png_file((1, 1), [16, 4, 0], &[], &[0, 0, 0, 0x80, 0x80])), [127; 3]);
    assert_eq!(
        pixels(&png_file((1, 1), [16, 6, 0], &[], &[0, 0, 0, 255, 255, 1, 0x82, 0x80, 0x80])),
        [127, 255, 128]
    );
}

#[test]
fn opacity_is_laid_on_white() {
    assert_eq!(pixels(&png_file((1, 2), [8, 4, 0], &[], &[0, 10, 255, 10, 0])), [10, 10, 10, 255, 255, 255]);
    assert_eq!(pixels(&png_file((1, 1), [8, 6, 0], &[], &[0, 0, 255, 100, 128])), [127, 255, 177]);
}

#[test]
fn interlaced_pictures_are_put_together() {
    // The passes of a picture of 2 lines of 3: pixel (0, 0); (0, 2); (0, 1); line 1.
    let file = png_file((2, 3), [8, 0, 1], &[], &[0, 10, 0, 12, 0, 11, 0, 20, 21, 22]);
    assert_eq!(pixels(&file), [[10; 3], [11; 3], [12; 3], [20; 3], [21; 3], [22; 3]].concat());
}

/// A JPEG of 16 × 8 pixels, all of this value.
fn jpeg(pixel: &[u8], colour: jpeg_encoder::ColorType, progressive: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 100);
    encoder.set_progressive(progressive);
    encoder.encode(&pixel.repeat(16 * 8), 16, 8, colour).unwrap();
    bytes
}

#[test]
fn jpeg_is_read_in_grey_in_colour_and_in_printing_inks() {
    use jpeg_encoder::ColorType::{Cmyk, CmykAsYcck, Luma, Rgb};
    // Inks: cyan leaves no red; half of it, black half as well, leaves a quarter of red.
    let cases = [
        (&[100][..], Luma, [100; 3]),
        (&[200, 30, 90], Rgb, [200, 30, 90]),
        (&[255, 0, 0, 0], Cmyk, [0, 255, 255]),
        (&[128, 0, 0, 128], Cmyk, [64, 127, 127]),
        (&[128, 0, 0, 128], CmykAsYcck, [64, 127, 127]),
    ];
    for (pixel, colour, expected) in cases {
        for progressive in [false, true] {
            let (pixels, size) = read_bytes(&jpeg(pixel, colour, progressive)).unwrap();
            assert_eq!(size, (8, 16));
            for found in pixels.as_chunks::<3>().0 {
                let near = found.iter().zip(expected).all(|(&found, value)| found.abs_diff(value) <= 2);
                assert!(near, "{colour:?}, progressive {progressive}: {found:?}, expected {expected:?}");
            }
        }
    }
}

#[test]
fn other_content_and_early_ends_are_told() {
    assert_eq!(reason(b"GIF89a"), "its content is neither PNG nor JPEG");
    assert_eq!(reason(b""), "the file is empty");
    let png = png_file((2, 2), [8, 0, 0], &[], &[0, 1, 2, 0, 3, 4]);
    for end in [8, 20, 33, 45] {
        assert_eq!(reason(&png[..end]), "PNG: unexpected end of file", "{end}");
    }
    let jpeg = jpeg(&[9], jpeg_encoder::ColorType::Luma, false);
    let header = jpeg.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    for end in [3, 20, header] {
        assert_eq!(reason(&jpeg[..end]), "JPEG: unexpected end of file", "{end}");
    }
}

#[test]
fn sizes_that_no_memory_holds_are_refused_by_the_header() {
    for (height, width) in [(65_536, 65_536), (1, u32::MAX >> 1), (u32::MAX >> 1, u32::MAX >> 1)] {
        for form in [[1, 0, 0], [16, 6, 1]] {
            let expected = format!("{height}x{width} pixels take more than 512 MiB");
            assert_eq!(reason(&png_file((height, width), form, &[], &[0])), expected);
        }
    }
    // Eight bytes a pixel, which the first check does not know.
    assert!(reason(&png_file((10_000, 10_000), [16, 6, 0], &[], &[0])).ends_with("more than 512 MiB"));
    assert_eq!(reason(&png_file((0, 5), [8, 0, 0], &[], &[0])), "PNG: Invalid image dimensions");
    for progressive in [false, true] {
        let mut file = jpeg(&[1, 2, 3], jpeg_encoder::ColorType::Rgb, progressive);
        let frame = [0xff, if progressive { 0xc2 } else { 0xc0 }];
        let start = file.windows(2).position(|pair| pair == frame).unwrap();
        file[start + 5..start + 9].fill(0xff);
        assert_eq!(reason(&file), "65535x65535 pixels take more than 512 MiB");
        file[start + 5..start + 9].fill(0);
        assert_eq!(reason(&file), "JPEG: Image width or height is set to zero, cannot continue");
    }
}

/// A camera held sideways: the file's rows are the picture's columns, and its header says so.
#[test]
fn pictures_are_set_upright_as_their_exif_data_say() {
    let directory = [&b"II*\0\x08\0\0\0\x01\0"[..], &[0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0]].concat();
    let lines = [0, 1, 2, 3, 0, 4, 5, 6];
    let file = png_file((2, 3), [8, 0, 0], &[chunk(b"eXIf", &directory)], &lines);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    std::fs::write(&path, file).unwrap();
    let picture = read(&path).unwrap();
    let grey: Vec<u8> = picture.pixels.iter().step_by(3).copied().collect();
    assert_eq!((picture.size, grey), ((3, 2), vec![4, 1, 5, 2, 6, 3]));
    assert_eq!(picture.adapted, Adapted { turned: true, grey: true, ..Adapted::default() });
    assert_eq!(size(&path).unwrap(), ((3, 2), true));
}

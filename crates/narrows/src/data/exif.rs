//! EXIF data: how the camera was held. Nothing else of them is looked at.

/// The tag of the orientation in the first directory.
const ORIENTATION: u16 = 0x0112;

/// The orientation, 1 to 8, in EXIF data: a TIFF header and its first directory. Nothing where there is none, or where it makes no sense.
pub(super) fn orientation(data: &[u8]) -> Option<u8> {
    let data = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
    let big = match data.get(..4)? {
        b"II*\0" => false,
        b"MM\0*" => true,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let bytes = data.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let long = |at: usize| -> Option<usize> {
        let bytes = data.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) } as usize)
    };
    let directory = long(4)?;
    let entries = usize::from(short(directory)?);
    let entry = (0..entries).map(|entry| directory + 2 + 12 * entry);
    let found = entry.into_iter().find(|at| short(*at) == Some(ORIENTATION))?;
    // A short stands at the beginning of the four bytes for values.
    u8::try_from(short(found + 8)?).ok().filter(|orientation| (1..=8).contains(orientation))
}

/// Whether height and width change places.
pub(super) fn swaps_sides(orientation: u8) -> bool {
    orientation >= 5
}

/// A picture of three colours the right way up, and its height and width.
pub(super) fn upright(
    pixels: Vec<u8>,
    (height, width): (usize, usize),
    orientation: u8,
) -> (Vec<u8>, (usize, usize)) {
    if orientation <= 1 {
        return (pixels, (height, width));
    }
    let (tall, wide) = if swaps_sides(orientation) { (width, height) } else { (height, width) };
    let mut turned = Vec::with_capacity(pixels.len());
    for row in 0..tall {
        for column in 0..wide {
            // Where the pixel lies in the file: EXIF 2.32, table of orientations.
            let (y, x) = match orientation {
                2 => (row, width - 1 - column),
                3 => (height - 1 - row, width - 1 - column),
                4 => (height - 1 - row, column),
                5 => (column, row),
                6 => (height - 1 - column, row),
                7 => (height - 1 - column, width - 1 - row),
                _ => (column, width - 1 - row),
            };
            turned.extend_from_slice(&pixels[(y * width + x) * 3..][..3]);
        }
    }
    (turned, (tall, wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with two entries, the second being the orientation.
    fn data(orientation: u16, big: bool) -> Vec<u8> {
        let short = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let long = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut data = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        data.extend(long(8));
        data.extend(short(2));
        for (tag, value) in [(0x0100, 7), (ORIENTATION, orientation)] {
            data.extend([short(tag), short(3)].concat());
            data.extend(long(1));
            data.extend([short(value), short(0)].concat());
        }
        data
    }

    #[test]
    fn the_orientation_is_found_in_both_byte_orders_and_nonsense_is_none() {
        for big in [false, true] {
            assert_eq!(orientation(&data(6, big)), Some(6));
            assert_eq!(orientation(&[b"Exif\0\0".to_vec(), data(3, big)].concat()), Some(3));
            assert_eq!(orientation(&data(9, big)), None);
            let whole = data(6, big);
            assert!((0..whole.len() - 2).all(|length| orientation(&whole[..length]).is_none()));
        }
        let mut far = data(6, false);
        far[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(orientation(&far), None);
        assert_eq!(orientation(b"nothing of the kind"), None);
    }

    /// The letter F of 3×2 pixels, as a camera held in each way stores it.
    #[test]
    fn every_orientation_is_turned_upright() {
        let letter = [1, 2, 3, 0, 4, 0];
        let stored: [(u8, (usize, usize), [u8; 6]); 8] = [
            (1, (3, 2), [1, 2, 3, 0, 4, 0]),
            (2, (3, 2), [2, 1, 0, 3, 0, 4]),
            (3, (3, 2), [0, 4, 0, 3, 2, 1]),
            (4, (3, 2), [4, 0, 3, 0, 1, 2]),
            (5, (2, 3), [1, 3, 4, 2, 0, 0]),
            (6, (2, 3), [2, 0, 0, 1, 3, 4]),
            (7, (2, 3), [0, 0, 2, 4, 3, 1]),
            (8, (2, 3), [4, 3, 1, 0, 0, 2]),
        ];
        for (orientation, size, pixels) in stored {
            let colours: Vec<u8> = pixels.iter().flat_map(|value| [*value; 3]).collect();
            let (turned, found) = upright(colours, size, orientation);
            let grey: Vec<u8> = turned.iter().step_by(3).copied().collect();
            assert_eq!((grey.as_slice(), found), (&letter[..], (3, 2)), "orientation {orientation}");
        }
    }
}

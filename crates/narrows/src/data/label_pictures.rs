//! Label maps as pictures: a colour for each class, and a legend that says which.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::atomic::WriteError;
use super::error::DataError;
use super::write::{FolderBeside, encode_png_with, is_marked};

/// Classes and their colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legend {
    classes: Vec<(String, [u8; 3])>,
}

/// Colours of the first classes, each as far as can be from those before (Kelly 1965, his black and white left out).
const CONTRASTING: [u32; 20] = [
    0xffb300, 0x803e75, 0xff6800, 0xa6bdd7, 0xc10020, 0xcea262, 0x817066, 0x007d34, 0xf6768e, 0x00538a,
    0xff7a5c, 0x53377a, 0xff8e00, 0xb32851, 0xf4c800, 0x7f180d, 0x93aa00, 0x593315, 0xf13a13, 0x232c16,
];

impl Legend {
    /// A colour for each class: contrasting ones, and when these are used up hues a golden angle apart, at two depths.
    pub fn new(names: &[String]) -> Legend {
        let colour = |number: usize| {
            if let Some(colour) = CONTRASTING.get(number) {
                return [16, 8, 0].map(|shift| (colour >> shift) as u8);
            }
            let hue = (number as f32 * 0.618_034).fract() * 6.0;
            let (strong, light) = if number.is_multiple_of(2) { (0.65, 0.9) } else { (0.85, 0.6) };
            let channel = |shift: f32| {
                let place = (hue + shift) % 6.0;
                let share = (place.min(4.0 - place)).clamp(0.0, 1.0);
                (255.0 * light * (1.0 - strong * share)).round() as u8
            };
            [channel(5.0), channel(3.0), channel(1.0)]
        };
        let classes = names.iter().enumerate().map(|(number, name)| (name.clone(), colour(number)));
        Legend { classes: classes.collect() }
    }

    /// Names and colours, in the order of the classes' numbers.
    pub fn classes(&self) -> &[(String, [u8; 3])] {
        &self.classes
    }

    /// The colour of a class; black for what is none.
    pub fn colour(&self, class: u8) -> [u8; 3] {
        self.classes.get(usize::from(class)).map_or([0; 3], |(_, colour)| *colour)
    }

    fn as_csv(&self) -> String {
        let mut text = String::from("number,class,colour\n");
        for (number, (name, [red, green, blue])) in self.classes.iter().enumerate() {
            let name = name.replace('"', "\"\"");
            let _ = writeln!(text, "{number},\"{name}\",#{red:02x}{green:02x}{blue:02x}");
        }
        text
    }

    fn as_html(&self) -> String {
        let mut text = String::from(
            "<!doctype html><meta charset=\"utf-8\"><title>Classes</title>\n<style>body{font:16px sans-serif}td{padding:.2em .8em}\
             td:first-child{width:3em}</style>\n<table>\n",
        );
        for (number, (name, [red, green, blue])) in self.classes.iter().enumerate() {
            let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(
                text,
                "<tr><td style=\"background:#{red:02x}{green:02x}{blue:02x}\"></td><td>{number}</td><td>{name}</td></tr>"
            );
        }
        text + "</table>\n"
    }
}

/// Sub-folders of pictures in one another.
const MOST_DEPTH: usize = 12;

/// Writes N maps of this height and width as palette PNG files whose numbers are the classes, in the sizes of the pictures that they belong to and
/// named after them, or in their own size and as `00000.png` and so on; `classes.csv` and `legend.html` say which colour is which. A folder that an earlier call wrote is replaced; one with
/// other files in it is refused.
///
/// # Errors
/// [`DataError::FolderInUse`] or [`DataError::Write`].
pub fn write_label_pictures(
    folder: &Path,
    maps: &[u8],
    size: (usize, usize),
    pictures: Option<&[(String, (usize, usize))]>,
    legend: &Legend,
) -> Result<(), DataError> {
    let failed = |source| WriteError::new(folder, source);
    let ours = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == "classes.csv" || name == "legend.html" || is_marked(path)
    };
    // Nobody else's pictures have these beside them.
    let earlier = ["classes.csv", "legend.html"].iter().all(|name| folder.join(name).is_file());
    let beside = FolderBeside::new(folder, MOST_DEPTH, |path| earlier && ours(path))?;
    let palette: Vec<u8> = legend.classes.iter().flat_map(|(_, colour)| *colour).collect();
    for (number, map) in maps.chunks_exact(size.0 * size.1).enumerate() {
        let (name, to) =
            pictures.map_or_else(|| (format!("{number:05}"), size), |pictures| pictures[number].clone());
        let path = beside.path().join(&name).with_extension("png");
        if path.exists() {
            let found = format!("{name} and another picture differ in their ending only");
            return Err(DataError::OutputKind { path: folder.to_path_buf(), expected: ".png", found });
        }
        fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
        let png = encode_png_with(to, &palette, &enlarged(map, size, to)).map_err(std::io::Error::other);
        fs::write(path, png.map_err(failed)?).map_err(failed)?;
    }
    fs::write(beside.path().join("classes.csv"), legend.as_csv()).map_err(failed)?;
    fs::write(beside.path().join("legend.html"), legend.as_html()).map_err(failed)?;
    beside.put_in_place(folder)
}

/// A map in another size: each pixel is of the class of that which lies under its middle.
fn enlarged(map: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let under = |place: usize, from: usize, to: usize| (2 * place + 1) * from / (2 * to);
    let pixel = |at: usize| under(at / to.1, from.0, to.0) * from.1 + under(at % to.1, from.1, to.1);
    (0..to.0 * to.1).map(|at| map[pixel(at)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_differ_and_classes_are_named() {
        let names: Vec<String> = (0..24).map(|number| format!("class <{number}>")).collect();
        let legend = Legend::new(&names);
        for (number, (_, colour)) in legend.classes().iter().enumerate() {
            let others = legend.classes()[..number].iter();
            assert!(
                others.clone().all(|(_, other)| (0..3).any(|c| other[c].abs_diff(colour[c]) > 8)),
                "{number}"
            );
        }
        assert_eq!(legend.colour(200), [0; 3]);
        assert!(
            legend.as_csv().contains("3,\"class <3>\",#") && legend.as_html().contains("class &lt;3&gt;")
        );
    }

    #[test]
    fn maps_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let legend = Legend::new(&["a".to_owned(), "b".to_owned(), "c".to_owned()]);
        let maps = [0, 1, 2, 2, 1, 0, 0, 0, 1, 1, 2, 2];
        let pictures = [("x/one.jpg".to_owned(), (4, 6)), ("two.png".to_owned(), (2, 3))];
        for _ in 0..2 {
            write_label_pictures(&out, &maps, (2, 3), Some(&pictures), &legend).unwrap();
        }
        let read = |name: &str| super::super::picture_file::read_numbers(&out.join(name)).unwrap();
        let twice = [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 2, 2, 1, 1, 0, 0, 2, 2, 1, 1, 0, 0];
        assert_eq!(read("x/one.png"), (twice.to_vec(), (4, 6)));
        assert_eq!(read("two.png"), (maps[6..].to_vec(), (2, 3)));
        let colours = super::super::picture_file::read(&out.join("two.png")).unwrap();
        assert_eq!(colours.pixels[..3], legend.colour(0));
        let photos = folder.path().join("photos");
        fs::create_dir(&photos).unwrap();
        fs::write(photos.join("a.png"), "x").unwrap();
        let refused = write_label_pictures(&photos, &maps, (2, 3), None, &legend).unwrap_err();
        assert!(matches!(refused, DataError::FolderInUse { .. }), "{refused}");
        fs::write(out.join("mine.txt"), "x").unwrap();
        let refused = write_label_pictures(&out, &maps, (2, 3), None, &legend).unwrap_err();
        assert!(matches!(refused, DataError::FolderInUse { .. }), "{refused}");
    }
}

//! Pictures decoded in order, ahead on all threads, and what there is to tell of them.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::DataError;
use super::folder::{Entry, Measured, name_inside};
use super::picture_file::{self, Adapted};
use super::resize::Resizer;

/// Pictures that are decoded before any of them is resized into place.
const DECODED_TOGETHER: usize = 256;

/// What came of reading pictures: those that could not be read, and what was done to others.
#[derive(Default)]
pub(super) struct Reading {
    pub first: Option<DataError>,
    pub names: Vec<String>,
    /// Whether any is stored in colours.
    pub coloured: bool,
    pub all: usize,
    turned: usize,
    transparent: usize,
    deep: usize,
    grey: usize,
}

/// Names that are told of pictures that cannot be read.
const MOST_NAMES: usize = 3;

impl Reading {
    pub fn add(&mut self, root: &Path, entry: &Entry, failure: DataError) {
        // The reason that is told is that of the name that is told first.
        let name = name_inside(root, &entry.path);
        if self.names.iter().all(|other| name < *other) {
            self.first = Some(failure);
        }
        self.names.push(name);
    }

    pub fn count(&mut self, adapted: Adapted) {
        let Adapted { turned, transparent, deep, grey } = adapted;
        self.all += 1;
        let counts = [
            (&mut self.turned, turned),
            (&mut self.transparent, transparent),
            (&mut self.deep, deep),
            (&mut self.grey, grey),
        ];
        counts.into_iter().for_each(|(count, is)| *count += usize::from(is));
    }

    /// The entries whose headers can be read, with height and width.
    pub fn measured(&mut self, root: &Path, entries: Vec<Entry>) -> Vec<Measured> {
        let sizes = in_parallel(entries.len(), |number| picture_file::size(&entries[number].path));
        let mut measured = Vec::new();
        for (entry, size) in entries.into_iter().zip(sizes) {
            match size {
                Ok((size, grey)) => {
                    self.coloured |= !grey;
                    measured.push((entry, size));
                }
                Err(failure) => self.add(root, &entry, failure),
            }
        }
        measured
    }

    /// Tells of colours that are left out.
    pub fn tell_colours(&self, notes: &mut Vec<String>) {
        let coloured = self.all - self.grey;
        if coloured > 0 {
            notes.push(format!(
                "{coloured} of {} pictures are stored in colour, and were read as grey",
                self.all
            ));
        }
    }

    pub fn tell(&mut self, colour: bool, notes: &mut Vec<String>) {
        let found = self.all + self.names.len();
        if !self.names.is_empty() {
            self.names.sort();
            let named = self.names[..self.names.len().min(MOST_NAMES)].join(", ");
            let more = if self.names.len() > MOST_NAMES { ", …" } else { "" };
            let reason = self.first.as_ref().map(|failure| format!(" ({failure})")).unwrap_or_default();
            notes.push(format!(
                "{} of {found} pictures could not be read and were left out: {named}{more}{reason}",
                self.names.len()
            ));
        }
        let mixed = self.grey > 0 && self.grey < self.all && colour;
        for (count, what) in [
            (self.turned, "turned the right way up, as their EXIF data say"),
            (self.transparent, "laid on white where they are transparent"),
            (self.deep, "brought from 16 bits a colour to 8"),
            (if mixed { self.grey } else { 0 }, "grey, and read as colour like the others"),
        ] {
            if count > 0 {
                let verb = if count == 1 { "was" } else { "were" };
                notes.push(format!("{count} of {found} pictures {verb} {what}"));
            }
        }
    }
}

/// The results of work on so many pictures, in order; each is done by one of the machine's threads.
fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    let next = AtomicUsize::new(0);
    let taken = || {
        let mut own = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return own;
            }
            own.push((number, work(number)));
        }
    };
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..threads).map(|_| scope.spawn(taken)).collect();
        let mut all = taken();
        all.extend(threads.into_iter().flat_map(|thread| match thread.join() {
            Ok(own) => own,
            Err(panic) => std::panic::resume_unwind(panic),
        }));
        all
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, result)| result).collect()
}

/// Decodes pictures in order, some ahead of each other on all threads, and hands on each one's pixels, or nothing where it cannot be read.
pub(super) fn decode(
    root: &Path,
    all: &[Measured],
    size: (usize, usize),
    reading: &mut Reading,
    mut take: impl FnMut(Option<&[u8]>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    for chunk in all.chunks(DECODED_TOGETHER) {
        let decoded = in_parallel(chunk.len(), |number| {
            let picture = picture_file::read(&chunk[number].0.path)?;
            Ok((resized(picture.pixels, picture.size, size), picture.adapted))
        });
        for ((entry, _), picture) in chunk.iter().zip(decoded) {
            match picture {
                Ok((pixels, adapted)) => {
                    reading.count(adapted);
                    take(Some(&pixels))?;
                }
                Err(failure) => {
                    reading.add(root, entry, failure);
                    take(None)?;
                }
            }
        }
    }
    Ok(())
}

/// A picture of three colours in the size asked for.
fn resized(pixels: Vec<u8>, from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    if from == to {
        return pixels;
    }
    let mut resized = vec![0f32; to.0 * to.1 * 3];
    Resizer::new((from.0, from.1, 3), to).resize(&pixels, &mut resized);
    resized.iter().map(|value| value.round() as u8).collect()
}

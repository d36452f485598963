//! What outputs should be, as a run is fed it: for classifiers a one among zeros, for segmenters the class of every pixel.

use super::setup::Setup;
use crate::data::Dataset;
use narrows_engine::cpu::Feed;

/// Targets of a batch; nothing where rows are their own.
pub struct Targets {
    ones: Vec<f32>,
    maps: Vec<u8>,
    classes: usize,
    pixels: usize,
}

impl Targets {
    /// Room for so many rows.
    pub fn new(setup: &Setup, rows: usize) -> Targets {
        let (classes, pixels) = (setup.classes.len(), setup.source.train.shape.pixels());
        let (ones, maps) = match (classes, setup.is_segmenter()) {
            (0, _) => (0, 0),
            (_, true) => (0, rows * pixels),
            (_, false) => (rows * classes, 0),
        };
        Targets { ones: vec![0.0; ones], maps: vec![0; maps], classes, pixels }
    }

    /// Those of rows of a data set; `change` copies the label map of one of them, by its place.
    pub fn fill(&mut self, dataset: &Dataset, rows: &[u32], change: impl Fn(usize, &[u8], &mut [u8])) {
        match (&dataset.labels, &dataset.maps) {
            (_, Some(maps)) if !self.maps.is_empty() => {
                for (at, (row, out)) in rows.iter().zip(self.maps.chunks_exact_mut(self.pixels)).enumerate() {
                    change(at, &maps.of_pixel[*row as usize * self.pixels..][..self.pixels], out);
                }
            }
            (Some(labels), _) if !self.ones.is_empty() => {
                self.ones.fill(0.0);
                for (row, ones) in rows.iter().zip(self.ones.chunks_exact_mut(self.classes)) {
                    ones[labels.of_row[*row as usize] as usize] = 1.0;
                }
            }
            _ => {}
        }
    }

    /// The first rows of them as a run takes them.
    pub fn feed(&self, rows: usize) -> Option<Feed<'_>> {
        match (self.ones.is_empty(), self.maps.is_empty()) {
            (false, _) => Some(Feed::F32(&self.ones[..rows * self.classes])),
            (_, false) => Some(Feed::U8(&self.maps[..rows * self.pixels])),
            _ => None,
        }
    }
}

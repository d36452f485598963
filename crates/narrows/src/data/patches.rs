//! Patches: small pictures cut out of larger ones at random places, on which a network sees edges and textures instead of things.

use narrows_engine::random::Stream;

use super::dataset::{Dataset, ItemShape, Values};
use super::error::DataError;
use super::streams;

/// Patches of the training part where the recipe names no other number, and of the test part.
pub(super) const ROWS: usize = 20_000;
pub(super) const TEST_ROWS: usize = 2_000;

/// How patches are cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cutter {
    /// Height and width of a patch.
    pub size: (usize, usize),
    /// Patches of all pictures together.
    pub count: usize,
    /// The seed of their places.
    pub seed: u64,
    /// Which part they are for: 0 training, 1 test.
    pub part: u32,
}

impl Cutter {
    /// Patches of picture number `picture` of so many, one after another: the pictures take turns, so each gives as many as the others, or
    /// one more.
    ///
    /// # Errors
    /// A picture that is smaller than a patch; `name` says which.
    pub fn cut<T: Copy>(
        &self,
        pixels: &[T],
        shape: (usize, usize, usize),
        (picture, pictures): (usize, usize),
        name: &str,
        into: &mut Vec<T>,
    ) -> Result<(), DataError> {
        let ((height, width, channels), (tall, wide)) = (shape, self.size);
        if tall > height || wide > width {
            let (name, found) = (name.to_string(), format!("{height}x{width} pixels"));
            return Err(DataError::PatchTooLarge { name, found, height: tall, width: wide });
        }
        for patch in (picture..self.count).step_by(pictures) {
            let mut stream = Stream::new(self.seed, streams::PATCHES + self.part, patch as u32);
            let top = stream.below((height - tall + 1) as u32) as usize;
            let left = stream.below((width - wide + 1) as u32) as usize;
            for line in top..top + tall {
                let first = (line * width + left) * channels;
                into.extend_from_slice(&pixels[first..first + wide * channels]);
            }
        }
        Ok(())
    }

    /// Patches of a data set of pictures; they have no labels.
    ///
    /// # Errors
    /// Rows that are no pictures, or smaller than a patch.
    pub fn cut_all(&self, data: &Dataset, name: &str) -> Result<Dataset, DataError> {
        let ItemShape::Image { height, width, channels } = data.shape else {
            let (name, found) = (name.to_string(), data.shape.describe());
            return Err(DataError::PatchTooLarge { name, found, height: self.size.0, width: self.size.1 });
        };
        let (pictures, shape) = (data.rows(), (height, width, channels));
        let features = height * width * channels;
        let values = match &data.values {
            Values::Stored(stored) => {
                let data = Dataset { values: Values::U8(stored.all()), ..data.clone() };
                return self.cut_all(&data, name);
            }
            Values::U8(values) => {
                let mut cut = Vec::new();
                for (number, picture) in values.chunks_exact(features).enumerate() {
                    self.cut(picture, shape, (number, pictures), name, &mut cut)?;
                }
                Values::U8(cut)
            }
            Values::F32(values) => {
                let mut cut = Vec::new();
                for (number, picture) in values.chunks_exact(features).enumerate() {
                    self.cut(picture, shape, (number, pictures), name, &mut cut)?;
                }
                Values::F32(cut)
            }
        };
        let shape = ItemShape::Image { height: self.size.0, width: self.size.1, channels };
        Ok(Dataset { maps: None, shape, values, labels: None, names: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures of 5×7 whose pixels are all different.
    fn pictures(count: usize) -> Dataset {
        Dataset {
            maps: None,
            shape: ItemShape::Image { height: 5, width: 7, channels: 1 },
            values: Values::F32((0..count * 35).map(|at| at as f32).collect()),
            labels: None,
            names: None,
        }
    }

    #[test]
    fn patches_are_pieces_of_all_pictures() {
        let cutter = Cutter { size: (2, 3), count: 200, seed: 1, part: 0 };
        let patches = cutter.cut_all(&pictures(3), "x").unwrap();
        assert_eq!(patches.shape, ItemShape::Image { height: 2, width: 3, channels: 1 });
        let Values::F32(values) = &patches.values else { panic!("bytes") };
        let mut places = [[0; 35]; 3];
        for patch in values.chunks_exact(6) {
            let first = patch[0] as usize;
            places[first / 35][first % 35] += 1;
            let expected: Vec<f32> = [0, 1, 2, 7, 8, 9].map(|step| (first + step) as f32).to_vec();
            assert_eq!(patch, expected);
            assert!(first % 7 <= 4 && first % 35 / 7 <= 3, "{first}");
        }
        let each: Vec<usize> = places.iter().map(|places| places.iter().sum()).collect();
        assert_eq!(each, [67, 67, 66]);
        // Every one of the 4×5 places of a picture is as likely as the others.
        assert!(places[0].iter().filter(|count| **count > 0).count() > 15, "{places:?}");
        assert_eq!(cutter.cut_all(&pictures(3), "x").unwrap(), patches);
        assert_ne!(Cutter { seed: 2, ..cutter }.cut_all(&pictures(3), "x").unwrap(), patches);
        assert_ne!(Cutter { part: 1, ..cutter }.cut_all(&pictures(3), "x").unwrap(), patches);
    }

    #[test]
    fn what_no_patch_can_be_cut_out_of_is_refused() {
        let cutter = Cutter { size: (6, 3), count: 2, seed: 1, part: 0 };
        let refused = cutter.cut_all(&pictures(1), "shapes").unwrap_err();
        assert_eq!(refused.to_string(), "shapes: a patch of 6x3 pixels cannot be cut out of 5x7 pixels");
        let table = Dataset { shape: ItemShape::Vector { columns: None, width: 35 }, ..pictures(1) };
        assert!(cutter.cut_all(&table, "t").is_err());
    }
}

//! What a layer hears or says: numbers, or a picture's maps.

use crate::data::ItemShape;
use serde::Serialize;
use std::fmt;

/// Height, width and channels; plain numbers are the channels of one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// Pixels from top to bottom.
    pub height: usize,
    /// Pixels from left to right.
    pub width: usize,
    /// Numbers of a pixel.
    pub channels: usize,
}

impl Extent {
    /// How many numbers.
    pub fn numbers(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether it has numbers, and no more than a layer may say.
    pub fn is_possible(&self) -> bool {
        let product =
            [self.height, self.width, self.channels].into_iter().try_fold(1usize, usize::checked_mul);
        product.is_some_and(|numbers| (1..=super::layer::MOST_NUMBERS).contains(&numbers))
    }

    /// Pixels of each map.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// The same with so many times the pixels, down and across.
    pub fn times(&self, [down, across]: [usize; 2]) -> Extent {
        Extent { height: self.height * down, width: self.width * across, ..*self }
    }

    /// Height and width.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }
}

impl From<usize> for Extent {
    fn from(channels: usize) -> Extent {
        Extent { height: 1, width: 1, channels }
    }
}

impl From<&ItemShape> for Extent {
    fn from(shape: &ItemShape) -> Extent {
        match *shape {
            ItemShape::Image { height, width, channels } => Extent { height, width, channels },
            ItemShape::Vector { width, .. } => Extent::from(width),
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pixels() {
            1 => write!(formatter, "{}", self.channels),
            _ => write!(formatter, "{}×{}×{}", self.height, self.width, self.channels),
        }
    }
}

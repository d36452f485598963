//! What a layer hears or says: numbers, or a picture's maps.

use crate::data::ItemShape;
use std::fmt;

/// Height, width and channels; plain numbers are the channels of one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// Pixels of each map.
    pub fn pixels(&self) -> usize {
        self.height * self.width
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

//! Pixels of images: where they lie, whether all of them are in memory or one of each window, and how they are brought.

use super::simd::Simd;
use super::tile::RunContext;
use crate::plan::Images;
use crate::plan::layout::{GRAIN, Layout, PANEL};

/// Images in memory, whether all their pixels lie there or one of each window.
#[derive(Clone, Copy)]
pub struct Pixels {
    images: Images,
    layout: Layout,
    pub numbers: *const f32,
    /// Which pixel of its window each is, if one of each window lies there.
    positions: *const f32,
    size: [usize; 2],
}

/// A line of pixels.
#[derive(Clone, Copy)]
pub struct Line {
    /// The first of its pixels that lie in memory, counted through all images.
    pub first: usize,
    /// The number of its first pixel in that one's window.
    number: usize,
}

/// A pixel of a line.
#[derive(Clone, Copy)]
pub struct Pixel {
    /// Itself, or the one that its window has in memory.
    stored: usize,
    /// The number of its line's first pixel in a window.
    number: usize,
    /// How many pixels of its window are in front of it in the line.
    before: usize,
}

impl Pixels {
    /// Where they lie.
    pub fn new(images: &Images, context: &RunContext<'_>) -> Pixels {
        let positions = images.unpooled.map(|unpooled| context.buffers[unpooled.positions.index()]);
        Pixels {
            images: *images,
            layout: images.layout(),
            numbers: context.buffers[images.buffer.index()],
            positions: positions.map_or(std::ptr::null(), |positions| positions.cast_const()),
            size: images.unpooled.map_or([1; 2], |unpooled| unpooled.size),
        }
    }

    /// Height and width of what whole windows cover.
    pub fn whole(&self) -> [usize; 2] {
        let [high, wide] = self.size;
        [self.images.height / high * high, self.images.width / wide * wide]
    }

    /// A line of an image.
    #[inline(always)]
    pub fn line(&self, image: usize, y: usize) -> Line {
        let [high, wide] = self.size;
        let Images { height, width, .. } = self.images;
        Line { first: (image * (height / high) + y / high) * (width / wide), number: y % high * wide }
    }

    /// Whether images can be marked and listed where they lie: their pixels follow each other, and each is whole grains.
    pub fn can_be_listed(&self) -> bool {
        self.one_after_another() && self.images.channels.is_multiple_of(GRAIN)
    }

    /// Whether a line's pixels follow each other without a gap.
    #[inline(always)]
    pub fn one_after_another(&self) -> bool {
        (self.images.channels == 1 || self.layout.has_no_gaps()) && self.positions.is_null()
    }

    /// A pixel of a line.
    #[inline(always)]
    pub fn pixel(&self, line: Line, x: usize) -> Pixel {
        Pixel { stored: line.first + x / self.size[1], number: line.number, before: x % self.size[1] }
    }

    /// The next of a line.
    #[inline(always)]
    pub fn pixel_behind(&self, pixel: Pixel) -> Pixel {
        match pixel.before + 1 {
            next if next == self.size[1] => Pixel { stored: pixel.stored + 1, before: 0, ..pixel },
            next => Pixel { before: next, ..pixel },
        }
    }

    /// The one before. There is none before the first of a line, and nobody reads what is told of it.
    #[inline(always)]
    pub fn pixel_before(&self, pixel: Pixel) -> Pixel {
        match pixel.before {
            0 => Pixel { stored: pixel.stored.wrapping_sub(1), before: self.size[1] - 1, ..pixel },
            before => Pixel { before: before - 1, ..pixel },
        }
    }

    /// Copies the channels of a pixel by whole vectors: what is written too much is overwritten by what comes next.
    ///
    /// # Safety
    /// The machine has the level; the pixel lies in an image, and `to` has room for a vector behind its channels.
    #[inline(always)]
    pub unsafe fn copy<S: Simd>(&self, pixel: Pixel, to: *mut f32) {
        let channels = self.images.channels;
        // SAFETY: a panel's rows are whole vectors; the caller has room behind the last pixel.
        unsafe {
            if channels == 1 {
                *to = *self.numbers.add(pixel.stored);
                return;
            }
            if channels <= PANEL {
                self.copy_panel::<S>(pixel, (0, channels), to);
                return;
            }
            let mut channel = 0;
            while channel < channels {
                let count = (channels - channel).min(PANEL);
                self.copy_panel::<S>(pixel, (channel, count), to.add(channel));
                channel += count;
            }
        }
    }

    /// Copies channels of a pixel from the first of a panel on.
    ///
    /// # Safety
    /// The machine has the level; the pixel lies in an image of more than one channel, and `to` has room for whole vectors of so many.
    #[inline(always)]
    pub unsafe fn copy_panel<S: Simd>(&self, pixel: Pixel, (channel, count): (usize, usize), to: *mut f32) {
        let address = self.layout.address(pixel.stored, channel);
        // SAFETY: a panel's rows are whole vectors.
        unsafe {
            if self.positions.is_null() {
                for at in (0..count).step_by(S::LANES) {
                    S::store(to.add(at), S::load(self.numbers.add(address + at)));
                }
                return;
            }
            let own = S::splat((pixel.number + pixel.before) as f32);
            for at in (0..count).step_by(S::LANES) {
                let named = S::eq(S::load(self.positions.add(address + at)), own);
                let value = S::select(named, S::load(self.numbers.add(address + at)), S::splat(0.0));
                S::store(to.add(at), value);
            }
        }
    }
}

//! Windows: which pixels meet which, and the band of an image that a few windows lie in, gathered so that they are read without a question.
//!
//! No patch matrix is ever made. A band is a copy of the rows of an image that a unit's windows touch, with the zeros around it and its
//! channels one after another; an element of a window then lies at the window's own offset plus one that is the same for every
//! window, and the elements of a row of a window follow each other.

use super::simd::Simd;
use crate::graph::op::Windows;
use crate::plan::Images;
use crate::plan::layout::{GRAIN, Layout, PANEL};

/// One axis of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub stride: usize,
    pub dilation: usize,
    pub before: usize,
    pub taps: usize,
    /// Whether windows lie in the result.
    pub upward: bool,
}

impl Axis {
    /// The pixel that a place of the result meets at a tap, if the tap is one of its class.
    pub fn pixel(&self, place: usize, tap: usize) -> isize {
        let reach = (tap * self.dilation) as isize - self.before as isize;
        match self.upward {
            false => (place * self.stride) as isize + reach,
            true => (place as isize - reach).div_euclid(self.stride as isize),
        }
    }

    /// First and last pixel that the places `first..=last` meet; none if the last is before the first.
    pub fn reach(&self, first: usize, last: usize) -> (isize, isize) {
        let (near, far) = (self.before as isize, ((self.taps - 1) * self.dilation) as isize);
        let stride = self.stride as isize;
        match self.upward {
            false => (first as isize * stride - near, last as isize * stride - near + far),
            true => {
                let low = (first as isize + near - far + stride - 1).div_euclid(stride);
                (low, (last as isize + near).div_euclid(stride))
            }
        }
    }

    /// Whether a place meets a tap, pixels beyond the image included.
    fn meets(&self, place: usize, tap: usize) -> bool {
        let from = place as isize + self.before as isize - (tap * self.dilation) as isize;
        !self.upward || from.rem_euclid(self.stride as isize) == 0
    }

    /// Classes of the places below `places`: those of one class meet the same taps. Taps that meet zeros beyond an image of `pixels` are left
    /// out where `cut` says so.
    pub fn classes(&self, places: usize, pixels: usize, cut: bool) -> Vec<Class> {
        let step = if self.upward { self.stride } else { 1 };
        let mut classes: Vec<Class> = Vec::new();
        for residue in 0..step.min(places) {
            for place in (residue..places).step_by(step) {
                let inside = |tap: &usize| (0..pixels as isize).contains(&self.pixel(place, *tap));
                let met = (0..self.taps).filter(|tap| self.meets(place, *tap));
                let taps: Vec<usize> = met.filter(|tap| !cut || inside(tap)).collect();
                match classes.last_mut() {
                    Some(class) if class.last + step - 1 == place && class.taps == taps => {
                        class.last = place + 1
                    }
                    _ => classes.push(Class { first: place, last: place + 1, step, taps }),
                }
            }
        }
        classes
    }
}

/// Places along one axis that meet the same taps.
#[derive(Clone, Debug)]
pub struct Class {
    pub first: usize,
    /// One past the last.
    pub last: usize,
    /// From place to place.
    pub step: usize,
    /// The taps.
    pub taps: Vec<usize>,
}

impl Class {
    /// Whether a place is one of its own.
    #[inline(always)]
    pub fn holds(&self, place: usize) -> bool {
        (self.first..self.last).contains(&place) && (place - self.first).is_multiple_of(self.step)
    }
}

/// Both axes of a convolution, and its images.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Height and width.
    pub axes: [Axis; 2],
    /// What windows are read from.
    pub images: Images,
    /// Height and width of the result.
    pub result: [usize; 2],
    /// First pixel of a band's rows.
    pub left: isize,
    /// Pixels of a band's row.
    pub width: usize,
}

/// The rows of one image that a band holds.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// First row of the image, padding included.
    pub top: isize,
    /// How many.
    pub rows: usize,
}

impl Geometry {
    /// The geometry of a convolution.
    pub fn new(
        windows: &Windows,
        upward: bool,
        images: Images,
        taps: [usize; 2],
        result: [usize; 2],
    ) -> Geometry {
        let axes = [0, 1].map(|axis| Axis {
            stride: windows.stride[axis],
            dilation: windows.dilation[axis],
            before: windows.before[axis],
            taps: taps[axis],
            upward,
        });
        let (left, right) = axes[1].reach(0, result[1] - 1);
        Geometry { axes, images, result, left, width: (right - left + 1).max(0) as usize }
    }

    /// Where in a band's row a column of the image lies: the rows of an upward band run backwards, as its windows do.
    pub fn column(&self, pixel: isize) -> isize {
        let at = pixel - self.left;
        if self.axes[1].upward { self.width as isize - 1 - at } else { at }
    }

    /// The rows of its image that result rows `first..=last` meet.
    pub fn share(&self, first: usize, last: usize) -> Share {
        let (top, bottom) = self.axes[0].reach(first, last);
        Share { top, rows: (bottom - top + 1).max(0) as usize }
    }

    /// The band of places `first..last` of the result, counted through all images.
    pub fn band(&self, first: usize, last: usize) -> Band {
        let area = self.result[0] * self.result[1];
        let (first_image, last_image) = (first / area, (last - 1) / area);
        let row = |place: usize| place % area / self.result[1];
        let whole = self.share(0, self.result[0] - 1);
        let bottom = self.result[0] - 1;
        let begin = self.share(row(first), if first_image == last_image { row(last - 1) } else { bottom });
        let end = self.share(0, row(last - 1));
        Band { first_image, last_image, begin, whole, end }
    }

    /// Numbers of a row of a band.
    pub fn row(&self) -> usize {
        self.width * self.images.channels
    }

    /// Gathers a band.
    ///
    /// # Safety
    /// The machine has the level; `from` holds the images, `to` has room for the band and [`GRAIN`] numbers more.
    #[inline(always)]
    pub unsafe fn gather<S: Simd>(&self, band: &Band, from: *const f32, to: *mut f32) {
        let Images { height, width, .. } = self.images;
        let layout = self.images.layout();
        let mut out = to;
        for image in band.first_image..=band.last_image {
            let share = band.share(image);
            for row in 0..share.rows {
                let y = share.top + row as isize;
                // SAFETY: rows of the band follow each other; pixels inside the image are read, all others are zeros.
                unsafe {
                    if y < 0 || y >= height as isize {
                        std::slice::from_raw_parts_mut(out, self.row()).fill(0.0);
                    } else {
                        let line = (image * height + y as usize) * width;
                        self.gather_row::<S>(layout, from, line, out);
                    }
                    out = out.add(self.row());
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn gather_row<S: Simd>(&self, layout: Layout, from: *const f32, line: usize, to: *mut f32) {
        let Images { width, channels, .. } = self.images;
        let upward = self.axes[1].upward;
        // Pixels before the image, inside it, and behind it.
        let before = (-self.left).clamp(0, self.width as isize) as usize;
        let first = self.left.max(0) as usize;
        let inside = width.saturating_sub(first).min(self.width - before);
        // SAFETY: pixels `first..first + inside` lie in the image's row; the band's row has room for all.
        unsafe {
            if upward {
                // Backwards.
                let behind = self.width - before - inside;
                zero(to, behind * channels);
                let out = to.add(behind * channels);
                for at in 0..inside {
                    let pixel = line + first + inside - 1 - at;
                    copy_pixel::<S>(layout, from, pixel, channels, out.add(at * channels));
                }
                zero(out.add(inside * channels), before * channels);
                return;
            }
            zero(to, before * channels);
            let out = to.add(before * channels);
            if channels == 1 || channels <= PANEL && layout.width(0) == channels {
                std::ptr::copy_nonoverlapping(from.add((line + first) * channels), out, inside * channels);
            } else {
                for at in 0..inside {
                    copy_pixel::<S>(layout, from, line + first + at, channels, out.add(at * channels));
                }
            }
            zero(out.add(inside * channels), (self.width - before - inside) * channels);
        }
    }
}

#[inline(always)]
unsafe fn zero(to: *mut f32, count: usize) {
    // SAFETY: the caller has the room.
    unsafe { std::slice::from_raw_parts_mut(to, count).fill(0.0) };
}

/// Copies the channels of a pixel by whole vectors: what is written too much is overwritten by what comes next.
#[inline(always)]
unsafe fn copy_pixel<S: Simd>(layout: Layout, from: *const f32, pixel: usize, channels: usize, to: *mut f32) {
    // SAFETY: a panel's rows are whole vectors; the caller has room behind the last pixel.
    unsafe {
        if channels == 1 {
            *to = *from.add(pixel);
            return;
        }
        let mut channel = 0;
        while channel < channels {
            let source = from.add(layout.address(pixel, channel));
            let count = (channels - channel).min(PANEL);
            let mut at = 0;
            while at < count {
                S::store(to.add(channel + at), S::load(source.add(at)));
                at += S::LANES;
            }
            channel += count;
        }
    }
}

/// Which rows of which images a unit's windows touch.
#[derive(Clone, Copy, Debug)]
pub struct Band {
    pub first_image: usize,
    pub last_image: usize,
    begin: Share,
    whole: Share,
    end: Share,
}

impl Band {
    /// The rows of an image.
    #[inline(always)]
    pub fn share(&self, image: usize) -> Share {
        match image {
            image if image == self.first_image => self.begin,
            image if image == self.last_image => self.end,
            _ => self.whole,
        }
    }

    /// Rows in front of an image's.
    #[inline(always)]
    pub fn rows_before(&self, image: usize) -> usize {
        match image - self.first_image {
            0 => 0,
            between => self.begin.rows + (between - 1) * self.whole.rows,
        }
    }

    /// All rows.
    pub fn rows(&self) -> usize {
        self.rows_before(self.last_image) + self.share(self.last_image).rows
    }
}

/// Numbers that a band needs, with room for the last pixel's vectors.
pub fn room(geometry: &Geometry, first: usize, last: usize) -> usize {
    geometry.band(first, last).rows() * geometry.row() + GRAIN
}

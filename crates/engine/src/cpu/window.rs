//! Windows: which pixels meet which, and the band of an image that a few windows lie in, gathered so that they are read without a question.
//!
//! No patch matrix is ever made. A band is a copy of the rows of an image that a unit's windows touch, with the zeros around it and its
//! channels one after another; an element of a window then lies at the window's own offset plus one that is the same for every
//! window, and the elements of a pixel follow each other, mostly those of a row of a window, too. Lists find pixels where images have them.

use super::listed::{BYTE, BandMarks};
use super::mark;
use super::pixels::{Line, Pixels};
use super::simd::Simd;
use crate::graph::op::Windows;
use crate::plan::Images;
use crate::plan::layout::{GRAIN, PANEL};

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
    /// Whether the rows of a band run backwards, as the windows of an upward convolution do: where a row of a window is one run then, instead
    /// of many or short ones.
    pub backwards: bool,
}

/// Images of fewer channels are flat: their upward bands run backwards, and places at their sides are like all others.
pub const DEEP: usize = 8;
/// Taps of a row that are taken one by one.
const FEW_TAPS: usize = 2;

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
        let width = (right - left + 1).max(0) as usize;
        // Taps that a place meets follow each other in the kernel.
        let together = windows.stride[1] == windows.dilation[1];
        let backwards = upward && together && (images.channels < DEEP || taps[1] > FEW_TAPS);
        Geometry { axes, images, result, left, width, backwards }
    }

    /// Where in a band's row a column of the image lies.
    pub fn column(&self, pixel: isize) -> isize {
        let at = pixel - self.left;
        if self.backwards { self.width as isize - 1 - at } else { at }
    }

    /// The tap of a class whose pixel comes first in a band's row, if the class has any.
    pub fn first_tap(&self, class: &Class) -> Option<usize> {
        let last = self.axes[1].upward && !self.backwards;
        if last { class.taps.last().copied() } else { class.taps.first().copied() }
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

    /// How many pixels of a band's line lie before those of the image, and how many are the image's.
    pub fn inside(&self) -> (usize, usize) {
        let before = (-self.left).clamp(0, self.width as isize) as usize;
        let first = self.left.max(0) as usize;
        let inside = self.images.width.saturating_sub(first).min(self.width - before);
        (if self.backwards { self.width - before - inside } else { before }, inside)
    }

    /// Where the lines of a band begin that is gathered.
    ///
    /// # Safety
    /// `to` has room for a pointer to each of its lines.
    pub unsafe fn lines_of(&self, band: &Band, gathered: *const f32, to: *mut *const f32) -> Lines {
        let count = band.rows();
        for row in 0..count {
            // SAFETY: by the caller.
            unsafe { *to.add(row) = gathered.wrapping_add(row * self.row()) };
        }
        Lines { lines: to, count }
    }

    /// Where they would begin in the images themselves, if all their pixels lie one after another; null for lines beyond an image.
    ///
    /// # Safety
    /// As for [`Geometry::lines_of`].
    pub unsafe fn lines_in_place(&self, band: &Band, images: &Pixels, to: *mut *const f32) -> Lines {
        let (mut count, height) = (0, self.images.height as isize);
        for image in band.first_image..=band.last_image {
            let share = band.share(image);
            for y in share.top..share.top + share.rows as isize {
                let line = match (0..height).contains(&y) {
                    true => {
                        let first = images.line(image, y as usize).first as isize + self.left;
                        images.numbers.wrapping_offset(first * self.images.channels as isize)
                    }
                    false => std::ptr::null(),
                };
                // SAFETY: by the caller.
                unsafe { *to.add(count) = line };
                count += 1;
            }
        }
        Lines { lines: to, count }
    }

    /// Marks the lines of a band, a bit a number; zeros beyond the image have none. Channels are whole grains.
    ///
    /// # Safety
    /// The machine has the level; `to` has room for marks of the band.
    #[inline(always)]
    pub unsafe fn mark<S: Simd>(&self, lines: Lines, to: *mut f32) -> BandMarks {
        let channels = self.images.channels;
        let (before, inside) = self.inside();
        let bytes = self.row() / BYTE;
        // SAFETY: by the caller.
        unsafe {
            let lines = lines.all();
            let to = to.cast::<u8>();
            to.write_bytes(0, lines.len() * bytes);
            for (row, line) in lines.iter().enumerate() {
                let to = to.add(row * bytes);
                if !line.is_null() {
                    let (from, to) = (line.wrapping_add(before * channels), to.add(before * channels / BYTE));
                    let numbers = inside * channels;
                    for at in (0..numbers / PANEL * PANEL).step_by(PANEL) {
                        let bits = mark::bits::<S>(from.add(at), PANEL);
                        to.add(at / BYTE).cast::<u64>().write_unaligned(bits);
                    }
                    for at in (numbers / PANEL * PANEL..numbers).step_by(GRAIN) {
                        let bits = mark::bits::<S>(from.add(at), GRAIN) as u16;
                        to.add(at / BYTE).cast::<u16>().write_unaligned(bits);
                    }
                }
            }
        }
        BandMarks::of(to)
    }

    /// Gathers a band.
    ///
    /// # Safety
    /// The machine has the level; `from` holds the images, `to` has room for the band and [`GRAIN`] numbers more.
    #[inline(always)]
    pub unsafe fn gather<S: Simd>(&self, band: &Band, from: &Pixels, to: *mut f32) {
        let height = self.images.height;
        let mut out = to;
        for image in band.first_image..=band.last_image {
            let share = band.share(image);
            for row in 0..share.rows {
                let y = share.top + row as isize;
                // SAFETY: rows of the band follow each other; pixels inside the image are read, all others are zeros.
                unsafe {
                    if y < 0 || y >= height as isize {
                        zero::<S>(out, self.row());
                    } else {
                        self.gather_row::<S>(from, from.line(image, y as usize), out);
                    }
                    out = out.add(self.row());
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn gather_row<S: Simd>(&self, from: &Pixels, line: Line, to: *mut f32) {
        let channels = self.images.channels;
        let (before, inside) = self.inside();
        let first = self.left.max(0) as usize;
        let behind = self.width - before - inside;
        // SAFETY: pixels `first..first + inside` lie in the image's row; the band's row has room for all.
        unsafe {
            zero::<S>(to, before * channels);
            let out = to.add(before * channels);
            if self.backwards {
                let mut pixel = from.pixel(line, first + inside.max(1) - 1);
                for at in 0..inside {
                    from.copy::<S>(pixel, out.add(at * channels));
                    pixel = from.pixel_before(pixel);
                }
            } else if from.one_after_another() {
                let from = from.numbers.add((line.first + first) * channels);
                copy::<S>(from, out, inside * channels);
            } else {
                let mut pixel = from.pixel(line, first);
                for at in 0..inside {
                    from.copy::<S>(pixel, out.add(at * channels));
                    pixel = from.pixel_behind(pixel);
                }
            }
            zero::<S>(out.add(inside * channels), behind * channels);
        }
    }
}

/// Writes zeros by whole vectors: what is written too much is overwritten by what comes next.
#[inline(always)]
unsafe fn zero<S: Simd>(to: *mut f32, count: usize) {
    static ZEROS: [f32; GRAIN] = [0.0; GRAIN];
    // SAFETY: the caller has room for a vector behind the last.
    unsafe {
        // Hidden, or the compiler makes a call of it, which takes longer than a pixel or two do.
        let zeros = S::load(std::hint::black_box(&ZEROS).as_ptr());
        for at in (0..count).step_by(S::LANES) {
            S::store(to.add(at), zeros);
        }
    }
}

/// Copies numbers; rows are too short for a call.
#[inline(always)]
unsafe fn copy<S: Simd>(from: *const f32, to: *mut f32, count: usize) {
    // SAFETY: by the caller.
    unsafe {
        let mut at = 0;
        while at + S::LANES <= count {
            S::store(to.add(at), S::load(from.add(at)));
            at += S::LANES;
        }
        if at == count {
            return;
        }
        if count >= S::LANES {
            let last = count - S::LANES;
            S::store(to.add(last), S::load(from.add(last)));
            return;
        }
        for at in 0..count {
            *to.add(at) = *from.add(at);
        }
    }
}

/// Where the lines of a band begin.
#[derive(Clone, Copy)]
pub struct Lines {
    lines: *const *const f32,
    count: usize,
}

impl Lines {
    /// All of them.
    ///
    /// # Safety
    /// They stand where they have been found.
    #[inline(always)]
    pub unsafe fn all<'l>(self) -> &'l [*const f32] {
        // SAFETY: by the caller.
        unsafe { std::slice::from_raw_parts(self.lines, self.count) }
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

    /// Rows that lie before the first image.
    pub fn beyond(&self) -> usize {
        (-self.begin.top).max(0) as usize
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

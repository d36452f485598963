//! Places of a convolution that see nothing but background: they are summed once.
//!
//! The paper around a digit is the same pixel again and again, in the picture and, whatever a network makes of it, in all its maps. Windows
//! of equal numbers have equal sums to the last bit, so one of them will do for all. (−0 equals 0, and to sums it is; what is infinite or no number
//! equals nothing here, so it is summed as ever.)

use super::bounded::Bounded;
use super::convolution::{Convolution, PLACES};
use super::convolution_classes::{Class, PixelRun};
use super::listed::BandMarks;
use super::simd::Simd;
use super::window::Lines;
use super::window_tile::SPARE_ROWS;
use crate::plan::layout::PANEL;

/// Background is looked for in windows if at least one pixel of so many shows it.
const RARE: usize = 4;

/// Pixels of a band that are all equal.
#[derive(Clone, Copy)]
pub struct Background {
    /// Which they are, a bit a pixel.
    pub marks: BandMarks,
    /// One of them.
    pub pixel: *const f32,
    /// Where it is marked which of its numbers are not zero.
    pub numbers: BandMarks,
    pub first: usize,
}

/// The places of a class, and where their windows begin.
pub struct ClassPlaces {
    /// Offsets of the windows in the band, and spare ones.
    pub rows: Bounded<isize, { PLACES + SPARE_ROWS }>,
    /// Offsets of the sums, and spare ones.
    pub places: Bounded<usize, { PLACES + SPARE_ROWS }>,
    /// Line and pixel of the band at which each window begins, where lists are made.
    pub pixels: Bounded<[u32; 2], PLACES>,
    /// Places whose sums are those of `model`.
    pub again: Bounded<usize, PLACES>,
    model: usize,
}

impl ClassPlaces {
    /// None yet.
    #[inline(always)]
    pub fn new() -> ClassPlaces {
        ClassPlaces {
            rows: Bounded::new(),
            places: Bounded::new(),
            pixels: Bounded::new(),
            again: Bounded::new(),
            model: 0,
        }
    }

    /// Puts spare places behind the first so many: they are summed to nowhere.
    #[inline(always)]
    pub fn end(&mut self, count: usize, nowhere: usize) {
        self.rows.truncate(count);
        self.places.truncate(count);
        let last = self.rows.last().copied().unwrap_or(0);
        for _ in 0..SPARE_ROWS {
            self.rows.push(last);
            self.places.push(nowhere);
        }
    }

    /// How many there are, without the spare ones.
    #[inline(always)]
    pub fn count(&self) -> usize {
        self.rows.len() - SPARE_ROWS
    }

    /// Gives places that were left out the sums of the one that stands for them.
    ///
    /// # Safety
    /// The machine has the level; the sums are those of the places, `width` numbers each.
    #[inline(always)]
    pub unsafe fn repeat<S: Simd>(&self, sums: *mut f32, width: usize) {
        for place in &self.again[..] {
            for at in (0..width).step_by(S::LANES) {
                // SAFETY: by the caller.
                unsafe { S::store(sums.add(place + at), S::load(sums.add(self.model + at))) };
            }
        }
    }
}

impl Convolution {
    /// Marks the pixels of a band that are equal to the first one that lies in an image, if many are. Lists see nothing in pixels of
    /// zeros anyway.
    ///
    /// # Safety
    /// The machine has the level; the lines are the band's, and there is room for marks of its pixels.
    #[inline(always)]
    pub(super) unsafe fn background<S: Simd>(
        &self,
        lines: Lines,
        (first, marks, listed): (usize, BandMarks, bool),
        to: *mut f32,
    ) -> Option<Background> {
        let (wide, channels) = (self.geometry.width, self.work.images.channels);
        let (before, inside) = self.geometry.inside();
        // SAFETY: by the caller; behind a pixel is room for a vector.
        unsafe {
            let lines = lines.all();
            let line = lines.get(first).filter(|line| inside > 0 && !line.is_null())?;
            let model = line.wrapping_add(before * channels);
            let empty = (0..channels).all(|channel| *model.add(channel) == 0.0);
            if listed && empty {
                return None;
            }
            let number = (first * wide + before) * channels;
            let sign = marks.word(number, channels);
            let pixels = lines.len() * wide;
            let words = to.cast::<u64>();
            words.write_bytes(0, pixels.div_ceil(PANEL) + 1);
            let mut found = 0;
            for (row, line) in lines.iter().enumerate() {
                for first in (0..wide).step_by(PANEL) {
                    // Beyond the image are zeros.
                    let last = (first + PANEL).min(wide);
                    let own = [before, before + inside].map(|x| x.clamp(first, last));
                    let [own, end] = if line.is_null() { [last; 2] } else { own };
                    let within = ones(end - own).checked_shl((own - first) as u32).unwrap_or(0);
                    let beyond = ones(last - first) & !within;
                    let mut bits = if empty { beyond } else { 0 };
                    for x in own..end {
                        // Of deep pixels only those are looked at whose first channels are zero where the model's are; of others all,
                        // since nobody could foresee which.
                        let pixel = line.wrapping_add(x * channels);
                        let alike = (channels <= PANEL
                            || marks.word((row * wide + x) * channels, channels) == sign)
                            && equal::<S>(pixel, model, channels);
                        bits |= u64::from(alike) << (x - first);
                    }
                    found += bits.count_ones() as usize;
                    let (word, shift) = ((row * wide + first) / PANEL, (row * wide + first) % PANEL);
                    *words.add(word) |= bits << shift;
                    if shift > 0 {
                        *words.add(word + 1) |= bits >> (PANEL - shift);
                    }
                }
            }
            let background =
                Background { marks: BandMarks::of(to), pixel: model, numbers: marks, first: number };
            (RARE * found >= pixels).then_some(background)
        }
    }

    /// Leaves out of a class all places but one that see nothing but background.
    ///
    /// # Safety
    /// The marks are those of the band that the places lie in.
    #[inline(always)]
    pub(super) unsafe fn leave_out(&self, class: &Class, background: Background, of: &mut ClassPlaces) {
        let wide = self.geometry.width as isize;
        let mut kept = 0;
        let mut seen = false;
        of.again.truncate(0);
        let count = of.count();
        for row in 0..count {
            let [down, across] = of.pixels[row].map(|at| at as isize);
            // SAFETY: by the caller.
            let shown = |run: &PixelRun| unsafe {
                let at = (down + run.from[0]) * wide + across + run.from[1];
                background.marks.holds_all(at as usize, run.pixels)
            };
            let alike =
                !class.pieces.is_empty() && class.pieces.iter().all(|piece| piece.runs.iter().all(shown));
            if alike && seen {
                of.again.push(of.places[row]);
                continue;
            }
            if alike {
                (seen, of.model) = (true, of.places[row]);
            }
            (of.rows[kept], of.places[kept], of.pixels[kept]) =
                (of.rows[row], of.places[row], of.pixels[row]);
            kept += 1;
        }
        of.pixels.truncate(kept);
        of.end(kept, of.places[count]);
    }
}

/// So many bits.
#[inline(always)]
fn ones(count: usize) -> u64 {
    u64::MAX.checked_shr((PANEL - count) as u32).unwrap_or(0)
}

/// Whether two pixels are equal. Nothing is equal to what is infinite or no number.
#[inline(always)]
unsafe fn equal<S: Simd>(pixel: *const f32, model: *const f32, channels: usize) -> bool {
    let mut differs = 0;
    // All of it: where pixels differ, nobody can foresee.
    for channel in (0..channels).step_by(S::LANES) {
        let rest = (channels - channel).min(S::LANES);
        // SAFETY: by the caller; behind a pixel is room for a vector.
        unsafe {
            let difference = S::sub(S::load(pixel.add(channel)), S::load(model.add(channel)));
            differs |= S::filled(difference) & (u32::MAX >> (32 - rest));
        }
    }
    differs == 0
}

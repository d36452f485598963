//! Places of a convolution whose windows hold little, summed two by two.
//!
//! Where there is background, those come together that show it at the same pixels: they hold most alike, and chains that begin with the same pixels of
//! background pass through the same bits, so that they are begun once and gone on with from there.

use super::bounded::Bounded;
use super::convolution::{Convolution, PLACES};
use super::convolution_classes::{Class, PixelRun, SEGMENTS};
use super::convolution_listed::BandLists;
use super::convolution_repeated::Background;
use super::listed::{BandMarks, LISTED_ROWS};
use super::paired::{PAIR, PAIRED_VECTORS, PairList, PairedKernel};
use super::simd::Simd;
use super::window::Lines;
use super::window_tile::WindowTask;

/// Places of a class from which on it is worth while to begin chains for them.
const MANY: usize = 24;
/// Bits of a place's number, behind those of the pixels that it is sorted by.
const NUMBER: u32 = 16;
const _: () = assert!(PLACES <= 1 << NUMBER);

/// What pairs of windows are listed from.
#[derive(Clone, Copy)]
pub struct BandPairs {
    marks: BandMarks,
    lines: Lines,
    /// The kernel's matrix.
    right: *const f32,
    /// Room for a list.
    list: *mut u16,
    /// Room for chains that are begun.
    begun: *mut f32,
    kernel: PairedKernel,
}

impl BandPairs {
    /// A band that is marked.
    ///
    /// # Safety
    /// `to` has [`BandLists::room`] for the band, and begins with the lines; `begun` has [`BandPairs::room`] for every class.
    pub unsafe fn new(
        marks: BandMarks,
        lines: Lines,
        right: *const f32,
        (to, begun): (*mut u32, *mut f32),
        kernel: PairedKernel,
    ) -> BandPairs {
        // SAFETY: by the caller. A window holds no more than its band.
        unsafe {
            let list = to.add(BandLists::lines(lines.all().len())).cast();
            BandPairs { marks, lines, right, list, begun, kernel }
        }
    }

    /// Numbers that begun chains of a class need.
    pub fn room(class: &Class, width: usize) -> usize {
        first_chain(class).map(|run| run.pixels).sum::<usize>() * width
    }

    /// Begins the first chain of a class: its sums after each pixel, if all are background.
    ///
    /// # Safety
    /// As for [`Convolution::sum_pairs`].
    #[inline(always)]
    unsafe fn begin<S: Simd>(
        &self,
        class: &Class,
        background: &Background,
        channels: usize,
        task: &WindowTask,
    ) {
        // SAFETY: by the caller.
        unsafe {
            let count = background.numbers.list::<S>(background.first, channels, 0, self.list);
            let (mut done, left) = (0, [background.pixel; PAIR]);
            for PixelRun { run, pixels, .. } in first_chain(class) {
                for pixel in 0..*pixels {
                    let right = self.right.wrapping_add((run.right + pixel * channels) * task.width);
                    let list = PairList { indices: self.list, count, left, right };
                    // Each goes on where the one before it has been put.
                    let places = [done * task.width; PAIR];
                    let mut task = WindowTask { places: places.as_ptr(), to: self.begun, ..*task };
                    if done > 0 {
                        (task.from, task.continues) = (self.begun.wrapping_sub(task.width), true);
                    }
                    sum_chain::<S>(&task, &[list], self.kernel);
                    done += 1;
                }
            }
        }
    }
}

/// The runs of a class's first chain.
#[inline(always)]
fn first_chain(class: &Class) -> impl Iterator<Item = &PixelRun> {
    let pieces = class.pieces.iter().enumerate();
    pieces.take_while(|(number, piece)| *number == 0 || piece.continues).flat_map(|(_, piece)| &piece.runs)
}

impl Convolution {
    /// Sums the places of a class two by two, each chain from end to end. Behind the last place stands one for sums that nobody wants.
    ///
    /// # Safety
    /// As for [`Convolution::run`]; pairs and background are those of the band.
    #[inline(always)]
    pub(super) unsafe fn sum_pairs<S: Simd>(
        &self,
        class: &Class,
        pixels: &[[u32; 2]],
        task: &WindowTask,
        (pairs, background): (BandPairs, Option<Background>),
    ) {
        let mut lists = Bounded::new();
        let mut order = Bounded::<u64, PLACES>::new();
        match background.filter(|_| pixels.len() >= MANY) {
            Some(background) => {
                for (number, pixel) in pixels.iter().enumerate() {
                    // SAFETY: handed on.
                    let shown = unsafe { self.shown(class, *pixel, background.marks) };
                    order.push(shown.reverse_bits() >> NUMBER << NUMBER | number as u64);
                }
                order.sort_unstable();
                // SAFETY: handed on.
                unsafe { pairs.begin::<S>(class, &background, self.work.images.channels, task) };
            }
            None => order.push_each(pixels.len(), |number| number as u64),
        }
        let number = |key: u64| (key % (1 << NUMBER)) as usize;
        for keys in order.chunks(PAIR) {
            let (one, other) = (keys[0], keys[keys.len() - 1]);
            // Pixels of background that both begin with.
            let ahead = (one & other).leading_ones().min(u64::BITS - NUMBER) as usize;
            let both = [one, other].map(|key| pixels[number(key)]);
            let second = if keys.len() == PAIR { number(other) } else { pixels.len() };
            // SAFETY: handed on.
            unsafe {
                let places = [number(one), second].map(|number| *task.places.add(number));
                let task = WindowTask { places: places.as_ptr(), ..*task };
                self.sum_pair::<S>(class, both, task, ahead, &pairs, &mut lists);
            }
        }
    }

    /// At which pixels of its first chain a window shows background: a bit for each, as far as a word goes.
    #[inline(always)]
    unsafe fn shown(&self, class: &Class, pixel: [u32; 2], marks: BandMarks) -> u64 {
        let (mut shown, mut at) = (0, 0);
        for run in first_chain(class) {
            let [down, across] = run.first(pixel);
            // SAFETY: windows lie in the band.
            let word = unsafe { marks.word(down * self.geometry.width + across, run.pixels) };
            shown |= u64::from(word).checked_shl(at).unwrap_or(0);
            at += run.pixels as u32;
        }
        shown
    }

    /// Sums two windows that begin with so many pixels of background.
    #[inline(always)]
    unsafe fn sum_pair<S: Simd>(
        &self,
        class: &Class,
        both: [[u32; 2]; PAIR],
        mut task: WindowTask,
        mut ahead: usize,
        pairs: &BandPairs,
        lists: &mut Bounded<PairList, { LISTED_ROWS * SEGMENTS }>,
    ) {
        let (wide, channels) = (self.geometry.width, self.work.images.channels);
        // SAFETY: windows lie in the band, and there is room for a list of them.
        unsafe {
            let lines = pairs.lines.all();
            if ahead > 0 {
                let begun = pairs.begun.add((ahead - 1) * task.width);
                for at in (0..task.width).step_by(S::LANES) {
                    for row in 0..PAIR {
                        S::store(task.to.add(*task.places.add(row) + at), S::load(begun.add(at)));
                    }
                }
                (task.from, task.continues) = (task.to, true);
            }
            let mut to = pairs.list;
            lists.truncate(0);
            for (number, piece) in class.pieces.iter().enumerate() {
                if number > 0 && !piece.continues {
                    sum_chain::<S>(&task, lists, pairs.kernel);
                    (task.from, task.continues) = (task.to, false);
                    to = pairs.list;
                    lists.truncate(0);
                }
                for run in &piece.runs {
                    let skipped = ahead.min(run.pixels);
                    ahead -= skipped;
                    let (mut numbers, mut left) = ([0; PAIR], [std::ptr::null(); PAIR]);
                    for (row, pixel) in both.iter().enumerate() {
                        let [down, across] = run.first(*pixel);
                        numbers[row] = (down * wide + across + skipped) * channels;
                        left[row] = lines[down].wrapping_add((across + skipped) * channels);
                    }
                    let count = pairs.marks.list_either::<S>(numbers, (run.pixels - skipped) * channels, to);
                    let right = (run.run.right + skipped * channels) * task.width;
                    let right = pairs.right.wrapping_add(right);
                    lists.push(PairList { indices: to, count, left, right });
                    to = to.add(count);
                }
            }
            sum_chain::<S>(&task, lists, pairs.kernel);
        }
    }
}

/// Sums all columns of a pair's chain.
#[inline(always)]
unsafe fn sum_chain<S: Simd>(task: &WindowTask, lists: &[PairList], kernel: PairedKernel) {
    for column in (0..task.width).step_by(PAIRED_VECTORS * S::LANES) {
        // SAFETY: handed on.
        unsafe { kernel(&WindowTask { column, ..*task }, lists) };
    }
}

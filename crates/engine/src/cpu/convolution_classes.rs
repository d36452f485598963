//! Classes of a convolution's places: those that meet the same taps, with the kernel cut into blocks for each.

use super::listed;
use super::product::ONE_PASS;
use super::window::{self, DEEP, Geometry};
use crate::plan::ConvolutionWork;
use crate::plan::layout::{GRAIN, PANEL};

/// Results up to this width have places at their sides that are summed without the zeros beyond the image.
const NARROW: usize = 32;
/// Segments of a block at most.
pub const SEGMENTS: usize = 64;

/// Places that meet the same taps.
#[derive(Clone, Debug)]
pub struct Class {
    /// Rows and columns of its places.
    pub places: [window::Class; 2],
    /// Pieces of the inner dimension whose sums are added up: for tiles.
    pub blocks: Vec<Vec<Run>>,
    /// The same sums by lists: what they read of the kernel at once.
    pub pieces: Vec<Piece>,
}

/// A piece of the inner dimension that is summed by lists.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What it consists of.
    pub runs: Vec<PixelRun>,
    /// Whether it goes on with the chains of the piece before.
    pub continues: bool,
}

/// A run of whole pixels.
#[derive(Clone, Copy, Debug)]
pub struct PixelRun {
    /// The same as elements.
    pub run: Run,
    /// Rows of the band, and pixels, from a place's own.
    pub from: [isize; 2],
    /// How many.
    pub pixels: usize,
}

impl PixelRun {
    fn new(run: &Run, work: &ConvolutionWork, geometry: &Geometry) -> PixelRun {
        let (row, channels) = (geometry.row() as isize, work.images.channels);
        let from = [run.left.div_euclid(row), run.left.rem_euclid(row) / channels as isize];
        PixelRun { run: *run, from, pixels: run.inner / channels }
    }

    /// Line and pixel of the band at which it begins, for the window that begins at a line and a pixel.
    #[inline(always)]
    pub fn first(&self, [down, across]: [u32; 2]) -> [usize; 2] {
        let [below, beside] = self.from;
        [(down as usize).wrapping_add_signed(below), (across as usize).wrapping_add_signed(beside)]
    }
}

/// Elements that follow each other both in the window and in the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Offset in the band from a place's own.
    pub left: isize,
    /// Row of the kernel's matrix.
    pub right: usize,
    /// How many.
    pub inner: usize,
}

/// Cuts blocks for lists. A single block is one chain, whose pieces go on with each other; several are no longer than a piece.
fn pieces(blocks: &[Vec<Run>], work: &ConvolutionWork, geometry: &Geometry) -> Vec<Piece> {
    let channels = work.images.channels;
    let of_pixels = |run: &Run| PixelRun::new(run, work, geometry);
    let cut = match blocks {
        [block] => cut(block, listed::block(work.columns.min(PANEL)), channels),
        _ => blocks.to_vec(),
    };
    let pieces = cut.iter().enumerate();
    let continues = |number: usize| blocks.len() == 1 && number > 0;
    pieces
        .map(|(number, runs)| Piece {
            runs: runs.iter().map(of_pixels).collect(),
            continues: continues(number),
        })
        .collect()
}

/// Whether places at the border, above and below and at the sides, are classes of their own. Of wide images a unit has few places at the sides,
/// and of flat ones little is saved: it is not worth taking them apart.
pub fn cut_at(work: &ConvolutionWork) -> [bool; 2] {
    let deep = work.images.channels >= DEEP;
    [deep, deep && work.result[1] <= NARROW]
}

/// Finds the classes of a convolution and which elements meet in each: first without the zeros beyond an image, then with them, which lists leave
/// out by themselves. Sums are cut alike in both.
pub fn classes(work: &ConvolutionWork, geometry: &Geometry) -> [Vec<Class>; 2] {
    let [high, wide] = geometry.axes;
    let pairs = |down: Vec<window::Class>, across: Vec<window::Class>| -> Vec<[window::Class; 2]> {
        down.iter()
            .flat_map(|rows| across.iter().map(move |columns| [rows.clone(), columns.clone()]))
            .collect()
    };
    let whole = pairs(
        high.classes(work.result[0], work.images.height, false),
        wide.classes(work.result[1], work.images.width, false),
    );
    let whole = whole.into_iter().map(|places| {
        let blocks = blocks(&runs(&places, work, geometry), work.columns, work.images.channels);
        Class { pieces: pieces(&blocks, work, geometry), places, blocks }
    });
    let whole: Vec<Class> = whole.collect();
    let [deep, narrow] = cut_at(work);
    let parts = pairs(
        high.classes(work.result[0], work.images.height, deep),
        wide.classes(work.result[1], work.images.width, narrow),
    );
    let parts = parts.into_iter().map(|places| {
        let holds = |all: &Class| all.places.iter().zip(&places).all(|(all, own)| all.holds(own.first));
        let all = whole.iter().find(|all| holds(all));
        let runs = runs(&places, work, geometry);
        let cuts = all.into_iter().flat_map(|all| &all.blocks);
        let blocks = cuts.map(|cut| within(&runs, cut)).filter(|block| !block.is_empty()).collect();
        // Pieces go on with each other as those of the whole do.
        let cuts = all.into_iter().flat_map(|all| &all.pieces);
        let mut pieces: Vec<Piece> = Vec::new();
        for cut in cuts {
            let block: Vec<Run> = cut.runs.iter().map(|run| run.run).collect();
            let own = within(&runs, &block);
            if !own.is_empty() {
                let continues = cut.continues && !pieces.is_empty();
                let runs = own.iter().map(|run| PixelRun::new(run, work, geometry)).collect();
                pieces.push(Piece { runs, continues });
            }
        }
        Class { places, blocks, pieces }
    });
    [parts.collect(), whole]
}

/// The runs of a class.
fn runs([rows, columns]: &[window::Class; 2], work: &ConvolutionWork, geometry: &Geometry) -> Vec<Run> {
    let [high, wide] = geometry.axes;
    let channels = work.images.channels;
    let mut runs: Vec<Run> = Vec::new();
    let Some(side) = geometry.first_tap(columns) else { return runs };
    let side = geometry.column(wide.pixel(columns.first, side));
    let taps = rows.taps.iter().flat_map(|k| columns.taps.iter().map(move |l| (*k, *l)));
    for (k, l) in taps {
        let below = high.pixel(rows.first, k) - high.pixel(rows.first, rows.taps[0]);
        let beside = geometry.column(wide.pixel(columns.first, l)) - side;
        let left = (below * geometry.width as isize + beside) * channels as isize;
        let run = Run { left, right: (k * wide.taps + l) * channels, inner: channels };
        match runs.last_mut() {
            // A run stays in one row of the kernel, and so in one of the band.
            Some(last)
                if l != columns.taps[0]
                    && last.left + last.inner as isize == run.left
                    && last.right + last.inner == run.right =>
            {
                last.inner += channels;
            }
            _ => runs.push(run),
        }
    }
    runs
}

/// What runs have of a block: of the same rows of the kernel.
fn within(runs: &[Run], block: &[Run]) -> Vec<Run> {
    let first = block.first().map_or(0, |run| run.right);
    let last = block.last().map_or(0, |run| run.right + run.inner);
    let part = |run: &Run| {
        let (from, to) = (run.right.max(first), (run.right + run.inner).min(last));
        (from < to).then(|| Run {
            left: run.left + (from - run.right) as isize,
            right: from,
            inner: to - from,
        })
    };
    runs.iter().filter_map(part).collect()
}

/// Cuts runs into blocks: one if that is short enough to be one chain, else such as lists read at once. The narrower the result, the
/// longer they may be.
fn blocks(runs: &[Run], columns: usize, channels: usize) -> Vec<Vec<Run>> {
    let total: usize = runs.iter().map(|run| run.inner).sum();
    let width = columns.min(PANEL).next_multiple_of(GRAIN);
    let once = ONE_PASS * (PANEL / width);
    cut(runs, if total <= once { once } else { listed::block(width) }, channels)
}

/// Cuts runs into groups of so many elements at most, between pixels unless one alone has more.
fn cut(runs: &[Run], most: usize, channels: usize) -> Vec<Vec<Run>> {
    let channels = if channels <= most { channels } else { 1 };
    let most = most / channels * channels;
    let mut groups: Vec<Vec<Run>> = Vec::new();
    let mut length = 0;
    for run in runs {
        let pixels = run.inner / channels;
        let pieces = run.inner.div_ceil(most).max(1);
        for piece in 0..pieces {
            let (first, last) =
                (pixels * piece / pieces * channels, pixels * (piece + 1) / pieces * channels);
            let piece =
                Run { left: run.left + first as isize, right: run.right + first, inner: last - first };
            match groups.last_mut() {
                Some(group) if length + piece.inner <= most && group.len() < SEGMENTS => {
                    length += piece.inner;
                    group.push(piece);
                }
                _ => {
                    length = piece.inner;
                    groups.push(vec![piece]);
                }
            }
        }
    }
    groups
}

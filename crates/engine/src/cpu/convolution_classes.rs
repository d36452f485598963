//! Classes of a convolution's places: those that meet the same taps, with the kernel cut into blocks for each.

use super::product::{BLOCK, ONE_PASS};
use super::window::{self, Geometry};
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
    /// Pieces of the inner dimension.
    pub blocks: Vec<Vec<Run>>,
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

/// Finds the classes of a convolution and which elements meet in each.
pub fn classes(work: &ConvolutionWork, geometry: &Geometry) -> Vec<Class> {
    let [high, wide] = geometry.axes;
    // Of wide images a unit has few places at the sides: it is not worth taking them apart.
    let down = high.classes(work.result[0], work.images.height, true);
    let across = wide.classes(work.result[1], work.images.width, work.result[1] <= NARROW);
    let mut classes = Vec::new();
    for (rows, columns) in down.iter().flat_map(|rows| across.iter().map(move |columns| (rows, columns))) {
        let channels = work.images.channels;
        let mut runs: Vec<Run> = Vec::new();
        let taps = rows.taps.iter().flat_map(|k| columns.taps.iter().map(move |l| (*k, *l)));
        for (k, l) in taps {
            let below = high.pixel(rows.first, k) - high.pixel(rows.first, rows.taps[0]);
            let beside = geometry.column(wide.pixel(columns.first, l))
                - geometry.column(wide.pixel(columns.first, columns.taps[0]));
            let left = (below * geometry.width as isize + beside) * channels as isize;
            let run = Run { left, right: (k * wide.taps + l) * channels, inner: channels };
            match runs.last_mut() {
                Some(last)
                    if last.left + last.inner as isize == run.left
                        && last.right + last.inner == run.right =>
                {
                    last.inner += channels;
                }
                _ => runs.push(run),
            }
        }
        let places = [rows.clone(), columns.clone()];
        classes.push(Class { places, blocks: blocks(&runs, work.columns) });
    }
    classes
}

/// Cuts runs into blocks: one if that is short enough to be one chain, else such as the first cache holds. The narrower the result, the
/// longer they may be.
fn blocks(runs: &[Run], columns: usize) -> Vec<Vec<Run>> {
    let total: usize = runs.iter().map(|run| run.inner).sum();
    let width = columns.min(PANEL).next_multiple_of(GRAIN);
    let wider = PANEL / width;
    let most = if total <= ONE_PASS * wider { ONE_PASS * wider } else { BLOCK * wider };
    let mut blocks: Vec<Vec<Run>> = Vec::new();
    let mut length = 0;
    for run in runs {
        let pieces = run.inner.div_ceil(most).max(1);
        for piece in 0..pieces {
            let (first, last) = (run.inner * piece / pieces, run.inner * (piece + 1) / pieces);
            let piece =
                Run { left: run.left + first as isize, right: run.right + first, inner: last - first };
            match blocks.last_mut() {
                Some(block) if length + piece.inner <= most && block.len() < SEGMENTS => {
                    length += piece.inner;
                    block.push(piece);
                }
                _ => {
                    length = piece.inner;
                    blocks.push(vec![piece]);
                }
            }
        }
    }
    blocks
}

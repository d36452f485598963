//! Which inner indices of a left operand hold anything but zeros.
//!
//! People's data is full of zeros (the paper around a digit, the words that a text has not, what a mask has taken away), and so
//! is what rectifiers leave of a single row. A product need not touch what they would be multiplied with. A zero adds
//! nothing to a chain of multiply-adds, so results have the same bits either way, as long as the right operand is finite; what
//! is not finite is left out, too.

use super::product_tile::{Lie, Segment};
use super::simd::Simd;
use crate::plan::layout::{Marks, PANEL};

/// Room that a list has behind its last index: a vector's lanes.
pub const SLACK: usize = 16;
/// A list is worth while if at most so many quarters of the indices are on it.
pub const QUARTERS: usize = 3;
/// A list is given up once it has so many more than that of those looked at so far.
const FEW: usize = 8;
/// Tiles that pass before a look at the next one, after the first that was not worth its list.
const PATIENCE: usize = 3;

/// Marks of what a left operand holds whose inner dimension is contiguous.
#[derive(Clone, Copy)]
pub struct Marked {
    /// The words.
    pub bits: *const u64,
    /// Where they lie.
    pub of: Marks,
}

/// Where a tile lies in its left operand, which is as the product takes it.
#[derive(Clone, Copy)]
pub struct Tile {
    /// How the operand lies.
    pub lie: Lie,
    /// First row.
    pub row: usize,
    /// Rows.
    pub rows: usize,
    /// First inner index.
    pub inner: usize,
    /// A list is worth while if at most so many quarters of the indices are on it.
    pub quarters: usize,
}

/// Decides for the tiles of a unit whether to look for zeros: where there are none, ever more rarely.
pub struct Looking {
    wait: usize,
    patience: usize,
    /// Whether a look at this block was worth while.
    worth: bool,
}

impl Looking {
    /// Begins with a look.
    pub fn new() -> Looking {
        Looking { wait: 0, patience: PATIENCE, worth: false }
    }

    /// The first tile of a block of inner indices is looked at. Where these are rows, whose columns are those of the block before, only if a look
    /// at that was worth while.
    pub fn begin_block(&mut self, lie: Lie) {
        if lie == Lie::Along || self.worth {
            *self = Looking::new();
        }
    }

    /// Lists the indices that hold something in any row of a tile, segment by segment, if that leaves out enough.
    ///
    /// # Safety
    /// The machine has the level; segments and marks are the tile's; `list` has room for all indices and [`SLACK`] more.
    #[inline(always)]
    pub unsafe fn list<S: Simd>(
        &mut self,
        segments: &mut [Segment],
        tile: Tile,
        marks: Option<&Marked>,
        list: *mut u32,
    ) -> bool {
        const { assert!(S::LANES <= SLACK) };
        if self.pass(1) > 0 {
            return false;
        }
        let Tile { lie, row, rows, inner, quarters } = tile;
        let (mut from, mut seen, mut found) = (list, 0, 0);
        for segment in segments.iter_mut() {
            let span = (inner + seen, inner + seen + segment.inner);
            // SAFETY: the caller's.
            let count = unsafe {
                match (marks, lie, rows) {
                    (Some(marks), ..) => marks.along::<S>(row, rows, span, from),
                    (None, Lie::Along, 6) => along::<S, 6>(segment, from),
                    (None, Lie::Along, 4) => along::<S, 4>(segment, from),
                    (None, Lie::Along, 2) => along::<S, 2>(segment, from),
                    (None, Lie::Along, _) => along::<S, 1>(segment, from),
                    (None, Lie::Across, 6) => across::<6>(segment, from),
                    (None, Lie::Across, 4) => across::<4>(segment, from),
                    (None, Lie::Across, 2) => across::<2>(segment, from),
                    (None, Lie::Across, _) => across::<1>(segment, from),
                }
            };
            (seen, found) = (seen + segment.inner, found + count);
            if 4 * found > quarters * seen + 4 * FEW {
                break;
            }
            segment.listed = from;
            segment.count = count;
            from = from.wrapping_add(count);
        }
        self.found(4 * found <= quarters * seen)
    }

    /// Tiles of the next `count` that pass without a look.
    #[inline(always)]
    pub fn pass(&mut self, count: usize) -> usize {
        let passing = self.wait.min(count);
        self.wait -= passing;
        passing
    }

    /// Takes note of whether a look was worth while, and gives it.
    #[inline(always)]
    pub fn found(&mut self, worth: bool) -> bool {
        self.worth |= worth;
        if worth {
            self.patience = PATIENCE;
        } else {
            (self.wait, self.patience) = (self.patience, 2 * self.patience + 1);
        }
        worth
    }
}

impl Marked {
    /// [`along`] from marks: a panel of indices at a time.
    #[inline(always)]
    unsafe fn along<S: Simd>(
        &self,
        row: usize,
        rows: usize,
        (first, last): (usize, usize),
        list: *mut u32,
    ) -> usize {
        let (mut count, mut at) = (0, first);
        while at < last {
            let (panel, start) = (at / PANEL, at % PANEL);
            let length = (PANEL - start).min(last - at);
            // SAFETY: the rows have a word in every panel, and the list room for every index.
            unsafe {
                let words = self.bits.add(self.of.word(panel, row));
                let mut word = 0;
                for row in 0..rows {
                    word |= *words.add(row);
                }
                word = (word >> start) & (u64::MAX >> (PANEL - length));
                for lane in (0..length).step_by(S::LANES) {
                    let bits = (word >> lane) as u32 & (u32::MAX >> (32 - S::LANES));
                    count += S::list((at - first + lane) as u32, bits, list.add(count));
                }
            }
            at += length;
        }
        count
    }
}

/// Rows whose inner dimension is contiguous: a vector of indices at a time.
#[inline(always)]
unsafe fn along<S: Simd, const R: usize>(segment: &Segment, list: *mut u32) -> usize {
    let mut count = 0;
    let whole = segment.inner / S::LANES * S::LANES;
    // SAFETY: only what the segment spans is read.
    unsafe {
        for at in (0..whole).step_by(S::LANES) {
            let mut any = S::load(segment.pointer.add(at));
            for row in 1..R {
                any = S::or(any, S::load(segment.pointer.add(row * segment.step + at)));
            }
            count += S::list(at as u32, S::filled(any), list.add(count));
        }
        for at in whole..segment.inner {
            *list.add(count) = at as u32;
            let mut any = false;
            for row in 0..R {
                any |= *segment.pointer.add(row * segment.step + at) != 0.0;
            }
            count += usize::from(any);
        }
    }
    count
}

/// Rows that are contiguous themselves: an index at a time.
#[inline(always)]
unsafe fn across<const R: usize>(segment: &Segment, list: *mut u32) -> usize {
    let mut count = 0;
    let mut pointer = segment.pointer;
    for at in 0..segment.inner {
        // SAFETY: only what the segment spans is read.
        unsafe {
            // Pairs of rows at once; −0 counts as something.
            let mut any = 0;
            for row in (0..R - R % 2).step_by(2) {
                any |= pointer.add(row).cast::<u64>().read_unaligned();
            }
            if R % 2 == 1 {
                any |= u64::from((*pointer.add(R - 1)).to_bits());
            }
            *list.add(count) = at as u32;
            count += usize::from(any != 0);
            pointer = pointer.wrapping_add(segment.step);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_rows_are_looked_at_again_where_it_was_worth_while() {
        let mut looking = Looking::new();
        assert!(looking.pass(1) == 0 && !looking.found(false));
        looking.begin_block(Lie::Across);
        assert_eq!(looking.pass(1), 1, "nothing was found in the block before");
        looking.begin_block(Lie::Along);
        assert!(looking.pass(1) == 0 && looking.found(true) && !looking.found(false));
        looking.begin_block(Lie::Across);
        assert_eq!(looking.pass(1), 0, "something was");
    }
}

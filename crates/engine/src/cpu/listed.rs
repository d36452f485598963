//! Rows summed each by a list of its own: the inner indices at which it holds anything.
//!
//! What rectifiers leave, what unpooling spreads and what a mask keeps are zeros at places that differ from row to row, so that a tile of
//! several rows finds hardly an index at which all are zero. Here every row has its own list, and a few narrow rows run side by side, since one
//! alone would wait for its own sums. A row of the right operand is then read for each row of the result instead of once for a tile: that pays
//! where a good part is zeros, and the first cache holds what is read of the right operand. The sums' bits are those of a tile's chains (see
//! `occupied`).

use super::mark;
use super::simd::Simd;
use super::window_tile::{WindowTask, begin_sums, store_sums};
use crate::plan::layout::{GRAIN, PANEL};

/// Rows that are summed side by side at most.
pub const LISTED_ROWS: usize = 4;
/// Rows of a full panel of a right operand that are read by lists at once, as measured: with fewer, sums are fetched and put back more often; with
/// more, the first cache has lost a row before it is met again.
const LISTED_BLOCK: usize = 192;
/// Shorter rows are not worth a list.
pub const LEAST: usize = 32;
/// Bits that are listed by one look-up.
pub const BYTE: usize = 8;
/// Bits of a word of marks.
pub const WORD: usize = 32;

/// What a row holds.
#[derive(Clone, Copy)]
pub struct RowList {
    /// The inner indices at which it is not zero, in order.
    pub indices: *const u16,
    /// How many.
    pub count: usize,
    /// The row's numbers: what index 0 would name.
    pub left: *const f32,
    /// The right operand's row that index 0 would name.
    pub right: *const f32,
}

impl RowList {
    /// Nothing.
    pub const EMPTY: RowList =
        RowList { indices: std::ptr::null(), count: 0, left: std::ptr::null(), right: std::ptr::null() };
}

/// Numbers of indices that a list of a row of so many needs.
pub fn room(inner: usize) -> usize {
    // Whole vectors are written behind the last.
    inner.next_multiple_of(BYTE) + WORD
}

/// Marks of what a band holds: a bit for each of its numbers.
#[derive(Clone, Copy)]
pub struct BandMarks(*const u8);

impl BandMarks {
    /// Numbers of f32 that the marks of a band need.
    pub fn room(numbers: usize) -> usize {
        // A word may be read that begins with the last bit.
        (numbers.div_ceil(PANEL) + 1) * 2
    }

    /// Marks a band.
    ///
    /// # Safety
    /// The machine has the level; the band has so many numbers, and `to` has [`BandMarks::room`] for them.
    #[inline(always)]
    pub unsafe fn new<S: Simd>(band: *const f32, numbers: usize, to: *mut f32) -> BandMarks {
        let words = to.cast::<u64>();
        for (word, at) in (0..numbers).step_by(PANEL).enumerate() {
            // SAFETY: by the caller.
            unsafe {
                let bits = mark::bits::<S>(band.add(at), (numbers - at).min(PANEL));
                words.add(word).write_unaligned(bits);
            }
        }
        BandMarks::of(to)
    }

    /// Marks that stand somewhere.
    pub fn of(marks: *const f32) -> BandMarks {
        BandMarks(marks.cast())
    }

    /// The marks of up to [`WORD`] numbers from one on.
    ///
    /// # Safety
    /// They lie in the band.
    #[inline(always)]
    pub unsafe fn word(self, at: usize, count: usize) -> u32 {
        // SAFETY: there is a word of room behind the last mark.
        let bits = unsafe { self.0.add(at / BYTE).cast::<u64>().read_unaligned() } >> (at % BYTE);
        bits as u32 & (u32::MAX >> (WORD - count.min(WORD)))
    }

    /// How many numbers of a run are not zero.
    ///
    /// # Safety
    /// It lies in the band.
    #[inline(always)]
    pub unsafe fn count(self, at: usize, inner: usize) -> usize {
        // SAFETY: by the caller.
        unsafe { self.count_either([at, at], inner) }
    }

    /// How many numbers of either of two runs are not zero.
    ///
    /// # Safety
    /// They lie in the band.
    #[inline(always)]
    pub unsafe fn count_either(self, [one, other]: [usize; 2], inner: usize) -> usize {
        let mut count = 0;
        for from in (0..inner).step_by(WORD) {
            // SAFETY: by the caller.
            let bits = unsafe { self.word(one + from, inner - from) | self.word(other + from, inner - from) };
            count += bits.count_ones() as usize;
        }
        count
    }

    /// Whether all numbers of a run are marked.
    ///
    /// # Safety
    /// It lies in the band.
    #[inline(always)]
    pub unsafe fn holds_all(self, at: usize, inner: usize) -> bool {
        (0..inner).step_by(WORD).all(|from| {
            // SAFETY: by the caller.
            unsafe { self.word(at + from, inner - from) == u32::MAX >> (WORD - (inner - from).min(WORD)) }
        })
    }

    /// Lists those of a run, whose first number has a given index. Gives their number.
    ///
    /// # Safety
    /// It lies in the band; `to` has room for as many as there are, and for a word's behind them.
    #[inline(always)]
    pub unsafe fn list<S: Simd>(self, at: usize, inner: usize, first: usize, to: *mut u16) -> usize {
        let mut count = 0;
        for from in (0..inner).step_by(WORD) {
            // SAFETY: by the caller.
            unsafe {
                count += S::list_narrow(self.word(at + from, inner - from), first + from, to.add(count))
            };
        }
        count
    }

    /// [`BandMarks::list`] of what either of two runs holds, whose first numbers have index 0.
    ///
    /// # Safety
    /// As there, for both.
    #[inline(always)]
    pub unsafe fn list_either<S: Simd>(self, [one, other]: [usize; 2], inner: usize, to: *mut u16) -> usize {
        let mut count = 0;
        for from in (0..inner).step_by(WORD) {
            // SAFETY: by the caller.
            unsafe {
                let bits = self.word(one + from, inner - from) | self.word(other + from, inner - from);
                count += S::list_narrow(bits, from, to.add(count));
            }
        }
        count
    }

    /// The marks of eight numbers from one on.
    ///
    /// # Safety
    /// They lie in the band.
    #[inline(always)]
    pub unsafe fn byte(self, at: usize) -> u8 {
        // SAFETY: by the caller; there is a word of room behind the last mark.
        let bits = unsafe { self.0.add(at / BYTE).cast::<u16>().read_unaligned() };
        (bits >> (at % BYTE)) as u8
    }
}

/// Turns 32 rows of eight bits: a word for each column, a bit in it for each row.
pub fn turn_bits(rows: &[u8; WORD]) -> [u32; BYTE] {
    let mut words = [0; BYTE];
    for (number, rows) in rows.chunks_exact(BYTE).enumerate() {
        let square = rows.iter().rev().fold(0, |square, row| square << BYTE | u64::from(*row));
        for (word, column) in words.iter_mut().zip(turn_square(square).to_le_bytes()) {
            *word |= u32::from(column) << (BYTE * number);
        }
    }
    words
}

/// Writes the numbers of the bits of a word, the first being `first`. Gives how many there are.
///
/// # Safety
/// `to` has room for as many as a word has bits.
#[inline(always)]
pub unsafe fn list_word(mut bits: u32, first: usize, to: *mut u16) -> usize {
    let mut count = 0;
    for byte in 0..WORD / BYTE {
        // SAFETY: by the caller.
        count += unsafe { list_byte(bits as u8, first + byte * BYTE, to.add(count)) };
        bits >>= BYTE;
    }
    count
}

/// Writes the numbers of the bits of a byte, the first being `first`. Gives how many there are; eight are written.
///
/// # Safety
/// `to` has room for eight.
#[inline(always)]
unsafe fn list_byte(bits: u8, first: usize, to: *mut u16) -> usize {
    let [low, high] = PLACES_OF_BITS[usize::from(bits)];
    // Four indices a word; none of them overflows into the next.
    let base = (first as u64).wrapping_mul(0x0001_0001_0001_0001);
    // SAFETY: by the caller.
    unsafe { to.cast::<[u64; 2]>().write_unaligned([low.wrapping_add(base), high.wrapping_add(base)]) };
    bits.count_ones() as usize
}

/// Turns a square of 8×8 bits, a byte a row.
#[inline(always)]
fn turn_square(mut bits: u64) -> u64 {
    for (mask, distance) in
        [(0x00aa_00aa_00aa_00aa, 7), (0x0000_cccc_0000_cccc, 14), (0x0000_0000_f0f0_f0f0, 28)]
    {
        let swapped = (bits ^ (bits >> distance)) & mask;
        bits ^= swapped ^ (swapped << distance);
    }
    bits
}

/// The places of the bits that are set in a byte, 16 bits each, four to a word.
static PLACES_OF_BITS: [[u64; 2]; 256] = places_of_bits();

const fn places_of_bits() -> [[u64; 2]; 256] {
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut count) = (0, 0);
        while bit < BYTE as u64 {
            if byte >> bit & 1 == 1 {
                table[byte][count / 4] |= bit << (16 * (count % 4));
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    table
}

/// Whether lists are worth while of rows that hold so much of so many numbers: a narrow result has little work to save.
#[inline(always)]
pub fn worth<S: Simd>(found: usize, seen: usize, width: usize) -> bool {
    let narrow = 4usize.saturating_sub(width / S::LANES);
    8 * found <= S::LISTED_EIGHTHS.saturating_sub(narrow) * seen
}

/// How many rows of a panel so wide are read by lists at once.
pub fn block(width: usize) -> usize {
    LISTED_BLOCK * (PANEL / width.next_multiple_of(GRAIN))
}

/// Where what each index names lies, from a row's own numbers and from its first row of the right operand: evenly apart, or as a table says.
#[derive(Clone, Copy)]
pub enum Offsets {
    /// Numbers follow each other, rows of the right operand are so far apart.
    Even(usize),
    /// The same, but an offset for each number.
    Left(*const i32, usize),
    /// Numbers are so far apart, and there is an offset for each row of the right operand.
    Right(usize, *const i32),
}

/// Sums R rows of V vectors by their lists, which stand R by R, one after another.
///
/// # Safety
/// The machine has the level; every list's indices name numbers of its row and rows of the right operand.
#[inline(always)]
pub unsafe fn sum_listed<S: Simd, const R: usize, const V: usize>(
    task: &WindowTask,
    lists: &[RowList],
    offsets: &Offsets,
) {
    // SAFETY: the caller vouches for pointers and extents.
    unsafe {
        match *offsets {
            Offsets::Even(step) => sum::<S, R, V, EVEN>(task, lists, (1, step), std::ptr::null()),
            Offsets::Left(table, step) => sum::<S, R, V, LEFT>(task, lists, (1, step), table),
            Offsets::Right(step, table) => sum::<S, R, V, RIGHT>(task, lists, (step, 1), table),
        }
    }
}

/// A row of the right operand that adds nothing.
static ZEROS: [f32; PANEL] = [0.0; PANEL];

/// Kinds of [`Offsets`].
const EVEN: u8 = 0;
const LEFT: u8 = 1;
const RIGHT: u8 = 2;

#[inline(always)]
unsafe fn sum<S: Simd, const R: usize, const V: usize, const KIND: u8>(
    task: &WindowTask,
    lists: &[RowList],
    steps: (usize, usize),
    table: *const i32,
) {
    // SAFETY: the caller vouches for pointers and extents.
    unsafe {
        let of = (steps, table, task.column);
        let mut sums = begin_sums::<S, R, V>(task);
        for rows in lists.chunks_exact(R) {
            let (mut joint, mut all) = (rows[0].count, rows[0].count);
            for row in &rows[1..] {
                (joint, all) = (joint.min(row.count), all.max(row.count));
            }
            if joint == 0 {
                for r in 0..R {
                    for at in 0..rows[r].count {
                        add::<S, V, KIND>(&rows[r], at, true, of, &mut sums[r]);
                    }
                }
                continue;
            }
            for at in 0..joint {
                for r in 0..R {
                    add::<S, V, KIND>(&rows[r], at, true, of, &mut sums[r]);
                }
            }
            // Ends are taken together, too: a row that is at its end adds nothing. To tell rows apart would take longer, since
            // nobody can foresee which is the longer one.
            for at in joint..all {
                for r in 0..R {
                    let last = rows[r].count - 1;
                    add::<S, V, KIND>(&rows[r], at.min(last), at <= last, of, &mut sums[r]);
                }
            }
        }
        store_sums::<S, R, V>(task, sums);
    }
}

/// Adds what stands at a place of a list to its row's sums; with `holds` false, nothing of it.
#[inline(always)]
unsafe fn add<S: Simd, const V: usize, const KIND: u8>(
    row: &RowList,
    at: usize,
    holds: bool,
    (steps, table, column): ((usize, usize), *const i32, usize),
    sums: &mut [S::V; V],
) {
    // SAFETY: by the caller.
    unsafe {
        let index = usize::from(*row.indices.add(at));
        let (left, right) = match KIND {
            LEFT => (*table.add(index) as usize, index * steps.1),
            RIGHT => (index * steps.0, *table.add(index) as usize),
            _ => (index, index * steps.1),
        };
        let number = *row.left.wrapping_add(left);
        // Zero times zero: what stands at the last index may be infinite.
        let (number, from) = match holds {
            true => (number, row.right.wrapping_add(right + column)),
            false => (0.0, ZEROS.as_ptr()),
        };
        let factor = S::splat(number);
        for (v, sum) in sums.iter_mut().enumerate() {
            *sum = S::fma(factor, S::load(from.wrapping_add(v * S::LANES)), *sum);
        }
    }
}

/// A compiled kernel of rows by lists.
pub type ListedKernel = unsafe fn(&WindowTask, &[RowList], &Offsets);

/// The kernels of a level: by rows − 1 (1, 2 and 4 are there) and vectors − 1.
pub type ListedKernels = [[Option<ListedKernel>; 4]; LISTED_ROWS];

/// Vectors to sum side by side of so many columns: about the same number each time.
#[inline(always)]
fn vectors<S: Simd>(columns: usize) -> usize {
    match (S::TILE_VECTORS, columns / S::LANES) {
        (4, 5..=6) => 3,
        (4, all @ 0..=3) => all,
        (most, _) => most,
    }
}

/// Rows to sum side by side of so many, for enough sums that none waits.
#[inline(always)]
pub fn side_by_side<S: Simd>(rows: usize, width: usize) -> usize {
    match (rows, vectors::<S>(width)) {
        (4.., ..3) => 4,
        (2.., ..4) => 2,
        _ => 1,
    }
}

/// Sums `rows` rows by their lists, all `task.width` columns. Lists stand side by side for each run, one run after another.
///
/// # Safety
/// As for [`sum_listed`], for all lists.
#[inline(always)]
pub unsafe fn sum_lists<S: Simd>(
    task: &WindowTask,
    rows: usize,
    lists: &[RowList],
    offsets: &Offsets,
    kernels: &ListedKernels,
) {
    let mut column = 0;
    while column < task.width {
        let vectors = vectors::<S>(task.width - column);
        let Some(kernel) = kernels[rows - 1][vectors - 1] else {
            debug_assert!(false, "every level has 1, 2 and 4 rows");
            return;
        };
        // SAFETY: handed on.
        unsafe { kernel(&WindowTask { column, ..*task }, lists, offsets) };
        column += vectors * S::LANES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_bits_are_turned() {
        let rows: [u8; WORD] = std::array::from_fn(|row| (37 * row + 11) as u8);
        let words = turn_bits(&rows);
        for (row, column) in (0..WORD).flat_map(|row| (0..BYTE).map(move |column| (row, column))) {
            assert_eq!(words[column] >> row & 1, u32::from(rows[row] >> column & 1), "{row}, {column}");
        }
    }

    #[test]
    fn runs_are_listed_wherever_they_begin() {
        let band: Vec<f32> = (0..200u8).map(|at| f32::from(u8::from(at % 3 == 0 || at > 190))).collect();
        let mut memory = vec![0.0f32; BandMarks::room(band.len())];
        let mut list = vec![0u16; room(band.len())];
        // SAFETY: room for the marks of a band and a list of it.
        unsafe {
            let marks = BandMarks::new::<crate::cpu::simd::plain::Plain>(
                band.as_ptr(),
                band.len(),
                memory.as_mut_ptr(),
            );
            for (at, inner) in [(0, 200), (1, 199), (7, 64), (63, 33), (195, 5), (199, 1), (30, 32)] {
                let expected: Vec<u16> = (0..inner)
                    .filter(|inner| band[at + inner] != 0.0)
                    .map(|inner| 5 + inner as u16)
                    .collect();
                let count = marks.list::<crate::cpu::simd::plain::Plain>(at, inner, 5, list.as_mut_ptr());
                assert_eq!(list[..count], expected, "{inner} from {at} on");
                assert_eq!(marks.count(at, inner), count);
            }
            for at in [0, 1, 5, 63, 190] {
                let expected = (0..BYTE).fold(0, |bits, bit| bits | u8::from(band[at + bit] != 0.0) << bit);
                assert_eq!(marks.byte(at), expected, "{at}");
            }
        }
    }
}

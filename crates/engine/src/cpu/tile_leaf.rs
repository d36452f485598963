//! Values of programs that are brought, not computed: not hot enough for vectors by hand.

use super::tile::{FeedPointer, RunContext, Stretch};
use crate::plan::program::Instruction;
use crate::random;

/// Brings a value.
///
/// # Safety
/// As for [`TileProgram::run`](super::tile::TileProgram::run); `to` has room for the stretch.
#[inline(always)]
pub unsafe fn leaf_tile(
    instruction: &Instruction,
    to: *mut f32,
    stretch: &Stretch,
    context: &RunContext<'_>,
) {
    let Stretch { row: first_row, rows, column: first_column, width, domain } = *stretch;
    for row in 0..rows {
        // SAFETY: the stretch of `to` has `rows` rows of `width`.
        let line = unsafe { std::slice::from_raw_parts_mut(to.add(row * width), width) };
        match instruction {
            // SAFETY: a buffer read by column has a number for each row.
            Instruction::Load(buffer, _) => {
                line.fill(unsafe { *context.buffers[buffer.index()].add(first_row + row) })
            }
            Instruction::Feed(input) => {
                let count = stretch.valid();
                let start = (first_row + row) * domain.columns + first_column;
                // SAFETY: the input has been checked to have rows × columns elements.
                unsafe { feed(context.feeds[*input], start, &mut line[..count]) };
                line[count..].fill(0.0);
            }
            Instruction::Position { stride, size } => {
                let start = (first_row + row) * domain.columns + first_column;
                line.iter_mut()
                    .enumerate()
                    .for_each(|(at, value)| *value = ((start + at) / stride % size) as f32);
            }
            Instruction::Random { stream, distribution, row_ids, columns } => {
                let FeedPointer::U32(ids) = context.feeds[*row_ids] else { return };
                if *columns == domain.columns && (domain.rows > 1 || *columns > 1) {
                    // SAFETY: there is an id for each row.
                    let id = unsafe { *ids.add(first_row + row) };
                    random::fill_row(
                        context.seed,
                        context.step,
                        *stream,
                        id,
                        first_column as u32,
                        line,
                        *distribution,
                    );
                } else {
                    for (at, value) in line[..stretch.valid()].iter_mut().enumerate() {
                        // SAFETY: a single column lies as a row: an id for each element.
                        let id = unsafe { *ids.add(first_column + at) };
                        *value = random::draw(context.seed, context.step, *stream, id, 0, *distribution);
                    }
                }
            }
            _ => {}
        }
    }
}

#[inline(always)]
unsafe fn feed(pointer: FeedPointer, start: usize, line: &mut [f32]) {
    let count = line.len();
    // SAFETY: the caller has checked the length of the input.
    unsafe {
        match pointer {
            FeedPointer::F32(from) => {
                line.copy_from_slice(std::slice::from_raw_parts(from.add(start), count))
            }
            FeedPointer::U32(from) => {
                line.iter_mut().enumerate().for_each(|(at, value)| *value = *from.add(start + at) as f32)
            }
            FeedPointer::U8(from) => {
                line.iter_mut().enumerate().for_each(|(at, value)| *value = f32::from(*from.add(start + at)))
            }
        }
    }
}

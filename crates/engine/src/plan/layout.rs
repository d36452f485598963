//! How a tensor lies in memory: in panels of columns, the one format of every plan.
//!
//! A tensor is seen as a matrix of `rows` × `columns` (all leading axes × the last). Its columns are cut into panels of
//! [`PANEL`]; a panel holds its rows one after another, so that a tile of a few rows and one panel is contiguous, a product
//! streams its right operand in order, and an optimiser's update of a weight tile touches three short runs of memory. The last
//! panel is as wide as it must be, rounded up to [`GRAIN`]; what lies in the rounding is never read as a value.
//! A single column lies as a single row.

use super::Operand;
use crate::graph::shape::Shape;

/// Columns of a full panel.
pub const PANEL: usize = 64;
/// Widths are rounded up to this many columns.
pub const GRAIN: usize = 16;

/// Rows and columns of a tensor in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// All leading axes together.
    pub rows: usize,
    /// The last axis.
    pub columns: usize,
}

impl Layout {
    /// The layout of a tensor of this shape.
    pub fn of(shape: Shape) -> Layout {
        match (shape.rows(), shape.columns()) {
            (rows, 1) => Layout { rows: 1, columns: rows },
            (rows, columns) => Layout { rows, columns },
        }
    }

    /// Number of panels.
    pub fn panels(&self) -> usize {
        self.columns.div_ceil(PANEL)
    }

    /// Width of a panel, rounding included.
    pub fn width(&self, panel: usize) -> usize {
        (self.columns - panel * PANEL).min(PANEL).next_multiple_of(GRAIN)
    }

    /// Where a panel begins.
    pub fn panel_start(&self, panel: usize) -> usize {
        panel * PANEL * self.rows
    }

    /// Where an element lies.
    pub fn address(&self, row: usize, column: usize) -> usize {
        let panel = column / PANEL;
        self.panel_start(panel) + row * self.width(panel) + column % PANEL
    }

    /// Numbers in memory, rounding included.
    pub fn length(&self) -> usize {
        match self.panels() {
            0 => 0,
            panels => self.panel_start(panels - 1) + self.rows * self.width(panels - 1),
        }
    }

    /// Whether rows follow each other without a gap, as the numbers of a table do.
    pub fn has_no_gaps(&self) -> bool {
        self.columns <= PANEL && self.columns.is_multiple_of(GRAIN)
    }

    /// Elements without rounding.
    pub fn elements(&self) -> usize {
        self.rows * self.columns
    }

    /// Writes row-major values into the layout.
    pub fn import(&self, values: &[f32], memory: &mut [f32]) {
        for row in 0..self.rows {
            for panel in 0..self.panels() {
                let first = panel * PANEL;
                let count = (self.columns - first).min(PANEL);
                let to = self.address(row, first);
                let from = row * self.columns + first;
                memory[to..to + count].copy_from_slice(&values[from..from + count]);
            }
        }
    }

    /// Reads the layout as row-major values.
    pub fn export(&self, memory: &[f32], values: &mut [f32]) {
        for row in 0..self.rows {
            for panel in 0..self.panels() {
                let first = panel * PANEL;
                let count = (self.columns - first).min(PANEL);
                let from = self.address(row, first);
                let to = row * self.columns + first;
                values[to..to + count].copy_from_slice(&memory[from..from + count]);
            }
        }
    }
}

/// An axis before the last one, or several side by side, in a layout, where all such axes together are its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    /// Its indices.
    pub size: usize,
    /// Rows from one index to the next.
    pub step: usize,
}

impl Axis {
    /// The marked axes of a shape, if they are side by side and the last one is not among them; those of size 1 lie anywhere.
    pub fn of(shape: Shape, marked: impl Fn(usize) -> bool) -> Option<Axis> {
        let sizes = shape.sizes();
        let leading = sizes.len() - 1;
        let first = (0..=leading).find(|axis| marked(*axis) && sizes[*axis] > 1)?;
        let own = (first..=leading).take_while(|axis| marked(*axis) || sizes[*axis] == 1);
        let end = first + own.count();
        let alone = end <= leading && (end..=leading).all(|axis| !marked(axis) || sizes[axis] == 1);
        let product = |axes: std::ops::Range<usize>| sizes[axes].iter().product();
        alone.then(|| Axis { size: product(first..end), step: product(end..leading) })
    }

    /// The row that a row belongs to where the axis is taken away.
    pub fn without(&self, row: usize) -> usize {
        row / (self.size * self.step) * self.step + row % self.step
    }

    /// The row at its first index of which [`Axis::without`] is this one.
    pub fn first(&self, row: usize) -> usize {
        row / self.step * self.size * self.step + row % self.step
    }

    /// The layout of what has this axis, without it.
    pub fn taken_from(&self, layout: Layout) -> Layout {
        Layout { rows: layout.rows / self.size, ..layout }
    }

    /// Whether a layout can have it: a single column lies as a row.
    pub fn fits(&self, layout: Layout) -> bool {
        let whole = self.size.checked_mul(self.step).filter(|whole| *whole > 0);
        layout.columns > 1 && whole.is_some_and(|whole| layout.rows.is_multiple_of(whole))
    }
}

/// Where the marks of a matrix lie: 64 bits for a row of a panel, a bit for each number, the rows of a panel one after
/// another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marks {
    /// Rows of the matrix.
    pub rows: usize,
    /// Columns of the matrix.
    pub columns: usize,
}

impl Marks {
    /// Of an operand as it lies.
    pub fn of(operand: &Operand) -> Marks {
        Marks { rows: operand.rows, columns: operand.columns }
    }

    /// Panels of the matrix.
    pub fn panels(&self) -> usize {
        self.columns.div_ceil(PANEL)
    }

    /// The place of a row's bits, in words of 64 bits.
    pub fn word(&self, panel: usize, row: usize) -> usize {
        panel * self.rows.next_multiple_of(8) + row
    }

    /// The same, in numbers of 32 bits.
    pub fn place(&self, panel: usize, row: usize) -> usize {
        2 * self.word(panel, row)
    }

    /// The memory that they take.
    pub fn layout(&self) -> Layout {
        Layout { rows: 1, columns: self.place(self.panels(), 0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn import_and_export_are_inverse_and_elements_do_not_meet() {
        for (rows, columns) in [(1, 1), (3, 5), (7, 64), (2, 65), (5, 130), (1, 1000)] {
            let layout = Layout { rows, columns };
            let values: Vec<f32> = (0..rows * columns).map(|i| i as f32 + 1.0).collect();
            let mut memory = vec![0.0; layout.length()];
            layout.import(&values, &mut memory);
            assert_eq!(memory.iter().filter(|value| **value != 0.0).count(), values.len());
            assert_eq!(memory[layout.address(rows - 1, columns - 1)], (rows * columns) as f32);
            let mut back = vec![0.0; values.len()];
            layout.export(&memory, &mut back);
            assert_eq!(back, values);
        }
    }

    #[test]
    fn rows_find_their_place_without_an_axis() {
        let of = |axes: [usize; 2]| Axis::of(Shape::from([2, 3, 1, 4, 5]), |axis| axes.contains(&axis));
        let middle = of([1, 2]).unwrap();
        assert_eq!(middle, Axis { size: 3, step: 4 });
        assert_eq!(middle, of([1, 1]).unwrap());
        assert_eq!(of([0, 1]), Some(Axis { size: 6, step: 4 }));
        assert_eq!(of([1, 3]), Some(Axis { size: 12, step: 1 }));
        // Not side by side; the last one among them; nothing to take away.
        assert_eq!([of([0, 3]), of([3, 4]), of([2, 2])], [None; 3]);
        let row = |index: [usize; 3]| (index[0] * 3 + index[1]) * 4 + index[2];
        for (first, inner, last) in
            (0..2).flat_map(|a| (0..3).flat_map(move |b| (0..4).map(move |c| (a, b, c))))
        {
            assert_eq!(middle.without(row([first, inner, last])), first * 4 + last);
            assert_eq!(middle.first(first * 4 + last), row([first, 0, last]));
        }
        assert!(
            middle.fits(Layout { rows: 24, columns: 5 }) && !middle.fits(Layout { rows: 25, columns: 5 })
        );
        assert!(!middle.fits(Layout { rows: 24, columns: 1 }));
        // A size times a step that is 1 where numbers wrap.
        let wrapping = Axis { size: 3, step: usize::MAX / 3 * 2 + 1 };
        assert!(
            wrapping.size.wrapping_mul(wrapping.step) == 1 && !wrapping.fits(Layout { rows: 24, columns: 5 })
        );
    }

    #[test]
    fn a_column_lies_as_a_row() {
        assert_eq!(Layout::of(Shape::from([9, 1])), Layout::of(Shape::from([9])));
        assert_eq!(Layout::of(Shape::from([2, 3, 4])), Layout { rows: 6, columns: 4 });
    }
}

//! Shapes: up to six axes, sizes known when the graph is written.

use std::fmt;

/// Largest number of axes.
pub const MAX_RANK: usize = 6;

/// The sizes of a tensor's axes, the last one varying fastest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    sizes: [usize; MAX_RANK],
    rank: u8,
}

impl Shape {
    /// The shape of a scalar.
    pub const SCALAR: Shape = Shape { sizes: [1; MAX_RANK], rank: 0 };

    /// A shape from its sizes. More than [`MAX_RANK`] axes make a shape without elements, which no graph takes.
    pub fn new(sizes: &[usize]) -> Shape {
        if sizes.len() > MAX_RANK {
            return Shape { sizes: [0; MAX_RANK], rank: MAX_RANK as u8 };
        }
        let mut shape = Shape { sizes: [1; MAX_RANK], rank: sizes.len() as u8 };
        for (to, from) in shape.sizes.iter_mut().zip(sizes) {
            *to = *from;
        }
        shape
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// The sizes, first axis first.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes[..self.rank()]
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.sizes().iter().fold(1, |product: usize, size| product.saturating_mul(*size))
    }

    /// Whether it has elements, and not more than any machine holds.
    pub fn is_possible(&self) -> bool {
        (1..1 << 40).contains(&self.elements())
    }

    /// Size of the last axis; 1 for a scalar.
    pub fn columns(&self) -> usize {
        self.sizes().last().copied().unwrap_or(1)
    }

    /// Elements divided by [`Shape::columns`]: all leading axes together.
    pub fn rows(&self) -> usize {
        self.sizes().split_last().map_or(1, |(_, leading)| leading.iter().product())
    }

    /// The shape with axis `axis` set to `size`.
    pub fn with(mut self, axis: usize, size: usize) -> Shape {
        self.sizes[axis] = size;
        self
    }

    /// Row-major strides, in elements.
    pub fn strides(&self) -> [usize; MAX_RANK] {
        let mut strides = [1; MAX_RANK];
        for axis in (0..self.rank().saturating_sub(1)).rev() {
            strides[axis] = strides[axis + 1] * self.sizes[axis + 1];
        }
        strides
    }

    /// The shape that both operands are repeated to, axes aligned at the end, size 1 stretching to any size.
    pub fn broadcast(&self, other: &Shape) -> Option<Shape> {
        let rank = self.rank().max(other.rank());
        let mut result = Shape { sizes: [1; MAX_RANK], rank: rank as u8 };
        for back in 1..=rank {
            let (left, right) = (self.size_from_end(back), other.size_from_end(back));
            result.sizes[rank - back] = match (left, right) {
                (left, right) if left == right => left,
                (1, right) => right,
                (left, 1) => left,
                _ => return None,
            };
        }
        Some(result)
    }

    fn size_from_end(&self, back: usize) -> usize {
        if back <= self.rank() { self.sizes[self.rank() - back] } else { 1 }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[")?;
        for (axis, size) in self.sizes().iter().enumerate() {
            if axis > 0 {
                formatter.write_str("×")?;
            }
            write!(formatter, "{size}")?;
        }
        formatter.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(sizes: [usize; N]) -> Shape {
        Shape::new(&sizes)
    }
}

impl From<&[usize]> for Shape {
    fn from(sizes: &[usize]) -> Shape {
        Shape::new(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_aligns_at_the_end() {
        let row = Shape::from([3]);
        let matrix = Shape::from([2, 3]);
        assert_eq!(row.broadcast(&matrix), Some(matrix));
        assert_eq!(Shape::from([2, 1]).broadcast(&row), Some(matrix));
        assert_eq!(Shape::from([2]).broadcast(&row), None);
        assert_eq!(Shape::SCALAR.broadcast(&row), Some(row));
    }

    #[test]
    fn rows_and_columns_split_before_the_last_axis() {
        let shape = Shape::from([4, 5, 6]);
        assert_eq!((shape.rows(), shape.columns(), shape.elements()), (20, 6, 120));
        assert_eq!((Shape::SCALAR.rows(), Shape::SCALAR.columns()), (1, 1));
        assert_eq!(shape.strides()[..3], [30, 6, 1]);
        assert_eq!(shape.to_string(), "[4×5×6]");
    }
}

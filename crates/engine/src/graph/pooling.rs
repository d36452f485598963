//! Pooling: windows of an image that become a pixel, channel by channel, and the ways back.

use super::convolution::Convolution;
use super::op::{Binary, Kind, Op, Pooling, Windows};
use super::shape::Shape;
use super::{Node, Tensor};
use crate::error::Error;

/// Windows that go over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Height and width of a window.
    pub size: [usize; 2],
    /// Pixels from one window to the next.
    pub stride: [usize; 2],
    /// Pixels in front of the image that windows reach.
    pub before: [usize; 2],
    /// Pixels behind the image that windows reach.
    pub after: [usize; 2],
}

impl Pool {
    /// Windows side by side.
    pub fn of(size: [usize; 2]) -> Pool {
        Pool { size, stride: size, before: [0; 2], after: [0; 2] }
    }

    fn form(&self) -> Convolution {
        let Pool { stride, before, after, .. } = *self;
        Convolution { stride, before, after, ..Convolution::default() }
    }

    /// Height and width of what the windows of an image of height and width `size` become; nothing if none fits.
    pub fn output(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        self.form().output(size, self.size)
    }

    fn windows(&self) -> Windows {
        Windows { stride: self.stride, dilation: [1; 2], before: self.before }
    }
}

impl<'g> Tensor<'g> {
    /// Where the largest pixel of each window of images, N×H×W×C, lies: its number in the window, row by row; the first of equal ones. Pixels
    /// beyond the image are not looked at. N×H'×W'×C. A choice, taken as a constant by differentiation.
    pub fn pool_positions(self, pool: &Pool) -> Tensor<'g> {
        self.pooled("pool_positions", Pooling::Positions, pool, None)
    }

    /// The pixel of each window that `positions` name.
    pub fn pool_pick(self, pool: &Pool, positions: Tensor<'g>) -> Tensor<'g> {
        self.pooled("pool_pick", Pooling::Pick, pool, Some(positions))
    }

    /// Maximum pooling: the largest pixel of each window.
    pub fn max_pool(self, pool: &Pool) -> Tensor<'g> {
        self.max_pool_with_positions(pool).0
    }

    /// The largest pixel of each window, and where it lies, as [`Tensor::pool_positions`] tells it (of pixels that a number was added to, before
    /// that is rounded).
    pub fn max_pool_with_positions(self, pool: &Pool) -> (Tensor<'g>, Tensor<'g>) {
        // The largest of what is not below a number is the largest itself, if it is not below: a rectifier waits for fewer pixels, and its
        // derivative needs no others.
        if let Some((least, pixels)) = self.not_below() {
            let (largest, positions) = pixels.max_pool_with_positions(pool);
            // Where no pixel is above it all are equal, and the first is taken.
            let first = self.first_positions(pool);
            return (least.maximum(largest), largest.greater(least).select(positions, first));
        }
        // So does what is added to every pixel.
        if let Some((pixels, added)) = self.with_bias() {
            let (largest, positions) = pixels.max_pool_with_positions(pool);
            return (largest + added, positions);
        }
        let positions = self.pool_positions(pool);
        (self.pool_pick(pool, positions), positions)
    }

    /// The number in its window of each window's first pixel that lies in the image.
    fn first_positions(self, pool: &Pool) -> Tensor<'g> {
        let sizes = self.shape();
        let [_, height, width, _] = <[usize; 4]>::try_from(sizes.sizes()).unwrap_or([1; 4]);
        let Some([rows, columns]) = pool.output([height, width]) else { return self.graph.constant(0.0) };
        if pool.before == [0; 2] {
            return self.graph.constant(0.0);
        }
        let beyond = |axis: usize, place: usize| pool.before[axis].saturating_sub(place * pool.stride[axis]);
        let first = |at: usize| beyond(0, at / columns) * pool.size[1] + beyond(1, at % columns);
        let all: Vec<f32> = (0..rows * columns).map(|at| first(at) as f32).collect();
        self.graph.table([1, rows, columns, 1], &all)
    }

    /// The operands of a sum whose second has a number for each channel.
    fn with_bias(self) -> Option<(Tensor<'g>, Tensor<'g>)> {
        let (pixels, added) = self.operands_of(Binary::Add)?;
        let added = added.unstretched()?;
        let channels = self.shape().columns();
        let each = added.shape().elements() == channels && added.shape().columns() == channels;
        each.then_some((pixels, added))
    }

    /// The operands of a maximum whose first is one number.
    fn not_below(self) -> Option<(Tensor<'g>, Tensor<'g>)> {
        let (least, pixels) = self.operands_of(Binary::Maximum)?;
        Some((self.graph.constant(least.unstretched()?.constant_value()?), pixels))
    }

    fn operands_of(self, binary: Binary) -> Option<(Tensor<'g>, Tensor<'g>)> {
        let Node { op: Op::Binary(found), operands, .. } = self.graph.node(self.id) else {
            return None;
        };
        (found == binary).then(|| (self.graph.tensor(operands[0]), self.graph.tensor(operands[1])))
    }

    /// What was stretched to this, before its axes were aligned.
    fn unstretched(self) -> Option<Tensor<'g>> {
        let Node { op: Op::Broadcast, operands: aligned, .. } = self.graph.node(self.id) else {
            return None;
        };
        match self.graph.node(aligned[0]) {
            Node { op: Op::Reshape, operands, .. } => Some(self.graph.tensor(operands[0])),
            _ => Some(self.graph.tensor(aligned[0])),
        }
    }

    /// The sum of each window.
    pub fn pool_sum(self, pool: &Pool) -> Tensor<'g> {
        self.pooled("pool_sum", Pooling::Sum, pool, None)
    }

    /// Zeros, N×H×W×C with `size` for H and W, to which each of these pixels, N×H'×W'×C, is added where `positions` name in its window.
    pub fn unpool(self, pool: &Pool, positions: Tensor<'g>, size: [usize; 2]) -> Tensor<'g> {
        self.unpooled("unpool", Pooling::Put, pool, Some(positions), size)
    }

    /// Zeros, N×H×W×C with `size` for H and W, to which each of these pixels, N×H'×W'×C, is added everywhere in its window.
    pub fn pool_repeat(self, pool: &Pool, size: [usize; 2]) -> Tensor<'g> {
        self.unpooled("pool_repeat", Pooling::Repeat, pool, None, size)
    }

    fn pooled(
        self,
        operation: &'static str,
        pooling: Pooling,
        pool: &Pool,
        positions: Option<Tensor<'g>>,
    ) -> Tensor<'g> {
        let Ok([count, height, width, channels]) = <[usize; 4]>::try_from(self.shape().sizes()) else {
            return self.refuse(operation, "images: four axes".to_owned(), self.shape());
        };
        if !self.pool_is_possible(operation, pool) {
            return self;
        }
        let Some([rows, columns]) = pool.output([height, width]) else {
            let expected = format!("an image that holds a window of {}×{}", pool.size[0], pool.size[1]);
            return self.refuse(operation, expected, self.shape());
        };
        let shape = Shape::from([count, rows, columns, channels]);
        self.add_pooling(operation, pooling, pool, positions, (shape, shape))
    }

    fn unpooled(
        self,
        operation: &'static str,
        pooling: Pooling,
        pool: &Pool,
        positions: Option<Tensor<'g>>,
        size: [usize; 2],
    ) -> Tensor<'g> {
        let Ok([count, height, width, channels]) = <[usize; 4]>::try_from(self.shape().sizes()) else {
            return self.refuse(operation, "images: four axes".to_owned(), self.shape());
        };
        if !self.pool_is_possible(operation, pool) {
            return self;
        }
        if pool.output(size) != Some([height, width]) {
            let expected = format!("a size that its windows make of {}×{}", size[0], size[1]);
            return self.refuse(operation, expected, self.shape());
        }
        let shape = Shape::from([count, size[0], size[1], channels]);
        self.add_pooling(operation, pooling, pool, positions, (self.shape(), shape))
    }

    fn pool_is_possible(self, operation: &'static str, pool: &Pool) -> bool {
        self.expect_numbers(operation);
        // A window that no pixel lies in has no largest one.
        let sees = (0..2).all(|axis| pool.before[axis].max(pool.after[axis]) < pool.size[axis]);
        let possible = sees && !pool.stride.contains(&0);
        if !possible {
            let expected = "strides of at least 1, and windows larger than the zeros around".to_owned();
            self.refuse(operation, expected, self.shape());
        }
        possible
    }

    fn add_pooling(
        self,
        operation: &'static str,
        pooling: Pooling,
        pool: &Pool,
        positions: Option<Tensor<'g>>,
        (small, shape): (Shape, Shape),
    ) -> Tensor<'g> {
        if let Some(positions) = positions.filter(|positions| positions.shape() != small) {
            let (place, left, right) = (self.graph.place(), small, positions.shape());
            self.graph.fail(Error::Shapes { operation, place, left, right });
            return self;
        }
        self.pooling(pooling, pool.windows(), pool.size, positions, shape)
    }

    /// The primitive; shapes go together.
    pub(crate) fn pooling(
        self,
        pooling: Pooling,
        windows: Windows,
        size: [usize; 2],
        positions: Option<Tensor<'g>>,
        shape: Shape,
    ) -> Tensor<'g> {
        let op = Op::Pooling { pooling, windows, size };
        let operands: Vec<_> = [self.id].into_iter().chain(positions.map(|positions| positions.id)).collect();
        self.graph.add(op, &operands, shape, Kind::F32)
    }
}

//! Top-k: which values of a row are its largest.

use super::Tensor;
use super::op::{Kind, Op};

impl<'g> Tensor<'g> {
    /// 1 at the `count` largest values along the last axis, 0 elsewhere; of several equal ones the lowest index counts first. A
    /// choice, taken as a constant by differentiation: `x * x.largest(k)` keeps the k largest values and passes their gradient.
    pub fn largest(self, count: usize) -> Tensor<'g> {
        self.expect_numbers("largest");
        let shape = self.shape();
        if count == 0 || shape.rank() == 0 {
            return self.refuse("largest", format!("a count above 0 along an axis, found {count}"), shape);
        }
        if count >= shape.columns() {
            return self.graph.constant(1.0).stretch(shape);
        }
        self.graph.add(Op::Largest { count }, &[self.id], shape, Kind::F32)
    }
}

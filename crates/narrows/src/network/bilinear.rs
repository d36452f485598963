//! Bilinear upsampling: pixels between pixels, weighed by distance.

use super::maps::repeated;
use narrows_engine::{Graph, Pool, Tensor};

/// So many pixels for one, down and across, N×H×W×C to N×fH×gW×C; centres are those of the pixels' areas, and beyond the edge the edge goes
/// on.
///
/// Repeated pixels, each taken together with half a factor of them to both sides: of the sums over f, those of two neighbours.
pub fn bilinear<'g>(graph: &'g Graph, x: Tensor<'g>, factor: [usize; 2]) -> Tensor<'g> {
    let [height, width] = [1, 2].map(|axis| x.shape().sizes()[axis] * factor[axis - 1]);
    let larger = repeated(x, factor, [height, width]);
    let half = factor.map(|factor| factor / 2);
    // With an odd factor a sum's middle is a pixel; with an even one it lies between two, and two sums around a pixel are taken together.
    let between = factor.map(|factor| if factor % 2 == 0 { 2 } else { 1 });
    let pooled = |x: Tensor<'g>, size: [usize; 2], half: [usize; 2]| {
        if size == [1; 2] { x } else { x.pool_sum(&Pool { size, stride: [1; 2], before: half, after: half }) }
    };
    // First down, then across.
    let mut sum = pooled(larger, [factor[0], 1], [half[0], 0]);
    sum = pooled(sum, [1, factor[1]], [0, half[1]]);
    sum = pooled(pooled(sum, [between[0], 1], [0; 2]), [1, between[1]], [0; 2]);
    // How many pixels a sum has, those that lie beyond the picture left out: the edge is then as if it went on.
    let counted = |axis: usize, size: usize, place: usize| {
        let (factor, half) = (factor[axis], half[axis]);
        let held = |first: usize| (first + factor).min(size + half) - first.max(half).min(size + half);
        (0..between[axis]).map(|step| held(place + step)).sum::<usize>()
    };
    let shares: Vec<f32> = (0..height * width)
        .map(|at| 1.0 / (counted(0, height, at / width) * counted(1, width, at % width)) as f32)
        .collect();
    sum * graph.table([1, height, width, 1], &shares)
}

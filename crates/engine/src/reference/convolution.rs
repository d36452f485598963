//! Convolutions and pooling, window by window.

use super::Operand;
use crate::graph::op::{Pooling, Windows};
use crate::graph::shape::{MAX_RANK, Shape};

/// Calls `meet` with (small image's pixel, large image's pixel, tap) for every element of every window that lies in the large image.
fn each_meeting(
    windows: Windows,
    small: Shape,
    large: Shape,
    taps: [usize; 2],
    mut meet: impl FnMut(&[usize], &[usize], &[usize]),
) {
    let [images, height, width] = [0, 1, 2].map(|axis| small.sizes()[axis]);
    let pixel = |axis: usize, window: usize, tap: usize| {
        let at = window * windows.stride[axis] + tap * windows.dilation[axis];
        at.checked_sub(windows.before[axis]).filter(|at| *at < large.sizes()[1 + axis])
    };
    for image in 0..images {
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
            for (k, l) in (0..taps[0]).flat_map(|k| (0..taps[1]).map(move |l| (k, l))) {
                if let (Some(y), Some(x)) = (pixel(0, row, k), pixel(1, column, l)) {
                    meet(&[image, row, column], &[image, y, x], &[k, l]);
                }
            }
        }
    }
}

fn at(shape: Shape, leading: &[usize], last: &[usize]) -> usize {
    let mut index = [0; MAX_RANK];
    leading.iter().chain(last).enumerate().for_each(|(axis, at)| index[axis] = *at);
    super::movement::position(shape, &index)
}

pub(super) fn convolution(
    shape: Shape,
    images: &Operand,
    kernel: &Operand,
    windows: Windows,
    upward: bool,
) -> Vec<f64> {
    let mut result = vec![0.0; shape.elements()];
    let [taps, rows, channels, columns] = [0, 1, 2, 3].map(|axis| kernel.shape.sizes()[axis]);
    let (small, large) = if upward { (images.shape, shape) } else { (shape, images.shape) };
    each_meeting(windows, small, large, [taps, rows], |window, pixel, tap| {
        let (to, from) = if upward { (pixel, window) } else { (window, pixel) };
        for (channel, column) in (0..channels).flat_map(|c| (0..columns).map(move |d| (c, d))) {
            result[at(shape, to, &[column])] += images.values[at(images.shape, from, &[channel])]
                * kernel.values[at(kernel.shape, tap, &[channel, column])];
        }
    });
    result
}

pub(super) fn kernel_gradient(
    shape: Shape,
    images: &Operand,
    gradient: &Operand,
    windows: Windows,
) -> Vec<f64> {
    let mut result = vec![0.0; shape.elements()];
    let [taps, rows, channels, columns] = [0, 1, 2, 3].map(|axis| shape.sizes()[axis]);
    each_meeting(windows, gradient.shape, images.shape, [taps, rows], |window, pixel, tap| {
        for (channel, column) in (0..channels).flat_map(|c| (0..columns).map(move |d| (c, d))) {
            result[at(shape, tap, &[channel, column])] += images.values[at(images.shape, pixel, &[channel])]
                * gradient.values[at(gradient.shape, window, &[column])];
        }
    });
    result
}

pub(super) fn pooling(
    pooling: Pooling,
    shape: Shape,
    operands: &[Operand],
    windows: Windows,
    size: [usize; 2],
) -> Vec<f64> {
    let mut result = vec![0.0; shape.elements()];
    // A window that lies beyond the image altogether has no largest pixel: its first, of value 0.
    let mut largest = vec![None; shape.elements()];
    let from = operands[0].shape;
    let (small, large) = if pooling.upward() { (from, shape) } else { (shape, from) };
    each_meeting(windows, small, large, size, |window, pixel, tap| {
        let number = (tap[0] * size[1] + tap[1]) as f64;
        for channel in 0..shape.columns() {
            let (place, pixel) = (at(small, window, &[channel]), at(large, pixel, &[channel]));
            let values = operands[0].values;
            let named = |positions: &Operand| positions.values[place] == number;
            match pooling {
                Pooling::Positions => {
                    let value = values[pixel];
                    let is_larger = |most: f64| value > most || value.is_nan() && !most.is_nan();
                    if largest[place].is_none_or(is_larger) {
                        largest[place] = Some(value);
                        result[place] = number;
                    }
                }
                Pooling::Pick if named(&operands[1]) => result[place] = values[pixel],
                Pooling::Put if named(&operands[1]) => result[pixel] += values[place],
                Pooling::Sum => result[place] += values[pixel],
                Pooling::Repeat => result[pixel] += values[place],
                Pooling::Pick | Pooling::Put => {}
            }
        }
    });
    result
}

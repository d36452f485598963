//! Rules of convolutions: the gradient by the images goes the other way, that by the kernel is a primitive whose derivatives are convolutions.

use super::Step;
use crate::graph::Tensor;
use crate::graph::op::Windows;

impl<'g> Step<'g> {
    pub(super) fn convolution(&self, windows: Windows, upward: bool, number: usize) -> Tensor<'g> {
        let (g, image, kernel) = (self.gradient, self.operand(0), self.operand(1));
        let taps = height_and_width(kernel, 0);
        match (number, upward) {
            (0, _) => g.convolve(exchanged(kernel), windows, !upward, height_and_width(image, 1)),
            (_, false) => image.kernel_gradient(g, windows, taps),
            // Windows lie in the result.
            (_, true) => exchanged(g.kernel_gradient(image, windows, taps)),
        }
    }

    pub(super) fn kernel_gradient(&self, windows: Windows, number: usize) -> Tensor<'g> {
        let (g, image, gradient) = (self.gradient, self.operand(0), self.operand(1));
        match number {
            0 => gradient.convolve(exchanged(g), windows, true, height_and_width(image, 1)),
            _ => image.convolve(g, windows, false, height_and_width(gradient, 1)),
        }
    }
}

fn height_and_width(tensor: Tensor<'_>, first: usize) -> [usize; 2] {
    [tensor.shape().sizes()[first], tensor.shape().sizes()[first + 1]]
}

/// A kernel with its channels in and out exchanged.
fn exchanged(kernel: Tensor<'_>) -> Tensor<'_> {
    kernel.permute(&[0, 1, 3, 2])
}

//! Convolutions of images, channels last.
//!
//! Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), has the shapes. As everywhere in deep learning the kernel is
//! not turned round: what is called convolution is a correlation.

use super::op::{Kind, Op, Windows};
use super::shape::Shape;
use super::{Graph, Tensor};
use crate::error::Error;

/// Channels of a group, at most, for which it is worth while to be bundled with others, and of a bundle.
const NARROW: usize = 16;
const BUNDLE: usize = 64;

/// How a kernel goes over an image, along height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Pixels from one place of the kernel to the next.
    pub stride: [usize; 2],
    /// Pixels from one element of the kernel to the next.
    pub dilation: [usize; 2],
    /// Zeros put before the image.
    pub before: [usize; 2],
    /// Zeros put behind the image.
    pub after: [usize; 2],
    /// Parts that the channels are cut into; each part of the result sees one part of the image.
    pub groups: usize,
}

impl Default for Convolution {
    /// Every place inside the image, one after another.
    fn default() -> Self {
        Convolution { stride: [1; 2], dilation: [1; 2], before: [0; 2], after: [0; 2], groups: 1 }
    }
}

impl Convolution {
    /// With the zeros around that make the result ⌈size / stride⌉ long; an odd one goes behind.
    pub fn same(self, size: [usize; 2], kernel: [usize; 2]) -> Convolution {
        let mut same = self;
        for axis in 0..2 {
            let stride = self.stride[axis].max(1);
            let places = size[axis].div_ceil(stride).max(1);
            let needed = ((places - 1) * stride).saturating_add(self.extent(axis, kernel));
            let zeros = needed.saturating_sub(size[axis]);
            (same.before[axis], same.after[axis]) = (zeros / 2, zeros - zeros / 2);
        }
        same
    }

    /// Height and width of the result for an image of height and width `size`; nothing if the kernel does not fit.
    pub fn output(&self, size: [usize; 2], kernel: [usize; 2]) -> Option<[usize; 2]> {
        let mut output = [0; 2];
        for axis in 0..2 {
            let padded = size[axis].checked_add(self.before[axis])?.checked_add(self.after[axis])?;
            let room = padded.checked_sub(self.extent(axis, kernel))?;
            output[axis] = room.checked_div(self.stride[axis])? + 1;
        }
        Some(output)
    }

    /// Pixels from the first to the last element of the kernel.
    pub fn extent(&self, axis: usize, kernel: [usize; 2]) -> usize {
        (kernel[axis].max(1) - 1).saturating_mul(self.dilation[axis]).saturating_add(1)
    }

    fn windows(&self) -> Windows {
        Windows { stride: self.stride, dilation: self.dilation, before: self.before }
    }
}

impl Graph {
    /// Ones where a group's results hear its own channels, zeros between groups: windows × groups × inputs × (groups·outputs).
    fn between_groups(&self, [windows, inputs, outputs]: [usize; 3], groups: usize) -> Tensor<'_> {
        let columns = groups * outputs;
        let own = |at: usize| at / columns % (inputs * groups) / inputs == at % columns / outputs;
        let mask: Vec<f32> =
            (0..windows * groups * inputs * columns).map(|at| f32::from(u8::from(own(at)))).collect();
        self.table([windows, groups, inputs, columns], &mask)
    }
}

impl<'g> Tensor<'g> {
    /// The convolution of images, N×H×W×C, and a kernel, K×L×(C/groups)×D: N×H'×W'×D.
    pub fn convolution(self, kernel: Tensor<'g>, form: &Convolution) -> Tensor<'g> {
        let Some((images, weights)) = self.image_and_kernel("convolution", kernel, form) else { return self };
        match form.output([images[1], images[2]], [weights[0], weights[1]]) {
            Some(size) => self.grouped(form.groups, kernel, |image, kernel| {
                image.convolve(kernel, form.windows(), false, size)
            }),
            None => {
                let expected = format!(
                    "an image that holds a kernel of {}×{}, {} by {} pixels with its gaps",
                    weights[0],
                    weights[1],
                    form.extent(0, [weights[0], 1]),
                    form.extent(1, [1, weights[1]])
                );
                self.refuse("convolution", expected, self.shape())
            }
        }
    }

    /// The transposed convolution: images, N×H×W×C, each pixel spread over a window of the result, times a kernel, K×L×(C/groups)×D:
    /// N×H'×W'×D with `size` for H' and W'. This is the gradient by its images of a convolution of this form whose result is H×W, if
    /// the kernel's channels are exchanged; `size` is any that such a convolution takes to H×W.
    pub fn transposed_convolution(
        self,
        kernel: Tensor<'g>,
        form: &Convolution,
        size: [usize; 2],
    ) -> Tensor<'g> {
        const NAME: &str = "transposed_convolution";
        let Some((images, weights)) = self.image_and_kernel(NAME, kernel, form) else { return self };
        if size.contains(&0) || form.output(size, [weights[0], weights[1]]) != Some([images[1], images[2]]) {
            let expected = format!("a size that its convolution makes of {}×{}", size[0], size[1]);
            return self.refuse(NAME, expected, self.shape());
        }
        self.grouped(form.groups, kernel, |image, kernel| image.convolve(kernel, form.windows(), true, size))
    }

    /// Sizes of images and kernel, if they go together.
    fn image_and_kernel(
        self,
        operation: &'static str,
        kernel: Tensor<'g>,
        form: &Convolution,
    ) -> Option<([usize; 4], [usize; 4])> {
        self.expect_numbers(operation);
        kernel.expect_numbers(operation);
        let sizes = |tensor: Tensor<'g>| <[usize; 4]>::try_from(tensor.shape().sizes()).ok();
        let (Some(images), Some(weights)) = (sizes(self), sizes(kernel)) else {
            let (place, left, right) = (self.graph.place(), self.shape(), kernel.shape());
            self.graph.fail(Error::Shapes { operation, place, left, right });
            return None;
        };
        let groups = form.groups;
        if groups == 0 || images[3] != weights[2] * groups || weights[3] % groups != 0 {
            let (place, left, right) = (self.graph.place(), self.shape(), kernel.shape());
            let mistake = match groups {
                1 => Error::Shapes { operation, place, left, right },
                _ => Error::Operand {
                    operation,
                    place,
                    shape: left,
                    expected: format!("channels that {groups} groups divide, for a kernel of {right}"),
                },
            };
            self.graph.fail(mistake);
            return None;
        }
        if form.stride.contains(&0) || form.dilation.contains(&0) {
            let expected = "a stride and a dilation of at least 1".to_owned();
            self.refuse(operation, expected, self.shape());
            return None;
        }
        Some((images, weights))
    }

    /// Each group's channels by themselves, the results side by side. Narrow groups are bundled: a kernel that holds nothing but zeros
    /// between groups fills a tile that one of them would leave nearly empty.
    fn grouped(
        self,
        groups: usize,
        kernel: Tensor<'g>,
        convolve: impl Fn(Tensor<'g>, Tensor<'g>) -> Tensor<'g>,
    ) -> Tensor<'g> {
        if groups == 1 {
            return convolve(self, kernel);
        }
        let channels = |tensor: Tensor<'g>| tensor.shape().columns() / groups;
        let (inputs, outputs) = (channels(self), channels(kernel));
        let widest = inputs.max(outputs);
        let most = if widest <= NARROW { BUNDLE / widest } else { 1 };
        let part = |tensor: Tensor<'g>, first: usize, count: usize| {
            let mut sizes = tensor.shape().sizes().to_vec();
            let own = channels(tensor);
            sizes[3] = own * count;
            tensor.slice(&[0, 0, 0, first * own], &sizes)
        };
        let [down, across] = [0, 1].map(|axis| kernel.shape().sizes()[axis]);
        let mask_of = |count: usize| self.graph.between_groups([down * across, inputs, outputs], count);
        let full = (most > 1).then(|| mask_of(most.min(groups)));
        let bundle = |first: usize| {
            let count = most.min(groups - first);
            let own = part(kernel, first, count);
            let mask = if count == most.min(groups) { full } else { Some(mask_of(count)) };
            // The kernel once for each group's inputs, of which only the group's own results hear.
            let weights = match mask.filter(|_| count > 1) {
                None => own,
                Some(mask) => {
                    let every = own.reshape([down * across, 1, inputs, count * outputs]) * mask;
                    every.reshape([down, across, count * inputs, count * outputs])
                }
            };
            convolve(part(self, first, count), weights)
        };
        let parts: Vec<Tensor<'g>> = (0..groups).step_by(most).map(bundle).collect();
        if parts.len() == 1 { parts[0] } else { parts[0].concatenate(&parts[1..], 3) }
    }

    /// The primitive; shapes go together. Windows of one pixel at every pixel are a plain product, which needs no windows.
    pub(crate) fn convolve(
        self,
        kernel: Tensor<'g>,
        windows: Windows,
        upward: bool,
        size: [usize; 2],
    ) -> Tensor<'g> {
        let (images, weights) = (self.shape(), kernel.shape());
        let shape = Shape::from([images.sizes()[0], size[0], size[1], weights.columns()]);
        let everywhere = images.sizes()[1..3] == size && windows.stride == [1; 2] && windows.before == [0; 2];
        if everywhere && weights.sizes()[..2] == [1; 2] {
            let pixels = self.reshape([images.elements() / images.columns(), images.columns()]);
            return pixels.matmul(kernel.reshape([images.columns(), weights.columns()])).reshape(shape);
        }
        self.graph.add(Op::Convolution { windows, upward }, &[self.id, kernel.id], shape, Kind::F32)
    }

    /// The gradient by a kernel of height and width `size` of the convolution of these images whose result has the gradient `gradient`.
    pub(crate) fn kernel_gradient(
        self,
        gradient: Tensor<'g>,
        windows: Windows,
        size: [usize; 2],
    ) -> Tensor<'g> {
        let shape = Shape::from([size[0], size[1], self.shape().columns(), gradient.shape().columns()]);
        self.graph.add(Op::KernelGradient(windows), &[self.id, gradient.id], shape, Kind::F32)
    }
}

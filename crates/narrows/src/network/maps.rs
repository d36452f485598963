//! Layers that look at rows as pictures, N×H×W×C: convolution both ways, pooling, and what makes maps grow.

use super::bilinear::bilinear;
use super::dense::{Parameters, Role, biased};
use super::extent::Extent;
use super::group_normalisation::group_normalisation;
use super::layer::Layer;
use super::local_response::local_response;
use super::shape::{Mode, Pass};
use super::stochastic_pooling;
use super::work::LayerWork;
use crate::recipe::Padding;
use narrows_engine::{Convolution, Graph, Pool, Tensor};

/// The sums of a layer other than a dense one or a block: B×H×W×C to B×H'×W'×D.
pub fn sums<'g>(graph: &'g Graph, pass: &mut Pass<'g>, layer: &Layer, x: Tensor<'g>) -> Tensor<'g> {
    let parameters = &mut pass.parameters;
    match &layer.work {
        LayerWork::Convolution { form, .. } => {
            convolved(graph, parameters, layer, |weight| x.convolution(weight, form))
        }
        LayerWork::TransposedConvolution { form, .. } => convolved(graph, parameters, layer, |weight| {
            x.transposed_convolution(weight, form, layer.to.size())
        }),
        LayerWork::Upsampled { factor, form, .. } => {
            let larger = repeated(x, *factor, layer.to.size());
            convolved(graph, parameters, layer, |weight| match layer.tied {
                // The same windows turned round, as in any mirror image that has the encoder's weights.
                Some(_) => larger.transposed_convolution(weight, form, layer.to.size()),
                None => larger.convolution(weight, form),
            })
        }
        LayerWork::MaxPool(pool) => {
            let (largest, positions) = x.max_pool_with_positions(pool);
            pass.positions.insert(layer.name.clone(), positions);
            largest
        }
        LayerWork::AveragePool(pool) => x.pool_sum(pool) * shares(graph, pool, layer.from),
        LayerWork::StochasticPool(pool) => match pass.mode {
            Mode::Training(row_ids) => stochastic_pooling::drawn(graph, pool, x, row_ids),
            Mode::Use => stochastic_pooling::weighed(graph, pool, x),
        },
        LayerWork::Unpool { pool, of } => match pass.positions.get(of) {
            Some(positions) => x.unpool(pool, *positions, layer.to.size()),
            // Nobody pooled. Those who decode without an encoder refuse before they come here; a graph with this in it is not compiled.
            None => x.unpool(pool, x, layer.to.size().map(|_| 0)),
        },
        LayerWork::Repeat { factor } => repeated(x, *factor, layer.to.size()),
        LayerWork::Bilinear { factor } => bilinear(graph, x, *factor),
        LayerWork::GroupNormalisation { groups } => {
            group_normalisation(graph, parameters, &layer.name, x, *groups)
        }
        LayerWork::LocalResponse { channels, constants } => local_response(graph, x, *channels, *constants),
        LayerWork::Opposite => {
            let sizes = x.shape();
            let single = x.reshape([sizes.elements(), 1]);
            (-single).concatenate(&[single], 1).reshape(sizes.with(3, 2 * sizes.columns()))
        }
        LayerWork::Reshape
        | LayerWork::Dense
        | LayerWork::Residual { .. }
        | LayerWork::Parallel { .. }
        | LayerWork::Summed { .. } => x,
    }
}

fn convolved<'g>(
    graph: &'g Graph,
    parameters: &mut Parameters<'g>,
    layer: &Layer,
    convolve: impl FnOnce(Tensor<'g>) -> Tensor<'g>,
) -> Tensor<'g> {
    let weight = weight(graph, parameters, layer);
    biased(graph, parameters, layer, convolve(weight))
}

/// The kernel, K×L×(C/groups)×D: the state `NAME.weight`, or where it is tied that of another layer, channels in and out exchanged, group by group.
fn weight<'g>(graph: &'g Graph, parameters: &mut Parameters<'g>, layer: &Layer) -> Tensor<'g> {
    let [down, across, inputs, outputs] = layer.kernel();
    match &layer.tied {
        Some(other) => {
            let groups = layer.groups();
            let shape = [down, across, outputs / groups, inputs * groups];
            let weight = parameters.get(graph, &format!("{other}.weight"), &shape, Role::Weight);
            with_channels_exchanged(weight, groups)
        }
        None => {
            let shape = [down, across, inputs, outputs];
            parameters.get(graph, &format!("{}.weight", layer.name), &shape, Role::Weight)
        }
    }
}

/// A kernel, K×L×(C/groups)×D, as that of the layer that goes the other way, K×L×(D/groups)×C.
pub fn with_channels_exchanged(kernel: Tensor<'_>, groups: usize) -> Tensor<'_> {
    let [down, across, heard, said] = [0, 1, 2, 3].map(|axis| kernel.shape().sizes()[axis]);
    let by_group = kernel.reshape([down * across, heard, groups, said / groups]);
    by_group.permute(&[0, 3, 2, 1]).reshape([down, across, said / groups, groups * heard])
}

/// What each window's sum is multiplied by: pixels beyond the picture do not count. 1×H'×W'×1.
fn shares<'g>(graph: &'g Graph, pool: &Pool, from: Extent) -> Tensor<'g> {
    let Some([height, width]) = pool.output(from.size()) else { return graph.constant(1.0) };
    let inside = |axis: usize, place: usize, pixels: usize| {
        let start = place * pool.stride[axis];
        let first = start.max(pool.before[axis]);
        (start + pool.size[axis]).min(pixels + pool.before[axis]).saturating_sub(first).max(1)
    };
    let share = |row: usize, column: usize| {
        1.0 / (inside(0, row, from.height) * inside(1, column, from.width)) as f32
    };
    let all: Vec<f32> = (0..height * width).map(|place| share(place / width, place % width)).collect();
    if all.iter().all(|share| *share == all[0]) {
        return graph.constant(all[0]);
    }
    graph.table([1, height, width, 1], &all)
}

/// Every pixel repeated, cut to `size`; what no pixel reaches is 0.
pub fn repeated(x: Tensor<'_>, factor: [usize; 2], size: [usize; 2]) -> Tensor<'_> {
    let [count, height, width, channels] = [0, 1, 2, 3].map(|axis| x.shape().sizes()[axis]);
    let large = [height * factor[0], width * factor[1]];
    let larger = x.pool_repeat(&Pool::of(factor), large);
    let kept = [large[0].min(size[0]), large[1].min(size[1])];
    let cut = larger.slice(&[0; 4], &[count, kept[0], kept[1], channels]);
    cut.pad(&[0; 4], &[0, size[0] - kept[0], size[1] - kept[1], 0])
}

/// Zeros around a picture of this size for windows of `window` pixels, in front and behind.
pub fn around(padding: Padding, form: Convolution, size: [usize; 2], window: [usize; 2]) -> Convolution {
    match padding {
        Padding::None => form,
        Padding::Same => form.same(size, window),
        Padding::Around(zeros) => Convolution { before: zeros, after: zeros, ..form },
    }
}

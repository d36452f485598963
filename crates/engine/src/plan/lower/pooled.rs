//! Pooling behind a convolution, and unpooling in front of one: what has as many pixels as the windows have never lies in memory.

use super::*;
use crate::plan::{POOLED, Pooled, Unpooled};

/// Lets convolutions keep nothing but the largest pixel of each window, where that is all that anybody reads of their result. Steps have no
/// order yet.
pub(super) fn pool_at_hand(plan: &mut Plan) {
    for at in (0..plan.steps.len()).rev() {
        let Some((before, work)) = pooled_convolution(plan, at) else { continue };
        let step = &mut plan.steps[at];
        step.flops += work.flops();
        step.work = Work::Convolution(work);
        // What comes down by one place has been looked at.
        plan.steps.remove(before);
    }
}

/// The convolution whose result a step pools, and what becomes of it.
fn pooled_convolution(plan: &Plan, at: usize) -> Option<(usize, ConvolutionWork)> {
    let Work::Pooling(pooling) = &plan.steps[at].work else { return None };
    let (map, largest) = (pooling.from, pooling.pooling == Pooling::Pick && pooling.positions.is_none());
    if !largest || !side_by_side(pooling) || map.channels == 1 {
        return None;
    }
    let before = plan.steps.iter().position(|step| makes_alone(step, map.buffer))?;
    let Work::Convolution(convolution) = &plan.steps[before].work else { return None };
    // Pixels may have been counted anew in between.
    let as_made = convolution.result == [map.height, map.width] && convolution.images.count == map.count;
    let mut others = plan.steps.iter().enumerate().filter(|(other, _)| *other != at);
    let alone = others.all(|(_, step)| !step.reads().contains(&map.buffer))
        && !plan.steps[at].program.loads().any(|load| load.0 == map.buffer);
    if !as_made
        || !alone
        || !kept_nowhere(plan, map.buffer)
        || convolution.upward
        || convolution.pooled.is_some()
    {
        return None;
    }
    let pooled = Some(Pooled { size: pooling.size, marks: pooling.marks });
    let work = ConvolutionWork { result: whole_windows(pooling), pooled, ..convolution.clone() };
    (work.together() <= POOLED).then_some((before, work))
}

/// Lets convolutions and kernels' gradients read what is unpooled where it lies, if nobody else reads it.
pub(super) fn unpool_at_hand(plan: &mut Plan) {
    for at in (0..plan.steps.len()).rev() {
        let Work::Pooling(pooling) = &plan.steps[at].work else { continue };
        let (Pooling::Put, Some(positions)) = (pooling.pooling, pooling.positions) else { continue };
        let &[(0, spread)] = &plan.steps[at].program.stores[..] else { continue };
        let all = Images { buffer: spread, unpooled: None, ..pooling.to };
        let alone = makes_alone(&plan.steps[at], spread) && kept_nowhere(plan, spread);
        if !side_by_side(pooling)
            || all.channels == 1
            || !alone
            || !plan.steps.iter().all(|step| suits(step, &all))
        {
            continue;
        }
        let unpooled = Some(Unpooled { positions, size: pooling.size });
        let all = Images { buffer: pooling.from.buffer, unpooled, ..all };
        // Behind the last whole window lie zeros, as they do beyond the image.
        let [height, width] = whole_windows(pooling);
        let whole = Images { height, width, ..all };
        plan.steps.remove(at);
        for step in &mut plan.steps {
            let behind = step.flops - window_flops(&step.work);
            if let Work::Convolution(ConvolutionWork { images, .. })
            | Work::KernelGradient(KernelGradientWork { images, .. }) = &mut step.work
                && images.buffer == spread
            {
                *images = whole;
            }
            // A kernel's gradient is summed in blocks of the gradient's places: what they are must not depend on how these are read.
            if let Work::KernelGradient(KernelGradientWork { gradient, .. }) = &mut step.work
                && gradient.buffer == spread
            {
                *gradient = all;
            }
            step.flops = behind + window_flops(&step.work);
        }
    }
}

fn window_flops(work: &Work) -> u64 {
    match work {
        Work::Convolution(work) => work.flops(),
        Work::KernelGradient(work) => work.flops(),
        _ => 0,
    }
}

/// Whether a step does nothing but leave the result of its work in a buffer.
fn makes_alone(step: &Step, buffer: BufferId) -> bool {
    step.program.instructions[..] == [Instruction::Result] && step.program.stores[..] == [(0, buffer)]
}

fn kept_nowhere(plan: &Plan, buffer: BufferId) -> bool {
    plan.buffers[buffer.index()].contents == Contents::Intermediate
}

/// Whether every pixel lies in one window at most, and every window in the images.
fn side_by_side(work: &PoolingWork) -> bool {
    let ([height, width], large) = (whole_windows(work), work.large());
    work.windows.stride == work.size
        && work.windows.dilation == [1; 2]
        && work.windows.before == [0; 2]
        && height <= large.height
        && width <= large.width
}

/// Height and width of the part of the images that windows cover.
fn whole_windows(work: &PoolingWork) -> [usize; 2] {
    let small = work.small();
    [small.height * work.size[0], small.width * work.size[1]]
}

/// Whether a step reads images through windows as they are, or not at all.
fn suits(step: &Step, all: &Images) -> bool {
    let (through_windows, kernel) = match &step.work {
        Work::Convolution(work) => (vec![work.images], Some(work.kernel)),
        Work::KernelGradient(work) => (vec![work.images, work.gradient], None),
        _ => return !step.reads().contains(&all.buffer),
    };
    let as_they_are =
        through_windows.iter().all(|read| read == all || !read.buffers().any(|buffer| buffer == all.buffer));
    let loaded = step.program.loads().any(|load| load.0 == all.buffer);
    as_they_are && kernel != Some(all.buffer) && !loaded
}

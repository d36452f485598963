//! Pooling behind a convolution, and unpooling in front of one: what has as many pixels as the windows have never lies in memory.

use super::*;
use crate::plan::{POOLED, Pooled, Unpooled};

/// Lets convolutions keep nothing but the largest pixel of each window, where that is all that anybody reads of their result. Steps have no
/// order yet.
pub(super) fn pool_at_hand(plan: &mut Plan) {
    for at in (0..plan.steps.len()).rev() {
        let Work::Pooling(pooling) = &plan.steps[at].work else { continue };
        let largest = pooling.pooling == Pooling::Pick && pooling.positions.is_none();
        if !largest || !side_by_side(pooling) || pooling.to.channels == 1 {
            continue;
        }
        let (pooled, result) = (pooling.from.buffer, whole_windows(pooling));
        let Some(before) = plan.steps.iter().position(|step| makes_alone(step, pooled)) else { continue };
        let reads = |step: &Step| step.reads().contains(&pooled);
        let Work::Convolution(convolution) = &plan.steps[before].work else { continue };
        let alone = plan.steps.iter().enumerate().all(|(other, step)| other == at || !reads(step));
        if !alone || !kept_nowhere(plan, pooled) || convolution.upward {
            continue;
        }
        let pooled = Some(Pooled { size: pooling.size, marks: pooling.marks });
        let work = ConvolutionWork { result, pooled, ..convolution.clone() };
        if work.together() > POOLED {
            continue;
        }
        let step = &mut plan.steps[at];
        step.flops += work.flops();
        step.work = Work::Convolution(work);
        plan.steps.remove(before);
        // Steps behind the one that is gone have moved up: what is above has been looked at.
    }
}

/// Lets convolutions and kernels' gradients read what is unpooled where it lies, if nobody else reads it.
pub(super) fn unpool_at_hand(plan: &mut Plan) {
    for at in (0..plan.steps.len()).rev() {
        let Work::Pooling(pooling) = &plan.steps[at].work else { continue };
        let (Pooling::Put, Some(positions)) = (pooling.pooling, pooling.positions) else { continue };
        let &[(0, spread)] = &plan.steps[at].program.stores[..] else { continue };
        if !side_by_side(pooling) || pooling.to.channels == 1 || !makes_alone(&plan.steps[at], spread) {
            continue;
        }
        let suits = |step: &Step| suits(step, spread);
        if !kept_nowhere(plan, spread) || !plan.steps.iter().all(suits) {
            continue;
        }
        let [height, width] = whole_windows(pooling);
        let unpooled = Some(Unpooled { positions, size: pooling.size });
        let images = Images { height, width, unpooled, ..pooling.from };
        plan.steps.remove(at);
        for step in &mut plan.steps {
            let behind = step.flops - window_flops(&step.work);
            let read = match &mut step.work {
                Work::Convolution(work) => vec![&mut work.images],
                Work::KernelGradient(work) => vec![&mut work.images, &mut work.gradient],
                _ => Vec::new(),
            };
            read.into_iter().filter(|read| read.buffer == spread).for_each(|read| *read = images);
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

/// Whether every pixel lies in one window at most.
fn side_by_side(work: &PoolingWork) -> bool {
    work.windows.stride == work.size && work.windows.dilation == [1; 2] && work.windows.before == [0; 2]
}

/// Height and width of the part of the images that windows cover.
fn whole_windows(work: &PoolingWork) -> [usize; 2] {
    let small = work.small();
    [small.height * work.size[0], small.width * work.size[1]]
}

/// Whether a step reads the buffer as the images of a convolution or not at all.
fn suits(step: &Step, buffer: BufferId) -> bool {
    let elsewhere = step.program.loads().any(|load| load.0 == buffer);
    match &step.work {
        Work::Convolution(work) => !elsewhere && work.kernel != buffer,
        Work::KernelGradient(_) => true,
        _ => !step.reads().contains(&buffer),
    }
}

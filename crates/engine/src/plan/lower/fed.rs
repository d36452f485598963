//! Rows read where the caller has them: fed rows that only products read as their left operand, and images of one channel that only
//! windows read, need no copy.
//!
//! Neither is ever read past a row's end, so the caller's memory will do as it is. For a single row the copy would cost as much as a
//! small layer's program.

use super::*;

/// Drops the copies that nobody needs. Steps have no order yet.
pub(super) fn read_in_place(plan: &mut Plan) {
    for at in (0..plan.steps.len()).rev() {
        if let Some((input, buffer)) = copied(plan, &plan.steps[at])
            && plan.steps.iter().enumerate().all(|(other, step)| other == at || suits(step, buffer))
        {
            plan.buffers[buffer.index()].contents = Contents::Feed(input);
            plan.steps.remove(at);
        }
    }
}

/// The same for rows made of an image's pixels, if these lie without gaps.
pub(super) fn read_pixels_in_place(plan: &mut Plan) {
    for at in (0..plan.steps.len()).rev() {
        if let Some((source, buffer)) = reshaped(plan, &plan.steps[at])
            && plan.steps.iter().enumerate().all(|(other, step)| other == at || suits(step, buffer))
        {
            plan.steps.remove(at);
            for step in &mut plan.steps {
                if let Work::Product { left, .. } = &mut step.work
                    && left.buffer == buffer
                {
                    (left.buffer, left.flat) = (source, true);
                }
            }
        }
    }
}

/// Where a step that does nothing but reshape images without gaps has them from, and where to.
fn reshaped(plan: &Plan, step: &Step) -> Option<(BufferId, BufferId)> {
    let Work::Move(moved, to) = &step.work else { return None };
    let source = moved.in_order()?;
    let layout = plan.buffers[source.index()].layout;
    let whole = layout.rows > 1 && layout.has_no_gaps() && layout.elements() == moved.shape.elements();
    let kept = plan.buffers[to.index()].contents == Contents::Intermediate;
    (whole && kept && step.domain.rows > 1).then_some((source, *to))
}

/// The input that a step does nothing but copy, and where to.
fn copied(plan: &Plan, step: &Step) -> Option<(usize, BufferId)> {
    let (&[Instruction::Feed(input)], &[(0, buffer)]) =
        (&step.program.instructions[..], &step.program.stores[..])
    else {
        return None;
    };
    let rows = step.domain.columns > 1 && step.work == Work::Map;
    let kept = plan.buffers[buffer.index()].contents == Contents::Intermediate;
    (rows && kept && plan.inputs[input].kind == crate::graph::op::Kind::F32).then_some((input, buffer))
}

/// Whether a step reads the buffer as a product's left operand, as images of one channel, or not at all.
fn suits(step: &Step, buffer: BufferId) -> bool {
    let single = |images: &Images| images.buffer == buffer && images.may_be_fed();
    match &step.work {
        Work::Convolution(work) if single(&work.images) => {
            work.kernel != buffer && !loads(&step.program, buffer)
        }
        Work::KernelGradient(work) if single(&work.images) => work.gradient.buffer != buffer,
        Work::Product { left, right, .. } if left.buffer == buffer => {
            left.columns > 1 && !left.transposed && right.buffer != buffer && !loads(&step.program, buffer)
        }
        _ => !step.reads().contains(&buffer),
    }
}

fn loads(program: &Program, buffer: BufferId) -> bool {
    program.loads().any(|load| load.0 == buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Convolution;

    fn fed(build: impl Fn(&Graph)) -> bool {
        let graph = Graph::new();
        build(&graph);
        let plan = Plan::new(&graph).unwrap();
        plan.buffers.iter().any(|buffer| matches!(buffer.contents, Contents::Feed(_)))
    }

    #[test]
    fn only_what_nothing_but_products_read_row_by_row_stays_where_it_is() {
        assert!(fed(|graph| {
            let (x, w) = (graph.input("x", [1, 20]), graph.state("w", [20, 20]));
            graph.output("y", x.matmul(w));
            graph.output("z", x.matmul(w.transpose()).tanh());
        }));
        assert!(fed(|graph| {
            let (x, w) = (graph.input("x", [50, 20]), graph.state("w", [20, 20]));
            graph.output("y", x.matmul(w));
        }));
        // Read again behind a product; changed before; the right operand; transposed; pixels; returned as it is.
        assert!(!fed(|graph| {
            let (x, w) = (graph.input("x", [20, 20]), graph.state("w", [20, 20]));
            graph.output("y", x.matmul(w) - x);
        }));
        assert!(!fed(|graph| {
            let (x, w) = (graph.input("x", [5, 20]), graph.state("w", [20, 20]));
            graph.output("y", (x * 0.5).matmul(w));
        }));
        assert!(!fed(|graph| {
            let (x, w) = (graph.input("x", [20, 20]), graph.state("w", [20, 20]));
            graph.output("y", w.matmul(x));
        }));
        assert!(!fed(|graph| {
            let (x, w) = (graph.input("x", [20, 20]), graph.state("w", [20, 20]));
            graph.output("y", x.transpose().matmul(w));
        }));
        assert!(!fed(|graph| {
            let (x, w) = (graph.pixels("x", [5, 20]).convert(), graph.state("w", [20, 20]));
            graph.output("y", x.matmul(w));
        }));
    }

    #[test]
    fn images_of_one_channel_that_only_windows_read_stay_where_they_are() {
        let form = Convolution::default();
        let train = |graph: &Graph, channels: usize, scale: f32| {
            let rows = graph.input("x", [7, 36 * channels]) * scale;
            let (x, kernel) = (rows.reshape([7, 6, 6, channels]), graph.state("kernel", [3, 3, channels, 5]));
            let y = x.convolution(kernel, &form);
            graph.output("by kernel", graph.gradient(y.square().sum_all(), &[kernel]).unwrap()[0]);
            graph.output("y", y);
        };
        assert!(fed(|graph| train(graph, 1, 1.0)));
        // More channels; changed before; read again behind the convolution.
        assert!(!fed(|graph| train(graph, 2, 1.0)));
        assert!(!fed(|graph| train(graph, 1, 0.5)));
        assert!(!fed(|graph| {
            let x = graph.input("x", [7, 6, 6, 1]);
            graph.output("y", x.convolution(graph.state("kernel", [1, 1, 1, 1]), &form) - x);
        }));
    }

    #[test]
    fn pixels_without_gaps_are_rows_of_products() {
        let flat = |channels: usize, again: bool| {
            let graph = Graph::new();
            let x = graph.input("x", [7, 3, 4, channels]) * 0.5;
            let rows = x.reshape([7, 12 * channels]);
            graph.output("y", rows.matmul(graph.state("w", [12 * channels, 5])));
            if again {
                graph.output("z", rows.tanh());
            }
            let plan = Plan::new(&graph).unwrap();
            plan.steps.iter().any(|step| matches!(&step.work, Work::Product { left, .. } if left.flat))
        };
        assert!(flat(16, false) && flat(64, false));
        // Pixels with gaps, or in two panels; rows that somebody else reads.
        assert!(!flat(20, false) && !flat(80, false) && !flat(16, true));
    }
}

//! Marks of data: which numbers of rows that people bring are not zero.
//!
//! What a network computes is seldom zero in several rows at once, but data is: the paper around digits, words that texts have
//! not, what masking takes away. Every panel of a product's result would look for it again, so it is marked once. (Where data
//! is the left operand turned, in gradients of weights, looking is as cheap as reading marks.)

use super::*;
use crate::plan::layout::Marks;

/// Adds steps that mark data for the products that have it as left operand. Steps have no order yet.
pub(super) fn mark_data(plan: &mut Plan) {
    for number in 0..plan.buffers.len() {
        let buffer = BufferId(number as u32);
        let reads = |step: &Step| match &step.work {
            Work::Product { left, right, .. } if left.buffer == buffer && !left.transposed => {
                let columns = if right.transposed { right.rows } else { right.columns };
                // Marks are those of rows in panels.
                let in_panels = left.rows > 1 && left.columns > 1 && !left.flat;
                in_panels.then_some((*left, columns.div_ceil(PANEL)))
            }
            _ => None,
        };
        let panels: usize = plan.steps.iter().filter_map(reads).map(|(_, panels)| panels).sum();
        let Some((left, _)) = plan.steps.iter().find_map(reads) else { continue };
        if panels < 2 || !is_data(plan, buffer) {
            continue;
        }
        let from = Matrix { buffer, rows: left.rows, columns: left.columns };
        let to = add_buffer(plan, Contents::Intermediate, Marks::of(&left).layout());
        for step in &mut plan.steps {
            let reads = reads(step).is_some();
            if let (true, Work::Product { marks, .. }) = (reads, &mut step.work) {
                *marks = Some(to);
            }
        }
        let domain = Layout { rows: left.rows, columns: left.columns };
        let work = Work::Mark { from, to };
        plan.steps.push(Step { work, domain, program: Program::default(), after: Vec::new(), flops: 0 });
    }
}

/// Whether a buffer is made of nothing but what the run is given and constants.
fn is_data(plan: &Plan, buffer: BufferId) -> bool {
    match &plan.buffers[buffer.index()].contents {
        Contents::Feed(_) | Contents::Table(_) => true,
        Contents::Intermediate => plan
            .steps
            .iter()
            .filter(|step| step.writes().contains(&buffer))
            .all(|step| step.reads().into_iter().all(|read| is_data(plan, read))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(build: impl Fn(&Graph)) -> usize {
        let graph = Graph::new();
        build(&graph);
        let plan = Plan::new(&graph).unwrap();
        let marking = plan.steps.iter().filter(|step| matches!(step.work, Work::Mark { .. })).count();
        let reading = plan
            .steps
            .iter()
            .filter(|step| matches!(step.work, Work::Product { marks: Some(_), .. }))
            .count();
        assert_eq!(marking > 0, reading > 0);
        reading
    }

    #[test]
    fn data_is_marked_for_products_that_are_wide_enough() {
        let network = |rows, columns, noise: bool| {
            marked(move |graph| {
                let (x, w) = (graph.input("x", [rows, 20]), graph.state("w", [20, columns]));
                let ids = graph.indices("ids", [rows]);
                let kept = graph.random(ids, 20, crate::op::Distribution::Uniform);
                let weights = graph.table([20], &[0.5; 20]);
                let x = if noise { x * kept.greater(graph.constant(0.5)) * weights } else { x };
                let h = x.matmul(w);
                graph.output("y", h.tanh().product(w, false, true));
                graph.output("gradient", x.product(h, true, false));
            })
        };
        // Neither what a network computes nor data that is turned.
        assert_eq!(network(50, 200, false), 1);
        assert_eq!(network(50, 200, true), 1);
        // A panel looks for itself, and so does a row alone.
        assert_eq!(network(50, 64, false), 0);
        assert_eq!(network(1, 200, false), 0);
    }

    #[test]
    fn marks_serve_every_product_of_the_data() {
        let two = marked(|graph| {
            let x = graph.input("x", [50, 20]);
            let (w, v) = (graph.state("w", [20, 64]), graph.state("v", [20, 64]));
            graph.output("y", x.matmul(w).tanh());
            graph.output("z", x.matmul(v));
        });
        assert_eq!(two, 2);
    }
}

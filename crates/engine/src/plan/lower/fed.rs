//! Rows read where the caller has them: fed rows that only products read as their left operand need no copy.
//!
//! Left operands are read one number at a time and never past their end, so the caller's memory will do as it is. For a
//! single row the copy would cost as much as a small layer's program.

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

/// Whether a step reads the buffer as a product's left operand or not at all.
fn suits(step: &Step, buffer: BufferId) -> bool {
    match &step.work {
        Work::Product { left, right, .. } if left.buffer == buffer => {
            left.columns > 1 && !left.transposed && right.buffer != buffer && !loads(&step.program, buffer)
        }
        _ => !step.reads().contains(&buffer),
    }
}

fn loads(program: &Program, buffer: BufferId) -> bool {
    program.loads().any(|load| load.0 == buffer)
}

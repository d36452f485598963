//! The order of steps, and where updated states are written.

use super::*;

impl Emitter<'_, '_, '_> {
    /// Dependences: readers after writers, and a state's writer after all who read its old value.
    pub(super) fn order(&mut self) {
        let mut writer: HashMap<BufferId, usize> = HashMap::new();
        for (number, step) in self.plan.steps.iter().enumerate() {
            for buffer in step.writes() {
                writer.insert(buffer, number);
            }
        }
        let is_state = |plan: &Plan, buffer: BufferId| {
            matches!(plan.buffers[buffer.index()].contents, Contents::State(_))
        };
        for number in 0..self.plan.steps.len() {
            let reads = self.plan.steps[number].reads();
            let after = reads
                .iter()
                .filter(|buffer| !is_state(self.plan, **buffer))
                .filter_map(|buffer| writer.get(buffer).copied());
            self.plan.steps[number].after = after.filter(|step| *step != number).collect();
        }
        let mut states: Vec<(usize, BufferId)> =
            self.states.iter().map(|(number, buffer)| (*number, *buffer)).collect();
        states.sort_unstable();
        for (_, buffer) in states {
            self.order_update(buffer, writer[&buffer]);
        }
        self.sort();
    }

    pub(super) fn order_update(&mut self, state: BufferId, writer: usize) {
        let readers: Vec<usize> = (0..self.plan.steps.len())
            .filter(|step| *step != writer && self.plan.steps[*step].reads().contains(&state))
            .collect();
        let reads_itself = !reads_in_place(&self.plan.steps[writer], state);
        let depends = |reader: &usize| depends(&self.plan.steps, *reader, writer);
        if !reads_itself && !readers.iter().any(depends) {
            self.plan.steps[writer].after.extend(readers);
            return;
        }
        // Somebody needs the old value later: the new one waits elsewhere and is copied at the end.
        let layout = self.plan.buffers[state.index()].layout;
        let waiting = add_buffer(self.plan, Contents::Intermediate, layout);
        for store in &mut self.plan.steps[writer].program.stores {
            if store.1 == state {
                store.1 = waiting;
            }
        }
        let mut program = Program::default();
        let value = program.push(Instruction::Load(waiting, Access::Full));
        program.stores.push((value, state));
        let mut after = readers;
        after.push(writer);
        self.plan.steps.push(Step { work: Work::Map, domain: layout, program, after, flops: 0 });
    }

    /// Puts every step behind those that it needs.
    pub(super) fn sort(&mut self) {
        let count = self.plan.steps.len();
        let mut order: Vec<usize> = Vec::with_capacity(count);
        let mut placed = vec![false; count];
        while order.len() < count {
            let ready = |step: &usize| {
                !placed[*step] && self.plan.steps[*step].after.iter().all(|need| placed[*need])
            };
            let Some(next) = (0..count).find(ready) else {
                unreachable!("dependences of a graph have no cycle")
            };
            placed[next] = true;
            order.push(next);
        }
        let mut number = vec![0; count];
        order.iter().enumerate().for_each(|(to, from)| number[*from] = to);
        let mut steps: Vec<Step> = order.iter().map(|step| self.plan.steps[*step].clone()).collect();
        for step in &mut steps {
            step.after = step.after.iter().map(|need| number[*need]).collect();
            step.after.sort_unstable();
            step.after.dedup();
        }
        self.plan.steps = steps;
    }
}

/// Whether every read of `state` in the step is of the element that it is about to write.
pub(super) fn reads_in_place(step: &Step, state: BufferId) -> bool {
    let elementwise = step.program.loads().all(|(buffer, access)| buffer != state || access == Access::Full);
    let elsewhere = match &step.work {
        Work::Product { left, right, .. } => left.buffer == state || right.buffer == state,
        Work::Convolution(work) => {
            work.kernel == state || work.images.buffers().any(|buffer| buffer == state)
        }
        Work::Pooling(work) => work.from.buffer == state || work.positions == Some(state),
        Work::Reduce { before, .. } => before.loads().any(|load| load.0 == state),
        _ => false,
    };
    elementwise && !elsewhere
}

pub(super) fn depends(steps: &[Step], step: usize, on: usize) -> bool {
    let mut seen = vec![false; steps.len()];
    let mut open = vec![step];
    while let Some(at) = open.pop() {
        if at == on {
            return true;
        }
        if !std::mem::replace(&mut seen[at], true) {
            open.extend(&steps[at].after);
        }
    }
    false
}

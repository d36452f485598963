//! Steps and buffers of every group.

use super::*;

pub(super) struct Emitter<'l, 'n, 'p> {
    pub(super) lowering: &'l Lowering<'n>,
    pub(super) buffers: HashMap<NodeId, BufferId>,
    pub(super) states: HashMap<usize, BufferId>,
    pub(super) plan: &'p mut Plan,
}

impl Emitter<'_, '_, '_> {
    pub(super) fn group(&mut self, group: usize) {
        let lowering = self.lowering;
        let anchor = lowering.grouping.groups[group].anchor;
        let domain = lowering.grouping.groups[group].domain;
        let made = lowering.made(group);
        if made.is_empty() || lowering.grouping.groups[group].made_elsewhere {
            return;
        }
        if let Some(id) = anchor.filter(|id| lowering.role(*id) == Role::Moving) {
            self.movement(id);
            return;
        }
        let mut program = self.program(group, anchor, &made);
        let work = match anchor {
            None => Work::Map,
            Some(id) if lowering.role(id) == Role::Product => match lowering.nodes[id.index()].op {
                Op::Convolution { windows, upward } => self.convolution(id, windows, upward),
                Op::KernelGradient(windows) => self.kernel_gradient(id, windows),
                Op::Pooling { pooling, windows, size } => self.pooling(id, pooling, windows, size),
                _ => self.product(id),
            },
            Some(id) if domain.rows > 1 && lowering.role(id) == Role::Reduce(Pattern::Permuted) => {
                // This reduction writes one row; a result of several is laid out first.
                let laid_out = self.reduce_to_rows(group, id, domain);
                program.replace(Instruction::Result, Instruction::Load(laid_out, Access::Full));
                Work::Map
            }
            Some(id) => self.reduce(group, id),
        };
        let elements = domain.elements() as u64;
        let flops = program.operations() as u64 * elements + work_flops(&work, elements);
        self.plan.steps.push(Step { work, domain, program, after: Vec::new(), flops });
    }

    pub(super) fn program(&mut self, group: usize, anchor: Option<NodeId>, made: &[NodeId]) -> Program {
        let mut ignore = |_| {};
        let mut writer = Writer::new(self.lowering, group, anchor, &mut ignore);
        writer.buffers = Some(&self.buffers);
        let values: Vec<(NodeId, Value)> = made.iter().map(|id| (*id, writer.value(*id))).collect();
        let mut program = writer.program;
        for (id, value) in values {
            if self.lowering.in_memory.contains(&id)
                && self.lowering.grouping.group_of[id.index()] == Some(group)
            {
                program.stores.push((value, self.buffers[&id]));
            }
            for (_, _, destination) in
                self.lowering.leaving.iter().filter(|entry| entry.0 == group && entry.1 == id)
            {
                program.stores.push((value, self.destination(*destination, id)));
            }
        }
        program.simplify(self.lowering.joins);
        program
    }

    pub(super) fn destination(&mut self, destination: Destination, id: NodeId) -> BufferId {
        let layout = Layout::of(self.lowering.nodes[id.index()].shape);
        match destination {
            Destination::Output(number) => add_buffer(self.plan, Contents::Output(number), layout),
            Destination::State(number) => {
                let buffer = add_buffer(self.plan, Contents::State(number), layout);
                self.states.insert(number, buffer);
                buffer
            }
        }
    }

    pub(super) fn product(&self, id: NodeId) -> Work {
        let node = &self.lowering.nodes[id.index()];
        let Op::Product { transpose_left, transpose_right } = node.op else {
            unreachable!("only products open product groups")
        };
        let operand = |number: usize, transposed: bool| {
            let shape = self.lowering.nodes[node.operands[number].index()].shape;
            let buffer = self.buffers[&self.lowering.root(node.operands[number])];
            Operand { buffer, rows: shape.sizes()[0], columns: shape.sizes()[1], transposed, flat: false }
        };
        let (left, right) = (operand(0, transpose_left), operand(1, transpose_right));
        let inner = if transpose_left { left.rows } else { left.columns };
        Work::Product { left, right, inner, marks: None }
    }
}

pub(super) fn finish_before(writer: &mut Writer<'_, '_, '_>, operand: NodeId) -> Program {
    let value = writer.value(operand);
    let mut before = std::mem::take(&mut writer.program);
    before.reduced = Some(value);
    before.simplify(writer.lowering.joins);
    before
}

pub(super) fn loading(buffer: BufferId) -> Program {
    let mut program = Program::default();
    program.reduced = Some(program.push(Instruction::Load(buffer, Access::Full)));
    program
}

pub(super) fn whole_piece(
    buffer: BufferId,
    columns: usize,
    strides: [usize; MAX_RANK],
    shape: Shape,
) -> Piece {
    let mut end = [1; MAX_RANK];
    end[..shape.rank()].copy_from_slice(shape.sizes());
    Piece { buffer, columns, strides, offset: 0, start: [0; MAX_RANK], end }
}

pub(super) fn work_flops(work: &Work, elements: u64) -> u64 {
    match work {
        Work::Product { left, right, inner, .. } => {
            let sums = if is_symmetric(left, right) { elements.div_ceil(2) } else { elements };
            2 * *inner as u64 * sums
        }
        Work::Convolution(work) => work.flops(),
        // A comparison or an addition for each pixel of each window.
        Work::Pooling(work) => (work.size[0] * work.size[1] * work.small().layout().elements()) as u64,
        Work::AddParts { parts, .. } => *parts as u64 * elements,
        Work::Reduce { before, source, .. } => (before.operations() as u64 + 1) * source.elements() as u64,
        _ => 0,
    }
}

//! The program of one group: values computed in it, loads of everything else.

use super::*;

/// Writes the program of one group; every node that it must read from memory is reported.
pub(super) struct Writer<'l, 'n, 'm> {
    pub(super) lowering: &'l Lowering<'n>,
    pub(super) group: usize,
    pub(super) anchor: Option<NodeId>,
    pub(super) known: HashMap<NodeId, Value>,
    pub(super) program: Program,
    pub(super) memory: &'m mut dyn FnMut(NodeId),
    pub(super) buffers: Option<&'l HashMap<NodeId, BufferId>>,
}

impl<'l, 'n, 'm> Writer<'l, 'n, 'm> {
    pub(super) fn new(
        lowering: &'l Lowering<'n>,
        group: usize,
        anchor: Option<NodeId>,
        memory: &'m mut dyn FnMut(NodeId),
    ) -> Self {
        Writer {
            lowering,
            group,
            anchor,
            known: HashMap::new(),
            program: Program::default(),
            memory,
            buffers: None,
        }
    }

    pub(super) fn load(&mut self, id: NodeId, access: Access) -> Value {
        (self.memory)(id);
        let buffer = self.buffers.and_then(|buffers| buffers.get(&id)).copied().unwrap_or(BufferId(id.0));
        self.program.push(Instruction::Load(buffer, access))
    }

    pub(super) fn value(&mut self, id: NodeId) -> Value {
        let id = self.lowering.root(id);
        if let Some(value) = self.known.get(&id) {
            return *value;
        }
        let value = if self.anchor == Some(id) {
            self.program.push(Instruction::Result)
        } else {
            match self.lowering.role(id) {
                Role::Virtual => self.virtual_value(id),
                Role::Spread(access) => self.spread(id, access),
                Role::Pointwise if self.computes(id) => self.compute(id),
                _ => self.load(id, Access::Full),
            }
        };
        self.known.insert(id, value);
        value
    }

    pub(super) fn computes(&self, id: NodeId) -> bool {
        match self.lowering.grouping.group_of[id.index()] {
            None => true,
            Some(group) if group == self.group => true,
            Some(_) => self.lowering.everywhere[id.index()] || self.cheaper_again(id),
        }
    }

    /// A cheap node of another group is computed again if all that it needs lies in memory anyway.
    pub(super) fn cheaper_again(&self, id: NodeId) -> bool {
        let node = &self.lowering.nodes[id.index()];
        let at_hand = |operand: &NodeId| {
            let operand = self.lowering.root(*operand);
            match self.lowering.role(operand) {
                Role::Virtual | Role::Stored => true,
                Role::Spread(_) => {
                    let source = self.lowering.root(self.lowering.nodes[operand.index()].operands[0]);
                    self.lowering.role(source) == Role::Virtual || self.lowering.in_memory.contains(&source)
                }
                _ => self.lowering.in_memory.contains(&operand),
            }
        };
        !expensive(&node.op) && !self.lowering.in_memory.contains(&id) && node.operands.iter().all(at_hand)
    }

    pub(super) fn virtual_value(&mut self, id: NodeId) -> Value {
        let node = &self.lowering.nodes[id.index()];
        match node.op {
            Op::Constant(bits) => self.program.push(Instruction::Constant(bits)),
            Op::Scalar(number) => self.program.push(Instruction::Scalar(number)),
            Op::Position { axis } => {
                let (stride, size) = (node.shape.strides()[axis], node.shape.sizes()[axis]);
                self.program.push(Instruction::Position { stride, size })
            }
            _ => match self.lowering.grouping.group_of[id.index()] {
                Some(group) if group != self.group => self.load(id, Access::Full),
                _ => self.program.push(Instruction::Feed(self.input(id))),
            },
        }
    }

    pub(super) fn input(&self, id: NodeId) -> usize {
        let node = &self.lowering.nodes[id.index()];
        match node.op {
            Op::Input(number) => number,
            _ => self.input(self.lowering.root(node.operands[0])),
        }
    }

    /// Whether a virtual node is the caller's, under whatever shape.
    fn is_fed(&self, id: NodeId) -> bool {
        let node = &self.lowering.nodes[id.index()];
        feeds(node) || node.op == Op::Reshape
    }

    pub(super) fn spread(&mut self, id: NodeId, access: Access) -> Value {
        let source = self.lowering.root(self.lowering.nodes[id.index()].operands[0]);
        match self.lowering.role(source) {
            Role::Virtual if access == Access::Single && !self.is_fed(source) => self.virtual_value(source),
            Role::Spread(Access::Single) => self.spread(source, Access::Single),
            _ => self.load(source, access),
        }
    }

    pub(super) fn compute(&mut self, id: NodeId) -> Value {
        let node = &self.lowering.nodes[id.index()];
        if let Op::Random { stream, distribution } = node.op {
            let row_ids = self.input(node.operands[0]);
            let columns = node.shape.columns();
            return self.program.push(Instruction::Random { stream, distribution, row_ids, columns });
        }
        let operands: Vec<Value> = node.operands.iter().map(|operand| self.value(*operand)).collect();
        let instruction = match node.op {
            Op::Unary(unary) => Instruction::Unary(unary, operands[0]),
            Op::Binary(binary) => Instruction::Binary(binary, operands[0], operands[1]),
            _ => Instruction::Select(operands[0], operands[1], operands[2]),
        };
        self.program.push(instruction)
    }
}

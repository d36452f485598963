//! Lowering: from a grouped graph to steps over buffers.

use super::fuse::{Grouping, Pattern, Role, expensive, feeds, root};
use super::layout::Layout;
use super::program::{Access, Instruction, Program, Value};
use super::{Buffer, BufferId, Contents, Direction, Move, Operand, Piece, Plan, Port, Step, Work};
use crate::graph::op::{Op, Reduction};
use crate::graph::shape::{MAX_RANK, Shape};
use crate::graph::{Graph, Node, NodeId};
use std::collections::{BTreeSet, HashMap};

/// Lowers a graph that has passed its check.
pub fn lower(graph: &Graph) -> Plan {
    let inner = graph.inner.borrow();
    let mut wanted: Vec<NodeId> = inner.outputs.iter().map(|leaf| leaf.node).collect();
    wanted.extend(inner.updates.iter().flatten());
    let nodes = &inner.nodes;
    let port = |leaf: &crate::graph::Leaf| {
        let node = &nodes[leaf.node.index()];
        Port { name: leaf.name.clone(), shape: node.shape, kind: node.kind }
    };
    let mut plan = Plan {
        steps: Vec::new(),
        buffers: Vec::new(),
        inputs: inner.inputs.iter().map(port).collect(),
        scalars: inner.scalars.iter().map(|leaf| leaf.name.clone()).collect(),
        states: inner.states.iter().map(port).collect(),
        updated: inner.updates.iter().map(Option::is_some).collect(),
        outputs: inner.outputs.iter().map(port).collect(),
    };
    let outputs: Vec<NodeId> = inner.outputs.iter().map(|leaf| leaf.node).collect();
    let mut lowering = Lowering::new(nodes, Grouping::new(nodes, &wanted), &outputs, &inner.updates);
    lowering.settle();
    lowering.emit(&mut plan);
    plan
}

/// A place where a group's program is asked to leave a value.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Destination {
    State(usize),
    Output(usize),
}

struct Lowering<'n> {
    nodes: &'n [Node],
    grouping: Grouping,
    /// Nodes that other groups read from memory.
    in_memory: BTreeSet<NodeId>,
    /// For each group, values that leave the run.
    leaving: Vec<(usize, NodeId, Destination)>,
    /// Floating nodes that are computed wherever they are used even if they also lie in memory: the cheap ones, and those
    /// made of what some group computes (reading them from a group of their own could close a circle).
    everywhere: Vec<bool>,
    /// Whether instructions are joined into fused ones. Which of them meet in one program follows from the shapes, the
    /// batch size among them, so only plans that change a state do it: in all others a row's bits must not depend on it.
    joins: bool,
}

impl<'n> Lowering<'n> {
    fn new(nodes: &'n [Node], grouping: Grouping, outputs: &[NodeId], updates: &[Option<NodeId>]) -> Self {
        let everywhere = (0..nodes.len()).map(|at| {
            let floating = grouping.roles[at] == Role::Pointwise && grouping.group_of[at].is_none();
            let mut needs = Vec::new();
            if floating && expensive(&nodes[at].op) {
                grouping.needs_of(nodes, NodeId(at as u32), &mut needs);
            }
            floating && (!expensive(&nodes[at].op) || !needs.is_empty())
        });
        let everywhere = everywhere.collect();
        let joins = updates.iter().any(Option::is_some);
        let in_memory = BTreeSet::new();
        let mut lowering = Lowering { nodes, grouping, in_memory, leaving: Vec::new(), everywhere, joins };
        let wanted = outputs.iter().enumerate().map(|(number, id)| (*id, Destination::Output(number)));
        let updates =
            updates.iter().enumerate().filter_map(|(number, id)| Some(((*id)?, Destination::State(number))));
        for (id, destination) in wanted.chain(updates) {
            let source = root(&lowering.grouping.roles, id);
            // A reduction in two stages, a movement, a leaf: copied out by a step of its own.
            let group = match lowering.grouping.group_of[source.index()] {
                Some(group) if lowering.grouping.groups[group].open => group,
                _ => lowering.copying_group(source),
            };
            lowering.leaving.push((group, source, destination));
        }
        lowering
    }

    /// A new group that only brings a value (and, for floating nodes, computes it).
    fn copying_group(&mut self, id: NodeId) -> usize {
        let at = id.index();
        let floating = self.grouping.roles[at] == Role::Pointwise && self.grouping.group_of[at].is_none();
        let before = self.grouping.group_of[at];
        self.grouping.open(self.nodes, id, &[]);
        let group = self.grouping.groups.len() - 1;
        self.grouping.groups[group].anchor = None;
        self.grouping.groups[group].open = true;
        if !floating {
            self.grouping.group_of[at] = before;
        }
        group
    }

    fn role(&self, id: NodeId) -> Role {
        self.grouping.roles[id.index()]
    }

    fn root(&self, id: NodeId) -> NodeId {
        root(&self.grouping.roles, id)
    }

    /// Finds which values must lie in memory: asks every group what it reads until nothing new comes up.
    fn settle(&mut self) {
        loop {
            let mut demanded = BTreeSet::new();
            for group in 0..self.grouping.groups.len() {
                self.demands(group, &mut demanded);
            }
            let new: Vec<NodeId> = demanded.difference(&self.in_memory).copied().collect();
            if new.is_empty() {
                self.in_memory = demanded;
                return;
            }
            for id in new {
                self.in_memory.insert(id);
                if self.grouping.group_of[id.index()].is_none() && self.role(id) != Role::Stored {
                    let group = self.copying_group(id);
                    self.grouping.group_of[id.index()] = Some(group);
                }
            }
        }
    }

    fn demands(&self, group: usize, demanded: &mut BTreeSet<NodeId>) {
        let mut memory = |id: NodeId| {
            demanded.insert(id);
        };
        if let Some(anchor) = self.grouping.groups[group].anchor {
            let node = &self.nodes[anchor.index()];
            match self.role(anchor) {
                Role::Product | Role::Moving => {
                    for operand in node.operands.iter().map(|operand| self.root(*operand)) {
                        if self.nodes[operand.index()].kind == crate::graph::op::Kind::F32 {
                            memory(operand);
                        }
                    }
                }
                Role::Reduce(Pattern::Permuted) => memory(self.root(node.operands[0])),
                Role::Reduce(_) => {
                    let mut writer = Writer::new(self, group, None, &mut memory);
                    writer.value(node.operands[0]);
                }
                _ => {}
            }
        }
        let mut writer = Writer::new(self, group, self.grouping.groups[group].anchor, &mut memory);
        for id in self.made(group) {
            writer.value(id);
        }
    }

    /// Values of a group that are read elsewhere or leave the run.
    fn made(&self, group: usize) -> Vec<NodeId> {
        let read =
            self.in_memory.iter().copied().filter(|id| self.grouping.group_of[id.index()] == Some(group));
        let leaving = self.leaving.iter().filter(|entry| entry.0 == group).map(|entry| entry.1);
        let mut made: Vec<NodeId> = read.chain(leaving).collect();
        made.sort_unstable();
        made.dedup();
        made
    }

    fn emit(&self, plan: &mut Plan) {
        let mut buffers: HashMap<NodeId, BufferId> = HashMap::new();
        for id in &self.in_memory {
            let node = &self.nodes[id.index()];
            let contents = match &node.op {
                Op::State(number) => Contents::State(*number),
                Op::Table(bits) => Contents::Table(bits.clone()),
                _ => Contents::Intermediate,
            };
            buffers.insert(*id, add_buffer(plan, contents, Layout::of(node.shape)));
        }
        let mut emitter = Emitter { lowering: self, buffers, states: HashMap::new(), plan };
        for group in 0..self.grouping.groups.len() {
            emitter.group(group);
        }
        emitter.order();
    }
}

fn add_buffer(plan: &mut Plan, contents: Contents, layout: Layout) -> BufferId {
    if contents != Contents::Intermediate
        && let Some(known) = plan.buffers.iter().position(|buffer| buffer.contents == contents)
    {
        return BufferId(known as u32);
    }
    plan.buffers.push(Buffer { contents, layout });
    BufferId(plan.buffers.len() as u32 - 1)
}

/// Writes the program of one group; every node that it must read from memory is reported.
struct Writer<'l, 'n, 'm> {
    lowering: &'l Lowering<'n>,
    group: usize,
    anchor: Option<NodeId>,
    known: HashMap<NodeId, Value>,
    program: Program,
    memory: &'m mut dyn FnMut(NodeId),
    buffers: Option<&'l HashMap<NodeId, BufferId>>,
}

impl<'l, 'n, 'm> Writer<'l, 'n, 'm> {
    fn new(
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

    fn load(&mut self, id: NodeId, access: Access) -> Value {
        (self.memory)(id);
        let buffer = self.buffers.and_then(|buffers| buffers.get(&id)).copied().unwrap_or(BufferId(id.0));
        self.program.push(Instruction::Load(buffer, access))
    }

    fn value(&mut self, id: NodeId) -> Value {
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

    fn computes(&self, id: NodeId) -> bool {
        match self.lowering.grouping.group_of[id.index()] {
            None => true,
            Some(group) if group == self.group => true,
            Some(_) => self.lowering.everywhere[id.index()] || self.cheaper_again(id),
        }
    }

    /// A cheap node of another group is computed again if all that it needs lies in memory anyway.
    fn cheaper_again(&self, id: NodeId) -> bool {
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

    fn virtual_value(&mut self, id: NodeId) -> Value {
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

    fn input(&self, id: NodeId) -> usize {
        let node = &self.lowering.nodes[id.index()];
        match node.op {
            Op::Input(number) => number,
            _ => self.input(self.lowering.root(node.operands[0])),
        }
    }

    fn spread(&mut self, id: NodeId, access: Access) -> Value {
        let source = self.lowering.root(self.lowering.nodes[id.index()].operands[0]);
        match self.lowering.role(source) {
            Role::Virtual if !feeds(&self.lowering.nodes[source.index()]) && access == Access::Single => {
                self.virtual_value(source)
            }
            Role::Spread(Access::Single) => self.spread(source, Access::Single),
            _ => self.load(source, access),
        }
    }

    fn compute(&mut self, id: NodeId) -> Value {
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

struct Emitter<'l, 'n, 'p> {
    lowering: &'l Lowering<'n>,
    buffers: HashMap<NodeId, BufferId>,
    states: HashMap<usize, BufferId>,
    plan: &'p mut Plan,
}

impl Emitter<'_, '_, '_> {
    fn group(&mut self, group: usize) {
        let lowering = self.lowering;
        let anchor = lowering.grouping.groups[group].anchor;
        let domain = lowering.grouping.groups[group].domain;
        let made = lowering.made(group);
        if made.is_empty() {
            return;
        }
        if let Some(id) = anchor.filter(|id| lowering.role(*id) == Role::Moving) {
            self.movement(id);
            return;
        }
        let mut program = self.program(group, anchor, &made);
        let work = match anchor {
            None => Work::Map,
            Some(id) if lowering.role(id) == Role::Product => self.product(id),
            Some(id) if domain.rows > 1 => {
                // Reductions write one row; a result of several is laid out first.
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

    fn program(&mut self, group: usize, anchor: Option<NodeId>, made: &[NodeId]) -> Program {
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

    fn destination(&mut self, destination: Destination, id: NodeId) -> BufferId {
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

    fn product(&self, id: NodeId) -> Work {
        let node = &self.lowering.nodes[id.index()];
        let Op::Product { transpose_left, transpose_right } = node.op else {
            unreachable!("only products open product groups")
        };
        let operand = |number: usize, transposed: bool| {
            let shape = self.lowering.nodes[node.operands[number].index()].shape;
            let buffer = self.buffers[&self.lowering.root(node.operands[number])];
            Operand { buffer, rows: shape.sizes()[0], columns: shape.sizes()[1], transposed }
        };
        let (left, right) = (operand(0, transpose_left), operand(1, transpose_right));
        let inner = if transpose_left { left.rows } else { left.columns };
        Work::Product { left, right, inner }
    }

    fn reduce(&mut self, group: usize, id: NodeId) -> Work {
        let node = &self.lowering.nodes[id.index()];
        let Op::Reduce { reduction, axes } = node.op else {
            unreachable!("only reductions open reduction groups")
        };
        let operand = node.operands[0];
        let shape = self.lowering.nodes[operand.index()].shape;
        let Role::Reduce(pattern) = self.lowering.role(id) else {
            unreachable!("its role was found by fusion")
        };
        let mut ignore = |_| {};
        let mut writer = Writer::new(self.lowering, group, None, &mut ignore);
        writer.buffers = Some(&self.buffers);
        let source = Layout::of(shape);
        match pattern {
            Pattern::Permuted => {
                let buffer = self.buffers[&self.lowering.root(operand)];
                self.reduce_permuted(buffer, shape, &axes, reduction)
            }
            Pattern::AlongRows | Pattern::DownColumns => {
                let direction =
                    if pattern == Pattern::AlongRows { Direction::AlongRows } else { Direction::DownColumns };
                let before = finish_before(&mut writer, operand);
                Work::Reduce { direction, reduction, before, source }
            }
            Pattern::Everything => {
                let before = finish_before(&mut writer, operand);
                self.reduce_everything(before, source, reduction)
            }
        }
    }

    /// A reduction whose result has several rows: reduced to one row, then moved to the layout that it has.
    fn reduce_to_rows(&mut self, group: usize, id: NodeId, domain: Layout) -> BufferId {
        let work = self.reduce(group, id);
        let flat = Layout { rows: 1, columns: domain.elements() };
        let from = add_buffer(self.plan, Contents::Intermediate, flat);
        let mut program = Program::default();
        let result = program.push(Instruction::Result);
        program.stores.push((result, from));
        let flops = work_flops(&work, domain.elements() as u64);
        self.plan.steps.push(Step { work, domain: flat, program, after: Vec::new(), flops });
        let shape = Shape::from([domain.rows, domain.columns]);
        let piece = whole_piece(from, domain.elements(), shape.strides(), shape);
        let to = add_buffer(self.plan, Contents::Intermediate, domain);
        self.push_move(Move { shape, pieces: vec![piece] }, domain, to);
        to
    }

    /// Two stages: a number a row, then one number. One stage where there is one row.
    fn reduce_everything(&mut self, before: Program, source: Layout, reduction: Reduction) -> Work {
        let direction = Direction::AlongRows;
        if source.rows == 1 {
            return Work::Reduce { direction, reduction, before, source };
        }
        let rows = Layout { rows: 1, columns: source.rows };
        let between = add_buffer(self.plan, Contents::Intermediate, rows);
        let flops = (before.operations() as u64 + 1) * source.elements() as u64;
        let work = Work::Reduce { direction, reduction, before, source };
        let mut program = Program::default();
        let result = program.push(Instruction::Result);
        program.stores.push((result, between));
        self.plan.steps.push(Step { work, domain: rows, program, after: Vec::new(), flops });
        Work::Reduce { direction, reduction, before: loading(between), source: rows }
    }

    /// Kept axes first, reduced axes last, copied; then along the rows.
    fn reduce_permuted(
        &mut self,
        buffer: BufferId,
        shape: Shape,
        axes: &[bool; MAX_RANK],
        reduction: Reduction,
    ) -> Work {
        let strides = shape.strides();
        let kept: Vec<usize> = (0..shape.rank()).filter(|axis| !axes[*axis]).collect();
        let reduced: Vec<usize> = (0..shape.rank()).filter(|axis| axes[*axis]).collect();
        let order: Vec<usize> = kept.iter().chain(&reduced).copied().collect();
        let sizes: Vec<usize> = order.iter().map(|axis| shape.sizes()[*axis]).collect();
        let columns: usize = reduced.iter().map(|axis| shape.sizes()[*axis]).product();
        let source = Layout { rows: shape.elements() / columns.max(1), columns };
        let mut piece_strides = [0; MAX_RANK];
        order.iter().enumerate().for_each(|(to, axis)| piece_strides[to] = strides[*axis]);
        let moved_shape = Shape::new(&sizes);
        let piece = whole_piece(buffer, shape.columns(), piece_strides, moved_shape);
        let to = add_buffer(self.plan, Contents::Intermediate, source);
        self.push_move(Move { shape: moved_shape, pieces: vec![piece] }, source, to);
        Work::Reduce { direction: Direction::AlongRows, reduction, before: loading(to), source }
    }

    fn push_move(&mut self, moved: Move, domain: Layout, to: BufferId) {
        let work = Work::Move(moved, to);
        self.plan.steps.push(Step { work, domain, program: Program::default(), after: Vec::new(), flops: 0 });
    }

    fn movement(&mut self, id: NodeId) {
        let node = &self.lowering.nodes[id.index()];
        let domain = Layout::of(node.shape);
        let to = self.buffers[&id];
        let source = |number: usize| {
            let operand = node.operands[number];
            (
                self.buffers.get(&self.lowering.root(operand)).copied(),
                self.lowering.nodes[operand.index()].shape,
            )
        };
        let memory = |number: usize| source(number).0.unwrap_or(BufferId(0));
        let (first, shape) = (memory(0), source(0).1);
        let strides = shape.strides();
        let mut piece = whole_piece(first, shape.columns(), [0; MAX_RANK], node.shape);
        match &node.op {
            Op::Gather | Op::ScatterAdd => {
                let Op::Input(indices) = self.lowering.nodes[self.lowering.root(node.operands[1]).index()].op
                else {
                    unreachable!("indices are inputs: no operation makes u32 values")
                };
                let columns = node.shape.columns();
                let work = match node.op {
                    Op::Gather => Work::Gather { table: first, indices, to, columns },
                    _ => Work::ScatterAdd { rows: first, indices, to, columns },
                };
                self.plan.steps.push(Step {
                    work,
                    domain,
                    program: Program::default(),
                    after: Vec::new(),
                    flops: 0,
                });
                return;
            }
            Op::Permute { order } => {
                (0..shape.rank()).for_each(|axis| piece.strides[axis] = strides[order[axis] as usize]);
            }
            Op::Broadcast => {
                let size = |axis: usize| shape.sizes()[axis];
                (0..shape.rank())
                    .for_each(|axis| piece.strides[axis] = if size(axis) == 1 { 0 } else { strides[axis] });
            }
            Op::Slice { start } => {
                piece.strides = strides;
                piece.offset = (0..shape.rank()).map(|axis| start[axis] * strides[axis]).sum();
            }
            Op::Pad { before } => {
                piece.strides = strides;
                piece.start = *before;
                (0..shape.rank()).for_each(|axis| piece.end[axis] = before[axis] + shape.sizes()[axis]);
            }
            Op::Concatenate { axis } => {
                let pieces = self.concatenated(node, *axis);
                return self.push_move(Move { shape: node.shape, pieces }, domain, to);
            }
            _ => piece.strides = node.shape.strides(),
        }
        self.push_move(Move { shape: node.shape, pieces: vec![piece] }, domain, to);
    }

    fn concatenated(&self, node: &Node, axis: usize) -> Vec<Piece> {
        let mut at = 0;
        let mut pieces = Vec::new();
        for operand in &node.operands {
            let shape = self.lowering.nodes[operand.index()].shape;
            let buffer = self.buffers[&self.lowering.root(*operand)];
            let mut piece = whole_piece(buffer, shape.columns(), shape.strides(), node.shape);
            piece.start[axis] = at;
            at += shape.sizes()[axis];
            piece.end[axis] = at;
            pieces.push(piece);
        }
        pieces
    }

    /// Dependences: readers after writers, and a state's writer after all who read its old value.
    fn order(&mut self) {
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

    fn order_update(&mut self, state: BufferId, writer: usize) {
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
    fn sort(&mut self) {
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
fn reads_in_place(step: &Step, state: BufferId) -> bool {
    let elementwise = step.program.loads().all(|(buffer, access)| buffer != state || access == Access::Full);
    let elsewhere = match &step.work {
        Work::Product { left, right, .. } => left.buffer == state || right.buffer == state,
        Work::Reduce { before, .. } => before.loads().any(|load| load.0 == state),
        _ => false,
    };
    elementwise && !elsewhere
}

fn depends(steps: &[Step], step: usize, on: usize) -> bool {
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

fn finish_before(writer: &mut Writer<'_, '_, '_>, operand: NodeId) -> Program {
    let value = writer.value(operand);
    let mut before = std::mem::take(&mut writer.program);
    before.reduced = Some(value);
    before.simplify(writer.lowering.joins);
    before
}

fn loading(buffer: BufferId) -> Program {
    let mut program = Program::default();
    program.reduced = Some(program.push(Instruction::Load(buffer, Access::Full)));
    program
}

fn whole_piece(buffer: BufferId, columns: usize, strides: [usize; MAX_RANK], shape: Shape) -> Piece {
    let mut end = [1; MAX_RANK];
    end[..shape.rank()].copy_from_slice(shape.sizes());
    Piece { buffer, columns, strides, offset: 0, start: [0; MAX_RANK], end }
}

fn work_flops(work: &Work, elements: u64) -> u64 {
    match work {
        Work::Product { inner, .. } => 2 * *inner as u64 * elements,
        Work::Reduce { before, source, .. } => (before.operations() as u64 + 1) * source.elements() as u64,
        _ => 0,
    }
}

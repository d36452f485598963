//! Lowering: from a grouped graph to steps over buffers.

mod convolution;
mod emit;
mod fed;
mod marks;
mod movement;
mod order;
mod pooled;
mod reduce;
mod writer;

use super::fuse::{Grouping, Pattern, Role, expensive, feeds, own_positions, root};
use super::layout::{Layout, PANEL};
use super::program::{Access, Instruction, Program, Value};
use super::{
    Buffer, BufferId, Contents, ConvolutionWork, Direction, Images, KernelGradientWork, Matrix, Move,
    Operand, Piece, Plan, PoolingWork, Port, SparseWork, Step, Work, is_symmetric,
};
use crate::graph::op::{Op, Pooling, Reduction, Sparse, Windows};
use crate::graph::shape::{MAX_RANK, Shape};
use crate::graph::{Graph, Node, NodeId};
use emit::{Emitter, finish_before, loading, whole_piece, work_flops};
use std::collections::{BTreeSet, HashMap};
use writer::Writer;

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
                    let own = own_positions(self.nodes, &self.grouping.roles, anchor);
                    let read = if own.is_some() { &node.operands[..1] } else { &node.operands[..] };
                    for operand in read.iter().map(|operand| self.root(*operand)) {
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
        pooled::pool_at_hand(emitter.plan);
        pooled::unpool_at_hand(emitter.plan);
        fed::read_in_place(emitter.plan);
        fed::read_pixels_in_place(emitter.plan);
        marks::mark_data(emitter.plan);
        emitter.order();
        drop_untouched(emitter.plan);
    }
}

/// What no step touches any more needs no room.
fn drop_untouched(plan: &mut Plan) {
    let mut touched = vec![false; plan.buffers.len()];
    for step in &plan.steps {
        step.reads().into_iter().chain(step.writes()).for_each(|buffer| touched[buffer.index()] = true);
    }
    for (buffer, touched) in plan.buffers.iter_mut().zip(touched) {
        if !touched && buffer.contents == Contents::Intermediate {
            buffer.layout = Layout { rows: 0, columns: 0 };
        }
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

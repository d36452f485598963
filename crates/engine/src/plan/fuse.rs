//! Fusion: which nodes are computed together.
//!
//! Every product, reduction and movement opens a group. An elementwise node joins the latest group among its operands'
//! that covers the same elements and that none of its other operands depends on; otherwise it opens a group of its own.
//! Elementwise nodes whose only use is one reduction are computed in front of it. Nodes made of leaves alone float: they are
//! computed wherever they are used, but expensive ones only once.

use super::layout::{Axis, Layout};
use super::program::Access;
use crate::graph::op::{Kind, Op, Pooling, Reduction, Unary};
use crate::graph::shape::Shape;
use crate::graph::{Node, NodeId};
use std::collections::HashSet;

/// What a node is to the plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// Not needed.
    Dead,
    /// The same memory as another node.
    Alias(NodeId),
    /// A number or a run's input: brought by an instruction.
    Virtual,
    /// Memory from elsewhere: a state or a table.
    Stored,
    /// Element by element.
    Pointwise,
    /// A broadcast that a load can do.
    Spread(Access),
    /// A matrix product, a convolution, pooling: what is made tile by tile.
    Product,
    /// A reduction that runs over its operand as it lies.
    Reduce(Pattern),
    /// Elements copied elsewhere, gathers and scatters.
    Moving,
}

/// How a reduction meets its operand's rows and columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// Along each row.
    AlongRows,
    /// Through an axis before the last one.
    Through(Axis),
    /// Over everything, in two stages if there are several rows.
    Everything,
    /// The operand must be permuted first.
    Permuted,
}

/// A set of nodes computed in one step.
#[derive(Clone, Debug)]
pub struct Group {
    /// The product, reduction or movement that opened it.
    pub anchor: Option<NodeId>,
    /// Rows and columns of its elementwise part.
    pub domain: Layout,
    /// Whether elementwise nodes may join.
    pub open: bool,
    /// Groups whose results it reads.
    pub needs: Vec<usize>,
    /// Whether another group's step makes its result beside its own.
    pub made_elsewhere: bool,
}

/// The result of fusion.
pub struct Grouping {
    /// The role of every node.
    pub roles: Vec<Role>,
    /// The group of every node that has one.
    pub group_of: Vec<Option<usize>>,
    /// The groups, in order of creation.
    pub groups: Vec<Group>,
    /// Floating nodes that some group has looked through. Whether they float is settled then: were one adopted later, the
    /// group that looked first would come to need its adopter, and the adopter may need that group.
    settled: Vec<bool>,
}

/// Whether computing a node twice costs more than writing and reading it.
pub fn expensive(op: &Op) -> bool {
    match op {
        Op::Random { .. } => true,
        Op::Unary(unary) => !matches!(unary, Unary::Negate | Unary::Absolute | Unary::Sign),
        _ => false,
    }
}

/// The positions by which pixels are picked, if they are those of the largest of the same images, found for this alone.
pub fn own_positions(nodes: &[Node], roles: &[Role], id: NodeId) -> Option<NodeId> {
    let is_positions = |node: &Node, like: &Op| match (&node.op, like) {
        (
            Op::Pooling { pooling: Pooling::Positions, windows: a, size: b },
            Op::Pooling { pooling: Pooling::Pick, windows: c, size: d },
        ) => (a, b) == (c, d),
        _ => false,
    };
    let node = &nodes[id.index()];
    let positions = root(roles, *node.operands.get(1)?);
    let found = &nodes[positions.index()];
    (is_positions(found, &node.op) && found.operands[0] == node.operands[0]).then_some(positions)
}

/// Follows aliases to the node whose memory is meant.
pub fn root(roles: &[Role], mut id: NodeId) -> NodeId {
    while let Role::Alias(of) = roles[id.index()] {
        id = of;
    }
    id
}

/// Finds the role of every node; `wanted` are the nodes whose values leave the run.
pub fn roles(nodes: &[Node], wanted: &[NodeId]) -> Vec<Role> {
    let mut live = vec![false; nodes.len()];
    wanted.iter().for_each(|id| live[id.index()] = true);
    for at in (0..nodes.len()).rev() {
        if live[at] {
            nodes[at].operands.iter().for_each(|operand| live[operand.index()] = true);
        }
    }
    (0..nodes.len()).map(|at| if live[at] { role(nodes, at) } else { Role::Dead }).collect()
}

fn role(nodes: &[Node], at: usize) -> Role {
    let node = &nodes[at];
    let operand = |number: usize| &nodes[node.operands[number].index()];
    match &node.op {
        Op::Input(_) | Op::Scalar(_) | Op::Constant(_) | Op::Position { .. } | Op::Convert => Role::Virtual,
        Op::State(_) | Op::Table(_) => Role::Stored,
        Op::Random { .. } | Op::Unary(_) | Op::Binary(_) | Op::Select => Role::Pointwise,
        Op::StopGradient => Role::Alias(node.operands[0]),
        // Pixels and indices are read row-major where the caller has them: their shape says nothing about memory.
        Op::Reshape if node.kind != Kind::F32 || Layout::of(node.shape) == Layout::of(operand(0).shape) => {
            Role::Alias(node.operands[0])
        }
        // So is what the caller feeds, whatever shape it is then given.
        Op::Reshape if feeds(operand(0)) => Role::Virtual,
        Op::Broadcast => spread(operand(0).shape, node.shape).map_or(Role::Moving, Role::Spread),
        Op::Product { .. } | Op::Convolution { .. } | Op::KernelGradient(_) | Op::Pooling { .. } => {
            Role::Product
        }
        Op::Reduce { reduction, axes } => Role::Reduce(pattern(operand(0).shape, &axes[..], *reduction)),
        Op::Reshape | Op::Permute { .. } | Op::Slice { .. } | Op::Pad { .. } | Op::Concatenate { .. } => {
            Role::Moving
        }
        Op::Largest { .. } | Op::Sparse(_) | Op::Gather | Op::ScatterAdd => Role::Moving,
    }
}

/// The access by which `from`, stretched to `to`, can be read where it lies.
fn spread(from: Shape, to: Shape) -> Option<Access> {
    let leading = to.rank() - 1;
    let all_one = |sizes: &[usize]| sizes.iter().all(|size| *size == 1);
    if from.elements() == 1 {
        Some(Access::Single)
    } else if all_one(&from.sizes()[..leading]) {
        Some(Access::Row)
    } else if from.columns() == 1 && from.sizes()[..leading] == to.sizes()[..leading] {
        Some(Access::Column)
    } else if from.columns() == to.columns() && to.columns() > 1 {
        Axis::of(to, |axis| from.sizes()[axis] != to.sizes()[axis]).map(Access::Broadcast)
    } else {
        None
    }
}

fn pattern(shape: Shape, axes: &[bool], reduction: Reduction) -> Pattern {
    let rank = shape.rank();
    // A first axis that stays counts even if its size is 1: a batch of one is reduced in the same order as a larger one.
    let kept = |axis: usize| !axes[axis] && (shape.sizes()[axis] > 1 || axis == 0);
    let last = rank - 1;
    let flat = shape.columns() == 1;
    if (0..rank).all(|axis| !kept(axis)) {
        // A position must be counted along one row; over several rows a permuted copy makes it one.
        let rows = Layout::of(shape).rows;
        return if reduction == Reduction::ArgumentMaximum && rows > 1 {
            Pattern::Permuted
        } else {
            Pattern::Everything
        };
    }
    if !flat && axes[last] && (0..last).all(|axis| !axes[axis] || shape.sizes()[axis] == 1) {
        return Pattern::AlongRows;
    }
    if !flat && !axes[last] && reduction != Reduction::ArgumentMaximum {
        return Axis::of(shape, |axis| axes[axis]).map_or(Pattern::Permuted, Pattern::Through);
    }
    Pattern::Permuted
}

impl Grouping {
    /// Groups the nodes; `pinned` are nodes that leave the run and so never hide in front of a reduction.
    pub fn new(nodes: &[Node], wanted: &[NodeId]) -> Grouping {
        let roles = roles(nodes, wanted);
        let mut grouping = Grouping {
            group_of: vec![None; nodes.len()],
            groups: Vec::new(),
            settled: vec![false; nodes.len()],
            roles,
        };
        let in_front = grouping.in_front_of_reductions(nodes, wanted);
        for at in 0..nodes.len() {
            let id = NodeId(at as u32);
            match grouping.roles[at] {
                Role::Pointwise => match in_front[at] {
                    Some(_) => {}
                    None => grouping.place(nodes, id),
                },
                Role::Product | Role::Reduce(_) | Role::Moving => grouping.open(nodes, id, &in_front),
                _ => {}
            }
        }
        grouping
    }

    /// Opens a group for a node.
    pub fn open(&mut self, nodes: &[Node], id: NodeId, in_front: &[Option<NodeId>]) {
        let node = &nodes[id.index()];
        let mut needs = Vec::new();
        let group = self.groups.len();
        let positions = own_positions(nodes, &self.roles, id).and_then(|id| self.group_of[id.index()]);
        let is_choice = matches!(node.op, Op::Pooling { pooling: Pooling::Positions, .. });
        let (anchor, open) = match self.roles[id.index()] {
            // May be made beside another group's result, which leaves no room for more.
            Role::Product if is_choice => (Some(id), false),
            Role::Moving => (Some(id), false),
            Role::Product | Role::Reduce(_) => (Some(id), true),
            _ => (None, true),
        };
        self.needs_of(nodes, id, &mut needs);
        let hidden: Vec<NodeId> =
            (0..in_front.len()).filter(|at| in_front[*at] == Some(id)).map(|at| NodeId(at as u32)).collect();
        for at in &hidden {
            self.group_of[at.index()] = Some(group);
        }
        for at in hidden {
            self.needs_of(nodes, at, &mut needs);
            self.settle(nodes, at);
        }
        if anchor.is_some() {
            self.settle(nodes, id);
        }
        needs.sort_unstable();
        needs.dedup();
        needs.retain(|need| *need != group);
        let domain = Layout::of(node.shape);
        self.groups.push(Group { anchor, domain, open, needs, made_elsewhere: false });
        // Positions that only name the largest pixels are found while these are picked, and stand when those do.
        if let Some(positions) = positions.filter(|positions| !self.groups[*positions].made_elsewhere) {
            let beside = &mut self.groups[positions];
            (beside.made_elsewhere, beside.open) = (true, false);
            beside.needs.push(group);
        }
        self.group_of[id.index()] = Some(group);
    }

    /// For every elementwise node whose every use is (in front of) one reduction: that reduction.
    fn in_front_of_reductions(&self, nodes: &[Node], wanted: &[NodeId]) -> Vec<Option<NodeId>> {
        let mut uses: Vec<Vec<NodeId>> = vec![Vec::new(); nodes.len()];
        for (at, node) in nodes.iter().enumerate() {
            if matches!(self.roles[at], Role::Dead | Role::Alias(_)) {
                continue;
            }
            for operand in &node.operands {
                uses[root(&self.roles, *operand).index()].push(NodeId(at as u32));
            }
        }
        let mut result: Vec<Option<NodeId>> = vec![None; nodes.len()];
        let leaves: Vec<NodeId> = wanted.iter().map(|id| root(&self.roles, *id)).collect();
        for at in (0..nodes.len()).rev() {
            let id = NodeId(at as u32);
            if self.roles[at] != Role::Pointwise || leaves.contains(&id) {
                continue;
            }
            let target = |user: &NodeId| match self.roles[user.index()] {
                Role::Reduce(pattern) if pattern != Pattern::Permuted => {
                    let source = nodes[user.index()].operands[0];
                    (Layout::of(nodes[source.index()].shape) == Layout::of(nodes[at].shape)).then_some(*user)
                }
                _ => result[user.index()],
            };
            let mut targets = uses[at].iter().map(target);
            let first = targets.next().flatten();
            if first.is_some() && targets.all(|other| other == first) {
                result[at] = first;
            }
        }
        result
    }

    /// Groups that a node's operands are computed in.
    pub fn needs_of(&self, nodes: &[Node], id: NodeId, needs: &mut Vec<usize>) {
        let mut seen = HashSet::new();
        let mut open = vec![id];
        while let Some(at) = open.pop() {
            let operands = &nodes[at.index()].operands;
            let read = if own_positions(nodes, &self.roles, at).is_some() { 1 } else { operands.len() };
            for operand in &operands[..read] {
                let operand = root(&self.roles, *operand);
                match self.group_of[operand.index()] {
                    Some(group) => needs.push(group),
                    // Floating nodes and spreads stand for what they are made of.
                    None if seen.insert(operand) => open.push(operand),
                    None => {}
                }
            }
        }
    }

    /// Marks the floating nodes among a node's operands, and theirs, as settled.
    fn settle(&mut self, nodes: &[Node], id: NodeId) {
        for operand in &nodes[id.index()].operands {
            let operand = root(&self.roles, *operand);
            let at = operand.index();
            if self.group_of[at].is_none() && !std::mem::replace(&mut self.settled[at], true) {
                self.settle(nodes, operand);
            }
        }
    }

    fn place(&mut self, nodes: &[Node], id: NodeId) {
        let mut needs = Vec::new();
        self.needs_of(nodes, id, &mut needs);
        needs.sort_unstable();
        needs.dedup();
        if needs.is_empty() {
            return;
        }
        let domain = Layout::of(nodes[id.index()].shape);
        let direct = nodes[id.index()].operands.iter().filter_map(|operand| {
            let operand = root(&self.roles, *operand);
            self.group_of[operand.index()]
                .filter(|group| self.groups[*group].open && self.groups[*group].domain == domain)
        });
        let possible = |group: &usize| needs.iter().all(|need| need == group || !self.depends(*need, *group));
        // What reads the same results as a group of elementwise nodes reads them there, once.
        let beside = (0..self.groups.len()).rev().find(|number| {
            let group = &self.groups[*number];
            let reads = || group.needs.iter().any(|need| needs.contains(need));
            group.anchor.is_none() && group.open && group.domain == domain && reads() && possible(number)
        });
        let chosen = direct.filter(possible).max().or(beside);
        match chosen {
            Some(group) => {
                self.group_of[id.index()] = Some(group);
                self.groups[group].needs.extend(needs.into_iter().filter(|need| *need != group));
                self.adopt(nodes, id, group);
            }
            None => {
                self.open(nodes, id, &[]);
                self.adopt(nodes, id, self.groups.len() - 1);
            }
        }
    }

    /// Expensive floating operands are computed in the first group that uses them.
    fn adopt(&mut self, nodes: &[Node], id: NodeId, group: usize) {
        for operand in &nodes[id.index()].operands {
            let operand = root(&self.roles, *operand);
            let at = operand.index();
            if self.group_of[at].is_some() || self.settled[at] {
                continue;
            }
            let same = Layout::of(nodes[at].shape) == self.groups[group].domain;
            if self.roles[at] == Role::Pointwise && same {
                if expensive(&nodes[at].op) {
                    self.group_of[at] = Some(group);
                }
                self.adopt(nodes, operand, group);
            }
            if self.group_of[at].is_none() {
                self.settled[at] = true;
                self.settle(nodes, operand);
            }
        }
    }

    /// Whether `group` reads, directly or not, what `other` computes.
    fn depends(&self, group: usize, other: usize) -> bool {
        let mut seen = vec![false; self.groups.len()];
        let mut open = vec![group];
        while let Some(at) = open.pop() {
            if at == other {
                return true;
            }
            if !std::mem::replace(&mut seen[at], true) {
                open.extend(&self.groups[at].needs);
            }
        }
        false
    }
}

/// Whether an input can be read as numbers by an instruction.
pub fn feeds(node: &Node) -> bool {
    matches!(node.op, Op::Convert) || (matches!(node.op, Op::Input(_)) && node.kind == Kind::F32)
}

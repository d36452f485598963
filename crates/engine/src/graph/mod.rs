//! The graph: what is to be computed, written once, with shapes known and nothing run.
//!
//! [`Tensor`] is a small `Copy` handle with operators and methods. Nodes are pure and shared: writing the same expression
//! twice gives the same node. The first mistake is kept in the graph, with the shapes and the name path, and comes out of
//! [`Graph::check`] (which compiling calls); building never panics on it.

pub mod convolution;
mod elementwise;
mod gather;
mod largest;
mod leaf;
mod movement;
pub mod op;
pub mod pooling;
mod product;
mod reduction;
pub mod shape;
mod sparse;
mod state;

use crate::error::Error;
use op::{Kind, Op};
use shape::{MAX_RANK, Shape};
use std::cell::RefCell;
use std::collections::HashMap;

/// Number of a node; operands always have smaller numbers than the node that uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation with its operands and the shape of its result.
#[derive(Clone, Debug)]
pub struct Node {
    /// What is done.
    pub op: Op,
    /// On what.
    pub operands: Vec<NodeId>,
    /// Shape of the result.
    pub shape: Shape,
    /// Element type of the result.
    pub kind: Kind,
}

/// A declared input, state or scalar: its name and leaf node.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Name, unique among its kind.
    pub name: String,
    /// The leaf.
    pub node: NodeId,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) nodes: Vec<Node>,
    known: HashMap<(Op, Vec<NodeId>, Shape), NodeId>,
    pub(crate) inputs: Vec<Leaf>,
    pub(crate) states: Vec<Leaf>,
    pub(crate) updates: Vec<Option<NodeId>>,
    pub(crate) scalars: Vec<Leaf>,
    pub(crate) outputs: Vec<Leaf>,
    pub(crate) streams: u32,
    error: Option<Error>,
    place: Vec<String>,
}

/// A computation in the making; see the module's text.
#[derive(Default)]
pub struct Graph {
    pub(crate) inner: RefCell<Inner>,
}

/// A value in a [`Graph`]: a handle that is copied freely.
#[derive(Clone, Copy)]
pub struct Tensor<'g> {
    pub(crate) graph: &'g Graph,
    pub(crate) id: NodeId,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Graph {
        Graph::default()
    }

    /// Runs `build` with `name` added to the name path that errors show.
    pub fn within<T>(&self, name: &str, build: impl FnOnce() -> T) -> T {
        self.inner.borrow_mut().place.push(name.to_owned());
        let result = build();
        self.inner.borrow_mut().place.pop();
        result
    }

    /// The current name path, joined by dots.
    pub fn place(&self) -> String {
        let inner = self.inner.borrow();
        if inner.place.is_empty() { "graph".to_owned() } else { inner.place.join(".") }
    }

    /// The first mistake made while building, if any.
    pub fn check(&self) -> Result<(), Error> {
        self.inner.borrow().error.clone().map_or(Ok(()), Err)
    }

    /// Names a result that a run returns.
    pub fn output(&self, name: &str, tensor: Tensor<'_>) {
        if self.inner.borrow().outputs.iter().any(|leaf| leaf.name == name) {
            self.fail(Error::DuplicateName { kind: "output", name: name.to_owned() });
        }
        self.inner.borrow_mut().outputs.push(Leaf { name: name.to_owned(), node: tensor.id });
    }

    /// Number of nodes so far.
    pub fn len(&self) -> usize {
        self.inner.borrow().nodes.len()
    }

    /// Whether nothing has been written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn tensor(&self, id: NodeId) -> Tensor<'_> {
        Tensor { graph: self, id }
    }

    pub(crate) fn node(&self, id: NodeId) -> Node {
        self.inner.borrow().nodes[id.index()].clone()
    }

    pub(crate) fn fail(&self, error: Error) {
        self.inner.borrow_mut().error.get_or_insert(error);
    }

    /// Adds a node, or finds the one that already says the same.
    pub(crate) fn add(&self, op: Op, operands: &[NodeId], shape: Shape, kind: Kind) -> Tensor<'_> {
        if !shape.is_possible() {
            let (operation, place) = (op.name(), self.place());
            let expected =
                format!("1 to {MAX_RANK} axes or none, none of size 0, and fewer than 2^40 elements");
            self.fail(Error::Operand { operation, place, shape, expected });
        }
        let mut inner = self.inner.borrow_mut();
        let key = (op, operands.to_vec(), shape);
        if let Some(&id) = inner.known.get(&key) {
            return Tensor { graph: self, id };
        }
        let id = NodeId(inner.nodes.len() as u32);
        let (op, operands, shape) = key.clone();
        inner.known.insert(key, id);
        inner.nodes.push(Node { op, operands, shape, kind });
        Tensor { graph: self, id }
    }
}

impl<'g> Tensor<'g> {
    /// The graph that this is a value of.
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    /// Shape of the value.
    pub fn shape(&self) -> Shape {
        self.graph.inner.borrow().nodes[self.id.index()].shape
    }

    /// Element type of the value.
    pub fn kind(&self) -> Kind {
        self.graph.inner.borrow().nodes[self.id.index()].kind
    }

    /// The node behind the handle.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Records an operand mistake and gives back a stand-in of the wished shape, so that building can go on.
    pub(crate) fn refuse(&self, operation: &'static str, expected: String, stand_in: Shape) -> Tensor<'g> {
        let error = Error::Operand { operation, place: self.graph.place(), shape: self.shape(), expected };
        self.graph.fail(error);
        self.graph.constant(0.0).stretch(stand_in)
    }

    /// Records an error unless the elements are f32.
    pub(crate) fn expect_numbers(&self, operation: &'static str) {
        if self.kind() != Kind::F32 {
            let found = self.kind().name();
            self.graph.fail(Error::Kind { operation, place: self.graph.place(), expected: "f32", found });
        }
    }
}

impl std::fmt::Debug for Tensor<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "%{} {}", self.id.0, self.shape())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_expressions_are_one_node() {
        let graph = Graph::new();
        let x = graph.input("x", [2, 3]);
        let first = (x * 2.0).exp();
        let nodes = graph.len();
        let second = (x * 2.0).exp();
        assert_eq!(first.id, second.id);
        assert_eq!(graph.len(), nodes);
    }

    #[test]
    fn the_first_mistake_is_kept_with_its_place() {
        let graph = Graph::new();
        let x = graph.input("x", [2, 3]);
        let w = graph.state("w", [4, 5]);
        let y = graph.within("encoder", || graph.within("0", || x.matmul(w)));
        let _later = y + graph.input("z", [7, 7]);
        let error = graph.check().unwrap_err().to_string();
        assert_eq!(error, "encoder.0: product cannot combine shapes [2×3] and [4×5]");
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let shapes: [&[usize]; 5] =
            [&[0], &[3, 0, 2], &[1, 2, 1, 2, 1, 2, 1], &[1 << 20, 1 << 20], &[usize::MAX, 2]];
        for sizes in shapes {
            let graph = Graph::new();
            let _ = graph.within("data", || graph.input("x", sizes)) * 2.0;
            let error = graph.check().unwrap_err().to_string();
            assert!(error.starts_with("data: input cannot take shape ["), "{error}");
        }
        let graph = Graph::new();
        let _ = graph.input("x", [2, 3]).slice(&[0, usize::MAX], &[2, 2]);
        assert!(graph.check().unwrap_err().to_string().starts_with("graph: slice cannot take shape [2×3]"));
    }

    #[test]
    fn only_numbers_are_moved() {
        let moves: [for<'g> fn(Tensor<'g>) -> Tensor<'g>; 7] = [
            |x| x.transpose(),
            |x| x.slice(&[0, 0], &[1, 1]),
            |x| x.pad(&[0, 1], &[1, 0]),
            |x| x.concatenate(&[x], 0),
            |x| x.stretch([4, 2, 3]),
            |x| x.stop_gradient(),
            |x| x.convert().select(x, x.convert()),
        ];
        for moved in moves {
            let graph = Graph::new();
            let _ = moved(graph.pixels("x", [2, 3]));
            let error = graph.check().unwrap_err().to_string();
            assert!(error.ends_with("expects f32 values, found u8"), "{error}");
        }
    }

    #[test]
    fn a_name_is_given_once() {
        let graph = Graph::new();
        graph.state("w", [1]);
        graph.state("w", [2]);
        assert_eq!(graph.check().unwrap_err().to_string(), "state `w` is declared twice");
    }
}

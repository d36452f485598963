//! What derived graphs are made of: the promises that numbers do not show. The numbers are in `tests/gradient_*.rs`.

use crate::Error;
use crate::graph::op::{Binary, Distribution, Op, Reduction};
use crate::graph::{Graph, NodeId, Tensor};

/// The nodes that a gradient added.
fn added<'g>(graph: &'g Graph, loss: Tensor<'g>, of: &[Tensor<'g>]) -> Vec<crate::graph::Node> {
    let before = graph.len();
    graph.gradient(loss, of).unwrap();
    (before..graph.len()).map(|index| graph.node(NodeId(index as u32))).collect()
}

fn products(nodes: &[crate::graph::Node]) -> Vec<(Vec<NodeId>, bool, bool)> {
    let turned = |op: &Op| match *op {
        Op::Product { transpose_left, transpose_right } => Some((transpose_left, transpose_right)),
        _ => None,
    };
    nodes
        .iter()
        .filter_map(|node| turned(&node.op).map(|(left, right)| (node.operands.clone(), left, right)))
        .collect()
}

#[test]
fn products_come_in_the_orientation_that_needs_no_transposed_matrix() {
    let graph = Graph::new();
    let (x, w) = (graph.state("x", [4, 3]), graph.state("w", [3, 2]));
    let y = x.matmul(w);
    let nodes = added(&graph, y.square().sum_all(), &[x, w]);
    let found = products(&nodes);
    assert_eq!(found.len(), 2);
    // dX = dY·Wᵀ and dW = Xᵀ·dY.
    assert_eq!((found[0].0[1], found[0].1, found[0].2), (w.id, false, true));
    assert_eq!((found[1].0[0], found[1].1, found[1].2), (x.id, true, false));
    assert!(nodes.iter().all(|node| !matches!(node.op, Op::Permute { .. })));
}

#[test]
fn only_what_leads_to_the_wanted_tensors_is_derived() {
    let graph = Graph::new();
    let (x, w) = (graph.input("x", [4, 3]), graph.state("w", [3, 2]));
    let nodes = added(&graph, x.matmul(w).square().sum_all(), &[w]);
    assert_eq!(products(&nodes).len(), 1, "the gradient of an input that nobody asked for");

    let unrelated = graph.state("unrelated", [2, 5]);
    let loss = x.sum_all();
    let before = graph.len();
    let zeros = graph.gradient(loss, &[unrelated]).unwrap()[0];
    assert_eq!(zeros.shape(), unrelated.shape());
    assert!(graph.len() <= before + 2, "a zero and its repetition");
}

#[test]
fn nothing_is_derived_towards_a_stop() {
    let graph = Graph::new();
    let (x, w) = (graph.state("x", [4, 3]), graph.state("w", [3, 2]));
    let loss = x.matmul(w.stop_gradient()).square().sum_all() + w.sum_all();
    assert!(products(&added(&graph, loss, &[w])).is_empty());
}

#[test]
fn a_tensor_written_after_the_loss_has_gradient_zero() {
    let graph = Graph::new();
    let x = graph.state("x", [2]);
    let loss = x.square().sum_all();
    let later = graph.state("later", [3]);
    let derived = graph.gradient(loss, &[x, later]).unwrap();
    assert!(matches!(graph.node(derived[1].id).op, Op::Broadcast));
    assert_eq!(derived[1].shape(), later.shape());
}

/// The operands of added nodes that the forward pass has computed.
fn kept(nodes: &[crate::graph::Node], forward: &[Tensor<'_>]) -> Vec<bool> {
    forward.iter().map(|tensor| nodes.iter().any(|node| node.operands.contains(&tensor.id))).collect()
}

#[test]
fn activations_keep_only_their_own_result() {
    let functions: [fn(Tensor<'_>) -> Tensor<'_>; 6] = [
        |x| x.graph().constant(0.0).maximum(x),
        |x| x.sigmoid(),
        |x| x.tanh(),
        |x| x.exp(),
        |x| x.sqrt(),
        |x| x.unary(crate::op::Unary::ExponentialMinusOne),
    ];
    for function in functions {
        let graph = Graph::new();
        let w = graph.state("w", [4]);
        let x = w * 2.0;
        let y = function(x);
        let upstream = graph.input("g", [4]);
        let nodes = added(&graph, (y * upstream).sum_all(), &[w]);
        assert_eq!(kept(&nodes, &[x, y]), [false, true], "{:?}", graph.node(y.id).op);
    }
}

#[test]
fn a_mean_squared_error_starts_with_one_multiplication() {
    let graph = Graph::new();
    let (x, target) = (graph.state("x", [8, 4]), graph.input("target", [8, 4]));
    let nodes = added(&graph, (x - target).square().sum_all() * 0.125, &[x]);
    let passes = nodes.iter().filter(|node| matches!(node.op, Op::Unary(_) | Op::Binary(_))).count();
    assert_eq!(passes, 1, "{nodes:#?}");
}

#[test]
fn a_rectifier_selects_and_does_not_multiply() {
    let graph = Graph::new();
    let (x, g) = (graph.state("x", [4]), graph.input("g", [4]));
    let nodes = added(&graph, (graph.constant(0.0).maximum(x) * g).sum_all(), &[x]);
    assert!(nodes.iter().any(|node| node.op == Op::Select));
    assert!(nodes.iter().all(|node| node.op != Op::Binary(Binary::Multiply)));
}

#[test]
fn a_loss_has_one_element() {
    let graph = Graph::new();
    let x = graph.state("x", [2, 1]);
    let error = graph.gradient(x, &[x]).unwrap_err();
    let expected = "graph: gradient cannot take shape [2×1]: a loss of one element; sum or average it first";
    assert_eq!(error.to_string(), expected);
    let one = graph.state("one", [1, 1]);
    assert_eq!(graph.gradient(one, &[one]).unwrap()[0].shape(), one.shape());
}

#[test]
fn indices_have_no_gradient() {
    let graph = Graph::new();
    let (table, indices) = (graph.state("table", [3, 2]), graph.indices("i", [4]));
    let loss = table.gather(indices).sum_all();
    assert!(matches!(graph.gradient(loss, &[indices]), Err(Error::Kind { found: "u32", .. })));
}

#[test]
fn the_first_mistake_of_the_graph_comes_first() {
    let graph = Graph::new();
    let x = graph.state("x", [2, 3]);
    let _ = x.matmul(x);
    assert!(matches!(graph.gradient(x, &[x]), Err(Error::Shapes { operation: "product", .. })));
}

#[test]
fn the_largest_over_several_axes_has_no_derivative_but_may_stand_beside() {
    let graph = Graph::new();
    let x = graph.state("x", [2, 3]);
    let largest = x.reduce(Reduction::Maximum, &[0, 1]).sum_all();
    let error = graph.gradient(largest, &[x]).unwrap_err();
    assert_eq!(error, Error::NoDerivative { operation: "max over several axes" });
    graph.gradient((x - largest.stop_gradient()).sum_all(), &[x]).unwrap();
}

#[test]
fn what_is_not_smooth_passes_nothing_on() {
    let graph = Graph::new();
    let x = graph.state("x", [2, 3]);
    let ids = graph.indices("ids", [2]);
    let noise = graph.random(ids, 3, Distribution::Uniform);
    for flat in [noise.greater(x), x.equal(noise), x.argmax(1), x.stop_gradient(), ids.convert()] {
        let before = graph.len();
        let zeros = graph.gradient(flat.sum_all(), &[x]).unwrap()[0];
        assert!(matches!(graph.node(zeros.id).op, Op::Broadcast), "{zeros:?}");
        assert!((before..graph.len()).all(|index| graph.node(NodeId(index as u32)).operands.len() < 2));
    }
}

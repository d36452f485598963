//! The reference: a graph interpreted naively in f64, the oracle that every kernel and every gradient is tested against.
//!
//! One element at a time, in row-major order, no fusion and no reuse of memory: obviously right rather than fast. Constants
//! and random numbers are the f32 values that a plan has, widened; everything else is f64.

mod convolution;
mod function;
mod movement;
mod row;
mod sparse;
#[cfg(test)]
mod tests;

use crate::error::Error;
use crate::graph::op::Op;
use crate::graph::shape::{MAX_RANK, Shape};
use crate::graph::{Graph, Node, Tensor};
use crate::random;
use std::collections::BTreeMap;

pub use function::erf;

/// What a run is given, by name.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// Values of inputs, row-major; indices and pixels as whole numbers.
    pub inputs: BTreeMap<String, Vec<f64>>,
    /// Values of states before the step, row-major.
    pub states: BTreeMap<String, Vec<f64>>,
    /// Values of scalar inputs.
    pub scalars: BTreeMap<String, f64>,
    /// Seed of random leaves.
    pub seed: u64,
    /// Step of random leaves.
    pub step: u32,
}

impl Feed {
    /// Nothing yet, with seed and step 0.
    pub fn new() -> Feed {
        Feed::default()
    }

    /// With the values of an input: f64, f32, u32 or u8.
    pub fn input(mut self, name: &str, values: impl IntoIterator<Item: Into<f64>>) -> Feed {
        self.inputs.insert(name.to_owned(), values.into_iter().map(Into::into).collect());
        self
    }

    /// With the values of a state.
    pub fn state(mut self, name: &str, values: impl IntoIterator<Item: Into<f64>>) -> Feed {
        self.states.insert(name.to_owned(), values.into_iter().map(Into::into).collect());
        self
    }

    /// With the value of a scalar input.
    pub fn scalar(mut self, name: &str, value: impl Into<f64>) -> Feed {
        self.scalars.insert(name.to_owned(), value.into());
        self
    }

    /// With the seed and step that key random leaves.
    pub fn keyed(mut self, seed: u64, step: u32) -> Feed {
        (self.seed, self.step) = (seed, step);
        self
    }
}

/// The values of a graph's nodes after a run.
#[derive(Clone, Debug)]
pub struct Evaluation {
    values: Vec<Option<Vec<f64>>>,
    /// Every output, by name.
    pub outputs: BTreeMap<String, Vec<f64>>,
    /// Every state as it is after the step, by name; unchanged where it has no update.
    pub states: BTreeMap<String, Vec<f64>>,
}

impl Evaluation {
    /// The value of any evaluated tensor, row-major; nothing for one that [`evaluate_only`] had no need of.
    pub fn value(&self, tensor: Tensor<'_>) -> Option<&[f64]> {
        self.values.get(tensor.id.index())?.as_deref()
    }
}

/// Evaluates every node of the graph.
///
/// # Errors
/// The first mistake in the graph; [`Error::Feed`] where a leaf's values are missing or not as many as its shape says.
pub fn evaluate(graph: &Graph, feed: &Feed) -> Result<Evaluation, Error> {
    graph.check()?;
    let values = run(graph, feed, &vec![true; graph.len()])?;
    let inner = graph.inner.borrow();
    let value = |index: usize| values[index].clone().unwrap_or_default();
    let outputs = inner.outputs.iter().map(|leaf| (leaf.name.clone(), value(leaf.node.index()))).collect();
    let states = inner
        .states
        .iter()
        .zip(&inner.updates)
        .map(|(leaf, update)| (leaf.name.clone(), value(update.unwrap_or(leaf.node).index())))
        .collect();
    Ok(Evaluation { values, outputs, states })
}

/// Evaluates only what the given tensors need: no outputs, no states.
///
/// # Errors
/// As [`evaluate`], for the leaves that are needed.
pub fn evaluate_only(graph: &Graph, feed: &Feed, tensors: &[Tensor<'_>]) -> Result<Evaluation, Error> {
    graph.check()?;
    let mut wanted = vec![false; graph.len()];
    for tensor in tensors {
        wanted[tensor.id.index()] = true;
    }
    for (index, node) in graph.inner.borrow().nodes.iter().enumerate().rev() {
        if wanted[index] {
            node.operands.iter().for_each(|operand| wanted[operand.index()] = true);
        }
    }
    let values = run(graph, feed, &wanted)?;
    Ok(Evaluation { values, outputs: BTreeMap::new(), states: BTreeMap::new() })
}

fn run(graph: &Graph, feed: &Feed, wanted: &[bool]) -> Result<Vec<Option<Vec<f64>>>, Error> {
    let inner = graph.inner.borrow();
    let mut values: Vec<Option<Vec<f64>>> = vec![None; wanted.len()];
    for (index, node) in inner.nodes.iter().enumerate().filter(|(index, _)| wanted[*index]) {
        let fed = |kind, name: &String, found: Option<&[f64]>| {
            let (expected, found) = (node.shape.elements(), found.unwrap_or_default());
            if found.len() == expected {
                return Ok(found.to_vec());
            }
            Err(Error::Feed { kind, name: name.clone(), expected, found: found.len() })
        };
        let value = match node.op {
            Op::Input(number) => {
                let name = &inner.inputs[number].name;
                fed("input", name, feed.inputs.get(name).map(Vec::as_slice))?
            }
            Op::State(number) => {
                let name = &inner.states[number].name;
                fed("state", name, feed.states.get(name).map(Vec::as_slice))?
            }
            Op::Scalar(number) => {
                let name = &inner.scalars[number].name;
                fed("scalar", name, feed.scalars.get(name).map(std::slice::from_ref))?
            }
            _ => {
                let operand = |number: usize| Operand {
                    shape: inner.nodes[node.operands[number].index()].shape,
                    values: values[node.operands[number].index()].as_deref().unwrap_or_default(),
                };
                let operands: Vec<Operand> = (0..node.operands.len()).map(operand).collect();
                compute(node, &operands, feed)
            }
        };
        values[index] = Some(value);
    }
    Ok(values)
}

/// An operand's shape and its values, row-major.
struct Operand<'a> {
    shape: Shape,
    values: &'a [f64],
}

fn compute(node: &Node, operands: &[Operand], feed: &Feed) -> Vec<f64> {
    let shape = node.shape;
    let all = |of: &dyn Fn(usize) -> f64| (0..shape.elements()).map(of).collect();
    let value = |number: usize, at: usize| operands[number].values[at];
    match &node.op {
        // Fed from outside, by the caller.
        Op::Input(_) | Op::State(_) | Op::Scalar(_) => Vec::new(),
        Op::Constant(bits) => vec![f64::from(f32::from_bits(*bits))],
        Op::Table(bits) => bits.iter().map(|&bits| f64::from(f32::from_bits(bits))).collect(),
        Op::Position { axis } => movement::each_index(shape, |index| index[*axis] as f64),
        Op::Random { stream, distribution } => movement::each_index(shape, |index| {
            let (row_id, column) = (value(0, index[0]) as u32, index[1] as u32);
            f64::from(random::draw(feed.seed, feed.step, *stream, row_id, column, *distribution))
        }),
        Op::Convert | Op::StopGradient | Op::Reshape => operands[0].values.to_vec(),
        Op::Unary(unary) => all(&|at| function::unary(*unary, value(0, at))),
        Op::Binary(binary) => all(&|at| function::binary(*binary, value(0, at), value(1, at))),
        Op::Select => all(&|at| if value(0, at) != 0.0 { value(1, at) } else { value(2, at) }),
        Op::Permute { order } => movement::permute(shape, &operands[0], order),
        Op::Broadcast => movement::broadcast(shape, &operands[0]),
        Op::Slice { start } => movement::slice(shape, &operands[0], start),
        Op::Pad { before } => movement::pad(shape, &operands[0], before),
        Op::Concatenate { axis } => movement::concatenate(shape, operands, *axis),
        Op::Reduce { reduction, axes } => row::reduce(shape, &operands[0], *reduction, axes),
        Op::Product { transpose_left, transpose_right } => {
            row::product(shape, &operands[0], &operands[1], *transpose_left, *transpose_right)
        }
        Op::Largest { count } => row::largest(shape, &operands[0], *count),
        Op::Sparse(kind) => sparse::compute(*kind, shape, operands),
        Op::Convolution { windows, upward } => {
            convolution::convolution(shape, &operands[0], &operands[1], *windows, *upward)
        }
        Op::KernelGradient(windows) => {
            convolution::kernel_gradient(shape, &operands[0], &operands[1], *windows)
        }
        Op::Pooling { pooling, windows, size } => {
            convolution::pooling(*pooling, shape, operands, *windows, *size)
        }
        Op::Gather => row::gather(shape, &operands[0], &operands[1]),
        Op::ScatterAdd => row::scatter_add(shape, &operands[0], &operands[1]),
    }
}

/// Index along each axis; 0 beyond the rank.
type Index = [usize; MAX_RANK];

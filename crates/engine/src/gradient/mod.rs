//! Differentiation: from a graph to more of the same graph.
//!
//! Reverse mode. The nodes between `of` and the loss are walked backwards; each primitive's rule, in the file of its group,
//! says what share of a node's gradient each operand gets. Rules are written with [`Tensor`]'s own operations, so gradients
//! can be differentiated again. A rule takes from the forward pass as little as it can, and a node's own result rather than
//! its operands where that suffices: what is taken has to stay in memory until the backward pass.
//!
//! Piecewise constant operations (comparisons, sign, argmax, the choice of the largest), random numbers, and `stop_gradient` pass nothing on.

mod convolution;
mod elementwise;
mod gather;
mod movement;
mod pooling;
mod product;
mod reduction;
mod sparse;
#[cfg(test)]
mod tests;

use crate::error::Error;
use crate::graph::op::{Binary, Kind, Op, Pooling, Reduction, Sparse, Unary};
use crate::graph::{Graph, Node, NodeId, Tensor};

impl Graph {
    /// The gradient of `loss`, a tensor of one element, with respect to each tensor of `of`: tensors of the same shapes, zeros
    /// where the loss does not depend on it.
    ///
    /// At a tie of `maximum`, `minimum` or `max`, the whole derivative goes to the first operand or lowest index; `abs` has
    /// derivative 0 at 0.
    ///
    /// # Errors
    /// The first mistake in the graph, if there is one; [`Error::Operand`] when the loss has more than one element;
    /// [`Error::Kind`] when a tensor of `of` is not of numbers; [`Error::NoDerivative`] when an operation on the way has none.
    pub fn gradient<'g>(&'g self, loss: Tensor<'g>, of: &[Tensor<'g>]) -> Result<Vec<Tensor<'g>>, Error> {
        self.check()?;
        if loss.shape().elements() != 1 {
            return Err(Error::Operand {
                operation: "gradient",
                place: self.place(),
                shape: loss.shape(),
                expected: "a loss of one element; sum or average it first".to_owned(),
            });
        }
        if let Some(tensor) = of.iter().find(|tensor| tensor.kind() != Kind::F32) {
            let (place, found) = (self.place(), tensor.kind().name());
            return Err(Error::Kind { operation: "gradient", place, expected: "f32", found });
        }
        let gradients = self.within("gradient", || self.backward(loss, of))?;
        self.check()?;
        Ok(gradients)
    }

    fn backward<'g>(&'g self, loss: Tensor<'g>, of: &[Tensor<'g>]) -> Result<Vec<Tensor<'g>>, Error> {
        let on_path = self.on_path(loss, of);
        let mut gradients: Vec<Option<Tensor<'g>>> = vec![None; on_path.len()];
        if on_path[loss.id.index()] {
            gradients[loss.id.index()] = Some(self.constant(1.0).stretch(loss.shape()));
        }
        for index in (0..on_path.len()).rev() {
            let Some(gradient) = gradients[index] else { continue };
            let id = NodeId(index as u32);
            let step = Step { node: self.node(id), output: self.tensor(id), gradient };
            for (number, operand) in step.node.operands.iter().enumerate() {
                if !on_path[operand.index()] || !passes(&step.node.op, number) {
                    continue;
                }
                let Some(share) = step.share(number)? else { continue };
                let sum = &mut gradients[operand.index()];
                *sum = Some(sum.map_or(share, |sum| sum + share));
            }
        }
        let zeros = |tensor: &Tensor<'g>| self.constant(0.0).stretch(tensor.shape());
        Ok(of.iter().map(|tensor| gradients[tensor.id.index()].unwrap_or_else(|| zeros(tensor))).collect())
    }

    /// For every node up to the loss: whether a derivative can flow through it to one of `of`.
    fn on_path(&self, loss: Tensor<'_>, of: &[Tensor<'_>]) -> Vec<bool> {
        let last = of.iter().map(|tensor| tensor.id).fold(loss.id, NodeId::max);
        let mut on_path = vec![false; last.index() + 1];
        for tensor in of {
            on_path[tensor.id.index()] = true;
        }
        let inner = self.inner.borrow();
        for (index, node) in inner.nodes[..=loss.id.index()].iter().enumerate() {
            on_path[index] |= node
                .operands
                .iter()
                .enumerate()
                .any(|(number, operand)| on_path[operand.index()] && passes(&node.op, number));
        }
        on_path
    }
}

/// Whether the result changes smoothly with this operand, almost everywhere and not by 0.
fn passes(op: &Op, operand: usize) -> bool {
    match op {
        Op::Unary(Unary::Sign)
        | Op::Binary(Binary::Greater | Binary::GreaterOrEqual | Binary::Equal)
        | Op::Reduce { reduction: Reduction::ArgumentMaximum, .. }
        | Op::StopGradient
        | Op::Convert
        | Op::Random { .. }
        | Op::Largest { .. }
        | Op::Sparse(Sparse::Positions | Sparse::Index { .. })
        | Op::Pooling { pooling: Pooling::Positions, .. } => false,
        // Positions are constants, wherever they stand.
        Op::Sparse(Sparse::Sampled) => operand < 2,
        Op::Sparse(_) => operand != 1 && operand != 3,
        Op::Pooling { .. } => operand == 0,
        Op::Select => operand > 0,
        Op::Gather | Op::ScatterAdd => operand == 0,
        _ => true,
    }
}

/// One node on the way back, with the gradient that has arrived at its result.
struct Step<'g> {
    node: Node,
    output: Tensor<'g>,
    gradient: Tensor<'g>,
}

impl<'g> Step<'g> {
    fn operand(&self, number: usize) -> Tensor<'g> {
        self.output.graph.tensor(self.node.operands[number])
    }

    /// What an operand gets of the node's gradient; nothing where that is zero or already in another operand's share.
    fn share(&self, number: usize) -> Result<Option<Tensor<'g>>, Error> {
        let share = match self.node.op {
            Op::Unary(unary) => self.unary(unary),
            Op::Binary(binary) => return Ok(self.binary(binary, number)),
            Op::Select => self.select(number),
            Op::Reshape => self.reshape(),
            Op::Permute { order } => self.permute(&order),
            Op::Broadcast => self.broadcast(),
            Op::Slice { start } => self.slice(&start),
            Op::Pad { before } => self.pad(&before),
            Op::Concatenate { axis } => self.concatenate(axis, number),
            Op::Reduce { reduction: Reduction::Sum, .. } => self.sum(),
            Op::Reduce { reduction: Reduction::Maximum, axes } => self.maximum_along(&axes)?,
            Op::Product { transpose_left, transpose_right } => {
                self.product(transpose_left, transpose_right, number)
            }
            Op::Convolution { windows, upward } => self.convolution(windows, upward, number),
            Op::KernelGradient(windows) => self.kernel_gradient(windows, number),
            Op::Gather => self.gather(),
            Op::ScatterAdd => self.scatter_add(),
            Op::Sparse(sparse) => return Ok(self.sparse(sparse, number)),
            Op::Pooling { pooling, windows, size } => return Ok(self.pooling(pooling, windows, size)),
            Op::Input(_)
            | Op::State(_)
            | Op::Scalar(_)
            | Op::Constant(_)
            | Op::Table(_)
            | Op::Position { .. }
            | Op::Random { .. }
            | Op::Convert
            | Op::Largest { .. }
            | Op::StopGradient
            | Op::Reduce { reduction: Reduction::ArgumentMaximum, .. } => return Ok(None),
        };
        Ok(Some(share))
    }
}

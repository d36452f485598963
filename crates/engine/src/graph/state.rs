//! States: leaves with a name and an update, committed when the step ends.

use super::op::{Kind, Op};
use super::{Graph, Tensor};
use crate::error::Error;
use crate::graph::shape::Shape;

impl Graph {
    /// A tensor that lives across runs: a weight, an optimiser's moment, a running statistic, a counter.
    pub fn state(&self, name: &str, shape: impl Into<Shape>) -> Tensor<'_> {
        let number = self.inner.borrow().states.len();
        let tensor = self.add(Op::State(number), &[], shape.into(), Kind::F32);
        self.declare("state", name, tensor.id, |inner| &mut inner.states);
        self.inner.borrow_mut().updates.push(None);
        tensor
    }

    /// What `state` becomes when the step ends. Everything in the step reads the old value.
    pub fn update(&self, state: Tensor<'_>, value: Tensor<'_>) {
        let Op::State(number) = self.node(state.id).op else {
            state.refuse("update", "only a state can be updated".to_owned(), state.shape());
            return;
        };
        if state.shape() != value.shape() {
            let (place, left, right) = (self.place(), state.shape(), value.shape());
            self.fail(Error::Shapes { operation: "update", place, left, right });
            return;
        }
        let name = self.inner.borrow().states[number].name.clone();
        let before = self.inner.borrow_mut().updates[number].replace(value.id);
        if before.is_some() {
            self.fail(Error::DuplicateName { kind: "update of state", name });
        }
    }

    /// Takes all updates back: what is left only looks at the states.
    pub fn keep_states(&self) {
        self.inner.borrow_mut().updates.fill(None);
    }

    /// Names and shapes of the states, in order of declaration.
    pub fn states(&self) -> Vec<(String, Shape)> {
        let inner = self.inner.borrow();
        inner.states.iter().map(|leaf| (leaf.name.clone(), inner.nodes[leaf.node.index()].shape)).collect()
    }
}

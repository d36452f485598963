//! States: named tensors that live across runs and are shared by all plans of a model.

use super::memory::Block;
use crate::error::Error;
use crate::graph::shape::Shape;
use crate::plan::layout::Layout;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(1);

struct State {
    name: String,
    shape: Shape,
    layout: Layout,
    block: Block,
}

/// The states of a model, by name.
pub struct States {
    /// Tells one set of states from another, so that plans find theirs without looking names up at every run.
    identity: u64,
    states: Vec<State>,
    numbers: HashMap<String, usize>,
}

impl States {
    /// States of zeros.
    pub fn new(declared: &[(String, Shape)]) -> States {
        let mut states = States { identity: 0, states: Vec::new(), numbers: HashMap::new() };
        states.declare(declared);
        states
    }

    /// Adds states that are not there yet, as zeros.
    pub fn declare(&mut self, declared: &[(String, Shape)]) {
        for (name, shape) in declared {
            if !self.numbers.contains_key(name) {
                let layout = Layout::of(*shape);
                self.numbers.insert(name.clone(), self.states.len());
                self.states.push(State {
                    name: name.clone(),
                    shape: *shape,
                    layout,
                    block: Block::zeroed(layout.length()),
                });
            }
        }
        self.identity = NEXT.fetch_add(1, Ordering::Relaxed);
    }

    /// Names and shapes, in order of declaration.
    pub fn list(&self) -> impl Iterator<Item = (&str, Shape)> {
        self.states.iter().map(|state| (state.name.as_str(), state.shape))
    }

    /// The values of a state, row-major.
    pub fn get(&self, name: &str) -> Option<Vec<f32>> {
        let state = &self.states[*self.numbers.get(name)?];
        let mut values = vec![0.0; state.shape.elements()];
        state.layout.export(state.block.as_slice(), &mut values);
        Some(values)
    }

    /// Sets the values of a state, row-major.
    ///
    /// # Errors
    /// No state of that name, or another number of values.
    pub fn set(&mut self, name: &str, values: &[f32]) -> Result<(), Error> {
        let found = values.len();
        let wrong = |expected| Error::Feed { kind: "state", name: name.to_owned(), expected, found };
        let Some(number) = self.numbers.get(name) else { return Err(wrong(0)) };
        let state = &mut self.states[*number];
        if state.shape.elements() != found {
            return Err(wrong(state.shape.elements()));
        }
        state.layout.import(values, state.block.as_mut_slice());
        Ok(())
    }

    /// Bytes of all states.
    pub fn bytes(&self) -> usize {
        self.states.iter().map(|state| state.layout.length() * size_of::<f32>()).sum()
    }

    pub(super) fn identity(&self) -> u64 {
        self.identity
    }

    pub(super) fn find(&self, name: &str, shape: Shape) -> Result<*mut f32, Error> {
        let expected = shape.elements();
        let wrong = |found| Error::Feed { kind: "state", name: name.to_owned(), expected, found };
        let state = &self.states[*self.numbers.get(name).ok_or_else(|| wrong(0))?];
        if state.layout != Layout::of(shape) {
            return Err(wrong(state.shape.elements()));
        }
        Ok(state.block.pointer())
    }
}

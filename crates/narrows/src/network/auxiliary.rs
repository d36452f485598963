//! Auxiliary classifiers (Szegedy et al. 2015, section 5): small networks that tell classes from what a layer in between says, so that
//! gradients reach it; in training only.

use super::layer::Layer;
use super::shape::Pass;
use narrows_engine::{Graph, Tensor};

/// A network beside the network.
#[derive(Clone, Debug, PartialEq)]
pub struct AuxiliaryHead {
    /// The layer, from 0, whose values it hears.
    pub after: usize,
    /// Its layers, the last of which gives the sums of the classes.
    pub layers: Vec<Layer>,
    /// What its loss is multiplied by.
    pub weight: f32,
}

impl AuxiliaryHead {
    /// Sums of the classes, B×classes, behind a pass through the network; its steps are left out of the pass.
    pub fn apply<'g>(&self, graph: &'g Graph, pass: &mut Pass<'g>) -> Option<Tensor<'g>> {
        let heard = pass.trace.get(self.after)?.values;
        let mut own = Pass::new(pass.mode);
        own.parameters = std::mem::take(&mut pass.parameters);
        let sums = self.layers.iter().fold(heard, |x, layer| layer.apply(graph, &mut own, x));
        pass.parameters = own.parameters;
        pass.inner.extend(own.inner);
        pass.inner.extend(own.trace);
        Some(sums)
    }
}

//! The dense layer: y = x W + b; and the parameters that all layers share.

use super::layer::Layer;
use narrows_engine::{Graph, Tensor};

/// The weight of a dense layer, inputs×outputs: its state `NAME.weight`, or where it is tied that of another layer, outputs×inputs,
/// transposed.
pub fn weight<'g>(graph: &'g Graph, parameters: &mut Parameters<'g>, layer: &Layer) -> Tensor<'g> {
    let (inputs, outputs) = (layer.inputs(), layer.outputs());
    let mut state = |name: &str, shape: [usize; 2]| {
        parameters.get(graph, &format!("{name}.weight"), &shape, Role::Weight)
    };
    match &layer.tied {
        Some(other) => state(other, [outputs, inputs]).transpose(),
        None => state(&layer.name, [inputs, outputs]),
    }
}

/// The sums of a dense layer: B×inputs to B×outputs, by its [`weight`] and bias.
pub fn dense<'g>(
    graph: &'g Graph,
    parameters: &mut Parameters<'g>,
    layer: &Layer,
    x: Tensor<'g>,
) -> Tensor<'g> {
    let weight = weight(graph, parameters, layer);
    biased(graph, parameters, layer, x.matmul(weight))
}

/// A layer's sums and its bias, the state `NAME.bias`, where it has one.
pub fn biased<'g>(
    graph: &'g Graph,
    parameters: &mut Parameters<'g>,
    layer: &Layer,
    sums: Tensor<'g>,
) -> Tensor<'g> {
    match layer.bias_shape() {
        Some(shape) => sums + parameters.get(graph, &format!("{}.bias", layer.name), &shape, Role::Bias),
        None => sums,
    }
}

/// What a parameter is, for those who treat them differently: decay touches weights only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A matrix of connections.
    Weight,
    /// An offset, or the scale of a normalisation.
    Bias,
}

/// The parameters of a network in a graph: states, each declared once however often it is used.
#[derive(Default)]
pub struct Parameters<'g> {
    /// Name, state and role, in order of first use.
    pub list: Vec<(String, Tensor<'g>, Role)>,
}

impl<'g> Parameters<'g> {
    /// The state of that name, declared at the first call.
    pub fn get(&mut self, graph: &'g Graph, name: &str, shape: &[usize], role: Role) -> Tensor<'g> {
        if let Some((_, state, _)) = self.list.iter().find(|(known, ..)| known == name) {
            return *state;
        }
        let state = graph.state(name, shape);
        self.list.push((name.to_owned(), state, role));
        state
    }
}

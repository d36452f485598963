//! Which of a file's layers is which of a network's: by their order and their shapes, since every library has names of its own.
//!
//! The network's layers, in order, take the first of the file's that fits. Names are a tree, and a block's layers lie together in it: a part that
//! was begun is finished before another is. Only what is called auxiliary is an auxiliary network's: its shapes may be the network's own.

use super::names::{Module, differ_in_words};
use crate::network::{Layer, LayerWork};

/// What a layer of the network takes from the file.
#[derive(Clone, Copy, Debug)]
pub struct Want<'l> {
    /// The layer.
    pub layer: &'l Layer,
    /// Its weights, or what normalises its sums.
    pub part: Part,
}

/// A part of a layer that is a layer of its own in other files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Weights and bias.
    Sums,
    /// A batch normalisation.
    Batch,
    /// A group normalisation.
    Group,
}

/// What all these layers take, in order.
pub fn wants<'l>(layers: impl Iterator<Item = &'l Layer>) -> Vec<Want<'l>> {
    let parts = |layer: &'l Layer| {
        let grouped = matches!(layer.work, LayerWork::GroupNormalisation { .. });
        let all =
            [(layer.has_weights(), Part::Sums), (layer.normalised, Part::Batch), (grouped, Part::Group)];
        all.into_iter().filter(|(has, _)| *has).map(move |(_, part)| Want { layer, part })
    };
    layers.flat_map(Layer::with_inner).flat_map(parts).collect()
}

/// What does not go together.
#[derive(Debug)]
pub struct Misfit<'l> {
    /// What finds nothing; none where modules are left over.
    pub want: Option<Want<'l>>,
    /// The modules that would have been next, or that are left.
    pub modules: Vec<usize>,
}

/// The module of a want.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The module.
    pub module: usize,
    /// Another that would have fitted, and whose place could not be told by numbers in its name.
    pub other: Option<usize>,
}

/// The module of each want.
///
/// # Errors
/// How far it goes, and what stands there.
pub fn assign<'l>(wants: &[Want<'l>], modules: &[Module]) -> Result<Vec<Found>, Misfit<'l>> {
    let mut free = vec![true; modules.len()];
    let mut all: Vec<Found> = Vec::new();
    let apart = wants.iter().any(|want| is_auxiliary(&want.layer.name));
    for want in wants {
        let last = all.last().map_or("", |last| &modules[last.module].name);
        let may_be = |number: &usize| {
            let module = &modules[*number];
            free[*number]
                && (want.part == Part::Sums) == module.sums().is_some()
                && (!apart || is_auxiliary(&want.layer.name) == is_auxiliary(&module.name))
        };
        let next = next((0..modules.len()).filter(may_be).collect(), modules, last);
        let mut fitting = next.iter().copied().filter(|module| fits(want, &modules[*module]));
        let Some(module) = fitting.next() else {
            return Err(Misfit { want: Some(*want), modules: next });
        };
        let other = fitting.find(|other| differ_in_words(&modules[module].name, &modules[*other].name));
        free[module] = false;
        all.push(Found { module, other });
    }
    let left: Vec<usize> = (0..modules.len()).filter(|module| free[*module]).collect();
    if left.is_empty() { Ok(all) } else { Err(Misfit { want: None, modules: left }) }
}

fn is_auxiliary(name: &str) -> bool {
    let begins = |part: &str| part.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("aux"));
    name.split('.').any(begins)
}

/// Those modules that may follow on one of this name: the ones in the innermost part of the tree, seen from it, that has any.
fn next(free: Vec<usize>, modules: &[Module], last: &str) -> Vec<usize> {
    let mut within = last;
    while let Some((parent, _)) = within.rsplit_once('.') {
        within = parent;
        let inside = |name: &str| name.strip_prefix(within).is_some_and(|rest| rest.starts_with('.'));
        let found: Vec<usize> =
            free.iter().copied().filter(|module| inside(&modules[*module].name)).collect();
        if !found.is_empty() {
            return found;
        }
    }
    free
}

/// Whether a module could be this part of the layer.
fn fits(want: &Want<'_>, module: &Module) -> bool {
    let layer = want.layer;
    match want.part {
        Part::Sums => {
            let Some(sizes) = module.sums() else { return false };
            // A mean takes up the bias that a normalised layer here does without.
            let takes = layer.bias_shape().is_some() || layer.normalised;
            let bias = module.bias.as_ref().is_none_or(|bias| takes && bias.values.len() == layer.units());
            bias && fits_weight(layer, sizes)
        }
        Part::Batch => module.normalises() == Some(layer.units()) && module.mean.is_some(),
        Part::Group => module.normalises() == Some(layer.units()) && module.mean.is_none(),
    }
}

/// Sizes that other programs give a layer's weights: what is said, what is heard, and the window; heard first where pixels are spread over
/// windows.
pub fn usual_sizes(layer: &Layer) -> Vec<usize> {
    if layer.is_dense() {
        return vec![layer.outputs(), layer.inputs()];
    }
    let [down, across, heard, said] = layer.kernel();
    match layer.work {
        LayerWork::TransposedConvolution { .. } => {
            vec![layer.from.channels, said / layer.groups(), down, across]
        }
        _ => vec![said, heard, down, across],
    }
}

/// Whether weights of these sizes are the layer's. Windows of a row or a pixel may be written without their ones, and what a dense layer hears as
/// the maps that it is.
fn fits_weight(layer: &Layer, sizes: &[usize]) -> bool {
    let usual = usual_sizes(layer);
    let long = |window: &[usize]| window.iter().copied().filter(|size| *size > 1).collect::<Vec<_>>();
    match sizes {
        [said, rest @ ..] if layer.is_dense() => {
            *said == usual[0] && rest.iter().product::<usize>() == usual[1]
        }
        [first, second, rest @ ..] if rest.len() < 2 => {
            [*first, *second] == usual[..2] && long(rest) == long(&usual[2..])
        }
        _ => sizes == usual,
    }
}

//! The numerical gradient checker: derived gradients beside central differences, both in f64 through the reference.
//!
//! A tool for tests, public so that every crate that writes graphs checks its own. Feed values away from kinks (`relu`,
//! `max`, comparisons): at a kink the difference is not the derivative.

use crate::error::Error;
use crate::graph::op::Op;
use crate::graph::{Graph, Tensor};
use crate::random::Stream;
use crate::reference::{Feed, evaluate_only};

/// Largest relative error that [`check_gradient`] lets pass. Constants in derived rules are f32, which is good to 6e-8.
pub const TOLERANCE: f64 = 1e-6;

/// Tensors of more elements are checked at this many random elements, and along [`DIRECTIONS`] random directions.
const ELEMENTS: usize = 256;
const DIRECTIONS: usize = 4;

/// Step of the differences, times the size of the value (at least 1). With four points the error of the formula is h⁴f⁗′/30
/// and that of rounding about 1e-16·f/h.
const STEP: f64 = 1e-4;

/// Errors are taken relative to the derivative, or if that is more, to this part of the leaf's largest derivative: where terms
/// of that size cancel, their rounded constants do not.
const PART_OF_LARGEST: f64 = 0.05;

/// Or to this part of the loss: a difference of two losses cannot show less.
const PART_OF_LOSS: f64 = 1e-4;

/// What was compared when every derivative agreed. Tests look at it to see that something was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    /// Derivatives compared.
    pub compared: usize,
    /// The largest relative error among them.
    pub worst: f64,
    /// The largest derivative in size: 0 means that nothing depends on anything.
    pub largest: f64,
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Failure {
    /// The graph, the gradient or the feed has a mistake.
    #[error(transparent)]
    Graph(#[from] Error),
    /// Only inputs, states and scalars can be changed to take a difference.
    #[error("%{node} is a result; a check needs inputs, states or scalars")]
    NotALeaf {
        /// Number of the node.
        node: usize,
    },
    /// A derivative is wrong; of several, the one that is most.
    #[error("d loss / d {leaf}: derived {derived}, by differences {difference} (relative error {error:.1e})")]
    Mismatch {
        /// Name and element of the leaf, or `along a direction`.
        leaf: String,
        /// The derivative of the derived graph.
        derived: f64,
        /// The derivative by differences.
        difference: f64,
        /// Their difference over the larger of both.
        error: f64,
    },
}

/// Compares the gradient of `loss`, a tensor of one element, with respect to the leaves `of` against differences.
///
/// Small tensors element by element; large ones at random elements and along random directions.
///
/// # Errors
/// [`Failure::Mismatch`] with the worst element where one is off by more than [`TOLERANCE`], or is not finite.
pub fn check_gradient<'g>(
    graph: &'g Graph,
    loss: Tensor<'g>,
    of: &[Tensor<'g>],
    feed: &Feed,
) -> Result<Agreement, Failure> {
    let gradients = graph.gradient(loss, of)?;
    let evaluation = evaluate_only(graph, feed, &[gradients.as_slice(), of, &[loss]].concat())?;
    let value = |tensor: &Tensor<'_>| evaluation.value(*tensor).unwrap_or_default();
    let scale = value(&loss)[0].abs();
    let mut words = Stream::new(0, 0, 0);
    let mut agreement = Agreement::default();
    let mut worst: Option<Failure> = None;
    for (leaf, gradient) in of.iter().zip(&gradients) {
        let name = Place::of(graph, *leaf)?;
        let (at, derived) = (value(leaf), value(gradient));
        let largest = derived.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let floor = (PART_OF_LOSS * scale).max(PART_OF_LARGEST * largest).max(f64::MIN_POSITIVE);
        agreement.largest = agreement.largest.max(largest);
        for probe in probes(at, &mut words) {
            let derived: f64 = probe.direction.iter().map(|&(element, by)| derived[element] * by).sum();
            let difference = derivative_along(graph, loss, feed, &name, &probe)?;
            let size = derived.abs().max(difference.abs()).max(floor);
            let error = (derived - difference).abs() / size;
            // Not a number is the worst of all.
            let error = if error.is_nan() { f64::INFINITY } else { error };
            agreement.compared += 1;
            if error > TOLERANCE && error > agreement.worst {
                let leaf = format!("{}{}", name.name, probe.label());
                worst = Some(Failure::Mismatch { leaf, derived, difference, error });
            }
            agreement.worst = agreement.worst.max(error);
        }
    }
    worst.map_or(Ok(agreement), Err)
}

/// Checks second derivatives: the gradient of a random projection of the gradient of `loss`, against differences of it.
///
/// # Errors
/// As [`check_gradient`].
pub fn check_second_gradient<'g>(
    graph: &'g Graph,
    loss: Tensor<'g>,
    of: &[Tensor<'g>],
    feed: &Feed,
) -> Result<Agreement, Failure> {
    let mut words = Stream::new(1, 0, 0);
    let mut projection = graph.constant(0.0);
    for gradient in graph.gradient(loss, of)? {
        let shape = gradient.shape();
        // Away from 0, so that no element's second derivative is lost.
        let weights: Vec<f32> =
            (0..shape.elements()).map(|_| (0.5 + words.uniform()).copysign(words.uniform() - 0.5)).collect();
        projection = projection + (gradient * graph.table(shape, &weights)).sum_all();
    }
    check_gradient(graph, projection, of, feed)
}

/// Where a leaf's values stand in a feed.
struct Place {
    name: String,
    kind: Op,
}

impl Place {
    fn of(graph: &Graph, leaf: Tensor<'_>) -> Result<Place, Failure> {
        let inner = graph.inner.borrow();
        let kind = inner.nodes[leaf.id.index()].op.clone();
        let name = match kind {
            Op::Input(number) => &inner.inputs[number].name,
            Op::State(number) => &inner.states[number].name,
            Op::Scalar(number) => &inner.scalars[number].name,
            _ => return Err(Failure::NotALeaf { node: leaf.id.index() }),
        };
        Ok(Place { name: name.clone(), kind })
    }

    fn values<'a>(&self, feed: &'a mut Feed) -> &'a mut [f64] {
        let found = match self.kind {
            Op::Input(_) => feed.inputs.get_mut(&self.name).map(Vec::as_mut_slice),
            Op::State(_) => feed.states.get_mut(&self.name).map(Vec::as_mut_slice),
            _ => feed.scalars.get_mut(&self.name).map(std::slice::from_mut),
        };
        found.unwrap_or_default()
    }
}

/// A direction to differentiate along: elements with their weights, and the step's size.
struct Probe {
    direction: Vec<(usize, f64)>,
    step: f64,
}

impl Probe {
    fn label(&self) -> String {
        match self.direction[..] {
            [(element, _)] => format!("[{element}]"),
            _ => " along a direction".to_owned(),
        }
    }
}

fn probes(values: &[f64], words: &mut Stream) -> Vec<Probe> {
    let count = values.len();
    let single = |element: usize| Probe {
        direction: vec![(element, 1.0)],
        step: STEP * values[element].abs().max(1.0),
    };
    if count <= ELEMENTS {
        return (0..count).map(single).collect();
    }
    let mut probes: Vec<Probe> = (0..ELEMENTS).map(|_| single(words.below(count as u32) as usize)).collect();
    for _ in 0..DIRECTIONS {
        // Of length 1, so that a step along it is as long as one along an element.
        let part = 1.0 / (count as f64).sqrt();
        let direction = (0..count).map(|element| (element, f64::from(words.normal()) * part)).collect();
        probes.push(Probe { direction, step: STEP });
    }
    probes
}

/// Four-point central difference (8(f₁ − f₋₁) − (f₂ − f₋₂))/12h.
fn derivative_along(
    graph: &Graph,
    loss: Tensor<'_>,
    feed: &Feed,
    place: &Place,
    probe: &Probe,
) -> Result<f64, Failure> {
    let mut sum = 0.0;
    for (steps, weight) in [(-2.0, 1.0), (-1.0, -8.0), (1.0, 8.0), (2.0, -1.0)] {
        let mut moved = feed.clone();
        let values = place.values(&mut moved);
        for &(element, by) in &probe.direction {
            values[element] += steps * probe.step * by;
        }
        let evaluation = evaluate_only(graph, &moved, &[loss])?;
        sum += weight * evaluation.value(loss).unwrap_or_default()[0];
    }
    Ok(sum / (12.0 * probe.step))
}

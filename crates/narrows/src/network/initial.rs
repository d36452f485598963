//! Starting weights. Variances are per weight; "inputs" are the units that a unit hears, "outputs" those that hear an input.

use crate::recipe::{Activation, Initial};
use narrows_engine::random::Stream;

/// Draws an inputs×outputs weight, row-major, of which `heard` meet at a unit and `said` at an input: as many, but for convolutions. The same seed and layer number give the same weights.
pub fn weights(
    initial: Initial,
    activation: Activation,
    ([inputs, outputs], [heard, said]): ([usize; 2], [f64; 2]),
    seed: u64,
    layer: u32,
) -> Vec<f32> {
    let mut stream = Stream::new(seed, crate::streams::WEIGHTS, layer);
    let (fan_in, both) = (heard, heard + said);
    let count = inputs * outputs;
    let mut normal =
        |deviation: f64| (0..count).map(|_| (f64::from(stream.normal()) * deviation) as f32).collect();
    match resolved(initial, activation) {
        Initial::GlorotNormal => normal((2.0 / both).sqrt()),
        Initial::HeNormal => normal((2.0 / fan_in).sqrt()),
        Initial::Normal { deviation } => normal(deviation),
        Initial::Lecun => normal((1.0 / fan_in).sqrt()),
        Initial::GlorotUniform | Initial::Auto => uniform(&mut stream, count, (6.0 / both).sqrt()),
        Initial::HeUniform => uniform(&mut stream, count, (6.0 / fan_in).sqrt()),
        Initial::Orthogonal => orthogonal(&mut stream, inputs, outputs),
        Initial::Sparse { connections } => sparse(&mut stream, inputs, outputs, connections),
        Initial::Constant { value } => vec![value as f32; count],
    }
}

/// What "auto" means for an activation: the variance that keeps signals alive through it.
pub fn resolved(initial: Initial, activation: Activation) -> Initial {
    match (initial, activation) {
        (
            Initial::Auto,
            Activation::Relu | Activation::LeakyRelu | Activation::Elu | Activation::Silu | Activation::Gelu,
        ) => Initial::HeNormal,
        (Initial::Auto, Activation::Identity) => Initial::Lecun,
        (Initial::Auto, _) => Initial::GlorotUniform,
        (chosen, _) => chosen,
    }
}

fn uniform(stream: &mut Stream, count: usize, bound: f64) -> Vec<f32> {
    (0..count).map(|_| ((f64::from(stream.uniform()) * 2.0 - 1.0) * bound) as f32).collect()
}

/// Orthonormal rows or columns, whichever are fewer, from normal vectors by Gram and Schmidt, twice for accuracy
/// (Saxe et al. 2014).
fn orthogonal(stream: &mut Stream, inputs: usize, outputs: usize) -> Vec<f32> {
    let (few, many) = (inputs.min(outputs), inputs.max(outputs));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(few);
    while vectors.len() < few {
        let mut vector: Vec<f64> = (0..many).map(|_| f64::from(stream.normal())).collect();
        for _ in 0..2 {
            for other in &vectors {
                let shadow: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= shadow * b);
            }
        }
        let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        // A draw that lies in the span of the others is drawn again.
        if length > 1e-6 {
            vectors.push(vector.iter().map(|value| value / length).collect());
        }
    }
    let at = |row: usize, column: usize| {
        if inputs <= outputs { vectors[row][column] } else { vectors[column][row] }
    };
    (0..inputs * outputs).map(|index| at(index / outputs, index % outputs) as f32).collect()
}

/// `connections` normal weights a unit, the others 0 (Martens 2010).
fn sparse(stream: &mut Stream, inputs: usize, outputs: usize, connections: usize) -> Vec<f32> {
    let mut weights = vec![0.0; inputs * outputs];
    let mut order: Vec<usize> = (0..inputs).collect();
    for unit in 0..outputs {
        for pick in 0..connections.min(inputs) {
            let other = pick + stream.below((inputs - pick) as u32) as usize;
            order.swap(pick, other);
            weights[order[pick] * outputs + unit] = stream.normal();
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense(initial: Initial, inputs: usize, outputs: usize, layer: u32) -> Vec<f32> {
        weights(initial, Activation::Tanh, ([inputs, outputs], [inputs as f64, outputs as f64]), 3, layer)
    }

    fn variance(values: &[f32]) -> f64 {
        values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn variances_are_as_published() {
        for (initial, expected) in [
            (Initial::GlorotUniform, 2.0 / 500.0),
            (Initial::GlorotNormal, 2.0 / 500.0),
            (Initial::HeUniform, 2.0 / 300.0),
            (Initial::HeNormal, 2.0 / 300.0),
            (Initial::Lecun, 1.0 / 300.0),
        ] {
            let values = dense(initial, 300, 200, 0);
            assert!((variance(&values) / expected - 1.0).abs() < 0.03, "{initial:?}: {}", variance(&values));
        }
        assert!(
            dense(Initial::GlorotUniform, 300, 200, 0).iter().all(|w| w.abs() <= (6.0f32 / 500.0).sqrt())
        );
    }

    #[test]
    fn orthogonal_weights_are_orthonormal_along_the_shorter_side() {
        for (inputs, outputs) in [(5, 9), (9, 5), (6, 6)] {
            let w = dense(Initial::Orthogonal, inputs, outputs, 0);
            let few = inputs.min(outputs);
            let entry = |vector: usize, at: usize| {
                if inputs <= outputs { w[vector * outputs + at] } else { w[at * outputs + vector] }
            };
            for a in 0..few {
                for b in 0..few {
                    let product: f32 = (0..inputs.max(outputs)).map(|at| entry(a, at) * entry(b, at)).sum();
                    assert!((product - f32::from(u8::from(a == b))).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn sparse_units_hear_exactly_so_many_inputs() {
        let w = dense(Initial::Sparse { connections: 4 }, 10, 7, 0);
        for unit in 0..7 {
            assert_eq!((0..10).filter(|input| w[input * 7 + unit] != 0.0).count(), 4);
        }
        assert_eq!(dense(Initial::Constant { value: 0.5 }, 2, 2, 0), [0.5; 4]);
    }

    #[test]
    fn auto_follows_the_activation_and_layers_differ() {
        assert_eq!(resolved(Initial::Auto, Activation::Relu), Initial::HeNormal);
        assert_eq!(resolved(Initial::Auto, Activation::Tanh), Initial::GlorotUniform);
        assert_eq!(resolved(Initial::Auto, Activation::Identity), Initial::Lecun);
        assert_ne!(dense(Initial::Lecun, 3, 3, 0), dense(Initial::Lecun, 3, 3, 1));
    }
}

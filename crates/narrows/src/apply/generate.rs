//! New rows, by way of new codes: from the prior, from a mixture fitted to codes of training rows, on a grid, or between two rows.

use super::codec::Codec;
use super::family::machines;
use super::mixture::Mixture;
use super::pca::Pca;
use crate::autoencoder::bottleneck::top_k::FAVOUR;
use crate::boltzmann::{Annealing, Machine};
use crate::data::Dataset;
use crate::error::Error;
use crate::network::Parameters;
use crate::recipe::Bottleneck;
use crate::streams;
use narrows_engine::Graph;
use narrows_engine::cpu::{Executable, Feed, Run};
use narrows_engine::random::Stream;

/// Widest code that a mixture is fitted to as it is: its covariances have the square of that many numbers.
const WIDEST: usize = 128;
/// Gibbs steps of a Boltzmann machine's chains where no other number is asked for.
pub const GIBBS_STEPS: usize = 1000;
/// Chains of a Boltzmann machine that are led along together.
const CHAINS: usize = 256;
/// Rows whose codes are looked at, at most.
const MOST_ROWS: usize = 5_000;

/// Whether codes have a prior to be drawn from.
pub fn has_prior(codec: &Codec) -> bool {
    matches!(codec.network().bottleneck, Bottleneck::Gaussian { .. })
}

/// Codes from the prior N(0, 1) of a variational autoencoder, N×K.
pub fn from_prior(codec: &Codec, count: usize, seed: u64) -> Vec<f32> {
    let draw = |number: usize| {
        let mut stream = Stream::new(seed, streams::DRAWS, number as u32);
        (0..codec.code()).map(|_| stream.normal()).collect::<Vec<f32>>()
    };
    (0..count).flat_map(draw).collect()
}

/// Rows, N×D in their stored scale, that a stack of Boltzmann machines makes up: chains of the machine on top after so many Gibbs steps,
/// drawn down machine by machine; the lowest gives means. Row i is the same however many are asked for.
///
/// # Errors
/// A model of another kind.
pub fn from_machines(codec: &Codec, count: usize, steps: usize, seed: u64) -> Result<Vec<f32>, Error> {
    let machines =
        machines(codec).filter(|machines| !machines.is_empty()).ok_or_else(|| Error::Mismatch {
            what: "generate".to_owned(),
            expected: "Boltzmann machines".to_owned(),
            found: "a model of another kind".to_owned(),
            hint: "draw codes from its prior or from a mixture".to_owned(),
        })?;
    let top = &machines[machines.len() - 1];
    let base = codec.states().get(&top.visible_bias).unwrap_or_default();
    let mut rows = Vec::with_capacity(count * codec.features());
    let ids: Vec<u32> = (0..count as u32).collect();
    for ids in ids.chunks(CHAINS) {
        let mut chains =
            Annealing::new(top, codec.states(), base.clone(), ids.to_vec(), seed, codec.compute())?;
        chains.settle(steps)?;
        rows.extend(drawn_down(codec, &machines, &chains.hidden(), ids, seed)?);
    }
    codec.model().description.preparation.restore(&mut rows);
    Ok(rows)
}

/// Means of the rows, N×D, under a stack whose topmost hidden units have these values, N×K; every layer between is drawn.
fn drawn_down(
    codec: &Codec,
    machines: &[Machine],
    codes: &[f32],
    ids: &[u32],
    seed: u64,
) -> Result<Vec<f32>, Error> {
    let graph = Graph::new();
    let mut hidden = graph.input("codes", [ids.len(), codec.code()]);
    let row_ids = graph.indices("row ids", [ids.len()]);
    let mut parameters = Parameters::default();
    for (above, machine) in machines.iter().enumerate().rev() {
        let sums = machine.weights(&graph, &mut parameters).down(hidden);
        hidden =
            if above == 0 { machine.visible.mean(sums) } else { machine.visible.draw(&graph, sums, row_ids) };
    }
    graph.output("rows", hidden);
    let mut executable = Executable::new(&graph, &codec.compute().pool, codec.compute().level)?;
    let feeds = [Feed::F32(codes), Feed::U32(ids)];
    executable.infer(codec.states(), &Run { inputs: &feeds, seed, step: u32::MAX, ..Run::default() })?;
    let mut rows = vec![0.0; ids.len() * codec.features()];
    executable.output(0, &mut rows);
    Ok(rows)
}

/// Codes from a mixture of so many normal distributions, fitted to the codes of `rows` of `dataset`, or, where these are wide, to their first
/// principal components; N×K.
///
/// # Errors
/// Codes too wide for a mixture; rows of another width.
pub fn from_mixture(
    codec: &Codec,
    (dataset, rows): (&Dataset, &[u32]),
    components: usize,
    count: usize,
    seed: u64,
) -> Result<Vec<f32>, Error> {
    let width = codec.code();
    let numbers = matches!(codec.network().bottleneck, Bottleneck::Plain | Bottleneck::Gaussian { .. });
    if width > WIDEST && !numbers {
        return Err(Error::Mismatch {
            what: "generate".to_owned(),
            expected: format!("a code of at most {WIDEST} units, to which a mixture can be fitted"),
            found: format!("one of {width}"),
            hint: "generate from a model with a narrower code, or from a variational autoencoder".to_owned(),
        });
    }
    let codes = codec.encode_rows(dataset, &spread(rows))?;
    let none = || Error::Mismatch {
        what: "generate".to_owned(),
        expected: "training rows with codes that a mixture can be fitted to".to_owned(),
        found: format!("{} rows", rows.len()),
        hint: "give the data that the model was trained on".to_owned(),
    };
    if width <= WIDEST {
        let mixture = Mixture::fit(&codes, width, components, seed).ok_or_else(none)?;
        return Ok(as_codes(codec, mixture.draw(count, seed)));
    }
    // Wide codes are drawn along the directions in which they vary most; what is left over stays at its mean.
    let compute = codec.compute();
    let mut read = |row: usize, out: &mut [f32]| out.copy_from_slice(&codes[row * width..][..width]);
    let pca = Pca::fit(codes.len() / width, width, WIDEST, &mut read, &compute.pool, compute.level)?;
    let mut places = vec![0.0; codes.len() / width * WIDEST];
    for (code, place) in codes.chunks_exact(width).zip(places.chunks_exact_mut(WIDEST)) {
        pca.encode(code, place);
    }
    let mixture = Mixture::fit(&places, WIDEST, components, seed).ok_or_else(none)?;
    let mut drawn = vec![0.0; count * width];
    for (place, code) in mixture.draw(count, seed).chunks_exact(WIDEST).zip(drawn.chunks_exact_mut(width)) {
        pca.decode(place, code);
    }
    Ok(drawn)
}

/// At most so many rows, evenly spread over all: those of one class may stand together.
fn spread(rows: &[u32]) -> Vec<u32> {
    rows.iter().step_by(rows.len().div_ceil(MOST_ROWS).max(1)).copied().collect()
}

/// Numbers as codes of the model: bits where it has bits, and no more units in a row than it keeps.
fn as_codes(codec: &Codec, mut numbers: Vec<f32>) -> Vec<f32> {
    match codec.network().bottleneck {
        Bottleneck::Plain | Bottleneck::Gaussian { .. } => {}
        Bottleneck::Binary { .. } => {
            numbers.iter_mut().for_each(|value| *value = f32::from(u8::from(*value > 0.5)));
        }
        Bottleneck::TopK { keep, .. } => {
            // Chosen as in use: favours count, and a value below 0 is worth more than none.
            let favour = codec.states().get(FAVOUR).unwrap_or_else(|| vec![0.0; codec.code()]);
            for code in numbers.chunks_exact_mut(codec.code()) {
                let score = |unit: usize| match code[unit] {
                    0.0 => f32::NEG_INFINITY,
                    value => value + favour[unit],
                };
                let mut order: Vec<usize> = (0..code.len()).collect();
                order.sort_by(|a, b| score(*b).total_cmp(&score(*a)));
                order[keep.min(code.len())..].iter().for_each(|unit| code[*unit] = 0.0);
            }
        }
    }
    numbers
}

/// Codes of two units on a square grid, `side`² of them, the second unit rising from the bottom line up: at equal shares of the
/// prior, or evenly over the span of the codes of `rows`.
///
/// # Errors
/// A code that is not of two units; rows of another width.
pub fn grid(codec: &Codec, rows: Option<(&Dataset, &[u32])>, side: usize) -> Result<Vec<f32>, Error> {
    if codec.code() != 2 {
        return Err(Error::Mismatch {
            what: "--grid".to_owned(),
            expected: "a code of 2 units, which a picture can be laid out by".to_owned(),
            found: format!("one of {}", codec.code()),
            hint: "train with --set model.code=2, or leave --grid out".to_owned(),
        });
    }
    let share = |at: usize| (at as f64 + 0.5) / side as f64;
    let mut axes = [Vec::new(), Vec::new()];
    match rows {
        Some((dataset, rows)) if !has_prior(codec) => {
            let codes = codec.encode_rows(dataset, &spread(rows))?;
            for (unit, axis) in axes.iter_mut().enumerate() {
                let mut values: Vec<f32> = codes.iter().skip(unit).step_by(2).copied().collect();
                values.sort_by(f32::total_cmp);
                // A few rows far away from all others are left outside.
                let at =
                    |part: f64| values.get((values.len() as f64 * part) as usize).copied().unwrap_or(0.0);
                let (low, high) = (f64::from(at(0.01)), f64::from(at(0.99)));
                axis.extend((0..side).map(|step| (low + (high - low) * share(step)) as f32));
            }
        }
        _ => axes.iter_mut().for_each(|axis| axis.extend((0..side).map(|step| quantile(share(step)) as f32))),
    }
    let place = |at: usize| [axes[0][at % side], axes[1][side - 1 - at / side]];
    Ok(as_codes(codec, (0..side * side).flat_map(place).collect()))
}

/// Codes on the straight line from one row's to another's, both ends among the `steps`; steps×K.
///
/// # Errors
/// Rows of another width.
pub fn between(codec: &Codec, from: &[f32], to: &[f32], steps: usize) -> Result<Vec<f32>, Error> {
    let (from, to) = (codec.encode(from)?, codec.encode(to)?);
    let at = |step: usize| {
        let share = step as f32 / (steps.max(2) - 1) as f32;
        let mixed = from.iter().zip(&to).map(move |(from, to)| from * (1.0 - share) + to * share);
        mixed.collect::<Vec<f32>>()
    };
    Ok(as_codes(codec, (0..steps).flat_map(at).collect()))
}

/// The number below which a share of the normal distribution lies, by bisection of its distribution function.
fn quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-10.0f64, 10.0f64);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        let below = 0.5 * (1.0 + narrows_engine::reference::erf(middle * std::f64::consts::FRAC_1_SQRT_2));
        if below < share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::{MOST_ROWS, quantile, spread};

    #[test]
    fn few_of_many_rows_are_spread_over_all() {
        let all: Vec<u32> = (0..20_001).collect();
        let some = spread(&all);
        assert!(some.len() <= MOST_ROWS && some.len() > MOST_ROWS / 2);
        assert!(some[0] < 10 && some[some.len() - 1] > 19_990);
        assert_eq!(spread(&all[..7]), all[..7]);
        assert!(spread(&[]).is_empty());
    }

    #[test]
    fn quantiles_of_the_normal_distribution() {
        for (share, expected) in [(0.5, 0.0), (0.975, 1.959_964), (0.001, -3.090_232)] {
            assert!((quantile(share) - expected).abs() < 1e-5, "{share}: {}", quantile(share));
        }
    }
}

//! What the executor tests share: a graph compiled and run at every level of this machine, beside the reference.

#![allow(dead_code, reason = "each test file is a program of its own and uses a part")]

use narrows_engine::Graph;
use narrows_engine::cpu::{Executable, Feed, Level, Pool, Run, States};
use narrows_engine::op::Kind;
use narrows_engine::random::Stream;
use narrows_engine::reference::{self, Evaluation};
use std::sync::Arc;

/// How far a result may be off: `relative` of its size, and `absolute` besides.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    pub relative: f64,
    pub absolute: f64,
}

/// Half a unit in the last place of f32, relative.
pub const EPSILON: f64 = 1.0 / (1 << 24) as f64;

/// The same bits.
pub const EXACT: Tolerance = Tolerance { relative: 0.0, absolute: 0.0 };

/// So many roundings of the result.
pub fn roundings(count: f64) -> Tolerance {
    Tolerance { relative: count * EPSILON, absolute: 1e-44 }
}

/// So many roundings of numbers of that size.
pub fn roundings_of(count: f64, size: f64) -> Tolerance {
    Tolerance { relative: 2.0 * EPSILON, absolute: count * EPSILON * size }
}

impl Tolerance {
    pub fn allows(self, found: f32, expected: f64) -> bool {
        let found = f64::from(found);
        // What f32 cannot hold, no kernel can give.
        let overflows = expected.is_finite() && (expected as f32).is_infinite();
        let expected = if overflows { f64::from(expected as f32) } else { expected };
        found == expected
            || (found.is_nan() && expected.is_nan())
            || (found - expected).abs() <= self.relative * expected.abs() + self.absolute
    }
}

/// f32 numbers between low and high, different for another `salt`.
pub fn numbers(count: usize, low: f32, high: f32, salt: u32) -> Vec<f32> {
    let mut words = Stream::new(21, salt, count as u32);
    (0..count).map(|_| low + (high - low) * words.uniform()).collect()
}

/// An input as a run wants it.
pub enum Owned {
    F32(Vec<f32>),
    U32(Vec<u32>),
    U8(Vec<u8>),
}

impl Owned {
    pub fn feed(&self) -> Feed<'_> {
        match self {
            Owned::F32(values) => Feed::F32(values),
            Owned::U32(values) => Feed::U32(values),
            Owned::U8(values) => Feed::U8(values),
        }
    }
}

/// What a run left behind, in order of declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    pub outputs: Vec<(String, Vec<f32>)>,
    pub states: Vec<(String, Vec<f32>)>,
}

impl Left {
    /// All of it as bits.
    pub fn bits(&self) -> Vec<u32> {
        self.outputs.iter().chain(&self.states).flat_map(|(_, values)| values).map(|v| v.to_bits()).collect()
    }
}

/// Runs `steps` steps, counting up from the feed's.
pub fn run(
    graph: &Graph,
    feed: &reference::Feed,
    pool: &Arc<Pool>,
    level: Level,
    steps: u32,
) -> Result<Left, narrows_engine::Error> {
    let mut executable = Executable::new(graph, pool, level)?;
    let mut states = States::new(&graph.states());
    for (name, values) in &feed.states {
        let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        states.set(name, &values)?;
    }
    let inputs: Vec<Owned> =
        executable.plan().inputs.iter().map(|port| owned(feed, &port.name, port.kind)).collect();
    let inputs: Vec<Feed<'_>> = inputs.iter().map(Owned::feed).collect();
    let scalars: Vec<f32> = executable.plan().scalars.iter().map(|name| feed.scalars[name] as f32).collect();
    for step in 0..steps {
        let run = Run { inputs: &inputs, scalars: &scalars, seed: feed.seed, step: feed.step + step };
        executable.run(&mut states, &run)?;
    }
    let ports = executable.plan().outputs.clone();
    let outputs = ports.iter().enumerate().map(|(number, port)| {
        let mut values = vec![f32::NAN; port.shape.elements()];
        executable.output(number, &mut values);
        (port.name.clone(), values)
    });
    let outputs = outputs.collect();
    let states = states.list().map(|(name, _)| (name.to_owned(), states.get(name).unwrap())).collect();
    Ok(Left { outputs, states })
}

fn owned(feed: &reference::Feed, name: &str, kind: Kind) -> Owned {
    let values = &feed.inputs[name];
    match kind {
        Kind::F32 => Owned::F32(values.iter().map(|value| *value as f32).collect()),
        Kind::U32 => Owned::U32(values.iter().map(|value| *value as u32).collect()),
        Kind::U8 => Owned::U8(values.iter().map(|value| *value as u8).collect()),
    }
}

/// One step at every level, compared with the reference.
#[track_caller]
pub fn check(what: &str, graph: &Graph, feed: &reference::Feed, tolerance: Tolerance) {
    let expected = match reference::evaluate(graph, feed) {
        Ok(expected) => expected,
        Err(error) => panic!("{what}: {error}"),
    };
    check_against(what, graph, feed, tolerance, &expected);
}

/// As [`check`], with the expected values at hand.
#[track_caller]
pub fn check_against(
    what: &str,
    graph: &Graph,
    feed: &reference::Feed,
    tolerance: Tolerance,
    expected: &Evaluation,
) {
    let pool = pool(1);
    for level in Level::all_available() {
        let left = match run(graph, feed, &pool, level, 1) {
            Ok(left) => left,
            Err(error) => panic!("{what} at {}: {error}", level.name()),
        };
        let outputs = left.outputs.iter().map(|(name, found)| (name, found, &expected.outputs[name]));
        let states = left.states.iter().map(|(name, found)| (name, found, &expected.states[name]));
        for (name, found, expected) in outputs.chain(states) {
            assert_eq!(found.len(), expected.len(), "{what}: {name}");
            for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert!(
                    tolerance.allows(*found, *expected),
                    "{what} at {}: {name}[{at}] is {found:e}, expected {expected:e}",
                    level.name()
                );
            }
        }
    }
}

/// A pool of so many threads.
pub fn pool(threads: usize) -> Arc<Pool> {
    Pool::new(threads).unwrap()
}

/// The message with which a graph is refused.
pub fn refusal(build: &dyn Fn(&Graph)) -> String {
    let graph = Graph::new();
    build(&graph);
    graph.check().unwrap_err().to_string()
}

//! Training allocates nothing once it runs. A program of its own, since it counts what the whole program allocates.
#![allow(unsafe_code, reason = "an allocator that counts is one that allocates")]

use narrows_engine::cpu::{Executable, Feed, Level, Pool, Run, States};
use narrows_engine::op::Distribution;
use narrows_engine::{Convolution, Graph, Pool as Pooling};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_run_allocates_nothing_after_the_first() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let graph = Graph::new();
    let (x, ids) = (graph.input("x", [64, 200]), graph.indices("ids", [64]));
    let (w, table) = (graph.state("w", [200, 300]), graph.state("table", [50, 300]));
    let noisy = x * graph.random(ids, 200, Distribution::Uniform).greater(graph.constant(0.1));
    let h = (noisy.matmul(w) + table.gather(ids)).tanh();
    let y = h.product(w, false, true);
    let loss = (y - x).square().sum_all() + h.transpose().slice(&[1, 1], &[7, 9]).abs().sum_all();
    graph.output("loss", loss);
    let weights = [w, table];
    let gradients = graph.gradient(loss, &weights).unwrap();
    let norm = gradients.iter().fold(graph.constant(0.0), |sum, g| sum + g.square().sum_all()).sqrt();
    let rate = graph.scalar("rate");
    for (w, g) in weights.into_iter().zip(gradients) {
        graph.update(w, w - rate * g / (norm + 1.0));
    }
    expect_no_allocation(&graph, &[("w", 200 * 300)], 64 * 200);
}

/// The same of maps: convolutions both ways, in groups, of what holds much and little, and pooling both ways.
#[test]
fn a_run_of_maps_allocates_nothing_after_the_first() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let graph = Graph::new();
    let (x, ids) = (graph.input("x", [64, 12, 10, 1]), graph.indices("ids", [64]));
    let shapes = [("a", [3, 3, 1, 20]), ("b", [3, 3, 2, 20]), ("c", [3, 3, 20, 20]), ("d", [2, 2, 20, 1])];
    let weights = shapes.map(|(name, shape)| graph.state(name, shape));
    let [a, b, c, d] = weights;
    let same = Convolution { before: [1; 2], after: [1; 2], ..Convolution::default() };
    let pool = Pooling::of([2, 2]);
    let noise = graph.random(ids, 120, Distribution::Uniform).reshape([64, 12, 10, 1]);
    let first = (x + noise * 0.01).convolution(a, &same).maximum(graph.constant(0.0));
    let second = first.max_pool(&pool).convolution(b, &Convolution { groups: 10, ..same }).tanh();
    let third = second.unpool(&pool, first.pool_positions(&pool), [12, 10]).convolution(c, &same);
    let fourth = third.pool_sum(&pool).transposed_convolution(
        d,
        &Convolution { stride: [2; 2], ..Convolution::default() },
        [12, 10],
    );
    let loss = (fourth - x).square().sum_all();
    graph.output("loss", loss);
    let rate = graph.scalar("rate");
    for (w, g) in weights.into_iter().zip(graph.gradient(loss, &weights).unwrap()) {
        graph.update(w, w - rate * 1e-3 * g);
    }
    let sizes = shapes.map(|(name, shape)| (name, shape.iter().product()));
    expect_no_allocation(&graph, &sizes, 64 * 120);
}

/// Tests of allocations take turns: each would count the other's.
static TURN: Mutex<()> = Mutex::new(());

/// Trains with inputs x, so many numbers, and ids, 64 of them, from constant weights.
fn expect_no_allocation(graph: &Graph, weights: &[(&str, usize)], inputs: usize) {
    let values: Vec<f32> = (0..inputs).map(|at| (at % 17) as f32 * 0.05).collect();
    let indices: Vec<u32> = (0..64).collect();
    for level in Level::all_available() {
        for threads in [1, 2] {
            let pool = Pool::new(threads).unwrap();
            let mut executable = Executable::new(graph, &pool, level).unwrap();
            let mut states = States::new(&graph.states());
            for (name, size) in weights {
                states.set(name, &vec![0.01; *size]).unwrap();
            }
            let inputs = [Feed::F32(&values), Feed::U32(&indices)];
            let mut step = |step: u32| {
                let run = Run { inputs: &inputs, scalars: &[0.001], seed: 1, step };
                executable.run(&mut states, &run).unwrap();
                executable.number(0)
            };
            let first = step(0);
            // A worker that the system starts late allocates while it starts, so that the best of some stretches counts.
            let (mut last, mut allocated) = (first, u64::MAX);
            for stretch in 0..4 {
                let before = ALLOCATIONS.load(Ordering::SeqCst);
                last = (1..10).map(|at| step(stretch * 10 + at)).fold(last, |_, loss| loss);
                allocated = allocated.min(ALLOCATIONS.load(Ordering::SeqCst) - before);
            }
            assert_eq!(allocated, 0, "{threads} threads at {}", level.name());
            assert!(last < first, "{last} is not below {first}");
        }
    }
}

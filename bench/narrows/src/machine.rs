//! What the processor can do at best: fused multiply-adds on registers, and three arrays read and written back,
//! which is how Adam passes over weights and moments. The floor of every workload is computed from these.
//!
//! Unsafe, and only here: functions compiled for an instruction set that was found at run time.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// Streams of the bandwidth pass, each read and written: 24 bytes an element.
const STREAMS: usize = 3;
/// Elements of each stream: 512 MB, so 1.5 GB together, more than any cache.
const MEMORY_ELEMENTS: usize = 128 << 20;
/// The parameters of the dense autoencoder: 34 MB together, which a last-level cache may hold between steps.
const WORKING_SET_ELEMENTS: usize = 2_837_314;

/// Prints `{"peak_gflops": …, "bandwidth_gbs": …, "bandwidth_working_set_gbs": …, …}` for so many threads.
pub fn print(threads: usize) {
    let level = Level::best();
    let peak = peak_gflops(level, threads);
    let working_set = bandwidth_gbs(level, threads, WORKING_SET_ELEMENTS, 200);
    let memory = bandwidth_gbs(level, threads, MEMORY_ELEMENTS, 6);
    println!(
        r#"{{"peak_gflops": {peak:.1}, "bandwidth_gbs": {memory:.1}, "bandwidth_working_set_gbs": {working_set:.1}, "instructions": "{level:?}", "threads": {threads}}}"#
    );
}

/// Instruction sets, found at run time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the compiler targets anyway (on aarch64 this includes NEON).
    Baseline,
}

impl Level {
    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Baseline
    }
}

/// The best of several rounds of `rounds` calls; all threads start each together. Seconds of one call.
fn best_seconds<State: Send>(
    threads: usize,
    rounds: usize,
    make: impl Fn(usize) -> State + Sync,
    work: impl Fn(&mut State) + Sync,
) -> f64 {
    let barrier = Barrier::new(threads);
    let (barrier, make, work) = (&barrier, &make, &work);
    std::thread::scope(|scope| {
        let spawned: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut state = make(thread);
                    let mut best = f64::INFINITY;
                    for _ in 0..rounds {
                        barrier.wait();
                        let start = Instant::now();
                        work(&mut state);
                        barrier.wait();
                        best = best.min(start.elapsed().as_secs_f64());
                    }
                    best
                })
            })
            .collect();
        // A thread that wakes late at the first barrier sees a short round: the longest of the bests is the true one.
        spawned.into_iter().map(|thread| thread.join().expect("a measuring thread")).fold(0.0, f64::max)
    })
}

/// 10⁹ operations per second of all threads together, a multiply-add counting as two.
fn peak_gflops(level: Level, threads: usize) -> f64 {
    const REPEATS: usize = 500_000;
    let per_repeat = match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => 2 * 16 * ACCUMULATORS_512,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => 2 * 8 * ACCUMULATORS_256,
        Level::Baseline => 2 * 4 * ACCUMULATORS_128,
    };
    let seconds = best_seconds(
        threads,
        60,
        |_| (),
        |()| {
            let sum = match level {
                // SAFETY: `Level::best` found AVX-512F.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => unsafe { multiply_add_512(REPEATS) },
                // SAFETY: `Level::best` found AVX2 and FMA.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => unsafe { multiply_add_256(REPEATS) },
                Level::Baseline => multiply_add_baseline(REPEATS),
            };
            black_box(sum);
        },
    );
    (threads * REPEATS * per_repeat) as f64 / seconds / 1e9
}

// Two multiply-adds a cycle of 4 cycles' latency need 8 accumulators. Each starts at another value, unknown to the
// compiler, or it would compute equal ones only once.
#[cfg(target_arch = "x86_64")]
const ACCUMULATORS_512: usize = 12;
#[cfg(target_arch = "x86_64")]
const ACCUMULATORS_256: usize = 12;
const ACCUMULATORS_128: usize = 12;

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn multiply_add_512(repeats: usize) -> f32 {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps};
    let (a, b) = (_mm512_set1_ps(black_box(0.999)), _mm512_set1_ps(black_box(0.001)));
    let mut sums: [_; ACCUMULATORS_512] = std::array::from_fn(|i| _mm512_set1_ps(black_box(i as f32)));
    for _ in 0..repeats {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, a, b);
        }
    }
    sums.iter().map(|sum| _mm512_reduce_add_ps(*sum)).sum()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_add_256(repeats: usize) -> f32 {
    use std::arch::x86_64::{_mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps};
    let (a, b) = (_mm256_set1_ps(black_box(0.999)), _mm256_set1_ps(black_box(0.001)));
    let mut sums: [_; ACCUMULATORS_256] = std::array::from_fn(|i| _mm256_set1_ps(black_box(i as f32)));
    for _ in 0..repeats {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, a, b);
        }
    }
    sums.iter().map(|sum| _mm256_cvtss_f32(*sum)).sum()
}

/// Where the target has fused multiply-adds (NEON) the compiler uses them; else a product and a sum.
fn multiply_add_baseline(repeats: usize) -> f32 {
    let (a, b) = (black_box(0.999f32), black_box(0.001f32));
    let mut sums: [_; ACCUMULATORS_128] = std::array::from_fn(|i| [black_box(i as f32); 4]);
    for _ in 0..repeats {
        for sum in sums.as_flattened_mut() {
            *sum = if cfg!(target_arch = "aarch64") { sum.mul_add(a, b) } else { *sum * a + b };
        }
    }
    sums.as_flattened().iter().sum()
}

/// 10⁹ bytes per second of all threads together over three arrays of `elements`, read and written in place.
fn bandwidth_gbs(level: Level, threads: usize, elements: usize, rounds: usize) -> f64 {
    let share = elements / threads;
    let seconds = best_seconds(
        threads,
        rounds,
        // Written by the thread that will use it, so that the pages lie near it.
        |thread| [(); STREAMS].map(|()| vec![0.5 + thread as f32; share]),
        |[weight, first, second]| match level {
            // SAFETY: `Level::best` found AVX-512F.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { pass_512(weight, first, second) },
            // SAFETY: `Level::best` found AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { pass_256(weight, first, second) },
            Level::Baseline => pass(weight, first, second),
        },
    );
    (threads * share * 4 * 2 * STREAMS) as f64 / seconds / 1e9
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn pass_512(weight: &mut [f32], first: &mut [f32], second: &mut [f32]) {
    pass(weight, first, second);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn pass_256(weight: &mut [f32], first: &mut [f32], second: &mut [f32]) {
    pass(weight, first, second);
}

/// Adam's pattern of memory without its root and quotient, so that memory alone is measured.
#[inline(always)]
fn pass(weight: &mut [f32], first: &mut [f32], second: &mut [f32]) {
    for ((w, m), v) in weight.iter_mut().zip(first).zip(second) {
        *m = 0.9 * *m + 0.01;
        *v = 0.999 * *v + 0.001;
        *w -= 0.001 * *m * *v;
    }
}

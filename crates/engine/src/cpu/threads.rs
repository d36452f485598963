//! Threads that run a plan together.
//!
//! A run is a list of phases, a phase a list of units that may be done in any order by anybody. Threads take units as they
//! go, from both ends; a phase is over when its units are done, not when all threads have come by, so a thread that the system
//! has put aside holds nobody up unless it is in the middle of a unit. Who waits spins briefly, then sleeps.

use crate::error::Error;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;

/// One phase's counters, on a cache line of their own.
#[repr(align(128))]
#[derive(Default)]
struct Progress {
    /// Units taken by threads of even numbers, and above them those taken by threads of odd ones.
    taken: AtomicU64,
    done: AtomicU32,
}

/// Does unit `.1` of phase `.0` as thread `.2`.
type Work<'w> = dyn Fn(usize, usize, usize) + Sync + 'w;

struct Shared {
    job: Mutex<Option<(u64, Arc<Phases>)>>,
    wake: Condvar,
    /// Number of the newest run; idle threads spin on it before they sleep.
    newest: AtomicUsize,
    stop: AtomicBool,
    spins: u32,
}

/// The phases of a plan, ready to be run again and again without a new allocation.
pub struct Phases {
    /// What the current run does; set while nobody is inside.
    work: UnsafeCell<Option<*const Work<'static>>>,
    units: Vec<u32>,
    progress: Vec<Progress>,
    /// Threads inside; the run's borrowed data must outlive them.
    inside: AtomicU32,
    /// Whether this run goes the other way round.
    turned: AtomicBool,
    closed: AtomicBool,
    sleepers: AtomicU32,
    asleep: Mutex<()>,
    awake: Condvar,
    panicked: AtomicBool,
}

// SAFETY: the pointer is to a Sync closure that `Pool::run` keeps alive until no thread is inside.
unsafe impl Send for Phases {}
// SAFETY: as above; the cell is written only by `Pool::run`, while it holds the pool and nobody is inside.
unsafe impl Sync for Phases {}

/// Threads kept between runs.
pub struct Pool {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
    threads: usize,
    busy: Mutex<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// A pool of `threads` threads, the caller's included.
    ///
    /// # Errors
    /// The system refuses to start them.
    pub fn new(threads: usize) -> Result<Arc<Pool>, Error> {
        let threads = threads.max(1);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // With more threads than cores, who spins takes the core from who works.
        let spins = if threads <= cores { 20_000 } else { 200 };
        let shared = Arc::new(Shared {
            job: Mutex::new(None),
            wake: Condvar::new(),
            newest: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            spins,
        });
        let mut handles = Vec::new();
        for thread in 1..threads {
            let shared = Arc::clone(&shared);
            let handle = std::thread::Builder::new()
                .name(format!("narrows-{thread}"))
                .spawn(move || idle(&shared, thread))
                .map_err(|error| Error::Threads { threads, reason: error.to_string() })?;
            handles.push(handle);
        }
        Ok(Arc::new(Pool { shared, handles, threads, busy: Mutex::new(0) }))
    }

    /// Number of threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work(unit)` for every unit, in any order, on all threads. Plans that run inside are each done by one thread.
    pub fn each(&self, units: usize, work: &(dyn Fn(usize) + Sync)) {
        self.run(&Phases::new(vec![units as u32]), false, &|_, unit, _| work(unit));
    }

    /// Runs `work(phase, unit, thread)` for every unit of every phase, phases in order. Small runs and runs that find the pool
    /// busy are done by the caller alone, as thread 0: the results do not depend on it.
    pub fn run(&self, phases: &Arc<Phases>, alone: bool, work: &Work<'_>) {
        let guard = match self.busy.try_lock() {
            _ if alone || self.threads == 1 => None,
            // A run that panicked left nothing behind that the next one does not set anew.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            guard => guard.ok(),
        };
        let Some(mut number) = guard else {
            for (phase, units) in phases.units.iter().enumerate() {
                (0..*units as usize).for_each(|unit| work(phase, unit, 0));
            }
            return;
        };
        *number += 1;
        phases.reset(work);
        *lock(&self.shared.job) = Some((*number, Arc::clone(phases)));
        self.shared.newest.store(*number as usize, Ordering::Release);
        self.shared.wake.notify_all();
        phases.take_part(0, self.shared.spins);
        *lock(&self.shared.job) = None;
        phases.close();
        assert!(!phases.panicked.load(Ordering::Acquire), "a thread of the plan panicked");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        drop(lock(&self.shared.job));
        self.shared.newest.fetch_add(1, Ordering::Release);
        self.shared.wake.notify_all();
        for handle in self.handles.drain(..) {
            // A worker that panicked has already been reported by the run it was in.
            let _ = handle.join();
        }
    }
}

/// What a worker does between runs.
fn idle(shared: &Shared, thread: usize) {
    let mut last = 0;
    loop {
        for _ in 0..shared.spins {
            if shared.newest.load(Ordering::Acquire) as u64 != last || shared.stop.load(Ordering::Acquire) {
                break;
            }
            std::hint::spin_loop();
        }
        let mut job = lock(&shared.job);
        let running = loop {
            if shared.stop.load(Ordering::Acquire) {
                return;
            }
            match job.as_ref() {
                Some((number, running)) if *number != last => {
                    last = *number;
                    let running = Arc::clone(running);
                    // Counted while the job is still posted: the caller takes it down before it waits for the count.
                    running.inside.fetch_add(1, Ordering::AcqRel);
                    break running;
                }
                _ => job = shared.wake.wait(job).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(job);
        running.take_part(thread, shared.spins);
        running.inside.fetch_sub(1, Ordering::SeqCst);
        if running.closed.load(Ordering::SeqCst) {
            running.rouse();
        }
    }
}

impl Progress {
    /// The next unit for a thread; none when all are taken.
    ///
    /// Even threads have the first half of a phase and odd ones the second, each half helping with the other when it is done: a
    /// core comes by the same weights in every run. Every second run goes the other way, because a cache that is gone through
    /// in a circle larger than itself has always just lost what comes next.
    fn take(&self, units: u32, thread: usize, turned: bool) -> Option<u32> {
        let odd = thread % 2 == 1;
        let taken = self.taken.fetch_add(if odd { 1 << 32 } else { 1 }, Ordering::Relaxed);
        let (even_taken, odd_taken) = (taken as u32, (taken >> 32) as u32);
        if even_taken + odd_taken >= units {
            return None;
        }
        let half = units / 2;
        Some(match (odd, turned) {
            (false, false) => even_taken,
            (true, false) => units - 1 - odd_taken,
            (false, true) if even_taken < half => half - 1 - even_taken,
            (false, true) => units - 1 - (even_taken - half),
            (true, true) if odd_taken < units - half => half + odd_taken,
            (true, true) => odd_taken - (units - half),
        })
    }
}

impl Phases {
    /// Phases with so many units each.
    pub fn new(units: Vec<u32>) -> Arc<Phases> {
        Arc::new(Phases {
            work: UnsafeCell::new(None),
            progress: units.iter().map(|_| Progress::default()).collect(),
            units,
            inside: AtomicU32::new(0),
            turned: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            sleepers: AtomicU32::new(0),
            asleep: Mutex::new(()),
            awake: Condvar::new(),
            panicked: AtomicBool::new(false),
        })
    }

    fn reset(&self, work: &Work<'_>) {
        for progress in &self.progress {
            progress.taken.store(0, Ordering::Relaxed);
            progress.done.store(0, Ordering::Relaxed);
        }
        self.turned.fetch_xor(true, Ordering::Relaxed);
        self.closed.store(false, Ordering::Relaxed);
        self.panicked.store(false, Ordering::Relaxed);
        // SAFETY: only the lifetime is widened (`Pool::run` returns after every thread has left), and nobody is inside.
        unsafe {
            *self.work.get() = Some(std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work))
        };
    }

    fn take_part(&self, thread: usize, spins: u32) {
        // SAFETY: set by `reset` before the run was posted; alive while anyone is inside.
        let Some(work) = (unsafe { (*self.work.get()).map(|work| &*work) }) else { return };
        let turned = self.turned.load(Ordering::Relaxed);
        for (phase, units) in self.units.iter().enumerate() {
            let progress = &self.progress[phase];
            while let Some(unit) = progress.take(*units, thread, turned) {
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    work(phase, unit as usize, thread)
                }));
                if outcome.is_err() {
                    self.panicked.store(true, Ordering::Release);
                }
                if progress.done.fetch_add(1, Ordering::AcqRel) + 1 == *units {
                    self.rouse();
                }
            }
            self.wait(spins, || progress.done.load(Ordering::Acquire) == *units);
        }
    }

    fn wait(&self, spins: u32, over: impl Fn() -> bool) {
        for _ in 0..spins {
            if over() {
                return;
            }
            std::hint::spin_loop();
        }
        let mut asleep = lock(&self.asleep);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        // With the fence in `rouse`: either this thread sees that it is over, or that thread sees this one asleep.
        std::sync::atomic::fence(Ordering::SeqCst);
        while !over() {
            asleep = self.awake.wait(asleep).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    fn rouse(&self) {
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.asleep));
            self.awake.notify_all();
        }
    }

    /// Waits until no worker is inside.
    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.wait(1_000, || self.inside.load(Ordering::SeqCst) == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_each_other_at_every_thread_count() {
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(threads).unwrap();
            let phases = Phases::new(vec![5, 1, 17, 3]);
            for round in 0..50u64 {
                let sums: Vec<AtomicU64> = (0..4).map(|_| AtomicU64::new(0)).collect();
                pool.run(&phases, false, &|phase, unit, _| {
                    if phase > 0 {
                        let expected = [15, 1, 153, 6][phase - 1] * (round + 1);
                        assert_eq!(sums[phase - 1].load(Ordering::Relaxed), expected);
                    }
                    sums[phase].fetch_add((unit as u64 + 1) * (round + 1), Ordering::Relaxed);
                });
                assert_eq!(sums[3].load(Ordering::Relaxed), 6 * (round + 1));
            }
        }
    }

    #[test]
    fn every_unit_is_taken_once_whichever_end_is_asked() {
        for units in 0..9 {
            // Bits of `order`: whether an odd thread asks.
            for (order, turned) in (0..512).flat_map(|order| [(order, false), (order, true)]) {
                let progress = Progress::default();
                let take = |at| progress.take(units, (order >> at & 1) as usize, turned);
                let mut taken: Vec<u32> = (0..9).map_while(take).collect();
                taken.sort_unstable();
                assert_eq!(taken, (0..units).collect::<Vec<_>>(), "turned: {turned}, order {order:b}");
            }
        }
    }

    #[test]
    fn each_unit_is_done_once_and_runs_inside_are_done_alone() {
        let pool = Pool::new(3).unwrap();
        let inner = Phases::new(vec![4, 4]);
        let counts: Vec<AtomicU64> = (0..20).map(|_| AtomicU64::new(0)).collect();
        pool.each(20, &|unit| {
            pool.run(&inner, false, &|_, _, thread| {
                assert_eq!(thread, 0);
                counts[unit].fetch_add(1, Ordering::Relaxed);
            });
        });
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 8));
    }

    #[test]
    fn a_panic_in_a_unit_reaches_the_caller() {
        let pool = Pool::new(2).unwrap();
        let phases = Phases::new(vec![4]);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(&phases, false, &|_, unit, _| assert!(unit != 2));
        }));
        assert!(outcome.is_err());
        pool.run(&phases, false, &|_, _, _| {});
    }
}

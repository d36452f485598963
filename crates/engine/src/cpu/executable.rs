//! Executables: plans bound to memory and threads.

use super::dispatch::{Kernels, kernels};
use super::memory::Block;
use super::schedule::{Home, Schedule};
use super::simd::Level;
use super::states::States;
use super::threads::{Phases, Pool};
use super::tile::{FeedPointer, RunContext, Scratch};
use super::verify::verify;
use crate::error::Error;
use crate::graph::Graph;
use crate::graph::op::Kind;
use crate::plan::{Contents, Plan};
use std::cell::Cell;
use std::sync::Arc;

/// What a run is given for one input, row-major.
#[derive(Clone, Copy, Debug)]
pub enum Feed<'a> {
    /// Numbers.
    F32(&'a [f32]),
    /// Row or class numbers.
    U32(&'a [u32]),
    /// Stored pixels.
    U8(&'a [u8]),
}

impl Feed<'_> {
    fn pointer(&self) -> (FeedPointer, usize, Kind) {
        match self {
            Feed::F32(values) => (FeedPointer::F32(values.as_ptr()), values.len(), Kind::F32),
            Feed::U32(values) => (FeedPointer::U32(values.as_ptr()), values.len(), Kind::U32),
            Feed::U8(values) => (FeedPointer::U8(values.as_ptr()), values.len(), Kind::U8),
        }
    }
}

/// What a run is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run<'a> {
    /// Inputs in order of declaration.
    pub inputs: &'a [Feed<'a>],
    /// Scalars in order of declaration.
    pub scalars: &'a [f32],
    /// Key of all random numbers.
    pub seed: u64,
    /// Counts the steps; random numbers of different steps are independent.
    pub step: u32,
}

/// Runs below this many operations are done by one thread: waking another takes longer.
const ALONE_FLOPS: u64 = 1 << 20;

/// A plan bound to memory, ready to run.
pub struct Executable {
    plan: Plan,
    schedule: Schedule,
    phases: Arc<Phases>,
    pool: Arc<Pool>,
    level: Level,
    kernels: &'static Kernels,
    arena: Block,
    _tables: Vec<Block>,
    scratch: Vec<Block>,
    pointers: Vec<*mut f32>,
    feeds: Vec<FeedPointer>,
    bound: u64,
}

// SAFETY: the raw pointers are to blocks owned by the executable, or set anew at every run from arguments of that run.
unsafe impl Send for Executable {}

impl Executable {
    /// Compiles a graph for the threads of `pool` and an instruction set.
    ///
    /// # Errors
    /// The graph's first mistake; a level that this machine lacks; a plan that the verifier refuses.
    pub fn new(graph: &Graph, pool: &Arc<Pool>, level: Level) -> Result<Executable, Error> {
        if !level.available() {
            return Err(Error::Level { level: level.name() });
        }
        let plan = Plan::new(graph)?;
        let schedule = Schedule::new(&plan, pool.threads());
        verify(&plan, &schedule)?;
        let arena = Block::zeroed(schedule.arena);
        let mut tables = Vec::new();
        let mut pointers = Vec::with_capacity(plan.buffers.len());
        for (buffer, home) in plan.buffers.iter().zip(&schedule.homes) {
            let pointer = match (home, &buffer.contents) {
                (Home::Arena(offset), _) => arena.pointer().wrapping_add(*offset),
                (Home::Table(_), Contents::Table(bits)) => {
                    let values: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
                    let mut block = Block::zeroed(buffer.layout.length());
                    buffer.layout.import(&values, block.as_mut_slice());
                    tables.push(block);
                    tables[tables.len() - 1].pointer()
                }
                _ => std::ptr::null_mut(),
            };
            pointers.push(pointer);
        }
        let phases = Phases::new(schedule.phases.iter().map(|units| units.len() as u32).collect());
        let scratch = (0..pool.threads()).map(|_| Block::zeroed(schedule.scratch.iter().sum())).collect();
        let feeds = Vec::with_capacity(plan.inputs.len());
        let pool = Arc::clone(pool);
        let kernels = kernels(level);
        Ok(Executable {
            plan,
            schedule,
            phases,
            pool,
            level,
            kernels,
            arena,
            _tables: tables,
            scratch,
            pointers,
            feeds,
            bound: 0,
        })
    }

    /// The plan behind it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How the plan was scheduled.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The instruction set it was compiled for.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Bytes of intermediate values and scratch.
    pub fn bytes(&self) -> usize {
        let scratch: usize = self.schedule.scratch.iter().sum();
        self.schedule.arena_bytes() + scratch * self.scratch.len() * size_of::<f32>()
    }

    /// Runs the plan once; states change in place.
    ///
    /// # Errors
    /// Inputs, scalars or states that do not fit the plan; nothing has run then.
    pub fn run(&mut self, states: &mut States, run: &Run<'_>) -> Result<(), Error> {
        self.start(states, run)
    }

    /// Runs a plan that changes no state; the states may be shared with others who only read them.
    ///
    /// # Errors
    /// As [`Executable::run`]; a plan that updates states is refused.
    pub fn infer(&mut self, states: &States, run: &Run<'_>) -> Result<(), Error> {
        if self.plan.updated.contains(&true) {
            return Err(Error::Unsound {
                what: "a plan that updates states needs them to itself".to_owned(),
            });
        }
        self.start(states, run)
    }

    fn start(&mut self, states: &States, run: &Run<'_>) -> Result<(), Error> {
        self.bind(states)?;
        self.feed(run)?;
        let context = RunContext {
            buffers: &self.pointers,
            feeds: &self.feeds,
            scalars: run.scalars,
            seed: run.seed,
            step: run.step,
        };
        let job = Job { executable: self, context };
        self.pool.run(&self.phases, self.plan.flops() < ALONE_FLOPS, &|phase, unit, thread| {
            job.unit(phase, unit, thread)
        });
        Ok(())
    }

    /// The values of an output of the last run, row-major, by its place in order of declaration.
    pub fn output(&self, number: usize, values: &mut [f32]) {
        let wanted = Contents::Output(number);
        for (buffer, home) in self.plan.buffers.iter().zip(&self.schedule.homes) {
            if let (true, Home::Arena(offset)) = (buffer.contents == wanted, home) {
                buffer
                    .layout
                    .export(&self.arena.as_slice()[*offset..*offset + buffer.layout.length()], values);
            }
        }
    }

    /// An output of one number.
    pub fn number(&self, number: usize) -> f32 {
        let mut value = [0.0];
        self.output(number, &mut value);
        value[0]
    }

    /// The place of an output in order of declaration.
    pub fn output_number(&self, name: &str) -> Option<usize> {
        self.plan.outputs.iter().position(|port| port.name == name)
    }

    fn bind(&mut self, states: &States) -> Result<(), Error> {
        if self.bound == states.identity() {
            return Ok(());
        }
        self.bound = 0;
        for (number, home) in self.schedule.homes.iter().enumerate() {
            if let Home::State(state) = home {
                let port = &self.plan.states[*state];
                self.pointers[number] = states.find(&port.name, port.shape)?;
            }
        }
        self.bound = states.identity();
        Ok(())
    }

    fn feed(&mut self, run: &Run<'_>) -> Result<(), Error> {
        let wrong =
            |kind, name: &str, expected, found| Error::Feed { kind, name: name.to_owned(), expected, found };
        if run.inputs.len() != self.plan.inputs.len() {
            return Err(wrong("run", "inputs", self.plan.inputs.len(), run.inputs.len()));
        }
        if run.scalars.len() != self.plan.scalars.len() {
            return Err(wrong("run", "scalars", self.plan.scalars.len(), run.scalars.len()));
        }
        self.feeds.clear();
        for (port, feed) in self.plan.inputs.iter().zip(run.inputs) {
            let (pointer, found, kind) = feed.pointer();
            if found != port.shape.elements() {
                return Err(wrong("input", &port.name, port.shape.elements(), found));
            }
            if kind != port.kind {
                let (place, expected, found) = (port.name.clone(), port.kind.name(), kind.name());
                return Err(Error::Kind { operation: "input", place, expected, found });
            }
            self.feeds.push(pointer);
        }
        for (pointer, home) in self.pointers.iter_mut().zip(&self.schedule.homes) {
            if let Home::Feed(input) = home
                && let FeedPointer::F32(row) = self.feeds[*input]
            {
                // Only read: the verifier lets nobody write a fed row.
                *pointer = row.cast_mut();
            }
        }
        Ok(())
    }
}

/// A run as its threads see it.
struct Job<'r> {
    executable: &'r Executable,
    context: RunContext<'r>,
}

// SAFETY: units of a phase touch disjoint memory (the verifier has proved it) and phases are separated by barriers; each
// thread has its own scratch.
unsafe impl Sync for Job<'_> {}

impl Job<'_> {
    fn unit(&self, phase: usize, unit: usize, thread: usize) {
        let executable = self.executable;
        let unit = &executable.schedule.phases[phase][unit];
        let [registers, splats, partial, packed, band, listed, _] = executable.schedule.scratch;
        let block = executable.scratch[thread].pointer();
        let scratch = Scratch {
            registers: block,
            splats: block.wrapping_add(registers),
            partial: block.wrapping_add(registers + splats),
            packed: block.wrapping_add(registers + splats + partial),
            band: block.wrapping_add(registers + splats + partial + packed),
            listed: block.wrapping_add(registers + splats + partial + packed + band).cast(),
            marks: block.wrapping_add(registers + splats + partial + packed + band + listed),
            repeated: Cell::new(None),
        };
        let step = &executable.schedule.steps[unit.step];
        // SAFETY: the level was found available, the plan verified, its memory bound.
        unsafe {
            (executable.kernels.unit)(
                step,
                unit.piece,
                &executable.plan.buffers,
                &executable.kernels.tiles,
                &self.context,
                &scratch,
            );
        }
    }
}

//! The listing: a plan as a person reads it.

use super::executable::Executable;
use crate::plan::program::{Access, Instruction, Program};
use crate::plan::{BufferId, Contents, Direction, Images, Plan, Pooled, Step, Unpooled, Work};
use std::fmt::Write;

/// One line of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedStep {
    /// When it runs; steps of one phase run side by side.
    pub phase: usize,
    /// What it does.
    pub work: String,
    /// The fused program, instruction names in order.
    pub program: String,
    /// What it writes.
    pub writes: String,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
    /// Pieces that threads take.
    pub units: usize,
}

impl Executable {
    /// Every step of the plan, in the order of its phases.
    pub fn steps(&self) -> Vec<ListedStep> {
        let (plan, schedule) = (self.plan(), self.schedule());
        let mut steps: Vec<ListedStep> = plan
            .steps
            .iter()
            .enumerate()
            .map(|(number, step)| {
                let phase = schedule.phase_of[number];
                ListedStep {
                    phase,
                    work: work(plan, step),
                    program: program(&step.program),
                    writes: step
                        .writes()
                        .iter()
                        .map(|buffer| buffer_name(plan, *buffer))
                        .collect::<Vec<_>>()
                        .join(", "),
                    flops: step.flops,
                    bytes: bytes(plan, step),
                    units: schedule.phases[phase].iter().filter(|unit| unit.step == number).count(),
                }
            })
            .collect();
        steps.sort_by_key(|step| step.phase);
        steps
    }

    /// The plan as text: a line a step, sums at the end.
    pub fn listing(&self) -> String {
        let steps = self.steps();
        let mut text = String::from("phase  units     MFLOP       KiB  step\n");
        for step in &steps {
            let (mflop, kib) = (step.flops as f64 / 1e6, step.bytes as f64 / 1024.0);
            let behind =
                if step.program.is_empty() { String::new() } else { format!("  [{}]", step.program) };
            let _ = writeln!(
                text,
                "{:>5} {:>6} {mflop:>9.2} {kib:>9.0}  {} -> {}{behind}",
                step.phase, step.units, step.work, step.writes
            );
        }
        let (flops, bytes): (u64, u64) =
            (steps.iter().map(|s| s.flops).sum(), steps.iter().map(|s| s.bytes).sum());
        let _ = writeln!(
            text,
            "{} steps in {} phases at level {}: {:.1} MFLOP, {:.1} MiB read and written; intermediate values and scratch {:.1} MiB",
            steps.len(),
            self.schedule().phases.len(),
            self.level().name(),
            flops as f64 / 1e6,
            bytes as f64 / 1048576.0,
            self.bytes() as f64 / 1048576.0
        );
        text
    }
}

fn work(plan: &Plan, step: &Step) -> String {
    let name = |buffer: BufferId| buffer_name(plan, buffer);
    match &step.work {
        Work::Product { left, right, inner, .. } => {
            let turned = |transposed: bool| if transposed { "ᵀ" } else { "" };
            let (l, r) = (turned(left.transposed), turned(right.transposed));
            let rows = if left.transposed { left.columns } else { left.rows };
            let columns = if right.transposed { right.rows } else { right.columns };
            let pixels = if left.flat { " (pixels)" } else { "" };
            let (left, right) = (name(left.buffer), name(right.buffer));
            format!("product {rows}×{inner}×{columns} {left}{l}{pixels} {right}{r}")
        }
        Work::Convolution(work) => {
            let way = if work.upward { "transposed convolution" } else { "convolution" };
            let ([k, l], [high, wide]) = (work.taps, work.result);
            let pooled = work.pooled.map(|Pooled { size: [k, l], .. }| format!(", the largest of {k}×{l}"));
            format!(
                "{way} {} by {k}×{l} to {high}×{wide}×{}{} {} {}",
                images(&work.images),
                work.columns,
                pooled.unwrap_or_default(),
                name(work.images.buffer),
                name(work.kernel)
            )
        }
        Work::KernelGradient(work) => {
            let [k, l] = work.taps;
            format!(
                "kernel gradient {k}×{l} of {} and {} in {} parts {} {}",
                images(&work.images),
                images(&work.gradient),
                work.parts,
                name(work.images.buffer),
                name(work.gradient.buffer)
            )
        }
        Work::Pooling(work) => {
            let [k, l] = work.size;
            format!("{} {} by {k}×{l} {}", work.pooling.name(), images(&work.from), name(work.from.buffer))
        }
        Work::AddParts { from, parts, .. } => format!("add {parts} parts of {}", name(*from)),
        Work::Mark { from, .. } => {
            format!("mark what is in {}×{} {}", from.rows, from.columns, name(from.buffer))
        }
        Work::Map => format!("map {}×{}", step.domain.rows, step.domain.columns),
        Work::Reduce { direction, reduction, source, before } => {
            let way = match direction {
                Direction::AlongRows => "along rows",
                Direction::Through(axis) if axis.size == source.rows => "down columns",
                Direction::Through(_) => "through an axis",
            };
            format!("{reduction:?} {way} {}×{} of [{}]", source.rows, source.columns, program(before))
                .to_lowercase()
        }
        Work::Move(moved, _) => format!("move {} from {}", moved.shape, name(moved.pieces[0].buffer)),
        Work::Largest { from, count, .. } => format!("largest {count} of each row of {}", name(*from)),
        Work::Sparse(sparse) => {
            let operands: Vec<String> = sparse.operands.iter().map(|operand| name(operand.buffer)).collect();
            format!("{} {}", sparse.kind.name(), operands.join(" "))
        }
        Work::Gather { table, .. } => format!("gather rows of {}", name(*table)),
        Work::ScatterAdd { rows, .. } => format!("scatter-add rows of {}", name(*rows)),
    }
}

fn images(images: &Images) -> String {
    let Images { count, height, width, channels, .. } = images;
    let unpooled = images.unpooled.map(|Unpooled { size: [k, l], .. }| format!(" (unpooled by {k}×{l})"));
    format!("{count}×{height}×{width}×{channels}{}", unpooled.unwrap_or_default())
}

fn program(program: &Program) -> String {
    let shown = |instruction: &&Instruction| {
        !matches!(
            instruction,
            Instruction::Result
                | Instruction::Constant(_)
                | Instruction::Scalar(_)
                | Instruction::Load(_, Access::Full)
        )
    };
    program.instructions.iter().filter(shown).map(Instruction::name).collect::<Vec<_>>().join(" ")
}

fn buffer_name(plan: &Plan, buffer: BufferId) -> String {
    match &plan.buffers[buffer.index()].contents {
        Contents::State(state) => plan.states[*state].name.clone(),
        Contents::Output(output) => format!("output {}", plan.outputs[*output].name),
        Contents::Feed(input) => format!("input {}", plan.inputs[*input].name),
        Contents::Table(_) => format!("table {}", buffer.0),
        Contents::Intermediate => format!("#{}", buffer.0),
    }
}

fn bytes(plan: &Plan, step: &Step) -> u64 {
    let length = |buffer: &BufferId| plan.buffers[buffer.index()].layout.length() as u64 * 4;
    step.reads().iter().map(length).sum::<u64>() + step.writes().iter().map(length).sum::<u64>()
}

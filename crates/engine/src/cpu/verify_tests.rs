//! The verifier refuses what would break: every test corrupts a sound schedule in one place.

use super::*;
use crate::graph::Graph;
use crate::graph::convolution::Convolution;
use crate::graph::pooling::Pool;
use crate::plan::Direction;
use crate::plan::layout::Axis;
use crate::plan::program::Instruction;

/// Two dense layers, the largest kept, a convolution and pooling, softmax, a loss, momentum behind a norm clip, a gather: products, maps, reductions, movement, commits.
fn sound() -> (Plan, Schedule) {
    let graph = Graph::new();
    let x = graph.input("x", [300, 70]);
    let (v, w) = (graph.state("v", [70, 130]), graph.state("w", [130, 9]));
    let table = graph.state("table", [40, 9]);
    let h = x.matmul(v).tanh();
    let h = h * h.largest(40);
    let y = (h.matmul(w) + table.gather(graph.indices("i", [300]))).exp();
    let y = y / y.sum(&[1]);
    // Ten rows each of thirty, met by what is summed through them.
    let of_ten = h.reshape([30, 10, 130]);
    let h = (of_ten - of_ten.mean(&[1])).tanh().reshape([300, 130]);
    let (pool, filter) = (Pool::of([2, 2]), graph.state("filter", [3, 3, 1, 20]));
    let maps = h.slice(&[0, 0], &[30, 130]).reshape([3, 10, 130, 1]);
    let maps = maps.convolution(filter, &Convolution::default()).tanh().max_pool(&pool);
    let loss = maps.square().sum_all()
        + (y.square().sum_all() + h.transpose().slice(&[1, 1], &[100, 200]).sum_all()) * 0.01;
    graph.output("loss", loss);
    graph.output("h", h);
    let weights = [v, w, table, filter];
    let gradients = graph.gradient(loss, &weights).unwrap();
    let norm = gradients.iter().fold(graph.constant(0.0), |sum, g| sum + g.square().sum_all());
    for (w, g) in weights.iter().zip(&gradients) {
        graph.update(*w, *w - *g / (norm.sqrt() + 1.0));
    }
    let plan = Plan::new(&graph).unwrap();
    let schedule = Schedule::new(&plan, 2);
    verify(&plan, &schedule).unwrap();
    (plan, schedule)
}

/// A convolution pooled at hand, rows made of its pixels, a convolution of what unpooling spreads, and the derivative of all by what it spreads.
fn at_hand() -> (Plan, Schedule) {
    let graph = Graph::new();
    let x = graph.input("x", [5, 9, 8, 3]);
    let (filter, w) = (graph.state("filter", [3, 3, 3, 16]), graph.state("w", [144, 100]));
    let maps = x.convolution(filter, &Convolution::default());
    let two = Pool::of([2, 2]);
    let (largest, positions) = graph.constant(0.0).maximum(maps).max_pool_with_positions(&two);
    let y = largest.reshape([5, 144]).matmul(w);
    let spread = largest.stop_gradient().unpool(&two, positions, [7, 6]);
    let back = spread.convolution(graph.state("back", [2, 2, 16, 16]), &Convolution::default());
    graph.output("back", back);
    let gradient = graph.gradient(y.square().sum_all(), &[filter]).unwrap()[0];
    graph.update(filter, filter - gradient);
    let plan = Plan::new(&graph).unwrap();
    let schedule = Schedule::new(&plan, 2);
    verify(&plan, &schedule).unwrap();
    (plan, schedule)
}

#[track_caller]
fn refused(plan: &Plan, schedule: &Schedule, expected: &str) {
    let error = verify(plan, schedule).expect_err(expected).to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_missing_unit_is_found() {
    let (plan, schedule) = sound();
    let phases = schedule.phases.len();
    for phase in 0..phases {
        for unit in 0..schedule.phases[phase].len() {
            let (plan, mut schedule) = sound();
            schedule.phases[phase].remove(unit);
            assert!(verify(&plan, &schedule).is_err(), "phase {phase}, unit {unit}");
        }
    }
    drop(plan);
}

#[test]
fn a_unit_done_twice_is_found() {
    let (_, schedule) = sound();
    for phase in 0..schedule.phases.len() {
        for unit in 0..schedule.phases[phase].len() {
            let (plan, mut schedule) = sound();
            let again = schedule.phases[phase][unit];
            schedule.phases[phase].push(again);
            refused(&plan, &schedule, "touch the same memory");
        }
    }
}

#[test]
fn a_step_too_early_is_found() {
    let (plan, _) = sound();
    for step in 0..plan.steps.len() {
        let (plan, mut schedule) = sound();
        let phase = schedule.phase_of[step];
        if phase == 0 {
            continue;
        }
        let moved: Vec<Unit> = schedule.phases[phase].extract_if(.., |unit| unit.step == step).collect();
        schedule.phases[phase - 1].extend(moved);
        assert!(verify(&plan, &schedule).is_err(), "step {step}");
    }
}

#[test]
fn a_step_too_late_is_found() {
    let (plan, schedule) = sound();
    let last = schedule.phases.len() - 1;
    let mut found = 0;
    for step in 0..plan.steps.len() {
        let (plan, mut schedule) = sound();
        let phase = schedule.phase_of[step];
        let read_later = plan.steps.iter().any(|later| later.after.contains(&step));
        let moved: Vec<Unit> = schedule.phases[phase].extract_if(.., |unit| unit.step == step).collect();
        schedule.phases[last].extend(moved);
        if read_later && phase < last {
            assert!(verify(&plan, &schedule).is_err(), "step {step}");
            found += 1;
        }
    }
    assert!(found > 5);
}

/// Every pair of buffers that are alive together, put at one address.
#[test]
fn buffers_that_share_memory_while_alive_are_found() {
    let pairs = shared(&sound());
    assert!(pairs > 50, "{pairs}");
    let pairs = shared(&at_hand());
    assert!(pairs > 20, "{pairs}");
}

/// Puts every such pair at one address; gives how many there are.
fn shared((plan, schedule): &(Plan, Schedule)) -> usize {
    let lives: Vec<(usize, usize)> = (0..plan.buffers.len())
        .map(|number| {
            let touches = |step: &&usize| {
                let step = &plan.steps[**step];
                step.reads().iter().chain(&step.writes()).any(|buffer| buffer.index() == number)
            };
            let phases = (0..plan.steps.len()).collect::<Vec<_>>();
            let phases: Vec<usize> =
                phases.iter().filter(touches).map(|step| schedule.phase_of[*step]).collect();
            let output = matches!(plan.buffers[number].contents, Contents::Output(_));
            // What nobody touches any more has no life.
            let last = if output { usize::MAX } else { phases.iter().copied().max().unwrap_or(0) };
            (phases.iter().copied().min().unwrap_or(usize::MAX), last)
        })
        .collect();
    let mut pairs = 0;
    for a in 0..plan.buffers.len() {
        for b in 0..plan.buffers.len() {
            let (Home::Arena(_), Home::Arena(to)) = (schedule.homes[a], schedule.homes[b]) else { continue };
            let room = to + plan.buffers[a].layout.length() <= schedule.arena;
            if a == b || !room || lives[a].0 > lives[b].1 || lives[b].0 > lives[a].1 {
                continue;
            }
            let mut corrupt = Schedule::new(plan, 2);
            corrupt.homes[a] = Home::Arena(to);
            assert!(verify(plan, &corrupt).is_err(), "buffers {a} and {b}");
            pairs += 1;
        }
    }
    pairs
}

#[test]
fn windows_at_hand_that_do_not_fit_are_found() {
    let strange = |plan: &Plan| {
        let number = plan.buffers.iter().position(|buffer| buffer.layout.columns == 100).unwrap();
        BufferId(number as u32)
    };
    let mut corrupted = [0; 3];
    for (step, of) in (0..at_hand().0.steps.len()).flat_map(|step| (0..4).map(move |of| (step, of))) {
        let (mut plan, schedule) = at_hand();
        let other = strange(&plan);
        match (&mut plan.steps[step].work, of) {
            (Work::Convolution(work), 0) if work.pooled.is_some() => work.result[0] += 1,
            (Work::Convolution(work), 1) if work.pooled.is_some() => work.result[1] += 2,
            (Work::Convolution(work), 2) if work.pooled.is_some() => {
                work.pooled.as_mut().unwrap().size = [3, 2]
            }
            (Work::Convolution(work), 3) if work.pooled.is_some() => {
                work.pooled.as_mut().unwrap().marks = Some(other)
            }
            // Images that are gathered end with a whole window.
            (Work::Convolution(work), 0) => work.images.height += 1,
            (Work::Convolution(work), 1) => work.images.unpooled.as_mut().unwrap().positions = other,
            (Work::KernelGradient(work), 0) => work.gradient.unpooled.as_mut().unwrap().size = [2, 3],
            (Work::KernelGradient(work), 1) => work.gradient.unpooled.as_mut().unwrap().size = [0, 2],
            (Work::KernelGradient(work), 2) => work.gradient.unpooled.as_mut().unwrap().positions = other,
            (Work::Product { right, .. }, 0) => right.flat = true,
            (Work::Product { left, .. }, 1) => {
                left.flat = !left.flat;
            }
            (Work::Product { left, .. }, 2) if left.flat => left.transposed = true,
            _ => continue,
        }
        refused(&plan, &schedule, "past a layout");
        let kind = match plan.steps[step].work {
            Work::Convolution(_) => 0,
            Work::KernelGradient(_) => 1,
            _ => 2,
        };
        corrupted[kind] += 1;
    }
    assert!(corrupted[0] == 6 && corrupted[1] == 3 && corrupted[2] > 4, "{corrupted:?}");
}

#[test]
fn a_buffer_past_the_arena_is_found() {
    let (plan, mut schedule) = sound();
    schedule.arena -= GRAIN;
    refused(&plan, &schedule, "has no room");
}

#[test]
fn accesses_that_do_not_fit_are_found() {
    let (plan, _) = sound();
    let mut corrupted = 0;
    for step in 0..plan.steps.len() {
        for at in 0..plan.steps[step].program.instructions.len() {
            let (mut plan, schedule) = sound();
            // In one row, a row is all there is.
            if plan.steps[step].domain.rows == 1 {
                continue;
            }
            if let Instruction::Load(_, access) = &mut plan.steps[step].program.instructions[at] {
                *access = match *access {
                    Access::Row => Access::Full,
                    // As many rows, but no whole axes.
                    Access::Broadcast(axis) => Access::Broadcast(Axis { step: 7, ..axis }),
                    _ => Access::Row,
                };
                refused(&plan, &schedule, "past a layout");
                corrupted += 1;
            }
        }
        let (mut plan, schedule) = sound();
        match &mut plan.steps[step].work {
            Work::Product { inner, .. } => *inner += 1,
            Work::Gather { columns, .. } | Work::ScatterAdd { columns, .. } => *columns += 1,
            Work::Move(moved, _) => moved.pieces[0].offset += 100_000,
            Work::Reduce { direction: Direction::Through(axis), .. } => axis.step = 7,
            Work::Reduce { source, .. } => source.rows += 1,
            Work::Largest { count, .. } => *count = 1000,
            Work::Sparse(sparse) => sparse.to.columns += 1,
            Work::Convolution(work) => work.columns += 1,
            Work::KernelGradient(work) => work.parts += 1,
            Work::AddParts { parts, .. } => *parts += 1,
            Work::Pooling(work) => work.from.width += 1,
            Work::Mark { from, .. } => from.rows += 1,
            Work::Map => continue,
        }
        refused(&plan, &schedule, "past a layout");
        corrupted += 1;
    }
    assert!(corrupted > 20, "{corrupted}");
}

/// The old weight is read by a product after it has been overwritten.
#[test]
fn a_state_read_after_its_update_is_found() {
    let graph = Graph::new();
    let (x, w) = (graph.input("x", [64, 64]), graph.state("w", [64, 64]));
    graph.output("y", x.matmul(w).tanh().matmul(w));
    graph.update(w, w * 0.5);
    let plan = Plan::new(&graph).unwrap();
    let mut schedule = Schedule::new(&plan, 2);
    verify(&plan, &schedule).unwrap();
    let writes = |step: usize| {
        plan.steps[step]
            .writes()
            .iter()
            .any(|buffer| matches!(plan.buffers[buffer.index()].contents, Contents::State(_)))
    };
    let step = (0..plan.steps.len()).find(|step| writes(*step)).unwrap();
    let phase = schedule.phase_of[step];
    let units = schedule.phases.remove(phase);
    schedule.phases.insert(0, units);
    refused(&plan, &schedule, "before it stands");
}

/// A product may not write over its own operand, even where one unit does all of it.
#[test]
fn a_unit_that_writes_what_it_reads_elsewhere_is_found() {
    let graph = Graph::new();
    let w = graph.state("w", [8, 8]);
    graph.update(w, w.matmul(w));
    let mut plan = Plan::new(&graph).unwrap();
    verify(&plan, &Schedule::new(&plan, 2)).unwrap();
    let state = plan.buffers.iter().position(|buffer| buffer.contents == Contents::State(0)).unwrap();
    plan.steps.truncate(1);
    plan.steps[0].program.stores[0].1 = BufferId(state as u32);
    let schedule = Schedule::new(&plan, 2);
    refused(&plan, &schedule, "touch the same memory");
}

/// The caller's memory ends with its last number: whole vectors may not be read from it, and nobody may write it.
#[test]
fn fed_rows_read_by_a_program_or_written_are_found() {
    let graph = Graph::new();
    let (x, w) = (graph.input("x", [3, 70]), graph.state("w", [70, 70]));
    graph.output("y", x.matmul(w).matmul(w));
    let plan = Plan::new(&graph).unwrap();
    verify(&plan, &Schedule::new(&plan, 2)).unwrap();
    let fed = plan.buffers.iter().position(|buffer| buffer.contents == Contents::Feed(0)).unwrap();
    let fed = BufferId(fed as u32);
    let second = plan.steps.len() - 1;

    let mut loaded = plan.clone();
    let program = &mut loaded.steps[second].program;
    let value = program.push(Instruction::Load(fed, Access::Full));
    program.stores[0].0 = value;
    refused(&loaded, &Schedule::new(&loaded, 2), "past a layout");

    let mut written = plan.clone();
    let value = written.steps[second].program.stores[0].0;
    written.steps[second].program.stores.push((value, fed));
    refused(&written, &Schedule::new(&written, 2), "past a layout");

    let mut turned = plan.clone();
    let Work::Product { right, .. } = &mut turned.steps[second].work else { panic!("two products") };
    right.buffer = fed;
    refused(&turned, &Schedule::new(&turned, 2), "past a layout");

    // Marks of somebody else, and marks over the rows themselves.
    let marks_of = |plan: &Plan| match plan.steps[0].work {
        Work::Mark { to, .. } => to,
        _ => panic!("fed rows are marked"),
    };
    let mut strange = plan.clone();
    let known = marks_of(&plan);
    let Work::Product { marks, .. } = &mut strange.steps[second].work else { panic!("two products") };
    *marks = Some(known);
    refused(&strange, &Schedule::new(&strange, 2), "past a layout");

    let mut over = plan;
    let Work::Mark { to, .. } = &mut over.steps[0].work else { panic!("fed rows are marked") };
    *to = fed;
    refused(&over, &Schedule::new(&over, 2), "past a layout");
}

/// Pixels of several numbers are read by whole vectors.
#[test]
fn fed_images_of_several_channels_are_found() {
    let graph = Graph::new();
    let x = graph.input("x", [3, 6, 6, 2]);
    graph.output("y", x.convolution(graph.state("kernel", [3, 3, 2, 5]), &Convolution::default()));
    let mut plan = Plan::new(&graph).unwrap();
    verify(&plan, &Schedule::new(&plan, 2)).unwrap();
    let images = plan.steps.iter().find_map(|step| match &step.work {
        Work::Convolution(work) => Some(work.images.buffer),
        _ => None,
    });
    plan.buffers[images.unwrap().index()].contents = Contents::Feed(0);
    plan.steps.retain(|step| matches!(step.work, Work::Convolution(_)));
    plan.steps[0].after.clear();
    refused(&plan, &Schedule::new(&plan, 2), "past a layout");
}

//! Whether every access of a plan fits the layout of the buffer that it goes to.

use crate::error::Error;
use crate::graph::op::{BLOCK, Pooling, Sparse, Windows};
use crate::plan::layout::{GRAIN, Layout, Marks};
use crate::plan::program::{Access, Instruction, Program};
use crate::plan::{
    BufferId, Contents, ConvolutionWork, Direction, Images, KernelGradientWork, Matrix, Move, Operand,
    POOLED, Piece, Plan, SparseWork, Step, Unpooled, Work,
};

/// Checks every step of a plan.
///
/// # Errors
/// [`Error::Unsound`] names the first step that does not fit.
pub fn check(plan: &Plan) -> Result<(), Error> {
    for (number, step) in plan.steps.iter().enumerate() {
        let layout = |buffer: BufferId| plan.buffers.get(buffer.index()).map(|buffer| buffer.layout);
        let fits = Fits { plan, layout: &layout };
        if !fits.step(step) {
            return Err(Error::Unsound { what: format!("step {number} reads or writes past a layout") });
        }
    }
    Ok(())
}

struct Fits<'p> {
    plan: &'p Plan,
    layout: &'p dyn Fn(BufferId) -> Option<Layout>,
}

impl Fits<'_> {
    fn step(&self, step: &Step) -> bool {
        let stored = step.program.stores.iter();
        let stored = stored.clone().all(|store| (self.layout)(store.1) == Some(step.domain))
            && step.writes().iter().all(|buffer| {
                !matches!(self.contents(*buffer), Some(Contents::Table(_) | Contents::Feed(_)) | None)
            });
        stored
            && self.fed(step)
            && self.program(&step.program, step.domain)
            && self.work(&step.work, step.domain)
    }

    /// The caller's memory ends where its row does: only products read it, as a left operand, those who mark it, and windows of single numbers.
    fn fed(&self, step: &Step) -> bool {
        let read = match &step.work {
            Work::Product { left, right, .. } if left.buffer != right.buffer && !left.transposed => {
                Some(left.buffer)
            }
            Work::Mark { from, .. } => Some(from.buffer),
            Work::Convolution(ConvolutionWork { images, kernel, .. })
                if images.may_be_fed() && images.buffer != *kernel =>
            {
                Some(images.buffer)
            }
            Work::KernelGradient(KernelGradientWork { images, gradient, .. })
                if images.may_be_fed() && images.buffer != gradient.buffer =>
            {
                Some(images.buffer)
            }
            _ => None,
        };
        step.reads().into_iter().all(|buffer| match self.contents(buffer) {
            Some(Contents::Feed(input)) => {
                let loaded = step.program.loads().any(|load| load.0 == buffer);
                let elements = (self.layout)(buffer).map(|layout| layout.elements());
                read == Some(buffer) && !loaded && elements == self.input(*input)
            }
            _ => true,
        })
    }

    fn contents(&self, buffer: BufferId) -> Option<&Contents> {
        self.plan.buffers.get(buffer.index()).map(|buffer| &buffer.contents)
    }

    fn program(&self, program: &Program, domain: Layout) -> bool {
        program.instructions.iter().enumerate().all(|(at, instruction)| {
            let fits = match *instruction {
                Instruction::Load(buffer, access) => {
                    let row = |columns| Some(Layout { rows: 1, columns });
                    let expected = match access {
                        Access::Full => Some(domain),
                        Access::Row => row(domain.columns),
                        Access::Column => row(domain.rows),
                        Access::Broadcast(axis) => axis.fits(domain).then(|| axis.taken_from(domain)),
                        Access::Single => row(1),
                    };
                    expected.is_some() && (self.layout)(buffer) == expected
                }
                Instruction::Feed(input) => self.input(input) == Some(domain.elements()),
                Instruction::Random { row_ids, columns, .. } => {
                    let rows = domain.elements() / columns.max(1);
                    self.input(row_ids) == Some(rows) && rows * columns == domain.elements()
                }
                Instruction::Position { stride, size } => stride > 0 && size > 0,
                Instruction::Scalar(scalar) => scalar < self.plan.scalars.len(),
                _ => true,
            };
            fits && instruction.operands().iter().all(|operand| *operand < at)
        })
    }

    /// Elements of an input.
    fn input(&self, number: usize) -> Option<usize> {
        self.plan.inputs.get(number).map(|port| port.shape.elements())
    }

    fn work(&self, work: &Work, domain: Layout) -> bool {
        match work {
            Work::Map => true,
            Work::Convolution(work) => self.convolution(work, domain),
            Work::KernelGradient(work) => {
                let [gradient, images] = [&work.gradient, &work.images];
                let kernel = matrix(work.taps[0] * work.taps[1] * images.channels, gradient.channels);
                self.windows(&work.windows, work.taps)
                    && self.images(images)
                    && ends_whole(images)
                    && self.images(gradient)
                    && images.count == gradient.count
                    && (1..=gradient.count * gradient.height).contains(&work.parts)
                    && (self.layout)(work.to) == Some(work.layout())
                    && domain == kernel
            }
            Work::Pooling(work) => {
                let marked = work.marks.is_none_or(|marks| (self.layout)(marks) == Some(domain));
                let named = match work.pooling {
                    Pooling::Put => work.positions.is_some() && work.marks.is_none(),
                    Pooling::Pick => work.positions.is_none() || work.marks.is_none(),
                    _ => work.positions.is_none() && work.marks.is_none(),
                };
                self.windows(&work.windows, work.size)
                    && self.images(&work.from)
                    && work.from.unpooled.is_none()
                    && marked
                    && named
                    && work.to.layout().elements() > 0
                    && work.from.count == work.to.count
                    && work.from.channels == work.to.channels
                    && work
                        .positions
                        .is_none_or(|positions| (self.layout)(positions) == Some(work.small().layout()))
                    && domain == work.to.layout()
            }
            Work::AddParts { from, parts, columns } => (self.layout)(*from).is_some_and(|layout| {
                let rows = layout.rows / parts.max(&1);
                let lies = if *columns == 1 { GRAIN } else { *columns };
                rows * parts == layout.rows && layout.columns == lies && domain == matrix(rows, *columns)
            }),
            Work::Product { left, right, inner, marks } => {
                // Of this operand, and by whoever fits what he marks.
                let own = |step: &Step| match &step.work {
                    Work::Mark { from: Matrix { buffer, rows, columns }, to } => {
                        (Some(*to), *buffer, *rows, *columns)
                            == (*marks, left.buffer, left.rows, left.columns)
                    }
                    _ => false,
                };
                let marked = marks.is_none() || (!left.transposed && self.plan.steps.iter().any(own));
                self.product(left, right, *inner, domain) && marked
            }
            Work::Mark { from, to } => {
                let &Matrix { buffer, rows, columns } = from;
                (self.layout)(buffer) == Some(domain)
                    && domain == Layout { rows, columns }
                    && columns > 1
                    && (self.layout)(*to) == Some(Marks { rows, columns }.layout())
            }
            Work::Reduce { direction, before, source, .. } => {
                let row = |columns| Layout { rows: 1, columns };
                let results = match direction {
                    Direction::AlongRows => row(source.rows),
                    Direction::Through(axis) if !axis.fits(*source) => return false,
                    Direction::Through(axis) => axis.taken_from(*source),
                };
                domain == results && self.program(before, *source)
            }
            Work::Move(moved, to) => self.moved(moved, *to, domain),
            Work::Largest { from, to, count } => {
                let fits = |buffer: BufferId| (self.layout)(buffer) == Some(domain);
                fits(*from) && fits(*to) && *count > 0 && *count <= domain.columns
            }
            Work::Sparse(sparse) => self.sparse(sparse, domain),
            Work::Gather { table, indices, to, columns } => self.rows(*table, *to, *indices, *columns),
            Work::ScatterAdd { rows, indices, to, columns } => self.rows(*to, *rows, *indices, *columns),
        }
    }

    fn convolution(&self, work: &ConvolutionWork, domain: Layout) -> bool {
        let inner = work.taps[0] * work.taps[1] * work.images.channels;
        let places = work.images.count * work.result[0] * work.result[1];
        self.windows(&work.windows, work.taps)
            && self.images(&work.images)
            && ends_whole(&work.images)
            && (self.layout)(work.kernel) == Some(matrix(inner, work.columns))
            && places > 0
            && self.pooled(work, domain)
            && domain == matrix(work.row(places), work.columns)
    }

    fn pooled(&self, work: &ConvolutionWork, domain: Layout) -> bool {
        let whole = (0..2).all(|axis| divides(work.window()[axis], work.result[axis]));
        let marks = work.pooled.and_then(|pooled| pooled.marks);
        let at_hand = work.pooled.is_none() || (work.columns > 1 && work.together() <= POOLED);
        whole && at_hand && marks.is_none_or(|marks| (self.layout)(marks) == Some(domain))
    }

    fn windows(&self, windows: &Windows, taps: [usize; 2]) -> bool {
        let positive = |sizes: [usize; 2]| sizes.iter().all(|size| *size > 0);
        positive(windows.stride) && positive(windows.dilation) && positive(taps)
    }

    fn images(&self, images: &Images) -> bool {
        let sizes = [images.height, images.width];
        let spread = images.unpooled.is_none_or(|unpooled| {
            (0..2).all(|axis| (1..=sizes[axis]).contains(&unpooled.size[axis]))
                && images.channels > 1
                && (self.layout)(unpooled.positions) == Some(images.layout())
        });
        spread && (self.layout)(images.buffer) == Some(images.layout()) && images.layout().elements() > 0
    }

    fn sparse(&self, work: &SparseWork, domain: Layout) -> bool {
        let lies = |of: &Matrix| (self.layout)(of.buffer) == Some(matrix(of.rows, of.columns)) && of.rows > 0;
        let shape = |of: &Matrix| (of.rows, of.columns);
        let to = shape(&work.to);
        let fits = match (work.kind, &work.operands[..]) {
            (Sparse::Positions, [rows]) => rows.rows == to.0 && to.1 > 0 && to.1 <= rows.columns,
            (Sparse::Pick, [rows, places]) => rows.rows == to.0 && shape(places) == to,
            (Sparse::Spread, [values, places]) => values.rows == to.0 && shape(values) == shape(places),
            (Sparse::Product, [values, places, table]) => {
                shape(values) == shape(places) && to == (values.rows, table.columns)
            }
            (Sparse::Sampled, [rows, table, places]) => {
                rows.columns == table.columns && rows.rows == to.0 && shape(places) == to
            }
            (Sparse::Index { columns }, [places]) => {
                to == (1, columns.div_ceil(BLOCK) + 1 + places.rows * places.columns)
            }
            (Sparse::Outer | Sparse::TurnedOuter, [values, places, rows, index]) => {
                let turned = work.kind == Sparse::TurnedOuter;
                let (units, width) = if turned { (to.1, to.0) } else { to };
                shape(values) == shape(places)
                    && values.rows == rows.rows
                    && width == rows.columns
                    && shape(index) == (1, units.div_ceil(BLOCK) + 1 + values.rows * values.columns)
                    // Units of the turned form are panels of rows that lie one after another.
                    && (!turned || to.1 > 1)
            }
            _ => false,
        };
        fits && work.operands.iter().all(lies) && lies(&work.to) && domain == matrix(to.0, to.1)
    }

    fn product(&self, left: &Operand, right: &Operand, inner: usize, domain: Layout) -> bool {
        let lies = |operand: &Operand| match operand.flat {
            false => (self.layout)(operand.buffer) == Some(matrix(operand.rows, operand.columns)),
            // Rows follow each other where those of the buffer have no gaps.
            true => (self.layout)(operand.buffer).is_some_and(|layout| {
                layout.rows > 1
                    && layout.has_no_gaps()
                    && layout.elements() == operand.rows * operand.columns
                    && operand.columns > 1
            }),
        };
        let turned = |operand: &Operand| match operand.transposed {
            false => (operand.rows, operand.columns),
            true => (operand.columns, operand.rows),
        };
        let ((rows, inner_left), (inner_right, columns)) = (turned(left), turned(right));
        let same = inner_left == inner && inner_right == inner && inner > 0;
        let flat = !(right.flat || left.flat && left.transposed);
        same && flat && lies(left) && lies(right) && domain == matrix(rows, columns)
    }

    fn moved(&self, moved: &Move, to: BufferId, domain: Layout) -> bool {
        let whole = (self.layout)(to) == Some(domain) && moved.shape.elements() == domain.elements();
        whole && moved.pieces.iter().all(|piece| self.piece(piece, moved))
    }

    fn piece(&self, piece: &Piece, moved: &Move) -> bool {
        let sizes = moved.shape.sizes();
        let inside = (0..sizes.len()).all(|at| piece.start[at] < piece.end[at] && piece.end[at] <= sizes[at]);
        let steps = |at: usize| piece.strides[at] * (piece.end[at] - piece.start[at] - 1);
        let last = |()| piece.offset + (0..sizes.len()).map(steps).sum::<usize>();
        let Some(layout) = (self.layout)(piece.buffer) else { return false };
        let columns = if piece.columns == 1 { layout.elements() } else { piece.columns };
        inside && columns == layout.columns && last(()) < layout.elements()
    }

    fn rows(&self, table: BufferId, picked: BufferId, indices: usize, columns: usize) -> bool {
        let (Some(table), Some(picked), Some(count)) =
            ((self.layout)(table), (self.layout)(picked), self.input(indices))
        else {
            return false;
        };
        let rows = table.elements() / columns.max(1);
        rows > 0 && table == matrix(rows, columns) && picked == matrix(count, columns)
    }
}

/// Whether images that are gathered end with a whole window.
fn ends_whole(images: &Images) -> bool {
    images.unpooled.is_none_or(|Unpooled { size: [high, wide], .. }| {
        divides(high, images.height) && divides(wide, images.width)
    })
}

fn divides(size: usize, all: usize) -> bool {
    size > 0 && all.is_multiple_of(size)
}

/// How a matrix lies: a single column as a single row.
fn matrix(rows: usize, columns: usize) -> Layout {
    if columns == 1 { Layout { rows: 1, columns: rows } } else { Layout { rows, columns } }
}

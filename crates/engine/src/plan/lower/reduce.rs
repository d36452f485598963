//! Reductions: how each meets its operand's rows and columns.

use super::*;

impl Emitter<'_, '_, '_> {
    pub(super) fn reduce(&mut self, group: usize, id: NodeId) -> Work {
        let node = &self.lowering.nodes[id.index()];
        let Op::Reduce { reduction, axes } = node.op else {
            unreachable!("only reductions open reduction groups")
        };
        let operand = node.operands[0];
        let shape = self.lowering.nodes[operand.index()].shape;
        let Role::Reduce(pattern) = self.lowering.role(id) else {
            unreachable!("its role was found by fusion")
        };
        let mut ignore = |_| {};
        let mut writer = Writer::new(self.lowering, group, None, &mut ignore);
        writer.buffers = Some(&self.buffers);
        let source = Layout::of(shape);
        match pattern {
            Pattern::Permuted => {
                let buffer = self.buffers[&self.lowering.root(operand)];
                self.reduce_permuted(buffer, shape, &axes, reduction)
            }
            Pattern::AlongRows => {
                let before = finish_before(&mut writer, operand);
                Work::Reduce { direction: Direction::AlongRows, reduction, before, source }
            }
            Pattern::Through(axis) => {
                let before = finish_before(&mut writer, operand);
                Work::Reduce { direction: Direction::Through(axis), reduction, before, source }
            }
            Pattern::Everything => {
                let before = finish_before(&mut writer, operand);
                self.reduce_everything(before, source, reduction)
            }
        }
    }

    /// A reduction whose result has several rows: reduced to one row, then moved to the layout that it has.
    pub(super) fn reduce_to_rows(&mut self, group: usize, id: NodeId, domain: Layout) -> BufferId {
        let work = self.reduce(group, id);
        let flat = Layout { rows: 1, columns: domain.elements() };
        let from = add_buffer(self.plan, Contents::Intermediate, flat);
        let mut program = Program::default();
        let result = program.push(Instruction::Result);
        program.stores.push((result, from));
        let flops = work_flops(&work, domain.elements() as u64);
        self.plan.steps.push(Step { work, domain: flat, program, after: Vec::new(), flops });
        let shape = Shape::from([domain.rows, domain.columns]);
        let piece = whole_piece(from, domain.elements(), shape.strides(), shape);
        let to = add_buffer(self.plan, Contents::Intermediate, domain);
        self.push_move(Move { shape, pieces: vec![piece] }, domain, to);
        to
    }

    /// Two stages: a number a row, then one number. One stage where there is one row.
    pub(super) fn reduce_everything(
        &mut self,
        before: Program,
        source: Layout,
        reduction: Reduction,
    ) -> Work {
        let direction = Direction::AlongRows;
        if source.rows == 1 {
            return Work::Reduce { direction, reduction, before, source };
        }
        let rows = Layout { rows: 1, columns: source.rows };
        let between = add_buffer(self.plan, Contents::Intermediate, rows);
        let flops = (before.operations() as u64 + 1) * source.elements() as u64;
        let work = Work::Reduce { direction, reduction, before, source };
        let mut program = Program::default();
        let result = program.push(Instruction::Result);
        program.stores.push((result, between));
        self.plan.steps.push(Step { work, domain: rows, program, after: Vec::new(), flops });
        Work::Reduce { direction, reduction, before: loading(between), source: rows }
    }

    /// Kept axes first, reduced axes last, copied; then along the rows.
    pub(super) fn reduce_permuted(
        &mut self,
        buffer: BufferId,
        shape: Shape,
        axes: &[bool; MAX_RANK],
        reduction: Reduction,
    ) -> Work {
        let strides = shape.strides();
        let kept: Vec<usize> = (0..shape.rank()).filter(|axis| !axes[*axis]).collect();
        let reduced: Vec<usize> = (0..shape.rank()).filter(|axis| axes[*axis]).collect();
        let order: Vec<usize> = kept.iter().chain(&reduced).copied().collect();
        let sizes: Vec<usize> = order.iter().map(|axis| shape.sizes()[*axis]).collect();
        let columns: usize = reduced.iter().map(|axis| shape.sizes()[*axis]).product();
        let source = Layout { rows: shape.elements() / columns.max(1), columns };
        let mut piece_strides = [0; MAX_RANK];
        order.iter().enumerate().for_each(|(to, axis)| piece_strides[to] = strides[*axis]);
        let moved_shape = Shape::new(&sizes);
        let piece = whole_piece(buffer, shape.columns(), piece_strides, moved_shape);
        let to = add_buffer(self.plan, Contents::Intermediate, source);
        self.push_move(Move { shape: moved_shape, pieces: vec![piece] }, source, to);
        Work::Reduce { direction: Direction::AlongRows, reduction, before: loading(to), source }
    }
}

//! Movements, gathers and scatters.

use super::*;

impl Emitter<'_, '_, '_> {
    pub(super) fn push_move(&mut self, moved: Move, domain: Layout, to: BufferId) {
        self.push_plain(Work::Move(moved, to), domain, 0);
    }

    /// A step that runs no program.
    pub(super) fn push_plain(&mut self, work: Work, domain: Layout, flops: u64) {
        self.plan.steps.push(Step { work, domain, program: Program::default(), after: Vec::new(), flops });
    }

    pub(super) fn movement(&mut self, id: NodeId) {
        let node = &self.lowering.nodes[id.index()];
        let domain = Layout::of(node.shape);
        let to = self.buffers[&id];
        let source = |number: usize| {
            let operand = node.operands[number];
            (
                self.buffers.get(&self.lowering.root(operand)).copied(),
                self.lowering.nodes[operand.index()].shape,
            )
        };
        let memory = |number: usize| source(number).0.unwrap_or(BufferId(0));
        let (first, shape) = (memory(0), source(0).1);
        let strides = shape.strides();
        let mut piece = whole_piece(first, shape.columns(), [0; MAX_RANK], node.shape);
        match &node.op {
            Op::Gather | Op::ScatterAdd => {
                let Op::Input(indices) = self.lowering.nodes[self.lowering.root(node.operands[1]).index()].op
                else {
                    unreachable!("indices are inputs: no operation makes u32 values")
                };
                let columns = node.shape.columns();
                let work = match node.op {
                    Op::Gather => Work::Gather { table: first, indices, to, columns },
                    _ => Work::ScatterAdd { rows: first, indices, to, columns },
                };
                return self.push_plain(work, domain, 0);
            }
            Op::Largest { count } => {
                let work = Work::Largest { from: first, to, count: *count };
                // As many comparisons as the k-th largest takes, at most one a bit.
                let flops = 32 * node.shape.elements() as u64;
                return self.push_plain(work, domain, flops);
            }
            Op::Sparse(kind) => {
                let matrix = |buffer: BufferId, shape: Shape| Matrix {
                    buffer,
                    rows: shape.rows(),
                    columns: shape.columns(),
                };
                let operands: Vec<Matrix> =
                    (0..node.operands.len()).map(|number| matrix(memory(number), source(number).1)).collect();
                let flops = sparse_flops(*kind, &operands, node.shape);
                let work = Work::Sparse(SparseWork { kind: *kind, operands, to: matrix(to, node.shape) });
                return self.push_plain(work, domain, flops);
            }
            Op::Permute { order } => {
                (0..shape.rank()).for_each(|axis| piece.strides[axis] = strides[order[axis] as usize]);
            }
            Op::Broadcast => {
                let size = |axis: usize| shape.sizes()[axis];
                (0..shape.rank())
                    .for_each(|axis| piece.strides[axis] = if size(axis) == 1 { 0 } else { strides[axis] });
            }
            Op::Slice { start } => {
                piece.strides = strides;
                piece.offset = (0..shape.rank()).map(|axis| start[axis] * strides[axis]).sum();
            }
            Op::Pad { before } => {
                piece.strides = strides;
                piece.start = *before;
                (0..shape.rank()).for_each(|axis| piece.end[axis] = before[axis] + shape.sizes()[axis]);
            }
            Op::Concatenate { axis } => {
                let pieces = self.concatenated(node, *axis);
                return self.push_move(Move { shape: node.shape, pieces }, domain, to);
            }
            _ => piece.strides = node.shape.strides(),
        }
        self.push_move(Move { shape: node.shape, pieces: vec![piece] }, domain, to);
    }

    pub(super) fn concatenated(&self, node: &Node, axis: usize) -> Vec<Piece> {
        let mut at = 0;
        let mut pieces = Vec::new();
        for operand in &node.operands {
            let shape = self.lowering.nodes[operand.index()].shape;
            let buffer = self.buffers[&self.lowering.root(*operand)];
            let mut piece = whole_piece(buffer, shape.columns(), shape.strides(), node.shape);
            piece.start[axis] = at;
            at += shape.sizes()[axis];
            piece.end[axis] = at;
            pieces.push(piece);
        }
        pieces
    }
}

/// Operations that are needed: two for each value that is there and each number it meets; comparisons for a choice.
fn sparse_flops(kind: Sparse, operands: &[Matrix], shape: Shape) -> u64 {
    let elements = |matrix: Matrix| (matrix.rows * matrix.columns) as u64;
    match kind {
        Sparse::Positions => 2 * elements(operands[0]),
        Sparse::Pick | Sparse::Spread | Sparse::Index { .. } => 0,
        Sparse::Product | Sparse::Outer | Sparse::TurnedOuter => {
            2 * elements(operands[0]) * operands[2].columns as u64
        }
        Sparse::Sampled => 2 * shape.elements() as u64 * operands[0].columns as u64,
    }
}

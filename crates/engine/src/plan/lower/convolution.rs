//! Convolutions, their kernels' gradients, and pooling.

use super::*;

/// Units that a kernel's gradient is cut into at most, and places that each has at least.
const PARTS: usize = 16;
const PLACES: usize = 512;

impl Emitter<'_, '_, '_> {
    pub(super) fn convolution(&self, id: NodeId, windows: Windows, upward: bool) -> Work {
        let node = &self.lowering.nodes[id.index()];
        let kernel = node.operands[1];
        let taps = self.lowering.nodes[kernel.index()].shape.sizes();
        let sizes = node.shape.sizes();
        Work::Convolution(ConvolutionWork {
            windows,
            upward,
            images: self.images(node.operands[0]),
            kernel: self.buffers[&self.lowering.root(kernel)],
            taps: [taps[0], taps[1]],
            result: [sizes[1], sizes[2]],
            columns: sizes[3],
            pooled: None,
        })
    }

    /// Two steps: parts of the sum side by side, then their sum.
    pub(super) fn kernel_gradient(&mut self, id: NodeId, windows: Windows) -> Work {
        let node = &self.lowering.nodes[id.index()];
        let (images, gradient) = (self.images(node.operands[0]), self.images(node.operands[1]));
        let taps = [node.shape.sizes()[0], node.shape.sizes()[1]];
        let places = gradient.count * gradient.height * gradient.width;
        let most = (places / PLACES).clamp(1, gradient.count * gradient.height);
        let parts = PARTS.div_ceil(gradient.channels.div_ceil(PANEL)).min(most);
        let mut work = KernelGradientWork { windows, images, gradient, taps, parts, to: BufferId(0) };
        work.to = add_buffer(self.plan, Contents::Intermediate, work.layout());
        let (flops, to) = (work.flops(), work.to);
        self.push_plain(Work::KernelGradient(work), Layout::of(node.shape), flops);
        Work::AddParts { from: to, parts, columns: gradient.channels }
    }

    pub(super) fn pooling(&self, id: NodeId, pooling: Pooling, windows: Windows, size: [usize; 2]) -> Work {
        let node = &self.lowering.nodes[id.index()];
        let own = own_positions(self.lowering.nodes, &self.lowering.grouping.roles, id);
        // Nobody else may want the marks.
        let marks = own.and_then(|positions| self.buffers.get(&positions).copied());
        let positions = node.operands.get(1).filter(|_| own.is_none());
        let positions = positions.map(|id| self.buffers[&self.lowering.root(*id)]);
        let from = self.images(node.operands[0]);
        let [count, height, width, channels] = [0, 1, 2, 3].map(|axis| node.shape.sizes()[axis]);
        // The program writes it.
        let to = Images { count, height, width, channels, ..from };
        Work::Pooling(PoolingWork { pooling, windows, size, from, positions, marks, to })
    }

    fn images(&self, id: NodeId) -> Images {
        let sizes = self.lowering.nodes[id.index()].shape;
        let [count, height, width, channels] = [0, 1, 2, 3].map(|axis| sizes.sizes()[axis]);
        let buffer = self.buffers[&self.lowering.root(id)];
        Images { buffer, count, height, width, channels, unpooled: None }
    }
}

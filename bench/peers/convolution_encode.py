"""10,000 rows of 28×28 to codes with a convolutional encoder: 32 and 64 maps of 3×3 windows at stride 2 with a pixel of zeros around, then 30
numbers; ReLU between.

Weights are [height, width, channels in, channels out] in the files, the last one [inputs, outputs]. PyTorch's pictures and weights are
`channels_last`; the side `-chunks` gives it 256 rows at a time, which stay in the caches.
"""
import numpy as np

import common
import encode
from common import Workload
from convolution_train import Down, SIZE, jax_convolution

ROWS, CHUNK = 10_000, 256
SHAPES = [(3, 3, 1, 32), (3, 3, 32, 64), (7 * 7 * 64, 30)]
PRODUCTS = 14 * 14 * 9 * 32 + 7 * 7 * 288 * 64 + 7 * 7 * 64 * 30


def random_layers():
    random = np.random.default_rng(1)
    layers = []
    for shape in SHAPES:
        limit = np.sqrt(6 / np.prod(shape[:-1]))
        layers.append((random.uniform(-limit, limit, shape), random.uniform(-0.05, 0.05, shape[-1])))
    return [(weight.astype(np.float32), bias.astype(np.float32)) for weight, bias in layers]


def inputs():
    return {"rows": common.random_rows(ROWS, SIZE * SIZE)} | common.layer_files(random_layers())


def expected(files):
    layers = [(weight.astype(np.float64), bias) for weight, bias in common.files_layers(files)]
    codes = []
    for rows in np.array_split(files["rows"].astype(np.float64), 40):
        value = rows.reshape(-1, SIZE, SIZE, 1)
        for weight, bias in layers[:2]:
            value = np.maximum(Down(2, 1).forward(value, weight, bias), 0)
        codes.append(value.reshape(len(rows), -1) @ layers[2][0] + layers[2][1])
    return {"codes": np.concatenate(codes)}


class Side(encode.Side):
    def __init__(self, workload, threads, files):
        self.threads = threads
        self.layers = common.files_layers(files) if files else random_layers()
        self.table = files["rows"] if files else common.table(ROWS, SIZE * SIZE)
        self.build()


class PyTorch(Side):
    compiled, chunk = False, ROWS

    def build(self):
        torch = self.torch = common.torch_with(self.threads)
        F = torch.nn.functional
        last = torch.channels_last
        weights = [torch.from_numpy(np.ascontiguousarray(w.transpose(3, 2, 0, 1))).contiguous(memory_format=last) for w, _ in self.layers[:2]]
        biases = [torch.from_numpy(bias.copy()) for _, bias in self.layers]
        dense = torch.from_numpy(np.ascontiguousarray(self.layers[2][0].T))

        class Encoder(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weights = torch.nn.ParameterList(weights)
                self.biases = torch.nn.ParameterList(biases)
                self.dense = torch.nn.Parameter(dense)

            def forward(self, rows):
                value = F.relu_(F.conv2d(rows, self.weights[0], self.biases[0], 2, 1))
                value = F.relu_(F.conv2d(value, self.weights[1], self.biases[1], 2, 1))
                # In the order of channels-last memory: nothing is moved there.
                return F.linear(value.permute(0, 2, 3, 1).reshape(len(rows), -1), self.dense, self.biases[2])

        self.run = Encoder().eval()
        pictures = torch.from_numpy(self.table.reshape(-1, 1, SIZE, SIZE)).contiguous(memory_format=last)
        self.rows = pictures.split(self.chunk)
        if self.compiled:
            import torch._inductor.config

            torch._inductor.config.freezing = True  # weights become constants and are packed once
            self.run = torch.compile(self.run, dynamic=False)

    def context(self):
        return self.torch.inference_mode()

    def step(self):
        self.result = [self.run(rows) for rows in self.rows]

    def codes(self):
        return self.torch.cat(self.result).numpy()


class PyTorchChunks(PyTorch):
    chunk = CHUNK


class PyTorchCompiled(PyTorch):
    compiled, chunk = True, 250  # no remainder: one program


class Jax(Side):
    def build(self):
        common.limit_processors(self.threads)
        import jax
        import jax.numpy as jnp

        layers = jax.tree.map(jnp.asarray, self.layers)
        self.rows = jnp.asarray(self.table.reshape(-1, SIZE, SIZE, 1))

        def encode(value):  # the weights are constants of the program
            for layer in layers[:2]:
                value = jax.nn.relu(jax_convolution(jax, value, layer, 2, 1))
            return value.reshape(len(value), -1) @ layers[2][0] + layers[2][1]

        self.run = jax.jit(encode)

    def step(self):
        self.result = self.run(self.rows).block_until_ready()

    def codes(self):
        return np.asarray(self.result)


class OnnxRuntime(Side):
    chunk = ROWS

    def build(self):
        from onnx import TensorProto, helper, numpy_helper

        nodes, constants, value = [], [], "rows"
        for index, (weight, bias) in enumerate(self.layers):
            names = [f"weight_{index}", f"bias_{index}"]
            if index < 2:
                arrays = (np.ascontiguousarray(weight.transpose(3, 2, 0, 1)), bias)
                form = dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
                nodes.append(helper.make_node("Conv", [value, *names], [f"sum_{index}"], **form))
                nodes.append(helper.make_node("Relu", [f"sum_{index}"], [f"relu_{index}"]))
                value = f"relu_{index}"
            else:
                # Its pictures have their channels first: so has the weight here.
                first = weight.reshape(7, 7, 64, 30).transpose(2, 0, 1, 3).reshape(-1, 30)
                arrays = (np.ascontiguousarray(first.T), bias)
                nodes.append(helper.make_node("Flatten", [value], ["flat"]))
                nodes.append(helper.make_node("Gemm", ["flat", *names], ["codes"], transB=1))
            constants += [numpy_helper.from_array(array, name) for array, name in zip(arrays, names)]
        floats = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        ends = [floats("rows", ["n", 1, SIZE, SIZE])], [floats("codes", ["n", 30])]
        self.session = common.onnx_session(nodes, *ends, constants, self.threads)
        pictures = self.table.reshape(-1, 1, SIZE, SIZE)
        self.rows = [np.ascontiguousarray(pictures[at : at + self.chunk]) for at in range(0, len(pictures), self.chunk)]

    def step(self):
        self.result = [self.session.run(None, {"rows": rows})[0] for rows in self.rows]

    def codes(self):
        return np.concatenate(self.result)


class OnnxRuntimeChunks(OnnxRuntime):
    chunk = CHUNK


WORKLOADS = {
    "conv-encode-10000": Workload(
        name="conv-encode-10000",
        title="10,000 rows with a convolutional encoder 1→32→64→30",
        flops=2 * ROWS * PRODUCTS,
        traffic=0,
        sides={
            "pytorch-eager": PyTorch,
            "pytorch-chunks": PyTorchChunks,
            "pytorch-compiled": PyTorchCompiled,
            "jax": Jax,
            "onnxruntime": OnnxRuntime,
            "onnxruntime-chunks": OnnxRuntimeChunks,
        },
        inputs=inputs,
        expected=expected,
        tolerances={"codes": 1e-5},
    )
}

if __name__ == "__main__":
    common.main(WORKLOADS)

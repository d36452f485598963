"""Rows to codes with a trained encoder: 10,000 rows and one row of the deep one, one row of the simple one."""
import numpy as np

import common
from common import ENCODER, SIMPLE_ENCODER, Workload

# name: widths, rows, is the code rectified (hidden layers always are)
SHAPES = {
    "encode-10000": (ENCODER, 10_000, False),
    "encode-1": (ENCODER, 1, False),
    "encode-1-simple": (SIMPLE_ENCODER, 1, True),
}


def inputs(name):
    widths, rows, _ = SHAPES[name]
    return {"rows": common.patchy_rows(rows, widths[0])} | common.layer_files(common.random_layers(widths))


def expected(files, name):
    value, layers = files["rows"].astype(np.float64), common.files_layers(files)
    for index, (weight, bias) in enumerate(layers):
        value = value @ weight.astype(np.float64) + bias
        if index + 1 < len(layers) or SHAPES[name][2]:
            value = np.maximum(value, 0)
    return {"codes": value}


class Side(common.Side):
    """One peer: `step` encodes all rows (and waits for the codes), `codes` returns the last ones."""

    def __init__(self, workload, threads, files):
        widths, rows, self.relu_code = SHAPES[workload.name]
        self.threads = threads
        self.layers = common.files_layers(files) if files else common.random_layers(widths)
        self.table = files["rows"] if files else common.table(rows, widths[0])
        self.build()

    def rectified(self, index):
        return index + 1 < len(self.layers) or self.relu_code

    def check(self):
        with self.context():
            self.step()
            return {"codes": self.codes()}


class PyTorch(Side):
    compiled, dynamic = False, False

    def build(self):
        torch = self.torch = common.torch_with(self.threads)
        modules = []
        for index, (weight, bias) in enumerate(self.layers):
            linear = torch.nn.Linear(*weight.shape)
            linear.weight.data = torch.from_numpy(np.ascontiguousarray(weight.T))
            linear.bias.data = torch.from_numpy(bias.copy())
            modules += [linear, torch.nn.ReLU(inplace=True)] if self.rectified(index) else [linear]
        self.run = torch.nn.Sequential(*modules).eval()
        self.rows = torch.from_numpy(self.table)
        if self.compiled:
            import torch._inductor.config

            torch._inductor.config.freezing = True  # weights become constants and are packed once
            self.run = torch.compile(self.run, dynamic=self.dynamic)

    def context(self):
        return self.torch.inference_mode()

    def step(self):
        self.result = self.run(self.rows)

    def codes(self):
        return self.result.numpy()


class PyTorchCompiled(PyTorch):
    compiled = True


class PyTorchDynamic(PyTorchCompiled):
    """Where the number of rows is left open, the inductor packs weights for oneDNN instead of MKL. (A single row is never left open.)"""

    dynamic = True


class Jax(Side):
    def build(self):
        common.limit_processors(self.threads)
        import jax
        import jax.numpy as jnp

        layers = jax.tree.map(jnp.asarray, self.layers)
        self.rows = jnp.asarray(self.table)

        def encode(value):  # the weights are constants of the program
            for index, (weight, bias) in enumerate(layers):
                value = value @ weight + bias
                value = jax.nn.relu(value) if self.rectified(index) else value
            return value

        self.run = jax.jit(encode)

    def step(self):
        self.result = self.run(self.rows).block_until_ready()

    def codes(self):
        return np.asarray(self.result)


class OnnxRuntime(Side):
    def build(self):
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper

        nodes, constants, value = [], [], "rows"
        for index, (weight, bias) in enumerate(self.layers):
            names = [f"weight_{index}", f"bias_{index}"]
            arrays = (np.ascontiguousarray(weight.T), bias)
            constants += [numpy_helper.from_array(array, name) for array, name in zip(arrays, names)]
            nodes.append(helper.make_node("Gemm", [value, *names], [f"linear_{index}"], transB=1))
            value = f"linear_{index}"
            if self.rectified(index):
                nodes.append(helper.make_node("Relu", [value], [f"relu_{index}"]))
                value = f"relu_{index}"
        rows, width = len(self.table), self.layers[-1][1].shape[0]
        floats = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        ends = [floats("rows", self.table.shape)], [floats(value, [rows, width])]
        session = self.session = common.onnx_session(nodes, *ends, constants, self.threads)
        # Input and output bound once: no copy and no allocation a call.
        self.result = onnxruntime.OrtValue.ortvalue_from_shape_and_type([rows, width], np.float32)
        self.binding = session.io_binding()
        self.input = onnxruntime.OrtValue.ortvalue_from_numpy(self.table)
        self.binding.bind_ortvalue_input("rows", self.input)
        self.binding.bind_ortvalue_output(value, self.result)

    def step(self):
        self.session.run_with_iobinding(self.binding)

    def codes(self):
        return self.result.numpy()


TITLES = {
    "encode-10000": "10,000 rows with the encoder 784-1000-500-250-30",
    "encode-1": "one row with the encoder 784-1000-500-250-30",
    "encode-1-simple": "one row with the encoder 784-32",
}

WORKLOADS = {
    name: Workload(
        name=name,
        title=TITLES[name],
        flops=2 * rows * common.products(widths),
        traffic=4 * common.parameters(widths) if rows == 1 else 0,
        sides={
            "pytorch-eager": PyTorch,
            "pytorch-compiled": PyTorchCompiled,
            "pytorch-dynamic": PyTorchDynamic,
            "jax": Jax,
            "onnxruntime": OnnxRuntime,
        },
        inputs=lambda name=name: inputs(name),
        expected=lambda files, name=name: expected(files, name),
        tolerances={"codes": 1e-5},
    )
    for name, (widths, rows, _) in SHAPES.items()
}

if __name__ == "__main__":
    common.main(WORKLOADS)

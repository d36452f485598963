"""One training step of SegNet-Basic (`recipes/segnet.toml`, the network of bench/quality/segnet.py) on 4 pictures of 160×120, normalised over the batch; 11
classes, cross-entropy averaged over pixels and pictures; Adam as in dense_train.

Weights are [height, width, channels in, channels out] in the files; a layer's bias is the shift of its normalisation, and the last one's
its own. JAX is no side: it has no unpooling by positions.
"""
import sys
from pathlib import Path

import numpy as np

import common
from common import Workload
from dense_train import BETA1, BETA2, CHECK_STEPS, EPSILON, RATE

sys.path.append(str(Path(__file__).resolve().parent.parent / "quality"))
from segnet import CLASSES, SegNet

BATCH, HEIGHT, WIDTH, TABLE_ROWS = 4, 120, 160, 16
SHAPES = [(7, 7, 3, 64)] + [(7, 7, 64, 64)] * 7 + [(1, 1, 64, CLASSES)]
PIXELS = [HEIGHT * WIDTH, 60 * 80, 30 * 40, 15 * 20, 15 * 20, 30 * 40, 60 * 80, HEIGHT * WIDTH, HEIGHT * WIDTH]
PRODUCTS = sum(pixels * int(np.prod(shape)) for pixels, shape in zip(PIXELS, SHAPES))


def random_layers():
    random = np.random.default_rng(1)
    layers = []
    for shape in SHAPES:
        limit = np.sqrt(6 / np.prod(shape[:-1]))
        layers.append((random.uniform(-limit, limit, shape), random.uniform(-0.05, 0.05, shape[-1])))
    return [(weight.astype(np.float32), bias.astype(np.float32)) for weight, bias in layers]


def random_maps(rows):
    return np.random.default_rng(3).integers(0, CLASSES, (rows, HEIGHT * WIDTH))


def inputs():
    files = {"rows": common.random_rows(BATCH, HEIGHT * WIDTH * 3)} | common.layer_files(random_layers())
    return files | {"maps": random_maps(BATCH).astype(np.float32)}


def filled(torch, layers, kind):
    """The network with these weights."""
    model = SegNet().to(kind)
    with torch.no_grad():
        for (weight, bias), (own, shift) in zip(layers, places(model)):
            own.copy_(torch.from_numpy(np.ascontiguousarray(weight.transpose(3, 2, 0, 1))))
            shift.copy_(torch.from_numpy(bias))
    return model.train()


def places(model):
    """Each layer's weight and bias."""
    convolutions = [*model.down, *model.up]
    norms = [*model.down_norm, *model.up_norm]
    pairs = [(layer.weight, norm.bias) for layer, norm in zip(convolutions, norms)]
    return pairs + [(model.classes.weight, model.classes.bias)]


def as_files(model, of):
    array = lambda value: of(value).detach().numpy().copy()
    return [(array(weight).transpose(2, 3, 1, 0), array(bias)) for weight, bias in places(model)]


def adam_of(torch, model, **more):
    return torch.optim.Adam(model.parameters(), RATE, (BETA1, BETA2), EPSILON, **more)


def picture(torch, rows, kind):
    return torch.from_numpy(rows.reshape(-1, HEIGHT, WIDTH, 3).transpose(0, 3, 1, 2).astype(kind))


def expected(files):
    """PyTorch in f64."""
    torch = common.torch_with(2)
    model = filled(torch, common.files_layers(files), torch.float64)
    rows = picture(torch, files["rows"], np.float64)
    maps = torch.from_numpy(files["maps"].astype(int).reshape(-1, HEIGHT, WIDTH))
    adam = adam_of(torch, model)
    found = {}
    for step in range(CHECK_STEPS):
        loss = torch.nn.functional.cross_entropy(model(rows), maps)
        adam.zero_grad()
        loss.backward()
        if step == 0:
            gradients = as_files(model, lambda value: value.grad)
            found = {"loss": np.float64(loss.item())} | common.layer_files(gradients, "gradient_")
        adam.step()
    return found | common.layer_files(as_files(model, lambda value: value), "trained_")


class PyTorch(common.Side):
    compiled, channels_last = False, True

    def __init__(self, workload, threads, files):
        torch = self.torch = common.torch_with(threads)
        layers = common.files_layers(files) if files else random_layers()
        table = files["rows"] if files else common.table(TABLE_ROWS, HEIGHT * WIDTH * 3)
        maps = files["maps"].astype(int) if files else random_maps(TABLE_ROWS)
        self.take_turns(table, BATCH)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        self.model = filled(torch, layers, torch.float32).to(memory_format=layout)
        self.rows = picture(torch, table, np.float32).contiguous(memory_format=layout)
        self.maps = torch.from_numpy(maps.reshape(-1, HEIGHT, WIDTH))
        self.adam = adam_of(torch, self.model, fused=True)
        self.loss = lambda rows, maps: torch.nn.functional.cross_entropy(self.model(rows), maps)
        if self.compiled:
            self.loss = torch.compile(self.loss, dynamic=False)

    def step(self):
        batch = slice(self.next_batch() * BATCH, (self.at + 1) * BATCH)
        self.adam.zero_grad(set_to_none=True)
        self.loss(self.rows[batch], self.maps[batch]).backward()
        self.adam.step()

    def check(self):
        loss = self.loss(self.rows, self.maps)
        loss.backward()
        files = {"loss": loss.item()} | common.layer_files(as_files(self.model, lambda value: value.grad), "gradient_")
        self.adam.step()
        for _ in range(CHECK_STEPS - 1):
            self.step()
        return files | common.layer_files(as_files(self.model, lambda value: value), "trained_")


class PyTorchContiguous(PyTorch):
    channels_last = False


class PyTorchCompiled(PyTorch):
    compiled = True


WORKLOADS = {
    "segnet-4": Workload(
        name="segnet-4",
        title="training step of SegNet-Basic on 4 pictures of 160×120",
        flops=BATCH * (6 * PRODUCTS - 2 * PIXELS[0] * int(np.prod(SHAPES[0]))),
        traffic=24 * sum(int(np.prod(shape)) + shape[-1] for shape in SHAPES),
        sides={
            "pytorch-eager": PyTorch,
            "pytorch-compiled": PyTorchCompiled,
            "pytorch-contiguous": PyTorchContiguous,
        },
        inputs=inputs,
        expected=expected,
        # Adam makes a whole step of a gradient that is next to nothing, and normalised layers have many of those.
        tolerances={"loss": 1e-5, "gradient_": 1e-2, "trained_": 0.2},
    )
}

if __name__ == "__main__":
    common.main(WORKLOADS)

"""One training step of two convolutional networks, batch 64 and 256, on 28×28 pictures; Adam as in dense_train.

`conv-autoencoder`: 1→32→64 maps, 3×3 windows at stride 2 with a pixel of zeros around, and back by transposed convolutions of 4×4
windows at stride 2; ReLU between, linear output; squared error summed over pixels, averaged over rows. `lecture-cnn`: 25 maps of
3×3, the largest of 2×2, 50 maps of 3×3, the largest of 2×2, 100 units, 10 classes; ReLU, cross-entropy averaged over rows.

Weights are [height, width, channels in, channels out] in the files, also those of transposed convolutions. PyTorch's pictures and
weights are `channels_last`, and contiguous in the side of that name; JAX's are N×H×W×C.
"""
import math
from functools import partial

import numpy as np

import common
from common import Workload
from dense_train import BETA1, BETA2, CHECK_STEPS, EPSILON, RATE, adam, jax_adam

TABLE_ROWS, SIZE = 4096, 28


# ------------------------------------------------------------------------------------------- the reference, in f64


def windows(image, size, stride, pad):
    """Every window, N×H'×W'×(size·size·C)."""
    image = np.pad(image, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(image, (size, size), (1, 2))[:, ::stride, ::stride]
    return view.transpose(0, 1, 2, 4, 5, 3).reshape(*view.shape[:3], -1)


def spread(patches, shape, size, stride, pad):
    """The transpose of `windows`."""
    count, height, width, channels = shape
    image = np.zeros((count, height + 2 * pad, width + 2 * pad, channels))
    rows, columns = patches.shape[1:3]
    patches = patches.reshape(count, rows, columns, size, size, channels)
    for k in range(size):
        for l in range(size):
            image[:, k : k + stride * rows : stride, l : l + stride * columns : stride] += patches[:, :, :, k, l]
    return image[:, pad : pad + height, pad : pad + width]


class Down:
    """A convolution: what it says, and the gradients by what it hears, its weight and its bias."""

    def __init__(self, stride, pad):
        self.stride, self.pad = stride, pad

    def forward(self, x, weight, bias):
        self.x, self.size = x, weight.shape[0]
        self.patches = windows(x, self.size, self.stride, self.pad)
        self.matrix = weight.reshape(-1, weight.shape[3])
        return self.patches @ self.matrix + bias

    def backward(self, delta, weight):
        by_weight = np.einsum("nhwi,nhwo->io", self.patches, delta).reshape(weight.shape)
        back = spread(delta @ self.matrix.T, self.x.shape, self.size, self.stride, self.pad)
        return back, by_weight, delta.sum((0, 1, 2))


class Up(Down):
    """A transposed convolution."""

    def forward(self, x, weight, bias):
        self.x, self.size = x, weight.shape[0]
        # [k, l, out, in]: the weight of the convolution that goes the other way.
        self.matrix = weight.transpose(0, 1, 3, 2).reshape(-1, weight.shape[2])
        shape = (len(x), self.stride * x.shape[1], self.stride * x.shape[2], weight.shape[3])
        return spread(x @ self.matrix.T, shape, self.size, self.stride, self.pad) + bias

    def backward(self, delta, weight):
        patches = windows(delta, self.size, self.stride, self.pad)
        by_matrix = np.einsum("nhwo,nhwi->oi", patches, self.x)
        by_weight = by_matrix.reshape(self.size, self.size, weight.shape[3], weight.shape[2]).transpose(0, 1, 3, 2)
        return patches @ self.matrix, by_weight, delta.sum((0, 1, 2))


class Autoencoder:
    shapes = [(3, 3, 1, 32), (3, 3, 32, 64), (4, 4, 64, 32), (4, 4, 32, 1)]
    products = 14 * 14 * 9 * 32 + 7 * 7 * 288 * 64 + 7 * 7 * 64 * 16 * 32 + 14 * 14 * 32 * 16
    first = 14 * 14 * 9 * 32
    classes = 0

    @staticmethod
    def reference(layers, rows, targets):
        works = [Down(2, 1), Down(2, 1), Up(2, 1), Up(2, 1)]
        values = [rows.reshape(-1, SIZE, SIZE, 1)]
        for number, (work, (weight, bias)) in enumerate(zip(works, layers)):
            value = work.forward(values[-1], weight, bias)
            values.append(value if number == 3 else np.maximum(value, 0))
        error = values[-1] - values[0]
        delta, gradients = 2 * error / len(rows), []
        for number in reversed(range(4)):
            if number < 3:
                delta = delta * (values[number + 1] > 0)
            delta, by_weight, by_bias = works[number].backward(delta, layers[number][0])
            gradients.insert(0, (by_weight, by_bias))
        return np.sum(error**2) / len(rows), gradients

    @staticmethod
    def torch(torch, layers, rows, targets):
        F = torch.nn.functional
        value = F.relu_(F.conv2d(rows, *layers[0], 2, 1))
        value = F.relu_(F.conv2d(value, *layers[1], 2, 1))
        value = F.relu_(F.conv_transpose2d(value, *layers[2], 2, 1))
        value = F.conv_transpose2d(value, *layers[3], 2, 1)
        return F.mse_loss(value, rows, reduction="sum") / len(rows)

    @staticmethod
    def torch_weight(weight, number):
        return weight.transpose(3, 2, 0, 1) if number < 2 else weight.transpose(2, 3, 0, 1)

    @staticmethod
    def files_weight(weight, number):
        return weight.transpose(2, 3, 1, 0) if number < 2 else weight.transpose(2, 3, 0, 1)

    @staticmethod
    def jax(jax, layers, rows, targets):
        down, up = partial(jax_convolution, jax), partial(jax_transposed, jax)
        value = jax.nn.relu(down(rows, layers[0], 2, 1))
        value = jax.nn.relu(down(value, layers[1], 2, 1))
        value = jax.nn.relu(up(value, layers[2]))
        value = up(value, layers[3])
        return ((value - rows) ** 2).sum() / len(rows)


class LectureCnn:
    shapes = [(3, 3, 1, 25), (3, 3, 25, 50), (1250, 100), (100, 10)]
    products = 26 * 26 * 9 * 25 + 11 * 11 * 225 * 50 + 1250 * 100 + 100 * 10
    first = 26 * 26 * 9 * 25
    classes = 10

    @staticmethod
    def reference(layers, rows, targets):
        values, works, pools = rows.reshape(-1, SIZE, SIZE, 1), [Down(1, 0), Down(1, 0)], []
        for work, (weight, bias) in zip(works, layers):
            maps = np.maximum(work.forward(values, weight, bias), 0)
            size = maps.shape[1] // 2
            tiles = maps[:, : 2 * size, : 2 * size].reshape(len(maps), size, 2, size, 2, -1)
            values = tiles.max((2, 4))
            pools.append((maps, (tiles == values[:, :, None, :, None]) & (tiles > 0), size))
        flat = values.reshape(len(rows), -1)
        (w2, b2), (w3, b3) = layers[2:]
        hidden = np.maximum(flat @ w2 + b2, 0)
        sums = hidden @ w3 + b3
        shifted = sums - sums.max(1, keepdims=True)
        log = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        chosen = np.eye(10)[targets]
        d3 = (np.exp(log) - chosen) / len(rows)
        d2 = d3 @ w3.T * (hidden > 0)
        gradients = [(flat.T @ d2, d2.sum(0)), (hidden.T @ d3, d3.sum(0))]
        delta = (d2 @ w2.T).reshape(values.shape)
        for number in (1, 0):
            maps, chosen_pixels, size = pools[number]
            back = np.zeros(maps.shape)
            spread_out = delta[:, :, None, :, None] * chosen_pixels
            back[:, : 2 * size, : 2 * size] = spread_out.reshape(len(maps), 2 * size, 2 * size, -1)
            delta, by_weight, by_bias = works[number].backward(back, layers[number][0])
            gradients.insert(0, (by_weight, by_bias))
        return -np.sum(log * chosen) / len(rows), gradients

    @staticmethod
    def torch(torch, layers, rows, targets):
        F = torch.nn.functional
        value = F.max_pool2d(F.relu_(F.conv2d(rows, *layers[0])), 2)
        value = F.max_pool2d(F.relu_(F.conv2d(value, *layers[1])), 2)
        # In the order of channels-last memory: nothing is moved there.
        value = value.permute(0, 2, 3, 1).reshape(len(rows), -1)
        value = F.relu_(F.linear(value, *layers[2]))
        return F.cross_entropy(F.linear(value, *layers[3]), targets)

    @staticmethod
    def torch_weight(weight, number):
        return weight.transpose(3, 2, 0, 1) if number < 2 else weight.T

    @staticmethod
    def files_weight(weight, number):
        return weight.transpose(2, 3, 1, 0) if number < 2 else weight.T

    @staticmethod
    def jax(jax, layers, rows, targets):
        largest = lambda x: jax.lax.reduce_window(x, -jax.numpy.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        value = largest(jax.nn.relu(jax_convolution(jax, rows, layers[0], 1, 0)))
        value = largest(jax.nn.relu(jax_convolution(jax, value, layers[1], 1, 0)))
        value = jax.nn.relu(value.reshape(len(rows), -1) @ layers[2][0] + layers[2][1])
        log = jax.nn.log_softmax(value @ layers[3][0] + layers[3][1])
        return -jax.numpy.take_along_axis(log, targets[:, None], 1).sum() / len(rows)


def jax_convolution(jax, x, layer, stride, pad):
    form = dict(window_strides=(stride, stride), padding=[(pad, pad)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.lax.conv_general_dilated(x, layer[0], **form) + layer[1]


def jax_transposed(jax, x, layer):
    """4×4 at stride 2 with one pixel of zeros: a convolution of the pixels, zeros between them, with the kernel turned round."""
    form = dict(padding=[(2, 2)] * 2, lhs_dilation=(2, 2), dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.lax.conv_general_dilated(x, layer[0][::-1, ::-1], (1, 1), **form) + layer[1]


def random_layers(network):
    random = np.random.default_rng(1)
    layers = []
    for shape in network.shapes:
        limit = math.sqrt(6 / np.prod(shape[:-1]))
        weight, bias = random.uniform(-limit, limit, shape), random.uniform(-0.05, 0.05, shape[-1])
        layers.append((weight.astype(np.float32), bias.astype(np.float32)))
    return layers


def random_targets(rows):
    return np.random.default_rng(3).integers(0, 10, rows)


def inputs(network, batch):
    files = {"rows": common.random_rows(batch, SIZE * SIZE)} | common.layer_files(random_layers(network))
    return files | {"targets": random_targets(batch).astype(np.float32)} if network.classes else files


def expected(network, files):
    files = {name: array.astype(np.float64) for name, array in files.items()}
    layers, rows = common.files_layers(files), files["rows"]
    targets = files["targets"].astype(int) if network.classes else None
    loss, gradients = network.reference(layers, rows, targets)
    trained = adam(layers, CHECK_STEPS, lambda layers: network.reference(layers, rows, targets)[1])
    return {"loss": loss} | common.layer_files(gradients, "gradient_") | common.layer_files(trained, "trained_")


# ------------------------------------------------------------------------------------------------------------ sides


class Side(common.Side):
    def __init__(self, network, batch, workload, threads, files):
        self.network, self.batch, self.threads = network, batch, threads
        self.layers = common.files_layers(files) if files else random_layers(network)
        table = files["rows"] if files else common.table(TABLE_ROWS, SIZE * SIZE)
        targets = files["targets"].astype(int) if files and network.classes else random_targets(len(table))
        self.targets = targets
        self.take_turns(table.reshape(-1, SIZE, SIZE, 1), batch)
        self.build()

    def check(self):
        loss, gradients = self.loss_and_gradients()
        for _ in range(CHECK_STEPS):
            self.step()
        self.finish()
        files = {"loss": loss} | common.layer_files(gradients, "gradient_")
        return files | common.layer_files(self.trained(), "trained_")


class PyTorch(Side):
    compiled, channels_last = False, True

    def build(self):
        torch = self.torch = common.torch_with(self.threads)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        shape = lambda tensor: tensor.contiguous(memory_format=layout) if tensor.dim() == 4 else tensor.contiguous()
        tensor = lambda array: shape(torch.from_numpy(np.ascontiguousarray(array))).requires_grad_()
        weight = self.network.torch_weight
        self.values = [(tensor(weight(w, n)), tensor(b)) for n, (w, b) in enumerate(self.layers)]
        self.rows = shape(torch.from_numpy(self.table.transpose(0, 3, 1, 2)))
        self.classes = torch.from_numpy(self.targets)
        parameters = [value for layer in self.values for value in layer]
        self.adam = torch.optim.Adam(parameters, RATE, (BETA1, BETA2), EPSILON, fused=True)

        def loss(rows, classes):
            return self.network.torch(torch, self.values, rows, classes)

        self.loss, self.update = loss, self.adam.step
        if self.compiled:
            self.loss, self.update = torch.compile(loss, dynamic=False), torch.compile(self.adam.step)

    def step(self):
        batch = slice(self.next_batch() * self.batch, (self.at + 1) * self.batch)
        self.adam.zero_grad(set_to_none=True)
        self.loss(self.rows[batch], self.classes[batch]).backward()
        self.update()

    def loss_and_gradients(self):
        loss = self.loss(self.rows, self.classes)
        loss.backward()
        return loss.item(), self.as_files(lambda value: value.grad)

    def trained(self):
        return self.as_files(lambda value: value)

    def as_files(self, of):
        array = lambda value: of(value).detach().numpy().copy()
        return [(self.network.files_weight(array(w), n), array(b)) for n, (w, b) in enumerate(self.values)]


class PyTorchCompiled(PyTorch):
    compiled = True


class PyTorchContiguous(PyTorchCompiled):
    channels_last = False


class Jax(Side):
    def build(self):
        common.limit_processors(self.threads)
        import jax
        import jax.numpy as jnp

        self.jax = jax
        weights = jax.tree.map(jnp.asarray, self.layers)
        zeros = lambda: jax.tree.map(jnp.zeros_like, weights)
        self.state = (weights, zeros(), zeros(), jnp.int32(0))
        self.rows, self.classes = jnp.asarray(self.table), jnp.asarray(self.targets)
        batch, batches, network = self.batch, self.batches, self.network
        loss = lambda weights, rows, classes: network.jax(jax, weights, rows, classes)

        def step(state, table, classes):
            weights, first, second, count = state
            at = (count % batches) * batch
            rows = jax.lax.dynamic_slice_in_dim(table, at, batch)
            gradient = jax.grad(loss)(weights, rows, jax.lax.dynamic_slice_in_dim(classes, at, batch))
            return jax_adam(jax, weights, first, second, count, gradient)

        self.value_and_grad = jax.jit(jax.value_and_grad(loss))
        self.run = jax.jit(step, donate_argnums=0)

    def step(self):
        self.state = self.run(self.state, self.rows, self.classes)

    def finish(self):
        self.jax.block_until_ready(self.state)

    def loss_and_gradients(self):
        loss, gradients = self.value_and_grad(self.state[0], self.rows, self.classes)
        return float(loss), self.jax.tree.map(np.asarray, gradients)

    def trained(self):
        return self.jax.tree.map(np.asarray, self.state[0])


SIDES = {
    "pytorch-eager": PyTorch,
    "pytorch-compiled": PyTorchCompiled,
    "pytorch-contiguous": PyTorchContiguous,
    "jax": Jax,
}
TITLES = {"conv-autoencoder": "the convolutional autoencoder 1→32→64", "lecture-cnn": "the lectures' convolutional network"}
NETWORKS = {"conv-autoencoder": Autoencoder, "lecture-cnn": LectureCnn}

WORKLOADS = {
    f"{name}-{batch}": Workload(
        name=f"{name}-{batch}",
        title=f"training step of {TITLES[name]}, batch {batch}",
        flops=batch * (6 * network.products - 2 * network.first),
        traffic=24 * sum(int(np.prod(shape)) + shape[-1] for shape in network.shapes),
        sides={side: partial(build, network, batch) for side, build in SIDES.items()},
        inputs=partial(inputs, network, batch),
        expected=partial(expected, network),
        tolerances={"loss": 1e-5, "gradient_": 1e-4, "trained_": 5e-2},
    )
    for name, network in NETWORKS.items()
    for batch in (64, 256)
}

if __name__ == "__main__":
    common.main(WORKLOADS)

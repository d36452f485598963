"""Training steps of three families, batch 128, Adam as in dense_train.

`vae-train`: 784-400-20, ReLU, a normal code with a variance for every row and unit, sigmoid outputs; loss =
cross-entropy summed over features plus the divergence from N(0, 1), averaged over rows. `denoising-train`:
784-1000-500-250-30 and back, ReLU, linear code and output, a quarter of the pixels masked; squared error to
the clean rows. `contractive-train`: 784-256, sigmoid code and outputs, cross-entropy plus 0.1 times the
squared Jacobian of the code in closed form. Random numbers are drawn anew in every step by each side's own
generator; the comparison before feeds the same ones to all. Families whose peers need operations of their own
have files of their own, made of these sides.
"""
from functools import partial
from types import SimpleNamespace

import numpy as np

import common
from common import AUTOENCODER, Workload
from dense_train import BETA1, BETA2, EPSILON, LINEAR, RATE, jax_adam, loss_and_gradients

BATCH, TABLE_ROWS = 128, 4096
KEPT, CONTRACTION = 0.75, 0.1


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def cross_entropy(a, x):
    return np.sum(np.logaddexp(0, a) - a * x)


class Vae:
    batch = BATCH
    shapes = [(784, 400), (400, 20), (400, 20), (20, 400), (400, 784)]

    @staticmethod
    def draw(normal, uniform):
        return normal((BATCH, 20))

    @staticmethod
    def loss(ops, layers, rows, noise):
        (w0, b0), (w1, b1), (w2, b2), (w3, b3), (w4, b4) = layers
        hidden = ops.relu(rows @ w0 + b0)
        mean, spread = hidden @ w1 + b1, hidden @ w2 + b2
        code = mean + ops.exp(0.5 * spread) * noise
        sums = ops.relu(code @ w3 + b3) @ w4 + b4
        divergence = 0.5 * (mean * mean + ops.exp(spread) - spread - 1).sum()
        return ((ops.softplus(sums) - sums * rows).sum() + divergence) / len(rows)

    @staticmethod
    def reference(layers, x, noise):
        (w0, b0), (w1, b1), (w2, b2), (w3, b3), (w4, b4) = layers
        hidden = np.maximum(x @ w0 + b0, 0)
        mean, spread = hidden @ w1 + b1, hidden @ w2 + b2
        scale = np.exp(spread / 2)
        code = mean + scale * noise
        top = np.maximum(code @ w3 + b3, 0)
        sums = top @ w4 + b4
        loss = (cross_entropy(sums, x) + 0.5 * np.sum(mean**2 + scale**2 - spread - 1)) / len(x)
        d4 = (sigmoid(sums) - x) / len(x)
        d3 = d4 @ w4.T * (top > 0)
        dcode = d3 @ w3.T
        d1 = dcode + mean / len(x)
        d2 = dcode * noise * scale / 2 + (scale**2 - 1) / (2 * len(x))
        d0 = (d1 @ w1.T + d2 @ w2.T) * (hidden > 0)
        pairs = [(x, d0), (hidden, d1), (hidden, d2), (code, d3), (top, d4)]
        return loss, [(value.T @ delta, delta.sum(0)) for value, delta in pairs]


class Denoising:
    batch = BATCH
    shapes = list(zip(AUTOENCODER, AUTOENCODER[1:]))

    @staticmethod
    def draw(normal, uniform):
        return uniform((BATCH, 784)) < KEPT

    @staticmethod
    def loss(ops, layers, rows, noise):
        value = rows * noise
        for index, (weight, bias) in enumerate(layers):
            value = value @ weight + bias
            value = value if index in LINEAR else ops.relu(value)
        return ((value - rows) ** 2).sum() / len(rows)

    @staticmethod
    def reference(layers, x, noise):
        return loss_and_gradients(layers, x, x * noise)


class Contractive:
    batch = BATCH
    shapes = [(784, 256), (256, 784)]

    @staticmethod
    def draw(normal, uniform):
        return None

    @staticmethod
    def loss(ops, layers, rows, noise):
        (w0, b0), (w1, b1) = layers
        code = ops.sigmoid(rows @ w0 + b0)
        sums = code @ w1 + b1
        slope = code * (1 - code)
        jacobian = (slope * slope * (w0 * w0).sum(0)).sum()
        return ((ops.softplus(sums) - sums * rows).sum() + CONTRACTION * jacobian) / len(rows)

    @staticmethod
    def reference(layers, x, noise):
        (w0, b0), (w1, b1) = layers
        code = sigmoid(x @ w0 + b0)
        sums = code @ w1 + b1
        slope, lengths = code * (1 - code), np.sum(w0**2, 0)
        loss = (cross_entropy(sums, x) + CONTRACTION * np.sum(slope**2 * lengths)) / len(x)
        d1 = (sigmoid(sums) - x) / len(x)
        own = 2 * CONTRACTION / len(x)
        d0 = d1 @ w1.T * slope + own * slope**2 * (1 - 2 * code) * lengths
        g0 = x.T @ d0 + own * w0 * np.sum(slope**2, 0)
        return loss, [(g0, d0.sum(0)), (code.T @ d1, d1.sum(0))]


def random_layers(family):
    return [common.random_layers(shape, seed)[0] for seed, shape in enumerate(family.shapes, 1)]


def inputs(family):
    files = {"rows": common.patchy_rows(family.batch, family.shapes[0][0])}
    files |= common.layer_files(random_layers(family))
    random = np.random.default_rng(5)
    noise = family.draw(random.standard_normal, random.random)
    return files if noise is None else files | {"noise": noise.astype(np.float32)}


def expected(family, files):
    files = {name: array.astype(np.float64) for name, array in files.items()}
    loss, gradients = family.reference(common.files_layers(files), files["rows"], files.get("noise"))
    return {"loss": loss} | common.layer_files(gradients, "gradient_")


# ------------------------------------------------------------------------------------------------------------ sides


class Side(common.Side):
    def __init__(self, family, workload, threads, files):
        self.family = family
        self.threads = threads
        self.layers = common.files_layers(files) if files else random_layers(family)
        self.given = files.get("noise") if files else None
        table = files["rows"] if files else common.table(TABLE_ROWS, family.shapes[0][0])
        self.take_turns(table, family.batch)
        self.build()

    def check(self):
        loss, gradients = self.loss_and_gradients()
        return {"loss": loss} | common.layer_files(gradients, "gradient_")


class PyTorch(Side):
    compiled = False

    def build(self):
        torch = self.torch = common.torch_with(self.threads)
        self.parameters = [torch.from_numpy(a.copy()).requires_grad_() for layer in self.layers for a in layer]
        self.rows = torch.from_numpy(self.table)
        self.adam = torch.optim.Adam(self.parameters, RATE, (BETA1, BETA2), EPSILON, fused=True)
        family, values, operations = self.family, self.parameters, self.operations()

        def given(rows, noise):
            return family.loss(operations, list(zip(values[::2], values[1::2])), rows, noise)

        def drawn(rows):
            return given(rows, family.draw(torch.randn, torch.rand))

        self.given_loss, self.loss, self.update = given, drawn, self.adam.step
        if self.compiled:
            self.loss, self.update = torch.compile(drawn, dynamic=False), torch.compile(self.adam.step)

    def operations(self):
        """What a family's loss is written with."""
        torch = self.torch
        softplus = torch.nn.functional.softplus
        return SimpleNamespace(relu=torch.relu, exp=torch.exp, sigmoid=torch.sigmoid, softplus=softplus)

    def step(self):
        at = self.next_batch() * self.family.batch
        self.adam.zero_grad(set_to_none=True)
        self.loss(self.rows[at : at + self.family.batch]).backward()
        self.update()

    def loss_and_gradients(self):
        noise = None if self.given is None else self.torch.from_numpy(self.given)
        loss = self.given_loss(self.rows, noise)
        loss.backward()
        gradients = [parameter.grad.numpy() for parameter in self.parameters]
        return loss.item(), list(zip(gradients[::2], gradients[1::2]))


class PyTorchCompiled(PyTorch):
    compiled = True


class Jax(Side):
    def build(self):
        common.limit_processors(self.threads)
        import jax
        import jax.numpy as jnp

        self.jax, family = jax, self.family
        weights = jax.tree.map(jnp.asarray, self.layers)
        zeros = lambda: jax.tree.map(jnp.zeros_like, weights)
        self.state = (weights, zeros(), zeros(), jnp.int32(0), jax.random.key(0))
        self.rows, batches, batch = jnp.asarray(self.table), self.batches, family.batch
        operations = self.operations()

        def loss(weights, rows, noise):
            return family.loss(operations, weights, rows, noise)

        def step(state, table):
            weights, first, second, count, key = state
            key, own = jax.random.split(key)
            noise = family.draw(lambda shape: jax.random.normal(own, shape), lambda shape: jax.random.uniform(own, shape))
            rows = jax.lax.dynamic_slice_in_dim(table, (count % batches) * batch, batch)
            gradient = jax.grad(loss)(weights, rows, noise)
            return *jax_adam(jax, weights, first, second, count, gradient), key

        self.value_and_grad = jax.jit(jax.value_and_grad(loss))
        self.run = jax.jit(step, donate_argnums=0)

    def operations(self):
        """What a family's loss is written with."""
        jax = self.jax
        relu, sigmoid, softplus = jax.nn.relu, jax.nn.sigmoid, jax.nn.softplus
        return SimpleNamespace(relu=relu, exp=jax.numpy.exp, sigmoid=sigmoid, softplus=softplus)

    def step(self):
        self.state = self.run(self.state, self.rows)

    def finish(self):
        self.jax.block_until_ready(self.state)

    def loss_and_gradients(self):
        loss, gradients = self.value_and_grad(self.state[0], self.rows, self.given)
        return float(loss), self.jax.tree.map(np.asarray, gradients)


SIDES = {"pytorch-eager": PyTorch, "pytorch-compiled": PyTorchCompiled, "jax": Jax}


def dense_flops(family):
    """Forward, weight gradient, input gradient; the first layer's input gradient is not needed."""
    products = sum(inputs * outputs for inputs, outputs in family.shapes)
    return family.batch * (6 * products - 2 * family.shapes[0][0] * family.shapes[0][1])


def workload(name, title, family, sides=SIDES, flops=None, inputs=inputs):
    return Workload(
        name=name,
        title=f"training step of the {title}, batch {family.batch}",
        flops=flops or dense_flops(family),
        traffic=24 * sum((inputs + 1) * outputs for inputs, outputs in family.shapes),
        sides={side: partial(build, family) for side, build in sides.items()},
        inputs=lambda: inputs(family),
        expected=lambda files: expected(family, files),
        tolerances={"loss": 1e-5, "gradient_": 1e-4},
    )


WORKLOADS = {
    "vae-train": workload("vae-train", "variational autoencoder 784-400-20", Vae),
    "denoising-train": workload("denoising-train", "denoising deep autoencoder", Denoising),
    "contractive-train": workload("contractive-train", "contractive autoencoder 784-256", Contractive),
}

if __name__ == "__main__":
    common.main(WORKLOADS)

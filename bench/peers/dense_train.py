"""One training step of the dense deep autoencoder, batch 64 and 256.

784-1000-500-250-30-250-500-1000-784, ReLU hidden units, linear code and output; loss = squared error summed over
features, averaged over rows; Adam with rate 1e-3, β 0.9 and 0.999, ε 1e-8. A step reads the next rows of a resident
table, goes forward and backward, and updates every parameter; the loss is not fetched.
"""
import numpy as np

import common
from common import AUTOENCODER, Workload

TABLE_ROWS = 4096
CHECK_STEPS = 3
RATE, BETA1, BETA2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
LINEAR = (3, 7)  # layers without ReLU: the code and the output


# ------------------------------------------------------------------------------------------- the reference, in f64


def loss_and_gradients(layers, rows, seen=None):
    """Written out by hand, so that it shares nothing with any side. `seen` is what the network sees instead of the rows."""
    values = [rows if seen is None else seen]
    for index, (weight, bias) in enumerate(layers):
        value = values[-1] @ weight + bias
        values.append(value if index in LINEAR else np.maximum(value, 0))
    error = values[-1] - rows
    gradients, delta = [], 2 * error / len(rows)
    for index in reversed(range(len(layers))):
        if index not in LINEAR:
            delta = delta * (values[index + 1] > 0)
        gradients.insert(0, (values[index].T @ delta, delta.sum(0)))
        delta = delta @ layers[index][0].T
    return np.sum(error**2) / len(rows), gradients


def adam(layers, steps, gradients_of):
    """The weights after so many steps on the same rows; `gradients_of` gives those of layers."""
    values = [array for layer in layers for array in layer]
    first, second = [np.zeros_like(v) for v in values], [np.zeros_like(v) for v in values]
    for step in range(1, steps + 1):
        gradients = gradients_of(list(zip(values[::2], values[1::2])))
        for i, gradient in enumerate(array for layer in gradients for array in layer):
            first[i] = BETA1 * first[i] + (1 - BETA1) * gradient
            second[i] = BETA2 * second[i] + (1 - BETA2) * gradient**2
            corrected = first[i] / (1 - BETA1**step), second[i] / (1 - BETA2**step)
            values[i] = values[i] - RATE * corrected[0] / (np.sqrt(corrected[1]) + EPSILON)
    return list(zip(values[::2], values[1::2]))


def jax_adam(jax, weights, first, second, count, gradient):
    """Adam in JAX: weights, both moments and the count of steps, one step on."""
    count = count + 1
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradient)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradient)
    power = count.astype(jax.numpy.float32)
    c1, c2 = 1 / (1 - BETA1**power), 1 / (1 - BETA2**power)
    move = lambda w, m, v: w - RATE * (m * c1) / (jax.numpy.sqrt(v * c2) + EPSILON)
    return jax.tree.map(move, weights, first, second), first, second, count


def inputs(batch):
    return {"rows": common.patchy_rows(batch, AUTOENCODER[0])} | common.layer_files(common.random_layers(AUTOENCODER))


def expected(files):
    files = {name: array.astype(np.float64) for name, array in files.items()}
    layers = common.files_layers(files)
    loss, gradients = loss_and_gradients(layers, files["rows"])
    trained = adam(layers, CHECK_STEPS, lambda layers: loss_and_gradients(layers, files["rows"])[1])
    return {"loss": loss} | common.layer_files(gradients, "gradient_") | common.layer_files(trained, "trained_")


# ------------------------------------------------------------------------------------------------------------ sides


class Side(common.Side):
    steps_a_call = 1

    def __init__(self, workload, threads, files):
        self.batch = BATCHES[workload.name]
        self.threads = threads
        self.layers = common.files_layers(files) if files else common.random_layers(AUTOENCODER)
        self.take_turns(files["rows"] if files else common.table(TABLE_ROWS, AUTOENCODER[0]), self.batch)
        self.build()

    def check(self):
        loss, gradients = self.loss_and_gradients()
        for _ in range(CHECK_STEPS // self.steps_a_call):
            self.step()
        self.finish()
        files = {"loss": loss} | common.layer_files(gradients, "gradient_")
        return files | common.layer_files(self.trained(), "trained_")


class PyTorch(Side):
    compiled = False

    def build(self):
        torch = self.torch = common.torch_with(self.threads)
        modules = []
        for index, (weight, bias) in enumerate(self.layers):
            linear = torch.nn.Linear(*weight.shape)
            linear.weight.data = torch.from_numpy(np.ascontiguousarray(weight.T))
            linear.bias.data = torch.from_numpy(bias.copy())
            modules += [linear] if index in LINEAR else [linear, torch.nn.ReLU(inplace=True)]
        network = self.network = torch.nn.Sequential(*modules)
        self.rows = torch.from_numpy(self.table)
        self.adam = torch.optim.Adam(network.parameters(), RATE, (BETA1, BETA2), EPSILON, fused=True)

        def loss(rows):
            return torch.nn.functional.mse_loss(network(rows), rows, reduction="sum") / len(rows)

        self.loss, self.update = loss, self.adam.step
        if self.compiled:
            self.loss, self.update = torch.compile(loss, dynamic=False), torch.compile(self.adam.step)

    def step(self):
        start = self.next_batch() * self.batch
        self.adam.zero_grad(set_to_none=True)
        self.loss(self.rows[start : start + self.batch]).backward()
        self.update()

    def loss_and_gradients(self):
        loss = self.loss(self.rows)
        loss.backward()
        linears = [module for module in self.network if hasattr(module, "bias")]
        return loss.item(), [(m.weight.grad.numpy().T.copy(), m.bias.grad.numpy().copy()) for m in linears]

    def trained(self):
        return [(m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in self.network if hasattr(m, "bias")]


class PyTorchCompiled(PyTorch):
    compiled = True


class Jax(Side):
    def build(self):
        common.limit_processors(self.threads)
        import jax
        import jax.numpy as jnp

        self.jax = jax
        weights = jax.tree.map(jnp.asarray, self.layers)
        zeros = lambda: jax.tree.map(jnp.zeros_like, weights)
        self.state = (weights, zeros(), zeros(), jnp.int32(0))
        self.rows = jnp.asarray(self.table)
        batch, batches = self.batch, self.batches

        def loss(weights, rows):
            value = rows
            for index, (weight, bias) in enumerate(weights):
                value = value @ weight + bias
                value = value if index in LINEAR else jax.nn.relu(value)
            return jnp.sum((value - rows) ** 2) / len(rows)

        def step(state, table):
            weights, first, second, count = state
            rows = jax.lax.dynamic_slice_in_dim(table, (count % batches) * batch, batch)
            gradient = jax.grad(loss)(weights, rows)
            return jax_adam(jax, weights, first, second, count, gradient)

        self.value_and_grad = jax.jit(jax.value_and_grad(loss))
        def steps(state, table):  # one after another, without going back to Python
            return jax.lax.fori_loop(0, self.steps_a_call, lambda _, state: step(state, table), state)

        self.run = jax.jit(step if self.steps_a_call == 1 else steps, donate_argnums=0)

    def step(self):
        self.state = self.run(self.state, self.rows)

    def finish(self):
        self.jax.block_until_ready(self.state)

    def loss_and_gradients(self):
        loss, gradients = self.value_and_grad(self.state[0], self.rows)
        return float(loss), self.jax.tree.map(np.asarray, gradients)

    def trained(self):
        return self.jax.tree.map(np.asarray, self.state[0])


class JaxLoop(Jax):
    """Eight steps a call; in the check all of its steps in one."""

    def __init__(self, workload, threads, files):
        self.steps_a_call = CHECK_STEPS if files else 8
        super().__init__(workload, threads, files)


BATCHES = {"dense-train-64": 64, "dense-train-256": 256}

WORKLOADS = {
    name: Workload(
        name=name,
        title=f"training step of the dense deep autoencoder, batch {batch}",
        # Forward, weight gradient, input gradient; the first layer's input gradient is not needed.
        flops=batch * (6 * common.products(AUTOENCODER) - 2 * AUTOENCODER[0] * AUTOENCODER[1]),
        traffic=24 * common.parameters(AUTOENCODER),
        sides={"pytorch-eager": PyTorch, "pytorch-compiled": PyTorchCompiled, "jax": Jax, "jax-loop": JaxLoop},
        inputs=lambda batch=batch: inputs(batch),
        expected=expected,
        tolerances={"loss": 1e-5, "gradient_": 1e-4, "trained_": 5e-2},
    )
    for name, batch in BATCHES.items()
}

if __name__ == "__main__":
    common.main(WORKLOADS)

"""One update of a Boltzmann machine 784-500 by contrastive divergence with one Gibbs step, batch 100.

Bernoulli units: probabilities and a draw of the hidden units from the rows, a draw of the visible ones from
those, hidden probabilities again; the gradient of −ln p is estimated by −(vᵀp(h|v) − v₁ᵀp(h|v₁)) and by the
same differences of v and of p, averaged over rows. Momentum 0.5, rate 0.05, no decay. Written by hand in
place for every peer: there is nothing to differentiate. Each side draws with its own generator while it is
timed.

In the comparison all sides use the same uniform numbers: Narrows draws them as always, by Philox4x32-10 from
seed, step, stream, row and column (crates/engine/src/random.rs), and this file makes them again for the
reference and the peers. So it is a check of that generator, too, and of the order in which Narrows draws.

Forms that were tried, in milliseconds, best of many on two cores that were not idle. PyTorch: two products
1.9, both gradients as one product of stacked rows 1.9, `torch.bernoulli` 2.5, NumPy's SFC64 for the numbers
1.8; compiled likewise 2.1 to 2.2. JAX: Threefry 3.4, stacked 3.5, `rbg` 4.3, eight updates a call 3.6.
"""
import itertools

import numpy as np

import common
from common import Workload

VISIBLE, HIDDEN, BATCH, TABLE_ROWS = 784, 500, 100, 4000
RATE, MOMENTUM = 0.05, 0.5
CHECK_STEPS = 3
SEED = 1  # as narrows-bench has it
NAMES = ("weight", "hidden_bias", "visible_bias")
# A probability and the number that decides it are at least so far apart: rounding must not decide.
SURE = 2e-6


# ------------------------------------------------------------------------------------------- the reference, in f64


def philox(counter, key):
    """Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011): four random words for each counter of four words."""
    low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    a, b, c, d = (word.astype(np.uint64) for word in counter)
    for round in range(10):
        left, right = (np.uint64((k + round * s) % 2**32) for k, s in zip(key, (0x9E3779B9, 0xBB67AE85)))
        first, second = np.uint64(0xD2511F53) * a, np.uint64(0xCD9E8D57) * c
        a, b, c, d = (second >> high) ^ b ^ left, second & low, (first >> high) ^ d ^ right, first & low
    return a, b, c, d


def uniforms(step, stream, columns):
    """What Narrows draws for rows 0, 1, … on [0, 1): the upper 24 bits of each word, four columns a block."""
    block, row = np.meshgrid(np.arange((columns + 3) // 4), np.arange(BATCH))
    words = philox((block, row, np.full_like(row, stream), np.full_like(row, step)), (SEED % 2**32, SEED >> 32))
    return (np.stack(words, -1).reshape(BATCH, -1)[:, :columns] >> np.uint64(8)) / 2**24


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def learn(files, steps):
    """The first update's gradient, the last one's parameters, and the least distance of number and probability."""
    weight, hidden_bias, visible_bias = parameters = [files[name].astype(np.float64) for name in NAMES]
    rows, velocities, margin = files["rows"].astype(np.float64), [0.0, 0.0, 0.0], np.inf
    for step in range(steps):
        first = sigmoid(rows @ weight + hidden_bias)
        hidden = first > files["uniforms_hidden"][step]
        below = sigmoid(hidden @ weight.T + visible_bias)
        visible = (below > files["uniforms_visible"][step]).astype(np.float64)
        last = sigmoid(visible @ weight + hidden_bias)
        for mean, name in ((first, "uniforms_hidden"), (below, "uniforms_visible")):
            margin = min(margin, np.abs(mean - files[name][step]).min())
        gradient = [(visible.T @ last - rows.T @ first) / BATCH, (last - first).mean(0), (visible - rows).mean(0)]
        if step == 0:
            gradients = gradient
        velocities = [MOMENTUM * velocity + own for velocity, own in zip(velocities, gradient)]
        parameters = [parameter - RATE * velocity for parameter, velocity in zip(parameters, velocities)]
        weight, hidden_bias, visible_bias = parameters
    return gradients, parameters, margin


def start():
    (weight, hidden_bias), (_, visible_bias) = common.random_layers((VISIBLE, HIDDEN, VISIBLE))
    return {"weight": weight, "hidden_bias": hidden_bias, "visible_bias": visible_bias}


def inputs():
    """The first rows by which every draw is clear."""
    # Streams count the draws of a step: hidden units first, then visible ones.
    drawn = lambda stream, columns: np.stack([uniforms(step, stream, columns) for step in range(CHECK_STEPS)])
    files = start() | {"uniforms_hidden": drawn(0, HIDDEN), "uniforms_visible": drawn(1, VISIBLE)}
    files = {name: array.astype(np.float32) for name, array in files.items()}
    for seed in itertools.count(2):
        files["rows"] = common.patchy_rows(BATCH, VISIBLE, seed)
        if learn(files, CHECK_STEPS)[2] > SURE:
            return files


def expected(files):
    gradients, trained, _ = learn(files, CHECK_STEPS)
    return named("gradient_", gradients) | named("trained_", trained)


def named(prefix, arrays):
    return {prefix + name: array for name, array in zip(NAMES, arrays)}


# ------------------------------------------------------------------------------------------------------------ sides


class Side(common.Side):
    """One peer: `step` is timed; `given` is the same update with the comparison's numbers."""

    def __init__(self, workload, threads, files):
        self.threads = threads
        self.start = [(files or start())[name] for name in NAMES]
        self.numbers = (files["uniforms_hidden"], files["uniforms_visible"]) if files else None
        self.take_turns(files["rows"] if files else common.table(TABLE_ROWS, VISIBLE), BATCH)
        self.build()

    def check(self):
        results = {}
        for numbers in zip(*self.numbers):
            parameters, velocities = self.given(*numbers)
            # From rest the first velocity is the gradient.
            results = results or named("gradient_", velocities)
        return results | named("trained_", parameters)


class PyTorch(Side):
    compiled = False

    def build(self):
        torch = self.torch = common.torch_with(self.threads)
        self.rows = torch.from_numpy(self.table)
        self.parameters = [torch.from_numpy(array.copy()) for array in self.start]
        self.velocities = [torch.zeros_like(parameter) for parameter in self.parameters]

        def drawn(means, uniform):
            uniform = torch.rand_like(means) if uniform is None else uniform
            return torch.lt(uniform, means, out=torch.empty_like(means))

        def update(rows, parameters, velocities, hidden_uniform=None, visible_uniform=None):
            weight, hidden_bias, visible_bias = parameters
            first = torch.addmm(hidden_bias, rows, weight).sigmoid_()
            below = torch.addmm(visible_bias, drawn(first, hidden_uniform), weight.T).sigmoid_()
            visible = drawn(below, visible_uniform)
            last = torch.addmm(hidden_bias, visible, weight).sigmoid_()
            of_weight, of_hidden, of_visible = velocities
            of_weight.addmm_(visible.T, last, beta=MOMENTUM, alpha=1 / BATCH)
            of_weight.addmm_(rows.T, first, alpha=-1 / BATCH)
            of_hidden.mul_(MOMENTUM).add_(last.sub_(first).sum(0), alpha=1 / BATCH)
            of_visible.mul_(MOMENTUM).add_(visible.sub_(rows).sum(0), alpha=1 / BATCH)
            for parameter, velocity in zip(parameters, velocities):
                parameter.sub_(velocity, alpha=RATE)

        self.update = torch.compile(update, dynamic=False) if self.compiled else update

    def context(self):
        return self.torch.no_grad()

    def step(self):
        at = self.next_batch() * BATCH
        self.update(self.rows[at : at + BATCH], self.parameters, self.velocities)

    def given(self, *uniforms):
        with self.context():
            self.update(self.rows, self.parameters, self.velocities, *map(self.torch.from_numpy, uniforms))
        return [[tensor.numpy().copy() for tensor in of] for of in (self.parameters, self.velocities)]


class PyTorchCompiled(PyTorch):
    compiled = True


class Jax(Side):
    def build(self):
        common.limit_processors(self.threads)
        import jax
        import jax.numpy as jnp

        self.jax = jax
        self.rows, batches = jnp.asarray(self.table), self.batches
        parameters = [jnp.asarray(array) for array in self.start]
        self.state = (parameters, [jnp.zeros_like(p) for p in parameters], jnp.int32(0), jax.random.key(0))

        def update(state, rows, hidden_uniform, visible_uniform):
            (weight, hidden_bias, visible_bias), velocities = state
            first = jax.nn.sigmoid(rows @ weight + hidden_bias)
            hidden = (hidden_uniform(first.shape) < first).astype(first.dtype)
            below = jax.nn.sigmoid(hidden @ weight.T + visible_bias)
            visible = (visible_uniform(below.shape) < below).astype(first.dtype)
            last = jax.nn.sigmoid(visible @ weight + hidden_bias)
            gradient = [(visible.T @ last - rows.T @ first) / BATCH, (last - first).mean(0), (visible - rows).mean(0)]
            velocities = jax.tree.map(lambda velocity, own: MOMENTUM * velocity + own, velocities, gradient)
            return jax.tree.map(lambda p, velocity: p - RATE * velocity, list(state[0]), velocities), velocities

        def step(state, table):
            *state, count, key = state
            key, hidden, visible = jax.random.split(key, 3)
            rows = jax.lax.dynamic_slice_in_dim(table, (count % batches) * BATCH, BATCH)
            draw = lambda key: lambda shape: jax.random.uniform(key, shape)
            return *update(state, rows, draw(hidden), draw(visible)), count + 1, key

        self.run = jax.jit(step, donate_argnums=0)
        self.update = jax.jit(lambda state, rows, h, v: update(state, rows, lambda _: h, lambda _: v))

    def step(self):
        self.state = self.run(self.state, self.rows)

    def finish(self):
        self.jax.block_until_ready(self.state)

    def given(self, *uniforms):
        state = self.update(self.state[:2], self.rows, *uniforms)
        self.state = (*state, *self.state[2:])
        return self.jax.tree.map(np.asarray, state)


WORKLOADS = {
    "cd-train": Workload(
        name="cd-train",
        title="update of a Boltzmann machine 784-500 by contrastive divergence, batch 100",
        # Up, down and up again, and two products for the gradient.
        flops=10 * BATCH * VISIBLE * HIDDEN,
        # Parameters and velocities, read and written.
        traffic=16 * (VISIBLE * HIDDEN + VISIBLE + HIDDEN),
        sides={"pytorch-eager": PyTorch, "pytorch-compiled": PyTorchCompiled, "jax": Jax},
        inputs=inputs,
        expected=expected,
        tolerances={"gradient_": 1e-4, "trained_": 1e-4},
    )
}

if __name__ == "__main__":
    common.main(WORKLOADS)

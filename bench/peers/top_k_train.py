"""One training step of a sparse autoencoder, batch 1024, Adam as in dense_train.

768-16384-768, linear, no auxiliary loss; of a row's 16384 code units the 32 largest are kept; squared error
summed over features, averaged over rows. Every weight moves in every step, whether a row kept its unit or
not: that is Adam. Narrows also counts the rows since each unit's last value, which the peers leave out.

The floor counts the arithmetic that is needed: the encoder's product going forward, which decides what is
kept, is dense; decoding, the gradient by the kept values and that by either weight touch 32 units of a row,
1/512 of a dense product. The first layer's input gradient is not needed.

Forms that were tried; whole steps, milliseconds on two cores of the machine of RESULTS.md while it was not
idle:

                                                                    PyTorch eager   compiled   JAX
    this one: gradients of both weights only where a unit was kept            352        352   376
    `embedding_bag`, differentiated automatically                             516        618     –
    (values · rows gathered).sum, differentiated automatically                668        588   567
    scattered to a dense code, dense products                                 888        860   990

Choosing by the maxima of blocks first is exact, too, and took as long as `topk` of the whole row.
"""
import numpy as np

import common
import family_train

KEPT = 32


class TopK:
    batch = 1024
    shapes = [(768, 16384), (16384, 768)]

    @staticmethod
    def draw(normal, uniform):
        return None

    @staticmethod
    def loss(ops, layers, rows, noise):
        (w0, b0), (w1, b1) = layers
        return ((ops.rebuilt(rows, w0, b0, w1) + b1 - rows) ** 2).sum() / len(rows)

    @staticmethod
    def reference(layers, x, noise):
        (w0, b0), (w1, b1) = layers
        sums = x @ w0 + b0
        kept = sums >= -np.partition(-sums, KEPT - 1, axis=1)[:, KEPT - 1 : KEPT]
        code = sums * kept
        error = code @ w1 + b1 - x
        d1 = 2 * error / len(x)
        d0 = d1 @ w1.T * kept
        return np.sum(error**2) / len(x), [(x.T @ d0, d0.sum(0)), (code.T @ d1, d1.sum(0))]


def inputs(family):
    """Of twice as many rows those in which the choice is clearest: rounding must not make it otherwise."""
    files = common.layer_files(family_train.random_layers(family))
    rows = common.random_rows(2 * family.batch, family.shapes[0][0])
    sums = -np.partition(-(rows @ files["weight_0"] + files["bias_0"]), (KEPT - 1, KEPT), axis=1)
    clearest = np.argsort(sums[:, KEPT] - sums[:, KEPT - 1])[: family.batch]
    return files | {"rows": rows[np.sort(clearest)]}


class UnitRows:
    """A side that holds the encoder's weight turned, so that a unit's numbers lie side by side."""

    def build(self):
        (weight, bias), decoder = self.layers
        self.layers = [(np.ascontiguousarray(weight.T), bias), decoder]
        super().build()

    def loss_and_gradients(self):
        loss, [(weight, bias), decoder] = super().loss_and_gradients()
        return loss, [(weight.T, bias), decoder]


class PyTorch(UnitRows, family_train.PyTorch):
    def operations(self):
        torch = self.torch
        bag = torch.nn.functional.embedding_bag

        # NumPy sorts 16-bit numbers by their digits, a hundred times as fast as `torch.argsort`; an operation
        # of its own, so that the compiler leaves it alone.
        @torch.library.custom_op("bench::by_unit", mutates_args=())
        def by_unit(units: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(np.argsort(units.numpy().astype(np.uint16), kind="stable"))

        @by_unit.register_fake
        def _(units):
            return torch.empty_like(units)

        class Rebuilt(torch.autograd.Function):
            """The kept values' sum of decoder rows."""

            @staticmethod
            def forward(context, rows, w0, b0, w1):
                values, units = torch.addmm(b0, rows, w0.T).topk(KEPT, sorted=False)
                context.save_for_backward(rows, w1, values, units)
                return bag(units, w1, per_sample_weights=values, mode="sum")

            @staticmethod
            def backward(context, by):
                rows, w1, values, units = context.saved_tensors
                flat, width = units.flatten(), len(w1)
                starts = torch.arange(0, len(flat), KEPT)
                row = torch.arange(len(flat)) // KEPT
                # What automatic differentiation of `embedding_bag` calls.
                by_weights = torch.ops.aten._embedding_bag_per_sample_weights_backward
                by_values = by_weights(by, w1, flat, starts, row, 0)
                # A unit's gradient is a sum of the rows that kept it: the same operation, values sorted by unit.
                order = by_unit(flat)
                counts = flat.new_zeros(width).scatter_add_(0, flat, torch.ones_like(flat))
                begin, row = counts.cumsum(0) - counts, row[order]

                def summed(of, weights):
                    return bag(row, of, begin, per_sample_weights=weights[order], mode="sum")

                by_bias = torch.zeros(width).scatter_add_(0, flat, by_values)
                return None, summed(rows, by_values), by_bias, summed(by, values.flatten())

        operations = super().operations()
        operations.rebuilt = Rebuilt.apply
        return operations


class PyTorchCompiled(PyTorch):
    compiled = True


class Jax(UnitRows, family_train.Jax):
    def operations(self):
        jax, jnp = self.jax, self.jax.numpy

        def forward(rows, w0, b0, w1):
            values, units = jax.lax.top_k(rows @ w0.T + b0, KEPT)
            # Row by row: nothing of the size batch × kept × features comes to be.
            rebuilt = jax.lax.map(lambda pair: pair[0] @ w1[pair[1]], (values, units))
            return rebuilt, (rows, w1, values, units)

        def backward(kept, by):
            rows, w1, values, units = kept
            by_values = jax.lax.map(lambda pair: w1[pair[1]] @ pair[0], (by, units))

            def added(weights, of):
                def add(row, sum):
                    own = weights[row][:, None] * of[row]
                    return sum.at[units[row]].add(own, unique_indices=True)

                return jax.lax.fori_loop(0, len(of), add, jnp.zeros_like(w1))

            by_bias = jnp.zeros(len(w1)).at[units].add(by_values)
            return None, added(by_values, rows), by_bias, added(values, by)

        operations = super().operations()
        operations.rebuilt = jax.custom_vjp(lambda *operands: forward(*operands)[0])
        operations.rebuilt.defvjp(forward, backward)
        return operations


def flops():
    """The encoder's product, and for the kept units decoding and gradients by values and by either weight."""
    features, units = TopK.shapes[0]
    return 2 * TopK.batch * features * (units + 4 * KEPT)


TITLE = "sparse autoencoder 768-16384 that keeps 32"
SIDES = {"pytorch-eager": PyTorch, "pytorch-compiled": PyTorchCompiled, "jax": Jax}
WORKLOADS = {"top-k-train": family_train.workload("top-k-train", TITLE, TopK, SIDES, flops(), inputs)}

if __name__ == "__main__":
    common.main(WORKLOADS)

"""One training step of a deep contractive autoencoder, batch 128, Adam as in dense_train.

784-400-200-64 and back, sigmoid everywhere, Bernoulli outputs; loss = cross-entropy summed over features plus
0.1 times the squared Jacobian of the code by the rows, averaged over rows.

The Jacobian of a row is built from the code's side, its transpose a row for each code unit: G₃ = diag(s₃)
W₃ᵀ, H₂ = G₃ diag(s₂), G₂ = H₂ W₂ᵀ, G₁ = G₂ diag(s₁) with slopes s = h(1 − h); its squared length is ‖G₁ W₁ᵀ‖²
= Σ (G₁ M) ∘ G₁ with M = W₁ᵀW₁. The rows of a whole batch are one product. `squared_lengths` keeps P = G₁ M
for its gradient 2 P, and its gradient by W₁ is 2 W₁ G₁ᵀG₁: two products fewer than automatic differentiation,
which takes the derivative by either factor.

Forms that were tried; penalty and its gradient alone, best of several in milliseconds, on two cores of the
machine of RESULTS.md while it was not idle:

                                       PyTorch eager   compiled   JAX
    this one                                      75         57   104
    the whole penalty's gradient by hand           –         64    99
    M, differentiated automatically              110         86   127
    G₁ W₁ᵀ, without M                            161        129   163
    vmap(jacrev)                                 401        331   249
    M for each row: W₂ᵀ S₁ M S₁ W₂               836          –     –
"""
import numpy as np

import common
import family_train
from family_train import CONTRACTION, cross_entropy, sigmoid


class ContractiveDeep:
    batch = 128
    shapes = [(784, 400), (400, 200), (200, 64), (64, 200), (200, 400), (400, 784)]

    @staticmethod
    def draw(normal, uniform):
        return None

    @staticmethod
    def loss(ops, layers, rows, noise):
        value, slopes = rows, []
        for weight, bias in layers[:-1]:
            value = ops.sigmoid(value @ weight + bias)
            slopes.append(value * (1 - value))
        sums = value @ layers[-1][0] + layers[-1][1]
        (w1, _), (w2, _), (w3, _) = layers[:3]
        s1, s2, s3 = slopes[:3]
        # The slopes first: a product with W₃ᵀ, which is a view, would take over its order in memory.
        h2 = s3[:, :, None] * s2[:, None] * w3.T
        g2 = (h2.reshape(-1, w2.shape[1]) @ w2.T).reshape(len(rows), -1, w2.shape[0])
        jacobian = ops.squared_lengths((g2 * s1[:, None]).reshape(-1, w2.shape[0]), w1)
        return ((ops.softplus(sums) - sums * rows).sum() + CONTRACTION * jacobian) / len(rows)

    @staticmethod
    def reference(layers, x, noise):
        values = [x]
        for weight, bias in layers[:-1]:
            values.append(sigmoid(values[-1] @ weight + bias))
        sums = values[-1] @ layers[-1][0] + layers[-1][1]
        w1, w2, w3 = (weight for weight, _ in layers[:3])
        s1, s2, s3 = (h * (1 - h) for h in values[1:4])
        g3 = s3[:, :, None] * w3.T
        h2 = g3 * s2[:, None]
        g2 = h2 @ w2.T
        g1 = g2 * s1[:, None]
        lengths = g1 @ (w1.T @ w1)
        own = CONTRACTION / len(x)
        loss = cross_entropy(sums, x) / len(x) + own * np.sum(lengths * g1)
        # Back through the penalty: by weights, and by slopes, s = h(1 − h) having the derivative 1 − 2h.
        d_g1 = 2 * own * lengths
        flat = lambda a: a.reshape(-1, a.shape[-1])
        by_w1 = 2 * own * w1 @ (flat(g1).T @ flat(g1))
        by_s1 = np.sum(d_g1 * g2, 1)
        d_g2 = d_g1 * s1[:, None]
        by_w2 = flat(d_g2).T @ flat(h2)
        d_h2 = d_g2 @ w2
        by_s2 = np.sum(d_h2 * g3, 1)
        d_g3 = d_h2 * s2[:, None]
        by_w3 = np.einsum("bki,bk->ik", d_g3, s3)
        by_s3 = np.einsum("bki,ik->bk", d_g3, w3)
        penalties = [(by_w1, by_s1), (by_w2, by_s2), (by_w3, by_s3)]
        # Back through the network; the slopes' derivatives join where their values are.
        delta, gradients = (sigmoid(sums) - x) / len(x), []
        for index in reversed(range(len(layers))):
            gradient = values[index].T @ delta
            gradients.insert(0, (gradient + penalties[index][0] if index < 3 else gradient, delta.sum(0)))
            if index > 0:
                h = values[index]
                above = delta @ layers[index][0].T
                above = above + penalties[index - 1][1] * (1 - 2 * h) if index <= 3 else above
                delta = above * h * (1 - h)
        return loss, gradients


class PyTorch(family_train.PyTorch):
    def operations(self):
        torch = self.torch

        class SquaredLengths(torch.autograd.Function):
            """‖G Wᵀ‖² summed over the rows of G."""

            @staticmethod
            def forward(context, carried, weight):
                lengths = carried @ (weight.T @ weight)
                context.save_for_backward(carried, weight, lengths)
                return (lengths * carried).sum()

            @staticmethod
            def backward(context, by):
                carried, weight, lengths = context.saved_tensors
                return lengths * (2 * by), weight @ (carried.T @ carried) * (2 * by)

        operations = super().operations()
        operations.squared_lengths = SquaredLengths.apply
        return operations


class PyTorchCompiled(PyTorch):
    compiled = True


class Jax(family_train.Jax):
    def operations(self):
        def forward(carried, weight):
            lengths = carried @ (weight.T @ weight)
            return (lengths * carried).sum(), (carried, weight, lengths)

        def backward(kept, by):
            carried, weight, lengths = kept
            return lengths * (2 * by), weight @ (carried.T @ carried) * (2 * by)

        operations = super().operations()
        operations.squared_lengths = self.jax.custom_vjp(lambda carried, weight: forward(carried, weight)[0])
        operations.squared_lengths.defvjp(forward, backward)
        return operations


def flops():
    """The network's, and the penalty's products: forward G₂, M and G₁ M, backward by H₂, W₂ and W₁."""
    (features, top), (_, below), (_, units) = ContractiveDeep.shapes[:3]
    rows = ContractiveDeep.batch * units
    carried = 2 * rows * top * (3 * below + 2 * top) + 4 * features * top * top
    return family_train.dense_flops(ContractiveDeep) + carried


TITLE = "contractive deep autoencoder 784-400-200-64"
SIDES = {"pytorch-eager": PyTorch, "pytorch-compiled": PyTorchCompiled, "jax": Jax}
WORKLOADS = {
    "contractive-deep-train": family_train.workload("contractive-deep-train", TITLE, ContractiveDeep, SIDES, flops())
}

if __name__ == "__main__":
    common.main(WORKLOADS)

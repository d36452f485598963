"""The whole job: train the dense deep autoencoder for 3 epochs at batch 128 on MNIST and write the model.

Timed from outside, from process start to written file: reading the gzip IDX file, compiling, training, saving. Rows
are drawn in a new random order each epoch. The peers skip the last, short batch of an epoch (96 of 60,000 rows),
which saves them compiling for a second size; Narrows does not. Before timing is trusted, the test error of every
side's written file is compared.
"""
import gzip
import json

import numpy as np

import common
import dense_train
from common import AUTOENCODER, Workload
from dense_train import BETA1, BETA2, EPSILON, LINEAR, RATE

EPOCHS, BATCH, ROWS = 3, 128, 60_000

# Narrows' side is the command itself. {data}, {out} and {threads} are filled in by the driver. Whatever decides which
# work is done is said here, so that the recipe may change: the peers' network, loss and Adam at a constant rate, every
# row trained on, nothing added to it. Nothing that the peers do not do either: no verdict, report or log, and no
# checkpoint (usually every 30 s, longer than the job takes on an idle machine).
SETTINGS = {
    "data.prepare": "unit", "data.validation": 0,
    "model.hidden": list(AUTOENCODER[1:4]), "model.code": AUTOENCODER[4], "model.decoder": "mirror",
    "model.activation": "relu", "model.code_activation": "identity", "model.output": "gaussian",
    "model.initial": "he-uniform", "model.dropout": 0, "model.input_dropout": 0, "model.batch_normalisation": "false",
    "train.epochs": EPOCHS, "train.batch": BATCH, "train.learning_rate": RATE, "train.schedule": "constant",
    "train.optimiser": "adam", "train.optimiser.beta1": BETA1, "train.optimiser.beta2": BETA2,
    "train.optimiser.epsilon": EPSILON,
    "train.warmup": 0, "train.clip_norm": 0, "train.clip_value": 0, "train.weight_decay": 0, "train.average": 0,
    "train.patience": 0, "train.augment_shift": 0, "train.corruption": "none",
    "train.checkpoint_seconds": 1e6,
}  # fmt: skip
NARROWS = [
    "train", "mnist-deep", "--data", "{data}", "--out", "{out}", "--threads", "{threads}", "--quiet",
    "--skip", "verdict,log",
    *(word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")),
]  # fmt: skip
NARROWS_EVALUATE = ["evaluate", "{out}", "--data", "{data}", "--json"]
# The sides draw different weights and orders, so their test errors differ; by more than this and they did other work.
ERROR_SPREAD = 1.3


def pictures(folder, name):
    with gzip.open(folder / name) as file:
        data = file.read()
    return np.frombuffer(data, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255


def training_rows(options):
    return pictures(options.data, "train-images-idx3-ubyte.gz")


def evaluate(options, layers):
    """Prints the squared error on the test rows, summed over features, averaged over rows."""
    rows = pictures(options.data, "t10k-images-idx3-ubyte.gz")
    value = rows
    for index, (weight, bias) in enumerate(layers):
        value = value @ weight + bias
        value = value if index in LINEAR else np.maximum(value, 0)
    print(json.dumps({"squared_error": float(np.sum((value - rows) ** 2) / len(rows))}))


def pytorch(options, compiled):
    torch = common.torch_with(options.threads)
    if options.evaluate:
        state = [tensor.numpy() for tensor in torch.load(options.out).values()]
        return evaluate(options, [(w.T, b) for w, b in zip(state[::2], state[1::2])])
    modules = []
    for index, (inputs, outputs) in enumerate(zip(AUTOENCODER, AUTOENCODER[1:])):
        linear = torch.nn.Linear(inputs, outputs)
        torch.nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu")
        torch.nn.init.zeros_(linear.bias)
        modules += [linear] if index in LINEAR else [linear, torch.nn.ReLU(inplace=True)]
    network = torch.nn.Sequential(*modules)
    adam = torch.optim.Adam(network.parameters(), RATE, (BETA1, BETA2), EPSILON, fused=True)
    rows = torch.from_numpy(training_rows(options))

    def loss(batch):
        return torch.nn.functional.mse_loss(network(batch), batch, reduction="sum") / len(batch)

    update = adam.step
    if compiled:
        loss, update = torch.compile(loss, dynamic=False), torch.compile(adam.step)
    for _ in range(EPOCHS):
        order = torch.randperm(len(rows))
        for start in range(0, len(rows) - BATCH + 1, BATCH):
            adam.zero_grad(set_to_none=True)
            loss(rows[order[start : start + BATCH]]).backward()
            update()
    torch.save(network.state_dict(), options.out)
    finish()


def jax_(options):
    if options.evaluate:
        with np.load(options.out) as file:
            return evaluate(options, common.files_layers(dict(file)))
    table = training_rows(options)
    files = common.layer_files(common.random_layers(AUTOENCODER)) | {"rows": table}
    side = dense_train.Jax(BATCH_WORKLOAD, options.threads, files)
    random = np.random.default_rng(0)
    for _ in range(EPOCHS):
        # One gather an epoch; the step slices its batch out by its counter, which runs modulo the batches of an epoch.
        side.rows = side.jax.numpy.asarray(table[random.permutation(len(table))])
        for _ in range(len(table) // BATCH):
            side.step()
    side.finish()
    with open(options.out, "wb") as file:
        np.savez(file, **common.layer_files(side.trained()))
    finish()


def finish():
    print(json.dumps({"peak_rss_mb": round(common.peak_mb(), 1)}))


dense_train.BATCHES["whole-job"] = BATCH
STEPS = EPOCHS * -(-ROWS // BATCH)
BATCH_WORKLOAD = Workload(
    name="whole-job",
    title=f"{EPOCHS} epochs of the dense deep autoencoder on MNIST, batch {BATCH}, process start to written file",
    flops=EPOCHS * ROWS * (6 * common.products(AUTOENCODER) - 2 * AUTOENCODER[0] * AUTOENCODER[1]),
    traffic=STEPS * 24 * common.parameters(AUTOENCODER),
    sides={
        "pytorch-eager": lambda options: pytorch(options, compiled=False),
        "pytorch-compiled": lambda options: pytorch(options, compiled=True),
        "jax": jax_,
    },
    whole_process=True,
)
WORKLOADS = {"whole-job": BATCH_WORKLOAD}

if __name__ == "__main__":
    common.main(WORKLOADS)

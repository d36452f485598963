"""What every peer shares: the description of a workload, the protocol, the timing loop, the settings.

Only the standard library and NumPy are imported here; each side imports its framework when it is built, so that a
process loads (and pays memory for) one framework only.
"""
import argparse
import contextlib
import json
import math
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import numpy as np

AUTOENCODER = (784, 1000, 500, 250, 30, 250, 500, 1000, 784)
ENCODER = (784, 1000, 500, 250, 30)
SIMPLE_ENCODER = (784, 32)

# The same rules as narrows-bench (bench/narrows/src/timing.rs).
SAMPLE_SECONDS, WARM_UP_STEPS, WARM_UP_SECONDS = 0.04, 5, 0.3


@dataclass
class Workload:
    """One workload, as the driver and the peers see it."""

    name: str
    title: str
    flops: float  # arithmetic of one iteration
    traffic: float  # bytes of weights and optimiser state that one iteration must move
    sides: dict[str, Callable]  # peer's name -> builder, see the workload's file
    inputs: Callable | None = None  # () -> {file name: array} for the check
    expected: Callable | None = None  # inputs -> {file name: f64 array}
    tolerances: dict[str, float] = field(default_factory=dict)  # file name's prefix -> relative error (norms)
    whole_process: bool = False  # timed from outside, from start to written file


def parameters(widths) -> int:
    return sum((inputs + 1) * outputs for inputs, outputs in zip(widths, widths[1:]))


def products(widths) -> int:
    """Multiply-adds of one row going forward."""
    return sum(inputs * outputs for inputs, outputs in zip(widths, widths[1:]))


def random_layers(widths, seed=1) -> list[tuple[np.ndarray, np.ndarray]]:
    """He-uniform weights [inputs, outputs] and small biases, f32."""
    random = np.random.default_rng(seed)
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        weight = random.uniform(-1, 1, (inputs, outputs)) * math.sqrt(6 / inputs)
        bias = random.uniform(-0.05, 0.05, outputs)
        layers.append((weight.astype(np.float32), bias.astype(np.float32)))
    return layers


# The file of the rows that workloads are timed on; none for noise.
rows_file: Path | None = None


def table(rows, features) -> np.ndarray:
    """The first of the file's rows; noise where the file is none or its rows have another width."""
    if rows_file:
        with rows_file.open("rb") as file:
            np.lib.format.read_magic(file)
            (count, width), _, _ = np.lib.format.read_array_header_1_0(file)
            if width == features:
                assert count >= rows, f"{rows_file} has {count} rows, {rows} are wanted"
                return np.fromfile(file, np.float32, rows * features).reshape(rows, features)
    return random_rows(rows, features)


def random_rows(rows, features, seed=2) -> np.ndarray:
    return np.random.default_rng(seed).random((rows, features), dtype=np.float32)


def patchy_rows(rows, features, seed=2) -> np.ndarray:
    """Noise with holes, as digits have: a third of the patches of 8 rows by 7 features hold anything. For comparisons: no
    two numbers are equal by accident, which would leave open what a comparison of gradients expects."""
    patches = np.random.default_rng(3).random((rows // 8 + 1, features // 7 + 1)) < 1 / 3
    filled = patches.repeat(8, 0)[:rows].repeat(7, 1)[:, :features]
    return np.where(filled, random_rows(rows, features, seed), np.float32(0))


def layer_files(layers, prefix="") -> dict[str, np.ndarray]:
    files = {}
    for index, (weight, bias) in enumerate(layers):
        files[f"{prefix}weight_{index}"], files[f"{prefix}bias_{index}"] = weight, bias
    return files


def files_layers(files, prefix="") -> list[tuple[np.ndarray, np.ndarray]]:
    count = sum(name.startswith(f"{prefix}weight_") for name in files)
    return [(files[f"{prefix}weight_{i}"], files[f"{prefix}bias_{i}"]) for i in range(count)]


class Side:
    """One peer in a training step: `step` is timed, `check` is compared. Batches are taken from a table in turn."""

    def take_turns(self, table, batch):
        self.table, self.batches, self.at = table, len(table) // batch, 0

    def next_batch(self):
        self.at = (self.at + 1) % self.batches
        return self.at

    def context(self):
        return contextlib.nullcontext()

    def finish(self):
        pass


# ---------------------------------------------------------------------------------------------- settings of the peers

# glibc keeps what it was given instead of returning it to the system and faulting it in again at the next step.
ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "268435456",
}


def environment(side: str, threads: int, cache: Path) -> dict[str, str]:
    """Environment variables that a peer's process is started with. Narrows' processes get none of them."""
    values = dict(ALLOCATOR)
    if side.startswith("pytorch"):
        values |= {"OMP_NUM_THREADS": str(threads), "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor")}
    if side.startswith("jax"):
        values |= {
            "JAX_PLATFORMS": "cpu",
            "NPROC": str(threads),
            "XLA_FLAGS": "--xla_cpu_enable_concurrency_optimized_scheduler=true",
            "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    return values


def torch_with(threads: int):
    """PyTorch with its threads set, f32 products in f32, denormals flushed (before any thread is made: they inherit it)."""
    import logging

    import torch

    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest")
    torch.manual_seed(0)
    logging.getLogger("torch").setLevel(logging.ERROR)
    return torch


def limit_processors(threads: int) -> None:
    """Keeps a process that has no option for its number of threads (JAX) on so many processors."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


# --------------------------------------------------------------------------------------------------------- the protocol


def peak_mb() -> float:
    """Largest resident size of this process so far, in MB (VmHWM: getrusage would count the parent's, too)."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


def onnx_session(nodes, inputs, outputs, constants, threads):
    """ONNX Runtime's session for an encoder at its best settings."""
    import onnxruntime
    from onnx import helper

    graph = helper.make_graph(nodes, "encoder", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def measure(seconds: float, step: Callable[[], object], finish: Callable[[], object], iterations: int = 1) -> dict:
    """Times `step`, a call of which does so many iterations.

    `finish` waits for what was started (once a sample, so an asynchronous peer may run ahead).
    """
    start, warm = time.perf_counter(), 0
    while warm < WARM_UP_STEPS:  # compilation happens here
        step()
        warm += 1
    finish()
    start, warm = time.perf_counter(), 0
    while warm < WARM_UP_STEPS or time.perf_counter() - start < WARM_UP_SECONDS:
        step()
        warm += 1
    finish()
    calls = max(1, math.ceil(SAMPLE_SECONDS / ((time.perf_counter() - start) / warm)))

    samples, start = [], time.perf_counter()
    while len(samples) < 3 or time.perf_counter() - start < seconds:
        sample = time.perf_counter()
        for _ in range(calls):
            step()
        finish()
        samples.append((time.perf_counter() - sample) * 1e3 / (calls * iterations))
    return {
        "median_ms": float(np.median(samples)),
        "min_ms": min(samples),
        "iterations": calls * iterations * len(samples),
        "peak_rss_mb": round(peak_mb(), 1),
    }


def main(workloads: dict[str, Workload]) -> None:
    """Entry of a workload's file: one side, one workload, one JSON line."""
    global rows_file
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=workloads)
    parser.add_argument("--side", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rows", type=Path, help="a .npy file of the rows that are timed; without it, noise")
    parser.add_argument("--check", type=Path, help="folder with the inputs; writes SIDE/*.npy there, times nothing")
    parser.add_argument("--data", type=Path, help="folder with MNIST's files (the whole job)")
    parser.add_argument("--out", type=Path, help="the model file (the whole job)")
    parser.add_argument("--evaluate", action="store_true", help="print --out's squared error on the test rows instead")
    options = parser.parse_args()
    rows_file = options.rows
    workload = workloads[options.workload]
    if options.side not in workload.sides:
        parser.error(f"`{options.side}` is no side of it; there are: {', '.join(workload.sides)}")
    build = workload.sides[options.side]

    if workload.whole_process:
        build(options)
        return
    if options.check:
        files = {path.stem: np.load(path) for path in options.check.glob("*.npy")}
        own = options.check / options.side
        own.mkdir(exist_ok=True)
        for name, array in build(workload, options.threads, files).check().items():
            np.save(own / f"{name}.npy", np.asarray(array, dtype=np.float32, order="C"))
        return
    side = build(workload, options.threads, None)
    with side.context():
        result = measure(options.seconds, side.step, side.finish, getattr(side, "steps_a_call", 1))
    variant = options.side.partition("-")[2] or "compiled"
    print(json.dumps({"workload": workload.name, "side": options.side, "variant": variant} | result))

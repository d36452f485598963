"""Starting the sides: every measurement is a process of its own."""
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

import common
import whole_job

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
CACHE = BENCH / ".env" / "cache"
# As many as any workload asks for.
TIMED_ROWS = 10_000


class Failure(Exception):
    """The benchmark cannot go on; the message says why."""


def target() -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def build(command: bool) -> None:
    """Builds narrows-bench and, where asked to, the `narrows` command."""
    for arguments in [["-p", "narrows-bench"], []] if command else [["-p", "narrows-bench"]]:
        if subprocess.run(["cargo", "build", "--release", "--quiet", *arguments], cwd=ROOT).returncode:
            raise Failure("Narrows does not build")


def watch_peak(process: subprocess.Popen, found: list[float]) -> None:
    """Leaves the largest resident size of the process in `found`, in MB; VmHWM only grows, so the last reading counts."""
    status = Path(f"/proc/{process.pid}/status")
    while process.returncode is None:
        try:
            line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        except (OSError, StopIteration):  # it has ended
            return
        found[0] = int(line.split()[1]) * 1024 / 1e6
        time.sleep(0.05)


def run(command, extra_environment=None, watch=False) -> tuple[str, float, float]:
    """Output, wall seconds and, where watched from outside, peak MB of a process that must succeed."""
    # Whatever the caller's shell sets for the peers' libraries must not tilt the comparison.
    variables = ("MALLOC_", "OMP_", "MKL_", "KMP_", "GOMP_", "XLA_", "JAX_", "TORCH", "GLIBC_TUNABLES", "NPROC")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(variables)}
    start = time.perf_counter()
    with subprocess.Popen(
        [str(word) for word in command],
        env=environment | (extra_environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        peak = [0.0]
        if watch:
            threading.Thread(target=watch_peak, args=(process, peak), daemon=True).start()
        output, errors = process.communicate()
        seconds = time.perf_counter() - start
    if process.returncode:
        tail = "\n".join(errors.strip().splitlines()[-15:])
        raise Failure(f"`{' '.join(str(word) for word in command)}` failed (exit {process.returncode}):\n{tail}")
    return output, seconds, peak[0]


def machine(threads: int) -> dict:
    return json.loads(run([target() / "narrows-bench", "machine", "--threads", threads])[0])


def peer_command(file: Path, workload: str, side: str, threads: int) -> list:
    return [sys.executable, file, workload, "--side", side, "--threads", threads]


def make_rows(data: Path | None, file: Path) -> None:
    """Writes the rows that workloads are timed on: MNIST's, if they are there, else drawn digits."""
    if data is None:
        run([target() / "narrows-bench", "glyphs", "--rows", file])
    else:
        np.save(file, whole_job.pictures(data, "train-images-idx3-ubyte.gz")[:TIMED_ROWS])


def timed(file: Path, workload: str, side: str, threads: int, seconds: float) -> dict:
    """One side's process: its JSON line."""
    if side == "narrows":
        command, environment = [target() / "narrows-bench", workload, "--threads", threads], {}
    else:
        command = peer_command(file, workload, side, threads)
        environment = common.environment(side, threads, CACHE)
    if common.rows_file:
        command += ["--rows", common.rows_file]
    return json.loads(run([*command, "--seconds", seconds], environment)[0].strip().splitlines()[-1])


def checked(file: Path, workload: str, side: str, threads: int, folder: Path) -> None:
    """One side's process in check mode: writes FOLDER/SIDE/*.npy."""
    if side == "narrows":
        command, environment = [target() / "narrows-bench", workload, "--threads", threads], {}
    else:
        command = peer_command(file, workload, side, threads)
        environment = common.environment(side, threads, CACHE)
    run([*command, "--check", folder], environment)


def whole(module, workload: str, side: str, threads: int, data: Path, out: Path) -> dict:
    """One side's whole job, timed from outside."""
    out.unlink(missing_ok=True)
    if side == "narrows":
        command = [target() / "narrows", *filled(module.NARROWS, threads, data, out)]
        environment = {}
    else:
        command = [*peer_command(Path(module.__file__), workload, side, threads), "--data", data, "--out", out]
        environment = common.environment(side, threads, CACHE)
    _, seconds, peak = run(command, environment, watch=True)
    if not out.is_file() or out.stat().st_size < 4 * common.parameters(common.AUTOENCODER):
        raise Failure(f"{side} wrote no model file, or one too small for the weights")
    return {"side": side, "median_ms": seconds * 1e3, "min_ms": seconds * 1e3, "iterations": 1, "peak_rss_mb": peak}


def whole_error(module, workload: str, side: str, threads: int, data: Path, out: Path) -> float:
    """The test error of the file that a side's whole job wrote."""
    if side == "narrows":
        command = [target() / "narrows", *filled(module.NARROWS_EVALUATE, threads, data, out)]
    else:
        command = [*peer_command(Path(module.__file__), workload, side, threads)]
        command += ["--data", data, "--out", out, "--evaluate"]
    return json.loads(run(command)[0])["squared_error"]


def filled(words, threads, data, out) -> list[str]:
    return [word.format(threads=threads, data=data, out=out) for word in words]

"""The benchmark's driver; started by bench/run inside its environment."""
import argparse
import importlib
import random
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "peers")]

import common
import comparison
import machine as machine_facts
import processes
import results
from processes import Failure

PEERS = processes.BENCH / "peers"
# Short names first, in the order of the table; workloads of other files follow.
FILES = ("dense_train", "encode", "whole_job")


def discover() -> dict:
    """Every workload with the module it is in: each file of bench/peers but common.py."""
    names = [*FILES, *sorted({path.stem for path in PEERS.glob("*.py")} - {*FILES, "common"})]
    modules = [importlib.import_module(name) for name in names]
    return {name: (workload, module) for module in modules for name, workload in module.WORKLOADS.items()}


def options(workloads):
    parser = argparse.ArgumentParser(prog="bench/run", description="Narrows beside PyTorch, JAX and ONNX Runtime.")
    parser.add_argument("--python", metavar="PATH", help="use this interpreter instead of making bench/.env")
    parser.add_argument("--only", metavar="WORKLOAD", action="append", choices=list(workloads), help="may be repeated")
    parser.add_argument("--pairs", type=int, help="rounds over all sides (5; with --quick 2)")
    parser.add_argument("--threads", type=int, default=2, help="of every side (2)")
    parser.add_argument("--seconds", type=float, help="measured in each process (3; with --quick 1)")
    parser.add_argument("--quick", action="store_true", help="a first look; RESULTS.md stays as it is")
    parser.add_argument("--data", type=Path, help="folder with MNIST's gzip files: for the whole job, and as rows instead of drawn digits")
    parser.add_argument("--noise", action="store_true", help="noise as rows instead of digits; RESULTS.md stays as it is")
    parser.add_argument("--peers-only", action="store_true", help="leave Narrows out; RESULTS.md stays as it is")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table there instead of RESULTS.md")
    chosen = parser.parse_args()
    chosen.pairs = chosen.pairs or (2 if chosen.quick else 5)
    chosen.seconds = chosen.seconds or (1.0 if chosen.quick else 3.0)
    chosen.names = [name for name in workloads if not chosen.only or name in chosen.only]
    if chosen.pairs < 1 or chosen.threads < 1:
        parser.error("--pairs and --threads must be at least 1")
    return chosen


def say(text):
    print(text, file=sys.stderr, flush=True)


def measure(chosen, workload, module) -> tuple[list[dict], dict]:
    """The pairs (side → result) of one workload, and what the comparison before found."""
    sides = ([] if chosen.peers_only else ["narrows"]) + list(workload.sides)
    if workload.whole_process:
        return whole(chosen, workload, module, sides)
    file = Path(module.__file__)
    say(f"{workload.name}: comparing {', '.join(sides)}")
    errors = comparison.compare(file, workload, sides, chosen.threads)
    pairs = []
    for number in range(chosen.pairs):
        pairs.append(pair := {})
        for side in order(sides, number):
            pair[side] = processes.timed(file, workload.name, side, chosen.threads, chosen.seconds)
            say(f"{workload.name}: pair {number + 1}, {side}: {pair[side]['median_ms']:.4g} ms")
    return pairs, errors


def order(sides, number):
    """Narrows first, the peers in an order that changes from pair to pair, so that none is always after the same one."""
    peers = [side for side in sides if side != "narrows"]
    random.Random(number).shuffle(peers)
    return [side for side in sides if side == "narrows"] + peers


def whole(chosen, workload, module, sides):
    pairs, errors = [], {}
    with tempfile.TemporaryDirectory(prefix="narrows-bench-") as folder:
        # Once before: compilation caches fill (to the peers' advantage), and the written models are compared.
        for side in sides:
            out = Path(folder) / f"{side}.model"
            processes.whole(module, workload.name, side, chosen.threads, chosen.data, out)
            error = processes.whole_error(module, workload.name, side, chosen.threads, chosen.data, out)
            errors[side] = {"test error": error}
            say(f"{workload.name}: {side} ends at a test squared error of {error:.3f}")
        found = [values["test error"] for values in errors.values()]
        if not max(found) <= module.ERROR_SPREAD * min(found):
            raise Failure(f"{workload.name}: the sides do not learn the same: {errors}")
        for number in range(chosen.pairs):
            pairs.append(pair := {})
            for side in order(sides, number):
                out = Path(folder) / f"{side}.model"
                pair[side] = processes.whole(module, workload.name, side, chosen.threads, chosen.data, out)
                say(f"{workload.name}: pair {number + 1}, {side}: {pair[side]['median_ms'] / 1e3:.2f} s")
    return pairs, errors


def main() -> int:
    workloads = discover()
    chosen = options(workloads)
    with tempfile.TemporaryDirectory(prefix="narrows-bench-") as folder:
        return run(chosen, workloads, Path(folder))


def run(chosen, workloads, folder) -> int:
    complete = not (chosen.only or chosen.quick or chosen.peers_only or chosen.noise)
    if "whole-job" in chosen.names and chosen.data is None:
        if complete or chosen.only:
            say("error: the whole job needs `--data FOLDER` with MNIST's gzip files\nhint: or name others with --only")
            return 1
        chosen.names.remove("whole-job")
    measured, failures = [], []
    try:
        load = machine_facts.load()
        if load > 0.5:
            say(f"warning: the machine is not idle (load {load:.1f}): spinning threads of the peers suffer most")
        say("building Narrows")
        processes.build(command="whole-job" in chosen.names and not chosen.peers_only)
        machine = [processes.machine(chosen.threads)]
        if not chosen.noise:
            common.rows_file = folder / "rows.npy"
            processes.make_rows(chosen.data, common.rows_file)
    except (Failure, OSError) as failure:
        say(f"error: {failure}")
        return 1
    for name in chosen.names:
        workload, module = workloads[name]
        try:
            pairs, errors = measure(chosen, workload, module)
            machine.append(processes.machine(chosen.threads))
            measured.append((workload, pairs, errors))
        except Failure as failure:
            say(f"error: {failure}")
            failures.append(name)
    if measured:
        text = results.page(chosen, measured, results.best(machine), load)
        print(text)
        # Half a run must not replace a whole one.
        path = chosen.write or (processes.BENCH / "RESULTS.md" if complete and not failures else None)
        if path:
            path.write_text(text)
            say(f"written to {path}")
    if failures:
        say(f"error: failed: {', '.join(failures)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

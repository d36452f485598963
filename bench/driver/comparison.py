"""Before anything is timed: every side computes the same from the same weights and rows."""
import tempfile
from pathlib import Path

import numpy as np

from processes import Failure, checked


def relative(found, expected) -> float:
    """Norm of the difference over the norm of what was expected; NaN and wrong shapes are infinitely far."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return np.inf
    scale = np.linalg.norm(expected)
    return float(np.linalg.norm(found.astype(np.float64) - expected) / (scale or 1.0))


def compare(file: Path, workload, sides, threads) -> dict[str, dict[str, float]]:
    """Largest relative error of each side by kind of result, against f64 written out by hand; raises beyond tolerance."""
    inputs = workload.inputs()
    expected = workload.expected(inputs)
    errors, problems = {}, []
    with tempfile.TemporaryDirectory(prefix="narrows-bench-") as name:
        folder = Path(name)
        for key, array in inputs.items():
            np.save(folder / f"{key}.npy", array)
        for side in sides:
            checked(file, workload.name, side, threads, folder)
            errors[side] = worst = {}
            for key, wanted in expected.items():
                prefix, tolerance = next((p, t) for p, t in workload.tolerances.items() if key.startswith(p))
                path = folder / side / f"{key}.npy"
                error = np.inf if not path.is_file() else difference(np.load(path), wanted, key, inputs)
                worst[prefix] = max(worst.get(prefix, 0.0), error)
                if not error <= tolerance:
                    problems.append(f"{side}: {key} is off by {error:.2e}, allowed {tolerance:.0e}")
    if problems:
        raise Failure(f"{workload.name}: the sides do not compute the same\n" + "\n".join(problems))
    return errors


def difference(found, wanted, key, inputs) -> float:
    """Of trained weights, what training changed is compared: the weights themselves would hide an update left out."""
    start = inputs.get(key.removeprefix("trained_")) if key.startswith("trained_") else None
    if start is None:
        return relative(found, np.asarray(wanted))
    if found.shape != start.shape:
        return np.inf
    return relative(found - start.astype(np.float64), wanted - start)

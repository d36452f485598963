"""From measurements to the page bench/RESULTS.md."""
import statistics

import common
import machine as machine_facts

SETTINGS = [
    ("PyTorch, eager", "`Adam(fused=True)`, `zero_grad(set_to_none=True)`, ReLU in place, denormals flushed; encoding under `inference_mode`"),
    ("PyTorch, compiled", "the same with `torch.compile(dynamic=False)` on loss and optimiser step; encoding with the inductor's `freezing` (weights packed once, for MKL; `pytorch-dynamic`: for oneDNN, which the inductor takes where `dynamic=True`)"),
    ("JAX", "one `jit` for the whole step, Adam included, state donated; waited for once a sample in training (`jax-loop`: eight steps a call in a `fori_loop`), after every call in encoding, where the weights are constants"),
    ("ONNX Runtime", "all graph optimisations, spinning threads, input and output bound once (`io_binding`)"),
    ("compilation caches", "kept between processes for PyTorch and JAX, filled before the first pair of the whole job"),
    ("precision", "f32 everywhere (`float32_matmul_precision` highest)"),
]  # fmt: skip


def best(measurements: list[dict]) -> dict:
    """The best of the machine's measurements, taken before and after every workload: the floor errs on the low side."""
    return {
        key: max(m[key] for m in measurements) if isinstance(value, float) else value
        for key, value in measurements[0].items()
    }


def floor_ms(workload, bandwidth, machine) -> float:
    return (workload.flops / machine["peak_gflops"] + workload.traffic / machine[bandwidth]) / 1e6


def median(pairs, side, key="median_ms") -> float:
    return statistics.median(pair[side][key] for pair in pairs)


def time_text(milliseconds) -> str:
    if milliseconds >= 2000:
        return f"{milliseconds / 1e3:.2f} s"
    return f"{milliseconds:.2f} ms" if milliseconds >= 1 else f"{milliseconds * 1e3:.2f} µs"


def table(header, rows) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def fastest_peer(pairs) -> str:
    return min((side for side in pairs[0] if side != "narrows"), key=lambda side: median(pairs, side))


def summary_row(workload, pairs, machine) -> list[str]:
    peer = fastest_peer(pairs)
    peer_time, peer_memory = median(pairs, peer), median(pairs, peer, "peak_rss_mb")
    floor = floor_ms(workload, "bandwidth_gbs", machine)
    if "narrows" not in pairs[0]:
        return [workload.name, "–", f"{time_text(peer_time)} ({peer})", "–", "–", time_text(floor), "–", "–", "–"]
    own, memory = median(pairs, "narrows"), median(pairs, "narrows", "peak_rss_mb")
    ratios = [pair[peer]["median_ms"] / pair["narrows"]["median_ms"] for pair in pairs]
    cached = floor_ms(workload, "bandwidth_working_set_gbs", machine)
    return [
        workload.name,
        time_text(own),
        f"{time_text(peer_time)} ({peer})",
        f"**{peer_time / own:.2f}×**",
        f"{statistics.median(ratios):.2f}× ({min(ratios):.2f}–{max(ratios):.2f})",
        time_text(floor),
        f"{floor / own:.0%} ({cached / own:.0%})",
        f"{memory:.0f} / {peer_memory:.0f} MB",
        f"{memory / peer_memory:.2f}",
    ]


def detail(workload, pairs, errors, machine) -> str:
    floor = floor_ms(workload, "bandwidth_gbs", machine)
    rows = []
    for side in pairs[0]:
        kinds = ", ".join(f"{kind.rstrip('_')} {error:.2g}" for kind, error in errors[side].items())
        rows.append([
            side,
            time_text(median(pairs, side)),
            time_text(min(pair[side]["min_ms"] for pair in pairs)),
            f"{floor / median(pairs, side):.0%}",
            f"{median(pairs, side, 'peak_rss_mb'):.0f} MB",
            ", ".join(f"{pair[side]['median_ms']:.4g}" for pair in pairs),
            kinds,
        ])  # fmt: skip
    header = ["side", "median", "best", "share of the floor", "peak memory", "each process, ms", "compared before"]
    facts = f"{workload.flops / 1e6:.4g} MFLOP, {workload.traffic / 1e6:.4g} MB of weights and optimiser state."
    return f"### {workload.name}\n\n{workload.title[0].upper()}{workload.title[1:]}. {facts}\n\n{table(header, sorted(rows))}\n"


def page(chosen, measured, machine, load) -> str:
    header = ["workload", "Narrows", "fastest peer", "ratio", "ratio, pair by pair", "floor", "share of it", "peak memory, both", "ratio"]  # fmt: skip
    allocator = ", ".join(f"`{name}={value}`" for name, value in common.ALLOCATOR.items())
    flags = common.environment("jax", chosen.threads, common.Path())["XLA_FLAGS"]
    settings = [*SETTINGS, ("allocator, all peers", allocator), ("JAX's flags", f"`{flags}`")]
    facts = [
        *machine_facts.describe(),
        ("threads, every side", chosen.threads),
        ("rows", "noise" if chosen.noise else f"{'MNIST’s' if chosen.data else 'drawn'} digits where they have 784 numbers, else noise"),
        ("load before the run", f"{load:.1f} (from other processes; it should be near 0)"),
        ("f32 peak", f"{machine['peak_gflops']:.0f} GFLOP/s ({machine['instructions']})"),
        ("bandwidth", f"{machine['bandwidth_gbs']:.1f} GB/s over 1.5 GB; {machine['bandwidth_working_set_gbs']:.1f} GB/s over the autoencoder's 34 MB"),
    ]  # fmt: skip
    return f"""# Results

Written by `bench/run`; how to run it and how to read it: [README.md](README.md).

{table(header, [summary_row(workload, pairs, machine) for workload, pairs, _ in measured])}

Times are medians of {chosen.pairs} processes a side, each the median of its samples over {chosen.seconds:g} s, the sides
taking turns. Floor: arithmetic at the measured peak plus weight traffic at the memory's bandwidth, both measured in this
run; in brackets the share of the floor with the bandwidth of a working set that stays in the last-level cache.

## Machine and versions

{table(["", ""], facts)}

## The peers' settings

{table(["", ""], settings)}

## Every side

{chr(10).join(detail(workload, pairs, errors, machine) for workload, pairs, errors in measured)}"""

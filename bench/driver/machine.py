"""What the results were measured on: processor, memory, versions."""
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path


def first_line(command) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def processor() -> str:
    """The model's name; with family and model number, as virtual machines often hide the name."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    name = fields.get("model name", platform.machine())
    if "cpu family" in fields and "model" in fields:
        name += f" (family {fields['cpu family']}, model {fields['model']})"
    return name


def memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def instruction_sets() -> str:
    try:
        flags = Path("/proc/cpuinfo").read_text().split("flags", 1)[1].splitlines()[0].split()
    except (OSError, IndexError):
        return "unknown"
    known = ("fma", "avx2", "avx512f", "avx512_bf16", "amx_bf16")
    return ", ".join(name for name in known if name in flags) or "none of note"


def load() -> float:
    """Processes that wanted a processor in the last minute, on average."""
    return os.getloadavg()[0]


def describe() -> list[tuple[str, str]]:
    packages = ("torch", "jax", "jaxlib", "onnxruntime", "onnx", "numpy")
    return [
        ("processor", processor()),
        ("cores", str(os.cpu_count())),
        ("instruction sets", instruction_sets()),
        ("memory", f"{memory_gb():.1f} GB"),
        ("system", f"{platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}"),
        ("compilers", f"{first_line(['rustc', '--version'])}; {first_line(['gcc', '--version'])}"),
        ("Python", sys.version.split()[0]),
        ("peers", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)),
    ]

#!/usr/bin/env python3
"""Many small pictures on disk, trained on from memory and from a file of rows: peak memory of both, and rows a second in every epoch.

    bench/.env/bin/python bench/quality/many_pictures.py [--count 200000] [--folder PLACE]

Pictures are made first, 16×16 in colour; they need about 4 kB each on most file systems. `target/release/narrows` must have been built.
"""
import argparse
import json
import os
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE = 16
SETTINGS = ["train.epochs=3", "train.batch=128", "data.validation=0.01", "data.test=0.01"]


def png(pixels):
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b"")


def make(folder, count):
    random = np.random.default_rng(1)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    for number in range(count):
        place = folder / f"{number // 1000:03}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        angle, middle, colour = random.uniform(0, 3.14), random.uniform(4, 12, 2), random.integers(60, 255, 3)
        bar = np.abs((x - middle[0]) * np.sin(angle) + (y - middle[1]) * np.cos(angle)) < 2
        (place / f"{number:06}.png").write_bytes(png((bar[:, :, None] * colour).astype(np.uint8)))


def train(folder, out, in_memory):
    """Peak resident memory in MB, and rows a second in each epoch."""
    command = [ROOT / "target/release/narrows", "train", folder, "--out", out, "--skip", "verdict", "--quiet"]
    for setting in [*SETTINGS, f"data.in_memory={in_memory}"]:
        command += ["--set", setting]
    process = subprocess.Popen([str(word) for word in command])
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    log = out.with_suffix(".log.jsonl").read_text().splitlines()
    return usage.ru_maxrss * 1024 / 1e6, [json.loads(line).get("rows_per_second") for line in log]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, help="where the pictures are, or are made if it is not there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = options.folder or Path(place) / "pictures"
        if not folder.exists():
            make(folder, options.count)
        for name, in_memory in [("memory", 1e12), ("a file", 1000), ("memory", 1e12), ("a file", 1000)]:
            peak, rows = train(folder, Path(place) / "model.narrows", in_memory)
            print(f"from {name}: peak {peak:.0f} MB, rows a second by epoch {rows}", flush=True)


if __name__ == "__main__":
    main()

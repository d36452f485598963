#!/usr/bin/env python3
"""Parameters of the architectures that torchvision has too, counted by torchvision and by `narrows inspect`.

    bench/.env/bin/pip install --no-deps torchvision==0.29.2 pillow
    bench/.env/bin/python bench/quality/parameters.py

`target/release/narrows` must have been built. No weights are made, let alone fetched.
"""
import json
import subprocess
import sys
from pathlib import Path

import torch
from torchvision import models

NARROWS = Path(__file__).resolve().parent.parent.parent / "target/release/narrows"
# The recipe, torchvision's name, and what keeps it from drawing weights.
SAME = [
    ("alexnet-one-tower", "alexnet", {}),
    ("vgg-16", "vgg16", {}),
    ("vgg-19", "vgg19", {}),
    ("resnet-101", "resnet101", {}),
    ("googlenet", "googlenet", {"init_weights": False}),
    ("inception-v3", "inception_v3", {"init_weights": False}),
]


def main():
    differ = False
    for recipe, name, options in SAME:
        with torch.device("meta"):
            theirs = sum(weights.numel() for weights in getattr(models, name)(**options).parameters())
        told = subprocess.run([NARROWS, "inspect", recipe, "--json"], capture_output=True, check=True).stdout
        ours = json.loads(told)["parameters"]
        differ |= ours != theirs
        print(f"{recipe:18} {ours:>12,}   torchvision {theirs:>12,}   {'equal' if ours == theirs else 'DIFFERENT'}")
    sys.exit(differ)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes the files of weights that the library's tests read: one dictionary of small tensors in each of PyTorch's formats.

    bench/.env/bin/python bench/quality/fixtures.py
"""
from collections import OrderedDict
from pathlib import Path

import torch

FOLDER = Path(__file__).resolve().parent.parent.parent / "crates/narrows/tests/fixtures"


class Old:
    """A tensor as PyTorch pickled it before version 0.4."""

    def __init__(self, tensor):
        self.made = (torch._utils._rebuild_tensor, (tensor.storage(), 0, tuple(tensor.shape), tensor.stride()))

    def __reduce__(self):
        return self.made


def main():
    grid = torch.arange(12, dtype=torch.float32).view(3, 4) / 4 - 1
    weights = OrderedDict()
    weights["grid.weight"] = grid
    weights["turned.weight"] = grid.t()
    weights["part.bias"] = grid[1:, 2]
    weights["parameter.weight"] = torch.nn.Parameter(grid + 1)
    weights["double.bias"] = torch.tensor([0.1, -2.0], dtype=torch.float64)
    weights["half.bias"] = torch.tensor([1.5, -0.25], dtype=torch.float16)
    weights["brain.bias"] = torch.tensor([-3.0, 1024.0], dtype=torch.bfloat16)
    weights["old.weight"] = Old(grid + 2)
    weights["norm.num_batches_tracked"] = torch.tensor(7)
    optimiser = {"state": {0: {"momentum_buffer": grid}}, "param_groups": [{"lr": 0.1, "params": {1, 2}}]}
    saved = {"epoch": 3, "best": torch.tensor(0.5), "name": "é", "optimizer": optimiser, "state_dict": weights}
    torch.save(saved, FOLDER / "weights.pth")
    torch.save(saved, FOLDER / "weights-before-1.6.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()

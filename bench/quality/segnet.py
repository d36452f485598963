#!/usr/bin/env python3
"""SegNet-Basic on CamVid in PyTorch: the network, settings and number of steps of `recipes/segnet.toml`, for its figures, not its speed.

    bench/.env/bin/python bench/quality/segnet.py PATH/TO/camvid-small --seed 1 2 3

A graphics card (`--device cuda`) trains the same network in f32 in a fraction of the time.
"""

import argparse
import math
import struct
import time
import zlib
from pathlib import Path

import numpy
import torch
from torch import nn
from torch.nn import functional

VOID, CLASSES = 11, 11


def read_png(path):
    """An 8-bit PNG that is not interlaced, as height × width × channels."""
    content, at, packed = path.read_bytes(), 8, b""
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content[at + 8 : at + 21])
            assert depth == 8 and not interlaced, path
            channels = {0: 1, 2: 3, 3: 1, 6: 4}[colour]
        elif kind == b"IDAT":
            packed += content[at + 8 : at + 8 + length]
        at += 12 + length
    lines = numpy.frombuffer(zlib.decompress(packed), numpy.uint8).reshape(height, 1 + width * channels)
    picture = numpy.zeros((height, width, channels), numpy.int32)
    above = numpy.zeros((width, channels), numpy.int32)
    for row, line in enumerate(lines):
        kind, values = line[0], line[1:].reshape(width, channels).astype(numpy.int32)
        if kind == 2:
            values = (values + above) & 255
        elif kind:
            left = numpy.zeros(channels, numpy.int32)
            corner = numpy.zeros(channels, numpy.int32)
            for column in range(width):
                up = above[column]
                if kind == 1:
                    guess = left
                elif kind == 3:
                    guess = (left + up) // 2
                else:
                    near = left + up - corner
                    to_left, to_up, to_corner = abs(near - left), abs(near - up), abs(near - corner)
                    first = (to_left <= to_up) & (to_left <= to_corner)
                    guess = numpy.where(first, left, numpy.where(to_up <= to_corner, up, corner))
                left = (values[column] + guess) & 255
                corner = up
                values[column] = left
        picture[row] = above = values
    return picture.astype(numpy.uint8)


def part(folder, name):
    pictures, maps = [], []
    for path in sorted((folder / name).glob("*.png")):
        pictures.append(read_png(path)[:, :, :3])
        maps.append(read_png(folder / f"{name}annot" / path.name)[:, :, 0])
    images = torch.from_numpy(numpy.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    return images, torch.from_numpy(numpy.stack(maps)).long()


class SegNet(nn.Module):
    def __init__(self):
        super().__init__()
        down = [nn.Conv2d(3 if at == 0 else 64, 64, 7, padding=3, bias=False) for at in range(4)]
        up = [nn.Conv2d(64, 64, 7, padding=3, bias=False) for _ in range(4)]
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        self.down_norm = nn.ModuleList(nn.BatchNorm2d(64) for _ in range(4))
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(64) for _ in range(4))
        self.classes = nn.Conv2d(64, CLASSES, 1)
        for layer in [*down, *up]:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.classes.weight, nonlinearity="relu")
        nn.init.zeros_(self.classes.bias)

    def forward(self, x):
        # As in the recipe: (k + α Σ x²)^β with k = 2, α = 1e-4, β = 0.75; here α is divided by the window.
        x = functional.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)
        found = []
        for layer, norm in zip(self.down, self.down_norm):
            x = functional.relu(norm(layer(x)))
            size = x.shape[-2:]
            x, positions = functional.max_pool2d(x, 2, return_indices=True)
            found.append((positions, size))
        for layer, norm in zip(self.up, self.up_norm):
            positions, size = found.pop()
            x = norm(layer(functional.max_unpool2d(x, positions, 2, output_size=size)))
        return self.classes(x)


def class_weights(maps):
    own, there = torch.zeros(CLASSES), torch.zeros(CLASSES)
    for one in maps:
        counts = torch.bincount(one[one != VOID], minlength=CLASSES)[:CLASSES].float()
        own += counts
        there += torch.where(counts > 0, counts.sum(), 0.0)
    share = own / there.clamp(min=1)
    seen = share[share > 0].sort().values
    median = seen[len(seen) // 2] if len(seen) % 2 else (seen[len(seen) // 2 - 1] + seen[len(seen) // 2]) / 2
    return torch.where(share > 0, median / share, 0.0)


def loss_of(sums, maps, weights):
    """Each picture's weighted cross-entropy over its known pixels, averaged over pictures: the recipe's loss."""
    each = functional.cross_entropy(sums, maps, weights, ignore_index=VOID, reduction="none")
    return (each.sum((1, 2)) / (maps != VOID).sum((1, 2)).clamp(min=1)).mean()


def figures(model, images, maps):
    model.eval()
    confusion = torch.zeros(CLASSES, CLASSES, dtype=torch.long, device=images.device)
    with torch.inference_mode():
        for first in range(0, len(images), 8):
            told = model(images[first : first + 8]).argmax(1)
            truth = maps[first : first + 8]
            known = truth != VOID
            confusion += torch.bincount(
                truth[known] * CLASSES + told[known], minlength=CLASSES * CLASSES
            ).reshape(CLASSES, CLASSES)
    right, there, named = confusion.diag().double(), confusion.sum(1).double(), confusion.sum(0).double()
    either = there + named - right
    return (
        right.sum() / there.sum(),
        (right / there)[there > 0].mean(),
        (right / either)[either > 0].mean(),
    )


def train(seed, epochs, images, maps, weights):
    """The network after its last step, on the device of `images`."""
    torch.manual_seed(seed)
    device = images.device
    model = SegNet().to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    steps = epochs * math.ceil(len(images) / 4)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: 0.5 * (1 + math.cos(math.pi * min(1.0, (step + 0.5) / steps)))
    )
    start = time.time()
    for epoch in range(epochs):
        model.train()
        total = 0.0
        order = torch.randperm(len(images))
        for rows in order.split(4):
            batch, truth = images[rows.to(device)], maps[rows.to(device)]
            flipped = (torch.rand(len(rows)) < 0.5).to(device)
            batch[flipped], truth[flipped] = batch[flipped].flip(-1), truth[flipped].flip(-1)
            loss = loss_of(model(batch.contiguous(memory_format=torch.channels_last)), truth, weights)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch + 1}/{epochs}  loss {total / len(images):.3f}  {time.time() - start:.0f} s", flush=True)
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(2)
    # Full f32 on a card too, as on a processor.
    torch.backends.cudnn.allow_tf32 = False
    images, maps = (values.to(options.device) for values in part(options.data, "train"))
    test = [values.to(options.device) for values in part(options.data, "test")]
    weights = class_weights(maps.cpu()).to(options.device)
    for seed in options.seed:
        accuracy, average, iou = figures(train(seed, options.epochs, images, maps, weights), *test)
        print(
            f"seed {seed}: pixel accuracy {100 * accuracy:.2f} %, class average {100 * average:.2f} %, "
            f"mean IoU {100 * iou:.2f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()

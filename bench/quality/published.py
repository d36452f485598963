#!/usr/bin/env python3
"""Weights of torchvision's networks, imported by `narrows import`: both must tell the same of the same pictures.

    bench/.env/bin/pip install --no-deps torchvision==0.29.2 pillow
    bench/.env/bin/python bench/quality/published.py [--only RECIPE] [--weights DOWNLOADED.pth]

`target/release/narrows` must have been built. Weights are drawn, and so are the statistics of normalisations, so that nothing is fetched; with
`--only RECIPE --weights FILE` they are those of a downloaded file. The pictures are noise at three scales. Told are the largest differences between
probabilities, absolute and as a share of the probability.

Two things are torchvision's own: pictures of the networks that came from TensorFlow are prepared as that did (`transform_input`), and Inception v3's
average pooling counts zeros beyond the edge, which TensorFlow's, where the published weights were trained, did not, and neither does Narrows: it is
told not to here.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import torch
from torchvision import models

NARROWS = Path(__file__).resolve().parent.parent.parent / "target/release/narrows"
# The recipe, torchvision's name, the pictures' size, and what it is asked for beside.
SAME = [
    ("alexnet-one-tower", "alexnet", 224, {}),
    ("vgg-16", "vgg16", 224, {}),
    ("vgg-19", "vgg19", 224, {}),
    ("resnet-101", "resnet101", 224, {}),
    ("googlenet", "googlenet", 224, {"init_weights": True, "transform_input": True}),
    ("inception-v3", "inception_v3", 299, {"init_weights": False, "transform_input": True}),
]
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def pictures(count, size):
    """Noise of single pixels, of blocks, and of whole pictures, as bytes: N×H×W×3."""
    generator = torch.Generator().manual_seed(1)
    scales = [torch.rand(count, 3, side, side, generator=generator) for side in (size, size // 16, 2)]
    grown = [torch.nn.functional.interpolate(scale, size=(size, size)) for scale in scales]
    return (255 * sum(grown) / 3).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def unsettle(model, images):
    """Normalisations with statistics and scales of their own, as training leaves them, and without these a last layer of large weights: otherwise
    layers of drawn weights leave little that depends on the picture."""
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    generator = torch.Generator().manual_seed(2)
    for norm in norms:
        norm.momentum = None
        norm.reset_running_stats()
        norm.weight.data.uniform_(0.5, 1.5, generator=generator)
        norm.bias.data.uniform_(-0.5, 0.5, generator=generator)
    if norms:
        model.train()
        model(images)
    else:
        model.classifier[-1].weight.data.mul_(100)
    model.eval()


def compare(recipe, name, size, options, weights, folder):
    torch.manual_seed(0)
    model = getattr(models, name)(**options)
    bytes_ = pictures(4, size)
    images = (bytes_.permute(0, 3, 1, 2).float() / 255 - MEAN) / DEVIATION
    file = folder / "weights.pth"
    with torch.no_grad():
        if weights:
            file = weights
            model.load_state_dict(torch.load(weights, weights_only=True))
            model.eval()
        else:
            unsettle(model, images)
            # VGG's published files are as old as this format.
            torch.save(model.state_dict(), file, _use_new_zipfile_serialization=not recipe.startswith("vgg"))
        theirs = torch.softmax(model(images).double(), dim=1).numpy()
    rows, imported = folder / "pictures.npy", folder / "model.narrows"
    numpy.save(rows, bytes_.numpy())
    run = [NARROWS, "import", recipe, "--weights", file, "--out", imported, "--json"]
    found = json.loads(subprocess.run(run, capture_output=True, check=True).stdout)
    told = subprocess.run([NARROWS, "classify", imported, "--data", rows, "--json"], capture_output=True, check=True).stdout
    ours = numpy.array(json.loads(told)["confidences"])
    absolute, relative = abs(ours - theirs).max(), (abs(ours - theirs) / theirs).max()
    same = (ours.argmax(1) == theirs.argmax(1)).all() and relative < 0.001
    print(f"{recipe:18} {len(found['weights']):4} layers   probabilities {theirs.min():.1e} to {theirs.max():.1e}"
          f"   differ by {absolute:.1e}, {relative:.1e} of them   {'same' if same else 'DIFFERENT'}", flush=True)
    return same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[recipe for recipe, *_ in SAME])
    parser.add_argument("--weights", type=Path)
    asked = parser.parse_args()
    pool = torch.nn.functional.avg_pool2d
    torch.nn.functional.avg_pool2d = lambda *values, **named: pool(*values, **{"count_include_pad": False, **named})
    chosen = [one for one in SAME if asked.only in (None, one[0])]
    same = []
    for recipe, name, size, options in chosen:
        with tempfile.TemporaryDirectory() as folder:
            same.append(compare(recipe, name, size, options, asked.weights, Path(folder)))
    sys.exit(not all(same))


if __name__ == "__main__":
    main()

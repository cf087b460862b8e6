#!/usr/bin/python3
# Makes tests/network/golden/inference.safetensors: head outputs of small networks of every kind, by PyTorch (Debian's
# python3-torch), in double precision.  Weights and pictures are generator.py's, so only the outputs are stored.
#
#   make_goldens.py            writes the file
#   make_goldens.py --check    makes it again and compares
#
# For each case C: metadata "C" is its config, "C.affine" what vgg16's trunks have behind a convolution; tensor "C/TASK" is
# [channels, h, w], for the picture "C" of the config's input size.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import pathlib
import sys

import numpy as np
import torch

import generator
import reference
import safetensors

PATH = pathlib.Path(__file__).parent / "golden" / "inference.safetensors"
SIZES = [(64, 48), (45, 37), (32, 32), (33, 50), (71, 40)]
TASKS = ["sn", "snd", "s", "nd", "sns"]
POOLS = ["both", "same", "end"]
RESIZES = ["half-pixel", "align-corners", "asymmetric"]
CLASSES = [13, 5, 40, 1]
FUSIONS = ["none", "shared", "cross-stitch", "sluice", "nddr"]


def task(letter, index, n_classes):
    kinds = {"s": "segmentation", "n": "normal", "d": "depth"}
    entry = {"name": f"{kinds[letter]}{index}", "kind": kinds[letter]}
    if letter == "s":
        entry["classes"] = [{"name": f"class{c}", "color": f"#{c * 0x051015:06x}"} for c in range(n_classes)]
    return entry


def config(backbone, fusion, shortcut, letters, size, n_classes=13, **more):
    return {"backbone": backbone, "fusion": fusion, "shortcut": shortcut,
            "tasks": [task(letter, i, n_classes) for i, letter in enumerate(letters)],
            "input": {"width": size[0], "height": size[1], "mean": [0, 0, 0], "std": [1, 1, 1]}, **more}


def cases():
    """(name, config, affine)"""
    i = 0
    for backbone, stride, width in (("vgg16", 8, 0.125), ("mobilenet_v2", 8, 0.25), ("mobilenet_v2", 16, 0.25)):
        for j, (fusion, shortcut) in enumerate((f, s) for s in (False, True) for f in ("none", "shared", "nddr")):
            letters = TASKS[i % len(TASKS)]
            if fusion == "nddr" and len(letters) == 1:
                letters = "snd"
            yield (f"{backbone}-{stride}-{fusion}{'-shortcut' if shortcut else ''}",
                   config(backbone, fusion, shortcut, letters, SIZES[i % len(SIZES)], CLASSES[i % len(CLASSES)], width=width, head_width=0.03125,
                          output_stride=stride, pool_padding=POOLS[(i + j // 3) % 3], resize=RESIZES[i % 3],
                          norm_eps=1e-3 if i % 2 else 1e-5), "norm")
            i += 1
    # a trunk's normalisation is its file's: torchvision's two VGG-16
    yield "vgg16-bias", config("vgg16", "nddr", True, "sn", (40, 56), width=0.125, head_width=0.0625), "bias"
    yield "vgg16-both", config("vgg16", "nddr", False, "sn", (57, 41), width=0.125, head_width=0.0625, pool_padding="end"), "both"
    # one task is mixed with nobody
    yield "vgg16-alone", config("vgg16", "nddr", True, "d", (47, 61), width=0.125, head_width=0.0625, pool_padding="same"), "norm"
    # maps as large as the dilation, widths that are not powers of two, even pools
    yield "vgg16-wide", config("vgg16", "nddr", True, "sn", (136, 112), 40, width=0.2, head_width=0.04, pool_padding="end"), "norm"
    yield "vgg16-even", config("vgg16", "shared", True, "sn", (128, 104), width=0.125, head_width=0.03125, pool_padding="same", resize="align-corners"), "norm"
    yield "mobilenet_v2-wide", config("mobilenet_v2", "nddr", True, "sn", (128, 104), width=0.35, head_width=0.05), "norm"
    yield "mobilenet_v2-four", config("mobilenet_v2", "nddr", True, "sndn", (49, 65), width=0.25, head_width=0.03125, output_stride=16), "norm"
    for i, (backbone, width) in enumerate((("vgg16", 0.125), ("mobilenet_v2", 0.25))):
        for j, (fusion, shortcut) in enumerate((f, s) for f in ("cross-stitch", "sluice") for s in (False, True)):
            yield (f"{backbone}-{fusion}{'-shortcut' if shortcut else ''}",
                   config(backbone, fusion, shortcut, ["sn", "snd", "sn", "dsn"][(i + j) % 4], SIZES[(2 * i + j) % len(SIZES)], 5, width=width,
                          head_width=0.03125, pool_padding=POOLS[(i + j) % 3], resize=RESIZES[(i + j) % 3], output_stride=16 if i and j % 2 else 8), "norm")
    for fusion in ("cross-stitch", "sluice"):
        yield f"mobilenet_v2-{fusion}-four", config("mobilenet_v2", fusion, False, "sndn", (49, 65), width=0.25, head_width=0.03125, output_stride=16), "norm"
        yield f"vgg16-{fusion}-alone", config("vgg16", fusion, False, "n", (40, 56), width=0.125, head_width=0.03125), "norm"
    # one of everything: backbone, output stride, head, fusion, shortcut
    i = 0
    for backbone, stride, head in ((b, s, h) for b in ("resnet18", "resnet50") for s in (8, 16) for h in ("aspp", "largefov")):
        for fusion in (FUSIONS[i % 5], FUSIONS[(i + 2) % 5]):
            yield (f"{backbone}-{stride}-{head}-{fusion}{'-shortcut' if i // 2 % 2 else ''}",
                   config(backbone, fusion, i // 2 % 2 == 1, ["sn", "snd", "nd", "sdn"][i % 4], SIZES[i % len(SIZES)], CLASSES[i % 3], head=head,
                          width=0.125, head_width=0.03125, output_stride=stride, pool_padding=POOLS[i % 3], resize=RESIZES[i // 3 % 3],
                          norm_eps=1e-3 if i % 2 else 1e-5), "norm")
            i += 1
    yield "resnet101", config("resnet101", "nddr", True, "sn", (72, 56), 5, width=0.125), "norm"
    yield "resnet101-16", config("resnet101", "shared", False, "snd", (64, 80), 5, width=0.125, output_stride=16, resize="align-corners"), "norm"
    yield ("resnet101-largefov", config("resnet101", "cross-stitch", True, "sn", (57, 49), 5, head="largefov", width=0.125, head_width=0.03125,
                                        output_stride=16), "norm")
    yield "resnet101-sluice", config("resnet101", "sluice", False, "nds", (64, 48), 5, width=0.125), "norm"
    # as wide as the group before, where not strided: no downsample
    yield "resnet18-narrow", config("resnet18", "none", False, "s", (57, 49), 5, width=0.02), "norm"
    yield "resnet18-four", config("resnet18", "sluice", False, "sndn", (50, 66), width=0.125), "norm"
    yield "resnet50-alone", config("resnet50", "sluice", False, "d", (64, 48), width=0.125), "norm"


def run(name, configuration, affine):
    def get(tensor, shape):
        return torch.from_numpy(generator.parameter(tensor, shape)).double()

    size = configuration["input"]
    picture = torch.from_numpy(generator.picture(name, 1, size["height"], size["width"])).double()
    with torch.no_grad():
        heads = reference.Network(configuration, get, affine)(picture)
    return {f"{name}/{head}": x[0].numpy().astype(np.float32) for head, x in heads.items()}


def make():
    tensors, metadata = {}, {}
    for name, configuration, affine in cases():
        tensors.update(run(name, configuration, affine))
        metadata[name] = json.dumps(configuration, separators=(",", ":"))
        metadata[name + ".affine"] = affine
    return tensors, metadata


def check(tensors, metadata):
    """Whether the file says the same; outputs within what two builds of PyTorch may differ by."""
    old, old_metadata = safetensors.read(PATH)
    wrong = [key for key in {*metadata, *old_metadata} if metadata.get(key) != old_metadata.get(key)]
    wrong += [name for name in {*tensors, *old} if name not in tensors or name not in old or tensors[name].shape != old[name].shape
              or np.linalg.norm(tensors[name] - old[name]) > 1e-6 * np.linalg.norm(old[name])]
    for name in sorted(wrong):
        print(f"{PATH.name}: {name} differs", file=sys.stderr)
    return not wrong


if __name__ == "__main__":
    torch.set_num_threads(1)
    made = make()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if check(*made) else 1)
    PATH.parent.mkdir(exist_ok=True)
    safetensors.write(PATH, *made)
    norms = {name: float(np.abs(x).max()) for name, x in made[0].items()}
    print(f"{PATH}: {PATH.stat().st_size} bytes, {len(made[0])} outputs, largest from {min(norms.values()):.3g} to {max(norms.values()):.3g}")

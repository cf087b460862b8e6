# What is timed: networks with made-up weights, so that a benchmark needs no file but the tree.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import dataclasses
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests" / "network"))
import generator  # noqa: E402
import safetensors  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Job:
    name: str
    what: str
    config: dict
    batch: int = 1
    train: bool = False
    element: tuple = ()  # (width, height) of a video that goes through the element


def tasks(classes):
    colours = [{"name": f"class{c}", "color": f"#{c * 0x051015 % 2**24:06x}"} for c in range(classes)]
    return [{"name": "segmentation", "kind": "segmentation", "classes": colours}, {"name": "normal", "kind": "normal"}]


def network(backbone, size, classes, **more):
    return {"backbone": backbone, "fusion": "nddr", "tasks": tasks(classes),
            "input": {"width": size[0], "height": size[1], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}, **more}


STANDARD = network("vgg16", (321, 321), 40)
SHORTCUT = network("vgg16", (321, 321), 40, shortcut=True)
COMPACT = network("vgg16", (161, 161), 40, width=0.25)
SMALL = network("mobilenet_v2", (256, 192), 13, output_stride=16, head_width=0.0625, shortcut=True)
BASE = network("mobilenet_v2", (320, 240), 13, output_stride=8, head_width=0.25, shortcut=True)

JOBS = [
    Job("standard", "NDDR-CNN VGG-16, two tasks, 321x321", STANDARD),
    Job("standard-shortcut", "the same with shortcut", SHORTCUT),
    Job("standard-8", "NDDR-CNN VGG-16 with shortcut, batch 8", SHORTCUT, batch=8),
    Job("standard-train", "a training step of NDDR-CNN VGG-16 with shortcut, batch 10", SHORTCUT, batch=10, train=True),
    Job("compact", "NDDR-CNN VGG-16 at width 0.25, 161x161", COMPACT),
    Job("compact-train", "a training step of it, batch 2", COMPACT, batch=2, train=True),
    Job("small", "nddr-small's network, 256x192", SMALL),
    Job("small-train", "a training step of it, batch 8", SMALL, batch=8, train=True),
    Job("base", "nddr-base's network, 320x240", BASE),
    Job("small-480", "nddr-small's network on 640x480 video through the element, both streams", SMALL, element=(640, 480)),
    Job("small-1080", "the same on 1920x1080", SMALL, element=(1920, 1080)),
    Job("base-480", "nddr-base's network on 640x480 video through the element, both streams", BASE, element=(640, 480)),
    Job("base-1080", "the same on 1920x1080", BASE, element=(1920, 1080)),
]
USUAL = ["compact", "compact-train", "small", "small-train", "small-480"]


def write_model(job, path):
    """The job's network as a model file."""
    import reference
    import torch

    tensors = {}

    def get(name, shape):
        tensors.setdefault(name, generator.parameter(name, shape))
        return torch.from_numpy(tensors[name])

    size = job.config["input"]
    with torch.no_grad():
        reference.Network(job.config, get)(torch.zeros(1, 3, size["height"], size["width"]))
    safetensors.write(path, {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()},
                      {"format": "nddr", "version": "1", "config": json.dumps(job.config)})

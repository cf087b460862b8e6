#!/usr/bin/python3
# Makes tests/network/golden/training.safetensors: gradients and ten steps of training of small networks, by PyTorch (Debian's
# python3-torch) in double precision.  Weights, pictures and labels are generator.py's.
#
#   make_training_goldens.py            writes the file
#   make_training_goldens.py --check    makes it again and compares; also says how far PyTorch's own float32 is from it
#
# For each case C of the file's metadata:
#
#   "C"                   the model's config
#   "C.affine"            what vgg16's trunks have behind a convolution: norm, bias or both
#   "C.training"          JSON: batch, steps, lr, momentum, bn_momentum, weight_decay, lr_fusion, lr_head_weight, lr_head_bias,
#                         sluice_penalty, resolution (head or input), weights (of each task's loss), gradient_exponent, movement_exponent
#
# and the tensors
#
#   C/gradient/TENSOR     d (weighted loss) / d TENSOR in the first step, times 2^gradient_exponent, fp16; the weight decay not in it
#   C/movement/TENSOR     TENSOR after all steps less before them, times 2^movement_exponent, fp16; running statistics too. Only
#                         where PyTorch's float32 comes within 1 % of it: a movement can be no finer than a weight's last bits
#   C/losses              [steps, 1 + tasks]: each step's weighted sum with the penalty before its update, then each task's own
#   C/head/TASK           the first step's output, [batch, channels, h, w]
#
# Step t = 1, 2, … sees picture "C.t", [batch, 3, h, w], and label "C.t.TASK" at the size of the head's output or, with resolution
# input, of the picture, to which outputs are upsampled; of several tasks of one kind all have the first one's label.  Weights start as
# generator.py's calm parameters under their own names.  Batch statistics, no dropout, lr constant; SGD, weight decay on convolution weights alone.
#
# A gradient can be zero, or nearly, by construction (a bias before a batch normalisation): such tensors are to be compared absolutely.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

import generator
import reference
import safetensors
from make_goldens import config

PATH = pathlib.Path(__file__).parent / "golden" / "training.safetensors"
SETTINGS = {"batch": 2, "steps": 10, "lr": 3e-4, "momentum": 0.9, "bn_momentum": 0.05, "weight_decay": 2.5e-4,
            "sluice_penalty": 0.1, "lr_fusion": 100, "lr_head_weight": 10, "lr_head_bias": 20}
WEIGHTS = {"segmentation": 1, "normal": 20, "depth": 1}
SMALL_VGG = {"width": 0.0625, "head_width": 0.015625}
TINY_VGG = {"width": 0.03125, "head_width": 0.015625}
SMALL_MOBILENET = {"width": 0.125, "head_width": 0.015625}
TINY_RESNET = {"width": 0.03125, "head_width": 0.015625}
TINY_MOBILENET = {"width": 0.0625, "head_width": 0.015625}


def cases():
    """(name, config, affine, resolution)"""
    yield "vgg16-nddr", config("vgg16", "nddr", False, "sn", (64, 48), 5, **SMALL_VGG), "norm", "head"
    yield ("vgg16-nddr-three", config("vgg16", "nddr", True, "snd", (61, 45), 5, pool_padding="end", resize="align-corners", **TINY_VGG),
           "norm", "input")
    yield ("vgg16-nddr-bias", config("vgg16", "nddr", True, "sn", (64, 48), 13, pool_padding="same", resize="asymmetric", **SMALL_VGG),
           "bias", "input")
    yield "vgg16-none-both", config("vgg16", "none", True, "nd", (56, 72), **TINY_VGG), "both", "head"
    yield "vgg16-shared", config("vgg16", "shared", True, "sd", (64, 48), 13, norm_eps=1e-3, **SMALL_VGG), "norm", "input"
    yield "mobilenet_v2-nddr", config("mobilenet_v2", "nddr", True, "sn", (64, 48), 5, output_stride=16, **SMALL_MOBILENET), "norm", "input"
    yield "mobilenet_v2-shared", config("mobilenet_v2", "shared", False, "snd", (64, 48), 13, **SMALL_MOBILENET), "norm", "head"
    yield "mobilenet_v2-none", config("mobilenet_v2", "none", True, "n", (57, 43), resize="asymmetric", **SMALL_MOBILENET), "norm", "input"
    yield "vgg16-cross-stitch", config("vgg16", "cross-stitch", False, "sn", (64, 48), 5, **TINY_VGG), "norm", "head"
    yield "vgg16-sluice", config("vgg16", "sluice", False, "snd", (61, 45), 5, resize="align-corners", **TINY_VGG), "norm", "input"
    yield "mobilenet_v2-sluice", config("mobilenet_v2", "sluice", True, "nd", (80, 64), output_stride=16, **TINY_MOBILENET), "norm", "head"
    yield "resnet18-nddr", config("resnet18", "nddr", True, "sdn", (64, 48), 5, **TINY_RESNET), "norm", "head"
    yield "resnet50-sluice", config("resnet50", "sluice", True, "nd", (56, 72), output_stride=16, resize="align-corners", **TINY_RESNET), "norm", "input"
    yield "resnet18-shared", config("resnet18", "shared", True, "sn", (61, 45), 5, head="largefov", pool_padding="same", **TINY_RESNET), "norm", "head"
    # what the others leave out: four tasks, a deep backbone, cross-stitch behind other trunks and with shortcuts, a ResNet for each task
    yield "vgg16-nddr-four", config("vgg16", "nddr", False, "snds", (56, 48), 5, **TINY_VGG), "norm", "head"
    yield "vgg16-sluice-shortcut", config("vgg16", "sluice", True, "sn", (64, 48), 5, **TINY_VGG), "norm", "head"
    yield "mobilenet_v2-cross-stitch", config("mobilenet_v2", "cross-stitch", True, "sn", (64, 48), 5, **TINY_MOBILENET), "norm", "head"
    yield "resnet18-cross-stitch", config("resnet18", "cross-stitch", True, "snd", (57, 43), 5, output_stride=16, **TINY_RESNET), "norm", "input"
    yield "resnet18-none", config("resnet18", "none", True, "sn", (64, 48), 5, head="largefov", **TINY_RESNET), "norm", "head"
    yield "resnet101-shared", config("resnet101", "shared", False, "sn", (56, 48), 5, **TINY_RESNET), "norm", "head"
    # … and the paper's others on it
    yield "resnet101-nddr", config("resnet101", "nddr", False, "sn", (56, 48), 5, **TINY_RESNET), "norm", "head"
    yield "resnet101-cross-stitch", config("resnet101", "cross-stitch", True, "sn", (56, 48), 5, **TINY_RESNET), "norm", "input"
    yield ("resnet101-sluice", config("resnet101", "sluice", False, "sn", (64, 48), 5, head="largefov", output_stride=16, **TINY_RESNET), "norm",
           "head")


def is_buffer(name):
    return name.endswith((".running_mean", ".running_var"))


def multiplier(name):
    if name.startswith(("nddr.", "stitch.", "sluice.", "shortcut.")):
        return SETTINGS["lr_fusion"]
    if ".fc8." in name or ".aspp." in name:
        return SETTINGS["lr_head_weight" if name.endswith(".weight") else "lr_head_bias"]
    return 1


def loss_of(task, output, label):
    if task["kind"] == "segmentation":
        return F.cross_entropy(output, torch.from_numpy(label).long(), ignore_index=255)
    label = torch.from_numpy(label).to(output.dtype)
    if task["kind"] == "depth":
        return (output[:, 0] - label).abs()[label > 0].mean()
    cosine = F.cosine_similarity(output, label[..., :3].permute(0, 3, 1, 2), dim=1, eps=1e-8)
    return (1 - cosine)[label[..., 3] > 0].mean()


class Run:
    def __init__(self, name, configuration, affine, resolution, dtype):
        self.name, self.config, self.resolution, self.dtype = name, configuration, resolution, dtype
        self.tensors, self.velocities = {}, {}
        self.network = reference.Network(configuration, self.get, affine, training=True, momentum=SETTINGS["bn_momentum"])

    def get(self, name, shape):
        if name not in self.tensors:
            tensor = torch.from_numpy(generator.parameter(name, shape, calm=True)).to(self.dtype)
            self.tensors[name] = tensor if is_buffer(name) else tensor.requires_grad_()
        return self.tensors[name]

    def losses(self, t):
        """Each task's loss in step t, and the heads."""
        size = self.config["input"]
        picture = generator.picture(f"{self.name}.{t}", SETTINGS["batch"], size["height"], size["width"])
        heads = self.network(torch.from_numpy(picture).to(self.dtype))
        losses = []
        for task in self.config["tasks"]:
            output = heads[task["name"]]
            if self.resolution == "input":
                output = reference.resize(output, size["height"], size["width"], self.network.config["resize"])
            first = next(other for other in self.config["tasks"] if other["kind"] == task["kind"])
            label = generator.label(f"{self.name}.{t}.{first['name']}", task, SETTINGS["batch"], *output.shape[2:])
            losses.append(loss_of(task, output, label))
        return losses, heads

    def step(self, t):
        """(losses, gradients, heads) of step t, which is then taken."""
        losses, heads = self.losses(t)
        total = sum(WEIGHTS[task["kind"]] * loss for task, loss in zip(self.config["tasks"], losses))
        if self.config["fusion"] == "sluice":
            total = total + SETTINGS["sluice_penalty"] * self.network.penalty()
        names = [name for name in self.tensors if not is_buffer(name)]
        gradients = dict(zip(names, torch.autograd.grad(total, [self.tensors[name] for name in names])))
        with torch.no_grad():
            for name, gradient in gradients.items():
                weight = self.tensors[name]
                change = gradient + SETTINGS["weight_decay"] * weight if weight.dim() == 4 else gradient
                velocity = self.velocities.get(name)
                velocity = change.clone() if velocity is None else SETTINGS["momentum"] * velocity + change
                self.velocities[name] = velocity
                weight -= SETTINGS["lr"] * multiplier(name) * velocity
        return [total.item()] + [loss.item() for loss in losses], gradients, heads

    def train(self):
        """(losses, first gradients, first heads, movements)"""
        losses, first = [], None
        for t in range(1, SETTINGS["steps"] + 1):
            row, gradients, heads = self.step(t)
            losses.append(row)
            first = first or (gradients, heads)
        movements = {name: tensor.detach().double().numpy() - generator.parameter(name, tuple(tensor.shape), calm=True).astype(np.float64)
                     for name, tensor in self.tensors.items()}
        return (np.array(losses), {name: g.double().numpy() for name, g in first[0].items()},
                {name: h.detach().double().numpy() for name, h in first[1].items()}, movements)


def exponent(tensors):
    """What brings the largest to 2^14 … 2^15."""
    return 14 - math.floor(math.log2(max(np.abs(x).max() for x in tensors.values())))


def distance(a, b):
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-30))


def make():
    tensors, metadata = {}, {}
    for case in cases():
        name, configuration, affine, resolution = case
        losses, gradients, heads, movements = Run(*case, torch.float64).train()
        coarse = Run(*case, torch.float32).train()
        movements = {key: x for key, x in movements.items() if distance(coarse[3][key], x) < 0.01}
        scales = {"gradient": exponent(gradients), "movement": exponent(movements)}
        for what, group in (("gradient", gradients), ("movement", movements)):
            for key in sorted(group):
                tensors[f"{name}/{what}/{key}"] = (group[key] * 2.0 ** scales[what]).astype(np.float16)
        tensors[f"{name}/losses"] = losses.astype(np.float32)
        for task, head in heads.items():
            tensors[f"{name}/head/{task}"] = head.astype(np.float32)
        metadata[name] = json.dumps(configuration, separators=(",", ":"))
        metadata[name + ".affine"] = affine
        metadata[name + ".training"] = json.dumps({**SETTINGS, "resolution": resolution, "weights": [WEIGHTS[t["kind"]] for t in configuration["tasks"]],
                                                   "gradient_exponent": scales["gradient"], "movement_exponent": scales["movement"]})
        total = math.sqrt(sum((x**2).sum() for x in gradients.values()))
        print(f"{name}: {sum(x.size for x in gradients.values())} parameters; PyTorch's float32: losses {np.abs(coarse[0] / losses - 1).max():.0e}, gradients "
              f"{max(np.linalg.norm(coarse[1][key] - x) / max(np.linalg.norm(x), 1e-4 * total) for key, x in gradients.items()):.0e}; "
              f"{len(movements)} of {len(coarse[3])} movements resolved", file=sys.stderr)
    return tensors, metadata


def check(path, tensors, metadata):
    """Whether the file says the same.  Which movements are resolved may differ at the border between builds of PyTorch."""
    old, old_metadata = safetensors.read(path)
    wrong = [key for key in {*metadata, *old_metadata} if metadata.get(key) != old_metadata.get(key)]
    wrong += [name for name in {*tensors} ^ {*old} if "/movement/" not in name]
    for name in {*tensors} & {*old}:
        new, golden = tensors[name].astype(np.float64), old[name].astype(np.float64)
        # what is zero but for rounding may be any rounding
        if new.shape != golden.shape or np.linalg.norm(new - golden) > 1e-4 * np.linalg.norm(golden) + 1e-3:
            wrong.append(name)
    for name in sorted(wrong):
        print(f"{path.name}: {name} differs", file=sys.stderr)
    return not wrong


if __name__ == "__main__":
    torch.set_num_threads(1)
    made = make()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if check(PATH, *made) else 1)
    safetensors.write(PATH, *made)
    print(f"{PATH}: {PATH.stat().st_size} bytes, {len(made[0])} tensors")

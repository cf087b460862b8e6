#!/usr/bin/python3
# Makes golden/import.safetensors: files of weights as PyTorch programs write them, by what they hold, and what those networks give. By PyTorch
# and torchvision (Debian's python3-torch, python3-torchvision).
#
#   make_import_goldens.py            writes the file
#   make_import_goldens.py --check    makes it again and compares
#
# The PyTorch port of NDDR-CNN: for each case C, metadata "C" is JSON: "size" [width, height], "tensors" [name, value, shape...] in the state dict's
# order, where a tensor's numbers are generator.py's for the name "value" (what is registered twice has one value), and "nets", the channels of the
# heads; tensor "C/N" is what head N gives, before upsampling, for the picture C.
#
# torchvision's backbones, at an eighth of their width or a quarter: for each case C, metadata "C" is JSON: "tensors" as above, "backbone", "kept",
# how many of the tensors are a trunk's, and "names": from a trunk's tensor in docs/model-format.md to torchvision's, by their order; null: they are
# the same.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "network"))
sys.dont_write_bytecode = True
import generator  # noqa: E402
import safetensors  # noqa: E402

PATH = pathlib.Path(__file__).parent / "golden" / "import.safetensors"
MEAN = (122.67891434, 116.66876762, 104.00698793)  # of red, green and blue from 0 to 255
EPS = 1e-3
VGG = [(64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)]

# ---- the port: its state dict's names are its modules'


def convolution(channels, out, kernel=1, dilation=1):
    return [nn.Conv2d(channels, out, kernel, padding=dilation * (kernel - 1) // 2, dilation=dilation, bias=False), nn.BatchNorm2d(out, eps=EPS)]


class Stage(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.feature = nn.Sequential(*layers)


class Trunk(nn.Module):
    """A network alone: its stages, the same layers again as one sequence, its head."""

    def __init__(self, width, hidden, out):
        super().__init__()
        everything, stages, channels = [], [], 3
        for i, widths in enumerate(VGG):
            layers = []
            for full in widths:
                layers += [*convolution(channels, full // width, 3, 2 if i == 4 else 1), nn.ReLU()]
                channels = full // width
            layers += [nn.ConstantPad2d((0, 1, 0, 1), 0), nn.MaxPool2d(3, 2)] if i < 3 else [nn.MaxPool2d(3, 1, 1)]
            layers += [nn.AvgPool2d(3, 1, 1, count_include_pad=False)] if i == 4 else []
            stages.append(Stage(layers))
            everything += layers
        self.stages = nn.ModuleList(stages)
        self.features = nn.Sequential(*everything)
        self.head = nn.Sequential(*convolution(channels, hidden, 3, 12), nn.ReLU(), nn.Dropout(), *convolution(hidden, hidden), nn.ReLU(), nn.Dropout(),
                                  nn.Conv2d(hidden, out, 1))

    def forward(self, x):
        for stage in self.stages:
            x = stage.feature(x)
        return [self.head(x)]


class Mixture(nn.Module):
    """One NDDR layer."""

    def __init__(self, channels):
        super().__init__()
        self.conv1, self.bn1 = convolution(2 * channels, channels)
        self.conv2, self.bn2 = convolution(2 * channels, channels)

    def forward(self, both):
        x = torch.cat(both, 1)
        return [F.relu(self.bn1(self.conv1(x))), F.relu(self.bn2(self.conv2(x)))]


class Pair(nn.Module):
    def __init__(self, width, hidden, outs, shortcut):
        super().__init__()
        channels = [widths[-1] // width for widths in VGG]
        self.net1, self.net2 = (Trunk(width, hidden, out) for out in outs)
        last = nn.Sequential(*convolution(sum(channels), channels[-1]), nn.ReLU()) if shortcut else None
        self.nddrs = nn.ModuleDict({"nddrs": nn.ModuleList([Mixture(c) for c in channels]), "shortcut": last})

    def forward(self, picture):
        both, stages = [picture, picture], []
        for i, mixture in enumerate(self.nddrs["nddrs"]):
            both = mixture([net.stages[i].feature(x) for net, x in zip((self.net1, self.net2), both)])
            stages.append(both)
        if self.nddrs["shortcut"] is not None:
            size = both[0].shape[2:]
            both = [self.nddrs["shortcut"](torch.cat([F.interpolate(s[t], size, mode="bilinear", align_corners=True) for s in stages], 1)) for t in range(2)]
        return [net.head(x) for net, x in zip((self.net1, self.net2), both)]


def describe(module):
    """[name, value, shape...] of each tensor of its state dict, which is set to those values."""
    first, rows = {}, []
    for name, tensor in module.state_dict(keep_vars=True).items():
        value = first.setdefault(tensor.data_ptr(), name)
        rows.append([name, value, *tensor.shape])
        if not name.endswith("num_batches_tracked"):
            tensor.data.copy_(torch.from_numpy(generator.parameter(value, tuple(tensor.shape))))
    return rows


def port_cases():
    yield "port-shortcut", Pair(8, 64, (40, 3), True), (61, 45), [40, 3]
    yield "port", Pair(8, 32, (3, 5), False), (64, 48), [3, 5]
    yield "port-alone", Trunk(8, 32, 1), (50, 71), [1]


def run_port(name, module, size):
    rows = describe(module)
    module = module.double().eval()
    image = (torch.from_numpy(generator.picture(name, 1, size[1], size[0])).double() + 2) / 4  # in [0, 1)
    with torch.no_grad():
        heads = module(255 * image - torch.tensor(MEAN, dtype=torch.float64).view(1, 3, 1, 1))
    return rows, {f"{name}/{t}": x[0].numpy().astype(np.float32) for t, x in enumerate(heads)}


# ---- torchvision


def vgg_names(features):
    """Ours to torchvision's: the convolutions in order, and the normalisation behind each."""
    names, modules = {}, list(features.named_children())
    convolutions = [i for i, (_, module) in enumerate(modules) if isinstance(module, nn.Conv2d)]
    ours = [f"conv{i + 1}_{j + 1}" for i, widths in enumerate(VGG) for j in range(len(widths))]
    for base, i in zip(ours, convolutions, strict=True):
        names.update({f"{base}.{part}": f"features.{modules[i][0]}.{part}" for part in ("weight", "bias")})
        if isinstance(modules[i + 1][1], nn.BatchNorm2d):
            parts = ("weight", "bias", "running_mean", "running_var")
            names.update({f"{base}.bn.{part}": f"features.{modules[i + 1][0]}.{part}" for part in parts})
    return names


def vgg(normed):
    layout = [c for i, widths in enumerate(VGG) for c in [*(full // 8 for full in widths), "M"]]
    model = torchvision.models.VGG(torchvision.models.vgg.make_layers(layout, batch_norm=normed), num_classes=2)
    model.classifier = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 2))  # nobody reads it: a small one
    return model, vgg_names(model.features)


def kept(model, ignored):
    return sum(not name.startswith(ignored) and not name.endswith("num_batches_tracked") for name in model.state_dict())


def torchvision_cases():
    """(name, backbone, rows, names or None where they are the same, how many tensors a trunk has)"""
    for name, normed in (("vgg16", False), ("vgg16_bn", True)):
        model, names = vgg(normed)
        yield name, "vgg16", [[key, key, *x.shape] for key, x in model.state_dict().items()], names, len(names)
    model = torchvision.models.mobilenet_v2(width_mult=0.25, num_classes=2)
    yield "mobilenet_v2", "mobilenet_v2", [[key, key, *x.shape] for key, x in model.state_dict().items()], None, kept(model, ("classifier.", "features.18."))
    for name in ("resnet18", "resnet50", "resnet101"):
        model = getattr(torchvision.models, name)(num_classes=8)
        narrow = [[key, key, *(size // 8 if size >= 64 else size for size in x.shape)] for key, x in model.state_dict().items()]
        yield name, name, narrow, None, kept(model, "fc.")


def make():
    tensors, metadata = {}, {}
    for name, module, size, nets in port_cases():
        rows, heads = run_port(name, module, size)
        tensors.update(heads)
        metadata[name] = json.dumps({"size": size, "nets": nets, "tensors": rows}, separators=(",", ":"))
    for name, backbone, rows, names, n in torchvision_cases():
        metadata[name] = json.dumps({"backbone": backbone, "names": names, "kept": n, "tensors": rows}, separators=(",", ":"))
    return tensors, metadata


def check(tensors, metadata):
    old_tensors, old_metadata = safetensors.read(PATH)
    if old_metadata != metadata or list(old_tensors) != list(tensors):
        print(f"{PATH}: is of other cases", file=sys.stderr)
        return False
    worst = max(float(np.abs(x - old_tensors[name]).max() / np.abs(x).max()) for name, x in tensors.items())
    print(f"{PATH}: PyTorch gives the same within {worst:.1e}")
    return worst <= 1e-6


if __name__ == "__main__":
    torch.set_num_threads(1)
    made = make()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if check(*made) else 1)
    PATH.parent.mkdir(exist_ok=True)
    safetensors.write(PATH, *made)
    print(f"{PATH}: {PATH.stat().st_size} bytes, {len(made[0])} outputs")

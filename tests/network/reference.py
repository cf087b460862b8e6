# The networks of docs/model-format.md in PyTorch, from a config and named tensors.  Written from that page alone, with
# nothing but torch.nn.functional, so that what it shares with the library is the page.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import math

import torch
import torch.nn.functional as F

VGG16 = [(64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)]
MOBILENET = {  # block: output width
    1: 16, 2: 24, 3: 24, 4: 32, 5: 32, 6: 32, 7: 64, 8: 64, 9: 64, 10: 64, 11: 96, 12: 96, 13: 96, 14: 160, 15: 160, 16: 160, 17: 320,
}
MOBILENET_STAGES = [(1, 2, 3), (4, 5, 6), (7, 8, 9, 10), (11, 12, 13), (14, 15, 16, 17)]
RESNETS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}  # blocks of layer1 to layer4
MOBILENET_RESIDUAL = {3, 5, 6, 8, 9, 10, 12, 13, 15, 16}
DEFAULTS = {"width": 1.0, "fusion": "nddr", "shortcut": False, "output_stride": 8, "norm_eps": 1e-5, "pool_padding": "both", "resize": "half-pixel"}


def scale(c, width):
    return max(8, 8 * math.floor(c * width / 8 + 0.5))


def channels(task):
    return {"segmentation": len(task.get("classes", [])), "normal": 3, "depth": 1}[task["kind"]]


def resize(x, height, width, mode):
    """Bilinear; asymmetric is TensorFlow 1's: a destination pixel's source is dst * in / out, and the last row repeats."""
    if mode != "asymmetric":
        return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=mode == "align-corners")
    for dim, size in ((2, height), (3, width)):
        n = x.shape[dim]
        source = torch.arange(size, dtype=torch.float64) * n / size
        low = source.floor().long()
        weight = (source - low).to(x.dtype)
        weight = weight.view(-1, 1) if dim == 2 else weight
        x = x.index_select(dim, low) * (1 - weight) + x.index_select(dim, (low + 1).clamp(max=n - 1)) * weight
    return x


def halve(x, padding):
    """3x3 stride-2 max pool."""
    h, w = x.shape[2:]
    if padding == "both":
        left, top, right, bottom = 1, 1, 1, 1
    elif padding == "end":
        left, top, right, bottom = 0, 0, 1, 1
    else:
        left, top, right, bottom = w % 2, h % 2, 1, 1
    return F.max_pool2d(F.pad(x, (left, right, top, bottom), value=-math.inf), 3, 2)


class Network:
    """config: as in a file. get (name, shape): a tensor. affine: what vgg16's trunks have behind a convolution: norm, bias or both.
    training: batch statistics; running ones are updated in place by momentum."""

    def __init__(self, config, get, affine="norm", training=False, momentum=0.05):
        self.config = {**DEFAULTS, **config}
        self.config.setdefault("head_width", self.config["width"])
        self.config.setdefault("head", "aspp" if self.config["backbone"] in RESNETS else "largefov")
        self.get, self.affine, self.training, self.momentum = get, affine, training, momentum

    def norm(self, x, name):
        weight, bias, mean, var = (self.get(f"{name}.{part}", (x.shape[1],)) for part in ("weight", "bias", "running_mean", "running_var"))
        return F.batch_norm(x, mean, var, weight, bias, self.training, self.momentum, self.config["norm_eps"])

    def convolution(self, x, name, out, kernel=1, stride=1, dilation=1, norm=None, bias=False, groups=1):
        self.last = name + ".weight"
        weight = self.get(name + ".weight", (out, x.shape[1] // groups, kernel, kernel))
        bias = self.get(name + ".bias", (out,)) if bias else None
        x = F.conv2d(x, weight, bias, stride, dilation * (kernel - 1) // 2, dilation, groups)
        return self.norm(x, norm) if norm else x

    # ---- backbones: stage i (from 0) of trunk t

    def vgg16(self, x, t, i):
        for j, c in enumerate(VGG16[i]):
            name = f"{t}.conv{i + 1}_{j + 1}"
            x = F.relu(self.convolution(x, name, scale(c, self.config["width"]), 3, 1, 2 if i == 4 else 1,
                                        norm=None if self.affine == "bias" else name + ".bn", bias=self.affine != "norm"))
        if i < 3:
            return halve(x, self.config["pool_padding"])
        x = F.max_pool2d(x, 3, 1, 1)
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) if i == 4 else x

    def mobilenet_v2(self, x, t, i):
        if i == 0:
            x = F.relu6(self.convolution(x, f"{t}.features.0.0", scale(32, self.config["width"]), 3, 2, norm=f"{t}.features.0.1"))
        for k in MOBILENET_STAGES[i]:
            x = self.block(x, f"{t}.features.{k}.conv", k)
        return x

    def block(self, x, name, k):
        if self.config["output_stride"] == 8:
            stride = 2 if k in (2, 4) else 1
            dilation = 4 if k >= 15 else 2 if k in (8, 9, 10, 11, 12, 13, 14) else 1
        else:
            stride = 2 if k in (2, 4, 7) else 1
            dilation = 2 if k >= 15 else 1
        y, j = x, 0
        if k > 1:
            y = F.relu6(self.convolution(y, f"{name}.0.0", 6 * x.shape[1], norm=f"{name}.0.1"))
            j = 1
        y = F.relu6(self.convolution(y, f"{name}.{j}.0", y.shape[1], 3, stride, dilation, norm=f"{name}.{j}.1", groups=y.shape[1]))
        y = self.convolution(y, f"{name}.{j + 1}", scale(MOBILENET[k], self.config["width"]), norm=f"{name}.{j + 2}")
        return x + y if k in MOBILENET_RESIDUAL else y

    def resnet(self, x, t, i):
        width = self.config["width"]
        if i == 0:
            x = F.relu(self.convolution(x, f"{t}.conv1", scale(64, width), 7, 2, norm=f"{t}.bn1"))
            return halve(x, self.config["pool_padding"])
        # torchvision's _make_layer: a dilated group's first block has the dilation so far
        dilated = {8: (False, False, True, True), 16: (False, False, False, True)}[self.config["output_stride"]]
        dilation = before = 1
        for group in range(i):
            before = dilation
            dilation *= 2 if dilated[group] else 1
        planes = scale(64 * 2 ** (i - 1), width)
        for b in range(RESNETS[self.config["backbone"]][i - 1]):
            first = b == 0
            stride = 2 if first and i > 1 and not dilated[i - 1] else 1
            x = self.residual(x, f"{t}.layer{i}.{b}", planes, stride, before if first else dilation, dilation)
        return x

    resnet18 = resnet50 = resnet101 = resnet

    def residual(self, x, name, planes, stride, first, dilation):
        bottleneck = self.config["backbone"] != "resnet18"
        out = 4 * planes if bottleneck else planes
        identity = x
        if stride != 1 or x.shape[1] != out:
            identity = self.convolution(x, name + ".downsample.0", out, 1, stride, norm=name + ".downsample.1")
        if bottleneck:
            y = F.relu(self.convolution(x, name + ".conv1", planes, norm=name + ".bn1"))
            y = F.relu(self.convolution(y, name + ".conv2", planes, 3, stride, first, norm=name + ".bn2"))
            y = self.convolution(y, name + ".conv3", out, norm=name + ".bn3")
        else:
            y = F.relu(self.convolution(x, name + ".conv1", planes, 3, stride, first, norm=name + ".bn1"))
            y = self.convolution(y, name + ".conv2", out, 3, 1, dilation, norm=name + ".bn2")
        return F.relu(y + identity)

    # ---- the whole

    def mix(self, features, i):
        """nddr.i: from each task's features to each task's."""
        together = torch.cat(list(features.values()), 1)
        mixed = {}
        for task, x in features.items():
            name = f"nddr.{i + 1}.{task}"
            mixed[task] = self.convolution(together, name, x.shape[1], norm=name + ".bn")
            if self.config["backbone"] != "mobilenet_v2":
                mixed[task] = F.relu(mixed[task])
        return mixed

    def stitch(self, features, i):
        """stitch.i: each channel of each task from all tasks' same channel."""
        together = torch.stack(list(features.values()), 1)  # [batch, K, C, h, w]
        k, c = together.shape[1:3]
        mixed = torch.einsum("cab,nbchw->nachw", self.get(f"stitch.{i + 1}.weight", (c, k, k)), together)
        return dict(zip(features, mixed.unbind(1)))

    def sluice(self, features, i):
        """sluice.i: each half of each task from all tasks' halves."""
        halves = torch.stack([half for x in features.values() for half in x.chunk(2, 1)], 1)
        k = halves.shape[1]
        mixed = torch.einsum("rq,nqchw->nrchw", self.get(f"sluice.{i + 1}.weight", (k, k)), halves)
        return {t: mixed[:, 2 * j:2 * j + 2].flatten(1, 2) for j, t in enumerate(features)}

    def skips(self, stages, t):
        """What a sluice network's head reads: its stages, added up."""
        h, w = stages[-1].shape[2:]
        beta = self.get(f"sluice.beta.{t}", (len(stages),))
        total = beta[-1] * stages[-1]
        for i, x in enumerate(stages[:-1]):
            x = resize(x, h, w, self.config["resize"])
            total = total + beta[i] * self.convolution(x, f"sluice.skip.{i + 1}.{t}", stages[-1].shape[1])
        return total

    def penalty(self):
        """How far the halves of a sluice network's filters overlap, once it has run."""
        total = 0
        for name in self.ends:
            upper, lower = self.get(name, None).flatten(1).chunk(2)
            total = total + (upper @ lower.T).square().sum()
        return total

    def shortcut(self, stages, t):
        h, w = stages[-1].shape[2:]
        together = torch.cat([resize(x, h, w, self.config["resize"]) for x in stages], 1)
        name = f"shortcut.{t}"
        return F.relu(self.convolution(together, name, stages[-1].shape[1], norm=name + ".bn"))

    def aspp(self, x, task):
        step = 6 if self.config["output_stride"] == 8 else 3
        return sum(self.convolution(x, f"{task['name']}.aspp.{i}", channels(task), 3, 1, (i + 1) * step, bias=True) for i in range(4))

    def head(self, x, task):
        if self.config["head"] == "aspp":
            return self.aspp(x, task)
        hidden = scale(1024, self.config["head_width"])
        n = task["name"]
        x = F.relu(self.convolution(x, n + ".fc6", hidden, 3, 1, 12 if self.config["output_stride"] == 8 else 6, norm=n + ".fc6.bn"))
        x = F.relu(self.convolution(x, n + ".fc7", hidden, norm=n + ".fc7.bn"))
        return self.convolution(x, n + ".fc8", channels(task), bias=True)

    def __call__(self, picture):
        """[batch, 3, h, w] -> for each task [batch, channels, h', w']"""
        config = self.config
        stage = getattr(self, config["backbone"])
        names = [task["name"] for task in config["tasks"]]
        trunks = ["shared"] if config["fusion"] == "shared" else names
        features, stages = {t: picture for t in trunks}, []
        fuse = {"nddr": self.mix, "cross-stitch": self.stitch, "sluice": self.sluice}.get(config["fusion"]) if len(names) > 1 else None
        self.ends = []
        for i in range(5):
            before, features = features, {}
            for t, x in before.items():
                features[t] = stage(x, t, i)
                if fuse == self.sluice:
                    self.ends.append(self.last)
            if fuse:
                features = fuse(features, i)
            stages.append(features)
        if fuse == self.sluice and not config["shortcut"]:
            features = {t: self.skips([s[t] for s in stages], t) for t in trunks}
        if config["shortcut"]:
            features = {t: self.shortcut([s[t] for s in stages], t) for t in trunks}
        return {task["name"]: self.head(features[trunks[0] if len(trunks) == 1 else task["name"]], task) for task in config["tasks"]}

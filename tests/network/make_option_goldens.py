#!/usr/bin/python3
# Makes tests/network/golden/options.safetensors: ten steps of training of a small network under each option of a recipe's [train] and
# [loss], by PyTorch's own optimisers and clip_grad_norm_() in double precision.
#
#   make_option_goldens.py            writes the file
#   make_option_goldens.py --check    makes it again and compares
#
# As make_training_goldens.py's file, without first gradients and heads.  More in "C.training": optimizer, sets (what a recipe says
# beyond what is listed there), epoch (pictures of the data set, where a weighting has epochs), class_weights (where classes have some).  And the tensors
#
#   C/norms               [steps]: of all gradients, before clipping
#   C/weights             [steps, tasks]: what each loss counts with in that step
#
# "C.teacher" is the config of the network that teaches, where there is one, its tensors generated, and not calm: calm
# ones would give the same whatever it sees.
#
# A step sees picture "C.t" and labels "C.t.TASK", batch * accumulate of them; batch m are those from m * batch on.  The means of losses are over
# all valid pixels of a step.  Of picture i of a step all but the last i % 3 columns and i % 2 rows of labels are shown, which is where a teacher counts;
# and where there is one, the first 24 columns of all pictures are 0, as of what has the colour of the mean.
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
import make_training_goldens as training
import reference
import safetensors
from make_goldens import config

PATH = pathlib.Path(__file__).parent / "golden" / "options.safetensors"
NETWORK = config("vgg16", "nddr", True, "sn", (48, 40), 5, width=0.03125, head_width=0.015625)
DEFAULTS = {"batch": 2, "accumulate": 1, "steps": 10, "optimizer": "sgd", "lr": 3e-4, "momentum": 0.9, "beta1": 0.9, "beta2": 0.999, "adam_eps": 1e-8,
            "bn_momentum": 0.05, "weight_decay": 2.5e-4, "lr_fusion": 100, "lr_head_weight": 10, "lr_head_bias": 20, "clip_norm": 0,
            "bn_mode": "train", "bn_scope": "all", "weighting": "fixed", "lr_weighting": 1, "dwa_temperature": 2, "resolution": "head",
            "distillation_weight": 0.5, "temperature": 1, "normal_loss": "cosine"}
SLUICE = config("vgg16", "sluice", False, "sd", (48, 40), 5, width=0.03125, head_width=0.015625)
CLASS_WEIGHTS = [0.5, 2.5, 1, 0, 4]
# what it sees is not normalised as what the learner sees
TEACHER = config("mobilenet_v2", "shared", False, "sn", (48, 40), 5, width=0.25, head_width=0.03125, output_stride=16, resize="align-corners")
TEACHER["input"].update(mean=[0.1, -0.2, 0.05], std=[1.5, 0.8, 1.2])
ADAMW = {"optimizer": "adamw", "lr": 1e-3, "lr_fusion": 2, "lr_head_weight": 1, "lr_head_bias": 1, "weight_decay": 0.01}


def cases():
    """(name, what differs from DEFAULTS; network: from NETWORK)"""
    yield "adamw", ADAMW
    yield "clip", {"clip_norm": 24}
    yield "clip-adamw", {**ADAMW, "clip_norm": 20}
    yield "accumulate", {"accumulate": 3}
    yield "bn-eval", {"bn_mode": "eval"}
    yield "bn-frozen", {"bn_mode": "frozen"}
    yield "bn-frozen-trunk", {**ADAMW, "bn_mode": "frozen", "bn_scope": "trunk", "clip_norm": 20}
    yield "uncertainty", {"weighting": "uncertainty", "lr_weighting": 200}
    yield "uncertainty-adamw", {**ADAMW, "weighting": "uncertainty", "lr_weighting": 50}
    yield "dwa", {"weighting": "dwa", "epoch": 5}
    yield "dwa-accumulate", {"weighting": "dwa", "epoch": 7, "accumulate": 2, "dwa_temperature": 0.5, "lr": 1e-4}
    yield "accumulate-clip-adamw", {**ADAMW, "accumulate": 2, "clip_norm": 18}
    # as PyTorch's CrossEntropyLoss (weight), over all pixels of a step
    yield "class-weights-clip", {"clip_norm": 20, "class_weights": CLASS_WEIGHTS}
    yield "class-weights-accumulate", {**ADAMW, "accumulate": 2, "class_weights": CLASS_WEIGHTS}
    # the penalty is no loss of pixels: it counts once a step, however many batches that has
    yield "accumulate-sluice", {"network": SLUICE, "accumulate": 3, "sluice_penalty": 0.5, "lr_fusion": 10}
    yield "distillation-clip", {"teacher": TEACHER, "distillation_weight": 0.7, "temperature": 2, "clip_norm": 20}
    # a teacher of segmentation alone, at the input's resolution; both losses of a task are weighed as one
    yield "distillation-accumulate-uncertainty", {**ADAMW, "accumulate": 2, "weighting": "uncertainty", "lr_weighting": 50, "resolution": "input",
                                                  "teacher": {**NETWORK, "tasks": NETWORK["tasks"][:1], "width": 0.0625}}
    yield "angle-clip", {"normal_loss": "angle", "clip_norm": 20}
    yield "angle-distillation", {**ADAMW, "normal_loss": "angle", "teacher": TEACHER, "resolution": "input"}
    yield "distillation-depth", {"network": SLUICE, "sluice_penalty": 0.5, "lr_fusion": 10, "teacher": {**SLUICE, "width": 0.0625}, "distillation_weight": 1}


class Network(reference.Network):
    """mode: train, eval or frozen; scope: all or trunk."""

    def __init__(self, *args, mode, scope, **more):
        super().__init__(*args, **more)
        self.mode, self.scope = mode, scope

    def is_frozen(self, name):
        return self.mode != "train" and (self.scope == "all" or ".conv" in name)

    def norm(self, x, name):
        self.training = not self.is_frozen(name)
        return super().norm(x, name)

    def is_learnt(self, name):
        return not training.is_buffer(name) and not (self.mode == "frozen" and ".bn." in name and self.is_frozen(name))


def valid_pixels(task, label):
    """A mask, [batch, h, w]."""
    if task["kind"] == "segmentation":
        return torch.from_numpy(label != 255)
    return torch.from_numpy(label[..., 3] > 0 if task["kind"] == "normal" else label > 0)


def count(task, label, class_weights):
    """What the valid pixels count together."""
    valid = valid_pixels(task, label)
    if task["kind"] == "segmentation" and class_weights is not None:
        return class_weights[torch.from_numpy(label).long()[valid]].sum().item()
    return valid.sum().item()


def normal_loss(output, truth, kind):
    """Of each pixel."""
    cosine = F.cosine_similarity(output, truth, dim=1, eps=1e-8)
    return torch.acos(cosine) if kind == "angle" else 1 - cosine


def loss_sum(task, output, label, class_weights, kind):
    """A task's loss summed over the valid pixels; kind: of normals."""
    valid = valid_pixels(task, label)
    if task["kind"] == "segmentation":
        return F.cross_entropy(output, torch.from_numpy(label).long(), weight=class_weights, ignore_index=255, reduction="sum")
    label = torch.from_numpy(label).to(output.dtype)
    if task["kind"] == "depth":
        return (output[:, 0] - label).abs()[valid].sum()
    return normal_loss(output, label[..., :3].permute(0, 3, 1, 2), kind)[valid].sum()


def distillation_sum(task, output, taught, shown, temperature, kind):
    """The loss of what a teacher gives, summed over the pixels of a mask."""
    if task["kind"] == "segmentation":
        divergence = F.kl_div(F.log_softmax(output / temperature, 1), F.log_softmax(taught / temperature, 1), log_target=True, reduction="none")
        return temperature**2 * divergence.sum(1)[shown].sum()
    if task["kind"] == "depth":
        return (output - taught).abs()[:, 0][shown].sum()
    return normal_loss(output, taught, kind)[shown].sum()


def shown_pixels(n, height, width):
    """A mask, [n, height, width]."""
    mask = torch.zeros(n, height, width, dtype=torch.bool)
    for i in range(n):
        mask[i, :height - i % 2, :width - i % 3] = True
    return mask


def bring(x, size, mode):
    """x resized as the network's `resize` says."""
    return x if x.shape[2:] == size else F.interpolate(x, size=size, mode="bilinear", align_corners=mode == "align-corners")


class Run:
    def __init__(self, name, options, dtype):
        self.name, self.options, self.dtype = name, {**DEFAULTS, **options}, dtype
        self.config = self.options.get("network", NETWORK)
        self.tasks, self.tensors = self.config["tasks"], {}
        self.network = Network(self.config, self.get, training=True, momentum=self.options["bn_momentum"], mode=self.options["bn_mode"],
                               scope=self.options["bn_scope"])
        self.network(torch.zeros(2, 3, 32, 32, dtype=dtype))  # so that all tensors are there
        self.tensors = {name: self.new(name, tuple(tensor.shape)) for name, tensor in self.tensors.items()}
        self.log_variances = [torch.tensor(-0.5, dtype=dtype, requires_grad=True) for _ in self.tasks]
        self.optimizer = self.make_optimizer()
        self.teacher = self.options.get("teacher")
        self.teacher_tensors = {}
        weights = self.options.get("class_weights")
        self.class_weights = torch.tensor(weights, dtype=dtype) if weights else None
        self.epochs = []  # of each, the steps' losses

    def new(self, name, shape):
        tensor = torch.from_numpy(generator.parameter(name, shape, calm=True)).to(self.dtype)
        return tensor.requires_grad_(self.network.is_learnt(name))

    def get(self, name, shape):
        if name not in self.tensors:
            self.tensors[name] = self.new(name, shape)
        return self.tensors[name]

    def teach(self, picture):
        """What the teacher gives for each task that it knows."""
        if not self.teacher:
            return {}

        def get(name, shape):
            if name not in self.teacher_tensors:
                self.teacher_tensors[name] = torch.from_numpy(generator.parameter(name, shape)).to(self.dtype)
            return self.teacher_tensors[name]

        own, ours = self.teacher["input"], self.config["input"]
        column = [torch.tensor(values, dtype=self.dtype).reshape(1, 3, 1, 1) for values in (own["mean"], own["std"], ours["mean"], ours["std"])]
        with torch.no_grad():
            return reference.Network(self.teacher, get)((picture * column[3] + column[2] - column[0]) / column[1])

    def multiplier(self, name):
        if name.startswith(("nddr.", "sluice.", "shortcut.")):
            return self.options["lr_fusion"]
        if ".fc8." in name:
            return self.options["lr_head_weight" if name.endswith(".weight") else "lr_head_bias"]
        return 1

    def learnt(self):
        return {name: tensor for name, tensor in self.tensors.items() if tensor.requires_grad}

    def make_optimizer(self):
        o = self.options
        groups = [{"params": [tensor], "lr": o["lr"] * self.multiplier(name), "weight_decay": o["weight_decay"] if tensor.dim() == 4 else 0}
                  for name, tensor in self.learnt().items()]
        if o["weighting"] == "uncertainty":
            groups.append({"params": self.log_variances, "lr": o["lr"] * o["lr_weighting"], "weight_decay": 0})
        if o["optimizer"] == "sgd":
            return torch.optim.SGD(groups, lr=o["lr"], momentum=o["momentum"])
        return torch.optim.AdamW(groups, lr=o["lr"], betas=(o["beta1"], o["beta2"]), eps=o["adam_eps"])

    def weigh(self, t):
        """What each loss counts with in step t, as tensors: Kendall's and Liu's formulas, times the fixed weights."""
        o, fixed = self.options, [training.WEIGHTS[task["kind"]] for task in self.tasks]
        if o["weighting"] == "uncertainty":
            return [weight / (2 * torch.exp(s)) for weight, s in zip(fixed, self.log_variances)]
        if o["weighting"] == "dwa":
            epoch = (t - 1) * o["batch"] * o["accumulate"] // o["epoch"]
            if epoch == len(self.epochs):
                self.epochs.append([])
            if epoch >= 2:
                last, before = (torch.tensor(self.epochs[e], dtype=torch.float64).mean(0) for e in (epoch - 1, epoch - 2))
                return list(torch.tensor(fixed) * len(fixed) * torch.softmax(last / before / o["dwa_temperature"], 0))
        return [torch.tensor(float(weight)) for weight in fixed]

    def step(self, t):
        """(each task's loss, its weight, the weighted sum, the gradients' norm) of step t = 1, 2, …, which is then taken."""
        o, size = self.options, self.config["input"]
        n = o["batch"] * o["accumulate"]
        picture = torch.from_numpy(generator.picture(f"{self.name}.{t}", n, size["height"], size["width"])).to(self.dtype)
        if self.teacher:
            picture[:, :, :, :24] = 0
        losses = [0.0] * len(self.tasks)
        labels = None
        self.optimizer.zero_grad()
        used = [weight.item() for weight in self.weigh(t)]
        for batch in picture.split(o["batch"]):
            heads = self.network(batch)
            if o["resolution"] == "input":
                heads = {name: bring(head, batch.shape[2:], self.config.get("resize")) for name, head in heads.items()}
            taught = {name: bring(head, heads[name].shape[2:], self.teacher.get("resize")) for name, head in self.teach(batch).items()}
            if labels is None:
                labels = [generator.label(f"{self.name}.{t}.{task['name']}", task, n, *heads[task["name"]].shape[2:]) for task in self.tasks]
                counts = [count(task, label, self.class_weights) for task, label in zip(self.tasks, labels)]
                shown = shown_pixels(n, *heads[self.tasks[0]["name"]].shape[2:])
                done = 0
            parts = [loss_sum(task, heads[task["name"]], label[done:done + o["batch"]], self.class_weights, o["normal_loss"]) / n_valid
                     for task, label, n_valid in zip(self.tasks, labels, counts)]
            for k, task in enumerate(self.tasks):
                if task["name"] in taught:
                    mask, share = shown[done:done + o["batch"]], o["distillation_weight"]
                    extra = distillation_sum(task, heads[task["name"]], taught[task["name"]], mask, o["temperature"], o["normal_loss"]) / shown.sum()
                    parts[k] = (1 - share) * parts[k] + share * extra
            done += o["batch"]
            sum(weight * part for weight, part in zip(self.weigh(t), parts)).backward()
            losses = [loss + part.item() for loss, part in zip(losses, parts)]
        total = sum(weight * loss for weight, loss in zip(used, losses))
        if self.options["weighting"] == "uncertainty":
            extra = sum(s / 2 for s in self.log_variances)
            extra.backward()
            total += extra.item()
        if self.config["fusion"] == "sluice":
            penalty = o["sluice_penalty"] * self.network.penalty()
            penalty.backward()
            total += penalty.item()
        if self.epochs:
            self.epochs[-1].append(losses)
        learnt = list(self.learnt().values())
        norm = torch.nn.utils.clip_grad_norm_(learnt, o["clip_norm"] or math.inf).item()
        self.optimizer.step()
        return losses, used, total, norm

    def train(self):
        rows = [self.step(t) for t in range(1, self.options["steps"] + 1)]
        movements = {name: tensor.detach().double().numpy() - generator.parameter(name, tuple(tensor.shape), calm=True).astype(np.float64)
                     for name, tensor in self.tensors.items()}
        return {"losses": np.array([[total] + losses for losses, _, total, _ in rows]), "weights": np.array([weights for _, weights, _, _ in rows]),
                "norms": np.array([norm for _, _, _, norm in rows])}, movements


def make():
    tensors, metadata = {}, {}
    for name, options in cases():
        run = Run(name, options, torch.float64)
        rows, movements = run.train()
        coarse_rows, coarse = Run(name, options, torch.float32).train()
        movements = {key: x for key, x in movements.items() if training.distance(coarse[key], x) < 0.01 and np.abs(x).max() > 0}
        exponent = training.exponent(movements)
        for key in sorted(movements):
            tensors[f"{name}/movement/{key}"] = (movements[key] * 2.0**exponent).astype(np.float16)
        for key, row in rows.items():
            tensors[f"{name}/{key}"] = row.astype(np.float32)
        metadata[name] = json.dumps(run.config, separators=(",", ":"))
        metadata[name + ".affine"] = "norm"
        numbers = {key: value for key, value in run.options.items() if isinstance(value, (int, float))}
        sets = [f"train.{key}={numbers[key]:g}" for key in ("accumulate", "clip_norm", "beta1", "beta2", "adam_eps")]
        sets += [f"train.{key}={run.options[key]}" for key in ("optimizer", "bn_mode", "bn_scope", "lr_weighting")]
        sets += [f"loss.{key}={run.options[key]}" for key in ("weighting", "dwa_temperature")]
        if run.teacher:
            metadata[name + ".teacher"] = json.dumps(run.teacher, separators=(",", ":"))
            sets += [f"distillation.weight={numbers['distillation_weight']:g}", f"distillation.temperature={numbers['temperature']:g}"]
        if run.options["normal_loss"] != DEFAULTS["normal_loss"]:
            sets.append(f"loss.normal_loss={run.options['normal_loss']}")
        if "class_weights" in run.options:
            sets.append("loss.class_balance=0.5")
            numbers["class_weights"] = run.options["class_weights"]
        metadata[name + ".training"] = json.dumps({**numbers, "resolution": run.options["resolution"],
                                                   "weights": [training.WEIGHTS[t["kind"]] for t in run.tasks],
                                                   "sets": sets, "gradient_exponent": 0, "movement_exponent": exponent})
        print(f"{name}: PyTorch's float32: {', '.join(f'{key} {np.abs(coarse_rows[key] / row - 1).max():.0e}' for key, row in rows.items())}; "
              f"{len(movements)} of {len(coarse)} movements resolved; norms {rows['norms'].round(1)}; weights {rows['weights'][-1].round(3)}", file=sys.stderr)
    return tensors, metadata


if __name__ == "__main__":
    torch.set_num_threads(1)
    made = make()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if training.check(PATH, *made) else 1)
    safetensors.write(PATH, *made)
    print(f"{PATH}: {PATH.stat().st_size} bytes, {len(made[0])} tensors")

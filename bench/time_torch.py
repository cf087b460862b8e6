#!/usr/bin/python3
# Times one job in PyTorch and prints JSON.
#
#   time_torch.py JOB contiguous|channels_last
#
# On the processor never with a single thread: with one, and fewer than 16 pictures, PyTorch (1.13, say) leaves 1x1 convolutions to the BLAS
# library instead of oneDNN, and where that is the reference BLAS, as it is on a bare Debian, a training step of nddr-small takes
# seven times as long.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import statistics
import sys
import time

import jobs
import torch
import torch.nn.functional as F

import generator
import reference

SECONDS = 4
MIN_RUNS = 3
WARM_UP = 2


def time_runs(run, device):
    def once():
        before = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - before) * 1e3

    for _ in range(WARM_UP):
        once()
    times, start = [], time.monotonic()
    while len(times) < MIN_RUNS or (time.monotonic() - start < SECONDS and len(times) < 200):
        times.append(once())
    return {"median_ms": statistics.median(times), "min_ms": min(times), "runs": len(times), "torch": torch.__version__, "device": device,
            "threads": torch.get_num_threads()}


class Module(torch.nn.Module):
    def __init__(self, config, training):
        super().__init__()
        self.tensors = {}
        self.training_mode = training
        self.network = reference.Network(config, self.get, training=training)
        self.names = [task["name"] for task in config["tasks"]]

    def get(self, name, shape):
        if name not in self.tensors:
            tensor = torch.from_numpy(generator.parameter(name, shape))
            running = "running" in name
            self.tensors[name] = tensor if running else torch.nn.Parameter(tensor)
            key = name.replace(".", "_")
            self.register_buffer(key, tensor) if running else self.register_parameter(key, self.tensors[name])
        return self.tensors[name]

    def forward(self, picture):
        heads = self.network(picture)
        return tuple(heads[name] for name in self.names)


def freeze(config, picture):
    """The network, traced with @picture's shape; frozen, which folds batch normalisation."""
    module = Module(config, False).eval()
    with torch.no_grad():
        module(picture[:1])
        module.tensors = {name: getattr(module, name.replace(".", "_")) for name in module.tensors}
        return torch.jit.freeze(torch.jit.trace(module, picture).eval())


def inference(job, picture, device, layout):
    frozen = freeze(job.config, picture.cpu()).to(device)
    with torch.no_grad():
        if device == "cpu":
            frozen = torch.jit.optimize_for_inference(frozen)
        return time_runs(lambda: frozen(picture), device)


def training(job, picture, device, layout):
    module = Module(job.config, True)
    module(picture[:2].cpu())
    module = module.to(device=device, memory_format=layout)
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.0, weight_decay=1e-4)
    height, width = picture.shape[2:]
    classes = len(job.config["tasks"][0]["classes"])
    label = torch.randint(0, classes, (job.batch, height, width), device=device)
    normal = F.normalize(torch.randn(job.batch, 3, height, width, device=device), dim=1)

    def step():
        optimiser.zero_grad(set_to_none=True)
        segmentation, normals = (F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False) for x in module(picture))
        loss = F.cross_entropy(segmentation, label) + 10 * (1 - F.cosine_similarity(normals, normal)).mean()
        loss.backward()
        optimiser.step()

    return time_runs(step, device)


def main(name, layout_name):
    job = next(job for job in jobs.JOBS if job.name == name)
    layout = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}[layout_name]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(max(2, len(os.sched_getaffinity(0))))
    size = job.config["input"]
    picture = torch.randn(job.batch, 3, size["height"], size["width"], device=device).contiguous(memory_format=layout)
    print(json.dumps((training if job.train else inference)(job, picture, device, layout)))


if __name__ == "__main__":
    main(*sys.argv[1:])

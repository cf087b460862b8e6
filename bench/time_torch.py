#!/usr/bin/python3
# Times one job in PyTorch and prints JSON.
#
#   time_torch.py JOB contiguous|channels_last [fp32]
#
# On the processor in fp32, inference traced and frozen.  On CUDA as fast as PyTorch does it: inference in fp16, frozen and compiled into
# CUDA graphs; training with automatic mixed precision, compiled; or both in fp32.  The environment's NDDR_BENCH_COMPILE is torch.compile's mode of
# inference there, such as max-autotune.
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
WARM_UP_SECONDS = 1  # on CUDA: an idle GPU runs at a fraction of its clock for most of one
MODE = os.environ.get("NDDR_BENCH_COMPILE", "reduce-overhead")  # torch.compile's, of inference on CUDA


def time_runs(run, device):
    def once():
        before = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - before) * 1e3

    for _ in range(WARM_UP):
        once()
    start = time.monotonic()
    while device == "cuda" and time.monotonic() - start < WARM_UP_SECONDS:
        once()
    times, start = [], time.monotonic()
    while len(times) < MIN_RUNS or (time.monotonic() - start < SECONDS and len(times) < 200):
        times.append(once())
    return {"median_ms": statistics.median(times), "min_ms": min(times), "runs": len(times), "torch": torch.__version__, "device": device,
            "threads": torch.get_num_threads()}


class Module(torch.nn.Module):
    def __init__(self, config, training):
        super().__init__()
        self.network = reference.Network(config, self.get, training=training)
        self.names = [task["name"] for task in config["tasks"]]

    def get(self, name, shape):
        key = name.replace(".", "_")
        if key not in self._parameters and key not in self._buffers:
            tensor = torch.from_numpy(generator.parameter(name, shape))
            self.register_buffer(key, tensor) if "running" in name else self.register_parameter(key, torch.nn.Parameter(tensor))
        return getattr(self, key)

    def forward(self, picture):
        heads = self.network(picture)
        return tuple(heads[name] for name in self.names)


def freeze(config, picture):
    """The network, traced with @picture's shape; frozen, which folds batch normalisation."""
    module = Module(config, False).eval()
    with torch.no_grad():
        module(picture[:1])
        return torch.jit.freeze(torch.jit.trace(module, picture).eval())


def inference(job, picture, device, layout, half):
    with torch.no_grad():
        if device == "cpu":
            frozen = torch.jit.optimize_for_inference(freeze(job.config, picture))
            return time_runs(lambda: frozen(picture), device)
        from torch._inductor import config

        config.freezing = True
        torch.backends.cudnn.benchmark = True
        module = Module(job.config, False).eval()
        module(picture[:1].cpu())
        dtype = torch.half if half else torch.float
        given = picture.to(dtype)
        compiled = torch.compile(straighten(module.to(device=device, dtype=dtype, memory_format=layout), given), mode=MODE)
        return time_runs(lambda: compiled(given), device)


def straighten(module, picture):
    """The module as a graph of operations alone: torch.compile breaks off where Python looks parameters up by name."""
    exported = torch.export.export(module, (picture,), strict=False).module()
    return torch.fx.GraphModule(exported, exported.graph)


def training(job, picture, device, layout, half):
    module = Module(job.config, True)
    module(picture[:2].cpu())
    module = module.to(device=device, memory_format=layout)
    cuda = device == "cuda"
    scaler = torch.cuda.amp.GradScaler(enabled=cuda and half)
    height, width = picture.shape[2:]
    classes = len(job.config["tasks"][0]["classes"])
    label = torch.randint(0, classes, (job.batch, height, width), device=device)
    normal = F.normalize(torch.randn(job.batch, 3, height, width, device=device), dim=1)

    def loss_of(picture):
        segmentation, normals = (F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False) for x in module(picture))
        return F.cross_entropy(segmentation, label) + 10 * (1 - F.cosine_similarity(normals, normal)).mean()

    if cuda:
        torch.backends.cudnn.benchmark = True
        module = straighten(module, picture)
        loss_of = torch.compile(loss_of)

    optimiser = torch.optim.AdamW(module.parameters(), lr=0.0, weight_decay=1e-4, **({"fused": True} if cuda else {}))

    def step():
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=torch.half if cuda else torch.bfloat16, enabled=cuda and half):
            loss = loss_of(picture)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()

    return time_runs(step, device)


def main(name, layout_name, precision="half"):
    job = next(job for job in jobs.JOBS if job.name == name)
    layout = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}[layout_name]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(max(2, len(os.sched_getaffinity(0))))
    size = job.config["input"]
    picture = torch.randn(job.batch, 3, size["height"], size["width"], device=device).contiguous(memory_format=layout)
    print(json.dumps((training if job.train else inference)(job, picture, device, layout, precision != "fp32")))


if __name__ == "__main__":
    main(*sys.argv[1:])

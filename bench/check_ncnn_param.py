#!/usr/bin/python3
# Reads .param files as ncnn's documentation has them, runs them in PyTorch with the network's weights, and compares with the network.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import sys

import jobs
import ncnn_param
import time_torch
import torch
import torch.nn.functional as F

CHECKED = ["compact", "small"]
BOUND = 1e-6  # of the norm


def layer(kind, numbers, x, weights):
    def get(key, default=0):
        return int(numbers.get(key, ["%d" % default])[0])

    if kind in ("Convolution", "ConvolutionDepthWise"):
        weight, bias = next(weights)
        assert (get(0), get(1), get(5), get(6)) == (weight.shape[0], weight.shape[3], int(bias is not None), weight.numel())
        y = F.conv2d(x[0], weight, bias, get(3, 1), get(4), get(2, 1), get(7, 1))
        array = numbers.get(-23300 - 10, ["2", "", ""])  # parameter 10, as an array: how many, then they
        low, high = {0: ("-inf", "inf"), 1: ("0", "inf"), 3: array[1:]}[get(9)]
        return [y.clamp(float(low), float(high))]
    if kind == "Pooling":  # 5=1: windows that lie inside of what is padded
        assert get(5) == 1 and get(4) == 0
        x, sides = x[0], (get(3), get(14), get(13), get(15))
        if get(0) == 0:
            return [F.max_pool2d(F.pad(x, sides, value=float("-inf")), get(1), get(2))]
        assert len(set(sides)) == 1
        return [F.avg_pool2d(x, get(1), get(2), get(3), count_include_pad=get(6) == 1)]
    if kind == "Interp":
        assert get(0) == 2
        return [F.interpolate(x[0], size=(get(3), get(4)), mode="bilinear", align_corners=get(6) == 1)]
    return {"ReLU": lambda: [F.relu(x[0])], "Concat": lambda: [torch.cat(x, 1)], "BinaryOp": lambda: [x[0] + x[1]]}[kind]()


def run(text, picture, weights):
    magic, counts, *lines = text.splitlines()
    layers, blobs = map(int, counts.split())
    assert int(magic) == 7767517 and layers == len(lines)
    values, made = {}, 0
    for line in lines:
        kind, _, n, m, *rest = line.split()
        n, m = int(n), int(m)
        x = [values.pop(name) for name in rest[:n]]  # a blob is read once
        numbers = {int(key): value.split(",") for key, value in (item.split("=") for item in rest[n + m:])}
        if kind == "Input":
            assert [int(numbers[i][0]) for i in range(3)] == [picture.shape[3], picture.shape[2], picture.shape[1]]
            y = [picture]
        else:
            y = x * m if kind == "Split" else layer(kind, numbers, x, weights)
        assert len(y) == m and not values.keys() & set(rest[n:n + m])
        values.update(zip(rest[n:n + m], y))
        made += m
    assert made == blobs and len(values) == 1
    return values.popitem()[1]


def check(job):
    size = job.config["input"]
    picture = torch.randn(1, 3, size["height"], size["width"], generator=torch.Generator().manual_seed(1))
    frozen = time_torch.freeze(job.config, picture)
    weights = ([i.toIValue() for i in list(node.inputs())[1:3]] for node in frozen.graph.nodes() if node.kind() == "aten::_convolution")
    with torch.no_grad():
        want = torch.cat(frozen(picture), 1)
        got = run(ncnn_param.param(frozen, size["width"], size["height"]), picture, weights)
    error = float((got - want).norm() / want.norm())
    print(f"{'ok    ' if error <= BOUND else 'FAILED'} {job.name}: relative error {error:.1e}")
    return error <= BOUND


if __name__ == "__main__":
    sys.exit(0 if all([check(job) for job in jobs.JOBS if job.name in CHECKED]) else 1)

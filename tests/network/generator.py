# Weights, pictures and labels out of nothing: tests/network/generator.c makes the same bits.
#
# Element i of what is called NAME comes from splitmix64's output number i + 1 for the seed FNV-1a (NAME): its upper 24 bits are
# the fraction u in [0, 1).  All arithmetic is in double precision and rounded once, so both languages agree.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import math

import numpy as np


def seed(name):
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return state


def words(name, n):
    """n 24-bit numbers."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed(name)) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) >> np.uint64(40)).astype(np.int64)


def symmetric(name, n):
    """n doubles in [-1, 1)."""
    return words(name, n) * 2.0**-23 - 1.0


def parameter(name, shape, calm=False):
    """A tensor of a model: convolutions as Kaiming's uniform, normalisations near the identity, mixtures of tasks at random.

    calm: normalisations and biases keep most of what enters a ReLU three deviations above zero, and an eighth of the
    channels as far below.  Otherwise some element of a network always lies within rounding of a kink, and one that falls on
    the other side changes gradients by percents: then no two implementations can be compared, PyTorch's own precisions
    neither."""
    r = symmetric(name, math.prod(shape))
    if len(shape) in (2, 3):  # mixtures of tasks
        r = r * math.sqrt(3.0 / shape[-1])
    elif name.startswith("sluice.beta."):
        r = 0.5 + r * 0.25
    elif len(shape) == 4:
        r = r * math.sqrt(6.0 / (shape[1] * shape[2] * shape[3]))
    elif name.endswith(".running_mean"):
        r = r * 0.25
    elif name.endswith(".running_var"):
        r = 1.0 + r * 0.5
    elif name.endswith(".weight"):
        r = 0.5 + r * 0.125 if calm else 1.0 + r * 0.25
    elif calm:
        r = np.where(r < -0.75, -1.5, 1.5) + r * 0.25
    else:
        r = r * 0.125
    return r.astype(np.float32).reshape(shape)


def picture(name, batch, height, width):
    """[batch, 3, height, width], as normalised pixels are: within 2 of 0."""
    return (symmetric(name, batch * 3 * height * width) * 2.0).astype(np.float32).reshape(batch, 3, height, width)


def label(name, task, batch, height, width):
    """Segmentation: ids [batch, h, w], 255 ignored; normal: [batch, h, w, 4] x, y, z, valid; depth: [batch, h, w], 0 ignored."""
    n = batch * height * width
    valid = words(name + ".valid", n) % 8 != 0
    if task["kind"] == "segmentation":
        ids = words(name, n) % len(task["classes"])
        return np.where(valid, ids, 255).astype(np.uint8).reshape(batch, height, width)
    if task["kind"] == "depth":
        metres = (0.5 + words(name, n) * 2.0**-22).astype(np.float32)
        return np.where(valid, metres, np.float32(0)).reshape(batch, height, width)
    v = symmetric(name, 3 * n).reshape(n, 3)
    length = np.sqrt(v[:, 0] * v[:, 0] + v[:, 1] * v[:, 1] + v[:, 2] * v[:, 2])
    out = np.zeros((n, 4), np.float32)
    out[:, :3] = (v / length[:, None]).astype(np.float32)
    out[:, 3] = 1
    out[~valid] = 0
    return out.reshape(batch, height, width, 4)

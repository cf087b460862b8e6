# The ONNX operators that exported models use, in NumPy and double precision, by the operators' specification (onnx.ai, opset 17): of the attributes what
# exports set, and an error for any other.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import math

import numpy as np
import onnx
import onnx.numpy_helper


def windows(x, kernel, strides, dilations, out):
    """For each place of the kernel, row by row, what lies under it: [batch, channels, *out] of a padded x."""
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            y, z = ky * dilations[0], kx * dilations[1]
            yield x[:, :, y:y + (out[0] - 1) * strides[0] + 1:strides[0], z:z + (out[1] - 1) * strides[1] + 1:strides[1]]


def window(x, kernel, a, fill):
    """x padded with fill, strides, dilations and the output's size, by the attributes of convolutions and pools."""
    strides, dilations, pads = a.pop("strides", [1, 1]), a.pop("dilations", [1, 1]), a.pop("pads", [0, 0, 0, 0])
    span = [(kernel[i] - 1) * dilations[i] + 1 for i in (0, 1)]
    if a.pop("auto_pad", b"NOTSET") == b"SAME_UPPER":
        need = [max((math.ceil(n / strides[i]) - 1) * strides[i] + span[i] - n, 0) for i, n in enumerate(x.shape[2:])]
        pads = [need[0] // 2, need[1] // 2, need[0] - need[0] // 2, need[1] - need[1] // 2]
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=fill)
    return x, strides, dilations, [(x.shape[2 + i] - span[i]) // strides[i] + 1 for i in (0, 1)]


def conv(a, x, w, b):
    group, kernel = a.pop("group", 1), a.pop("kernel_shape", list(w.shape[2:]))
    assert group in (1, x.shape[1]) and list(w.shape[2:]) == kernel
    x, strides, dilations, out = window(x, kernel, a, 0)
    y = 0
    for part, taps in zip(windows(x, kernel, strides, dilations, out), w.reshape(*w.shape[:2], -1).transpose(2, 0, 1)):
        y = y + (np.einsum("oi,nihw->nohw", taps, part, optimize=True) if group == 1 else taps.reshape(1, -1, 1, 1) * part)
    return y + b.reshape(1, -1, 1, 1)


def max_pool(a, x):
    kernel = a.pop("kernel_shape")
    x, *steps = window(x, kernel, a, -np.inf)
    return np.maximum.reduce(list(windows(x, kernel, *steps)))


def average_pool(a, x):
    kernel, counted = a.pop("kernel_shape"), a.pop("count_include_pad", 0)
    counts, *_ = window(np.ones_like(x), kernel, dict(a), 1 if counted else 0)
    x, *steps = window(x, kernel, a, 0)
    return sum(windows(x, kernel, *steps)) / sum(windows(counts, kernel, *steps))


def resize(a, x, roi, scales, sizes):
    assert roi is None and scales is None and a.pop("mode") == b"linear" and tuple(sizes[:2]) == x.shape[:2]
    place = {
        b"half_pixel": lambda i, n, m: (i + 0.5) * n / m - 0.5,
        b"align_corners": lambda i, n, m: i * (n - 1) / (m - 1) if m > 1 else 0 * i,
        b"asymmetric": lambda i, n, m: i * n / m,
    }[a.pop("coordinate_transformation_mode")]
    for axis in (2, 3):
        n, m = x.shape[axis], int(sizes[axis])
        at = np.clip(place(np.arange(m, dtype=np.float64), n, m), 0, n - 1)
        low = np.floor(at).astype(int)
        part = (at - low).reshape([-1 if d == axis else 1 for d in range(4)])
        x = np.take(x, low, axis) * (1 - part) + np.take(x, np.minimum(low + 1, n - 1), axis) * part
    return x


def split(a, x):
    return np.split(x, a.pop("parts"), a.pop("axis", 0))


OPERATORS = {
    "Add": lambda a, x, y: x + y,
    "AveragePool": average_pool,
    "Clip": lambda a, x, low, high: np.clip(x, low, high),
    "Concat": lambda a, *xs: np.concatenate(xs, a.pop("axis")),
    "Conv": conv,
    "Div": lambda a, x, y: x / y,
    "MaxPool": max_pool,
    "Mul": lambda a, x, y: x * y,
    "Relu": lambda a, x: np.maximum(x, 0),
    "Resize": resize,
    "Shape": lambda a, x: np.array(x.shape[a.pop("start", 0):a.pop("end", x.ndim)], np.int64),
    "Split": split,
    "Sub": lambda a, x, y: x - y,
    "Sum": lambda a, *xs: sum(xs),
}


def run(graph, inputs):
    """{name: array} of the graph's outputs."""
    values = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    values = {name: v.astype(np.float64) if v.dtype == np.float32 else v for name, v in values.items()} | inputs
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Split":  # into equal parts, as many as there are outputs
            attributes["parts"] = len(node.output)
        results = OPERATORS[node.op_type](attributes, *(values[name] if name else None for name in node.input))
        assert not attributes, f"{node.op_type} {node.name}: {attributes}"
        values.update(zip(node.output, results if isinstance(results, list) else [results]))
    return {o.name: values[o.name] for o in graph.output}

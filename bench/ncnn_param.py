# A job's network as ncnn describes networks: a .param file, for benchncnn, which makes up the weights.
#
# Translated node by node from what PyTorch's tracer sees, with batch normalisation folded.  benchncnn computes one output alone, so the
# heads, all of one size, are concatenated at the end.  The numbers of parameters are those of ncnn's docs/developer-guide/operators.md.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import dataclasses

MAGIC = 7767517


@dataclasses.dataclass
class Blob:
    channels: int
    height: int
    width: int
    pads: tuple = ()  # left, right, top, bottom: of a blob that is padded by the pooling that reads it
    source: object = None


class Writer:
    def __init__(self):
        self.layers = []  # (type, inputs, output, parameters), in order

    def add(self, kind, inputs, output, parameters=None):
        self.layers.append((kind, [blob.source or blob for blob in inputs], output, dict(parameters or {})))
        return output

    def activate(self, x, y, layer, parameters, fused):
        """In the convolution that made @x, as ncnn's own optimiser would, or else as a layer."""
        kind, inputs, output, before = self.layers[-1]
        if output is not x or not kind.startswith("Convolution"):
            return self.add(layer, [x], y, parameters)
        self.layers[-1] = (kind, inputs, y, {**before, **fused})
        return y

    def text(self):
        """A blob that several layers read goes through a Split, with an output for each."""
        readers, names, lines, blobs = {}, {}, [], 0
        for _, inputs, _, _ in self.layers:
            for blob in inputs:
                readers[id(blob)] = readers.get(id(blob), 0) + 1
        for i, (kind, inputs, output, parameters) in enumerate(self.layers):
            taken = [names[id(blob)].pop(0) for blob in inputs]
            rest = " ".join(f"{key}={value}" for key, value in parameters.items())
            lines.append(f"{kind} {kind.lower()}{i} {len(inputs)} 1 {' '.join(taken + [f'b{i}'])} {rest}".rstrip())
            blobs += 1
            n = readers.get(id(output), 0)
            names[id(output)] = [f"b{i}"]
            if n > 1:
                names[id(output)] = [f"b{i}_{j}" for j in range(n)]
                lines.append(f"Split split{i} 1 {n} b{i} {' '.join(names[id(output)])}")
                blobs += n
        return "\n".join([str(MAGIC), f"{len(lines)} {blobs}", *lines]) + "\n"


def size(n, kernel, stride, pads, dilation=1):
    return (n + pads - dilation * (kernel - 1) - 1) // stride + 1


def convolution(writer, x, weight, bias, stride, padding, dilation, transposed, output_padding, groups, *_):
    out, _, kernel, _ = weight.shape
    y = Blob(out, *(size(n, kernel, stride[0], 2 * padding[0], dilation[0]) for n in (x.height, x.width)))
    parameters = {0: out, 1: kernel, 2: dilation[0], 3: stride[0], 4: padding[0], 5: int(bias is not None), 6: weight.numel()}
    if groups > 1:
        return writer.add("ConvolutionDepthWise", [x], y, {**parameters, 7: groups})
    return writer.add("Convolution", [x], y, parameters)


def pool(writer, x, average, kernel, stride, padding):
    left, right, top, bottom = (a + b for a, b in zip(x.pads or (0, 0, 0, 0), (padding[1], padding[1], padding[0], padding[0])))
    y = Blob(x.channels, size(x.height, kernel[0], stride[0], top + bottom), size(x.width, kernel[1], stride[1], left + right))
    return writer.add("Pooling", [x], y, {0: int(average), 1: kernel[0], 2: stride[0], 3: left, 13: top, 14: right, 15: bottom, 5: 1})


def translate(writer, kind, inputs):
    """What @kind, a node of the graph, makes of @inputs: blobs, tensors, numbers."""
    x = inputs[0]
    same = Blob(x.channels, x.height, x.width) if isinstance(x, Blob) else None
    if kind == "prim::ListConstruct":
        return list(inputs)
    if kind == "prim::TupleConstruct":
        return tuple(inputs)
    if kind == "aten::size":
        return (1, x.channels, x.height, x.width)[inputs[1]]
    if kind == "aten::_convolution":
        return convolution(writer, *inputs)
    if kind == "aten::relu":
        return writer.activate(x, same, "ReLU", {}, {9: 1})
    if kind == "aten::relu6":
        return writer.activate(x, same, "Clip", {0: 0.0, 1: 6.0}, {9: 3, -23310: "2,0.0,6.0"})
    if kind == "aten::add":
        return writer.add("BinaryOp", [x, inputs[1]], same, {0: 0})
    if kind == "aten::cat":
        return writer.add("Concat", x, Blob(sum(blob.channels for blob in x), x[0].height, x[0].width), {0: 0})
    if kind == "aten::pad":
        return Blob(x.channels, x.height, x.width, tuple(inputs[1]), x)
    if kind == "aten::max_pool2d":
        return pool(writer, x, False, *inputs[1:4])
    if kind == "aten::avg_pool2d":
        return pool(writer, x, True, *inputs[1:4])
    if kind == "aten::upsample_bilinear2d":
        height, width = inputs[1]
        return writer.add("Interp", [x], Blob(x.channels, height, width), {0: 2, 3: height, 4: width, 6: int(inputs[2])})
    raise RuntimeError(f"{kind} has no translation to ncnn")


def param(frozen, width, height):
    """@frozen: a traced and frozen module of one picture, three channels."""
    writer = Writer()
    picture = list(frozen.graph.inputs())[1]
    values = {picture.debugName(): writer.add("Input", [], Blob(3, height, width), {0: width, 1: height, 2: 3})}
    for node in frozen.graph.nodes():
        if node.kind() == "prim::Constant":
            values[node.output().debugName()] = node.output().toIValue()
        else:
            values[node.output().debugName()] = translate(writer, node.kind(), [values[i.debugName()] for i in node.inputs()])
    heads = values[list(frozen.graph.outputs())[0].debugName()]
    writer.add("Concat", heads, Blob(sum(head.channels for head in heads), heads[0].height, heads[0].width), {0: 0})
    return writer.text()

#!/usr/bin/python3
# Exported models as the onnx package reads them: valid by its checker and its shape inference, with the inputs, outputs and sizes that
# docs/interchange.md promises, weights folded as NumPy folds them, and run, operator by operator (operators.py), to PyTorch's golden outputs.
#
#   test_onnx.py NDDR MAKE_MODELS GOLDENS.safetensors
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnx.numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "network"))
sys.dont_write_bytecode = True
import operators  # noqa: E402
import safetensors  # noqa: E402

BOUND = 1e-4  # of the norm of the difference over the norm


def dims(info):
    return [d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim]


def folded(tensors, base, eps):
    """Weight and bias of convolution @base with its normalisation in them."""
    weight = tensors[base + ".weight"].astype(np.float64)
    bias = tensors.get(base + ".bias", np.zeros(len(weight))).astype(np.float64)
    before, last = base.rsplit(".", 1)
    norm = base + ".bn"
    if last.isdigit():  # torchvision's: the next one in the sequence
        norm = f"{before}.{int(last) + 1}"
    elif last.startswith("conv") and last[4:].isdigit():
        norm = f"{before}.bn{last[4:]}"
    if norm + ".running_mean" not in tensors:
        return weight, bias
    scale, shift, mean, var = (tensors[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var"))
    gain = scale / np.sqrt(var + eps)
    return weight * gain[:, None, None, None], (bias - mean) * gain + shift


def check_weights(graph, tensors, eps):
    initializers = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    read = [name for node in graph.node for name in node.input]
    assert set(initializers) <= set(read), "an initializer that nothing reads"
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == sum(t.ndim == 4 for t in tensors.values()), "not one Conv for each weight"
    for node in convolutions:
        base = node.input[1].removesuffix(".weight")
        for name, want in zip(node.input[1:], folded(tensors, base, eps)):
            np.testing.assert_allclose(initializers[name], want, rtol=1e-6, atol=1e-7, err_msg=name)


def check_sizes(model, config, goldens, name):
    """The inferred sizes for two pictures of the config's size are the golden outputs'."""
    wanted = (2, 3, config["input"]["height"], config["input"]["width"])
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, wanted):
        dim.dim_value = size
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    for output in inferred.graph.output:
        assert tuple(dims(output)) == (2, *goldens[f"{name}/{output.name}"].shape), f"{output.name}: {dims(output)}"


def check_outputs(graph, picture, goldens, name):
    for output, got in operators.run(graph, {"image": picture.astype(np.float64)}).items():
        want = goldens[f"{name}/{output}"][None]
        error = np.linalg.norm(got - want) / np.linalg.norm(want)
        assert got.shape == want.shape and error <= BOUND, f"{name}/{output}: {got.shape}, relative error {error:.1e}"


def check(tool, path, goldens):
    subprocess.run([tool, "export", path, "-o", path.with_suffix(".onnx")], check=True)
    tensors, metadata = safetensors.read(path)
    config = json.loads(metadata["config"])
    model = onnx.load(path.with_suffix(".onnx"))
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 8 and [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    assert model.producer_name == "nddr"
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(entries.pop("config")) == config and not entries
    assert [(i.name, dims(i)) for i in model.graph.input] == [("image", ["batch", 3, "height", "width"])]
    channels = {"segmentation": lambda t: len(t["classes"]), "normal": lambda t: 3, "depth": lambda t: 1}
    outputs = [(t["name"], ["batch", channels[t["kind"]](t), "head_height", "head_width"]) for t in config["tasks"]]
    assert [(o.name, dims(o)) for o in model.graph.output] == outputs
    check_weights(model.graph, tensors, config["norm_eps"])
    check_outputs(model.graph, safetensors.read(path.with_suffix(".picture"))[0]["image"], goldens, path.stem)
    check_sizes(model, config, goldens, path.stem)


def main(tool, make_models, golden_path):
    goldens, metadata = safetensors.read(golden_path)
    names = sorted(name for name in metadata if not name.endswith(".affine"))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([make_models, golden_path, folder], check=True)
        print(f"1..{len(names)}")
        for i, name in enumerate(names):
            check(tool, pathlib.Path(folder) / f"{name}.safetensors", goldens)
            print(f"ok {i + 1} {name}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

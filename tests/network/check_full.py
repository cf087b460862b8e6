#!/usr/bin/python3
# Checks the paper's two-task network at full width, 321x321, against PyTorch: 43 million parameters, 174 MB of weights, more than a
# storage buffer of many drivers may span.
#
#   check_full.py BUILD/tests/network/run-network [software|gpu]...
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch

import generator
import reference
import safetensors
from make_goldens import config

BOUND = 1e-4
NAME = "full"


def expected(configuration):
    def get(name, shape):
        return torch.from_numpy(generator.parameter(name, shape))

    size = configuration["input"]
    with torch.no_grad():
        heads = reference.Network(configuration, get)(torch.from_numpy(generator.picture(NAME, 1, size["height"], size["width"])))
    return {task: x[0].double().numpy() for task, x in heads.items()}


def main(tool, families):
    configuration = config("vgg16", "nddr", False, "sn", (321, 321), 40)
    want, failed = expected(configuration), False
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "config.json").write_text(json.dumps(configuration))
        for family in families:
            subprocess.run([tool, path / "config.json", NAME, family, path / "heads.safetensors"], check=True)
            heads, _ = safetensors.read(path / "heads.safetensors")
            for task, x in want.items():
                error = np.linalg.norm(heads[task] - x) / np.linalg.norm(x)
                print(f"full width, 321x321, {family}, {task}: relative error {error:.1e}")
                failed |= not error <= BOUND
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:] or ["software"]))

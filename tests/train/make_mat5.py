#!/usr/bin/env python3
"""Makes tests/train/golden/*.mat, MAT-files of version 5 as SciPy writes them; --check: compares what is there.

What they hold is what test-mat5.c expects.  The first 116 bytes, text with the date, are blanks.
SPDX-License-Identifier: LGPL-2.1-or-later
"""
import io
import pathlib
import sys

import numpy as np
import scipy.io

FOLDER = pathlib.Path(__file__).parent / "golden"


def make(compressed):
    names = np.empty((3, 1), dtype=object)
    names[:, 0] = ["wall", "floor", "a name that is longer than others"]
    contents = {
        "allClassName": names,
        "note": "text",
        "table": {"number": 3.0},
        "mapClass": (np.arange(894) * 7 % 40 + 1).astype(np.float64).reshape(1, 894),
        "trainNdxs": np.arange(3, 800, 3, dtype=np.uint16).reshape(-1, 1),
        "small": np.array([[-2, 5]], dtype=np.int8),
        "halves": np.array([[0.5, -1.25], [3, 1e-3]], dtype=np.float32),
        "many": np.array([[-(2**40), 2**50]], dtype=np.int64),
        "wave": np.array([[1 + 2j]]),
        "nothing": np.zeros((0, 3)),
    }
    file = io.BytesIO()
    scipy.io.savemat(file, contents, do_compression=compressed)
    return b" " * 116 + file.getvalue()[116:]


def main():
    check = sys.argv[1:] == ["--check"]
    for name, compressed in ("plain.mat", False), ("compressed.mat", True):
        path, data = FOLDER / name, make(compressed)
        if not check:
            path.write_bytes(data)
        elif path.read_bytes() != data:
            sys.exit(f"{path} is not what SciPy makes")


if __name__ == "__main__":
    main()

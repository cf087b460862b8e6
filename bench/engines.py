# Who is timed: us and the peers.  An engine is a name, whether it is here, and a command that prints the milliseconds of a run.
#
# Each turn of an engine is a process of its own, so that none inherits another's threads, caches or memory.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent


def output(command, **environment):
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Nddr:
    """This project's tool; its element for jobs that are videos."""

    name = "nddr"

    def __init__(self, build, device, precision, mixed):
        self.tool, self.plugins = build / "train" / "nddr", build / "gst"
        self.device, self.precision, self.mixed = device, precision, mixed

    def missing(self, job):
        if job.element:
            return "" if shutil.which("gst-launch-1.0") and (self.plugins / "libgstnddr.so").exists() else "gst-launch-1.0 and the plugin"
        return "" if self.tool.exists() else f"{self.tool}: build the project first"

    def run(self, job, model):
        """Milliseconds of a run, and what else the tool says of it."""
        if job.element:
            return self.video(job, model), {}
        command = [str(self.tool), "bench", str(model), "--json", "--batch", str(job.batch)]
        command += ["--precision", ("mixed" if self.mixed else "fp32") if job.train else self.precision]
        command += ["--train"] if job.train else []
        command += ["--device", self.device] if self.device else []
        said = json.loads(output(command))
        return said["median_ms"], said

    def video(self, job, model, few=20, many=120):
        """Milliseconds a frame: what @many frames take longer than @few."""
        def seconds(frames):
            width, height = job.element
            device = [f"device={self.device}"] if self.device else []
            before = time.monotonic()
            output(["gst-launch-1.0", "-q", "videotestsrc", f"num-buffers={frames}", "!", f"video/x-raw,format=RGBA,width={width},height={height}",
                    "!", "nddrcnn", f"model={model}", "name=n", *device, "n.src_segmentation", "!", "queue", "!", "fakesink", "sync=false",
                    "n.src_normal", "!", "queue", "!", "fakesink", "sync=false"], GST_PLUGIN_PATH=str(self.plugins))
            return time.monotonic() - before
        short = seconds(few)
        return (seconds(many) - short) * 1e3 / (many - few)


class Torch:
    """PyTorch on the processor or on CUDA."""

    name = "pytorch"
    # Both layouts of memory, and both ways that threads wait for each other: spinning is faster where each has a core to itself, and
    # many times slower where one has not.
    ways = [(layout, wait) for layout in ("contiguous", "channels_last") for wait in ("active", "passive")]
    cuda_ways = [("channels_last", "passive")]  # what its tensor cores read; compiling takes a minute

    def __init__(self, python, precision):
        self.python, self.precision, self.best = python, precision, {}
        done = subprocess.run([python, "-c", "import torch, numpy; print(torch.cuda.is_available())"], capture_output=True, text=True)
        self.there, self.cuda = done.returncode == 0, done.stdout.strip() == "True"
        if self.cuda:
            self.ways = self.cuda_ways

    def missing(self, job):
        if job.element:
            return "no element"
        return "" if self.there else f"{self.python}: no torch"

    def run(self, job, model):
        """The first turn tries all ways, and the fastest is taken from then on."""
        tried = [self.run_way(job, way) for way in ([self.best[job.name]] if job.name in self.best else self.ways)]
        said = min(tried, key=lambda said: said["median_ms"])
        self.best[job.name] = (said["layout"], said["wait"])
        return said["median_ms"], said

    def run_way(self, job, way):
        layout, wait = way
        # glibc gives large blocks back to the system and takes them again at every layer; PyTorch is faster without
        keep = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "4294967296", "MALLOC_TOP_PAD_": "268435456"}
        said = output([self.python, str(HERE / "time_torch.py"), job.name, layout, *(["fp32"] if self.precision == "fp32" else [])],
                      OMP_WAIT_POLICY=wait, **keep)
        return {**json.loads(said), "layout": layout, "wait": wait}


class OnnxRuntime:
    """onnxruntime-node on the processor, running our own export of the model."""

    name = "onnxruntime"

    def __init__(self, tool, node_modules):
        self.tool = tool
        self.environment = {"NODE_PATH": str(node_modules)} if node_modules else {}

    def missing(self, job):
        if job.element:
            return "no element"
        if job.train:
            return "no training"
        if not shutil.which("node"):
            return "no node"
        found = subprocess.run(["node", "-e", "require('onnxruntime-node')"], env={**os.environ, **self.environment}, capture_output=True)
        return "" if found.returncode == 0 else "node finds no onnxruntime-node: give --node-modules, or set NODE_PATH"

    def run(self, job, model):
        exported = model.with_suffix(".onnx")
        if not exported.exists():
            output([str(self.tool), "export", str(model), "-o", str(exported)])
        size = job.config["input"]
        said = json.loads(output(["node", str(HERE / "time_onnx.js"), str(exported), str(job.batch), str(size["width"]), str(size["height"])],
                                 **self.environment))
        return said["median_ms"], said


class Ncnn:
    """ncnn's own benchmark on the job's network with made-up weights; its mean, for it says no median."""

    LOOPS = 10

    def __init__(self, name, gpu_device):
        self.name, self.gpu_device = name, gpu_device

    def missing(self, job):
        if job.element:
            return "no element"
        if job.train:
            return "no training"
        if job.batch > 1:
            return "a picture at a time alone"
        return "" if shutil.which("benchncnn") else "no benchncnn on the PATH"

    def run(self, job, model):
        size = job.config["input"]
        described = model.with_suffix(".param")
        if not described.exists():
            described.write_text(self.describe(job.config))
        done = subprocess.run(["benchncnn", str(self.LOOPS), str(len(os.sched_getaffinity(0))), "0", str(self.gpu_device), "0",
                               f"param={described.name}", f"shape=[{size['width']},{size['height']},3]"],
                              cwd=described.parent, capture_output=True, text=True)
        said = re.search(r"min = *([0-9.]+) *max = *([0-9.]+) *avg = *([0-9.]+)", done.stdout + done.stderr)
        if done.returncode != 0 or not said:
            raise RuntimeError(f"benchncnn: {(done.stderr or done.stdout).strip()}")
        return float(said[3]), {"min_ms": float(said[1]), "max_ms": float(said[2]), "mean_ms": float(said[3]), "runs": self.LOOPS}

    @staticmethod
    def describe(config):
        import ncnn_param
        import time_torch
        import torch

        size = config["input"]
        frozen = time_torch.freeze(config, torch.zeros(1, 3, size["height"], size["width"]))
        return ncnn_param.param(frozen, size["width"], size["height"])


def here(build, device, precision, node_modules):
    python = sys.executable if importlib.util.find_spec("torch") else "/usr/bin/python3"
    torch = Torch(python, precision)
    nddr = Nddr(build, device, precision, mixed=torch.cuda and precision != "fp32")  # as PyTorch trains there
    return [nddr, torch, OnnxRuntime(nddr.tool, node_modules), Ncnn("ncnn", -1), Ncnn("ncnn-vulkan", int(device) if device.isdigit() else 0)]

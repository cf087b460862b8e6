# Runs: trained and scored by the project's tool, each in a folder of its own.
#
# A run is done when its scores.json is there: what `nddr eval` says of the model of its last step, so that no validation chose it.  One that
# was interrupted goes on from its checkpoint.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import rows


class Failed(Exception):
    """The tool could not do a run; others may go on."""


class Stopped(Exception):
    """The user asked to stop."""


class Tool:
    """The tool nddr.  A signal that ends this program is passed on to it, which then writes a checkpoint."""

    def __init__(self, path, device):
        self.path, self.device = str(path), ["--device", device] if device else []
        self.child, self.stopped = None, False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup
            signal.signal(number, self.stop)

    def stop(self, number, frame):
        self.stopped = True
        if self.child:
            self.child.send_signal(signal.SIGTERM)

    def run(self, arguments, errors, watch=None):
        """What it prints.  @errors: the file that gets its standard error; @watch: called every second"""
        if self.stopped:
            raise Stopped
        with open(errors, "wb") as stream:
            # a session of its own: the terminal's Ctrl-C comes once, through stop()
            self.child = subprocess.Popen([self.path, *arguments], stdout=subprocess.PIPE, stderr=stream, text=True, start_new_session=True)
            if self.stopped:  # before there was a child to be told
                self.child.send_signal(signal.SIGTERM)
            while True:
                try:
                    printed = self.child.communicate(timeout=1)[0]
                    break
                except subprocess.TimeoutExpired:
                    if watch:
                        watch()
        status, self.child = self.child.returncode, None
        if self.stopped:
            raise Stopped
        if status != 0:
            raise Failed(last_line(errors) or f"{self.path} {arguments[0]} ended with status {status}")
        return printed


def last_line(path):
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def write(path, text):
    """Beside its name, and renamed over it."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text)
    os.replace(beside, path)


class Run:
    """One training: a row's, or one of a single-task row's, at a seed."""

    def __init__(self, name, folder, keys, inits):
        self.name, self.folder = name, folder
        self.keys = keys    # all that its configuration says
        self.inits = inits  # files for --init

    def scores(self):
        path = self.folder / "scores.json"
        return path if path.exists() else None

    def why(self):
        """What the tool said where it failed; "": it did not, or was not run."""
        return "" if self.scores() else last_line(self.folder / "failed.txt")

    def was_stopped(self):
        """Whether somebody told the tool to stop."""
        return "--resume goes on from" in last_line(self.folder / "errors.txt")

    def step(self):
        """The log's last step."""
        try:
            return json.loads((last_line(self.folder / "log.jsonl")) or "{}").get("step", 0)
        except json.JSONDecodeError:  # being written
            return 0


class Trainer:
    """Makes runs of rows below a folder."""

    def __init__(self, tool, tables, size_path, folder, weights, keys):
        self.tool, self.tables, self.size_path, self.folder, self.weights = tool, tables, size_path, folder, weights
        self.keys = keys  # that are the user's: data and --set

    def run(self, row, seed, task):
        """The run that a row has at a seed, trained or not.  @task: of a single-task row; else "" """
        home = self.tables.row(self.tables.home(row.name))
        name = "/".join(part for part in (home.name, f"seed-{seed}", task) if part)
        keys = {**home.changes, **home.runs()[task], **self.keys, "data.seed": str(seed)}
        if home.start == rows.WEIGHTS:
            inits = [self.weights] if self.weights else []
        else:
            start = self.tables.row(home.start)
            # a network of one task goes on from that task's
            inits = [self.run(start, seed, of).folder / "model.safetensors" for of in start.runs() if task in ("", of)]
        return Run(name, self.folder / name, keys, inits)

    def runs(self, row, seed):
        return [self.run(row, seed, task) for task in row.runs()]

    def needed(self, row):
        """The rows that have to be there before @row."""
        return [] if row.start == rows.WEIGHTS else [self.tables.row(row.start)]

    def arguments(self, run):
        sets = [word for key, value in run.keys.items() for word in ("--set", f"{key}={value}")]
        inits = [word for init in run.inits for word in ("--init", str(init))]
        return ["train", str(self.size_path), "-o", str(run.folder), *self.tool.device, *sets], inits

    def print(self, run):
        """The commands that make it."""
        arguments, inits = self.arguments(run)
        print(shlex.join([self.tool.path, *arguments, *inits]))
        print(shlex.join([self.tool.path, *self.evaluation(run)]), ">", shlex.quote(str(run.folder / "scores.json")))

    def evaluation(self, run):
        paper = ["--paper"] if "normal" in run.keys.get("model.tasks", "normal") else []
        return ["eval", str(run.folder / "model.safetensors"), run.keys["data.val"], "--json", *paper, *self.tool.device]

    def made(self, run):
        """All that decides what comes out of it.  Other runs' models by their place among the runs, so that all of them may move."""
        inits = [pathlib.Path(init) for init in run.inits]
        inside = [init.relative_to(self.folder) if init.is_relative_to(self.folder) else init for init in inits]
        return {**self.tables.size, **run.keys, "--init": " ".join(map(str, inside))}

    def check(self, run):
        """That what is in its folder was made as it would be now."""
        path, now = run.folder / "made.json", self.made(run)
        try:
            made = json.loads(path.read_text()) if path.exists() else now
        except (ValueError, OSError) as error:
            raise rows.Mistake(f"{path}: {error}; remove {run.folder} to make that run anew") from error
        for key in {**made, **now}:
            if made.get(key) != now.get(key):
                raise rows.Mistake(f"{run.folder} was made otherwise: {key} was {made.get(key)} and is {now.get(key)}; give another -o, "
                                   "or remove that folder")

    def make(self, run):
        """Trains and scores it, where that is not done.  Raises Failed, Stopped."""
        self.check(run)
        if run.scores():
            return
        run.folder.mkdir(parents=True, exist_ok=True)
        write(run.folder / "made.json", json.dumps(self.made(run), indent=1))
        begin, steps = time.monotonic(), int({**self.tables.size, **run.keys}.get("train.steps", 0))
        arguments, inits = self.arguments(run)
        resumes = (run.folder / "checkpoint.safetensors").exists()
        failed = run.folder / "failed.txt"
        failed.unlink(missing_ok=True)

        def watch():
            if sys.stderr.isatty():
                print(f"\r\033[K{run.name}: step {run.step()} of {steps}", end="", file=sys.stderr, flush=True)

        try:
            self.tool.run([*arguments, *(["--resume"] if resumes else inits)], run.folder / "errors.txt", watch)
            if run.was_stopped():
                raise Stopped
            write(run.folder / "scores.json", self.tool.run(self.evaluation(run), run.folder / "errors.txt"))
        except Failed as failure:
            write(failed, f"{failure}\n")
            raise
        finally:
            if sys.stderr.isatty():
                print("\r\033[K", end="", file=sys.stderr)
        print(f"{run.name}: {'went on' if resumes else 'done'} in {time.monotonic() - begin:.0f} s", file=sys.stderr)

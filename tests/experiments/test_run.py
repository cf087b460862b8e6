#!/usr/bin/python3
# The experiments' driver from end to end, on made-up rooms: a table is trained, scored and printed; what is done is kept; a run that is stopped
# goes on to the same scores; and every row of the tables that come with the project is something that the tool takes.
#
#   test_run.py NDDR
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import pathlib
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
DRIVER = HERE.parent.parent / "experiments" / "run"
DATA = ["--data", "synth:1,6,64x48", "--val", "synth:2,3,64x48"]


class Bench:
    """A folder, and the driver on it."""

    def __init__(self, tool, folder):
        self.tool, self.folder = tool, pathlib.Path(folder)
        # tables know each other by their names, so these are beside one another
        self.table, self.size = HERE / "miniature.ini", HERE / "tiny.ini"

    def command(self, *more, table=None, out="runs", seeds="1,2"):
        return [sys.executable, str(DRIVER), str(table or self.table), "--size", str(self.size), *DATA, "--seeds", seeds, "--nddr", self.tool,
                "-o", str(self.folder / out), *more]

    def run(self, *more, status=0, **places):
        done = subprocess.run(self.command(*more, **places), capture_output=True, text=True)
        assert done.returncode == status, f"status {done.returncode}: {done.stderr}"
        return done

    def scores(self, name, out="runs"):
        return json.loads((self.folder / out / "tiny" / name / "scores.json").read_text())


def close(a, b):
    assert abs(a - b) < 1e-9, f"{a} is not {b}"


def test_table(bench):
    said = json.loads(bench.run("--json").stdout)
    single, nddr = said["rows"]
    assert (single["done"], nddr["done"], nddr["seeds"]) == (2, 2, 2) and not nddr["failed"]
    gains = []
    for i, seed in enumerate((1, 2)):
        alone = {task: bench.scores(f"miniature/single/seed-{seed}/{task}") for task in ("segmentation", "normal")}
        both = bench.scores(f"miniature/nddr/seed-{seed}")
        assert list(alone["normal"]) == ["normal", "normal_paper"] and set(alone["segmentation"]) == {"segmentation"}
        close(single["scores"]["normal.mean"][i], alone["normal"]["normal"]["mean"])
        close(nddr["scores"]["normal_paper.mean"][i], both["normal_paper"]["mean"])
        close(nddr["scores"]["segmentation.miou"][i], 100 * both["segmentation"]["miou"])
        before, after = alone["segmentation"]["segmentation"]["miou"], both["segmentation"]["miou"]
        angle, new = alone["normal"]["normal"]["mean"], both["normal"]["mean"]
        gains.append(50 * ((after - before) / before + (angle - new) / angle))
        close(nddr["delta_m"][i], gains[i])
        config = (bench.folder / "runs" / "tiny" / "miniature" / "single" / f"seed-{seed}" / "normal" / "config.ini").read_text()
        assert f"seed={seed}\n" in config and "normal=10\n" in config and "tasks=normal\n" in config
    assert single["delta_m"] == [0, 0] and nddr["paper"]["segmentation.miou"] == 44
    seeds = [bench.scores(f"miniature/nddr/seed-{seed}")["normal"]["mean"] for seed in (1, 2)]
    text = bench.run("--print").stdout.splitlines()
    line = next(line for line in text if line.startswith("NDDR"))
    assert line.split()[1:4] == ["2/2", f"{statistics.fmean(seeds):.1f}", f"±{statistics.stdev(seeds):.1f}"], line
    assert line.split()[-2] == f"{statistics.fmean(gains):.1f}", line
    # (20 - 18) / 20 and (44 - 40) / 40
    assert "  paper" in text[text.index(line) + 1] and text[text.index(line) + 1].split()[1:] == "18.0 10.2 53.5 79.5 88.8 44.0 66.4 10.0".split()
    assert "| NDDR | 2/2 |" in bench.run("--print", "--markdown").stdout


def test_kept(bench):
    """Nothing is trained twice, nor is what was made otherwise taken for the same."""
    path = bench.folder / "runs" / "tiny" / "miniature" / "nddr" / "seed-1"
    before = [(path / name).stat().st_mtime_ns for name in ("scores.json", "checkpoint.safetensors")]
    done = bench.run()
    assert done.stderr.count("\n") == 1, done.stderr  # of weights
    assert before == [(path / name).stat().st_mtime_ns for name in ("scores.json", "checkpoint.safetensors")]
    said = bench.run("--set", "train.lr=0.5", status=1).stderr
    assert "was made otherwise: train.lr was 0.001 and is 0.5" in said, said


def test_moved(bench):
    """Runs are what they were in another place, and a reader that leaves early is no error."""
    (bench.folder / "runs").rename(bench.folder / "moved")
    assert json.loads(bench.run("--print", "--json", out="moved").stdout)["rows"][1]["done"] == 2
    (bench.folder / "moved").rename(bench.folder / "runs")
    with subprocess.Popen(bench.command("--print"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        child.stdout.close()
        said = child.stderr.read()
    assert child.returncode == -signal.SIGPIPE and not said, said


def test_stopped(bench):
    """A signal leaves a checkpoint, from which the same command goes on to the scores of a run that never stopped."""
    path = bench.folder / "stopped" / "tiny" / "miniature" / "single" / "seed-1" / "segmentation"
    with subprocess.Popen(bench.command(out="stopped", seeds="1"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        end = time.monotonic() + 120
        while not (path / "log.jsonl").exists() and time.monotonic() < end:
            time.sleep(0.01)
        child.send_signal(signal.SIGTERM)
        said = child.stderr.read()
    assert child.returncode == 1 and "the same command goes on" in said, said
    assert not (path / "scores.json").exists()
    bench.run(out="stopped", seeds="1")
    for name in ("miniature/single/seed-1/segmentation", "miniature/nddr/seed-1"):
        assert bench.scores(name, "stopped") == bench.scores(name), name


def test_failed(bench):
    """A row that fails is said, and kept from none of the others; a row that is another's takes its runs."""
    done = bench.run("--json", table=HERE / "again.ini", status=1)
    same, broken = json.loads(done.stdout)["rows"]
    assert same["done"] == 2 and not (bench.folder / "runs" / "tiny" / "again" / "same").exists()
    assert broken["done"] == 0 and len(broken["failed"]) == 2 and "vgg17" in broken["failed"][0], broken
    assert "vgg17" in bench.run("--print", table=HERE / "again.ini").stdout
    assert "no row x; it has same, broken" in bench.run("--rows", "x", table=HERE / "again.ini", status=1).stderr


def test_under_way(bench):
    """A run whose tool only has something to say, as one that trains or was killed, has not failed."""
    run = bench.folder / "way" / "tiny" / "miniature" / "nddr" / "seed-1"
    run.mkdir(parents=True)
    (run / "errors.txt").write_text("nddr train: activations are computed again in the backward pass, in 5 segments\n")
    said = json.loads(bench.run("--print", "--json", out="way", seeds="1").stdout)
    assert not any(row["failed"] for row in said["rows"]), said


def test_ended_early(bench):
    """A run that [train] patience ended is done, and so is one that validates nothing."""
    for out, sets in (("early", ["train.val_every=1", "train.patience=1", "train.lr=1e-30", "train.bn_mode=frozen"]), ("unvalidated", ["train.val_every=0"])):
        done = bench.run("--json", *(word for key in sets for word in ("--set", key)), out=out, seeds="1")
        assert [row["done"] for row in json.loads(done.stdout)["rows"]] == [1, 1], done.stderr
    log = (bench.folder / "early" / "tiny" / "miniature" / "nddr" / "seed-1" / "log.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["step"] < 4, log[-1]


def test_mistakes(bench):
    """What is wrong in a table or left by an accident is said, without a traceback."""
    table = (HERE / "miniature.ini").read_text()
    mistakes = {
        "circle.ini": (table.replace("[single]", "[single]\nstart = circle/nddr").replace("start = miniature/single", "start = circle/single"),
                       "starts from itself"),
        "nowhere.ini": (table.replace("backbone = vgg16", ""), "says which backbone"),
        "typo.ini": (table.replace("start = miniature/single", "start = typo/singel"), "there is no row typo/singel"),
        "latin.ini": (table.replace("NDDR", "\xe9").encode("latin-1"), "latin.ini"),
    }
    for name, (text, why) in mistakes.items():
        path = bench.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        said = bench.run(table=path, out="mistakes", status=1).stderr
        assert why in said and "Traceback" not in said, said
    (bench.folder / "runs" / "tiny" / "miniature" / "nddr" / "seed-1" / "made.json").write_text("")
    said = bench.run("--print", status=1).stderr
    assert "to make that run anew" in said and "Traceback" not in said, said


def test_ours(bench):
    """Each row that comes with the project is a configuration that nddr train reads, at each size: it then misses the data alone."""
    listed = subprocess.run([sys.executable, str(DRIVER), "--list"], check=True, capture_output=True, text=True).stdout
    names = [line.split()[0] for line in listed.splitlines() if not line.startswith((" ", "sizes:"))]
    assert {"table-4", "table-5", "table-6", "ablation-init", "ablation-rate", "ablation-pretraining"} <= set(names)
    seen = set()
    for size in ("paper", "compact", "small"):
        for name in names:
            done = subprocess.run([sys.executable, str(DRIVER), name, "--size", size, "--data", f"folder:{bench.folder}/none", "--seeds", "1", "--dry-run",
                                   "--nddr", bench.tool, "-o", str(bench.folder / "ours")], capture_output=True, text=True)
            if (name, size) == ("table-5", "small"):
                assert done.returncode == 1 and "paper compact" in done.stderr, done.stderr
                continue
            assert done.returncode == 0, done.stderr
            for command in done.stdout.splitlines():
                words = shlex.split(command)
                if words[1] != "train" or command in seen:
                    continue
                seen.add(command)
                starts = [words[i + 1] for i, word in enumerate(words) if word == "--init"]
                tasks = [task for task in ("segmentation", "normal") if f"model.tasks={task}" in words] or ["segmentation", "normal"]
                assert not starts or [pathlib.Path(start).parent.name for start in starts] == tasks, command
                said = subprocess.run(words[:words.index("--init")] if "--init" in words else words, capture_output=True, text=True)
                assert said.returncode == 1 and "none" in said.stderr, f"{command}: {said.stderr}"
    assert len(seen) > 40, len(seen)


def main():
    tests = [test_table, test_kept, test_moved, test_stopped, test_failed, test_under_way, test_ended_early, test_ours, test_mistakes]
    print(f"1..{len(tests)}")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(sys.argv[1], folder)
        for number, test in enumerate(tests, 1):
            try:
                test(bench)
                print(f"ok {number} {test.__name__}", flush=True)
            except Exception as error:  # an assertion, or what a missing file raises
                failed += 1
                print(f"not ok {number} {test.__name__}\n# {type(error).__name__}: {str(error).strip()[:2000]}"
                      .replace("\n", "\n# ").replace("# # ", "# "), flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())

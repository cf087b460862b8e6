# What came out: a table's rows over seeds, beside the paper's.
#
# Scores and gains are `nddr compare`'s; here they are gathered over seeds.
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import dataclasses
import json
import statistics

# task, measure, factor, head; in the order of the paper's columns
COLUMNS = (("normal", "mean", 1, "mean"), ("normal", "median", 1, "median"), ("normal", "within_11.25", 100, "≤ 11.25"),
           ("normal", "within_22.5", 100, "≤ 22.5"), ("normal", "within_30", 100, "≤ 30"),
           ("segmentation", "miou", 100, "mIoU"), ("segmentation", "pixel_accuracy", 100, "pixels"))
PRIMARY = (("normal", "mean", -1), ("segmentation", "miou", 1))


@dataclasses.dataclass
class Result:
    row: object
    done: int      # seeds that are scored
    seeds: int
    values: dict   # (task, measure): a number for each seed that is done, in the table's units
    gains: list    # delta m in percent, for each seed that has its single-task models too
    reasons: list  # "RUN: what the tool said", of runs that failed


def compare(tool, scores, baselines, errors):
    arguments = ["compare", "--json", *map(str, scores)]
    for path in baselines:
        arguments += ["--baseline", str(path)]
    return json.loads(tool.run(arguments, errors))


def gather(trainer, table, seeds):
    """A Result a row."""
    results = [Result(row, 0, len(seeds), {}, [], []) for row in table.rows]
    for seed in seeds:
        base = trainer.runs(trainer.tables.row(table.baseline), seed) if table.baseline else []
        baselines = [run.scores() for run in base] if base and all(run.scores() for run in base) else []
        for result in results:
            runs = trainer.runs(result.row, seed)
            for run in runs:
                trainer.check(run)
            result.reasons += [f"{run.name}: {run.why()}" for run in runs if run.why()]
            if not all(run.scores() for run in runs):
                continue
            said = {entry["run"]: entry for entry in compare(trainer.tool, [run.scores() for run in runs], baselines, trainer.folder / "errors.txt")["runs"]}
            mine = [said[str(run.scores())] for run in runs]
            result.done += 1
            for task, measure, factor, _ in COLUMNS:
                for kind in (task, task + "_paper"):
                    found = [entry["scores"][kind][measure] for entry in mine if measure in entry["scores"].get(kind, {})]
                    if found and found[0] is not None:
                        result.values.setdefault((kind, measure), []).append(found[0] * factor)
            if baselines and all(entry["delta_m"] is not None for entry in mine):
                result.gains.append(100 * statistics.fmean(entry["delta_m"] for entry in mine))
    return results


def spread(values):
    """The mean, and the standard deviation where there are two or more."""
    if not values:
        return "–"
    mean = f"{statistics.fmean(values):.1f}"
    return mean if len(values) < 2 else f"{mean} ±{statistics.stdev(values):.1f}"


def published_gain(row, baseline):
    """The paper's delta m in percent, where all that it is made of is known."""
    places = {(task, measure): i for i, (task, measure, _, _) in enumerate(COLUMNS)}
    gains = []
    for task, measure, sign in PRIMARY:
        try:
            mine, other = (float(which.paper[places[task, measure]]) for which in (row, baseline))
        except (IndexError, ValueError):
            return "–"
        gains.append(sign * (mine - other) / other)
    return f"{100 * statistics.fmean(gains):.1f}"


def cells(trainer, table, results, by_paper):
    """Rows of text: heads, then for each row ours and, where there are such, the paper's."""
    baseline = trainer.tables.row(table.baseline) if table.baseline else None
    lines = [["", "seeds", *(head for _, _, _, head in COLUMNS), "Δm %"]]
    for result in results:
        kinds = [task + "_paper" if by_paper and task == "normal" else task for task, _, _, _ in COLUMNS]
        ours = [spread(result.values.get((kind, measure), [])) for kind, (_, measure, _, _) in zip(kinds, COLUMNS)]
        lines.append([result.row.title, f"{result.done}/{result.seeds}", *ours, spread(result.gains)])
        if any(word != "?" for word in result.row.paper):
            paper = ["–" if word == "?" else word for word in result.row.paper]
            lines.append(["  paper", "", *paper, published_gain(result.row, baseline) if baseline else "–"])
    return lines


def notes(table, results, size, by_paper):
    angles = ("scored as the published code does, by angles of 8-bit codes" if by_paper else
              "true ones, which the paper's are not: --paper scores ours as it did")
    said = [f"Size {size}. Normals in degrees and percent of pixels, {angles}; segmentation in percent. ±: standard deviation over seeds.",
            "Δm: mean relative gain of mIoU and mean angle over the single-task models of the same seed; in true angles."]
    return said + [reason for result in results for reason in result.reasons]


def to_text(lines):
    widths = [max(len(line[c]) for line in lines) for c in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) if c == 0 else cell.rjust(width) for c, (cell, width) in enumerate(zip(line, widths))).rstrip()
                     for line in lines)


def to_markdown(lines):
    def bar(words):
        return "| " + " | ".join(words) + " |"
    return "\n".join([bar(lines[0]), bar(["---"] + ["---:"] * (len(lines[0]) - 1)), *(bar(line) for line in lines[1:])])


def to_json(table, results):
    return json.dumps({"table": table.name, "title": table.title, "rows": [
        {"row": result.row.name, "title": result.row.title, "done": result.done, "seeds": result.seeds,
         "scores": {f"{kind}.{measure}": values for (kind, measure), values in result.values.items()}, "delta_m": result.gains,
         "paper": {f"{task}.{measure}": float(word) for (task, measure, _, _), word in zip(COLUMNS, result.row.paper) if word != "?"},
         "failed": result.reasons} for result in results]}, indent=1, ensure_ascii=False)

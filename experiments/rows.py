# What is trained: the rows of tables, each as what it changes in a size.
#
# A size (sizes/*.ini) is a configuration of nddr train.  A table (tables/*.ini) has a section [table] and one for each row; their keys with a
# dot are keys of the configuration, as nddr train's --set has them, and a value "*10" is ten times the size's.  Without a dot:
#
#   [table]  title; backbone: where the size has none of its own; sizes: those that it can be run at; baseline: the single-task row that gains are
#            against, else the table's own; and what all its rows change
#   [row]    title; as: another row, TABLE/ROW, that this one changes; alone: a network for each task; start: the single-task row, TABLE/ROW,
#            whose models it starts from (each network of an alone row from its own task's), or "weights"; paper: the published scores in the
#            order of results.COLUMNS, ? where they are not known
#
# SPDX-License-Identifier: LGPL-2.1-or-later
import configparser
import dataclasses
import pathlib

HERE = pathlib.Path(__file__).parent
TASKS = ("segmentation", "normal")
WEIGHTS = "weights"


class Mistake(Exception):
    """What the user gave cannot be; the message says what and what to do."""


@dataclasses.dataclass(frozen=True)
class Row:
    name: str      # TABLE/ROW, which its runs' folder is called
    title: str
    alone: bool    # a network for each task
    start: str     # a single-task row, or WEIGHTS
    changes: dict  # "section.key": value, in order, against the size
    paper: list    # published scores as text, or empty

    def runs(self):
        """Its runs' names within a seed, each with the keys that it adds."""
        if not self.alone:
            return {"": {}}
        return {task: {"model.tasks": task, "model.fusion": "none"} for task in TASKS}


@dataclasses.dataclass(frozen=True)
class Table:
    name: str
    title: str
    rows: list
    baseline: str  # a row's name; "": none


def read(path):
    file = configparser.ConfigParser(delimiters=("=",), comment_prefixes=("#",), interpolation=None, strict=True)
    file.optionxform = str
    try:
        with open(path, encoding="utf-8") as stream:
            file.read_file(stream)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise Mistake(f"{path}: {error}") from error
    return file


def find(given, folder):
    """The file of that name in @folder, or that path."""
    path = HERE / folder / f"{given}.ini"
    if given.endswith(".ini"):
        path = pathlib.Path(given)
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in (HERE / folder).glob("*.ini")))
        raise Mistake(f"there is no {path}: expected one of {known}, or a file ending in .ini")
    return path


def read_size(given):
    """The path of a size, and its keys as "section.key"."""
    path = find(given, "sizes")
    file = read(path)
    return path, {f"{section}.{key}": value for section in file.sections() for key, value in file[section].items()}


class Tables:
    """Tables at one size, read when they are asked for."""

    def __init__(self, size, size_name):
        self.size, self.size_name = size, size_name
        self.files, self.folder = {}, HERE / "tables"

    def file(self, name):
        if name not in self.files:
            path = self.folder / f"{name}.ini"
            path = path if path.exists() else find(name, "tables")
            self.files[name] = read(path)
            if "table" not in self.files[name]:
                raise Mistake(f"{path} has no section [table]")
        return self.files[name]

    def scaled(self, row, key, value):
        """@value, or what "*FACTOR" makes of the size's."""
        if not value.startswith("*"):
            return value
        try:
            return f"{float(value[1:]) * float(self.size[key]):.6g}"
        except (KeyError, ValueError) as error:
            raise Mistake(f"[{row}] {key} = {value}: expected a number times the size's {key}, which has to have one") from error

    def section(self, name, seen=()):
        """A row's own section over that of the row it is as."""
        table, _, row = name.rpartition("/")
        if not table or row == "table" or row not in self.file(table):
            raise Mistake(f"there is no row {name}: expected TABLE/ROW")
        if name in seen:
            raise Mistake(f"row {name} is as itself")
        own = dict(self.file(table)[row])
        if "as" not in own:
            return own
        return {**{key: value for key, value in self.section(own["as"], (*seen, name)).items() if key != "paper"}, **own}

    def row(self, name):
        section, table = self.section(name), self.file(name.rpartition("/")[0])["table"]
        for key in section:
            if "." not in key and key not in ("title", "as", "alone", "start", "paper"):
                raise Mistake(f"row {name} has an unknown key {key}")
        if "model.backbone" not in self.size and "backbone" not in table:
            raise Mistake(f"neither the size nor the table of {name} says which backbone: expected backbone = vgg16 in its [table], or another")
        changes = {} if "model.backbone" in self.size else {"model.backbone": table["backbone"]}
        changes |= {key: value for source in (table, section) for key, value in source.items() if "." in key}
        changes = {key: self.scaled(name, key, value) for key, value in changes.items()}
        return Row(name, section.get("title", name), section.get("alone") == "true", section.get("start", WEIGHTS), changes,
                   section.get("paper", "").split())

    def home(self, name):
        """The row whose runs those of @name are: the one it is as, where both would train the same."""
        section = dict(self.file(name.rpartition("/")[0])[name.rpartition("/")[2]])
        if "as" not in section:
            return name
        mine, other = self.row(name), self.row(section["as"])
        same = all(getattr(mine, part) == getattr(other, part) for part in ("alone", "start"))
        return self.home(section["as"]) if same and {**self.size, **mine.changes} == {**self.size, **other.changes} else name

    def check_start(self, name, seen=()):
        """That rows do not start from one another in a circle."""
        if name in seen:
            raise Mistake(f"row {name} starts from itself: by way of {', '.join(seen)}")
        start = self.row(name).start
        if start != WEIGHTS:
            self.check_start(start, (*seen, name))

    def table(self, given):
        path = find(given, "tables")
        self.folder = path.parent  # where the tables are that it speaks of, before ours
        head = self.file(path.stem)["table"]
        if self.size_name not in head.get("sizes", self.size_name).split():
            raise Mistake(f"{path.stem} is for the sizes {head['sizes']}: {self.size_name} has another backbone of its own")
        rows = [self.row(f"{path.stem}/{name}") for name in self.file(path.stem).sections() if name != "table"]
        for row in rows:
            self.check_start(row.name)
        alone = [row.name for row in rows if row.alone]
        return Table(path.stem, head.get("title", path.stem), rows, head.get("baseline", alone[0] if alone else ""))

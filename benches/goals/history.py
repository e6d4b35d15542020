"""All measurements that were ever kept, by their medians.

The raw runs beside this file are those of the last measurement; a new one takes their place. What earlier ones came to
is in the history of the repository, and from there in `runs/history.json`:

    python benches/goals/history.py      reads the history once more

A measurement that is kept anew is added when the pages are written.
"""

import json
import pathlib
import subprocess
import sys

from lines import LINES
from runs import Runs, middle

FILE = "history.json"


def load(folder):
    """By line: its measurements, each a dictionary of date, ours and limit."""
    try:
        return json.loads((folder / FILE).read_text())
    except FileNotFoundError:
        return {}


def save(folder, history):
    lines = ",\n".join(f"  {json.dumps(what, ensure_ascii=False)}: {json.dumps(all_, ensure_ascii=False)}"
                       for what, all_ in history.items())
    (folder / FILE).write_text(f"{{\n{lines}\n}}\n")


def measured(line, runs):
    """What one measurement of a line came to; nothing where it lacks something."""
    try:
        figures = line.figures(runs)
    except (KeyError, ZeroDivisionError):
        return None
    if not figures:
        return None
    ours, limit, name = figures
    return {"date": runs.about["date"], "ours": middle(ours), "limit": middle(limit), "beside": name}


def add(history, line, runs):
    """Adds a measurement, unless it is there."""
    found = measured(line, runs)
    known = history.setdefault(line.what, [])
    if found and found not in known:
        known.append(found)


def of_repository(folder):
    """All measurements that the repository's history has, since the line means what it means today."""
    def git(*words):
        return subprocess.run(("git", *words), capture_output=True, text=True, check=True, cwd=folder).stdout

    history = {}
    for line in LINES:
        path = f"{line.runs}.json"
        commits = git("log", "--reverse", "--format=%h", "--abbrev=7", "--", path).split()
        for commit in commits[commits.index(line.since) if line.since in commits else 0:]:
            kept = json.loads(git("show", f"{commit}:./{path}"))
            add(history, line, Runs(line.runs, kept["about"], kept["runs"]))
    return history


if __name__ == "__main__":
    runs = pathlib.Path(__file__).resolve().parent.parent / "runs"
    save(runs, of_repository(runs))
    sys.exit()

"""Writes tables into the pages that have a place for them.

A place is what stands between `<!-- compare: NAME -->` and `<!-- compare: end -->`.
"""

import re

from lines import LINES
from runs import Runs, middle


def number(value, unit=""):
    """As people read it: three digits that matter."""
    if unit == "rows/s" or abs(value) >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def spread(values, unit):
    return f"{number(middle(values), unit)} ({number(min(values), unit)}–{number(max(values), unit)})"


def compared(folder):
    """Each line of the table that was measured: line, runs, figures of ours and of the limit, the limit's name."""
    for line in LINES:
        runs = Runs.load(folder, line.runs)
        figures = runs and line.figures(runs)
        if figures:
            yield line, runs, *figures


def goals(folder):
    yield "| what | `pipeline` | beside it | ratio | goal | |"
    yield "|---|---|---|---|---|---|"
    for line, _, ours, limit, name in compared(folder):
        ratio = middle(ours) / middle(limit)
        reached = line.goal and line.goal.reached(middle(ours), middle(limit))
        yield (f"| {line.what} | {spread(ours, line.unit)} {line.unit} | {name}: {spread(limit, line.unit)} | "
               f"{number(ratio)} | {line.goal.words if line.goal else ''} | "
               f"{'' if line.goal is None else 'reached' if reached else 'not reached'} |")


# Figures that only some measurements have.
MORE = {
    "flushed_s": ("seconds to flushed", lambda values: " ".join(f"{value:.3g}" for value in values)),
    "server_cpu_s": ("CPU s of the server, median", lambda values: f"{middle(values):.3g}" if values else ""),
}


def raw(folder):
    for name in dict.fromkeys(line.runs for line in LINES):
        runs = Runs.load(folder, name)
        if runs is None:
            continue
        about = runs.about
        yield f"\n**{name}**, {about['date']}, {about['machine']}, {about['system']}, {', '.join(about['versions'].values())}"
        more = {key: words for key, words in MORE.items() if any(key in run for run in runs.runs)}
        heads = ["what ran", "seconds, each run", "CPU s, median", "peak MiB, median", *(head for head, _ in more.values())]
        yield f"\n| {' | '.join(heads)} |"
        yield "|---" * len(heads) + "|"
        for tool in runs.tools:
            seconds = " ".join(f"{value:.3g}" for value in runs.figures(tool, lambda run: run["seconds"]))
            cpu = middle(runs.figures(tool, lambda run: run["cpu_s"]))
            peak = middle(runs.figures(tool, lambda run: run["peak_mib"]))
            cells = [tool, seconds, f"{cpu:.3g}", f"{peak:.0f}"]
            own = [run for run in runs.runs if run["tool"] == tool]
            cells += [shown([run[key] for run in own if key in run]) for key, (_, shown) in more.items()]
            yield f"| {' | '.join(cells)} |"


# What the README tells of; the plot beside it has all.
HEADLINES = ("HDF5 contiguous", "HDF5 →", "Milvus 2.3.5", "the same")


def headline(folder):
    """The shortest thing to say of those that most people ask for."""
    yield "| what | `pipeline` | beside it | ratio |"
    yield "|---|---|---|---|"
    for line, _, ours, limit, name in compared(folder):
        if line.plot and line.what.startswith(HEADLINES):
            yield (f"| {line.what} | {number(middle(ours), line.unit)} {line.unit} | "
                   f"{name}: {number(middle(limit), line.unit)} | {number(middle(ours) / middle(limit))} |")


def fill(page, folder):
    """Fills the places of a page."""
    text = page.read_text()
    for name, lines in (("goals", goals), ("raw", raw), ("headline", headline)):
        place = re.compile(rf"(<!-- compare: {name} -->\n).*?(<!-- compare: end -->)", re.DOTALL)
        body = "\n".join(lines(folder))
        text = place.sub(lambda found, body=body: f"{found[1]}{body}\n{found[2]}", text)
    page.write_text(text)

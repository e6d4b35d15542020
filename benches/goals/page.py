"""Writes tables into the pages that have a place for them.

A place is what stands between `<!-- compare: NAME -->` and `<!-- compare: end -->`.
"""

import re

from history import add, load
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


# A limit that is beaten by more than this is none.
BEATEN = 1.05


def ratio(line, value):
    """A ratio as it is shown: to go faster than a limit is to show that it was none."""
    return "> 1" if line.plot == "limit" and value > 1 else number(value)


def ratios(line, history):
    """The ratio of the last measurement, and from the least to the most of all."""
    all_ = [one["ours"] / one["limit"] for one in history[line.what]]
    last, least, most = (ratio(line, value) for value in (all_[-1], min(all_), max(all_)))
    if len(all_) == 1:
        return f"{last} (measured once)"
    spread_ = f"{len(all_)} measurements" if least == most else f"{least} to {most} in {len(all_)} measurements"
    return f"{last} ({spread_})"


def verdict(line, history):
    """In how many of all measurements the goal was reached."""
    all_ = history[line.what]
    if line.goal is None:
        return ""
    if line.plot == "limit" and all_[-1]["ours"] > BEATEN * all_[-1]["limit"]:
        return "not known: beaten, so it is no limit"
    reached = sum(line.goal.reached(one["ours"], one["limit"]) for one in all_)
    if reached == len(all_):
        return "reached"
    return f"reached in {reached} of {len(all_)}" if reached else "not reached"


def goals(folder):
    history = known(folder)
    yield "| what | `pipeline` | beside it | ratio of medians | goal | |"
    yield "|---|---|---|---|---|---|"
    for line, _, ours, limit, name in compared(folder):
        yield (f"| {line.what} | {spread(ours, line.unit)} {line.unit} | {name}: {spread(limit, line.unit)} | "
               f"{ratios(line, history)} | {line.goal.words if line.goal else ''} | {verdict(line, history)} |")


def known(folder):
    """All measurements, those among them whose runs are kept now."""
    history = load(folder)
    for line, runs, *_ in compared(folder):
        add(history, line, runs)
    return history


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
    history = known(folder)
    yield "| what | `pipeline` | beside it | ratio of medians |"
    yield "|---|---|---|---|"
    for line, _, ours, limit, name in compared(folder):
        if line.plot and line.what.startswith(HEADLINES):
            yield (f"| {line.what} | {number(middle(ours), line.unit)} {line.unit} | "
                   f"{name}: {number(middle(limit), line.unit)} | {ratios(line, history)} |")


def fill(page, folder):
    """Fills the places of a page."""
    text = page.read_text()
    for name, lines in (("goals", goals), ("raw", raw), ("headline", headline)):
        place = re.compile(rf"(<!-- compare: {name} -->\n).*?(<!-- compare: end -->)", re.DOTALL)
        body = "\n".join(lines(folder))
        text = place.sub(lambda found, body=body: f"{found[1]}{body}\n{found[2]}", text)
    page.write_text(text)

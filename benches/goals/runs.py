"""Raw runs: made in rounds, kept in files, summed up as medians."""

import itertools
import json
import os
import platform
import statistics
import subprocess
import time


class Runs:
    """All runs of one measurement: `tool` of each says what ran."""

    def __init__(self, name, about, runs):
        self.name, self.about, self.runs = name, about, runs

    @classmethod
    def load(cls, folder, name):
        try:
            kept = json.loads((folder / f"{name}.json").read_text())
        except FileNotFoundError:
            return None
        return cls(name, kept["about"], kept["runs"])

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(f"    {json.dumps(run)}" for run in self.runs)
        about = json.dumps(self.about, ensure_ascii=False)
        (folder / f"{self.name}.json").write_text(f'{{\n  "about": {about},\n  "runs": [\n{lines}\n  ]\n}}\n')

    @property
    def tools(self):
        return list(dict.fromkeys(run["tool"] for run in self.runs))

    def figures(self, tool, figure):
        """A figure of each run of a tool."""
        return [figure(run) for run in self.runs if run["tool"] == tool]

    def incomplete(self):
        return [run for run in self.runs if not run["complete"]]


def in_rounds(bench, name, rows, tools, times=1):
    """Runs each tool once a round, the order alternating, so that what disturbs the machine disturbs all of them.

    A run is complete when it ended well and moved `rows` rows, or as many as they say of its tool. Limits that only
    know bytes have no rows. There are `times` the usual rounds, and three times as many where none takes a second: how
    fast the machine gives a program its memory weighs more there, and differs from run to run.
    """
    print(f"\n{name}", flush=True)
    runs = []
    for number in itertools.count(1):
        short = not any(run["seconds"] >= 1 for run in runs)
        if number > bench.rounds * (1 if bench.smoke else max(times, 3 if short else 1)):
            break
        for tool, run in list(tools.items())[::1 if number % 2 else -1]:
            done = {"tool": tool, "round": number, **run()}
            expected = rows[tool] if isinstance(rows, dict) else rows
            done["complete"] = done["exit_code"] == 0 and done["rows"] in (None, expected)
            runs.append(done)
            verdict = "" if done["complete"] else f"  INCOMPLETE: exit code {done['exit_code']}, {done['rows']} rows"
            print(f"  round {number}  {tool:<32}{done['seconds']:>9.3f} s {done['cpu_s']:>8.3f} CPU s "
                  f"{done['peak_mib']:>7.0f} MiB{verdict}", flush=True)
    return Runs(name, about(bench), runs)


def about(bench):
    """Where, when and with what it was measured."""
    def told(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else "unknown"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {processor()}, {os.cpu_count()} shared virtual cores, {memory:.0f} GiB",
        "system": f"Linux {platform.release().split('-')[0]}",
        "versions": {"pipeline": told(bench.pipeline_program, "--version"), "rustc": told("rustc", "--version")},
    }


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def middle(numbers):
    return statistics.median(numbers) if numbers else float("nan")

"""Running commands and measuring them, for the benches that compare programs."""

import json
import os
import platform
import statistics
import subprocess
import time


def measured(command, environment, log):
    """Runs a command; its exit code, wall seconds, CPU seconds and peak resident MiB."""
    with open(log, "ab") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "exit_code": process.returncode,
        "seconds": round(seconds, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_mib": round(usage.ru_maxrss / 1024, 1),
    }


def rounds(number, tools, run, rows, out, more):
    """Runs each tool once a round, the order alternating, and appends each run to `out` as a line of JSON.

    `run` gives what `measured` does, with the rows that arrived: a run is complete when these are `rows`.
    """
    runs = []
    for n in range(1, number + 1):
        for tool in tools if n % 2 else reversed(tools):
            done = {"round": n, "tool": tool, **run(tool), **more}
            done["complete"] = done["exit_code"] == 0 and done["rows"] == rows
            runs.append(done)
            with open(out, "a", encoding="utf-8") as lines:
                lines.write(json.dumps(done) + "\n")
            verdict = "" if done["complete"] else f"  INCOMPLETE: exit code {done['exit_code']}, {done['rows']:,} rows"
            print(f"round {n}  {tool:<10}{done['seconds']:>8.2f} s {done['cpu_s']:>8.2f} CPU s "
                  f"{done['peak_mib']:>7.0f} MiB{verdict}", flush=True)
    return runs


def medians(runs, tools, keys):
    """Of each tool: its complete and all runs, the medians of `keys` and the range of seconds of the complete ones."""
    for tool in tools:
        mine = [run for run in runs if run["tool"] == tool]
        good = [run for run in mine if run["complete"]]
        middle = {key: statistics.median(run[key] for run in good) for key in keys} if good else None
        times = sorted(run["seconds"] for run in good) or [0]
        yield tool, f"{len(good)}/{len(mine)}", middle, f"{times[0]:.2f}–{times[-1]:.2f}"


def machine():
    """Where and when it was measured."""
    return f"{platform.machine()}, {os.cpu_count()} cores shared with the server, {time.strftime('%Y-%m-%d')}"

"""Running `pipeline` and the limits it is compared with, and measuring both in the same way."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from inputs import Inputs

LAUNCHER = pathlib.Path(__file__).with_name("launch.py")


class Bench:
    """Programs, folders, and how much is measured."""

    def __init__(self, arguments, work):
        self.pipeline_program, self.limits_program, self.python = arguments.pipeline, arguments.limits, sys.executable
        self.rounds, self.smoke = arguments.rounds, arguments.smoke
        self.work = work
        self.inputs = Inputs(work / "inputs")

    def size(self, full, tiny):
        """Rows of an input: few, where it is only looked whether everything works."""
        return tiny if self.smoke else full

    def pipeline(self, name, source, sink, parallelism=None):
        """One run of a fresh configuration: exit code, seconds, CPU seconds, peak MiB, rows written."""
        config, report = self.work / f"{name}.yaml", self.work / f"{name}.json"
        state = self.work / f"{name}-state"
        shutil.rmtree(state, ignore_errors=True)
        report.unlink(missing_ok=True)
        run = {"state_dir": str(state)}
        config.write_text(json.dumps({"version": 1, "source": source, "sink": sink, "run": run}))
        command = [self.pipeline_program, "run", config, "-q", "--report", report]
        command += ["--parallelism", str(parallelism)] if parallelism else []
        done = measured(command, self.work / f"{name}.log")
        tables = json.loads(report.read_text())["tables"] if done["exit_code"] == 0 else []
        return {**done, "rows": sum(table["rows_written"] for table in tables)}

    def limit(self, name, **words):
        """One pass of a limit: what it says of itself, with the exit code and the peak of its process. Its rows are
        none where it only knows bytes.
        """
        log = self.work / f"limit-{name}.log"
        done = measured([self.limits_program, name, *(f"{key}={value}" for key, value in words.items())], log, "wb")
        last = log.read_text().strip().splitlines()[-1:]
        told = json.loads(last[0]) if done["exit_code"] == 0 and last else {"rows": 0, "bytes": 0}
        return {**done, **told, "rows": told["rows"] or None}

    def program(self, name, command, environment=None):
        """One run of any other program, and what it printed."""
        log = self.work / f"{name}.log"
        done = measured(command, log, "wb", environment)
        return done, log.read_text(errors="replace")


def measured(command, log, mode="ab", environment=None):
    """Runs a command; its exit code, wall seconds, CPU seconds and peak resident MiB."""
    launcher = [sys.executable, "-S", "-E", LAUNCHER, log, mode, *command]
    done = subprocess.run([str(word) for word in launcher], env={**os.environ, **(environment or {})},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)

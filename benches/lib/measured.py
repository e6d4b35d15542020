"""Running a command and measuring it, for the benches that compare programs."""

import os
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

"""Runs a command and prints what it took, as JSON: `launch.py LOG MODE COMMAND…`.

A process of its own, and a small one: the system counts the memory of whoever starts a program into the program's peak.
"""

import json
import os
import subprocess
import sys
import time

with open(sys.argv[1], sys.argv[2]) as output:
    started = time.monotonic()
    process = subprocess.Popen(sys.argv[3:], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
process.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps({
    "exit_code": process.returncode,
    "seconds": round(seconds, 4),
    "cpu_s": round(usage.ru_utime + usage.ru_stime, 4),
    "peak_mib": round(usage.ru_maxrss / 1024, 1),
}))

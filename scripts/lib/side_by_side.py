"""Runs test programs side by side: most of the time they wait for servers.

usage: side_by_side.py AT-ONCE TIMES-FILE <messages-of-cargo

Reads what `cargo test --no-run --message-format=json` prints, and runs each test program in it, AT-ONCE of them at
a time. Those that took longest the last time begin, by TIMES-FILE, which is written anew. A program's output
is shown whole when it has ended, as cargo shows it; a table of all programs comes at the end, and after it what
each failed test said. The exit code is 1 if one failed.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

# Characters that are shown of one failed test at the end.
MOST_WORDS = 2000


def programs():
    """Name, executable and folder of each test program."""
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("reason") != "compiler-artifact" or not message.get("executable"):
            continue
        if message["profile"]["test"]:
            target = message["target"]
            name = target["name"] if target["kind"] == ["test"] else f"{target['name']} ({target['kind'][0]})"
            yield name, message["executable"], pathlib.Path(message["manifest_path"]).parent


def run(name, executable, folder):
    started = time.monotonic()
    environment = {**os.environ, "CARGO_MANIFEST_DIR": str(folder)}
    done = subprocess.run([executable], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return name, done.returncode, done.stdout.decode(errors="replace"), time.monotonic() - started


def results(output):
    """The line that sums tests up."""
    lines = [line for line in output.splitlines() if line.startswith("test result:")]
    return lines[-1].removeprefix("test result:").split("; finished")[0].strip() if lines else "no result"


def failures(output):
    """What each failed test said, without the frames of the stack, shortened in the middle."""
    for part in output.split("\n---- ")[1:]:
        test, _, words = part.partition(" stdout ----\n")
        words = words.split("\nfailures:\n")[0].split("\nstack backtrace:\n")[0].strip()
        if len(words) > MOST_WORDS:
            words = f"{words[:MOST_WORDS // 2]}\n[...]\n{words[-MOST_WORDS // 2:]}"
        yield f"{test}\n{words}"


def main():
    at_once, times_file = int(sys.argv[1]), pathlib.Path(sys.argv[2])
    try:
        times = json.loads(times_file.read_text())
    except (OSError, ValueError):
        times = {}
    all_programs = sorted(programs(), key=lambda program: -times.get(program[0], 1e9))
    failed, table, words = [], [], []
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        running = [pool.submit(run, *program) for program in all_programs]
        for done in concurrent.futures.as_completed(running):
            name, code, output, seconds = done.result()
            times[name] = round(seconds, 1)
            if code != 0:
                failed.append(name)
                words += [f"{name}: {text}" for text in failures(output)]
            table.append(f"{name:<22}{seconds:>7.1f} s   {results(output)}")
            print(f"     Running {name}\n{output}", flush=True)
    print("\n".join(table), flush=True)
    times_file.write_text(json.dumps(times, indent=1, sort_keys=True))
    if failed:
        print("\n", "\n\n".join(words), f"\n\nFailed: {', '.join(sorted(failed))}", sep="", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

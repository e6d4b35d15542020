"""Measures how fast pipeline is beside what limits it, and writes the numbers into BENCHMARKS.md and README.md.

Each goal runs pipeline and what it is compared with in turn, the order alternating; raw runs are kept in benches/runs.
Those that are not measured this time keep the runs that they had.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import files  # noqa: E402
import growth  # noqa: E402
import history  # noqa: E402
import milvusdm  # noqa: E402
import network  # noqa: E402
import page  # noqa: E402
import plot  # noqa: E402
from bench import Bench  # noqa: E402
from runs import in_rounds  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


# What a measurement needs to run beside it, in the order in which they are made: a server that idles takes time from
# those that need none.
NOTHING, LITE, MILVUS = SERVERS = ("nothing", "lite", "milvus")


def goals(arguments):
    """Each measurement by its name: which server it needs, and a function that gives rows and tools, and how many times
    the usual rounds there are."""
    return {
        "hdf5-contiguous": (NOTHING, files.hdf5_contiguous),
        "hdf5-gzip": (NOTHING, files.hdf5_gzip),
        "faiss-flat": (NOTHING, files.faiss_flat),
        "faiss-ivf-1000": (NOTHING, files.faiss_ivf(1000)),
        "faiss-ivf-20": (NOTHING, files.faiss_ivf(20)),
        "milvus1": (NOTHING, files.milvus1_to_nothing),
        "to-parquet": (NOTHING, files.written("parquet")),
        "to-hdf5": (NOTHING, files.written("hdf5")),
        "wire": (NOTHING, network.wire),
        "growth": (NOTHING, growth.rows),
        "splits": (NOTHING, growth.splits),
        "milvus-lite": (LITE, lambda bench: network.server(
            bench, "milvus-lite", arguments.uri, arguments.group, (100_000, 1_000))),
        "milvus-2.3.5": (MILVUS, lambda bench: network.server(
            bench, "milvus-2.3.5", arguments.uri, arguments.group, (1_000_000, 2_000))),
        "live": (MILVUS, lambda bench: network.live(bench, arguments.uri)),
        "milvusdm": (MILVUS, lambda bench: milvusdm.against(bench, arguments.uri, arguments.milvusdm)),
    }


def parse():
    parser = argparse.ArgumentParser(prog="benches/compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("goals", nargs="*", metavar="GOAL", help="which of them (all): " + ", ".join(goals(None)))
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--smoke", action="store_true", help="one round of tiny inputs, and nothing is written")
    parser.add_argument("--pages", action="store_true", help="only write the pages anew, from the runs that are kept")
    # What the script around this one says: which servers do these goals need; measure those of this server, or only this one
    # of them, and keep the runs there.
    parser.add_argument("--needs", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--server", choices=SERVERS, help=argparse.SUPPRESS)
    for hidden in ("--only", "--runs", "--pipeline", "--limits", "--work", "--uri", "--group", "--milvusdm"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(arguments.goals) - set(goals(arguments))
    if unknown:
        parser.error(f"there is no goal {', '.join(sorted(unknown))}; there are {', '.join(goals(arguments))}")
    if arguments.smoke:
        arguments.rounds = 1
    return arguments


def wanted(arguments):
    """The goals that were asked for, by name."""
    return {name: goal for name, goal in goals(arguments).items() if not arguments.goals or name in arguments.goals}


def measure(arguments, kept):
    """Measures what was asked for of those that need this server. False when rows were missing in one."""
    bench = Bench(arguments, pathlib.Path(arguments.work).absolute())
    incomplete = []
    for name, (server, goal) in wanted(arguments).items():
        if server != arguments.server or arguments.only not in (None, name):
            continue
        runs = in_rounds(bench, name, *goal(bench))
        missing = [f"{name}, {run['tool']}" for run in runs.incomplete()]
        if not missing:
            runs.save(kept)
        incomplete += missing
    if incomplete:
        print(f"\nIncomplete, and not kept: {'; '.join(incomplete)}")
    return not incomplete


def write_pages(kept):
    history.save(kept, page.known(kept))
    print("\n".join(["", *page.goals(kept)]))
    page.fill(ROOT / "BENCHMARKS.md", kept)
    page.fill(ROOT / "README.md", kept)
    plot.draw(ROOT / "docs" / "benchmarks.svg", kept)


def look_at_pages(kept):
    """Everything that writing pages does, but for writing them."""
    plot.draw(kept / "plot.svg", kept)
    print(f"\n{len(list(page.compared(kept)))} comparisons could be made; of rows so few they say nothing")


def main():
    arguments = parse()
    kept = pathlib.Path(arguments.runs) if arguments.runs else ROOT / "benches" / "runs"
    if arguments.needs:
        needed = {name: server for name, (server, _) in wanted(arguments).items()}
        print(*needed, *(server for server in SERVERS if server in needed.values()))
    elif arguments.server:
        return 0 if measure(arguments, kept) else 1
    else:
        (look_at_pages if arguments.smoke else write_pages)(kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())

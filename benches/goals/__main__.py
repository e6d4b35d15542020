"""Measures how fast pipeline is beside what limits it, and writes the numbers into BENCHMARKS.md and README.md.

Each goal runs pipeline and what it is compared with in turn, the order alternating; raw runs are kept in benches/runs.
Those that are not measured this time keep the runs that they had.
"""

import argparse
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import files  # noqa: E402
import growth  # noqa: E402
import milvusdm  # noqa: E402
import network  # noqa: E402
import page  # noqa: E402
import plot  # noqa: E402
from bench import Bench  # noqa: E402
from runs import in_rounds  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def goals(arguments):
    """Each measurement by its name: a function that gives rows and tools."""
    return {
        "hdf5-contiguous": files.hdf5_contiguous,
        "hdf5-gzip": files.hdf5_gzip,
        "faiss-flat": files.faiss_flat,
        "faiss-ivf-1000": files.faiss_ivf(1000),
        "faiss-ivf-20": files.faiss_ivf(20),
        "milvus1": files.milvus1_to_nothing,
        "to-parquet": files.written("parquet"),
        "to-hdf5": files.written("hdf5"),
        "wire": network.wire,
        "milvus-2.3.5": lambda bench: network.server(bench, "milvus-2.3.5", arguments.milvus, (500_000, 2_000)),
        "milvus-lite": lambda bench: network.server(bench, "milvus-lite", arguments.lite, (50_000, 1_000)),
        "live": lambda bench: network.live(bench, arguments.milvus),
        "milvusdm": lambda bench: milvusdm.against(bench, arguments.milvus, arguments.milvusdm),
        "growth": growth.rows,
        "splits": growth.splits,
    }


def parse():
    parser = argparse.ArgumentParser(prog="benches/compare", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("goals", nargs="*", metavar="GOAL", help="which of them (all): " + ", ".join(goals(None)))
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--smoke", action="store_true", help="one round of tiny inputs, and nothing is written")
    parser.add_argument("--pages", action="store_true", help="only write the pages anew, from the runs that are kept")
    for hidden in ("--pipeline", "--limits", "--work", "--milvus", "--lite", "--milvusdm"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(arguments.goals) - set(goals(arguments))
    if unknown:
        parser.error(f"there is no goal {', '.join(sorted(unknown))}; there are {', '.join(goals(arguments))}")
    if arguments.smoke:
        arguments.rounds = 1
    return arguments


def main():
    arguments = parse()
    kept = ROOT / "benches" / "runs"
    incomplete = []
    with tempfile.TemporaryDirectory() as tiny:
        folder = pathlib.Path(tiny) if arguments.smoke else kept
        if not arguments.pages:
            work = pathlib.Path(tiny if arguments.smoke else arguments.work).absolute()
            bench = Bench(arguments, work)
            for name, goal in goals(arguments).items():
                if arguments.goals and name not in arguments.goals:
                    continue
                rows, tools = goal(bench)
                runs = in_rounds(bench, name, tools, rows)
                incomplete += [f"{name}, {run['tool']}" for run in runs.incomplete()]
                if not runs.incomplete():
                    runs.save(folder)
        print()
        if arguments.smoke:
            print(f"{len(list(page.compared(folder)))} comparisons could be made; of rows so few they say nothing")
        else:
            print("\n".join(page.goals(folder)))
            page.fill(ROOT / "BENCHMARKS.md", folder)
            page.fill(ROOT / "README.md", folder)
        plot.draw(pathlib.Path(tiny) / "plot.svg" if arguments.smoke else ROOT / "docs" / "benchmarks.svg", folder)
    if incomplete:
        print(f"\nIncomplete, and not kept: {'; '.join(incomplete)}")
    return 1 if incomplete else 0


if __name__ == "__main__":
    sys.exit(main())

"""Times reading a collection of a live Milvus with pymilvus's query_iterator and with pipeline, in turn, and
pipeline copying it into another database.

Each round runs all three, the order alternating. `iterator` is query_iterator with the largest page that a
server takes, in one process; `read` is pipeline into the sink that forgets its rows; `copy` is pipeline into a
collection of the same schema and index in another database of the same server, which is dropped after. A
run counts only if it saw, or the copy holds, exactly the collection's rows.
"""

import argparse
import json
import pathlib
import sys
import time

from pymilvus import MilvusClient

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "lib"))
from measured import machine, measured, medians, rounds  # noqa: E402

COLLECTION, DATABASE = "compare", "compare_copy"
PAGE = 16384


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the collection (1000000)")
    parser.add_argument("--dim", type=int, default=128, help="values per vector (128)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each (5)")
    parser.add_argument("--tools", default="iterator,read,copy", help="which of them (iterator,read,copy)")
    parser.add_argument("--parallelism", type=int, default=8, help="of pipeline (8)")
    parser.add_argument("--out", type=pathlib.Path, help="where raw runs are appended, as JSON lines")
    parser.add_argument("--uri", default="http://127.0.0.1:19530", help="the Milvus 2.3 server")
    parser.add_argument("--work", type=pathlib.Path, default="compare-live", help="folder for files")
    parser.add_argument("--pipeline", help="the pipeline command")
    return parser.parse_args()


def pipeline(args, name, source, sink):
    """Runs pipeline, and reads its report."""
    config, report = args.work / f"{name}.yaml", args.work / f"{name}.json"
    config.write_text(json.dumps({"version": 1, "source": source, "sink": sink,
                                  "run": {"state_dir": str(args.work / "state")}}))
    result = measured([args.pipeline, "run", str(config), "--restart", "-q", "--report", str(report),
                       "--parallelism", str(args.parallelism)], {}, args.work / f"{name}.log")
    tables = json.loads(report.read_text())["tables"] if result["exit_code"] == 0 else []
    return {**result, "rows": sum(table["rows_written"] for table in tables)}


def fill(args, client):
    if client.has_collection(COLLECTION):
        client.drop_collection(COLLECTION)
    print(f"Filling a collection with {args.rows:,} × {args.dim}", flush=True)
    pipeline(args, "fill", {"synthetic": {"rows": args.rows, "dim": args.dim}},
             {"milvus": {"uri": args.uri, "collection": COLLECTION, "schema": {"id": "id", "vector": "vector"},
                         "index": {"type": "FLAT", "metric": "L2"}, "wait_for_index": True, "load": True}})
    held = client.query(COLLECTION, "id >= 0", output_fields=["count(*)"])[0]["count(*)"]
    assert held == args.rows, f"{held} rows are there, see {args.work / 'fill.log'}"


def iterator(args, client):
    log = args.work / "iterator.log"
    log.write_text("")
    result = measured([sys.executable, HERE / "iterate.py", args.uri, COLLECTION, str(PAGE)], {}, log)
    last = log.read_text().strip().splitlines()[-1:]
    return {**result, "rows": int(last[0]) if last and last[0].isdigit() else 0}


def read(args, client):
    return pipeline(args, "read", {"milvus": {"uri": args.uri, "collections": {COLLECTION: None}}}, {"null": {}})


def copy(args, client):
    if DATABASE not in client.list_databases():
        client.create_database(DATABASE)
    there = MilvusClient(args.uri, db_name=DATABASE)
    if there.has_collection(COLLECTION):
        there.drop_collection(COLLECTION)
    result = pipeline(args, "copy", {"milvus": {"uri": args.uri, "collections": {COLLECTION: None}}},
                      {"milvus": {"uri": args.uri, "database": DATABASE}})
    held = int(there.get_collection_stats(COLLECTION)["row_count"])
    there.drop_collection(COLLECTION)
    return {**result, "rows": min(held, result["rows"])}


TOOLS = {"iterator": iterator, "read": read, "copy": copy}


def table(runs, args):
    """Medians of the complete runs, and the range of their times."""
    size = args.rows * (args.dim * 4 + 8) / 1e6
    print(f"\n{args.rows:,} × {args.dim} float32 with int64 ids, {size:,.0f} MB, --parallelism {args.parallelism}")
    print(f"{machine()}\n")
    print(f"{'what':<10}{'runs':>6}{'seconds':>10}{'min–max':>15}{'rows/s':>10}{'MB/s':>8}{'CPU s':>8}"
          f"{'peak MiB':>10}")
    of = {}
    for tool, count, middle, times in medians(runs, args.tools.split(","), ("seconds", "cpu_s", "peak_mib")):
        if middle is None:
            print(f"{tool:<10}{count:>6}  no run moved all rows, see {args.work / tool}.log")
            continue
        of[tool] = middle
        print(f"{tool:<10}{count:>6}{middle['seconds']:>10.2f}{times:>15}"
              f"{args.rows / middle['seconds']:>10,.0f}{size / middle['seconds']:>8.1f}{middle['cpu_s']:>8.2f}"
              f"{middle['peak_mib']:>10.0f}")
    if "iterator" in of and "read" in of:
        old, new = of["iterator"], of["read"]
        print(f"\niterator / read: {old['seconds'] / new['seconds']:.1f} × the time, "
              f"{old['cpu_s'] / new['cpu_s']:.1f} × the CPU, {old['peak_mib'] / new['peak_mib']:.1f} × the memory")


def main():
    args = arguments()
    args.work = args.work.absolute()
    args.work.mkdir(parents=True, exist_ok=True)
    out = args.out or args.work / f"runs-{time.strftime('%Y%m%d-%H%M%S')}.jsonl"
    client = MilvusClient(uri=args.uri)
    fill(args, client)
    runs = rounds(args.rounds, args.tools.split(","), lambda tool: TOOLS[tool](args, client), args.rows, out,
                  {"dim": args.dim})
    table(runs, args)
    print(f"\nRaw runs: {out}")
    return 0 if all(run["complete"] for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())

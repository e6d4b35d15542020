"""Times MilvusDM and pipeline on the same file and the same server, in turn.

Each round runs both tools, the order alternating, each into a fresh collection that is dropped after.
Two times per run: until the tool ended, and until the server had also flushed what it was given.
MilvusDM does not flush and does not count; pipeline does both before it ends, so for pipeline the two
are nearly the same. Neither builds an index here, since MilvusDM never does (`--index auto` lets
pipeline build its own). A run counts only if the server holds exactly the file's rows after it.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

from pymilvus import MilvusClient

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "lib"))
from measured import machine, measured, medians, rounds  # noqa: E402

COLLECTION = "compare"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the file (200000)")
    parser.add_argument("--dim", type=int, default=128, help="values per vector (128)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each tool (5)")
    parser.add_argument("--tools", default="milvusdm,pipeline", help="which of the two (milvusdm,pipeline)")
    parser.add_argument("--index", choices=["none", "auto"], default="none", help="what pipeline builds (none)")
    parser.add_argument("--parallelism", type=int, help="of pipeline (its default: the cores)")
    parser.add_argument("--out", type=pathlib.Path, help="where raw runs are appended, as JSON lines")
    parser.add_argument("--uri", default="http://127.0.0.1:19530", help="the Milvus 2.3 server")
    parser.add_argument("--work", type=pathlib.Path, default="compare", help="folder for files")
    parser.add_argument("--milvusdm", help="the milvusdm command")
    parser.add_argument("--pipeline", help="the pipeline command")
    return parser.parse_args()


def milvusdm_run(args, file):
    """Command and environment; its folder keeps MilvusDM's logs and id lists."""
    host, port = args.uri.split("://")[1].split(":")
    config = args.work / "milvusdm.yaml"
    config.write_text(json.dumps({"H2M": {
        "milvus_version": "2.x",
        "data_path": [str(file)],
        "data_dir": None,
        "dest_host": host,
        "dest_port": int(port),
        "mode": "overwrite",
        "dest_collection_name": COLLECTION,
        "dest_partition_name": None,
        "collection_parameter": {"dimension": args.dim, "index_file_size": 1024, "metric_type": "L2"},
    }}))
    environment = {"MILVUSDM_PATH": str(args.work / "milvusdm"), "PYTHONPATH": str(HERE / "shim"),
                   "PYTHONWARNINGS": "ignore"}
    return [args.milvusdm, "--yaml", str(config)], environment


def pipeline_run(args, file):
    config = args.work / "pipeline.yaml"
    config.write_text(json.dumps({
        "version": 1,
        "source": {"hdf5": {"paths": [str(file)], "vectors": "embeddings", "ids": "ids", "metric": "L2"}},
        "sink": {"milvus": {"uri": args.uri, "collection": COLLECTION, "mode": "overwrite", "index": args.index}},
        "run": {"state_dir": str(args.work / "state")},
    }))
    command = [args.pipeline, "run", str(config), "--restart", "-q"]
    if args.parallelism:
        command += ["--parallelism", str(args.parallelism)]
    return command, {}


def one_run(tool, args, file, client):
    if client.has_collection(COLLECTION):
        client.drop_collection(COLLECTION)
    command, environment = {"milvusdm": milvusdm_run, "pipeline": pipeline_run}[tool](args, file)
    result = measured(command, environment, args.work / f"{tool}.log")
    rows = 0
    if client.has_collection(COLLECTION):
        started = time.monotonic()
        client.flush(COLLECTION)
        result["flushed_s"] = round(result["seconds"] + time.monotonic() - started, 3)
        rows = int(client.get_collection_stats(COLLECTION)["row_count"])
        client.drop_collection(COLLECTION)
    return {**result, "rows": rows}


def table(runs, args):
    """Medians of the complete runs, and the range of their times."""
    size = args.rows * (args.dim * 4 + 8) / 2**20
    print(f"\n{args.rows:,} × {args.dim} float32 with ids, {size:,.0f} MiB, index {args.index}")
    print(f"{machine()}\n")
    print(f"{'tool':<10}{'runs':>6}{'seconds':>10}{'min–max':>15}{'to flushed':>12}"
          f"{'MiB/s':>8}{'CPU s':>8}{'peak MiB':>10}")
    of = {}
    keys = ("seconds", "flushed_s", "cpu_s", "peak_mib")
    for tool, count, middle, times in medians(runs, args.tools.split(","), keys):
        if middle is None:
            print(f"{tool:<10}{count:>6}  no run moved all rows, see {args.work / tool}.log")
            continue
        of[tool] = middle
        print(f"{tool:<10}{count:>6}{middle['seconds']:>10.2f}{times:>15}"
              f"{middle['flushed_s']:>12.2f}{size / middle['seconds']:>8.0f}{middle['cpu_s']:>8.2f}"
              f"{middle['peak_mib']:>10.0f}")
    if len(of) == 2:
        old, new = of["milvusdm"], of["pipeline"]
        print(f"\nMilvusDM / pipeline: {old['seconds'] / new['seconds']:.2f} × the time, "
              f"{old['flushed_s'] / new['flushed_s']:.2f} × the time until flushed, "
              f"{old['cpu_s'] / new['cpu_s']:.1f} × the CPU, {old['peak_mib'] / new['peak_mib']:.1f} × the memory")


def main():
    args = arguments()
    args.work = args.work.absolute()
    (args.work / "milvusdm" / "logs").mkdir(parents=True, exist_ok=True)
    out = args.out or args.work / f"runs-{time.strftime('%Y%m%d-%H%M%S')}.jsonl"
    file = args.work / f"sample-{args.rows}x{args.dim}.h5"
    if not file.exists():
        sample = HERE.parents[1] / "scripts" / "lib" / "sample.py"
        subprocess.run([sys.executable, sample, file, str(args.rows), str(args.dim)], check=True)
    # Both tools find the file in the page cache, the first one too.
    with open(file, "rb") as handle:
        while handle.read(1 << 24):
            pass

    client = MilvusClient(uri=args.uri)
    runs = rounds(args.rounds, args.tools.split(","), lambda tool: one_run(tool, args, file, client), args.rows, out,
                  {"dim": args.dim, "index": args.index})
    table(runs, args)
    print(f"\nRaw runs: {out}")
    return 0 if all(run["complete"] for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())

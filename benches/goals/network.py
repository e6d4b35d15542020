"""Goals of the network: insert requests on the wire, filling a Milvus, and reading one that runs."""

import contextlib
import functools
import itertools
import json
import os
import pathlib
import subprocess

from files import NOTHING, hdf5
from inputs import DIM, warm

# Bytes of a request, about as large as pipeline makes them.
MESSAGE = 8 << 20
# What any HTTP/2 server takes, those of Milvus among them; one that asks for more gets larger frames.
SMALL_FRAME, LARGE_FRAME = 16 << 10, 1 << 20
# Most rows that a server answers a question with.
PAGE = 16_384
IN_FLIGHT = (1, 2, 4, 8)
COLLECTION = "compare"
ITERATE = pathlib.Path(__file__).with_name("iterate.py")


def into(uri, collection, **more):
    return {"milvus": {"uri": uri, "collection": collection, "index": "none", **more}}


def receiver(bench, frame):
    """Starts a server that only receives. It ends with this program, which holds its input open."""
    server = subprocess.Popen([bench.limits_program, "receive", f"frame={frame}"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    return json.loads(server.stdout.readline())["uri"]


def wire(bench):
    """Insert requests to a server that only receives, beside the same bytes over a bare stream."""
    rows = bench.size(4_000_000, 20_000)
    path = bench.inputs.hdf5(rows)
    warm(path)
    names = (f"received_{number}" for number in itertools.count())

    def ours(uri):
        return bench.pipeline("wire", hdf5(path, ids=True), into(uri, next(names)))

    def stream(uri):
        return bench.limit("stream", uri=uri, bytes=rows * (4 * DIM + 8), message=MESSAGE)
    tools = {}
    for frame, before in ((LARGE_FRAME, ""), (SMALL_FRAME, "16 KiB frames: ")):
        uri = receiver(bench, frame)
        tools[f"{before}pipeline"] = functools.partial(ours, uri)
        tools[f"{before}h2 stream"] = functools.partial(stream, uri)
    return rows, tools


def server(bench, name, uri, group, sizes):
    """A file into a server, beside requests that were built before, in the ways that this server takes the fastest.

    Both begin with a collection that is new, and end when the server has flushed and counted. How much of the
    processor the server, all of its process group, took meanwhile is noted too. Runs of the same kind differ by more
    than these two do, so there are twice as many rounds.
    """
    from pymilvus import MilvusClient

    client = MilvusClient(uri=uri)
    rows = bench.size(*sizes)
    path = bench.inputs.hdf5(rows)
    warm(path)

    def ours():
        if client.has_collection(COLLECTION):
            client.drop_collection(COLLECTION)
        # As many requests at once as servers take the fastest, however few cores this machine has.
        done = beside(group, bench.pipeline)(name, hdf5(path, ids=True), into(uri, COLLECTION), parallelism=4)
        client.drop_collection(COLLECTION)
        return done

    def requests(way):
        in_flight, batch = way
        return beside(group, bench.limit)("insert", uri=uri, collection=COLLECTION, path=path, batch=batch,
                                          in_flight=in_flight)
    tools = {f"requests, {in_flight} of {batch:,} rows": functools.partial(requests, (in_flight, batch))
             for in_flight, batch in fastest(bench, name, rows, requests)}
    return rows, {"pipeline": ours, **tools}, 2


def beside(group, measured):
    """What is measured, and the seconds of the processor that a server's process group took meanwhile. What it wrote
    before is on disk by then.
    """
    def both(*words, **named):
        os.sync()
        before = processor_seconds(group)
        done = measured(*words, **named)
        return {**done, "server_cpu_s": round(processor_seconds(group) - before, 2)}
    return both


def processor_seconds(group):
    """What the processes of a group that run now have taken so far."""
    ticks = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # Behind the name, which may hold anything: state, parent, group, …, user time, system time.
            fields = stat.read_text().rpartition(")")[2].split()
            ticks += (int(fields[11]) + int(fields[12])) if fields[2] == group else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def fastest(bench, name, rows, requests, keep=2):
    """How many requests at once, of how many rows, a server takes the fastest, by one pass each."""
    batches = [rows // 4] if bench.smoke else (10_000, 20_000, 40_000)
    ways = list(itertools.product(IN_FLIGHT[:2] if bench.smoke else IN_FLIGHT, batches))
    print(f"\n{name}: looking which requests are the fastest", flush=True)
    took = {}
    for way in ways:
        took[way] = requests(way).get("flushed_s", float("inf"))
        print(f"  {way[0]} at once, of {way[1]:>6,} rows {took[way]:>9.3f} s", flush=True)
    return sorted(ways, key=took.get)[:keep]


def live(bench, uri):
    """A collection of a Milvus 2.3.5 into nothing, beside questions for its pages whose answers nobody decodes, and
    beside pymilvus's query_iterator with the largest pages there are.
    """
    from pymilvus import MilvusClient

    client = MilvusClient(uri=uri)
    rows, collection = bench.size(2_000_000, 5_000), "compare_live"
    if client.has_collection(collection):
        client.drop_collection(collection)
    print("\nFilling a collection to read", flush=True)
    sink = into(uri, collection, schema={"id": "id", "vector": "vector"}, index={"type": "FLAT", "metric": "L2"},
                wait_for_index=True, load=True)
    done = bench.pipeline("live-fill", hdf5(bench.inputs.hdf5(rows), ids=True), sink)
    assert done["rows"] == rows, f"{done}: see {bench.work / 'live-fill.log'}"
    source = {"milvus": {"uri": uri, "collections": {collection: None}}}

    def iterator():
        done, printed = bench.program("iterator", [bench.python, ITERATE, uri, collection, PAGE])
        last = printed.strip().splitlines()[-1:]
        return {**done, "rows": int(last[0]) if last and last[0].isdigit() else 0}

    def queries(streams):
        return bench.limit("query", uri=uri, collection=collection, rows=rows, dim=DIM,
                           streams=streams, page=PAGE)
    tools = {f"bare queries, {streams}": functools.partial(queries, streams) for streams in IN_FLIGHT}
    return rows, {"pipeline": lambda: bench.pipeline("live", source, NOTHING, 4), **tools, "query_iterator": iterator}

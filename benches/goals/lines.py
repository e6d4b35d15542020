"""The table of goals: what is compared with what, by which figure, and what is to be reached."""

import dataclasses
from typing import Callable

from inputs import DIM, ROW_BYTES
from runs import middle


@dataclasses.dataclass
class Goal:
    """What the ratio, or the figure itself, is to be."""

    words: str
    reached: Callable[[float, float], bool]


def at_least(ratio):
    return Goal(f"≥ {ratio:g} ×", lambda ours, limit: ours >= ratio * limit)


def at_most(ratio, words):
    return Goal(f"≤ {words}", lambda ours, limit: ours <= ratio * limit)


@dataclasses.dataclass
class Line:
    """One comparison: of a tool with another, or with the best of those whose names begin so."""

    what: str
    runs: str
    ours: str
    limit: str
    unit: str
    our_figure: Callable[[dict], float]
    limit_figure: Callable[[dict], float]
    goal: Goal | None
    # Where it is drawn: beside its limit, or beside another program.
    plot: str = ""
    # The commit with the first measurement that is defined as today's.
    since: str = ""

    def figures(self, runs):
        """Figures of ours, those of what it is compared with, and that one's name."""
        ours = runs.figures(self.ours, self.our_figure)
        tools = [self.limit] if self.limit in runs.tools else [t for t in runs.tools if t.startswith(self.limit)]
        if not ours or not tools:
            return None
        limit = max(tools, key=lambda tool: middle(runs.figures(tool, self.limit_figure)))
        return ours, runs.figures(limit, self.limit_figure), limit


def rate(row_bytes):
    return lambda run: run["rows"] * row_bytes / run["seconds"] / 1e9


def own_rate(run):
    return run["bytes"] / run["seconds"] / 1e9


def rows_rate(run):
    return run["rows"] / run["seconds"]


def flushed_rate(run):
    return run["rows"] / run.get("flushed_s", run["seconds"])


def cpu_per_gb(run):
    return run["cpu_s"] / (run["rows"] * (ROW_BYTES + 8)) * 1e9


def of(key):
    return lambda run: run[key]


def reading(what, runs, limit, ours="pipeline"):
    return Line(f"{what} → nothing", runs, ours, limit, "GB/s", rate(ROW_BYTES), own_rate, at_least(0.9), plot="limit")


def writing(source, sink):
    runs = {"Parquet, zstd 1": "to-parquet", "HDF5": "to-hdf5"}[sink]
    figure = rate(ROW_BYTES + 8)
    # Before, the bare writers were given all rows at once, and measured the machine's memory.
    return Line(f"{source} → {sink}", runs, f"pipeline, {source}", "bare writer", "GB/s", figure, figure, at_least(0.8),
                plot="limit", since="a86b9f2")


SOURCES = ("HDF5", "Faiss Flat", "Faiss IVFFlat", "Milvus 1.x")

LINES = [
    reading("HDF5 contiguous, 1 reader", "hdf5-contiguous", "plain reads"),
    reading("HDF5 gzip, 1 reader", "hdf5-gzip", "inflate, 1", "pipeline, 1"),
    reading("HDF5 gzip, 2 readers", "hdf5-gzip", "inflate, 2", "pipeline, 2"),
    reading("Faiss Flat, 1 reader", "faiss-flat", "sum"),
    reading("Faiss IVFFlat, lists of 1,000", "faiss-ivf-1000", "sum"),
    reading("Faiss IVFFlat, lists of 20", "faiss-ivf-20", "sum"),
    reading("Milvus 1.x, 1 reader", "milvus1", "sum"),
    *(writing(source, "Parquet, zstd 1") for source in SOURCES),
    *(writing(source, "HDF5") for source in SOURCES),
    Line("Insert requests on the wire, CPU", "wire", "pipeline", "h2 stream", "CPU s/GB", cpu_per_gb,
         lambda run: run["cpu_s"] / run["bytes"] * 1e9,
         Goal("≤ 0.6 CPU s/GB", lambda ours, limit: ours <= 0.6)),
    Line("Insert requests on the wire, rate", "wire", "pipeline", "h2 stream", "MB/s",
         lambda run: 1000 * rate(ROW_BYTES + 8)(run), lambda run: 1000 * own_rate(run),
         Goal("≥ 600 MB/s", lambda ours, limit: ours >= 600)),
    Line("HDF5 → Milvus 2.3.5, to flushed", "milvus-2.3.5", "pipeline", "requests", "rows/s", rows_rate, flushed_rate,
         at_least(0.95), plot="limit"),
    Line("HDF5 → Milvus Lite, to flushed", "milvus-lite", "pipeline", "requests", "rows/s", rows_rate, flushed_rate,
         at_least(0.95), plot="limit"),
    Line("Milvus 2.3.5 → nothing", "live", "pipeline", "bare queries", "rows/s", rows_rate, rows_rate, at_least(0.9),
         plot="limit"),
    Line("Milvus 2.3.5 → nothing, beside `query_iterator`", "live", "pipeline", "query_iterator", "rows/s",
         rows_rate, rows_rate, at_least(10), plot="other"),
    Line("HDF5 → Milvus 2.3.5, beside MilvusDM: rate", "milvusdm", "pipeline", "MilvusDM", "rows/s", rows_rate,
         rows_rate, at_least(3), plot="other"),
    Line("the same: processor time of the client", "milvusdm", "pipeline", "MilvusDM", "CPU s", of("cpu_s"), of("cpu_s"),
         at_most(0.1, "1/10"), plot="other"),
    Line("the same: peak memory of the client", "milvusdm", "pipeline", "MilvusDM", "MiB", of("peak_mib"), of("peak_mib"),
         at_most(0.1, "1/10"), plot="other"),
    Line("10,000,000 rows beside 1,000,000: CPU a row", "growth", "nothing, 10000000", "nothing, 1000000", "ns/row",
         lambda run: run["cpu_s"] / run["rows"] * 1e9, lambda run: run["cpu_s"] / run["rows"] * 1e9,
         at_most(1.1, "1.1 ×")),
    Line("10,000,000 rows beside 1,000,000: peak memory", "growth", "nothing, 10000000", "nothing, 1000000", "MiB",
         of("peak_mib"), of("peak_mib"), at_most(1.1, "1.1 ×")),
    Line("4,000,000 rows beside 1,000,000, into Parquet: peak memory", "growth", "Parquet, 4000000", "Parquet, 1000000",
         "MiB", of("peak_mib"), of("peak_mib"), at_most(1.1, "1.1 ×")),
    Line("10,000 splits of 8.4 MB beside 100 of 839 MB", "splits", "two batches, 10000 splits", "two batches, 100 splits", "GB/s",
         rate(4 * DIM), rate(4 * DIM), at_least(0.95)),
    Line("10,000 splits of 0.5 MB beside 100 of 52 MB", "splits", "1,000 rows, 10000 splits", "1,000 rows, 100 splits",
         "GB/s", rate(4 * DIM), rate(4 * DIM), None),
]

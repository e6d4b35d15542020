"""Goals of growth: more rows, and more splits."""

from files import NOTHING, emptied
from inputs import DIM

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


def rows(bench):
    """Made-up rows of growing number into nothing; and into Parquet, where memory could grow with them."""
    tools = {}
    for size in SIZES[:2] if bench.smoke else SIZES:
        source = {"synthetic": {"rows": size, "dim": DIM}}
        tools[f"nothing, {size}"] = lambda source=source: bench.pipeline("growth", source, NOTHING)
    out = bench.work / "growth-out"
    for size in SIZES[:1] if bench.smoke else (1_000_000, 4_000_000):
        source = {"synthetic": {"rows": size, "dim": DIM}}
        tools[f"Parquet, {size}"] = lambda source=source: emptied(
            out, lambda: bench.pipeline("growth", source, {"parquet": {"dir": str(out)}}))
    return None, tools


def splits(bench):
    """The same rows in 100 and in 10,000 splits: of a batch each, and of 1,000 rows each."""
    tools = {}
    for what, split_rows in (("a batch", 16_384), ("1,000 rows", 1_000)):
        number = bench.size(10_000, 100)
        for splits in (100, number):
            source = {"synthetic": {"rows": number * split_rows, "dim": DIM, "split_rows": number * split_rows // splits}}
            tools[f"{what}, {splits} splits"] = lambda source=source: bench.pipeline("splits", source, NOTHING)
    return None, tools

"""Goals of growth: more rows, and more splits."""

from files import NOTHING, emptied
from inputs import DIM

# Rows of two batches of `pipeline`, of 4 MiB each.
BATCHES_ROWS = 2 * ((4 << 20) // (4 * DIM + 8))
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


def rows(bench):
    """Made-up rows of growing number into nothing; and into Parquet, where memory could grow with them."""
    tools, number = {}, {}
    for size in SIZES[:2] if bench.smoke else SIZES:
        source = {"synthetic": {"rows": size, "dim": DIM}}
        number[f"nothing, {size}"] = size
        tools[f"nothing, {size}"] = lambda source=source: bench.pipeline("growth", source, NOTHING)
    out = bench.work / "growth-out"
    for size in SIZES[:1] if bench.smoke else (1_000_000, 4_000_000):
        source = {"synthetic": {"rows": size, "dim": DIM}}
        number[f"Parquet, {size}"] = size
        tools[f"Parquet, {size}"] = lambda source=source: emptied(
            out, lambda: bench.pipeline("growth", source, {"parquet": {"dir": str(out)}}))
    return number, tools


def splits(bench):
    """The same rows in 100 and in 10,000 splits: of two batches each, and of 1,000 rows each."""
    tools, number = {}, {}
    most = bench.size(10_000, 100)
    for what, split_rows in (("two batches", BATCHES_ROWS), ("1,000 rows", 1_000)):
        for splits in (100, most):
            tool, rows = f"{what}, {splits} splits", most * split_rows
            source = {"synthetic": {"rows": rows, "dim": DIM, "split_rows": rows // splits}}
            number[tool] = rows
            tools[tool] = lambda source=source: bench.pipeline("splits", source, NOTHING)
    return number, tools

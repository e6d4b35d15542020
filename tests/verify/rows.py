"""Writes the files that the tests move into a folder.

usage: rows.py FOLDER

    plain.parquet     3,000 rows: int64 ids, many negative, the lowest among them; 16 float32
    scalars.parquet   3,000 rows more with a text, an int16, a float64, a boolean and a JSON-like text
    texts.parquet     1,000 rows with text ids that hold quotes, backslashes and other scripts
    twice.parquet     200 rows of which 20 ids come twice, with other vectors
    one.h5, two.h5    700 and 500 rows of 24 float32 with ids that don't overlap
"""

import sys
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(sys.argv[1])
DIM = 16
RANDOM = np.random.default_rng(5)


def vectors(rows, dim=DIM):
    values = RANDOM.standard_normal((rows, dim)).astype("<f4")
    # What is equal as a number and is not the same.
    values[::7, 0] = -0.0
    values[::11, 1] = np.float32(1e-45)
    return values


def listed(values):
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def write(name, ids, more=None):
    columns = {"id": ids, "vector": listed(vectors(len(ids)))}
    pq.write_table(pa.table({**columns, **(more or {})}), FOLDER / name, row_group_size=400)


numbers = RANDOM.permutation(3000) - 1500
numbers[100] = -(2**63)
write("plain.parquet", pa.array(numbers, "i8"))
write(
    "scalars.parquet",
    pa.array(numbers, "i8"),
    {
        "text": pa.array([f"text “{n}” {'x' * (n % 40)}" for n in range(3000)]),
        "small": pa.array((np.arange(3000) % 600 - 300).astype("i2")),
        "double": pa.array(RANDOM.standard_normal(3000)),
        "flag": pa.array(np.arange(3000) % 3 == 0),
    },
)
strange = ["plain", 'quo"te', "apo'strophe", "back\\slash", "line\nbreak", "日本", "a b", "%_", ""]
write("texts.parquet", pa.array([f"{strange[n % 8]}{n}" for n in range(1000)]))
twice = np.arange(200)
twice[180:] = np.arange(20)
write("twice.parquet", pa.array(twice, "i8"))

for name, first, rows in [("one.h5", 0, 700), ("two.h5", 10_000, 500)]:
    with h5py.File(FOLDER / name, "w") as file:
        file["embeddings"] = vectors(rows, 24)
        file["ids"] = np.arange(first, first + rows)

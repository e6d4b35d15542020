"""Reads Parquet folders with pyarrow, and compares them with HDF5 files as h5py reads them.

usage: parquet.py < cases.json

A case is {"out": folder, "file": HDF5 file, "vectors": path, "ids": path or null, "kind": …}; the
rows have to be the same in the same order, bit for bit. Prints a line for each case that differs,
and at the end how many were compared.
"""

import json
import sys
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401, h5py finds its filters
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def source_rows(case):
    with h5py.File(case["file"]) as f:
        dataset = f[case["vectors"]]
        if case["kind"] == "quarter":
            # bfloat16, which numpy has not: libhdf5 turns it into float32.
            vectors = np.empty(dataset.shape, "<f4")
            dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, vectors, h5py.h5t.IEEE_F32LE)
        else:
            vectors = dataset[...]
        ids = f[case["ids"]][...] if case["ids"] else np.arange(len(vectors))
    if vectors.dtype.kind == "S":
        vectors = vectors.view("u1").reshape(len(vectors), vectors.dtype.itemsize)
    elif vectors.dtype.kind == "f":
        vectors = vectors.astype("<f4")
    return ids.astype("i8").ravel(), vectors


def target_rows(folder):
    parts = sorted(Path(folder).rglob("part-*.parquet"))
    ids, vectors = [], []
    for part in parts:
        table = pq.read_table(part, partitioning=None)
        kind = table.schema.field("vector").type
        if not pa.types.is_fixed_size_list(kind):
            raise AssertionError(f"the vectors are {kind}")
        column = table.column("vector").combine_chunks()
        values = column.flatten().to_numpy(zero_copy_only=False)
        ids.append(table.column("id").to_numpy())
        vectors.append(values.reshape(len(table), kind.list_size))
    return np.concatenate(ids), np.concatenate(vectors)


def compare(case):
    expected_ids, expected = source_rows(case)
    if len(expected) == 0 and not list(Path(case["out"]).rglob("part-*.parquet")):
        return
    ids, vectors = target_rows(case["out"])
    if not np.array_equal(ids, expected_ids):
        raise AssertionError(f"the ids differ: {ids[:5]}… instead of {expected_ids[:5]}…")
    if vectors.dtype != expected.dtype or vectors.shape != expected.shape:
        raise AssertionError(
            f"{vectors.dtype} {vectors.shape} instead of {expected.dtype} {expected.shape}"
        )
    if vectors.tobytes() != expected.tobytes():
        row = next(n for n in range(len(ids)) if vectors[n].tobytes() != expected[n].tobytes())
        raise AssertionError(f"row {row} is {vectors[row]} instead of {expected[row]}")


cases = json.load(sys.stdin)
for case in cases:
    try:
        compare(case)
    except Exception as error:  # whatever it is, the test shows it
        print(f"{case['file']}: {type(error).__name__}: {error}")
print(f"{len(cases)} compared")

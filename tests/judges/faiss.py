"""Compares what arrived from Faiss indexes, in Milvus (by pymilvus) and in Parquet (by pyarrow), with
what make_faiss.py says they hold.

usage: faiss.py URI < cases.json

A case is {"truth": file of ids and vectors, "rows", "dim", "kind", "exact", "collection": or null
when it went into Parquet alone, "partition", "staged": folder}. Prints a line for each that differs,
and at the end how many were compared. The collections are dropped.
"""

import json
import logging
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from pymilvus import DataType, MilvusClient

logging.disable(logging.WARNING)
CLIENT = MilvusClient(sys.argv[1])


def true_rows(case):
    data = Path(case["truth"]).read_bytes()
    rows = case["rows"]
    kind, width = ("u1", case["dim"] // 8) if case["kind"] == "binary" else ("<f4", case["dim"])
    ids = np.frombuffer(data, "<i8", rows)
    return ids, np.frombuffer(data, kind, offset=8 * rows).reshape(rows, width)


def milvus_rows(case, width):
    iterator = CLIENT.query_iterator(
        case["collection"],
        partition_names=[case["partition"]],
        batch_size=1000,
        filter="",
        output_fields=["id", "vector"],
        consistency_level="Strong",
    )
    ids, vectors = [], []
    while page := iterator.next():
        for row in page:
            ids.append(row["id"])
            value = row["vector"]
            whole = value[0] if isinstance(value, list) and isinstance(value[0], bytes) else value
            kind = "u1" if isinstance(whole, bytes) else "<f4"
            vectors.append(np.frombuffer(whole, kind) if kind == "u1" else np.array(whole, kind))
    iterator.close()
    return np.array(ids, "i8"), np.array(vectors).reshape(len(ids), width)


def parquet_rows(case, width):
    ids, vectors = [np.empty(0, "i8")], []
    for part in sorted(Path(case["staged"]).rglob("part-*.parquet")):
        table = pq.read_table(part, partitioning=None)
        ids.append(table.column("id").to_numpy())
        values = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        vectors.append(values.reshape(len(table), width))
    ids = np.concatenate(ids)
    return ids, np.concatenate(vectors) if vectors else np.empty((0, width))


def sorted_rows(ids, vectors):
    # By id; rows of the same id by their values.
    keys = [vectors[:, n] for n in reversed(range(vectors.shape[1]))] if len(ids) else []
    order = np.lexsort([*keys, ids])
    return ids[order], vectors[order]


def compare(case, found, once):
    ids, vectors = sorted_rows(*found)
    expected_ids, expected = sorted_rows(*true_rows(case))
    if once and len(set(expected_ids)) < len(expected_ids):
        # Milvus holds several rows of an id, and shows one of them.
        rows = {(id_, vector.tobytes()) for id_, vector in zip(expected_ids, expected)}
        if list(ids) != sorted(set(expected_ids)) or not all(
            (id_, vector.tobytes()) in rows for id_, vector in zip(ids, vectors)
        ):
            raise AssertionError("the rows differ")
        return
    if not np.array_equal(ids, expected_ids):
        raise AssertionError(f"{len(ids)} rows, ids {ids[:4]}… instead of {expected_ids[:4]}…")
    if case["exact"]:
        same = vectors.tobytes() == expected.tobytes()
    else:
        scale = np.abs(expected).max(axis=1, keepdims=True) if len(expected) else 1
        same = bool(np.all(np.abs(vectors - expected) <= 1e-5 * scale))
    if not same:
        raise AssertionError("the vectors differ")


request = json.load(sys.stdin)
for collection in {case["collection"] for case in request} - {None}:
    CLIENT.load_collection(collection)
for case in request:
    width = true_rows(case)[1].shape[1]
    for place, read in [("Milvus", milvus_rows), ("Parquet", parquet_rows)]:
        if place == "Milvus" and not case["collection"]:
            continue
        try:
            compare(case, read(case, width), once=place == "Milvus")
        except Exception as error:  # whatever it is, the test shows it
            print(f"{case['truth']} in {place}: {type(error).__name__}: {error}")
for collection in {case["collection"] for case in request} - {None}:
    CLIENT.drop_collection(collection)
print(len(request), "compared")

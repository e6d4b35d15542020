"""Reads collections back with pymilvus, and compares them with HDF5 files as h5py reads them.

usage: milvus.py URI

A request is one line of JSON on standard input, an answer one line of JSON on standard output:

    {"do": "compare", "collection": …, "files": [[path, vectors, ids or null], …], "partition": …}
        every row, by id, bit for bit; without ids the rows are numbered over all files. Partition:
        left out for the whole collection.
        → {"rows", "metric", "index", "vector_field"}
    {"do": "partitions", "collection": …}
        → {"partitions"}, or null where there is no such collection
    {"do": "drop", "collection": …}
        → {}
    {"do": "alias", "collection": …, "alias": …}
        makes an alias; without a collection, drops it
        → {}
    {"do": "seen", "alias": …}
        what an alias leads to
        → {"collection", "rows"}

What differs is the answer {"wrong": …}.
"""

import json
import logging
import sys

import h5py
import numpy as np
from pymilvus import DataType, MilvusClient

# Older servers lack a timestamp that query_iterator asks for, which it says each time.
logging.disable(logging.WARNING)

CLIENT = MilvusClient(sys.argv[1])
PAGE = 1000


def source_rows(files):
    ids, vectors, rows = [], [], 0
    for path, vector_path, id_path in files:
        with h5py.File(path) as f:
            data = f[vector_path][...]
            numbers = f[id_path][...] if id_path else np.arange(rows, rows + len(data))
        if data.dtype.kind == "S":
            data = data.view("u1").reshape(len(data), data.dtype.itemsize)
        elif data.dtype.kind == "f":
            data = data.astype("<f4")
        rows += len(data)
        ids.append(numbers.astype("i8").ravel())
        vectors.append(data)
    return np.concatenate(ids), np.concatenate(vectors)


def target_rows(collection, partition, id_field, vector_field):
    options = {"partition_names": [partition]} if partition else {}
    iterator = CLIENT.query_iterator(
        collection,
        batch_size=PAGE,
        filter="",
        output_fields=[id_field, vector_field["name"]],
        consistency_level="Strong",
        **options,
    )
    ids, vectors = [], []
    while page := iterator.next():
        ids.extend(row[id_field] for row in page)
        for row in page:
            value = row[vector_field["name"]]
            if vector_field["type"] == DataType.BINARY_VECTOR:
                whole = value[0] if isinstance(value, list) else value
                vectors.append(np.frombuffer(whole, "u1"))
            else:
                vectors.append(np.array(value, "<f4"))
    iterator.close()
    return np.array(ids, "i8"), np.array(vectors)


def compare(request):
    collection, partition = request["collection"], request.get("partition")
    fields = CLIENT.describe_collection(collection)["fields"]
    id_field = next(field["name"] for field in fields if field.get("is_primary"))
    vector_field = next(field for field in fields if "dim" in field.get("params", {}))
    index = CLIENT.describe_index(collection, CLIENT.list_indexes(collection)[0])
    CLIENT.load_collection(collection)
    ids, vectors = target_rows(collection, partition, id_field, vector_field)
    expected_ids, expected = source_rows(request["files"])
    if len(ids) != len(expected_ids):
        raise AssertionError(f"{len(ids)} rows instead of {len(expected_ids)}")
    order, expected_order = np.argsort(ids), np.argsort(expected_ids)
    if not np.array_equal(ids[order], expected_ids[expected_order]):
        raise AssertionError("the ids differ")
    got, expected = vectors[order], expected[expected_order]
    if len(ids) and got.tobytes() != expected.tobytes():
        row = next(n for n in range(len(got)) if got[n].tobytes() != expected[n].tobytes())
        raise AssertionError(f"id {ids[order][row]} has {got[row]} instead of {expected[row]}")
    return {
        "rows": len(ids),
        "metric": index["metric_type"],
        "index": index["index_type"],
        "vector_field": vector_field["name"],
    }


def partitions(request):
    if not CLIENT.has_collection(request["collection"]):
        return None
    return {"partitions": sorted(CLIENT.list_partitions(request["collection"]))}


def drop(request):
    CLIENT.drop_collection(request["collection"])
    return {}


def alias(request):
    if collection := request.get("collection"):
        CLIENT.create_alias(collection, request["alias"])
    else:
        CLIENT.drop_alias(request["alias"])
    return {}


def seen(request):
    name = request["alias"]
    rows = CLIENT.query(name, output_fields=["count(*)"], consistency_level="Strong")
    collection = CLIENT.describe_alias(name)["collection_name"]
    return {"collection": collection, "rows": rows[0]["count(*)"]}


JUDGEMENTS = {
    "compare": compare,
    "partitions": partitions,
    "drop": drop,
    "alias": alias,
    "seen": seen,
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = JUDGEMENTS[request["do"]](request)
    except Exception as error:  # whatever it is, the test shows it
        answer = {"wrong": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)

"""Reads collections back with pymilvus, and compares them with HDF5 files as h5py reads them, with
files of true rows, or with each other.

usage: milvus.py URI [lite]

A request is one line of JSON on standard input, an answer one line of JSON on standard output:

    {"do": "compare", "collection": …, "files": [[path, vectors, ids or null], …], "partition": …}
        every row, by id, bit for bit; without ids the rows are numbered over all files. Partition:
        left out for the whole collection.
        → {"rows", "metric", "index", "vector_field"}
    {"do": "load", "collections": [name, …]}
        loads them all at once, which takes no longer than one
        → {}
    {"do": "holds", "collection": …,
     "parts": [{"partition", "truth": path, "rows", "dim", "kind": "float" or "binary"}, …]}
        that there are these partitions and no others (but the default one), each with so many rows,
        and that what a query shows are true rows, bit for bit. An id that comes more than once is
        counted each time, and shown once: with one of its vectors. With "new_ids": true, the ids may
        be any, and each vector is shown as often as it comes.
        → {"rows", "metric"}
    {"do": "same", "collection": …, "other": …}
        that two collections have the same partitions, rows and metric
        → {"rows", "partitions"}
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
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
from pymilvus import DataType, MilvusClient

# Older servers lack a timestamp that query_iterator asks for, which it says each time.
logging.disable(logging.WARNING)

CLIENT = MilvusClient(sys.argv[1])
IS_LITE = sys.argv[2:] == ["lite"]
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


def true_rows(part):
    """Ids, then vectors: the files of tests/milvus1/fixtures."""
    with open(part["truth"], "rb") as file:
        ids = np.fromfile(file, "<i8", part["rows"])
        vectors = np.fromfile(file, "u1").reshape(part["rows"], -1 if part["rows"] else 0)
    width = part["dim"] // 8 if part["kind"] == "binary" else part["dim"] * 4
    assert part["rows"] == 0 or vectors.shape[1] == width
    return ids, vectors


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


def opened(collection):
    """Loads it; its id field, vector field and index."""
    fields = CLIENT.describe_collection(collection)["fields"]
    id_field = next(field["name"] for field in fields if field.get("is_primary"))
    vector_field = next(field for field in fields if "dim" in field.get("params", {}))
    index = CLIENT.describe_index(collection, CLIENT.list_indexes(collection)[0])
    CLIENT.load_collection(collection)
    return id_field, vector_field, index


def load(request):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(CLIENT.load_collection, request["collections"]))
    return {}


def compare(request):
    collection, partition = request["collection"], request.get("partition")
    id_field, vector_field, index = opened(collection)
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


def counted(collection, partition):
    # Milvus Lite counts the whole collection whatever the partition; its statistics are exact.
    if IS_LITE:
        return CLIENT.get_partition_stats(collection, partition)["row_count"]
    rows = CLIENT.query(
        collection,
        filter="",
        output_fields=["count(*)"],
        partition_names=[partition],
        consistency_level="Strong",
    )
    return rows[0]["count(*)"]


def shown(collection, partition, id_field, vector_field):
    ids, vectors = target_rows(collection, partition, id_field, vector_field)
    rows = {int(id): vector.tobytes() for id, vector in zip(ids, vectors)}
    assert len(rows) == len(ids), f"{partition}: an id is shown twice"
    return rows


def holds(request):
    collection = request["collection"]
    id_field, vector_field, index = opened(collection)
    there = set(CLIENT.list_partitions(collection))
    wanted = {"_default"} | {part["partition"] for part in request["parts"]}
    assert there == wanted, f"partitions {there} instead of {wanted}"
    rows = 0
    for part in request["parts"]:
        ids, vectors = true_rows(part)
        name = part["partition"]
        count = counted(collection, name)
        assert count == len(ids), f"{name} holds {count} rows instead of {len(ids)}"
        true = {}
        for id, vector in zip(ids.tolist(), vectors):
            true.setdefault(id, set()).add(vector.tobytes())
        found = shown(collection, name, id_field, vector_field)
        if request.get("new_ids"):
            expected = Counter(vector.tobytes() for vector in vectors)
            more = Counter(found.values()) - expected
            less = expected - Counter(found.values())
            assert not more and not less, f"{name}: {more.total()} rows too many, {less.total()} missing"
            rows += count
            continue
        differ = found.keys() ^ true.keys()
        assert not differ, f"{name}: ids {sorted(differ)[:5]} of {len(differ)} are too many or missing"
        wrong = [id for id, vector in found.items() if vector not in true[id]]
        assert not wrong, f"{name}: ids {wrong[:5]} of {len(wrong)} have other vectors"
        rows += count
    return {"rows": rows, "metric": index["metric_type"]}


def same(request):
    load({"collections": [request["collection"], request["other"]]})
    sides = []
    for collection in request["collection"], request["other"]:
        id_field, vector_field, index = opened(collection)
        names = sorted(CLIENT.list_partitions(collection))
        rows = {name: shown(collection, name, id_field, vector_field) for name in names}
        counts = {name: counted(collection, name) for name in names}
        sides.append((index["metric_type"], counts, rows))
    one, other = sides
    assert one[:2] == other[:2], f"{one[:2]} and {other[:2]}"
    for name, rows in one[2].items():
        differ = {id for id, vector in rows.items() if other[2][name].get(id) != vector}
        differ |= other[2][name].keys() - rows.keys()
        assert not differ, f"{name}: ids {sorted(differ)[:5]} of {len(differ)} differ"
    return {"rows": sum(one[1].values()), "partitions": sorted(one[1])}


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


TASKS = {
    "load": load,
    "compare": compare,
    "holds": holds,
    "same": same,
    "partitions": partitions,
    "drop": drop,
    "alias": alias,
    "seen": seen,
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = TASKS[request["do"]](request)
    except Exception as error:  # whatever it is, the test shows it
        answer = {"wrong": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)

"""Makes collections of every kind with pymilvus, and tells all that they hold.

usage: live.py URI [DATABASE]

The database is made where there is none, at the start and when it is asked for.

A request is one line of JSON on standard input, an answer one line of JSON on standard output:

    {"do": "make", "kind": …, "collection": …, "rows": …}     → {}
    {"do": "tell", "collection": …}
        → {"schema", "indexes", "aliases", "rows": {partition: {id: {field: value}}},
           "counts": {partition: rows}}
        values of vectors as bytes in hexadecimal digits, JSON as what it says
    {"do": "insert", "collection": …, "ids": [...]}           further rows of the kind "plain" → {}
    {"do": "insert again", "collection": …, "rows": [n, …]}   rows that "make" inserted, as they were → {}
    {"do": "call", "name": …, "arguments": {…}}               any method of MilvusClient → {}
    {"do": "state", "collection": …}                          → {"state", "indexes"}
    {"do": "files", "folder": …}                              rows of Parquet files, by ids and as `tell`
        → {"rows": {id: {field: value}}}                      has them; fields as those of "plain"
    {"do": "make database"}                                   unless it is there → {}
    {"do": "drop database"}                                   the whole one → {}
    {"do": "names", "prefix": …}                              of collections → {"names"}
    {"do": "drop", "collections": [prefix, …]}                → {}

What goes wrong is the answer {"wrong": …}.
"""

import json
import logging
import random
import struct
import sys
from pathlib import Path

import grpc
import numpy as np
import pyarrow.parquet as pq
from pymilvus import DataType, Function, FunctionType, MilvusClient

# What goes wrong is answered.
logging.disable(logging.CRITICAL)
DATABASE = sys.argv[2] if len(sys.argv) > 2 else None
ADMIN = MilvusClient(sys.argv[1])


def make_database(_=None):
    if DATABASE and DATABASE not in ADMIN.list_databases():
        try:
            ADMIN.create_database(DATABASE)
        except Exception:  # Another judge was faster.
            if DATABASE not in ADMIN.list_databases():
                raise
    return {}


make_database()
IN_DATABASE = {"db_name": DATABASE} if DATABASE else {}
CLIENT = MilvusClient(sys.argv[1], **IN_DATABASE)
VECTORS = {
    DataType.FLOAT_VECTOR: "FloatVector",
    DataType.BINARY_VECTOR: "BinaryVector",
    DataType.FLOAT16_VECTOR: "Float16Vector",
    DataType.BFLOAT16_VECTOR: "BFloat16Vector",
    DataType.SPARSE_FLOAT_VECTOR: "SparseFloatVector",
    DataType.INT8_VECTOR: "Int8Vector",
}
MOST = 16384  # rows of an answer
try:
    CLIENT.get_server_version()
    EARLY_LITE = False
except grpc.RpcError:
    # Milvus Lite 2.x: one partition, no aliases, and few kinds of indexes.
    EARLY_LITE = True
ODD = ['', 'a"b', "c\\d", "e\nf", "tab\there", "日本語", "𝄞", "'single'", "{}", "% or true"]


def aliases_of(name):
    if EARLY_LITE:
        return []
    # It does not send the database that it was made for.
    return CLIENT.list_aliases(name, **IN_DATABASE).get("aliases", [])


def floats(n, dim):
    return np.random.default_rng(n).standard_normal(dim).astype(np.float32)


def schema(**more):
    return CLIENT.create_schema(**{"auto_id": False, **more})


def plain(s, index, dim=8):
    s.add_field("id", DataType.INT64, is_primary=True, description="the key")
    s.add_field("v", DataType.FLOAT_VECTOR, dim=dim, description="what is searched")
    kind, params = ("IVF_FLAT", {"nlist": 8}) if EARLY_LITE else ("HNSW", {"M": 8, "efConstruction": 64})
    index.add_index("v", index_type=kind, metric_type="COSINE", index_name="v", params=params)
    return lambda n: {"id": n * 7 - 1000, "v": floats(n, dim)}


def scalars(s, index):
    base = plain(s, index)
    kinds = [DataType.BOOL, DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64,
             DataType.FLOAT, DataType.DOUBLE, DataType.VARCHAR]
    for kind in kinds:
        more = {"max_length": 40} if kind == DataType.VARCHAR else {}
        s.add_field(kind.name.lower(), kind, description=f"one {kind.name}", **more)
        s.add_field(f"{kind.name.lower()}s", DataType.ARRAY, element_type=kind, max_capacity=5, **more)
    s.add_field("json", DataType.JSON)

    def value(kind, n, k=0):
        bits = {DataType.INT8: 7, DataType.INT16: 15, DataType.INT32: 31, DataType.INT64: 63}
        if kind == DataType.BOOL:
            return (n + k) % 2 == 0
        if kind in bits:
            top = 1 << bits[kind]
            return [-top, top - 1, 0, -1, n][(n + k) % 5] if n < 5 else (n * 31 + k) % top
        if kind == DataType.FLOAT:
            return float(floats(n, k + 1)[k])
        if kind == DataType.DOUBLE:
            return (n + k) / 7
        return ODD[(n + k) % len(ODD)]

    def row(n):
        out = base(n)
        for kind in kinds:
            out[kind.name.lower()] = value(kind, n)
            out[f"{kind.name.lower()}s"] = [value(kind, n, k) for k in range(n % 6)]
        # 2.3.5 takes objects alone.
        out["json"] = [{"b": [1, 2.5, None], "a": {"ü": "x"}}, {}, {"true": True}, {"n": n}][n % 4]
        return out

    return row


def dynamic(s, index):
    base = plain(s, index)
    more = [{}, {"extra": 1}, {"extra": "text", "deep": {"list": [1, {"x": None}]}}, {"ü\"": 1.5}]
    return lambda n: {**base(n), **more[n % 4]}


def texts(s, index):
    s.add_field("key", DataType.VARCHAR, is_primary=True, max_length=60)
    s.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    index.add_index("v", index_type="IVF_FLAT", metric_type="IP", params={"nlist": 16})
    # The empty key is one that Milvus takes, and pages begin with.
    return lambda n: {"key": f"{ODD[n % len(ODD)]}{n // len(ODD) or ''}", "v": floats(n, 4)}


def bits(s, index):
    s.add_field("id", DataType.INT64, is_primary=True)
    s.add_field("v", DataType.BINARY_VECTOR, dim=24)
    index.add_index("v", index_type="BIN_FLAT", metric_type="JACCARD")
    return lambda n: {"id": n, "v": random.Random(n).randbytes(3)}


def halves(s, index, kind=DataType.FLOAT16_VECTOR):
    s.add_field("id", DataType.INT64, is_primary=True)
    s.add_field("v", kind, dim=6)
    index.add_index("v", index_type="FLAT", metric_type="L2")
    if kind == DataType.FLOAT16_VECTOR:
        return lambda n: {"id": n, "v": floats(n, 6).astype(np.float16)}
    upper = lambda n: (floats(n, 6).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return lambda n: {"id": n, "v": upper(n)}


def sparse(s, index):
    s.add_field("id", DataType.INT64, is_primary=True)
    s.add_field("v", DataType.SPARSE_FLOAT_VECTOR)
    index.add_index("v", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    return lambda n: {"id": n, "v": {(n * 31 + k) * (k + 1): abs(float(floats(n, k + 1)[k]))
                                     for k in range(n % 4 + 1)}}


def several(s, index):
    base = plain(s, index)
    s.add_field("w", DataType.FLOAT_VECTOR, dim=3)
    s.add_field("s", DataType.SPARSE_FLOAT_VECTOR)
    index.add_index("w", index_type="FLAT", metric_type="L2")
    index.add_index("s", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    return lambda n: {**base(n), "w": floats(n + 1, 3), "s": {n: 1.0, n + 5: 0.5}}


def nulls(s, index):
    base = plain(s, index)
    s.add_field("maybe", DataType.INT32, nullable=True)
    s.add_field("text", DataType.VARCHAR, max_length=20, nullable=True)
    s.add_field("often", DataType.INT64, default_value=42)
    s.add_field("word", DataType.VARCHAR, max_length=20, default_value="none")

    def row(n):
        out = base(n)
        out["maybe"] = None if n % 3 == 0 else n
        out["text"] = None if n % 4 == 0 else f"t{n}"
        if n % 2:
            out["often"], out["word"] = n, f"w{n}"
        return out

    return row


def holes(s, index):
    base = plain(s, index)
    s.add_field("w", DataType.INT8_VECTOR, dim=2, nullable=True)
    s.add_field("s", DataType.SPARSE_FLOAT_VECTOR, nullable=True)
    index.add_index("w", index_type="FLAT", metric_type="L2")
    index.add_index("s", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    return lambda n: {**base(n), "w": None if n % 3 == 1 else np.array([n, -n], dtype=np.int8),
                      "s": None if n % 2 else {n: 1.0}}


def keyed(s, index):
    base = plain(s, index)
    s.add_field("tenant", DataType.VARCHAR, max_length=20, is_partition_key=True)
    return lambda n: {**base(n), "tenant": f"tenant {n % 7}"}


def auto(s, index):
    s.add_field("id", DataType.INT64, is_primary=True, auto_id=True)
    s.add_field("v", DataType.FLOAT_VECTOR, dim=4)
    index.add_index("v", index_type="FLAT", metric_type="L2")
    return lambda n: {"v": floats(n, 4)}


def computed(s, index):
    base = plain(s, index)
    s.add_field("text", DataType.VARCHAR, max_length=200, enable_analyzer=True)
    s.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    s.add_function(Function(name="bm25", function_type=FunctionType.BM25,
                            input_field_names=["text"], output_field_names=["words"]))
    index.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    return lambda n: {**base(n), "text": f"row number {n} of many"}


def int8s(s, index):
    s.add_field("id", DataType.INT64, is_primary=True)
    s.add_field("v", DataType.INT8_VECTOR, dim=5)
    s.add_field("group", DataType.INT32, is_clustering_key=True)
    index.add_index("v", index_type="HNSW", metric_type="COSINE", params={"M": 8, "efConstruction": 64})
    all_of_them = np.arange(256, dtype=np.uint8).astype(np.int8)
    return lambda n: {"id": n * 7 - 100, "v": np.roll(all_of_them, n * 5)[:5], "group": n % 3}


def paths(s, index):
    base = plain(s, index)
    s.add_field("doc", DataType.JSON)
    for path, cast in [("a", "double"), ("b", "varchar")]:
        index.add_index("doc", index_name=f"doc_{path}", index_type="INVERTED",
                        params={"json_path": f"doc['{path}']", "json_cast_type": cast})
    return lambda n: {**base(n), "doc": {"a": n, "b": f"b{n}"}}


def ordered(s, index):
    base = plain(s, index)
    s.add_field("n", DataType.INT64)
    index.add_index("n", index_type="STL_SORT")
    return lambda n: {**base(n), "n": n}


KINDS = {
    "sorted": ordered,
    "int8s": int8s, "paths": paths, "holes": holes,
    "plain": plain, "scalars": scalars, "dynamic": dynamic, "texts": texts, "bits": bits,
    "halves": halves, "sparse": sparse, "several": several, "nulls": nulls, "keyed": keyed,
    "auto": auto, "computed": computed, "empty": plain, "parts": plain,
    "bfloats": lambda s, index: halves(s, index, DataType.BFLOAT16_VECTOR),
}


def make(request):
    kind, name, rows = request["kind"], request["collection"], request["rows"]
    more = {"enable_dynamic_field": True} if kind == "dynamic" else {}
    s, index = schema(description=f"made as {kind}", **more), CLIENT.prepare_index_params()
    row = KINDS[kind](s, index)
    options = {"num_partitions": 4} if kind == "keyed" else {}
    CLIENT.create_collection(name, schema=s, index_params=index, consistency_level="Session", **options)
    parts = ["_default"]
    if kind == "parts":
        parts += ["p1", "p2"]
        for part in parts[1:]:
            CLIENT.create_partition(name, part)
    rows = [row(n) for n in range(0 if kind == "empty" else rows)]
    for k, part in enumerate(parts):
        some = rows[k :: len(parts)]
        for start in range(0, len(some), 1000):
            where = {} if kind == "keyed" else {"partition_name": part}
            CLIENT.insert(name, some[start : start + 1000], **where)
    CLIENT.flush(name)
    return {}


def insert(request):
    return insert_rows(request, [{"id": n, "v": floats(n % 2**32, 8)} for n in request["ids"]])


def insert_again(request):
    return insert_rows(request, [{"id": n * 7 - 1000, "v": floats(n, 8)} for n in request["rows"]])


def insert_rows(request, rows):
    CLIENT.insert(request["collection"], rows)
    CLIENT.flush(request["collection"])
    return {}


def plainly(kind, value):
    if value is None:
        return None
    if kind in (DataType.FLOAT_VECTOR,):
        return np.asarray(value, dtype=np.float32).tobytes().hex()
    if kind == DataType.SPARSE_FLOAT_VECTOR:
        return {str(k): struct.pack("<f", v).hex() for k, v in sorted(value.items())}
    if kind in VECTORS:
        value = value[0] if isinstance(value, list) else value
        return (value if isinstance(value, bytes) else np.asarray(value).tobytes()).hex()
    if kind == DataType.FLOAT:
        return struct.pack("<f", value).hex()
    if kind == DataType.ARRAY:
        return [float(v).hex() if isinstance(v, float) else v for v in list(value)]
    return value


def shown(name, everything, key, options):
    """Rows of a collection. The iterator builds conditions that texts of some kinds break."""
    options["consistency_level"] = "Strong"
    if key != DataType.INT64:
        return CLIENT.query(name, everything, limit=MOST, **options)
    pages, rows = CLIENT.query_iterator(name, filter=everything, batch_size=4000, **options), []
    while page := pages.next():
        rows += page
    return rows


def tell(request):
    name = request["collection"]
    told = CLIENT.describe_collection(name)
    fields = [f for f in told["fields"]]
    kinds = {f["name"]: DataType(f["type"]) for f in fields}
    computed = [f["name"] for f in fields if f.get("is_function_output")]
    key = next(f["name"] for f in fields if f.get("is_primary"))
    wanted = [n for n in kinds if n not in computed] + (["*"] if told["enable_dynamic_field"] else [])
    everything = f'{key} >= ""' if kinds[key] == DataType.VARCHAR else f"{key} <= 0 or {key} > 0"
    rows, counts = {}, {}
    keyed = any(f.get("is_partition_key") for f in fields)
    parts = ["_default"] if EARLY_LITE else CLIENT.list_partitions(name)
    for part in [None] if keyed else parts:
        where = {} if keyed else {"partition_names": [part]}
        count = CLIENT.query(name, everything, output_fields=["count(*)"],
                             consistency_level="Strong", **where)
        counts[part or "all"] = count[0]["count(*)"]
        found = shown(name, everything, kinds[key], {"output_fields": wanted, **where})
        rows[part or "all"] = {
            str(row[key]): {k: plainly(kinds.get(k), v) for k, v in row.items() if k not in computed}
            for row in found
        }
    indexes = {}
    for index in CLIENT.list_indexes(name):
        i = CLIENT.describe_index(name, index)
        # A field may have several, which tell apart by their names; else those are the servers' own.
        one = indexes.setdefault(i["field_name"], {})
        told_of = {"type": i["index_type"], "metric": i.get("metric_type"), "M": str(i.get("M")),
                   "nlist": str(i.get("nlist"))}
        if "json_path" in i:
            one[index] = {**told_of, "path": i["json_path"], "cast": i["json_cast_type"]}
        else:
            one.update(told_of)
    return {
        "schema": {
            "description": told["description"],
            "dynamic": told["enable_dynamic_field"],
            "consistency": told["consistency_level_name"],
            "functions": [[f["name"], int(f["type"])] for f in told.get("functions", [])],
            "fields": [
                {"name": f["name"], "type": DataType(f["type"]).name, "description": f["description"],
                 "params": {k: str(v) for k, v in f["params"].items()},
                 "element": DataType(f["element_type"]).name if f.get("element_type") else None,
                 "key": bool(f.get("is_primary")), "auto": bool(f.get("auto_id")),
                 "partition_key": bool(f.get("is_partition_key")), "null": bool(f.get("nullable")),
                 "default": str(f["default_value"]) if f.get("default_value") else None}
                for f in fields
            ],
        },
        "indexes": indexes,
        "aliases": sorted(aliases_of(name)),
        "rows": rows,
        "counts": counts,
    }


def files(request):
    rows = {}
    for part in sorted(Path(request["folder"]).rglob("part-*.parquet")):
        for row in pq.read_table(part, partitioning=None).to_pylist():
            key = str(row["id"])
            assert key not in rows, f"{key} is there twice, in {part} again"
            rows[key] = {**row, "v": plainly(DataType.FLOAT_VECTOR, row["v"])}
    return {"rows": rows}


def names(request):
    return {"names": [n for n in CLIENT.list_collections() if n.startswith(request["prefix"])]}


def state(request):
    name = request["collection"]
    return {"state": CLIENT.get_load_state(name)["state"].name, "indexes": CLIENT.list_indexes(name)}


def call(request):
    getattr(CLIENT, request["name"])(**request["arguments"])
    return {}


def drop_database(request):
    if DATABASE in ADMIN.list_databases():
        drop({"collections": [""]})
        ADMIN.drop_database(DATABASE)
    return {}


def drop(request):
    for name in CLIENT.list_collections():
        if any(name.startswith(prefix) for prefix in request["collections"]):
            for alias in aliases_of(name):
                CLIENT.drop_alias(alias)
            CLIENT.drop_collection(name)
    return {}


DO = {"make": make, "insert": insert, "insert again": insert_again, "tell": tell, "call": call, "drop": drop, "state": state,
      "files": files, "names": names, "make database": make_database, "drop database": drop_database}
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = DO[request["do"]](request)
    except Exception as error:  # noqa: BLE001
        answer = {"wrong": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)

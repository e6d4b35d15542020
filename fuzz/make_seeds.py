#!/usr/bin/env python3
"""Makes fuzz/seeds: inputs that are right, for the fuzzer to damage. Small, and kept in git.

    make_seeds.py PIPELINE      a built binary, which writes the journals

Needs a Python with pymilvus, whose messages the answers are made of. Seeds for `faiss` and `config`
are the fixtures of the tests and the files in configs/, as they are.
"""

import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
FIXTURES = ROOT.parent / "tests/milvus1/fixtures"


def put(target, name, content):
    folder = ROOT / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


# --- old servers' directories ---------------------------------------------------------------------


def part(content):
    return struct.pack("<H", len(content)) + content


def headed(content):
    return struct.pack("<Q", len(content)) + content


def segment(folder, row_bytes, rows):
    """The first rows of a real segment."""
    vectors = next(folder.glob("*.rv")).read_bytes()[8:][: rows * row_bytes]
    ids = next(folder.glob("*.uid")).read_bytes()[8:][: rows * 8]
    deleted = (folder / "deleted_docs").read_bytes()[8:]
    deleted = b"".join(d for (d,) in struct.iter_unpack("4s", deleted) if struct.unpack("<I", d)[0] < rows)
    return [headed(vectors), headed(ids), headed(deleted)]


def milvus1_files():
    log = (FIXTURES / "G_wal_unflushed/data/wal/0.wal").read_bytes()[:1500]
    tables = FIXTURES / "C_binary/data/db/tables"
    binary = segment(next((tables / "bin_hamming").iterdir()), 16, 10)
    for kind, row_bytes in enumerate((4, 16, 1, 512)):
        vectors = headed(binary[0][8 : 8 + 2 * row_bytes].ljust(2 * row_bytes, b"\x3f"))
        ids = headed(struct.pack("<2q", 7, -1))
        for name, deleted in (("whole", headed(b"")), ("deleted", headed(struct.pack("<2I", 1, 1))), ("none", b"none")):
            put("milvus1_files", f"{kind}-{name}", bytes([kind]) + part(vectors) + part(ids) + part(deleted) + record(1, "t", "", 2))
    real = segment(next((FIXTURES / "G_wal_unflushed/data/db/tables/unflushed").iterdir()), 4, 64)
    put("milvus1_files", "real", bytes([0]) + b"".join(map(part, real)) + log)
    logs = b"".join(record(kind, table, tag, ids, lsn=9) for kind, table, tag, ids in [(1, "t", "p", 3), (2, "t", "", 1), (3, "t", "p", 2), (4, "", "", 0)])
    put("milvus1_files", "log", bytes([0]) + part(headed(b"")) * 3 + logs)


def record(kind, table, tag, ids, lsn=6):
    """A record of the write-ahead log (docs/formats/milvus1.md)."""
    data = b"\0" * 4 * ids
    head = struct.pack("<QBHHII", lsn, kind, len(table), len(tag), ids, len(data))
    return head + table.encode() + tag.encode() + b"\1" * 8 * ids + data


def text(value):
    return "null" if value is None else str(value)


def rows_of(path, marks):
    """The rows of a database, as the targets read them."""
    database = sqlite3.connect(path)
    lines = []
    for mark, columns, table in marks:
        for row in database.execute(f"SELECT {columns} FROM {table} LIMIT 24"):
            lines.append("\t".join([mark, *map(text, row)]))
    return "\n".join(lines) + "\n"


def milvus1_metadata():
    marks = [
        ("T", "table_id, state, dimension, metric_type, owner_table, partition_tag, version, flush_lsn", "Tables"),
        ("F", "table_id, segment_id, file_type, row_count", "TableFiles"),
    ]
    for name in ("C_binary", "D_empty_dropped", "E_compact_dup"):
        with tempfile.TemporaryDirectory() as folder:
            for file in (FIXTURES / name / "data/db").glob("meta.sqlite*"):
                shutil.copy(file, folder)
            put("milvus1_metadata", name, rows_of(f"{folder}/meta.sqlite", marks))
    put("milvus1_metadata", "small", "T\tt\t0\t1\t1\t\t\t0.10\t5\nT\t17\t0\t1\t1\tt\tp\t0.10\t0\nF\tt\t1\t1\t2\n")
    put("milvus1_metadata", "names", "T\t../t\t0\t8\t3\t\t\t\t0\nT\t..\t0\t8\t3\t../t\t.\t\t0\nF\t../t\t..\t1\t2\nF\t..\ta/b\t1\t2\n")


# --- journals -------------------------------------------------------------------------------------

CONFIG = """{ version: 1, sink: { "null": {} }, run: { memory: 8MiB, parallelism: 1, state_dir: state },
    source: { synthetic: { rows: 100, dim: 2, split_rows: 40 } } }"""


def journal(pipeline):
    marks = [
        ("R", "started, plan, ended", "run"),
        ("T", "target, memo, completion", "target"),
        ("S", "target, split, settled, sent, finished, totals, receipts", "split"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "c.yaml").write_text(CONFIG)
        subprocess.run([pipeline, "run", "-q", "c.yaml"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (path,) = Path(folder, "state").glob("*.journal")
        done = rows_of(path, marks)
    put("journal", "done", done)
    lines = [line.split("\t") for line in done.splitlines()]
    for line in lines:
        if line[0] == "R":
            line[3] = "null"
        elif line[0] == "T":
            line[3] = "null"
        elif line[2] == "1":
            line[3:6] = ["10", "20", "0"]
    put("journal", "cut_off", "\n".join("\t".join(line) for line in lines if line[:3] != ["S", "0", "2"]) + "\n")


# --- answers --------------------------------------------------------------------------------------


def answers():
    from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

    ok = common_pb2.Status()
    types = schema_pb2.DataType
    fields, data = [], []

    def add(name, kind, value, field="scalars", **parameters):
        pairs = [common_pb2.KeyValuePair(key=k, value=str(v)) for k, v in parameters.items()]
        fields.append(schema_pb2.FieldSchema(name=name, data_type=kind, type_params=pairs, is_primary_key=name == "id"))
        data.append(schema_pb2.FieldData(type=kind, field_name=name, **{field: value}))

    scalars, vectors = schema_pb2.ScalarField, schema_pb2.VectorField
    add("id", types.Int64, scalars(long_data=schema_pb2.LongArray(data=[1, -2])))
    add("v", types.FloatVector, vectors(dim=2, float_vector=schema_pb2.FloatArray(data=[1, 2, 3, 4])), "vectors", dim=2)
    add("h", types.Float16Vector, vectors(dim=2, float16_vector=b"12345678"), "vectors", dim=2)
    add("b", types.BinaryVector, vectors(dim=8, binary_vector=b"xy"), "vectors", dim=8)
    add("flag", types.Bool, scalars(bool_data=schema_pb2.BoolArray(data=[True, False])))
    add("small", types.Int8, scalars(int_data=schema_pb2.IntArray(data=[1, -128])))
    add("text", types.VarChar, scalars(string_data=schema_pb2.StringArray(data=["a", ""])), max_length=9)
    add("json", types.JSON, scalars(json_data=schema_pb2.JSONArray(data=[b"{}", b"[1]"])))
    add("double", types.Double, scalars(double_data=schema_pb2.DoubleArray(data=[0.5, -1])))
    add("float", types.Float, scalars(float_data=schema_pb2.FloatArray(data=[0.5, -1])))
    schema = schema_pb2.CollectionSchema(name="c", fields=fields, description="d")
    described = milvus_pb2.DescribeCollectionResponse(status=ok, schema=schema, shards_num=1, aliases=["a"])
    rows = milvus_pb2.QueryResults(status=ok, fields_data=data)

    def answer(which, name, message):
        content = message if isinstance(message, bytes) else message.SerializeToString()
        put("answers", f"{which:02}-{name}", bytes([which]) + content)

    answer(0, "all", part(described.SerializeToString()) + rows.SerializeToString())
    for n, field in enumerate(fields):
        one = milvus_pb2.DescribeCollectionResponse(status=ok, schema=schema_pb2.CollectionSchema(fields=[field]))
        some = milvus_pb2.QueryResults(status=ok, fields_data=[data[n]])
        answer(0, field.name, part(one.SerializeToString()) + some.SerializeToString())
    count = schema_pb2.FieldData(type=types.Int64, scalars=scalars(long_data=schema_pb2.LongArray(data=[12])))
    answer(1, "count", milvus_pb2.QueryResults(status=ok, fields_data=[count]))
    answer(2, "described", described)
    pair = common_pb2.KeyValuePair
    answer(3, "rows", milvus_pb2.GetCollectionStatisticsResponse(status=ok, stats=[pair(key="row_count", value="7")]))
    index = milvus_pb2.IndexDescription(field_name="v", params=[pair(key="index_type", value="HNSW"), pair(key="metric_type", value="L2")])
    answer(4, "index", milvus_pb2.DescribeIndexResponse(status=ok, index_descriptions=[index]))
    for version in ("v2.3.5-lite", "milvus_lite-3.2.2"):
        answer(5, version, milvus_pb2.GetVersionResponse(status=ok, version=version))
    answer(6, "inserted", milvus_pb2.MutationResult(status=ok, insert_cnt=3, err_index=[1]))
    refused = common_pb2.Status(error_code=49, code=8, reason="request is rejected by grpc RateLimiter middleware")
    answer(6, "refused", milvus_pb2.MutationResult(status=refused))
    answer(7, "flushed", milvus_pb2.FlushResponse(status=ok, coll_flush_ts={"c": 5}))

    info = '{"partitions":[{"row_count":3,"segments":[{"data_size":1,"index_name":"IDMAP","name":"17","row_count":3}],"tag":"_default"}],"row_count":3}'
    answer(8, "info", wire(2, info))
    answer(9, "rows", wire(2, wire(1, struct.pack("<2f", 1, 2))) + wire(2, wire(2, b"xy")) + wire(2, b""))
    answer(10, "version", wire(2, "1.1.1"))
    answer(11, "collection", wire(2, "c") + b"\x18\x04\x20\x80\x08\x28\x01")
    answer(12, "ids", wire(2, b"\x01\x02\xff\x01"))
    answer(13, "partitions", wire(2, "_default") + wire(2, "p"))
    answer(13, "refused", wire(1, b"\x08\x04" + wire(2, "no such collection")))


def wire(field, content):
    """A field of bytes, as protocol buffers lay it out."""
    content = content if isinstance(content, bytes) else content.encode()
    length, n = b"", len(content)
    while n > 127:
        length, n = length + bytes([n & 127 | 128]), n >> 7
    return bytes([field << 3 | 2]) + length + bytes([n]) + content


# --- configurations -------------------------------------------------------------------------------


def config():
    whole = """version: 1
source:
  milvus1: { path: /m, meta: { mysql: { user: u, password: "${P}" } }, collections: { a: [p, _default] } }
transforms:
- dedupe: {}
- remap: { strategy: sequential }
sink:
  milvus:
    uri: https://${HOST:-h}:19530
    token: ${TOKEN}
    index: { type: HNSW, params: { M: 16 } }
    tls: { ca: ca.pem }
stage: { parquet: { dir: staged } }
run: { parallelism: 4, memory: 512MiB, on_bad_row: fail }
"""
    put("config", "whole", whole)
    put("config", "sets", whole + "\0sink.milvus.collection=news\0run.memory=1GiB\0sink.milvus.index.params.M=[1, {a: b}]")
    put("config", "anchors", "a: &a [1, 2]\nb: *a\nc: !!str 5\nd: |\n  x\n  y\ne: >-\n  z\n? f\n: 'g''h'\n")
    put("config", "milvusdm_sets", "H2M:\n  milvus_version: 2.x\n  data_path: [a.h5]\n  dest_collection_name: c\n  mode: append\n\0H2M.mode=skip\0run.parallelism=2")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    shutil.rmtree(ROOT / "seeds", ignore_errors=True)
    milvus1_files()
    milvus1_metadata()
    answers()
    config()
    journal(os.path.abspath(sys.argv[1]))

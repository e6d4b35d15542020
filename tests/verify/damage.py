"""Does one piece of damage to a target, with the client or the library that others would use.

usage: damage.py milvus URI COLLECTION PARTITION WHAT ID
       damage.py parquet FILE WHAT ID
       damage.py hdf5 FILE WHAT ID

ID is JSON, PARTITION may be empty. WHAT is one of

    flip    changes the lowest bit of the vector's element 5 in the row with this id
    drop    removes the row
    double  adds a copy of it
    add     adds a copy of some row under this id, which no row has
    text    changes its column `text`
"""

import json
import logging
import sys

import numpy as np

ELEMENT = 5


def flipped(vector):
    bits = np.array(vector, "<f4").view("<u4")
    bits[ELEMENT] ^= 1
    return bits.view("<f4")


def milvus(uri, collection, partition, what, id):
    from pymilvus import MilvusClient

    logging.disable(logging.WARNING)
    client = MilvusClient(uri)
    client.load_collection(collection)
    fields = client.describe_collection(collection)["fields"]
    key = next(field["name"] for field in fields if field.get("is_primary"))
    vector = next(field["name"] for field in fields if "dim" in field.get("params", {}))
    where = {"partition_name": partition} if partition else {}
    names = {"partition_names": [partition]} if partition else {}
    if what == "drop":
        client.delete(collection, ids=[id], **where)
        return
    expr = f"{key} != {json.dumps(id, ensure_ascii=False)}" if what == "add" else f"{key} in {json.dumps([id], ensure_ascii=False)}"
    row = client.query(
        collection, filter=expr, output_fields=["*"], limit=1, consistency_level="Strong", **names
    )[0]
    row = {field["name"]: row[field["name"]] for field in fields}
    row[vector] = [float(value) for value in row[vector]]
    if what == "flip":
        row[vector] = [float(value) for value in flipped(row[vector])]
        client.upsert(collection, [row], **where)
    elif what == "text":
        row["text"] += "!"
        client.upsert(collection, [row], **where)
    else:
        row[key] = id
        client.insert(collection, [row], **where)


def parquet(path, what, id):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path).combine_chunks()
    names = table.schema.names
    key = next(name for name in names if name in ("id", "ids"))
    vector = next(name for name in names if pa.types.is_fixed_size_list(table.schema.field(name).type))
    at = pc.index(table[key], pa.scalar(id, table.schema.field(key).type)).as_py()

    def put(table, name, values):
        index = table.schema.get_field_index(name)
        return table.set_column(index, table.schema.field(name), values)

    if what == "flip":
        kind = table.schema.field(vector).type
        values = table[vector].combine_chunks().values.to_numpy().copy()
        values = values.reshape(-1, kind.list_size)
        values[at] = flipped(values[at])
        table = put(table, vector, pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), type=kind))
    elif what == "drop":
        table = pa.concat_tables([table.slice(0, at), table.slice(at + 1)])
    elif what == "text":
        texts = table["text"].to_pylist()
        texts[at] += "!"
        table = put(table, "text", pa.array(texts))
    else:
        row = table.slice(at if what == "double" else 0, 1)
        row = put(row, key, pa.array([id], table.schema.field(key).type))
        table = pa.concat_tables([table, row])
    pq.write_table(table.combine_chunks(), path)


def hdf5(path, what, id):
    import h5py

    with h5py.File(path, "r+") as file:
        at = list(file["ids"][...]).index(id) if what != "add" else 0
        rows = len(file["ids"])
        if what == "flip":
            file["embeddings"][at] = flipped(file["embeddings"][at])
        elif what == "text":
            file["text"][at] = file["text"][at].decode() + "!"
        elif what == "drop":
            for data in file.values():
                data[at : rows - 1] = data[at + 1 :]
                data.resize(rows - 1, axis=0)
        else:
            for name, data in file.items():
                data.resize(rows + 1, axis=0)
                data[rows] = id if name == "ids" else data[at]


kind, *place, what, id = sys.argv[1:]
{"milvus": milvus, "parquet": parquet, "hdf5": hdf5}[kind](*place, what, json.loads(id))

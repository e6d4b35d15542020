"""Lists all rows of a target as other people's software reads them: their ids, and the first number of their
vectors, which tells whose they are.

usage: tags.py

A request is one line of JSON on standard input, an answer one line of JSON on standard output:

    {"do": "folder", "path": …}                 Parquet files that manifests list → {"rows": [[id, tag], …]}
    {"do": "bucket", "path": …, "endpoint": …, "key": …, "secret": …}             the same in S3
    {"do": "hdf5", "path": …}                   files that YAMLs list
    {"do": "milvus", "uri": …, "collection": …}  rows that a query shows, and how many it counts
        → {"rows": [[id, tag], …], "count": …}; {"rows": null} where there is no collection
    {"do": "names", "uri": …, "prefix": …}      → {"names": […]}
    {"do": "drop", "uri": …, "prefix": …}       → {}
    {"do": "alias", "uri": …, "collection": …, "alias": …}    gives a collection a second name → {}
    {"do": "unalias", "uri": …, "alias": …}                   takes it away → {}

What goes wrong is the answer {"wrong": …}.
"""

import glob
import json
import logging
import os
import sys

import h5py
import pyarrow.fs
import pyarrow.parquet as pq
from pymilvus import MilvusClient

logging.disable(logging.CRITICAL)
CLIENTS = {}
MOST = 16384  # rows of an answer


def client(uri):
    if uri not in CLIENTS:
        CLIENTS[uri] = MilvusClient(uri)
    return CLIENTS[uri]


def of_table(table):
    vectors = table.column("vector").to_pylist()
    return [[i, v[0]] for i, v in zip(table.column("id").to_pylist(), vectors)]


def of_manifests(fs, path):
    rows = []
    for entry in fs.get_file_info(pyarrow.fs.FileSelector(path, recursive=True, allow_not_found=True)):
        if entry.base_name != "manifest.json":
            continue
        manifest = json.loads(fs.open_input_file(entry.path).read())
        for partition in manifest.get("partitions", []):
            below = f"{entry.path.rsplit('/', 1)[0]}/{partition['folder']}"
            for file in partition["files"]:
                rows += of_table(pq.read_table(fs.open_input_file(f"{below}/{file['name']}")))
    return rows


def folder(path):
    return {"rows": of_manifests(pyarrow.fs.LocalFileSystem(), path)}


def bucket(path, endpoint, key, secret):
    scheme, host = endpoint.split("://")
    s3 = pyarrow.fs.S3FileSystem(
        access_key=key, secret_key=secret, endpoint_override=host, scheme=scheme, region="us-east-1"
    )
    return {"rows": of_manifests(s3, path)}


def hdf5(path):
    rows = []
    for name in sorted(glob.glob(f"{path}/**/*.yaml", recursive=True)):
        with open(name) as text:
            files = [json.loads(line.strip()[2:]) for line in text if line.strip().startswith('- "')]
        for file in files:
            with h5py.File(os.path.join(os.path.dirname(name), os.path.basename(file))) as f:
                rows += [[int(i), float(v[0])] for i, v in zip(f["ids"][:], f["embeddings"][:])]
    return {"rows": rows}


def milvus(uri, collection):
    server = client(uri)
    if not server.has_collection(collection):
        return {"rows": None}
    fields = server.describe_collection(collection)["fields"]
    vector = next(f["name"] for f in fields if "dim" in f["params"])
    if not server.list_indexes(collection):
        index = server.prepare_index_params()
        index.add_index(vector, index_type="FLAT", metric_type="L2")
        server.create_index(collection, index)
    server.load_collection(collection)
    rows, last = [], -1
    while True:
        page = server.query(
            collection, filter=f"id > {last} and id <= {last + MOST}", limit=MOST,
            output_fields=["id", vector], consistency_level="Strong",
        )
        rows += [[row["id"], float(row[vector][0])] for row in page]
        last += MOST
        if not page and last > 200_000:
            break
    count = server.query(collection, filter="", output_fields=["count(*)"], consistency_level="Strong")
    return {"rows": rows, "count": count[0]["count(*)"]}


def names(uri, prefix):
    return {"names": sorted(name for name in client(uri).list_collections() if name.startswith(prefix))}


def drop(uri, prefix):
    for name in names(uri, prefix)["names"]:
        client(uri).drop_collection(name)
    return {}


def alias(uri, collection, alias):
    client(uri).create_alias(collection_name=collection, alias=alias)
    return {}


def unalias(uri, alias):
    client(uri).drop_alias(alias)
    return {}


for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = globals()[request.pop("do")](**request)
    except Exception as error:  # noqa: BLE001
        answer = {"wrong": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)

"""The goal against MilvusDM: the same file into the same Milvus 2.3.5, in turn.

A run counts only if the server holds exactly the file's rows after it. Beside the time until the tool ended there is the
time until the server had also flushed what it was given: MilvusDM neither flushes nor counts, `pipeline` does both.
Neither builds an index, because MilvusDM never does.
"""

import json
import pathlib
import time

from files import hdf5
from inputs import DIM, warm

COLLECTION = "compare"
SHIM = pathlib.Path(__file__).resolve().parent / "milvusdm_shim"


def against(bench, uri, milvusdm):
    from pymilvus import MilvusClient

    rows = bench.size(2_000_000, 5_000)
    path = bench.inputs.hdf5(rows)
    warm(path)
    client = MilvusClient(uri=uri)

    def theirs():
        host, port = uri.split("://")[1].split(":")
        folder = bench.work / "milvusdm"
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        config = bench.work / "milvusdm.yaml"
        config.write_text(json.dumps({"H2M": {
            "milvus_version": "2.x", "data_path": [str(path)], "data_dir": None,
            "dest_host": host, "dest_port": int(port), "mode": "overwrite",
            "dest_collection_name": COLLECTION, "dest_partition_name": None,
            "collection_parameter": {"dimension": DIM, "index_file_size": 1024, "metric_type": "L2"},
        }}))
        environment = {"MILVUSDM_PATH": str(folder), "PYTHONPATH": str(SHIM), "PYTHONWARNINGS": "ignore"}
        return bench.program("milvusdm", [milvusdm, "--yaml", config], environment)[0]

    def ours():
        sink = {"milvus": {"uri": uri, "collection": COLLECTION, "mode": "overwrite", "index": "none"}}
        return bench.pipeline("against-milvusdm", hdf5(path, ids=True), sink)

    def counted(run):
        if client.has_collection(COLLECTION):
            client.drop_collection(COLLECTION)
        done = run()
        held = 0
        if client.has_collection(COLLECTION):
            started = time.monotonic()
            client.flush(COLLECTION)
            done["flushed_s"] = round(done["seconds"] + time.monotonic() - started, 3)
            held = int(client.get_collection_stats(COLLECTION)["row_count"])
            client.drop_collection(COLLECTION)
        return {**done, "rows": held}

    return rows, {"pipeline": lambda: counted(ours), "MilvusDM 2.0": lambda: counted(theirs)}

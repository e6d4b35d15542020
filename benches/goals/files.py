"""Goals of files: reading them into the sink that forgets its rows, and writing what was read."""

import os
import shutil

from inputs import warm

NOTHING = {"null": {}}


def hdf5(path, ids=False):
    return {"hdf5": {"paths": [str(path)], "vectors": "embeddings", **({"ids": "ids"} if ids else {})}}


def faiss(path):
    return {"faiss": {"paths": [str(path)]}}


def milvus1(path):
    return {"milvus1": {"path": str(path)}}


def hdf5_contiguous(bench):
    rows = bench.size(8_000_000, 20_000)
    path = bench.inputs.hdf5(rows)
    warm(path)
    return rows, {
        "pipeline": lambda: bench.pipeline("hdf5-contiguous", hdf5(path), NOTHING, 1),
        "plain reads": lambda: bench.limit("read", path=path, pieces=1),
        "plain reads, in turn": lambda: bench.limit("read", path=path, pieces=8),
    }


def hdf5_gzip(bench):
    rows = bench.size(2_000_000, 20_000)
    path = bench.inputs.hdf5(rows, gzip=1)
    warm(path)
    tools = {}
    for readers in (1, 2):
        tools[f"pipeline, {readers}"] = lambda n=readers: bench.pipeline("hdf5-gzip", hdf5(path), NOTHING, n)
        tools[f"inflate, {readers}"] = lambda n=readers: bench.limit("inflate", path=path, dataset="embeddings", threads=n)
    return rows, tools


def sum_of(bench, name, path, source, files):
    """`pipeline` into nothing beside a sum over the bytes of the files that hold the vectors."""
    warm(path)

    def sums():
        done = [bench.limit("sum", path=file) for file in files]
        total = {key: sum(run[key] for run in done) for key in ("seconds", "cpu_s", "bytes")}
        return {**done[0], **total}
    return {"pipeline": lambda: bench.pipeline(name, source, NOTHING, 1), "sum of the mapped bytes": sums}


def faiss_flat(bench):
    rows = bench.size(4_000_000, 20_000)
    path = bench.inputs.faiss_flat(rows)
    return rows, sum_of(bench, "faiss-flat", path, faiss(path), [path])


def faiss_ivf(list_rows):
    def goal(bench):
        rows = bench.size(4_000_000, 20_000)
        path = bench.inputs.faiss_ivf(rows, list_rows)
        return rows, sum_of(bench, f"faiss-ivf-{list_rows}", path, faiss(path), [path])
    return goal


def milvus1_to_nothing(bench):
    rows = bench.size(4_000_000, 20_000)
    path = bench.inputs.milvus1(rows)
    files = sorted(path.rglob("*.rv"))
    return rows, sum_of(bench, "milvus1", path, milvus1(path), files)


def emptied(out, run):
    """A run into a folder that is empty before and gone after, when nothing that was written before it is left to do."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    os.sync()
    done = run()
    shutil.rmtree(out)
    return done


def written(sink):
    """Each source into files, beside the bare writer of these files."""
    def goal(bench):
        rows = bench.size(1_000_000, 20_000)
        inputs = bench.inputs
        plain = inputs.hdf5(rows)
        sources = {
            "HDF5": hdf5(plain, ids=True),
            "Faiss Flat": faiss(inputs.faiss_flat(rows)),
            "Faiss IVFFlat": faiss(inputs.faiss_ivf(rows, 1000)),
            "Milvus 1.x": milvus1(inputs.milvus1(rows)),
        }
        out = bench.work / f"{sink}-out"
        warm(inputs.folder)
        tools = {
            f"pipeline, {name}": lambda source=source: emptied(
                out, lambda: bench.pipeline(f"to-{sink}", source, {sink: {"dir": str(out)}}))
            for name, source in sources.items()
        }
        bare = {"parquet": {"out": out, "threads": 2}, "hdf5": {"out": out / "bare.h5"}}[sink]
        tools["bare writer"] = lambda: emptied(out, lambda: bench.limit(sink, path=plain, **bare))
        return rows, tools
    return goal

"""Writes the files that are moved while things fail.

usage: make.py FOLDER

For each of three sets of rows, three HDF5 files SET-N.h5 (datasets `embeddings` and `ids`), three Faiss
indexes SET-N.index, the same in one file SET.h5 and SET.index, and SET.truth, which has the ids of all rows as little-endian int64, and then
their vectors of 8 float32:

    old        400 rows, ids from 0 on
    apart      1,200 rows, ids that `old` does not have
    overlap    1,200 rows, 200 of them with ids of `old` and other vectors
"""

import sys
from pathlib import Path

import faiss
import h5py
import numpy as np

FOLDER = Path(sys.argv[1])
DIM = 8
RANDOM = np.random.default_rng(5)
SETS = {
    "old": np.arange(400),
    "apart": 10_000 + 3 * np.arange(1200),
    "overlap": 200 + np.arange(1200),
}


def index(ids, vectors, in_lists):
    if in_lists:
        made = faiss.index_factory(DIM, "IVF4,Flat")
        made.train(vectors)
    else:
        made = faiss.IndexIDMap2(faiss.IndexFlatL2(DIM))
    made.add_with_ids(vectors, ids)
    return made


for name, ids in SETS.items():
    ids = RANDOM.permutation(ids).astype("<i8")
    vectors = RANDOM.standard_normal((len(ids), DIM)).astype("<f4")
    (FOLDER / f"{name}.truth").write_bytes(ids.tobytes() + vectors.tobytes())
    parts = zip(np.array_split(ids, 3), np.array_split(vectors, 3))
    files = {f"{name}-{n}": part for n, part in enumerate(parts)} | {name: (ids, vectors)}
    for n, (file_name, (some_ids, some)) in enumerate(files.items()):
        with h5py.File(FOLDER / f"{file_name}.h5", "w") as file:
            chunked = {"chunks": (50, DIM), "compression": "gzip"} if n == 1 else {}
            file.create_dataset("embeddings", data=some, **chunked)
            file.create_dataset("ids", data=some_ids)
        faiss.write_index(index(some_ids, some, n == 2), str(FOLDER / f"{file_name}.index"))

"""Writes a sample HDF5 file: `sample.py FILE ROWS DIM`.

Two datasets, as MilvusDM names them: `embeddings` (float32, ROWS × DIM, unit length) and `ids` (int64).
The same arguments give the same rows. Written in slabs, so any size fits in memory.
"""

import os
import sys

import h5py
import numpy as np

SLAB_ROWS = 16_384


def main():
    path, rows, dim = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    random = np.random.default_rng(20_260)
    unfinished = f"{path}.{os.getpid()}"
    with h5py.File(unfinished, "w") as file:
        embeddings = file.create_dataset("embeddings", (rows, dim), np.float32)
        ids = file.create_dataset("ids", (rows,), np.int64)
        for first in range(0, rows, SLAB_ROWS):
            end = min(first + SLAB_ROWS, rows)
            slab = random.standard_normal((end - first, dim), dtype=np.float32)
            embeddings[first:end] = slab / np.linalg.norm(slab, axis=1, keepdims=True)
            ids[first:end] = np.arange(first, end)
    os.replace(unfinished, path)


if __name__ == "__main__":
    main()

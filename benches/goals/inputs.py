"""Files that goals are measured with. They are made once, and kept: the same name has the same rows.

Vectors have DIM float32 each, of unit length; ids count from 0. Rows are written in slabs, so any size fits in memory.
"""

import os
import pathlib
import shutil
import sqlite3
import struct

import h5py
import numpy as np

DIM = 128
ROW_BYTES = 4 * DIM
SLAB_ROWS = 16_384
# So many rows are made up; files repeat them. No compressor looks back that far.
DISTINCT_ROWS = 262_144


class Inputs:
    """The files below a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.made_up = None
        folder.mkdir(parents=True, exist_ok=True)

    def rows(self, first, count):
        """Vectors of rows, at most a slab of them."""
        if self.made_up is None:
            rows = np.random.default_rng(20_260).standard_normal((DISTINCT_ROWS + SLAB_ROWS, DIM), dtype=np.float32)
            self.made_up = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        first %= DISTINCT_ROWS
        return self.made_up[first:first + count]

    def slabs(self, rows):
        for first in range(0, rows, SLAB_ROWS):
            yield first, self.rows(first, min(SLAB_ROWS, rows - first))

    def made(self, name, make):
        """The path of a file or folder, which `make` writes under another name when it is not there."""
        path = self.folder / name
        if not path.exists():
            print(f"Making {name}", flush=True)
            unfinished = path.with_name(f"{path.stem}.{os.getpid()}{path.suffix}")
            make(unfinished)
            # Written back now, not while something is measured.
            os.sync()
            os.replace(unfinished, path)
        return path

    def hdf5(self, rows, gzip=None):
        """Datasets `embeddings` and `ids`, in one piece or in compressed chunks of 1 MiB."""
        def make(path):
            with h5py.File(path, "w") as file:
                storage = {"chunks": (2048, DIM), "compression": "gzip", "compression_opts": gzip} if gzip else {}
                embeddings = file.create_dataset("embeddings", (rows, DIM), np.float32, **storage)
                ids = file.create_dataset("ids", (rows,), np.int64)
                for first, slab in self.slabs(rows):
                    # Full floats of made-up rows have next to nothing to compress; these have what real ones have.
                    embeddings[first:first + len(slab)] = np.round(slab, 3) if gzip else slab
                    ids[first:first + len(slab)] = np.arange(first, first + len(slab))
        return self.made(f"{'gzip' if gzip else 'plain'}-{rows}.h5", make)

    def faiss_flat(self, rows):
        """An IndexFlatL2."""
        def make(path):
            with open(path, "wb") as file:
                file.write(b"IxF2" + faiss_header(rows) + struct.pack("<Q", rows * DIM))
                for _, slab in self.slabs(rows):
                    slab.tofile(file)
        return self.made(f"flat-{rows}.faiss", make)

    def faiss_ivf(self, rows, list_rows):
        """An IndexIVFFlat with lists of so many rows each, which lie in the order of their ids."""
        def make(path):
            lists = rows // list_rows
            with open(path, "wb") as file:
                file.write(b"IwFl" + faiss_header(rows) + struct.pack("<QQ", lists, 1))
                file.write(b"IxF2" + faiss_header(0) + struct.pack("<Q", 0))
                file.write(b"\0" + struct.pack("<Q", 0))
                file.write(b"ilar" + struct.pack("<QQ", lists, ROW_BYTES) + b"full" + struct.pack("<Q", lists))
                np.full(lists, list_rows, "<u8").tofile(file)
                for first in range(0, lists * list_rows, list_rows):
                    file.write(self.rows(first, list_rows).tobytes())
                    file.write(np.arange(first, first + list_rows, dtype="<i8").tobytes())
        return self.made(f"ivf{list_rows}-{rows}.faiss", make)

    def milvus1(self, rows, segment_rows=500_000):
        """A data directory of Milvus 1.x with one collection, `made_up`."""
        def make(folder):
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "db").mkdir(parents=True)
            database = sqlite3.connect(folder / "db" / "meta.sqlite")
            database.executescript("""
                CREATE TABLE Tables (id INTEGER PRIMARY KEY, table_id TEXT, state INTEGER, dimension INTEGER,
                    metric_type INTEGER, owner_table TEXT, partition_tag TEXT, version TEXT, flush_lsn INTEGER);
                CREATE TABLE TableFiles (id INTEGER PRIMARY KEY, table_id TEXT, segment_id TEXT, file_type INTEGER,
                    row_count INTEGER);""")
            database.execute("INSERT INTO Tables VALUES (1, 'made_up', 0, ?, 1, '', '', '0.10.0', 0)", (DIM,))
            for number, first in enumerate(range(0, rows, segment_rows)):
                count, segment = min(segment_rows, rows - first), str(1_795_308_000_000_000_000 + number)
                files = folder / "db" / "tables" / "made_up" / segment
                files.mkdir(parents=True)
                with open(files / f"{segment}.rv", "wb") as vectors:
                    vectors.write(struct.pack("<Q", count * ROW_BYTES))
                    for _, slab in self.slabs(count):
                        slab.tofile(vectors)
                with open(files / f"{segment}.uid", "wb") as ids:
                    ids.write(struct.pack("<Q", count * 8))
                    np.arange(first, first + count, dtype="<i8").tofile(ids)
                (files / "deleted_docs").write_bytes(struct.pack("<Q", 0))
                database.execute("INSERT INTO TableFiles VALUES (?, 'made_up', ?, 1, ?)", (number, segment, count))
            database.commit()
            database.close()
        return self.made(f"milvus1-{rows}", make)


def faiss_header(rows):
    return struct.pack("<iq16xBi", DIM, rows, 1, 1)


def warm(path):
    """Brings a file, or all files of a folder, into the page cache."""
    path = pathlib.Path(path)
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file():
            with open(file, "rb") as handle:
                while handle.read(1 << 24):
                    pass

"""Makes inputs that lead to other files.

usage: external.py FOLDER

    in/raw.h5        `embeddings` is external raw storage: secret/secret.bin, by its whole path
    in/link.h5       an external link to secret/other.h5
    in/virtual.h5    a virtual dataset of secret/other.h5
    in/nested.h5     a virtual dataset of in/raw.h5, and of itself
    in/lists.index   a Faiss index whose lists are in secret/lists.ivfdata
    near/…           the same of files in the folder of the input, or below it
"""

import sys
from pathlib import Path

import faiss
import h5py
import numpy as np

FOLDER = Path(sys.argv[1])
ROWS, DIM = 50, 4
VECTORS = np.arange(ROWS * DIM, dtype="<f4").reshape(ROWS, DIM)


def make(folder, secret):
    folder.mkdir(exist_ok=True)
    secret.mkdir(exist_ok=True)
    (secret / "secret.bin").write_bytes(VECTORS.tobytes())
    with h5py.File(secret / "other.h5", "w") as other:
        other["embeddings"] = VECTORS
    with h5py.File(folder / "raw.h5", "w") as raw:
        external = [(str(secret / "secret.bin"), 0, h5py.h5f.UNLIMITED)]
        raw.create_dataset("embeddings", (ROWS, DIM), "<f4", external=external)
    with h5py.File(folder / "link.h5", "w") as link:
        link["embeddings"] = h5py.ExternalLink(str(secret / "other.h5"), "/embeddings")
    for name, source in (("virtual.h5", secret / "other.h5"), ("nested.h5", folder / "raw.h5")):
        layout = h5py.VirtualLayout((ROWS, DIM), "<f4")
        layout[:] = h5py.VirtualSource(str(source), "embeddings", (ROWS, DIM))
        with h5py.File(folder / name, "w") as virtual:
            virtual.create_virtual_dataset("embeddings", layout)
            if name == "nested.h5":
                # Datasets that are made of each other have no end, where they are followed without a look back.
                for one, other in (("a", "b"), ("b", "a")):
                    ring = h5py.VirtualLayout((ROWS, DIM), "<f4")
                    for row in range(ROWS):
                        ring[row] = h5py.VirtualSource(".", other, (ROWS, DIM))[row]
                    virtual.create_virtual_dataset(one, ring)

    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(DIM), DIM, 2)
    index.train(VECTORS)
    index.add(VECTORS)
    lists = faiss.OnDiskInvertedLists(2, index.code_size, str(secret / "lists.ivfdata"))
    lists.merge_from(index.invlists, 0)
    index.replace_invlists(lists)
    faiss.write_index(index, str(folder / "lists.index"))


make(FOLDER / "in", FOLDER / "secret")
make(FOLDER / "near", FOLDER / "near" / "below")

"""Tells what h5py finds in HDF5 files.

usage: hdf5.py FILE…

Prints a line of JSON for each file: its datasets by name, with the type as numpy has it, shape,
greatest shape, chunk, filters, and the values: their bytes as hexadecimal digits, or strings.
"""

import json
import sys

import h5py


def describe(dataset):
    values = dataset[...]
    if h5py.check_string_dtype(dataset.dtype):
        content = [text.decode() for text in values]
    else:
        content = values.tobytes().hex()
    return {
        "type": str(dataset.dtype),
        "shape": dataset.shape,
        "maxshape": dataset.maxshape,
        "chunks": dataset.chunks,
        "gzip": dataset.compression_opts if dataset.compression == "gzip" else None,
        "shuffle": dataset.shuffle,
        "values": content,
    }


for path in sys.argv[1:]:
    with h5py.File(path) as file:
        print(json.dumps({name: describe(file[name]) for name in file}))

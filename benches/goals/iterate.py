"""Reads a collection with pymilvus's query_iterator, and counts its rows.

usage: iterate.py URI COLLECTION ROWS-OF-A-PAGE
"""

import sys

from pymilvus import MilvusClient

uri, collection, page = sys.argv[1:]
pages = MilvusClient(uri).query_iterator(collection, filter="id >= 0", output_fields=["id", "vector"],
                                         batch_size=int(page), consistency_level="Strong")
rows = 0
while found := pages.next():
    rows += len(found)
print(rows)

"""What lies in S3, as pyarrow reads it with its own client: `s3.py ENDPOINT KEY SECRET BUCKET/FOLDER`.

Prints rows and the sum of the ids of the files that manifests list.
"""

import json
import sys

import pyarrow.fs
import pyarrow.parquet

endpoint, key, secret, folder = sys.argv[1:]
scheme, host = endpoint.split("://")
s3 = pyarrow.fs.S3FileSystem(
    access_key=key, secret_key=secret, endpoint_override=host, scheme=scheme, region="us-east-1"
)
rows = ids = 0
for entry in s3.get_file_info(pyarrow.fs.FileSelector(folder, recursive=True)):
    if entry.base_name != "manifest.json":
        continue
    for partition in json.loads(s3.open_input_file(entry.path).read())["partitions"]:
        below = f"{entry.path.rsplit('/', 1)[0]}/{partition['folder']}"
        listed = {f"{below}/{file['name']}" for file in partition["files"]}
        there = {file.path for file in s3.get_file_info(pyarrow.fs.FileSelector(below))}
        assert there == listed, f"{there ^ listed} are not what the manifest lists"
        for path in sorted(listed):
            table = pyarrow.parquet.read_table(s3.open_input_file(path))
            rows += table.num_rows
            ids += sum(table.column("id").to_pylist())
print(f"{rows} rows, ids {ids}")

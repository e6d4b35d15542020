"""Prints the path of one program: `executable.py NAME <messages-of-cargo`."""

import json
import sys

for line in sys.stdin:
    message = json.loads(line)
    if message.get("reason") == "compiler-artifact" and message["target"]["name"] == sys.argv[1] and message["executable"]:
        print(message["executable"])

"""Prints as many free TCP ports as asked for: `free_ports.py COUNT`.

They lie below the range that Linux takes the near ends of outgoing connections from, so that nothing
takes one by chance between this answer and the server's start.
"""

import random
import socket
import sys


def main():
    wanted, held = int(sys.argv[1]), []
    for port in random.sample(range(20_000, 32_000), 2_000):
        if len(held) == wanted:
            break
        listener = socket.socket()
        try:
            listener.bind(("0.0.0.0", port))
            held.append(listener)
        except OSError:
            listener.close()
    if len(held) < wanted:
        sys.exit("no free ports between 20000 and 32000")
    print(*(listener.getsockname()[1] for listener in held))


main()

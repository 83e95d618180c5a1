"""Asks the holder of a lab's hosts what a simulated power controller is told to do.

    python -S -E chassis.py DIRECTORY HOST "power 0"

Ends with 1 when it is not done. Standard library alone: it is started for each action.
"""

import json
import os
import socket
import sys


def main(directory: str, host: str, what: str) -> int:
    """0 when it is done."""
    os.chdir(directory)  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as control:
        control.connect("control")
        control.sendall(json.dumps({"do": "ipmi", "host": host, "what": what}).encode() + b"\n")
        with control.makefile() as answers:
            reply = json.loads(answers.readline())
    if "error" in reply:
        sys.stderr.write(f"{reply['error'][0]}\n")
    return int("error" in reply)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

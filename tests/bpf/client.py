"""A process that makes the calls it is told to and says what came of each. Run as a script.

Each argument is a call: KIND FAMILY ADDRESS PORT [WORD], comma-separated. It prints one JSON line
per call and ends when its standard input does; sockets with the word `keep` stay open until then.
"""

import json
import os
import socket
import sys

SO_COOKIE = 57
kept = []


def call(kind, family, address, port, *words):
    stream = kind in ("tcp", "fastopen")
    found = socket.socket(
        {"4": socket.AF_INET, "6": socket.AF_INET6}[family],
        socket.SOCK_STREAM if stream else socket.SOCK_DGRAM,
    )
    cookie = int.from_bytes(found.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder)
    for word in words:
        if word.startswith("timeout="):
            found.settimeout(float(word.partition("=")[2]))
        elif word == "nonblocking":
            found.settimeout(0)
    error = None
    try:
        target = (address, int(port))
        if kind == "fastopen":
            found.sendto(b"early", socket.MSG_FASTOPEN, target)
        elif kind == "sendto":
            for _ in range(5):
                found.sendto(b"datagram", target)
        else:
            found.connect(target)
            if kind == "udp":
                found.send(b"datagram")
    except OSError as failure:
        error = type(failure).__name__ if failure.errno is None else os.strerror(failure.errno)
    if "keep" in words:
        kept.append(found)
    else:
        found.close()
    sys.stdout.write(json.dumps({"error": error, "cookie": cookie, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


for argument in sys.argv[1:]:
    call(*argument.split(","))
sys.stdin.read()

"""What a node's pods can reach outside: a resolver that lies on purpose, and servers; one process.

Run as `python outside.py SPECIFICATION`, a JSON object: `resolver` is the address to answer at,
`listen` the addresses at which port 80 is served, and `zones` how names are answered by their first
label up to its first digit: `six`, `four` (addresses) and `aaaa` (what AAAA is answered with:
`ok`, `empty`, `once`, or the name of an rcode; `silent` is no answer). At `late` is a host behind a
device of ours (`DEVICE`), which answers a SYN when LATE_S have gone by, and nothing else.
"""

import asyncio
import fcntl
import json
import os
import re
import socket
import struct
import subprocess
import sys
from collections import Counter

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from scapy.layers.inet import TCP
from scapy.layers.inet6 import IPv6

DEVICE, LATE_S = (
    "late0",
    0.8,
)  # longer than any client waits that races (RFC 8305 section 5: 250 ms)
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


class Resolver(asyncio.DatagramProtocol):
    def __init__(self, zones):
        self._zones, self._asked = zones, Counter()

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, sender):
        query = dns.message.from_wire(data)
        question = query.question[0]
        zone = self._zones.get(re.match(r"[a-z-]*", question.name.to_text().lower())[0])
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        kind = dns.rdatatype.to_text(question.rdtype)
        values, mood = [], "ok"
        if zone is None:
            mood = "NXDOMAIN"
        elif kind in ("A", "AAAA"):
            values = zone["four" if kind == "A" else "six"]
            mood = zone.get("aaaa", "ok") if kind == "AAAA" else "ok"
        self._asked[question.name, kind] += 1
        if mood == "silent":
            return
        if mood not in ("ok", "empty", "once"):
            answer.set_rcode(dns.rcode.from_text(mood))
        elif values and (
            mood == "ok" or (mood == "once" and self._asked[question.name, kind] == 1)
        ):
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *values))
        self._transport.sendto(answer.to_wire(), sender)


class Late:
    """A host that takes its time."""

    def __init__(self, address):
        self._device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI)
        fcntl.ioctl(self._device, TUNSETIFF, request)
        for words in (
            ("link", "set", DEVICE, "up"),
            ("-6", "route", "add", f"{address}/128", "dev", DEVICE),
        ):
            subprocess.run(["ip", *words], check=True)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._device, self._read)

    def _read(self):
        octets = os.read(self._device, 65535)
        packet = IPv6(octets)
        if octets[0] >> 4 == 6 and TCP in packet and packet[TCP].flags == "S":
            asked = packet[TCP]
            ports = {"sport": asked.dport, "dport": asked.sport}
            answer = TCP(**ports, flags="SA", seq=1, ack=asked.seq + 1, window=65535)
            reply = bytes(IPv6(src=packet.dst, dst=packet.src) / answer)
            self._loop.call_later(LATE_S, os.write, self._device, reply)


async def serve(reader, writer):
    """Answer whatever comes as HTTP does, and hang up."""
    try:
        async with asyncio.timeout(30):
            await reader.read(1000)
    except (TimeoutError, ConnectionError):
        pass
    try:
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    except ConnectionError:
        pass


async def main(specification):
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(
        lambda: Resolver(specification["zones"]), local_addr=(specification["resolver"], 53)
    )
    for address in specification["listen"]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        await asyncio.start_server(serve, address, 80, family=family, backlog=200)
    late = Late(specification["late"]) if "late" in specification else None
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
    del late


asyncio.run(main(json.loads(sys.argv[1])))

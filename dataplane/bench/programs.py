"""What the packet program costs, next to an empty one, and how fast its table is read.

BPF_PROG_TEST_RUN runs a program in a loop on one hot flow, so these are the cheapest packets there
are; the ratio to an empty program travels between machines, nanoseconds do not.
"""

import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv6Address
from pathlib import Path
from tempfile import TemporaryDirectory

from dataplane.bench import tracepoints
from dataplane.bench.ratio import Row, interleaved, row
from dataplane.kernel import bpf, bpfcall
from dataplane.model.topology import Point, Tap
from probes.flows import Flows

REPEAT = 200_000  # runs in one measurement
FLOWS, EXTENSIONS, STAMPS, TWO_CPUS = 5.0, 7.5, 8.0, 1.1
READ_100K, READ_1M = 0.1, 1.0  # seconds
EMPTY = "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */\nint empty(struct __sk_buff *skb) { return -1; }\n"
PROGRAM = "ethernet_ingress"

_ETHERNET = bytes.fromhex("020000000002 020000000001")
_V6 = bytes.fromhex("20010db8000000000000000000000001 20010db8000000000000000000000002")
_V4 = bytes.fromhex("c0000201 c6336402")
_TCP = struct.pack("!HHIIBBHHH", 40000, 443, 1, 1, 0x50, 0x10, 65535, 0, 0)
_UDP = struct.pack("!HHHH", 40000, 443, 8 + 64, 0) + bytes(range(64))
_OPTIONS = bytes((60, 0, 1, 4, 0, 0, 0, 0)) + bytes((6, 0, 1, 4, 0, 0, 0, 0))


def frames() -> dict[str, bytes]:
    """Return a frame of each kind that is measured; their checksums are not looked at."""
    return {
        "IPv6 TCP": _ipv6(6, _TCP),
        "IPv4 TCP": _ipv4(6, _TCP),
        "IPv6 UDP": _ipv6(17, _UDP),
        "IPv4 UDP": _ipv4(17, _UDP),
        "IPv6 TCP behind hop-by-hop and destination options": _ipv6(0, _OPTIONS + _TCP),
    }


def rows() -> Iterator[Row]:
    """Measure everything and yield a row per figure. Needs root and BCC; takes about 20 s.

    Rows about reading have seconds as their unit; all others are ratios.
    """
    yield from cost()
    yield from tracepoints.rows()
    yield reading(100_000, READ_100K)
    yield reading(1_000_000, READ_1M)


def cost() -> Iterator[Row]:
    """Measure the packet program next to an empty one, and on two CPUs next to one."""
    with ExitStack() as stack:
        empty = stack.enter_context(_empty())
        counting = stack.enter_context(Flows.open([tap()]))
        stamping = stack.enter_context(Flows.open([tap()], stamping=True))
        for name, frame in frames().items():
            goal = EXTENSIONS if "behind" in name else FLOWS
            yield _cost(f"flows, {name}", counting, empty, frame, goal)
            yield _cost(f"flows and stamps, {name}", stamping, empty, frame, STAMPS)
        if len(os.sched_getaffinity(0)) > 1:
            for name in ("IPv6 TCP", "IPv4 TCP"):
                yield _two_cpus(name, counting, frames()[name])


def _cost(name: str, flows: Flows, empty: int, frame: bytes, goal: float) -> Row:
    ours = flows.module.program(PROGRAM)
    for program in (ours, empty):
        bpfcall.dry_run(program, frame, repeat=REPEAT)  # caches and clock are warm after this
    ratios = interleaved(lambda: _nanoseconds(ours, frame), lambda: _nanoseconds(empty, frame))
    return row(name, ratios, goal=goal)


def _nanoseconds(program: int, frame: bytes) -> float:
    """Return the time of a run; taken from outside, because the kernel reports whole nanoseconds."""
    begin = time.perf_counter_ns()
    bpfcall.dry_run(program, frame, repeat=REPEAT)
    return (time.perf_counter_ns() - begin) / REPEAT


def _two_cpus(name: str, flows: Flows, frame: bytes) -> Row:
    """Compare two CPUs that count one flow at once with one CPU that does it alone."""
    program = flows.module.program(PROGRAM)
    cpus = sorted(os.sched_getaffinity(0))[:2]

    def alone() -> float:
        return max(_on_cpus(cpus[:1], lambda: _nanoseconds(program, frame)))

    def together() -> float:
        return max(_on_cpus(cpus, lambda: _nanoseconds(program, frame)))

    alone()
    return row(f"flows, two CPUs on one flow, {name}", interleaved(together, alone), goal=TWO_CPUS)


def _on_cpus(cpus: list[int], measure: Callable[[], float]) -> list[float]:
    """Run a measurement on each of the CPUs at the same time; the system call holds no lock of ours."""
    results: list[float] = []
    barrier = threading.Barrier(len(cpus))

    def body(cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})  # of this thread only
        barrier.wait()
        results.append(measure())

    threads = [threading.Thread(target=body, args=(cpu,)) for cpu in cpus]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def reading(count: int, goal: float) -> Row:
    """Time the copy of a full table, several times."""
    with Flows.open([tap()], entries=count * 2) as flows:
        fill(flows, count)
        seconds = []
        for _ in range(12):
            begin = time.perf_counter()
            found = len(flows.read())
            seconds.append(time.perf_counter() - begin)
            if found != count:
                raise RuntimeError(f"{found} of {count} flows were read")
    return row(f"read {count:,} flows from the kernel", seconds, goal=goal, unit="s")


def fill(flows: Flows, count: int) -> None:
    """Put `count` different flows into the table, as the program would have made them."""
    table = flows.module.table("flows")
    key, value = table.key, table.value.pack(packets=1, octets=80, first_ns=1, last_ns=1)
    values = value.ljust(table.stride, b"\0") * table.cpus
    base = int(IPv6Address("2001:db8::"))
    chunk = 10_000
    for start in range(0, count, chunk):
        some = range(start, min(start + chunk, count))
        keys = b"".join(
            key.pack(
                source=(base + number).to_bytes(16, "big"),
                destination=base.to_bytes(16, "big"),
                interface=1,
                destination_port=443,
                protocol=6,
                family=6,
            )
            for number in some
        )
        table.put_batch(keys, values * len(some), len(some))


@contextmanager
def _empty() -> Iterator[int]:
    with TemporaryDirectory() as directory:
        source = Path(directory) / "empty.c"
        source.write_text(EMPTY, encoding="ascii")
        entry = bpf.Entry(name="empty", type=bpf.ProgramType.SCHED_CLS)
        with bpf.load(source, [entry]) as module:
            yield module.program("empty")


def tap() -> Tap:
    """Return the loopback device, which BPF_PROG_TEST_RUN calls the packet's; nothing is attached."""
    return Tap(
        name="bench",
        namespace="",
        interface="lo",
        index=1,
        point=Point.POD,
        owner="bench",
        leaving_is_ingress=False,
    )


def _ipv6(protocol: int, payload: bytes) -> bytes:
    header = struct.pack("!IHBB", 0x60000000, len(payload), protocol, 64)
    return _ETHERNET + b"\x86\xdd" + header + _V6 + payload


def _ipv4(protocol: int, payload: bytes) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    return _ETHERNET + b"\x08\x00" + header + _V4 + payload

"""The client inside a pod: does one stimulus at a time, as told on stdin, and says what it saw.

Run as a script (`python3 -I -S client.py NAMESERVER...`) in the pod's namespace, control group and
mount namespace; the standard library only, so that it is there in 20 ms. JSON lines in, JSON lines
out; the shapes are those of `labs.drive`. It is called `client` in /proc, which is the name that
the probes see.

Names are resolved by getaddrinfo, because that is what clients do. No port is given to it: the
sockets that glibc connects in order to sort addresses (RFC 6724) then show port 0 to the probes.
"""

import errno
import json
import os
import re
import secrets
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any

if not __package__:  # a script without site-packages has to find its own package first
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dataplane.rules import rfc1035
from labs.echo import Echo

Request = dict[str, Any]
Said = dict[str, Any]
Remote = tuple[str, int]

FAMILIES: dict[str | None, int] = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
TIMEOUT = "TIMEOUT"
DNS = 53
PAYLOAD = 24  # octets of randomness that tell one datagram from every other
PATIENCE = 4  # times as long as told, at most, when the machine is busy
SPARE = 0.25  # of a CPU, for the time of a timeout: nobody had to wait for long
CONNECT = 1.5  # seconds until a transfer must have begun, of its whole time
TRIES = 3  # of a large datagram: whoever is told that it was too big sends it again, in fragments
RESOLUTION_ERRORS: dict[int, str] = {
    socket.EAI_NONAME: "NXDOMAIN",
    socket.EAI_AGAIN: "EAI_AGAIN",
    socket.EAI_FAIL: "SERVFAIL",
    socket.EAI_NODATA: "NODATA",
    socket.EAI_ADDRFAMILY: "NODATA",
}


class ProxyError(Exception):
    """A forward proxy that did not connect; its text is what it said, by status."""


class Deadline:
    """How much of a timeout is left.

    A server or translator that waits for a CPU is late, not silent. So the timeout is prolonged,
    up to PATIENCE times as long, until the machine has had time to spare: SPARE CPU-seconds of
    idleness for each second of it.
    """

    def __init__(self, seconds: float) -> None:
        begin = time.monotonic()
        self._seconds, self._idle = seconds, idle()
        self._end, self._latest = begin + seconds, begin + seconds * PATIENCE

    def left(self) -> float:
        """Return the seconds left; TimeoutError when there are none."""
        now = time.monotonic()
        busy = self._end <= now < self._latest and idle() - self._idle < self._seconds * SPARE
        if busy:
            self._end = min(self._latest, now + self._seconds * SPARE)
        left = self._end - now
        if left <= 0:
            raise TimeoutError
        return left

    def wait(self, channel: socket.socket, events: int) -> None:
        """Wait until a socket is ready; TimeoutError when it is not in time.

        What has come is taken, however late it is when we get to look.
        """
        poll = select.poll()
        poll.register(channel, events)
        while not poll.poll(0):
            poll.poll(self.left() * 1000)


def idle() -> float:
    """Return for how many seconds the CPUs of this machine have been idle, all together (proc(5))."""
    return float(Path("/proc/uptime").read_text().split()[1])


def reach(request: Request) -> Said:
    """Reach a target: resolve it, then try its addresses in their order until one answers.

    `local`, the client's own address and port, is told of failures, too: of several clients that
    try the same at once, it tells whose packets are whose.
    """
    family = FAMILIES.get(request["family"], socket.AF_UNSPEC)
    host, port = request.get("proxy") or (request["target"], request["port"])
    try:
        found = socket.getaddrinfo(host, None, family, socket.SOCK_STREAM)
    except socket.gaierror as failure:
        return {"error": RESOLUTION_ERRORS.get(failure.errno or 0, "EAI")}
    attempts = []
    outcome: Said = {"error": "NODATA"}
    for of, _, _, _, sockaddr in found:
        address = (str(sockaddr[0]).partition("%")[0], int(port))
        outcome = {"remote": address}
        deadline = Deadline(request["timeout"])
        try:
            if request.get("proxy"):
                beyond = _authority(request["target"], request["port"])
                outcome |= _by_proxy(of, address, deadline, beyond, outcome)
            elif request.get("pause"):
                outcome |= _kept_open(of, address, deadline, request["pause"], outcome)
            else:
                transport = TRANSPORTS[request["transport"]]
                outcome |= transport(of, address, deadline, request["octets"], outcome)
            outcome["error"] = None
        except OSError as failure:
            outcome["error"] = _name(failure)
        except ProxyError as failure:
            outcome["error"] = f"PROXY {failure}"
        except ValueError as failure:
            outcome["error"] = f"EBADMSG: {failure}"[:80]
        attempts.append((address, outcome["error"]))
        if outcome["error"] is None:
            break
    return outcome | {"attempts": attempts}


def resolve(request: Request) -> Said:
    """Ask the cluster's resolver one question."""
    identifier = secrets.randbits(16)
    question = rfc1035.query(identifier, request["name"], request["type"])
    error = TIMEOUT
    for server in request["nameservers"]:
        address = (server, DNS)
        try:
            found = _ask(address, identifier, question, Deadline(request["timeout"]))
        except OSError as failure:
            error = _name(failure)
            continue
        values = [value for _, kind, value in found.records if kind in (request["type"], "CNAME")]
        wanted = found.values(request["type"])
        failed = None if wanted else "NODATA" if found.rcode == "NOERROR" else found.rcode
        return {"remote": address, "error": failed, "answers": values}
    return {"remote": (request["nameservers"][0], DNS), "error": error}


def _ask(address: Remote, identifier: int, question: bytes, deadline: Deadline) -> rfc1035.Answer:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
        channel.connect(address)
        channel.send(question)
        while True:
            deadline.wait(channel, select.POLLIN)
            try:
                found = rfc1035.answer(channel.recv(65535), identifier, question)
            except rfc1035.MalformedError:
                continue
            if found is not None:
                return found


def _tcp(family: int, address: Remote, deadline: Deadline, octets: int, told: Said) -> Said:
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as channel:
        begin = Deadline(min(CONNECT, deadline.left())) if octets else deadline
        _connect(channel, address, begin, told)
        _send(channel, _question(_host(family, address), octets), deadline)
        answer = b""
        while True:
            deadline.wait(channel, select.POLLIN)
            data = channel.recv(65536)
            if not data:
                break
            answer += data
    return _said(answer)


def _by_proxy(family: int, proxy: Remote, deadline: Deadline, beyond: str, told: Said) -> Said:
    """Have a proxy connect (RFC 9110 section 9.3.6) to HOST:PORT, and ask for an answer there."""
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as channel:
        _connect(channel, proxy, deadline, told)
        _send(channel, f"CONNECT {beyond} HTTP/1.1\r\nHost: {beyond}\r\n\r\n".encode(), deadline)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += _more(channel, deadline) or _hung_up()
        status = answer.split(maxsplit=2)[1:2]
        if status != [b"200"]:
            raise ProxyError(status[0].decode(errors="replace") if status else "said nothing")
        _send(channel, _question(beyond, 0), deadline)
        answer = answer.partition(b"\r\n\r\n")[2]
        while data := _more(channel, deadline):
            answer += data
    return _said(answer)


def _authority(target: str, port: int) -> str:
    return f"[{target}]:{port}" if ":" in target else f"{target}:{port}"


def _more(channel: socket.socket, deadline: Deadline) -> bytes:
    deadline.wait(channel, select.POLLIN)
    return channel.recv(65536)


def _hung_up() -> bytes:
    raise ConnectionResetError(errno.ECONNRESET, "closed before the answer")


def _kept_open(family: int, address: Remote, deadline: Deadline, pause: float, told: Said) -> Said:
    """Ask, keep the connection open for a while, and ask on it once more."""
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as channel:
        _connect(channel, address, deadline, told)
        question = f"GET / HTTP/1.1\r\nHost: {_host(family, address)}\r\n\r\n".encode()
        _send(channel, question, deadline)
        _said(_answer_whole(channel, deadline))
        quiet = select.poll()
        quiet.register(channel, select.POLLIN)
        if quiet.poll(pause * 1000):  # nothing is asked meanwhile: what comes is an end
            raise ConnectionResetError(errno.ECONNRESET, "ended while it was kept open")
        _send(channel, question, deadline)
        return _said(_answer_whole(channel, deadline))


def _answer_whole(channel: socket.socket, deadline: Deadline) -> bytes:
    """Read one answer of a connection that stays open; what comes before its end is an error."""
    answer = b""
    while True:
        head, found, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head) if found else None
        if length is not None and len(body) >= int(length[1]):
            return answer
        deadline.wait(channel, select.POLLIN)
        data = channel.recv(65536)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "closed before the answer")
        answer += data


def _connect(channel: socket.socket, address: Remote, deadline: Deadline, told: Said) -> None:
    code = channel.connect_ex(address)
    told["local"] = _local(channel)
    if code not in (0, errno.EINPROGRESS):
        raise OSError(code, os.strerror(code))
    deadline.wait(channel, select.POLLOUT)
    code = channel.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _local(channel: socket.socket) -> Remote | None:
    """Return the address and port of this end; None where the kernel has not chosen one."""
    address, port = channel.getsockname()[:2]
    return (address, port) if port else None


def _host(family: int, address: Remote) -> str:
    return f"[{address[0]}]" if family == socket.AF_INET6 else address[0]


def _said(answer: bytes) -> Said:
    """Return what a server says of whom it saw; ValueError when it says something else."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise ValueError(f"answered {head[:40]!r}")
    said = json.loads(body)
    return {key: said[key] for key in ("peer", "via", "server") if key in said}


def _question(host: str, octets: int) -> bytes:
    """Return an HTTP request; with octets, one that carries as many and is answered alike."""
    method, length = ("POST", f"Content-Length: {octets}\r\n") if octets else ("GET", "")
    head = f"{method} / HTTP/1.1\r\nHost: {host}\r\n{length}Connection: close\r\n\r\n"
    return head.encode() + secrets.token_bytes(octets)


def _send(channel: socket.socket, data: bytes, deadline: Deadline) -> None:
    rest = memoryview(data)
    while rest:
        deadline.wait(channel, select.POLLOUT)
        rest = rest[channel.send(rest) :]


def _udp(family: int, address: Remote, deadline: Deadline, octets: int, told: Said) -> Said:
    if octets:
        return _large_udp(family, address, deadline, octets, told)
    payload = secrets.token_bytes(PAYLOAD)
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
        channel.connect(address)
        told["local"] = _local(channel)
        channel.send(payload)
        while True:
            deadline.wait(channel, select.POLLIN)
            answer = channel.recv(65535)
            if answer.startswith(payload + b"\n"):
                return {"peer": json.loads(answer[len(payload) + 1 :])["peer"]}


def _large_udp(family: int, address: Remote, deadline: Deadline, octets: int, told: Said) -> Said:
    payload = secrets.token_bytes(octets)
    patience = deadline.left() / TRIES
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
        channel.connect(address)
        told["local"] = _local(channel)
        failure: OSError = TimeoutError()
        for _ in range(TRIES):
            try:
                channel.send(payload)
                answer = _answer_to(channel, payload, Deadline(min(patience, deadline.left())))
            except OSError as error:
                if error.errno not in (None, errno.EMSGSIZE):
                    raise
                failure = error  # too big, or lost: what comes next is a fragment of it
            else:
                return {"peer": json.loads(answer)["peer"]}
    raise failure


def _answer_to(channel: socket.socket, payload: bytes, deadline: Deadline) -> bytes:
    """Return what a server says behind the payload; see `labs.listeners` for the shape."""
    while True:
        deadline.wait(channel, select.POLLIN)
        answer = channel.recv(65535)
        if len(answer) == len(payload) and answer.startswith(payload[1:PAYLOAD]):
            return answer.rpartition(b"\n")[2]


def _icmp(family: int, address: Remote, deadline: Deadline, _octets: int, told: Said) -> Said:
    payload = secrets.token_bytes(PAYLOAD)
    echo = Echo(family, payload)
    with echo.channel as channel:
        channel.connect((address[0], 0))
        told["local"] = (channel.getsockname()[0], 0)  # its port is the echo's identifier
        channel.send(echo.request())
        while True:
            deadline.wait(channel, select.POLLIN)
            if echo.is_reply(channel.recv(65535)):
                return {}


TRANSPORTS = {"tcp": _tcp, "udp": _udp, "icmp": _icmp}


def _name(failure: OSError) -> str:
    if isinstance(failure, TimeoutError) and failure.errno is None:
        return TIMEOUT
    return errno.errorcode.get(failure.errno or 0, "EIO")


def main() -> None:
    """Answer requests until stdin ends."""
    Path("/proc/self/comm").write_text("client")
    kinds = {"reach": reach, "resolve": resolve}
    for line in sys.stdin:
        request = json.loads(line)
        started = time.monotonic_ns()
        try:
            answer = kinds[request["kind"]](request)
        except (OSError, ValueError) as failure:
            answer = {"error": f"{type(failure).__name__}: {failure}"[:120]}
        answer |= {"started_ns": started, "ended_ns": time.monotonic_ns(), "pid": os.getpid()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""A pod, its resolver and one dual-stack server, told as the probes would tell of them."""

import errno
from ipaddress import ip_address

from dataplane.model.address import Family
from dataplane.model.dns import DnsSeen
from dataplane.model.fallback import FailureSeen, UnreachableSeen
from dataplane.model.seen import (
    ConnectResult,
    ConnectSeen,
    DropSeen,
    PacketKind,
    PacketSeen,
    Quoted,
)
from dataplane.rules.fallbacks import Sights

POD, OTHER, PID, NAME = "default/web", "default/other", 77, "api.example.org"
OWN = ip_address("2001:db8:d::2")
SIX, FOUR = ip_address("2001:db8:e::80"), ip_address("192.0.2.80")
ROUTER = ip_address("2001:db8:d::1")
RESOLVER = ip_address("2001:db8:d::53")
OWNERS = {"cali1": POD, "cali2": OTHER}
MS = 1_000_000
START = 5_000_000_000_000


class World:
    """Gathers what was seen; times are in ms since the beginning."""

    def __init__(self):
        self.attempts, self.failures, self.names, self.drops, self.packets = [], [], [], [], []
        self.unreachable = []
        self._cookies = 0

    def asked(self, type_, at, *, tap="cali1", name=NAME, port=40000, number=1):
        self.names.append(
            self._message(type_, at, tap=tap, name=name, port=port, number=number, response=False)
        )

    def answered(
        self, type_, at, *addresses, tap="cali1", name=NAME, rcode="NOERROR", whole=True, **ids
    ):
        ids = {"port": 40000, "number": 1} | ids
        seen = self._message(
            type_,
            at,
            tap=tap,
            name=name,
            response=True,
            rcode=rcode,
            whole=whole,
            addresses=addresses,
            **ids,
        )
        self.names.append(seen)

    def _message(self, type_, at, *, tap, name, port, number, response, **said):
        source, destination = (RESOLVER, OWN) if response else (OWN, RESOLVER)
        return DnsSeen(
            tap=tap, leaving=not response, time_ns=START + int(at * MS), family=Family.IPV6,
            source=source, destination=destination, source_port=53 if response else port,
            destination_port=port if response else 53, identifier=number, response=response,
            name=name, type=type_, rcode=said.pop("rcode", ""), **said,
        )  # fmt: skip

    def resolved(self, at=0, *, six=(SIX,), four=(FOUR,), **where):
        """Both questions, and both answers 2 ms later."""
        for number, (type_, addresses) in enumerate((("A", four), ("AAAA", six)), start=1):
            self.asked(type_, at, number=number, **where)
            self.answered(type_, at + 2, *addresses, number=number, **where)

    def tried(self, destination, at, result, took=None, *, error=None, pid=PID, **other):
        self._cookies += 1
        self.attempts.append(
            ConnectSeen(
                **{
                    "time_ns": START + int(at * MS), "pid": pid, "comm": "curl", "owner": POD,
                    "netns_cookie": 9, "socket_cookie": self._cookies, "call": "connect",
                    "protocol": 6, "family": Family.IPV4 if destination.version == 4 else Family.IPV6,
                    "destination": destination, "port": 443, "result": ConnectResult(result),
                    "latency_ns": None if took is None else int(took * MS),
                } | other
            )
        )  # fmt: skip
        if error:
            at += took or 0
            self.failures.append(
                FailureSeen(
                    time_ns=START + int(at * MS), socket_cookie=self._cookies,
                    errno=getattr(errno, error),
                )
            )  # fmt: skip

    def dropped(self, reason, place, at, **other):
        self.drops.append(
            DropSeen(
                **{
                    "owner": POD, "interface": "cali1", "reason": reason, "place": place,
                    "family": Family.IPV6, "protocol": 6, "source": OWN, "destination": SIX,
                    "source_port": 40123, "destination_port": 443, "packets": 3,
                    "first_ns": START + int(at * MS), "last_ns": START + int((at + 100) * MS),
                } | other
            )
        )  # fmt: skip

    def answered_syn(self, at):
        self.packets.append(
            PacketSeen(
                tap="cali1", leaving=False, time_ns=START + int(at * MS),
                packet=PacketKind.TCP_SYN_ACK, stamp=1, family=Family.IPV6, protocol=6, source=SIX,
                destination=OWN, source_port=443, destination_port=40123,
            )
        )  # fmt: skip

    def said(self, code, at):
        self.unreachable.append(
            UnreachableSeen(
                tap="cali1", leaving=False, time_ns=START + int(at * MS), family=Family.IPV6,
                source=ROUTER, destination=OWN, code=code,
                refused=Quoted(
                    protocol=6, source=OWN, destination=SIX, source_port=40123, destination_port=443
                ),
            )
        )  # fmt: skip

    def sights(self, **other):
        given = {
            "attempts": tuple(self.attempts), "failures": tuple(self.failures),
            "names": tuple(self.names), "drops": tuple(self.drops), "packets": tuple(self.packets),
            "unreachable": tuple(self.unreachable),
            "owners": OWNERS, "addresses": {POD: (OWN,)},
        } | other  # fmt: skip
        return Sights(**given)

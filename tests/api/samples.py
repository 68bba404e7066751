"""A small world to serve: one of everything, with names as hostile as a process may choose them."""

import asyncio
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from typing import Any

import aiohttp

from dataplane.api.settings import Settings
from dataplane.model.address import Family
from dataplane.model.answer import Answer, Expectation, Finding, NotApplicable, RunResult, State
from dataplane.model.evidence import Evidence, Header
from dataplane.model.plan import NodePlan, Plan, PodPlan, ServerPlan
from dataplane.model.problem import Severity
from dataplane.model.programs import AuthoritySpec, ResolverSpec
from dataplane.model.seen import ConnectResult, ConnectSeen, FlowSeen, ProbeReport
from dataplane.model.topology import End, Link, Namespace, Point, Role, Tap, Topology

HOSTILE = 'evil"} 1\n# EOF\n<script>alert(1)</script>\\\x1b[31m'
POD = IPv6Address("2001:db8:1::a")
SERVER = IPv6Address("2001:db8:ffff::1")
NO_SURPRISE = Settings(port=0, heartbeat=60)


def flow(number: int = 0, *, family: Family = Family.IPV6, tap: str = "pod-a") -> FlowSeen:
    v4 = family is Family.IPV4
    return FlowSeen(
        tap=tap,
        leaving=number % 2 == 0,
        family=family,
        protocol=6,
        source=IPv4Address("192.0.2.1") if v4 else POD,
        destination=IPv4Address("198.51.100.1") if v4 else SERVER,
        source_port=number % 65536,
        destination_port=8080,
        packets=number + 1,
        bytes=100 * (number + 1),
        first_ns=number,
        last_ns=number + 5,
    )


def attempt(number: int = 0, **changes: Any) -> ConnectSeen:
    fields: dict[str, Any] = {
        "time_ns": number,
        "pid": 1000 + number,
        "comm": "curl",
        "owner": "pod-a",
        "netns_cookie": 1,
        "socket_cookie": number,
        "call": "connect",
        "protocol": 6,
        "family": Family.IPV6,
        "destination": SERVER,
        "port": 8080,
        "result": ConnectResult.ESTABLISHED,
        "latency_ns": 1000,
    }
    return ConnectSeen(**fields | changes)


def finding(subject: str = "pod-a") -> Finding:
    return Finding(
        severity=Severity.ERROR,
        subject=subject,
        expected="2001:db8:1::a",
        seen="2001:db8::1",
        cause="masquerade",
        remedy="do not",
        evidence=("flow 1",),
    )


def answer(check: str = "masquerade", state: State = State.BROKEN, findings: int = 1) -> Answer:
    found = tuple(finding(f"pod-{number}") for number in range(findings))
    return Answer(check=check, state=state, looked_at=7, reason="seen", findings=found)


TAP = Tap(
    name="pod-a",
    namespace="node-0",
    interface="veth0",
    index=7,
    point=Point.POD,
    owner="pod-a",
    leaving_is_ingress=True,
)
PLAN = Plan(
    name="sample",
    families=(Family.IPV6,),
    node_ranges=(ip_network("2001:db8::/64"),),
    pod_ranges=(ip_network("2001:db8:1::/56"),),
    service_ranges=(ip_network("fd00:10::/112"),),
    nodes=(
        NodePlan(
            name="node-0",
            addresses=(IPv6Address("2001:db8::1"),),
            pod_prefixes=(ip_network("2001:db8:1::/64"),),
            pods=(PodPlan(name="pod-a", node="node-0", addresses=(POD,), actor=True),),
        ),
    ),
    services=(),
    dns_addresses=(),
    resolver=(SERVER,),
    servers=(ServerPlan(name="server-v6", dns_name="v6.example.org", addresses=(SERVER,)),),
)
_NODE_END = End(namespace="node-0", interface="veth0", index=7, mac="02:00:00:00:00:01")
_POD_END = End(
    namespace="pod-a", interface="eth0", index=8, mac="02:00:00:00:00:02", addresses=(POD,)
)
TOPOLOGY = Topology(
    namespaces=(Namespace(name="node-0", role=Role.NODE, forwarding=True),),
    links=(Link(a=_NODE_END, b=_POD_END),),
    routes=(),
    neighbours=(),
    services=(),
    translators=(),
    masquerades=(),
    authority=AuthoritySpec(
        namespace="internet", listen=(SERVER,), zones=("example.org",), records=()
    ),
    resolver=ResolverSpec(
        namespace="gateway",
        server="bind",
        listen=(SERVER,),
        upstream=SERVER,
        zones=("example.org",),
        dns64=IPv6Network("64:ff9b:1::/96"),
    ),
    listeners=(),
    taps=(TAP,),
)
RESULT = RunResult(
    scenario="sample",
    engine="tayga",
    answers=(answer(), answer("reachability", State.HOLDS, 0), answer(HOSTILE, State.UNKNOWN, 2)),
    not_applicable=(NotApplicable(check="clat", reason="no 464XLAT"),),
    expected={"masquerade": Expectation(state=State.BROKEN, subjects=("pod-a",))},
    met=True,
    lost_events=3,
    timings={"up": 1.25, "judge": 0.5},
)
REPORTS = (
    ProbeReport(probe="flows", where="pod-a", hook="tcx", counted=9, recorded=5, evicted=2, lost=1),
    ProbeReport(probe="connects", where="cgroup", hook="cgroup-link", blind="no cgroup2"),
)


def evidence(flows: int = 3, attempts: int = 4) -> Evidence:
    return Evidence(
        header=Header(version="1", scenario="sample", engine="tayga", plan=PLAN, taps=(TAP,)),
        flows=tuple(flow(number) for number in range(flows)),
        connects=tuple(attempt(number) for number in range(attempts)),
        reports=REPORTS,
    )


async def get(
    url: str, headers: dict[str, str] | None = None, **options: Any
) -> tuple[int, bytes, "aiohttp.typedefs.LooseHeaders"]:
    """Ask once, on a connection of its own."""
    async with (
        aiohttp.ClientSession() as client,
        client.get(url, headers=headers, **options) as got,
    ):
        return got.status, await got.read(), dict(got.headers)


async def exchange(port: int, octets: bytes) -> bytes:
    """Send octets as they are and read until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(octets)
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()

"""DNS64 and plain DNS, by both servers, as pods see it."""

import asyncio
import select
import socket
from dataclasses import replace

import pytest

from dataplane.model.programs import Record
from labs import dns64
from labs.dns64.seam import _Question
from labs.dns64.zones import zone_files
from tests.netns.lab.stimuli import drive, resolve
from tests.netns.lab.world import DUAL4, DUAL6, PREFIX, V4, V6, world

pytestmark = pytest.mark.needs("root", "netns", "nft", "tun", "tayga", "bind", "cgroup2")

SERVERS = [
    pytest.param("bind"),
    pytest.param("unbound", marks=pytest.mark.needs("unbound")),
]


def _synthetic(address):
    return str(PREFIX[int(address)])


def test_every_server_is_tested():
    assert [parameter.values[0] for parameter in SERVERS] == list(dns64.names())


@pytest.mark.parametrize("server", SERVERS)
async def test_with_dns64(lab_of, server):
    async with lab_of(world(pods=1, clat=None, server=server)) as lab:
        v4only, dual, v6only, a, known, none, strange, nodata, service = await drive(
            lab,
            resolve("pod-0", "v4only.internet.test"),
            resolve("pod-0", "dual.internet.test"),
            resolve("pod-0", "v6only.internet.test"),
            resolve("pod-0", "v4only.internet.test", "A"),
            resolve("pod-0", "ipv4only.arpa"),
            resolve("pod-0", "none.internet.test"),
            resolve("pod-0", "www.example.org"),
            resolve("pod-0", "v6only.internet.test", "A"),
            resolve("pod-0", "web.default.svc.cluster.local"),
        )
    assert v4only.answers == (_synthetic(V4),)
    assert dual.answers == (str(DUAL6),), "what has an AAAA record is not synthesized"
    assert v6only.answers == (str(V6),)
    assert a.answers == (str(V4),)
    assert sorted(known.answers) == ["64:ff9b:1::c000:aa", "64:ff9b:1::c000:ab"]  # RFC 7050
    assert none.error == "NXDOMAIN"
    assert strange.error in {"NXDOMAIN", "REFUSED"}
    assert nodata.error == "NODATA"
    assert service.ok


@pytest.mark.parametrize("server", SERVERS)
async def test_without_dns64(lab_of, server):
    async with lab_of(world(pods=1, clat=None, server=server, dns64=False)) as lab:
        v4only, dual, a = await drive(
            lab,
            resolve("pod-0", "v4only.internet.test"),
            resolve("pod-0", "dual.internet.test"),
            resolve("pod-0", "dual.internet.test", "A"),
        )
    assert (v4only.error, v4only.answers) == ("NODATA", ())
    assert dual.answers == (str(DUAL6),)
    assert a.answers == (str(DUAL4),)


@pytest.mark.parametrize("server", SERVERS)
async def test_reverse_names(lab_of, server):
    topology = world(pods=1, clat=None, server=server)
    zone = "8.b.d.0.1.0.0.2.ip6.arpa"
    owner = V6.reverse_pointer
    authority = replace(
        topology.authority,
        zones=(*topology.authority.zones, zone),
        records=(
            *topology.authority.records,
            Record(name=owner, type="PTR", value="v6only.internet.test"),
        ),
    )
    resolver = replace(topology.resolver, zones=authority.zones)
    async with lab_of(replace(topology, authority=authority, resolver=resolver)) as lab:
        (pointer,) = await drive(lab, resolve("pod-0", owner, "PTR"))
    assert pointer.answers == ("v6only.internet.test",)


async def test_the_resolver_is_there_without_its_upstream(lab_of):
    """A lab may be built with a broken resolver: that is for the checks to find."""
    topology = world(pods=1, clat=None)
    nowhere = replace(topology.resolver, upstream=V6)
    async with lab_of(replace(topology, resolver=nowhere)) as lab:
        (outcome,) = await drive(lab, resolve("pod-0", "dual.internet.test", timeout=0.5))
    assert not outcome.ok


def test_a_record_of_no_zone_is_an_error():
    topology = world(pods=1)
    lost = Record(name="www.example.org", type="A", value="192.0.2.1")
    with pytest.raises(ValueError, match=r"www\.example\.org: in none of the zones"):
        zone_files(replace(topology.authority, records=(lost,)))


async def test_an_answer_that_comes_while_we_are_late_is_not_lost():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)  # noqa: FBT003 - as sockets have it

    def answer_and_stall():
        query = theirs.recv(512)
        theirs.send(query[:2] + bytes([query[2] | 0x80]) + query[3:])  # the same as a response
        select.select([], [], [], 0.2)  # the loop stands still, far beyond the deadline

    with ours, theirs:
        asyncio.get_running_loop().call_soon(answer_and_stall)
        assert await _Question(ours, "version.bind", "TXT").ask(seconds=0.05)

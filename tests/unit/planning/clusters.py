"""Clusters for tests: examples by name, and a strategy that draws all kinds."""

from ipaddress import ip_network

from hypothesis import strategies as st

from dataplane.manifest import parse
from dataplane.model.address import Family
from dataplane.model.cluster import Cluster, RangeWish, Strategy

V4, V6 = Family.IPV4, Family.IPV6


def read(text, *, name="example"):
    parsed = parse(text, name=name)
    assert parsed.cluster is not None, parsed.errors
    return parsed.cluster


def networking(**fields):
    lines = (f"  {k}: {v if v[0] == '[' else repr(v)}" for k, v in fields.items())
    return read("\n".join(["networking:", *lines]))


@st.composite
def _cidr(draw, family, low, high):
    length = draw(st.integers(low, high))
    if family is V4:
        base = draw(
            st.sampled_from(["10.0.0.0", "172.16.0.0", "100.64.0.0", "198.18.0.0", "192.0.2.0"])
        )
    else:
        base = draw(
            st.sampled_from(["2001:db8::", "2001:db8:f0::", "3fff::", "fd12::", "64:ff9b:1::"])
        )
    start = int(ip_network(base).network_address)
    number = start | draw(st.integers(0, 2 ** (family.bits - 8) - 1)) & (
        (1 << family.bits - 16) - 1
    )
    return ip_network((number >> family.bits - length << family.bits - length, length))


@st.composite
def _wish(draw, kind, family):
    bounds = {
        ("nodes", V4): (16, 26),
        ("pods", V4): (12, 22),
        ("services", V4): (12, 26),
        ("nodes", V6): (40, 116),
        ("pods", V6): (48, 62),
        ("services", V6): (64, 118),
    }[kind, family]
    choices = [Strategy.CIDR, Strategy.PROVIDER, Strategy.CUSTOM]
    choices += [Strategy.V4_PRIVATE] if family is V4 else [Strategy.V6_GLOBAL, Strategy.V6_PRIVATE]
    strategy = draw(st.sampled_from(choices))
    if strategy is Strategy.CIDR:
        network = draw(_cidr(family, *bounds))
        return RangeWish(family=family, strategy=strategy, network=network)
    size = None
    if strategy is Strategy.V6_GLOBAL:
        size = draw(st.sampled_from([40, 48, 56, 64, 80, 108]))
    elif strategy is Strategy.V6_PRIVATE:
        size = draw(st.sampled_from([48, 64, 96]))
    elif strategy is Strategy.V4_PRIVATE:
        size = draw(st.sampled_from([None, 12, 18, 22]))
    return RangeWish(family=family, strategy=strategy, size=size)


@st.composite
def clusters(draw):
    """Draw a cluster: one or two families, every kind of range, sometimes a prefix per node."""
    families = draw(st.sampled_from([(V6,), (V6,), (V4,), (V4, V6), (V6, V4)]))
    wishes = {
        kind: tuple(draw(_wish(kind, family)) for family in families)
        for kind in ("nodes", "pods", "services")
    }
    if families == (V6,) and draw(st.integers(0, 3)) == 0:
        wishes["nodes"] += (draw(_wish("nodes", V4)),)
    if V6 in families and draw(st.booleans()):
        place = families.index(V6)
        size = draw(st.sampled_from([56, 64, 80]))
        prefix = draw(st.sampled_from([size + 8, size + 16, 96, 112]))
        node = RangeWish(
            family=V6, strategy=Strategy.V6_GLOBAL, size=size, node_prefix=max(prefix, size + 4)
        )
        pod = RangeWish(family=V6, strategy=Strategy.V6_FROM_NODE)
        wishes["nodes"] = (*wishes["nodes"][:place], node, *wishes["nodes"][place + 1 :])
        wishes["pods"] = (*wishes["pods"][:place], pod, *wishes["pods"][place + 1 :])
    return Cluster(name=draw(st.sampled_from(["a", "b", "ü\n"])), families=families, **wishes)

"""How a traced packet fared, in one sentence."""

from collections.abc import Sequence

from dataplane.model.trace import Leg, State, Stop


def verdict(state: State, legs: Sequence[Leg], stops: Sequence[Stop], said: str | None) -> str:
    """Return the sentence; it claims nothing beyond what was seen."""
    if any(leg.ambiguous for leg in legs):
        return AMBIGUOUS
    text = _TOLD[state](legs, stops)
    if said and state in {State.STALLED, State.LOST, State.UNKNOWN}:
        text += f"; the client says {said}"
    return text


def _answered(legs: Sequence[Leg], _stops: Sequence[Stop]) -> str:
    return f"answered after {legs[1].hops[-1].offset_us / 1000:.3f} ms"


def _refused(legs: Sequence[Leg], _stops: Sequence[Stop]) -> str:
    return f"refused: {legs[1].hops[0].owner} sent a reset, so nobody listens there"


def _stalled(_legs: Sequence[Leg], stops: Sequence[Stop]) -> str:
    why = f": {stopped(stops[0])}" if stops else ", and nobody said why"
    return f"opened, then stuck{why}"


def _rejected(_legs: Sequence[Leg], stops: Sequence[Stop]) -> str:
    told = [next((s for s in stops if s.what == what), None) for what in ("error", "drop")]
    return f"rejected: {'; '.join(stopped(stop) for stop in told if stop is not None)}"


def _dropped(_legs: Sequence[Leg], stops: Sequence[Stop]) -> str:
    return f"dropped: {stopped(next(stop for stop in stops if stop.what == 'drop'))}"


def _lost(legs: Sequence[Leg], _stops: Sequence[Stop]) -> str:
    leg = legs[-1]
    last, end = leg.hops[-1], "no answer came" if leg.way == "request" else "not again"
    way = "as it left" if last.egress else "at"
    return f"lost: the {leg.way} was seen last {way} {last.owner} ({last.interface}); {end}"


def _unknown(_legs: Sequence[Leg], _stops: Sequence[Stop]) -> str:
    return "no packet of it was seen"


UNRESOLVED = "the neighbour's hardware address is not resolved"
# enum skb_drop_reason (include/net/dropreason-core.h), of what befalls packets on their way
MEANS = {
    "NO_SOCKET": "nobody listens there",
    "NETFILTER_DROP": "a rule of nftables or iptables",
    "PKT_TOO_BIG": "too big for the next link",
    "QDISC_DROP": "the queue of the interface took no more",
    "IP_INNOROUTES": "no route to where it goes, or back to where it comes from",
    "IP_OUTNOROUTES": "no route to where it goes",
    "IP_RPFILTER": "the way back leads out by another interface (rp_filter)",
    "IPV6DISABLED": "IPv6 is switched off there",
    "NEIGH_FAILED": UNRESOLVED,
    "NEIGH_QUEUEFULL": UNRESOLVED,
    "UNICAST_IN_L2_MULTICAST": "a frame to all for one address",
    "OTHERHOST": "a frame for somebody else",
    "FULL_RING": "the ring of the device was full",
    "TC_INGRESS": "a program of traffic control, as it came in",
    "TC_EGRESS": "a program of traffic control, as it went out",
    "XDP": "an XDP program",
}
AMBIGUOUS = "two packets with one content were on their way at once: which is which is not known"
_TOLD = {
    State.ANSWERED: _answered,
    State.REFUSED: _refused,
    State.STALLED: _stalled,
    State.REJECTED: _rejected,
    State.DROPPED: _dropped,
    State.LOST: _lost,
    State.UNKNOWN: _unknown,
}


def stopped(stop: Stop) -> str:
    """Return what a sign of an end says, as part of a sentence."""
    if stop.what == "error":
        mtu = f", the next link takes {stop.mtu} octets" if stop.mtu else ""
        return f"{stop.by} says: {stop.reason}{mtu} (seen at {stop.owner}, {stop.interface})"
    times = f", {stop.packets} packets" if stop.packets > 1 else ""
    means = MEANS.get(stop.reason, "")
    if stop.place.startswith(("neigh_", "ndisc_", "arp_")):
        means = UNRESOLVED
    told = f"{stop.owner} gave it up at {stop.interface}{times}: "
    return f"{told}{means} ({stop.reason} in {stop.place})" if means else told + _bare(stop)


def _bare(stop: Stop) -> str:
    return f"{stop.reason} in {stop.place}"

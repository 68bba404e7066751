"""kube-proxy's rules, function by function: what `plan --jsonl` answers for its two kinds."""

from enum import StrEnum
from typing import TypeVar

from dataplane.model.address import Family, family_of
from dataplane.planning.arguments import Arguments, RequestError
from dataplane.rules import kubeproxy, localdetector
from dataplane.rules.kubeproxy import Destination, ProxyMode, ServicePacket, TrafficPolicy
from dataplane.rules.localdetector import DetectLocal, LocalMode

_Word = TypeVar("_Word", bound=StrEnum)


def local_detectors(args: Arguments) -> dict[str, object]:
    """Answer getLocalDetectors: iptables' arguments for each family, null where nothing is detected."""
    found = localdetector.local_detectors(_detect(args))
    return {
        family: {"ifLocal": list(one.if_local()), "ifNotLocal": list(one.if_not_local())}
        if one.is_implemented
        else None
        for family, one in ((family, found[family]) for family in Family)
    }


def masquerade(args: Arguments) -> dict[str, str]:
    """Answer what kube-proxy does to the source of `packet`: verdict, row, reason, upstream's chain."""
    packet = args.section("packet")
    endpoint = packet.address("endpoint") if packet.has("endpoint") else None
    asked = ServicePacket(
        source=packet.address("source"),
        destination=_word(packet, "destination", Destination),
        policy=_word(packet, "policy", TrafficPolicy, TrafficPolicy.CLUSTER),
        endpoint=endpoint,
        endpoint_on_node=packet.optional_boolean("endpointOnNode"),
        source_is_node=packet.boolean("sourceIsNode", default=False),
        source_is_service=packet.boolean("sourceIsService", default=False),
        destination_is_loopback=packet.boolean("destinationIsLoopback", default=False),
        in_interface=packet.text("inInterface", default="") or None,
    )
    proxies = kubeproxy.proxies(
        _word(args, "mode", ProxyMode, ProxyMode.IPTABLES),
        _detect(args),
        masquerade_all=args.boolean("masqueradeAll", default=False),
    )
    ruling = kubeproxy.judge(proxies[family_of(asked.source)], asked)
    return {
        "verdict": ruling.verdict,
        "row": ruling.row,
        "reason": ruling.reason,
        "chain": ruling.chain,
    }


def _detect(args: Arguments) -> DetectLocal:
    return DetectLocal(
        mode=args.text("detectLocalMode", default="") or LocalMode.CLUSTER_CIDR,
        cluster_cidrs=args.texts("clusterCIDRs", default=()),
        node_pod_cidrs=args.texts("nodePodCIDRs", default=()),
        bridge_interface=args.text("bridgeInterface", default=""),
        interface_name_prefix=args.text("interfaceNamePrefix", default=""),
    )


def _word(args: Arguments, name: str, words: type[_Word], default: _Word | None = None) -> _Word:
    """Return an argument that is one of a few words."""
    text = args.text(name, default=default)
    try:
        return words(text)
    except ValueError:
        known = ", ".join(words)
        raise RequestError(
            f"{args.place}.{name} is unknown", remedy=f"write one of {known}"
        ) from None

"""nftables rulesets of the lab: services, policies, masquerading, and a family that is blocked for a while."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network

from dataplane.kernel import process
from dataplane.model.address import Family
from dataplane.model.topology import MasqueradeSpec, Topology
from labs.policies import policies_by_node
from labs.services import services_by_node

BLOCK_TABLE = "sixscope-block"


def rulesets(topology: Topology) -> dict[str, str]:
    """Return the ruleset of every namespace that has one, by the namespace's name.

    Services are on every node, as kube-proxy has them, policies where a pod is isolated; what `topology.rulesets` says is not in
    here, because it is loaded after everything else.
    """
    found = {node: [services] for node, services in services_by_node(topology).items()}
    for node, policies in policies_by_node(topology).items():
        found.setdefault(node, []).append(policies)
    for masquerade in topology.masquerades:
        found.setdefault(masquerade.namespace, []).append(render_masquerade(masquerade))
    return {namespace: "\n".join(texts) for namespace, texts in found.items()}


def render_masquerade(spec: MasqueradeSpec) -> str:
    """Return IPv4 source NAT for packets of `sources` that leave through `interface`."""
    sources = ", ".join(map(str, _disjoint(spec.sources)))
    return f"""\
table ip sixscope {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {{ {sources} }} oifname "{spec.interface}" masquerade
  }}
}}
"""


def render_block(family: Family, serving: Sequence[int] = ()) -> str:
    """Return rules that drop a family for the clients in a namespace, but not on loopback.

    What the namespace serves (TCP and UDP ports, answers to pings) stays open: another pod's client
    may be asking just then, and it is not the one that is to do without. In transit the family is
    dropped as well, so that a CLAT inside the namespace does not carry the other one over it. The
    rules keep no state, since connections may be under way. The table is made anew.
    """
    table = f"{'ip' if family is Family.IPV4 else 'ip6'} {BLOCK_TABLE}"
    icmp = "icmp" if family is Family.IPV4 else "icmpv6"
    ports = ", ".join(map(str, sorted(set(serving)))) or "0"
    return f"""\
table {table} {{}}
delete table {table}
table {table} {{
  chain input {{
    type filter hook input priority -300; policy drop;
    iifname "lo" accept
    meta l4proto {{ tcp, udp }} th dport {{ {ports} }} accept
    {icmp} type echo-request accept
  }}
  chain output {{
    type filter hook output priority -300; policy drop;
    oifname "lo" accept
    meta l4proto {{ tcp, udp }} th sport {{ {ports} }} accept
    {icmp} type echo-reply accept
  }}
  chain forward {{
    type filter hook forward priority -300; policy drop;
  }}
}}
"""


def render_unblock(family: Family) -> str:
    """Return what takes `render_block` away again, also when it is not there."""
    table = f"{'ip' if family is Family.IPV4 else 'ip6'} {BLOCK_TABLE}"
    return f"table {table} {{}}\ndelete table {table}\n"


def load(namespace: str, ruleset: str) -> None:
    """Load a ruleset into a namespace (by mounted name), all of it or nothing. It blocks."""
    nft = process.find("nft", package="nftables")
    process.run([nft, "-f", "-"], namespace=namespace, given=ruleset)


def _disjoint(networks: Iterable[IPv4Network]) -> list[IPv4Network]:
    # nft refuses overlapping intervals within one set.
    kept: list[IPv4Network] = []
    for network in sorted(networks, key=lambda network: network.prefixlen):
        if not any(network.subnet_of(other) for other in kept):
            kept.append(network)
    return sorted(kept)

"""kube-proxy's rules on a node, in the shapes of its own modes. One mode per file.

They are written from the proxiers' output (kubernetes `pkg/proxy/nftables`, `pkg/proxy/iptables`), not
from `dataplane.rules.kubeproxy`: packets through the one verify the other. ipvs has no shape here,
since its virtual servers live in the host's kernel; iptables' stands in for it.
"""

from collections.abc import Iterable

from dataplane.model.topology import ProxySpec, ServiceRule
from labs.kubeproxy import iptables, nftables

NFTABLES = "nftables"


def render(rules: Iterable[ServiceRule], proxy: ProxySpec) -> str:
    """Return the tables of kube-proxy on one node for these services, TCP and UDP alike."""
    by_version: dict[int, list[ServiceRule]] = {}
    for rule in rules:
        by_version.setdefault(rule.address.version, []).append(rule)
    table = nftables.table if proxy.mode == NFTABLES else iptables.table
    return "\n".join(table(version, of, proxy) for version, of in sorted(by_version.items()))

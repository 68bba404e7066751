"""`spec.kubernetes.kubeProxy` of a Shoot: which modes Gardener takes, and what each is called below.

Sources: `pkg/apis/core/v1beta1/types_shoot.go` (KubeProxyConfig, ProxyMode), `pkg/api/core/
validation/shoot.go` (validateKubeProxy), gardener/gardener#13558: NFTables from Kubernetes 1.31 on,
where kube-proxy has it without a feature gate. IPTables is the default of every version, as it is
kube-proxy's own on Linux.
"""

from re import compile as regex

from dataplane.model.problem import Problem
from dataplane.rules.fielderror import not_supported

DEFAULT = "IPTables"
MODES = {DEFAULT: "iptables", "IPVS": "ipvs", "NFTables": "nftables"}
_FIRST = ("IPTables", "IPVS")  # what every version has
_NFTABLES_SINCE = (1, 31)
_VERSION = regex(r"v?(\d+)\.(\d+)")


def mode(written: str | None) -> str:
    """Return kube-proxy's word (`--proxy-mode`) for a Shoot's; the default's for one it has not."""
    return MODES.get(written or DEFAULT, MODES[DEFAULT])


def written(mode: str) -> str:
    """Return a Shoot's word for kube-proxy's; KeyError where there is none."""
    return {own: word for word, own in MODES.items()}[mode]


def check(
    path: str, written: str | None, version: str | None, *, profile: str = "current"
) -> list[Problem]:
    """Check `mode` against what this version of Kubernetes has; `path` is the field's.

    `version` is `spec.kubernetes.version`, None where the manifest leaves it to Gardener, which
    takes a recent one. The first release with GEP-21 had no NFTables.
    """
    known = _FIRST if profile == "gep21" or _is_older(version) else tuple(MODES)
    if written is None or written in known:
        return []
    remedy = f"write one of {', '.join(known)}"
    if written in MODES:
        remedy += ", or use Kubernetes 1.31 or later with a Gardener that has NFTables"
    return [not_supported(path, written, known, remedy=remedy)]


def _is_older(version: str | None) -> bool:
    found = _VERSION.match(version or "")
    return found is not None and (int(found[1]), int(found[2])) < _NFTABLES_SINCE

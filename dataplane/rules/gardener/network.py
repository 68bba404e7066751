"""The spec of a Network: `pkg/api/extensions/validation/network.go`.

A Network is not defaulted: without ipFamilies it is of IPv4. Host bits are nobody's business here.
"""

from dataclasses import dataclass

from dataplane.model.address import Family
from dataplane.model.problem import Problem
from dataplane.rules.fielderror import required
from dataplane.rules.gardener import changes, disjoint, ipfamilies
from dataplane.rules.gardener.changes import Field

_PACKAGE = "v1alpha1"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """What the rules are about; empty where it is not set, None where a pointer is nil."""

    type: str = ""
    pods: str = ""
    services: str = ""
    families: tuple[str, ...] = ()
    extension_class: str | None = None
    provider_config: object = None


def check(path: str, spec: NetworkSpec, *, profile: str = "current") -> list[Problem]:
    """Check the spec at `path`; profile `gep21` is v1.63, which had no dual-stack."""
    problems = []
    if not spec.type:
        remedy = "name the networking extension: calico or cilium"
        problems.append(required(f"{path}.type", "field is required", remedy=remedy))
    where = f"{path}.ipFamilies"
    wrong = ipfamilies.check(where, spec.families, profile=profile, package=_PACKAGE)
    if wrong:
        return [*problems, *wrong]
    written = ((f"{path}.podCIDR", spec.pods), (f"{path}.serviceCIDR", spec.services))
    for where, text in written:
        if not text:
            remedy = "write the range; a Network has both of them"
            problems.append(required(where, "field is required", remedy=remedy))
    ranges, wrong = disjoint.read((where, text) for where, text in written if text)
    problems += wrong
    families = tuple(Family(name) for name in spec.families) or (Family.IPV4,)
    problems += disjoint.wrong_family(ranges, families)
    if profile == "gep21" or families != (
        Family.IPV6,
    ):  # an IPv6 VPC of AWS has one range for both
        problems += disjoint.overlaps(ranges)
    return problems


def check_update(
    path: str, new: NetworkSpec, old: NetworkSpec, *, deleted: bool, profile: str = "current"
) -> list[Problem]:
    """Check what may not change; nothing at all where the object is being deleted."""
    lines = changes.differences(_fields(new, old)) if deleted else []
    if lines:
        return changes.while_deleted(path, "network", lines)
    where = f"{path}.ipFamilies"
    if profile == "gep21":
        shown = disjoint.go_families(new.families, _PACKAGE)
        problems = disjoint.immutable(where, new.families, old.families, shown=shown)
    else:
        problems = ipfamilies.update(where, new.families, old.families, profile=profile)
    problems += disjoint.immutable(f"{path}.type", new.type, old.type)
    problems += disjoint.immutable(f"{path}.podCIDR", new.pods, old.pods)
    problems += disjoint.immutable(f"{path}.serviceCIDR", new.services, old.services)
    return problems


def _fields(new: NetworkSpec, old: NetworkSpec) -> list[Field]:
    raw, kind = "runtime.RawExtension", "v1alpha1.ExtensionClass"
    return [
        Field(name="DefaultSpec.Type", new=new.type, old=old.type),
        Field(
            name="DefaultSpec.Class", new=new.extension_class, old=old.extension_class, pointer=kind
        ),
        Field(
            name="DefaultSpec.ProviderConfig",
            new=new.provider_config,
            old=old.provider_config,
            pointer=raw,
        ),
        Field(name="PodCIDR", new=new.pods, old=old.pods),
        Field(name="ServiceCIDR", new=new.services, old=old.services),
        Field(name="IPFamilies", new=new.families, old=old.families),
    ]

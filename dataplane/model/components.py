"""What a plan means for Kubernetes: command lines of its components, and the resolved manifest."""

from dataclasses import dataclass

from dataplane.model.address import Family, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A command-line flag; `remark` says why it has this value, when that is not plain."""

    name: str
    value: str
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A component and the flags that follow from the plan; its other flags are not our business."""

    name: str
    flags: tuple[Flag, ...]

    def value(self, flag: str) -> str | None:
        """Return the value of a flag, None when it is not set."""
        return next((f.value for f in self.flags if f.name == flag), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRange:
    """One field of `spec.networking`, resolved.

    `spec` is the one CIDR that the field can carry, None where the manifest had left it out;
    `status` is the list of `status.networking`, primary family first.
    """

    kind: str
    spec: Network | None
    status: tuple[Network, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The manifest after all keywords were replaced: what a Gardener would write back.

    Mask sizes are kube-controller-manager's, None where nobody needs them.
    """

    name: str
    provider: str
    cni: str
    families: tuple[Family, ...]
    ranges: tuple[ResolvedRange, ...]
    mask_size: int | None = None
    mask_size_v6: int | None = None

"""What the rules need of a Shoot, or of the part of one that a manifest holds."""

from dataclasses import dataclass, replace

from dataplane.manifest.fields import Section
from dataplane.model.problem import Source
from dataplane.rules.fielderror import invalid
from dataplane.rules.gardener import masks
from dataplane.rules.gardener.masks import Masks
from dataplane.rules.gardener.shoot import STATUS

_INT32 = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class ShootSpec:
    """A Shoot's spec as it is written.

    `given` tells whether there is a networking section; `provider` is None in an excerpt, where
    nothing is said about workers. `families` is None when it cannot be read, `cni` is `type`.
    `version` is Kubernetes', `proxy` the `kubeProxy` section.
    `kubelet` and `pods` are `maxPods` of the cluster and of its worker pools, `status` has the
    lists of `status.networking` by their paths.
    """

    top: Section
    fragment: bool
    spec: Section
    networking: Section
    config: Section
    given: bool
    cni: str | None
    provider: str | None
    workers: tuple[Section, ...]
    families: tuple[str, ...] | None
    masks: Masks
    version: str | None
    proxy: Section
    kubelet: int | None
    pods: tuple[int | None, ...]
    status: dict[str, tuple[str, ...]]

    @property
    def workerless(self) -> bool:
        """Tell whether the Shoot says that it has no workers; an excerpt does not."""
        return self.provider is not None and not self.workers

    def most_pods(self, *, default: int) -> int:
        """Return the most pods of any node, `default` where no kubelet of the cluster says."""
        return masks.highest(self.kubelet, self.pods, default=default)


def read(top: Section) -> ShootSpec:
    """Read a Shoot, its spec alone, or its networking alone; wrong types become problems."""
    fragment = top.values.get("kind") is None
    spec = top if fragment and "networking" in top else top.section("spec")
    networking = spec.section("networking")
    provider = spec.section("provider")
    workers = provider.sections("workers")
    kubernetes = spec.section("kubernetes")
    controller = kubernetes.section("kubeControllerManager")
    families = networking.texts("ipFamilies")
    if families is None and "ipFamilies" not in networking:
        families = ()
    return ShootSpec(
        top=top,
        fragment=fragment,
        spec=spec,
        networking=networking,
        config=networking.section("providerConfig"),
        cni=networking.text("type"),
        given=isinstance(spec.values.get("networking"), dict),
        provider=(provider.text("type") or "local") if "provider" in spec else None,
        workers=workers,
        families=families,
        masks=Masks(
            path=controller.path,
            plain=_int32(controller, masks.PLAIN),
            six=_int32(controller, masks.SIX),
        ),
        version=kubernetes.text("version"),
        proxy=kubernetes.section("kubeProxy"),
        kubelet=_max_pods(kubernetes),
        pods=tuple(_max_pods(worker.section("kubernetes")) for worker in workers),
        status=_status(top) if "status" in top else {},
    )


def former(top: Section) -> ShootSpec:
    """Read what a Shoot was; it was accepted once, so that its problems are nobody's."""
    return read(replace(top, problems=[]))


def _status(top: Section) -> dict[str, tuple[str, ...]]:
    section = top.section("status").section("networking")
    return {section.at(kind): section.texts(kind) or () for kind in STATUS}


def _max_pods(kubernetes: Section) -> int | None:
    if "kubelet" not in kubernetes:
        return None
    kubelet = kubernetes.section("kubelet")
    pods = _int32(kubelet, "maxPods")
    if pods is not None and pods < 0:  # ValidateNonnegativeField
        detail, remedy = "must be greater than or equal to 0", "write the number of pods per node"
        kubelet.add([invalid(kubelet.at("maxPods"), pods, detail, remedy=remedy)])
    return pods


def _int32(section: Section, key: str) -> int | None:
    value = section.integer(key)
    if value is None or -_INT32 <= value < _INT32:
        return value
    detail, remedy = "must be a whole number of 32 bits", "write a smaller number"
    problem = invalid(section.at(key), value, detail, source=Source.KUBERNETES, remedy=remedy)
    section.add([problem])
    return None

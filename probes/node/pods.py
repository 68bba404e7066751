"""Whose namespace is it? Pods' names from the files that a node keeps of them, and from its runtime.

A process' control group names its pod by UID (kubelet) and its container by id (the runtime). Names
come from what lies beside: the runtime's bundles (live containers only), what it answers (`cri`),
the results of CNI plugins and the folders of logs (which outlive their pods). A UID is never given
twice, so a stale file can name nobody wrongly, and who has no process has no name here.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_interface
from pathlib import Path

from dataplane.model.address import Address
from probes.node.cri import Sandbox

THROUGH_INIT = Path("/proc/1/root")
BUNDLES = (
    "run/containerd/io.containerd.runtime.v2.task/k8s.io/*/config.json",
    "run/containers/storage/overlay-containers/*/userdata/config.json",
)
RESULTS = "var/lib/cni/results/*"
LOGS = "var/log/pods/*_*_*"
LARGEST = 4 << 20  # octets of a file that is read

# What containerd and CRI-O write into the annotations of a bundle (pkg/cri/annotations of containerd,
# pkg/annotations of CRI-O).
ANNOTATIONS = (
    (
        "io.kubernetes.cri.sandbox-uid",
        "io.kubernetes.cri.sandbox-namespace",
        "io.kubernetes.cri.sandbox-name",
    ),
    ("io.kubernetes.pod.uid", "io.kubernetes.pod.namespace", "io.kubernetes.pod.name"),
)
ARGUMENTS = ("K8S_POD_UID", "K8S_POD_NAMESPACE", "K8S_POD_NAME")
FIRST = "eth0"  # the interface that runtimes have plugins make
PAIR = 2  # libcni writes arguments as pairs
# A static pod has a hash of its manifest instead; the systemd driver writes `_` for `-`.
UID = r"(?:[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})"
IN_GROUP = re.compile(rf"kubepods.*?pod({UID})")
CONTAINER = re.compile(r"[0-9a-f]{64}")


def node_root() -> Path:
    """Return the root of the node's file system: that of process 1, which a container sees, too.

    The calling process' own where that may not be looked into.
    """
    return THROUGH_INIT if os.access(THROUGH_INIT / ".", os.R_OK | os.X_OK) else Path("/")


class Source(StrEnum):
    """What named a pod; the first one that knows it is believed."""

    RUNTIME = "container runtime"
    CRI = "CRI socket"
    CNI = "CNI results"
    LOGS = "log folders"
    GROUP = "control group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod of this node. `name` and `namespace` are empty where only its UID is known.

    `addresses` are those that the runtime or the results of CNI plugins name (`told_by`); `source`
    named the pod.
    """

    uid: str
    namespace: str = ""
    name: str = ""
    source: Source
    addresses: tuple[Address, ...] = ()
    told_by: str = ""

    @property
    def called(self) -> str:
        """Return `namespace/name`, and what else tells it from others where there is no name."""
        return f"{self.namespace}/{self.name}" if self.name else f"pod {self.uid}"


class Pods:
    """The pods that a node's files and its runtime know, as of when this was made."""

    def __init__(self, node: Path, sandboxes: Iterable[Sandbox] = ()) -> None:
        """Read the files under `node`, the root of the node's file system; what is missing is none.

        `sandboxes` are those that the container runtime says are ready.
        """
        self._by_uid: dict[str, Pod] = {}
        self._by_container: dict[str, str] = {}
        self.contradictions: tuple[str, ...] = ()
        asked = _sandboxes(sandboxes)
        for pod, container in (*_bundles(node), *asked, *_results(node), *_logs(node)):
            if container:
                self._by_container.setdefault(container, pod.uid)
            self._add(pod)

    def _add(self, pod: Pod) -> None:
        """Take what one more source says of a pod; where it contradicts an earlier one, note that."""
        known = self._by_uid.setdefault(pod.uid, pod)
        if known.called != pod.called:
            self._contradict(
                f"{known.source} calls pod {pod.uid} {known.called}, {pod.source} {pod.called}"
            )
        if not known.addresses and pod.addresses:
            self._by_uid[pod.uid] = replace(known, addresses=pod.addresses, told_by=pod.told_by)
        elif pod.addresses and set(known.addresses) != set(pod.addresses):
            self._contradict(
                f"{pod.source} gives {known.called} the addresses {_listed(pod.addresses)}, "
                f"others {_listed(known.addresses)}"
            )

    def _contradict(self, words: str) -> None:
        self.contradictions = (*self.contradictions, words)

    def of(self, groups: str) -> Pod | None:
        """Return the pod of a process by its control groups (/proc/PID/cgroup); None when in none."""
        if match := IN_GROUP.search(groups):
            uid = match[1].replace("_", "-")
            return self._by_uid.get(uid) or Pod(uid=uid, source=Source.GROUP)
        for container in CONTAINER.findall(groups):
            if uid := self._by_container.get(container):
                return self._by_uid[uid]
        return None


def _bundles(node: Path) -> Iterator[tuple[Pod, str]]:
    """Yield the pod and the id of every container that the runtime has a bundle of."""
    for pattern in BUNDLES:
        for path in sorted(node.glob(pattern)):
            annotations = _object(path).get("annotations")
            if not isinstance(annotations, dict):
                continue
            for names in ANNOTATIONS:
                uid, namespace, name = (annotations.get(key) for key in names)
                if pod := _pod(uid, namespace, name, Source.RUNTIME):
                    identity = path.parent if "userdata" not in path.parts else path.parent.parent
                    yield pod, identity.name


def _sandboxes(sandboxes: Iterable[Sandbox]) -> Iterator[tuple[Pod, str]]:
    """Yield the pod and the id of every sandbox that the runtime has told of."""
    for sandbox in sandboxes:
        pod = _pod(sandbox.uid, sandbox.namespace, sandbox.name, Source.CRI)
        if pod is not None:
            yield replace(pod, addresses=sandbox.addresses, told_by=Source.CRI), sandbox.id


def _results(node: Path) -> Iterator[tuple[Pod, str]]:
    """Yield the pod and its sandbox of every result that libcni has cached."""
    for path in sorted(node.glob(RESULTS)):
        given = _object(path)
        arguments = given.get("cniArgs")
        if isinstance(arguments, list):
            pairs = [pair for pair in arguments if isinstance(pair, list) and len(pair) == PAIR]
            said = {str(key): value for key, value in pairs}
            uid, namespace, name = (said.get(key) for key in ARGUMENTS)
            if pod := _pod(uid, namespace, name, Source.CNI):
                told = replace(pod, addresses=tuple(_given(given)), told_by=Source.CNI)
                yield told, str(given.get("containerId"))


def _given(result: dict[str, object]) -> Iterator[Address]:
    """Yield the addresses that plugins gave to a pod's first interface (CNI result: `ips`)."""
    if result.get("ifName", FIRST) != FIRST:
        return  # a runtime does not tell of further networks either
    told = result.get("result")
    ips = told.get("ips") if isinstance(told, dict) else None
    for entry in ips if isinstance(ips, list) else ():
        with suppress(ValueError, LookupError, TypeError):
            yield ip_interface(str(entry["address"])).ip


def _listed(addresses: Iterable[Address]) -> str:
    return ", ".join(map(str, addresses))


def _logs(node: Path) -> Iterator[tuple[Pod, str]]:
    """Yield the pod of every folder of logs, `NAMESPACE_NAME_UID` (kubelet)."""
    for path in sorted(node.glob(LOGS)):
        namespace, name, uid = path.name.split("_", 2)
        if pod := _pod(uid, namespace, name, Source.LOGS):
            yield pod, ""


def _pod(uid: object, namespace: object, name: object, source: Source) -> Pod | None:
    """Return a pod of what a file says, None when that is no pod's."""
    if not (isinstance(uid, str) and isinstance(namespace, str) and isinstance(name, str)):
        return None
    if not (re.fullmatch(UID, uid) and namespace and name):
        return None
    return Pod(uid=uid, namespace=namespace, name=name, source=source)


def _object(path: Path) -> dict[str, object]:
    """Return the JSON object in a file; nothing when there is none, or one beyond all measure."""
    with suppress(OSError, ValueError, RecursionError):
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
        found = json.loads(text) if len(text) <= LARGEST else None
        if isinstance(found, dict):
            return found
    return {}

"""The control plane's own arguments, where it runs on this node as static pods (kubeadm; no shoot has it).

Source: kubelet's staticPodPath, by default etc/kubernetes/manifests; v1 Pod (`spec.containers[].command`,
`args`); kube-controller-manager(1) and kube-apiserver(1) for the flags.
"""

from collections.abc import Iterator
from pathlib import Path

from dataplane.model.node import Word
from probes.node.readfile import arguments, documents

MANIFESTS = "etc/kubernetes/manifests/*.y*ml"
PROGRAMS = frozenset({"kube-controller-manager", "kube-apiserver"})


def control_plane(node: Path) -> Iterator[Word]:
    """Yield the flags by which programs of the control plane are started, by file."""
    for path in sorted(node.glob(MANIFESTS)):
        for word in documents(path, path.relative_to(node)):
            spec = word.content.get("spec")
            containers = spec.get("containers") if isinstance(spec, dict) else None
            for container in containers if isinstance(containers, list) else ():
                if isinstance(container, dict):
                    yield from _flags(container, word.where)


def _flags(container: dict[str, object], where: str) -> Iterator[Word]:
    words: list[str] = []
    for field in ("command", "args"):
        listed = container.get(field)
        words += (str(one) for one in (listed if isinstance(listed, list) else ()))
    if words and Path(words[0]).name in PROGRAMS:
        named = f"arguments of {Path(words[0]).name} ({where})"
        yield Word(where=named, content=dict(arguments(words[1:])))

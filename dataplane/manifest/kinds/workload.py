"""Pods and what makes them: the images of their containers.

They are judged beside the Shoot that they run in, see `manifest/landscape.py`; alone, an image may
come from anywhere.
"""

from collections.abc import Iterator

from dataplane.manifest import objects
from dataplane.manifest.case import Case, Kind
from dataplane.manifest.fields import Section

GROUPS = {"Pod": "", "Deployment": "apps", "DaemonSet": "apps", "StatefulSet": "apps"}
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


def images(top: Section) -> Iterator[tuple[str, str]]:
    """Yield path and name of every image of a Pod, or of the template of another object."""
    spec = top.section("spec")
    if top.values.get("kind") != "Pod":
        spec = spec.section("template").section("spec")
    for key in _CONTAINERS:
        for container in objects.mappings(spec, key):
            yield from own(container)


def own(section: Section) -> Iterator[tuple[str, str]]:
    """Yield path and name of the image that stands in a section itself."""
    name = section.text("image")
    if name is not None:
        yield section.at("image"), name


def _judge(case: Case) -> None:
    """Read the images: what has another type is no manifest for Kubernetes."""
    for _ in images(case.top):
        pass


KINDS = tuple(Kind(name=name, groups=(group,), judge=_judge) for name, group in GROUPS.items())

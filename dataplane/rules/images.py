"""Images of containers, and whether their registry can be reached over IPv6.

GEP-21: docker.io had no IPv6 addresses, so Gardener keeps copies of what it needs in a registry that
has some. A name without a registry is one of docker.io, as the container runtimes read it
(`github.com/distribution/reference`, splitDockerDomain).
"""

from collections.abc import Iterable

from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import advice, quoted

COPIES = "europe-docker.pkg.dev/gardener-project/releases/3rd/"
DEFAULT_REGISTRY = "docker.io"
WITHOUT_AAAA = "registry-1.docker.io"  # where the images of docker.io come from
_WITHOUT_IPV6 = frozenset({"docker.io", "index.docker.io", WITHOUT_AAAA})


def registry(image: str) -> str:
    """Return the host of an image's registry, `docker.io` where it names none."""
    first, slash, _ = image.partition("/")
    named = "." in first or ":" in first or first == "localhost" or first != first.lower()
    return first.lower() if slash and named else DEFAULT_REGISTRY


def without_ipv6(images: Iterable[tuple[str, str]]) -> list[Problem]:
    """Warn of images, by path and name, that come from docker.io."""
    return [
        advice(
            path,
            f"{quoted(name[:255])} is of docker.io, which has no IPv6 addresses",
            remedy=f"use the copy under {COPIES}",
            source=Source.SEED,
        )
        for path, name in images
        if name.strip() and registry(name.strip()).partition(":")[0] in _WITHOUT_IPV6
    ]

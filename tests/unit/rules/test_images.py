"""Where images come from, and that docker.io is named as the registry without IPv6."""

import pytest

from dataplane.model.problem import Severity, Source
from dataplane.rules import images


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("busybox", "docker.io"),
        ("busybox:1.36", "docker.io"),
        ("library/busybox@sha256:00", "docker.io"),
        ("docker.io/library/busybox", "docker.io"),
        ("Docker.io/busybox", "docker.io"),
        ("registry.k8s.io/pause:3.9", "registry.k8s.io"),
        ("localhost/a", "localhost"),
        ("registry:5000/a", "registry:5000"),
        ("[2001:db8::1]:5000/a", "[2001:db8::1]:5000"),
        ("europe-docker.pkg.dev/gardener-project/releases/3rd/a", "europe-docker.pkg.dev"),
        ("docker/io", "docker.io"),
        ("x.example/docker.io/a", "x.example"),
    ],
)
def test_the_registry_is_the_first_part_where_that_is_a_host(image, registry):
    assert images.registry(image) == registry


def test_an_image_of_docker_io_has_a_copy_to_use():
    found = images.without_ipv6(
        [("a", "nginx"), ("b", "quay.io/nginx"), ("c", "index.docker.io/x"), ("d", "")]
    )
    assert [problem.field for problem in found] == ["a", "c"]
    assert {(problem.severity, problem.source) for problem in found} == {
        (Severity.WARNING, Source.SEED)
    }
    assert found[0].message == 'a: "nginx" is of docker.io, which has no IPv6 addresses'
    assert found[0].remedy == (
        "use the copy under europe-docker.pkg.dev/gardener-project/releases/3rd/"
    )

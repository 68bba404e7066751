"""What runs in a Shoot, beside that Shoot: policies, Services and images, by its families."""

import pytest
import yaml

from dataplane.manifest.validation import Terms, judge, read_sheet


def shoot(*families, **spec):
    networking = {"type": "calico", **({"ipFamilies": list(families)} if families else {})}
    return {
        "apiVersion": "core.gardener.cloud/v1beta1",
        "kind": "Shoot",
        "metadata": {"name": "foo", "namespace": "garden-foo"},
        "spec": {"networking": networking, **spec},
    }


POLICY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "out", "namespace": "shop"},
    "spec": {"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]},
}
KEYWORDS = {"networking": {"type": "calico", "pods": "v6global/64"}}


def service(address, **spec):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": address}]}},
    }


def workload(kind="Deployment", **pod):
    metadata = {"name": "web", "namespace": "shop"}
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": pod}
    template = {"template": {"spec": pod}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": template}


def fields(*values):
    """Return the fields that the last object has problems with."""
    text = yaml.safe_dump_all(values)
    return [p.field for p in judge([read_sheet(text, name="test")], Terms())[-1].problems]


@pytest.mark.parametrize(
    ("shoots", "warned"),
    [
        ([], True),
        ([shoot()], False),
        ([shoot("IPv4")], False),
        ([shoot("IPv6")], True),
        ([shoot("IPv4", "IPv6")], True),
        ([shoot("IPv4"), shoot("IPv6")], True),
        ([shoot(**KEYWORDS)], True),  # the keywords speak of IPv6
    ],
)
def test_a_policy_forgets_ipv6_only_where_there_may_be_some(shoots, warned):
    expected = ["spec.egress[0].to[0].ipBlock.cidr"] if warned else []
    assert fields(*shoots, POLICY) == expected


def test_what_kubernetes_refuses_of_a_policy_is_told_beside_any_shoot():
    policy = {**POLICY, "spec": {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.1"}}]}]}}
    assert fields(shoot("IPv4"), policy) == ["spec.egress[0].to[0].ipBlock.cidr"]


@pytest.mark.parametrize(
    ("shoots", "given", "warned"),
    [
        ([shoot("IPv6")], service("127.0.0.1"), True),
        ([shoot("IPv6")], service("::1"), False),
        ([shoot("IPv4")], service("127.0.0.1"), False),
        ([shoot("IPv6", "IPv4")], service("127.0.0.1"), False),
        ([shoot("IPv6"), shoot("IPv4")], service("127.0.0.1"), False),
        ([], service("127.0.0.1"), False),
        ([shoot("IPv6")], service("127.0.0.1", ipFamilies=["IPv6"]), True),
    ],
)
def test_a_service_without_families_has_those_of_its_shoot(shoots, given, warned):
    expected = ["status.loadBalancer.ingress[0].ip"] if warned else []
    assert fields(*shoots, given) == expected


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet", "StatefulSet", "Pod"])
def test_images_of_docker_io_are_told_in_a_shoot_with_ipv6_only(kind):
    pod = {
        "initContainers": [{"name": "a", "image": "busybox"}],
        "containers": [
            {"name": "b", "image": "registry.k8s.io/pause:3.9"},
            {"name": "c", "image": "docker.io/library/nginx:1"},
            {"name": "d"},
        ],
    }
    top = "spec" if kind == "Pod" else "spec.template.spec"
    found = [f"{top}.initContainers[0].image", f"{top}.containers[1].image"]

    assert fields(shoot("IPv6"), workload(kind, **pod)) == found
    assert fields(workload(kind, **pod)) == []
    assert fields(shoot("IPv6", "IPv4"), workload(kind, **pod)) == []
    assert fields(shoot("IPv6"), shoot("IPv4"), workload(kind, **pod)) == []


def test_an_extension_of_the_shoot_names_an_image_too():
    extensions = [{"type": "x", "providerConfig": {"image": "nginx"}}, {"type": "y"}]
    found = fields(shoot("IPv6", extensions=extensions))
    assert found == ["spec.extensions[0].providerConfig.image"]


@pytest.mark.parametrize("containers", [7, ["nginx"], [{"image": 7}]])
def test_containers_of_another_type_are_refused_once(containers):
    found = fields(shoot("IPv6"), workload(containers=containers))
    assert len(found) == 1
    assert found[0].startswith("spec.template.spec.containers")

"""Names of pods' links on the node."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.rules import podinterfaces
from dataplane.rules.podinterfaces import AWS, AZURE, CALICO, CILIUM, PodLink

CART = "18582a65b10"  # printf shop.cart-0 | sha1sum
CART_1 = "5191ac26994"  # printf shop.cart-0.1 | sha1sum
ENDPOINT = "c267950f9aea"  # printf 0123abcd:eth0 | sha256sum
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=63)


@pytest.mark.parametrize(
    ("plugin", "prefix", "shown"),
    [
        (CALICO, None, "cali"),
        (CALICO, "", "cali"),
        (CALICO, "eni", "eni"),
        (CALICO, "veth,cali", "veth"),
        (AWS, None, "eni"),
        (AWS, "vlan", "vlan"),
        (AZURE, None, "azv"),
    ],
)
def test_namespace_and_pod_are_hashed(plugin, prefix, shown):
    link = PodLink(namespace="shop", pod="cart-0", prefix=prefix)

    assert podinterfaces.interface_name(plugin, link) == shown + CART


def test_further_interfaces_of_the_aws_plugin():
    link = PodLink(namespace="shop", pod="cart-0", index=1)

    assert podinterfaces.interface_name(AWS, link) == f"eni{CART_1}"
    assert podinterfaces.interface_name(CALICO, link) == f"cali{CART}"


def test_cilium_hashes_the_endpoint():
    link = PodLink(endpoint_id="0123abcd:eth0")

    assert podinterfaces.interface_name(CILIUM, link) == f"lxc{ENDPOINT}"


@given(namespace=NAMES, pod=NAMES)
def test_names_fit_into_the_kernels_limit(namespace, pod):
    link = PodLink(namespace=namespace, pod=pod, endpoint_id=f"{namespace}:{pod}")

    for plugin in (CALICO, CILIUM, AWS, AZURE):
        name = podinterfaces.interface_name(plugin, link)
        assert len(name) <= podinterfaces.NAME_LIMIT
        assert name.startswith(plugin.prefix)


@pytest.mark.parametrize(
    ("plugin", "word"),
    [("calico", "namespace and pod"), ("azure", "namespace and pod"), ("cilium", "endpoint's id")],
)
def test_what_is_needed_is_said(plugin, word):
    with pytest.raises(ValueError, match=word):
        podinterfaces.interface_name(podinterfaces.plugin(plugin), PodLink(pod="b"))


@pytest.mark.parametrize("plugin", ["ptp", "bridge", "flannel", "gke"])
def test_names_that_cannot_be_known(plugin):
    with pytest.raises(ValueError, match="read the iflink"):
        podinterfaces.interface_name(podinterfaces.plugin(plugin), PodLink(namespace="a", pod="b"))


@pytest.mark.parametrize(
    ("name", "plugin"), [("Calico", CALICO), ("aws", AWS), ("vpc-cni", AWS), ("azure-vnet", AZURE)]
)
def test_plugins_have_several_names(name, plugin):
    assert podinterfaces.plugin(name) is plugin


def test_an_unknown_plugin():
    with pytest.raises(LookupError, match="calicoo is unknown; known are calico, cilium"):
        podinterfaces.plugin("calicoo")

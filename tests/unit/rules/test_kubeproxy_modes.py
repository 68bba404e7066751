import pytest

from dataplane.model.problem import ProblemType
from dataplane.rules.gardener import kubeproxy

PATH = "spec.kubernetes.kubeProxy.mode"


@pytest.mark.parametrize(
    ("written", "own"),
    [(None, "iptables"), ("IPTables", "iptables"), ("IPVS", "ipvs"), ("NFTables", "nftables")],
)
def test_a_shoots_word_is_kube_proxys(written, own):
    assert kubeproxy.mode(written) == own
    if written:
        assert kubeproxy.written(own) == written


@pytest.mark.parametrize("version", [None, "1.31.0", "1.34", "v1.40.2"])
def test_nftables_is_there_from_1_31_on(version):
    assert kubeproxy.check(PATH, "NFTables", version) == []


@pytest.mark.parametrize("version", ["1.30.9", "1.9"])
def test_before_1_31_there_is_no_nftables(version):
    (problem,) = kubeproxy.check(PATH, "NFTables", version)

    assert (problem.field, problem.type) == (PATH, ProblemType.NOT_SUPPORTED)
    assert problem.detail == 'supported values: "IPTables", "IPVS"'
    assert "1.31" in problem.remedy


def test_the_first_release_has_no_nftables_of_any_version():
    assert kubeproxy.check(PATH, "NFTables", "1.34.1", profile="gep21")
    assert not kubeproxy.check(PATH, "IPVS", "1.26.0", profile="gep21")


def test_a_word_of_kube_proxys_own_is_none_of_a_shoots():
    (problem,) = kubeproxy.check(PATH, "nftables", "1.34.1")

    assert problem.detail == 'supported values: "IPTables", "IPVS", "NFTables"'

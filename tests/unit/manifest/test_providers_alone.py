"""Configurations of providers and network plugins without their Shoot, and hostile ones in it."""

import pytest

from dataplane.manifest import kinds
from dataplane.manifest.case import Case
from dataplane.model.problem import ProblemType, Severity
from tests.unit.manifest.provider_shoots import check, errors, section

ALONE = {
    "aws": "aws.provider.extensions.gardener.cloud/v1alpha1",
    "gcp": "gcp.provider.extensions.gardener.cloud/v1alpha1",
    "azure": "azure.provider.extensions.gardener.cloud/v1alpha1",
    "openstack": "openstack.provider.extensions.gardener.cloud/v1alpha1",
}


def judge(text, old=None):
    top = section(text)
    kind = kinds.kind(top.text("kind"), top.text("apiVersion"))
    kind.judge(Case(top=top, old=section(old) if old else None))
    return top.problems


@pytest.mark.parametrize("version", ALONE.values())
def test_a_configuration_may_stand_alone(version):
    for kind in ("InfrastructureConfig", "ControlPlaneConfig"):
        assert judge(f"apiVersion: {version}\nkind: {kind}\n") == []


def test_a_configuration_of_another_version_is_refused():
    (problem,) = judge(
        "apiVersion: aws.provider.extensions.gardener.cloud/v1\nkind: ControlPlaneConfig"
    )

    assert problem.message == (
        'apiVersion: Unsupported value: "aws.provider.extensions.gardener.cloud/v1": supported '
        'values: "aws.provider.extensions.gardener.cloud/v1alpha1"'
    )


def test_alone_paths_are_upstreams_own():
    head = f"apiVersion: {ALONE['aws']}\nkind: InfrastructureConfig\n"
    on = head + "dualStack: {enabled: true}\n"

    assert errors(judge(head, on)) == [
        'dualStack.enabled: Forbidden: field can\'t be changed from "true" to "false"'
    ]


CALICO = "apiVersion: calico.networking.extensions.gardener.cloud/v1alpha1\nkind: NetworkConfig\n"
CILIUM = "apiVersion: cilium.networking.extensions.gardener.cloud/v1alpha1\nkind: NetworkConfig\n"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (CALICO + "backend: bird\nipv6: {pool: vxlan, mode: Never}\nvethMTU: '1440'", []),
        (CALICO + "backend: geneve\nvethMTU: x", ["backend", "vethMTU"]),
        (CALICO + "ipv4: {pool: vxlan, mode: Off}", ["ipv4.mode"]),
        (CALICO + "ipv6: {autoDetectionMethod: eth0}", ["ipv6.autoDetectionMethod"]),
        (CALICO + "ipAutodetectionMethod: ''", ["ipAutodetectionMethod"]),
        (CILIUM + "tunnel: disabled\nmtu: 9000\ndevices: [eth0, eth1]", []),
        (CILIUM + "mtu: -1\ndevices: [eth0, '']", ["mtu", "devices[1]"]),
        (CILIUM + "kubeproxy: {k8sServicePort: 0}", ["kubeproxy.k8sServicePort"]),
    ],
)
def test_a_network_config_alone(text, fields):
    problems = [p for p in judge(text) if p.severity is Severity.ERROR]

    assert [problem.field for problem in problems] == fields


@pytest.mark.parametrize(
    ("text", "wrong", "right"),
    [
        (f"apiVersion: {ALONE['aws']}\nkind: InfrastructureConfig\ndualstack: {{}}", "dualstack", "dualStack"),
        (f"apiVersion: {ALONE['openstack']}\nkind: InfrastructureConfig\nnetworks: {{ipv6: {{subnetPoolId: p, subnetPoolID: p}}}}", "networks.ipv6.subnetPoolId", "subnetPoolID"),
        (CALICO + "overlays: {enabled: false}", "overlays", "overlay"),
        (CALICO + "ipv6: {natEnabled: true, sourceNatEnabled: true}", "ipv6.sourceNatEnabled", "sourceNATEnabled"),
        (CILIUM + "enableIPv6Masquerade: true", "enableIPv6Masquerade", "enableIpv6Masquerade"),
    ],
)  # fmt: skip
def test_a_misspelt_field_is_warned_of(text, wrong, right):
    (problem,) = [p for p in judge(text) if p.type is ProblemType.UNKNOWN_FIELD]

    assert (problem.field, problem.remedy) == (wrong, f"did you mean {right}?")


@pytest.mark.parametrize(
    "keys",
    [
        (ALONE["aws"], "InfrastructureConfig", "enableECRAccess ignoreTags elasticFileSystem"),
        (ALONE["aws"], "ControlPlaneConfig", "storage"),
        (ALONE["gcp"], "InfrastructureConfig", "networks"),
        (ALONE["azure"], "InfrastructureConfig", "identity resourceGroup"),
        (ALONE["openstack"], "InfrastructureConfig", "floatingPoolName floatingPoolSubnetName"),
        (CALICO.split()[1], "NetworkConfig", "typha multus birdExporter snatToUpstreamDNS"),
        (CILIUM.split()[1], "NetworkConfig", "hubble cni debug enableBPFMasquerade egressGateway"),
    ],
)
def test_fields_of_no_concern_are_left_alone(keys):
    version, kind, names = keys
    rest = "".join(f"{name}: null\n" for name in names.split())

    assert judge(f"apiVersion: {version}\nkind: {kind}\n{rest}") == []


@pytest.mark.parametrize("text", ["{}", "{provider: x}", "{provider: 1}", "{networking: []}"])
def test_provider_networking_names_a_provider(text):
    top = section(text)
    kinds.kind("ProviderNetworking").judge(Case(top=top))

    assert len(errors(top.problems)) >= 1


@pytest.mark.parametrize(
    "text",
    [
        "infrastructureConfig: 1",
        "infrastructureConfig: {networks: 1}",
        "infrastructureConfig: {networks: {vpc: [], zones: 7}}",
        "infrastructureConfig: {networks: {zones: [1, {workers: 1}]}}",
        "infrastructureConfig: {dualStack: yes please}",
        "controlPlaneConfig: []",
    ],
)
@pytest.mark.parametrize("provider", ["aws", "gcp", "openstack", "azure"])
def test_wrong_types_are_problems_and_no_crash(provider, text):
    version = ALONE[provider]
    text = text.replace("g: {", f"g: {{apiVersion: {version}, kind: InfrastructureConfig, ")
    problems = check(f"spec: {{provider: {{type: {provider}, workers: [{{}}], {text}}}}}")

    assert all(isinstance(problem.message, str) for problem in problems)

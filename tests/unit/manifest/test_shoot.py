"""Manifests in, clusters and problems out."""

import pytest

from dataplane.manifest import parse
from dataplane.model.address import Family
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.model.infrastructure import Infrastructure
from dataplane.model.problem import ProblemType, Severity, Source

V4, V6 = Family.IPV4, Family.IPV6
GEP21 = """\
apiVersion: core.gardener.cloud/v1beta1
kind: Shoot
spec:
  networking:
    pods: 2001:db8:1::/48
    nodes: 2001:db8:2::/48
    services: 2001:db8:3::/48
    # ...
    ipFamilies:
    - IPv6
"""
GEP21_DUAL = """\
apiVersion: core.gardener.cloud/v1beta1
kind: Shoot
spec:
  networking:
    pods: 2001:db8:1::/48
    nodes: 2001:db8:2::/48
    services: 2001:db8:3::/48
    ipFamilies:
    - IPv6
    - IPv4
    # ...
    podsCIDRs:
    - 2001:db8:1::/48
    - 10.0.1.0/24
    nodesCIDRs:
    - 2001:db8:2::/48
    - 10.0.2.0/24
    servicesCIDRs:
    - 2001:db8:3::/48
    - 10.0.3.0/24
"""
KEYWORDS = """\
  networking:
    type: calico # {calico,cilium}
    nodes: v6global/64+prefix/96
    pods: v6fromNode
    services: globalIPv6/64
"""
REAL = """\
apiVersion: core.gardener.cloud/v1beta1
kind: Shoot
metadata:
  name: crazy-botany
  annotations: {shoot.gardener.cloud/cleanup-infrastructure-resources-grace-period-seconds: "0"}
spec:
  secretBindingName: my-secret
  purpose: evaluation
  maintenance: {timeWindow: {begin: 220000+0100, end: 230000+0100}}
  kubernetes:
    version: "1.31.2"
    kubelet: {maxPods: 60}
    kubeControllerManager: {nodeCIDRMaskSize: 25}
  provider:
    type: aws
    infrastructureConfig: {networks: {vpc: {cidr: 10.250.0.0/16}}}
    workers:
    - name: cpu-worker
      kubernetes: {kubelet: {maxPods: 100}}
  networking:
    type: cilium
    nodes: 10.250.0.0/16
    providerConfig: {overlay: {enabled: false}}
status:
  technicalID: shoot--core--crazy-botany
"""


def shoot(networking, *, workers="[{name: a}]", provider="local", extra=""):
    indented = "".join(f"    {line}\n" for line in networking.strip().splitlines())
    return (
        "apiVersion: core.gardener.cloud/v1beta1\nkind: Shoot\nspec:\n"
        f"  provider: {{type: {provider}, workers: {workers}}}\n{extra}  networking:\n{indented}"
    )


def cluster(text, **options):
    parsed = parse(text, **options)
    assert parsed.cluster is not None, parsed.errors
    return parsed.cluster


def messages(text, *severities, **options):
    wanted = severities or (Severity.ERROR,)
    return [p.message for p in parse(text, **options).problems if p.severity in wanted]


def test_gep21s_example():
    found = cluster(GEP21, name="gep")
    assert found.name == "gep"
    assert found.families == (V6,)
    assert [wish.strategy for wish in (*found.nodes, *found.pods, *found.services)] == ["cidr"] * 3
    assert str(found.pods[0].network) == "2001:db8:1::/48"
    assert messages(GEP21, profile="gep21") == []


def test_gep21s_dual_stack_lists():
    found = cluster(GEP21_DUAL)
    assert found.families == (V6, V4)
    assert [str(wish.network) for wish in found.nodes] == ["2001:db8:2::/48", "10.0.2.0/24"]
    assert messages(GEP21_DUAL, profile="gep21") == [
        (
            'spec.networking.ipFamilies: Invalid value: []core.IPFamily{"IPv6", "IPv4"}: '
            "dual-stack networking is not supported"
        )
    ]


def test_the_proposals_example_as_it_stands():
    found = cluster(KEYWORDS)
    assert found.families == (V6,)
    assert found.nodes == (
        RangeWish(family=V6, strategy=Strategy.V6_GLOBAL, size=64, node_prefix=96),
    )
    assert found.pods == (RangeWish(family=V6, strategy=Strategy.V6_FROM_NODE),)
    assert found.services == (RangeWish(family=V6, strategy=Strategy.V6_GLOBAL, size=64),)
    warnings = [p for p in parse(KEYWORDS).problems if p.severity is Severity.WARNING]
    assert {(p.field, p.line, p.column) for p in warnings} == {
        ("networking.services", 5, 15),
        ("networking.ipFamilies", 1, 3),
    }
    nested = "spec:\n" + KEYWORDS
    assert cluster(nested) == found
    full = GEP21.partition("  networking")[0] + KEYWORDS
    assert cluster(full) == found
    assert any("today's Gardener API refuses" in m for m in messages(full, Severity.INFO))


def test_a_real_shoot_with_everything_in_it():
    found = cluster(REAL)
    assert (found.name, found.cni, found.provider) == ("crazy-botany", "cilium", "aws")
    assert found.families == (V4,)
    assert found.node_mask_size == {V4: 25}
    assert [wish.strategy for wish in (*found.nodes, *found.pods)] == ["cidr", "provider"]
    assert parse(REAL).problems == ()


@pytest.mark.parametrize(
    ("families", "kubernetes", "masks"),
    [
        ("[IPv4]", "{}", {}),
        ("[IPv4]", "{kubelet: {maxPods: 250}}", {V4: 23}),
        ("[IPv6]", "{kubelet: {maxPods: 250}}", {}),
        ("[IPv6]", "{kubeControllerManager: {nodeCIDRMaskSize: 80}}", {V6: 80}),
        ("[IPv6]", "{kubeControllerManager: {nodeCIDRMaskSizeIPv6: 80}}", {V6: 80}),
        (
            "[IPv6, IPv4]",
            "{kubeControllerManager: {nodeCIDRMaskSize: 25, nodeCIDRMaskSizeIPv6: 72}}",
            {V4: 25, V6: 72},
        ),
    ],
)
def test_node_masks(families, kubernetes, masks):
    text = shoot(f"type: calico\nipFamilies: {families}", extra=f"  kubernetes: {kubernetes}\n")
    assert cluster(text).node_mask_size == masks


def test_all_problems_at_once_with_their_places():
    text = """\
kind: Shoot
apiVersion: core.gardener.cloud/v1beta2
spec:
  provider: {type: aws, workers: [{name: a}]}
  networking:
    type: cal!co
    pods: 10.0.0.1/8
    pods: 1
    nodes: 10.250.0.0/33
    services: v6globl/64
    podsV6: foo
    ipFamilies: [IPv6]
"""
    found = [(p.line, p.column, p.severity, p.field, p.type) for p in parse(text).problems]
    error, invalid = Severity.ERROR, ProblemType.INVALID
    assert found == [
        (8, 5, error, "spec.networking.pods", ProblemType.DUPLICATE),
        (2, 13, error, "apiVersion", ProblemType.NOT_SUPPORTED),
        (11, 5, Severity.WARNING, "spec.networking.podsV6", ProblemType.UNKNOWN_FIELD),
        (6, 11, error, "spec.networking.type", invalid),
        (9, 12, error, "spec.networking.nodes", invalid),
        (7, 11, error, "spec.networking.pods", invalid),
        (7, 11, error, "spec.networking.pods", invalid),
        (10, 15, error, "spec.networking.services", invalid),
    ]
    assert all(p.remedy and p.message.startswith(p.field) for p in parse(text).problems)


def test_unknown_fields():
    text = shoot("type: calico\nnewThing: 1\npodsV6: 2001:db8::/48")
    parsed = parse(text)
    assert [p.severity for p in parsed.problems] == [Severity.WARNING] * 2
    assert "pods" in parsed.problems[1].remedy
    strict = parse(text + "extra: 1\n", strict=True)
    assert {p.field for p in strict.errors} == {
        "extra",
        "spec.networking.newThing",
        "spec.networking.podsV6",
    }


@pytest.mark.parametrize(
    ("networking", "message"),
    [
        ("type: calico\npods: 7", "spec.networking.pods: Invalid value: 7: must be a text"),
        (
            "type: calico\nipFamilies: IPv6",
            'spec.networking.ipFamilies: Invalid value: "IPv6": must be a list of texts',
        ),
        ("type: [a]", 'spec.networking.type: Invalid value: ["a"]: must be a text'),
        (
            "type: calico\npods: 2001:db8::/48\nipFamilies: [IPv4]",
            'spec.networking.pods: Invalid value: "2001:db8::": must be a valid IPv4 address',
        ),
        (
            "type: calico\npods: 10.0.0.0/8\nservices: 10.1.0.0/16\nipFamilies: [IPv4]",
            (
                'spec.networking.services: Invalid value: "10.1.0.0/16": '
                "shoot pod network intersects with shoot service network"
            ),
        ),
        (
            "type: calico\nipFamilies: [IPv6]\nnodes: v6global\npods: v6fromNode",
            (
                'spec.networking.pods: Invalid value: "v6fromNode": '
                "v6fromNode requires +prefix on nodes"
            ),
        ),
        (
            "type: calico\nipFamilies: [IPv6]\nnodes: v6global+prefix/96\npods: v6fromNode/80",
            (
                'spec.networking.pods: Invalid value: "v6fromNode/80": '
                "/80 is not inside the node's own prefix (/96)"
            ),
        ),
        (
            "type: calico\nipFamilies: [IPv6]\nnodes: v6global\npods: v4private,v6global",
            (
                'spec.networking.pods: Invalid value: "v4private,v6global": '
                "has an IPv4 value, but ipFamilies has no IPv4"
            ),
        ),
        (
            "type: calico\nipFamilies: [IPv6, IPv4]\nnodes: v6global\npods: v4private,v6global",
            (
                'spec.networking.nodes: Invalid value: "v6global": '
                "has no IPv4 value, though the cluster has IPv4"
            ),
        ),
        (
            "type: calico\nipFamilies: [IPv6]\npods: 2001:db8::/32",
            "New CIDR set failed; the node CIDR size is too big",
        ),
        (
            "type: calico\nipFamilies: [IPv6]\nproviderConfig: {overlay: {enabled: true}}",
            (
                "spec.networking.providerConfig.overlay.enabled: Invalid value: true: "
                "overlay must be set to false in conjunction with IPv6"
            ),
        ),
        ("nodes: 10.0.0.0/16", "spec.networking.type: Required value: networking type must be"),
    ],
)
def test_errors(networking, message):
    found = messages(shoot(networking, provider="aws"))
    assert len(found) == 1
    assert message in found[0]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("    - 10.0.1.0/24\n", "", "spec.networking.podsCIDRs"),
        ("    - 2001:db8:1::/48\n", "    - 2001:db8:9::/48\n", "spec.networking.podsCIDRs[0]"),
        (
            "    - IPv6\n    - IPv4\n",
            "    - IPv4\n    - IPv6\n",
            "spec.networking.podsCIDRs[0]",
        ),
    ],
)
def test_gep21s_lists_must_agree_with_the_rest(old, new, field):
    assert field in {p.field for p in parse(GEP21_DUAL.replace(old, new)).errors}


def test_nodes_alone_may_have_ipv4():
    found = cluster(shoot("type: calico\nipFamilies: [IPv6]\nnodes: v4private v6global"))
    assert [wish.family for wish in found.nodes] == [V6, V4]
    assert [wish.family for wish in found.pods] == [V6]


def test_nodeipam_does_not_cut_ipv6_on_openstack():
    text = "type: calico\nipFamilies: [IPv6]\npods: 2001:db8:0:0:4000::/66"
    assert parse(shoot(text)).cluster is None
    found = cluster(shoot(text, provider="openstack"))
    assert str(found.pods[0].network) == "2001:db8:0:0:4000::/66"


def test_a_lab_is_refused_what_a_component_stops_at():
    text = shoot("type: calico\nipFamilies: [IPv6]\npods: fd00::/32\nservices: fd01::/126")
    assert len(messages(text)) == 2
    assert len(messages(text, profile="current")) == 2
    assert parse(text).cluster is None


def test_custom_fills_what_no_other_value_names():
    found = cluster(shoot("type: calico\npods: custom,v6global\nnodes: custom\nservices: v6global"))
    assert found.families == (V6, V4)
    assert [wish.strategy for wish in found.pods] == [Strategy.V6_GLOBAL, Strategy.CUSTOM]
    assert [wish.family for wish in found.nodes] == [V6, V4]
    assert [wish.family for wish in found.services] == [V6]


def test_workerless():
    text = shoot("services: 10.0.0.0/16", workers="[]")
    assert cluster(text).pods == ()
    found = messages(shoot("type: calico\npods: 10.0.0.0/16", workers="[]"))
    detail = "Forbidden: this field should not be set for workerless Shoot clusters"
    assert found == [f"spec.networking.{key}: {detail}" for key in ("type", "pods")]
    nothing = "apiVersion: core.gardener.cloud/v1beta1\nkind: Shoot\nspec: {provider: {type: a}}\n"
    assert messages(nothing) == []


def test_networking_is_required_with_workers():
    text = shoot("a: b").partition("  networking")[0]
    assert messages(text) == [
        "spec.networking: Required value: networking should not be nil for a Shoot with workers"
    ]


def test_other_documents_are_named_and_left_alone():
    text = f"kind: ConfigMap\n---\n{GEP21}---\n{KEYWORDS}"
    parsed = parse(text)
    assert parsed.cluster == cluster(GEP21)
    notes = {p.document: p.detail for p in parsed.problems if p.source is Source.SIXSCOPE}
    assert notes == {
        0: "is no Shoot and has no networking section",
        2: "is one more cluster; only the first one is read",
    }
    assert {p.document for p in parsed.problems if p.source is Source.SEED} == {1}


@pytest.mark.parametrize("text", ["", "# nothing\n", "kind: Seed\n", "[]", "a", "a: ["])
def test_no_cluster_is_an_error(text):
    parsed = parse(text)
    assert parsed.cluster is None
    assert parsed.errors


def test_an_unknown_profile_is_a_programming_error():
    with pytest.raises(ValueError, match="is none of current, gep21"):
        parse(GEP21, profile="future")


def test_keywords_are_no_cidrs_for_gep21():
    assert any("invalid CIDR address: v6fromNode" in m for m in messages(KEYWORDS, profile="gep21"))


AWS = """\
apiVersion: core.gardener.cloud/v1beta1
kind: Shoot
spec:
  provider:
    type: aws
    infrastructureConfig:
      apiVersion: aws.provider.extensions.gardener.cloud/v1alpha1
      kind: InfrastructureConfig
      dualStack: {enabled: true}
      networks:
        vpc: {id: vpc-1, ipv6IpamPool: {id: pool, cidrBlock: 2001:db8:1234:5600::/56}}
        zones: [{name: a}, {name: b}]
    workers: [{name: w}]
  networking: {type: calico, ipFamilies: [IPv6]}
"""


def test_what_the_provider_is_told_reaches_the_cluster():
    found = cluster(AWS).infrastructure
    assert (str(found.prefix), found.zones) == ("2001:db8:1234:5600::/56", 2)
    assert (found.existing, found.ingress) == (True, True)
    assert cluster(GEP21).infrastructure == Infrastructure()


def test_what_is_said_beside_the_manifest_goes_first():
    own = Infrastructure(zones=3)
    found = own.over(cluster(AWS).infrastructure)
    assert (str(found.prefix), found.zones) == ("2001:db8:1234:5600::/56", 3)

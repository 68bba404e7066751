"""By whose rules a Shoot is judged: today's, those of GEP-21's release, the proposal's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.manifest import severity
from dataplane.manifest.case import PROFILES, Case, Stage
from dataplane.manifest.documents import Document, read_documents
from dataplane.manifest.fields import root
from dataplane.manifest.kinds import kind
from dataplane.model.problem import Severity, Source

HEAD = "apiVersion: core.gardener.cloud/v1beta1\nkind: Shoot\n"
WITH_WORKERS = HEAD + "spec:\n  provider: {type: local, workers: [{name: a}]}\n"
GEP21 = """\
spec:
  networking:
    pods: 2001:db8:1::/48
    nodes: 2001:db8:2::/48
    services: 2001:db8:3::/48
    ipFamilies: [IPv6]
"""
KEYWORDS = """\
networking:
  type: calico
  nodes: v6global/64+prefix/96
  pods: v6fromNode
  services: globalIPv6/64
"""
LISTS = """\
    type: calico
    ipFamilies: [IPv6]
    pods: 2001:db8:1::/56
    podsCIDRs: [2001:db8:1::/56, 10.0.0.0/8]
"""


def problems(text, **terms):
    (document,) = read_documents(text, name="test")
    top = root(document)
    kind("Shoot").judge(Case(top=top, **terms))
    return severity.weighed(top.problems, strict=False)


def errors(text, **terms):
    return [p.message for p in problems(text, **terms) if p.severity is Severity.ERROR]


def networking(lines, head=WITH_WORKERS):
    return head + "  networking:\n" + "".join(f"    {line}\n" for line in lines.splitlines())


@pytest.mark.parametrize("profile", ["current", "gep21", "proposal"])
def test_gep21s_example_is_valid_for_all(profile):
    assert errors(HEAD + GEP21, profile=profile) == []
    assert errors(GEP21, profile=profile) == []


def test_gep21s_example_needs_its_gate():
    (line,) = errors(HEAD + GEP21, profile="gep21", gates=frozenset())
    assert line.endswith('[]core.IPFamily{"IPv6"}: IPv6 single-stack networking is not supported')


def test_keywords_are_the_proposals():
    assert errors(KEYWORDS, profile="proposal") == []
    whole = (
        HEAD
        + "spec:\n  provider: {type: local, workers: [{name: a}]}\n"
        + "".join(f"  {line}\n" for line in KEYWORDS.splitlines())
    )
    assert errors(whole, profile="proposal") == []
    for profile in ("current", "gep21"):
        found = [p for p in problems(whole, profile=profile) if p.severity is Severity.ERROR]
        assert [(p.field, p.detail) for p in found] == [
            ("spec.networking.nodes", "invalid CIDR address: v6global/64+prefix/96"),
            ("spec.networking.pods", "invalid CIDR address: v6fromNode"),
            ("spec.networking.services", "invalid CIDR address: globalIPv6/64"),
        ]
        assert all("--profile proposal" in p.remedy for p in found)


def test_an_unusable_keyword_is_a_warning_to_validate():
    text = KEYWORDS.replace("+prefix/96", "")
    found = [p for p in problems(text, profile="proposal") if "requires +prefix" in p.detail]
    assert [p.severity for p in found] == [Severity.WARNING]
    strict = severity.weighed(found, strict=True)
    assert [p.severity for p in strict] == [Severity.ERROR]


def test_a_keywords_error_stands_in_its_column():
    (problem,) = [p for p in problems(KEYWORDS.replace("/96", "/200")) if "200" in p.detail]
    assert (problem.line, problem.column) == (3, 10)  # today's API knows no characters
    text = KEYWORDS.replace("/96", "/200")
    (problem,) = [p for p in problems(text, profile="proposal") if "at character" in p.detail]
    assert (problem.line, problem.column) == (3, 10 + len("v6global/64+prefix/"))


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_quote_is_no_part_of_a_value(quote):
    wrong = KEYWORDS.replace("v6global/64+prefix/96", f"{quote}v6global/64+prefix/200{quote}")
    (problem,) = [p for p in problems(wrong, profile="proposal") if "at character" in p.detail]
    assert (problem.line, problem.column) == (3, 11 + len("v6global/64+prefix/"))


def test_lists_are_gep21s():
    text = networking(LISTS.replace("    ", ""))
    assert errors(text, profile="gep21") == []
    found = [p for p in problems(text) if p.field.endswith("podsCIDRs")]
    assert [(p.severity, p.type.value) for p in found] == [(Severity.WARNING, "UnknownField")]
    assert "spec.networking.pods" in found[0].remedy


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("podsCIDRs: [2001:db8:1::/56, ", "podsCIDRs: [2001:db8:2::/56, ", "podsCIDRs[0]"),
        (", 10.0.0.0/8]", "]", "podsCIDRs"),
        (", 10.0.0.0/8]", ", 10.0.0.1/8]", "podsCIDRs[1]"),
    ],
)
def test_lists_that_do_not_fit_are_no_error_of_gardeners(old, new, field):
    text = networking(LISTS.replace("    ", "").replace(old, new))
    found = [p for p in problems(text, profile="gep21") if p.field == f"spec.networking.{field}"]
    assert {(p.severity, p.source) for p in found} == {(Severity.WARNING, Source.SEED)}


def test_gep21_left_the_clouds_out():
    text = networking("type: calico\nipFamilies: [IPv6]").replace("type: local", "type: aws")
    found = [p for p in problems(text, profile="gep21") if "local environment" in p.detail]
    assert [(p.severity, p.source) for p in found] == [(Severity.WARNING, Source.SEED)]


@pytest.mark.parametrize(
    ("name", "kept"),
    [("podsV6", "pods"), ("nodesV6", "nodes"), ("servicesV6", "services"), ("podsIPv6", "pods")],
)
def test_fields_that_gep21_rejected_name_the_right_one(name, kept):
    (problem,) = [p for p in problems(networking(f"type: a\n{name}: fd00::/48")) if name in p.field]
    assert problem.severity is Severity.WARNING
    assert problem.remedy.startswith(f"spec.networking.{kept} takes")
    assert problem.column == 5


def test_an_excerpt_may_lack_what_is_elsewhere():
    assert errors(HEAD + "spec: {}\n") == []
    assert errors(HEAD + "spec: {networking: {}}\n") == []
    assert errors(HEAD + "spec: {networking: {}}\n", profile="gep21") == []


@pytest.mark.parametrize(
    ("profile", "count"),
    [("current", 4), ("proposal", 4), ("gep21", 0)],
)
def test_workerless_shoots_came_later(profile, count):
    text = networking(
        "type: calico\nproviderConfig: {}\npods: 10.1.0.0/16\nnodes: 10.2.0.0/16",
        head=HEAD + "spec:\n  provider: {type: local}\n",
    )
    lines = errors(text, profile=profile)
    assert len(lines) == count
    assert all("should not be set for workerless" in line for line in lines)


def test_workerless_masks_count_the_kubelets_default():
    text = HEAD + (
        "spec:\n  provider: {type: local, workers: []}\n  networking: {}\n"
        "  kubernetes: {kubelet: {maxPods: 8}, kubeControllerManager: {nodeCIDRMaskSize: 26}}\n"
    )
    one, other = errors(text)
    assert "only supports 62 IP addresses. The highest maxPod setting is 110" in one
    assert other.endswith("this field should not be set for workerless Shoot clusters")


@pytest.mark.parametrize(
    ("kubernetes", "message"),
    [
        ("kubelet: {maxPods: -1}", "must be greater than or equal to 0"),
        ("kubeControllerManager: {nodeCIDRMaskSize: 99999999999}", "a whole number of 32 bits"),
        ("kubeControllerManager: {nodeCIDRMaskSize: -2147483648}", "between 16 and 28"),
        ("kubelet: {maxPods: 0}, kubeControllerManager: {nodeCIDRMaskSize: 26}", "setting is 110"),
    ],
)
def test_numbers_that_are_odd(kubernetes, message):
    text = networking("type: calico") + f"  kubernetes: {{{kubernetes}}}\n"
    (line,) = errors(text)
    assert message in line


def test_a_component_that_would_stop_is_a_warning():
    text = networking("type: a\nipFamilies: [IPv6]\npods: fd00::/32\nservices: fd01::/96")
    assert errors(text) == []
    found = [p for p in problems(text) if p.source is Source.KUBERNETES]
    assert [(p.severity, p.field) for p in found] == [
        (Severity.WARNING, "spec.networking.pods"),
        (Severity.WARNING, "spec.networking.services"),
    ]
    assert "New CIDR set failed; the node CIDR size is too big" in found[0].detail
    assert "kube-controller-manager" in found[0].detail
    assert "kube-apiserver" in found[1].detail


@pytest.mark.parametrize("stage", list(Stage))
def test_overlaps_are_admissions(stage):
    text = networking("type: a\npods: 10.0.0.0/16\nservices: 10.0.0.0/16")
    (problem,) = [p for p in problems(text, stage=stage) if "intersects" in p.detail]
    assert problem.detail == "shoot pod network intersects with shoot service network"
    if stage is Stage.VALIDATION:
        assert problem.severity is Severity.WARNING
        assert problem.remedy.startswith("admission refuses it: ")
    else:
        assert problem.severity is Severity.ERROR


def test_the_status_is_checked_since_it_is_there():
    text = networking("type: a") + "status: {networking: {nodes: [10.0.0.1/8], egressCIDRs: [x]}}\n"
    assert errors(text) == [
        'status.networking.nodes[0]: Invalid value: "10.0.0.1/8": must be valid canonical CIDR',
        'status.networking.egressCIDRs[0]: Invalid value: "x": invalid CIDR address: x',
    ]
    assert errors(text, profile="gep21") == []


@pytest.mark.parametrize(
    ("version", "profile", "count"),
    [
        ("core.gardener.cloud/v1beta1", "current", 0),
        ("core.gardener.cloud/v1alpha1", "current", 1),
        ("core.gardener.cloud/v1alpha1", "gep21", 0),
        ("core.gardener.cloud/v2", "gep21", 1),
    ],
)
def test_versions_of_the_api(version, profile, count):
    text = networking("type: a").replace("core.gardener.cloud/v1beta1", version)
    assert len(errors(text, profile=profile)) == count


def test_a_wrong_type_is_told_once():
    text = HEAD + "spec: {provider: {workers: [{name: a}]}, networking: {type: [a], pods: 7}}\n"
    text += "status: 5\n"
    fields = [p.field for p in problems(text, stage=Stage.BOTH) if p.severity is Severity.ERROR]
    assert sorted(fields) == ["spec.networking.pods", "spec.networking.type", "status"]


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=12),
    st.sampled_from(["IPv4", "IPv6", "10.0.0.0/8", "::/0", "v6global+prefix/96", "a, b", "custom"]),
)
names = st.sampled_from(
    [
        *("kind", "apiVersion", "metadata", "spec", "status", "networking", "provider", "workers"),
        *("kubernetes", "kubelet", "maxPods", "kubeControllerManager", "nodeCIDRMaskSize", "type"),
        *("nodes", "pods", "services", "podsCIDRs", "ipFamilies", "providerConfig", "networks"),
        *("shootDefaults", "overlay", "enabled", "deletionTimestamp", "seedName"),
    ]
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=5)),
    max_leaves=25,
)
objects = st.dictionaries(names, values, max_size=6)


@given(objects, objects, st.sampled_from(PROFILES), st.sampled_from(list(Stage)))
def test_whatever_is_written_has_an_answer(new, other, profile, stage):
    top, old = (root(Document(index=0, value=value)) for value in (new, other))
    case = Case(top=top, old=old, seed=old, profile=profile, stage=stage)
    kind("Shoot").judge(case)
    kind("Shoot").default(case)
    assert all(problem.message.startswith(problem.field) for problem in top.problems)

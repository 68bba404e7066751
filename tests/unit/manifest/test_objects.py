"""Whatever stands in a manifest, the small kinds have an answer to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.manifest import objects
from dataplane.manifest.documents import Document
from dataplane.manifest.fields import root
from dataplane.model.problem import Severity
from tests.unit.manifest import vectors

KEYS = st.sampled_from(
    [
        *("metadata", "name", "namespace", "generateName", "deletionTimestamp", "spec", "type"),
        *("networks", "pods", "services", "nodes", "shootDefaults", "blockCIDRs", "ipFamilies"),
        *("podCIDR", "serviceCIDR", "providerConfig", "class", "secretRef", "values", "ttl"),
        *("recordType", "region", "zone", "ingress", "egress", "from", "to", "ipBlock", "cidr"),
        *("except", "podSelector", "policyTypes", "ports", "apiVersion"),
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(["", "IPv4", "IPv6", "A", "AAAA", "10.0.0.0/8", "::/0", "a.b", "Egress"]),
    st.text(max_size=5),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=12,
)
OBJECTS = st.one_of(
    st.dictionaries(KEYS, VALUES, max_size=4),
    st.builds(
        lambda metadata, spec: {"metadata": metadata, "spec": spec},
        st.dictionaries(KEYS, VALUES, max_size=3),
        st.dictionaries(KEYS, VALUES, max_size=6),
    ),
)
NAMES = ["Seed", "Network", "DNSRecord", "NetworkPolicy"]


@pytest.mark.parametrize("kind", NAMES)
@given(value=OBJECTS, old=st.none() | OBJECTS, profile=st.sampled_from(["current", "gep21"]))
def test_nothing_breaks_a_kind(kind, value, old, profile):
    for problem in vectors.judged(kind, value, old=old, profile=profile):
        assert problem.message.startswith(f"{problem.field}: ")
        assert problem.source is not None
        assert problem.severity is not Severity.ERROR or problem.remedy


@pytest.mark.parametrize("kind", NAMES)
@given(value=OBJECTS)
def test_what_is_advised_never_makes_an_object_invalid(kind, value):
    advised = {"seed", "sixscope"}
    found = vectors.errors(vectors.judged(kind, value))
    assert not [problem for problem in found if problem.source in advised]


def section(value):
    return root(Document(index=0, value=value))


@pytest.mark.parametrize(
    ("new", "old", "deleted"),
    [
        ({}, {}, False),
        ({"deletionTimestamp": "x"}, {}, True),
        ({}, {"deletionTimestamp": "x"}, True),
    ],
)
def test_a_deletion_is_not_taken_back(new, old, deleted):
    assert objects.is_deleted(section({"metadata": new}), section({"metadata": old})) is deleted


def test_items_that_are_no_mappings_are_told():
    top = section({"peers": [{}, "x", {"a": 1}]})

    assert [item.path for item in objects.mappings(top, "peers")] == ["peers[0]", "peers[2]"]
    assert vectors.messages(top.problems) == ['peers[1]: Invalid value: "x": must be a mapping']
    assert not objects.decoded(top, 0)
    assert objects.decoded(top, 1)

"""Labels, subdomains and domain names, in Kubernetes' words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.problem import Source
from dataplane.rules import names

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a", []),
        ("a-b.c--d.0", []),
        ("", [SUBDOMAIN]),
        ("a.", [SUBDOMAIN]),
        ("-a", [SUBDOMAIN]),
        ("a\n", [SUBDOMAIN]),
        ("ä", [SUBDOMAIN]),
        ("a" * 254, ["must be no more than 253 bytes"]),
        ("A" * 254, ["must be no more than 253 bytes", SUBDOMAIN]),
        ("ä" * 127, ["must be no more than 253 bytes", SUBDOMAIN]),
    ],
)
def test_subdomains(text, wrong):
    assert names.subdomain(text) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a-1", []),
        ("a.b", ["must not contain dots"]),
        ("a_b", [LABEL]),
        ("a" * 64, ["must be no more than 63 bytes"]),
    ],
)
def test_labels(text, wrong):
    assert names.label(text) == wrong


def test_an_older_release_had_other_words():
    assert names.label("a.b", unit="characters") == [LABEL]
    assert names.label("a" * 64, unit="characters") == ["must be no more than 63 characters"]


@given(st.text(alphabet="aA0-._\n", max_size=12))
def test_a_subdomain_is_labels_between_dots(text):
    good = all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", part) for part in text.split("."))
    assert (names.subdomain(text) == []) is good
    assert (names.label(text) == []) is (good and "." not in text)


@pytest.mark.parametrize(
    ("name", "namespace", "generated", "fields"),
    [
        ("a", "b", False, []),
        (None, "b", True, []),
        (None, "b", False, ["m.name"]),
        ("a", None, False, ["m.namespace"]),
        ("A", "b.c", False, ["m.name", "m.namespace"]),
    ],
)
def test_metadata_has_a_name_and_a_namespace(name, namespace, generated, fields):
    problems = names.namespaced("m", name, namespace, generated=generated)
    assert [p.field for p in problems] == fields
    assert all(p.source is Source.KUBERNETES and p.remedy for p in problems)


def test_a_required_value_without_detail_ends_without_a_colon():
    assert names.missing("p", remedy="r").message == "p: Required value"

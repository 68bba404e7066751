"""DNSRecords: Gardener's errors, and what GEP-21 says of A and AAAA beyond them."""

import pytest

from dataplane.manifest.documents import Document
from dataplane.manifest.fields import root
from dataplane.manifest.records import check_collisions
from dataplane.model.problem import Severity, Source
from tests.unit.manifest import vectors

BASE = {
    "type": "local",
    "secretRef": {"name": "dns"},
    "name": "api.bar.example.org",
    "recordType": "A",
    "values": ["192.0.2.7"],
}


def record(*, name="rec-aaaa", **spec):
    metadata = {"name": name, "namespace": "shoot--a--b"}
    return {"kind": "DNSRecord", "metadata": metadata, "spec": BASE | spec}


def said(value, **given):
    return vectors.messages(vectors.errors(vectors.judged("DNSRecord", value, **given)))


@pytest.mark.parametrize("case", vectors.oracle_cases("DNSRecord"))
def test_it_says_what_executed_upstream_code_says(case):
    vectors.agree_with_oracle(case)


@pytest.mark.parametrize("case", vectors.rule_cases("DNSRecord"))
def test_it_says_what_upstream_tests_expect(case):
    vectors.agree_with_rules(case)


def test_an_empty_record_misses_everything():
    assert said({"metadata": {"name": "a", "namespace": "b"}}) == [
        "spec.type: Required value: field is required",
        "spec.secretRef.name: Required value: field is required",
        "spec.name: Required value",
        'spec.recordType: Unsupported value: "": supported values: "A", "AAAA", "CNAME", "TXT"',
        "spec.values: Required value: field is required",
    ]


@pytest.mark.parametrize("key", ["region", "zone"])
def test_region_and_zone_are_not_empty(key):
    line = f'spec.{key}: Invalid value: "": field cannot be empty if specified'
    assert said(record(**{key: ""})) == [line]
    assert said(record(**{key: None})) == said(record(**{key: "eu-1"})) == []


LABEL, SUBDOMAIN = "a lowercase RFC 1123 label", "a lowercase RFC 1123 subdomain"


@pytest.mark.parametrize(
    ("name", "record_type", "start"),
    [
        ("*.ingress.example.org", "A", None),
        ("api.example.org.", "CNAME", None),
        ("_acme-challenge.example.org", "TXT", None),
        ("_acme-challenge.example.org", "A", f'Invalid value: "_acme-challenge.example.org": {SUBDOMAIN}'),
        ("*.example.org", "TXT", f'Invalid value: "*.example.org": {SUBDOMAIN}'),
        ("*.org", "A", 'Invalid value: "org": should be a domain with at least two segments'),
        ("API.example.org", "A", f'Invalid value: "API.example.org": {SUBDOMAIN}'),
        ("*.", "A", "Required value"),
        ("example.org..", "A", f'Invalid value: "example.org.": {SUBDOMAIN}'),
        (f"{'a' * 64}.org", "A", f'Invalid value: "{"a" * 64}": must be no more than 63 bytes'),
    ],
)  # fmt: skip
def test_the_name_is_fully_qualified(name, record_type, start):
    values = ["x.example.org"] if record_type == "CNAME" else BASE["values"]
    lines = said(record(name="rec", recordType=record_type, values=values) | {
        "spec": BASE | {"name": name, "recordType": record_type, "values": values}
    })  # fmt: skip
    assert [line.startswith(f"spec.name: {start}") for line in lines] == ([True] if start else [])


def test_an_old_api_server_counts_characters():
    name = ".".join(["a" * 60] * 5)
    value = record() | {"spec": BASE | {"name": name}}
    line = f'spec.name: Invalid value: "{name}": must be no more than 253'
    assert said(value) == [f"{line} bytes"]
    assert said(value, profile="gep21") == [f"{line} characters"]


@pytest.mark.parametrize(
    ("record_type", "value", "now", "first"),
    [
        ("A", "192.0.2.7", True, True),
        ("A", "2001:db8::7", True, False),
        ("A", "::ffff:192.0.2.7", True, True),
        ("A", "192.0.02.7", False, True),  # the first release read leading zeros as decoration
        ("A", "192.0.2.7:443", False, False),
        ("AAAA", "2001:db8::7", True, True),
        ("AAAA", "2001:DB8:0::7", True, True),
        ("AAAA", "192.0.2.7", True, False),
        ("AAAA", "::ffff:192.0.2.7", True, False),
        ("AAAA", "[2001:db8::7]", False, False),
        ("AAAA", "fe80::7%eth0", False, False),
        ("AAAA", "2001:db8::7/128", False, False),
    ],
)
def test_addresses_were_of_their_own_family_once(record_type, value, now, first):
    manifest = record(recordType=record_type, values=[value])
    one = f'spec.values[0]: Invalid value: "{value}": must be a valid IP address, '
    one += "(e.g. 10.9.8.7 or 2001:db8::ffff)"
    own = "IPv4" if record_type == "A" else "IPv6"
    other = f'spec.values[0]: Invalid value: "{value}": must be a valid {own} address'

    assert said(manifest) == ([] if now else [one])
    assert said(manifest, profile="gep21") == ([] if first else [other])


def test_every_value_is_judged():
    value = record(recordType="CNAME", values=["a.example.org", "192.0.2.7", "b", ""])
    assert said(value) == [
        (
            'spec.values: Invalid value: []string{"a.example.org", "192.0.2.7", "b", ""}: '
            "CNAME records must have a single value"
        ),
        (
            'spec.values[2]: Invalid value: "b": '
            "should be a domain with at least two segments separated by dots"
        ),
        "spec.values[3]: Required value",
    ]


@pytest.mark.parametrize(
    ("ttl", "now", "first"),
    [
        (0, None, None),
        (2**31 - 1, None, None),
        (2**31, "must be between 0 and 2147483647, inclusive", None),
        (
            -1,
            "must be between 0 and 2147483647, inclusive",
            "must be greater than or equal to 0",
        ),
    ],
)
def test_the_time_to_live_is_31_bits_long(ttl, now, first):
    line = f"spec.ttl: Invalid value: {ttl}: "
    assert said(record(ttl=ttl)) == ([line + now] if now else [])
    assert said(record(ttl=ttl), profile="gep21") == ([line + first] if first else [])


def test_type_name_and_record_type_stay():
    new = record(values=["2001:db8::7"], recordType="AAAA", type="aws-route53", ttl=60)
    new["spec"]["name"] = "b.example.org"
    assert said(new, old=record(secretRef={"name": "other"})) == [
        'spec.type: Invalid value: "aws-route53": field is immutable',
        'spec.name: Invalid value: "b.example.org": field is immutable',
        'spec.recordType: Invalid value: "AAAA": field is immutable',
    ]


def test_nothing_changes_while_it_is_being_deleted():
    old, new = record(zone="Z1"), record(values=["192.0.2.8"], ttl=60, zone="Z2")
    old["metadata"]["deletionTimestamp"] = "2026-11-21T08:00:00Z"
    tail = (
        "if deletion timestamp is set. Requested changes: "
        "Zone: Z2 != Z1,Values.slice[0]: 192.0.2.8 != 192.0.2.7,TTL: int64 != <nil pointer>"
    )

    assert said(new, old=old) == [f"spec: Forbidden: cannot update dns record spec {tail}"]
    # the first release spoke of a Shoot here
    assert said(new, old=old, profile="gep21") == [
        f"spec: Forbidden: cannot update shoot spec {tail}"
    ]


@pytest.mark.parametrize(
    ("record_type", "value", "detail", "remedy"),
    [
        (
            "AAAA",
            "192.0.2.7",
            "AAAA holds IPv6 addresses, and 192.0.2.7 is an IPv4 one",
            "write an IPv6 address, or make another record, of type A",
        ),
        (
            "A",
            "2001:db8::7",
            "A holds IPv4 addresses, and 2001:db8::7 is an IPv6 one",
            "write an IPv4 address, or make another record, of type AAAA",
        ),
        (
            "AAAA",
            "::ffff:192.0.2.7",
            "AAAA holds IPv6 addresses, and ::ffff:192.0.2.7 is an IPv4 one",
            "write an IPv6 address, or make another record, of type A",
        ),
        (
            "A",
            "::ffff:192.0.2.7",
            "::ffff:192.0.2.7 is an IPv4 address in IPv6 notation",
            "write 192.0.2.7",
        ),
    ],
)
def test_a_value_of_the_other_family_is_a_warning(record_type, value, detail, remedy):
    manifest = record(recordType=record_type, values=[value])
    (warning,) = vectors.judged("DNSRecord", manifest)

    assert (warning.severity, warning.source) == (Severity.WARNING, Source.SEED)
    assert (warning.field, warning.detail, warning.remedy) == ("spec.values[0]", detail, remedy)
    assert all(
        p.source is not Source.SEED for p in vectors.judged("DNSRecord", manifest, profile="gep21")
    )


@pytest.mark.parametrize(
    ("name", "record_type", "hints"),
    [
        ("foo-external", "A", 0),
        ("foo-external", "AAAA", 1),
        ("foo-external-aaaa", "AAAA", 0),
        ("foo-external-ipv6", "AAAA", 0),
    ],
)
def test_an_aaaa_record_is_told_of_its_suffix(name, record_type, hints):
    value = "2001:db8::7" if record_type == "AAAA" else "192.0.2.7"
    manifest = record(name=name, recordType=record_type, values=[value])
    manifest["spec"]["name"] = BASE["name"]
    problems = vectors.judged("DNSRecord", manifest)

    assert len(problems) == hints
    assert all((p.severity, p.field) == (Severity.INFO, "metadata.name") for p in problems)
    assert all(p.remedy.endswith(f"such as {name}-aaaa") for p in problems)


def tops(*records):
    return [root(Document(index=i, value=value)) for i, value in enumerate(records)]


def test_objects_of_one_name_replace_each_other():
    four, six = record(name="rec"), record(name="rec")
    six["spec"] |= {"recordType": "AAAA", "values": ["2001:db8::7"]}
    four["spec"]["name"] = six["spec"]["name"] = BASE["name"]
    first, second = tops(four, six)
    check_collisions([first, second])

    assert first.problems == []
    (problem,) = second.problems
    assert (problem.severity, problem.source) == (Severity.WARNING, Source.SEED)
    assert problem.document == 1
    assert problem.message == (
        "metadata.name: the A record's object is called the same; one replaces the other"
    )
    assert problem.remedy == "put a suffix to the AAAA record's object, such as rec-aaaa"


def test_two_objects_for_one_record_get_in_each_others_way():
    one, other = record(name="one"), record(name="other")
    one["spec"]["name"], other["spec"]["name"] = "a.example.org", "a.example.org."
    first, second = tops(one, other)
    check_collisions([first, second])

    assert first.problems == []
    assert vectors.messages(second.problems) == [
        'spec.name: the DNSRecord "one" is for the A record of this domain too'
    ]


def test_records_that_go_together_are_left_alone():
    four, six = record(name="rec"), record(name="rec-aaaa")
    six["spec"] |= {"recordType": "AAAA", "values": ["2001:db8::7"]}
    others = {"kind": "Network", "metadata": {"name": "rec"}}, {"kind": "DNSRecord", "spec": 5}
    found = tops(four, six, *others, four)
    check_collisions(found)

    assert [top.problems for top in found] == [[], [], [], [], []]

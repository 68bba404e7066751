"""The rules of DNSRecords, for addresses and names that nobody thought of."""

from ipaddress import IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.problem import Severity, Source
from dataplane.rules.gardener import dnsrecord
from dataplane.rules.gardener.dnsrecord import RECORD_TYPES, RecordSpec

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
DOMAINS = st.lists(LABELS, min_size=2, max_size=5).map(".".join)


def spec(**fields):
    plain = {"type": "local", "secret": "s", "name": "a.example.org", "record_type": "A"}
    return RecordSpec(**(plain | {"values": ("192.0.2.7",)} | fields))


@given(ADDRESSES, st.sampled_from(["A", "AAAA"]))
def test_every_address_passes_and_the_first_release_takes_its_own_family(address, record_type):
    one = spec(record_type=record_type, values=(str(address),))
    mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
    own = (4 if mapped else address.version) == (4 if record_type == "A" else 6)

    assert dnsrecord.check("s", one) == []
    assert len(dnsrecord.check("s", one, profile="gep21")) == (not own)
    advice = dnsrecord.families("s", one)
    assert len(advice) == (not own or mapped)
    assert all((p.severity, p.source) == (Severity.WARNING, Source.SEED) for p in advice)


@given(DOMAINS, st.sampled_from(["", "."]), st.sampled_from(["current", "gep21"]))
def test_every_domain_is_a_name_and_a_canonical_name(domain, dot, profile):
    one = spec(name=f"*.{domain}{dot}", record_type="CNAME", values=(domain + dot,))
    assert dnsrecord.check("s", one, profile=profile) == []


@given(st.text(max_size=40), st.sampled_from(RECORD_TYPES))
def test_no_text_breaks_it(text, record_type):
    values = (text, text)
    one = spec(name=text, record_type=record_type, values=values, zone=text, region=text)
    for profile in ("current", "gep21"):
        for problem in dnsrecord.check("s", one, profile=profile):
            assert problem.message.startswith(f"{problem.field}: ")
            assert problem.remedy
    dnsrecord.families("s", one)
    dnsrecord.object_name("metadata.name", text, record_type)


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_time_to_live_has_31_bits_and_once_any_number_but_a_negative_one(ttl):
    one = spec(ttl=ttl)
    assert (dnsrecord.check("s", one) == []) is (0 <= ttl < 2**31)
    assert (dnsrecord.check("s", one, profile="gep21") == []) is (ttl >= 0)


@given(DOMAINS, DOMAINS, st.sampled_from(["current", "gep21"]))
def test_values_may_change_and_the_name_may_not(old_name, new_name, profile):
    old = spec(name=old_name)
    new = spec(name=new_name, values=("198.51.100.1",), ttl=60, zone="Z")
    problems = dnsrecord.check_update("s", new, old, deleted=False, profile=profile)
    assert [p.field for p in problems] == ["s.name"] * (old_name != new_name)
    (refused,) = dnsrecord.check_update("s", new, old, deleted=True, profile=profile)
    assert refused.field == "s"

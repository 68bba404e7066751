"""What a DNS message says that somebody else sent, and how much of it is needed to know."""

import string

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.rules import rfc1035

LABEL = st.text(string.ascii_letters + string.digits, min_size=1, max_size=12)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join)


def response(name, type_, values, *, rcode=dns.rcode.NOERROR, alias=None):
    made = dns.message.make_response(dns.message.make_query(name, type_, id=77))
    made.set_rcode(rcode)
    owner = alias or name
    if alias:
        made.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{alias}."))
    if values:
        made.answer.append(dns.rrset.from_text(f"{owner}.", 60, "IN", type_, *map(str, values)))
    return made


@given(NAME, st.sampled_from(["A", "AAAA", "TXT"]))
def test_a_question_says_what_is_asked(name, type_):
    query = dns.message.make_query(name, type_, id=77, use_edns=0)
    told = rfc1035.message(query.to_wire())

    assert (told.identifier, told.response, told.rcode) == (77, False, "")
    assert (told.name, told.type, told.addresses, told.whole) == (name.lower(), type_, (), True)


@given(NAME, NAME, st.lists(st.ip_addresses(v=6), max_size=4, unique=True))
def test_an_answer_says_its_addresses_behind_aliases_too(name, alias, values):
    told = rfc1035.message(response(name, "AAAA", values, alias=alias).to_wire())

    assert (told.response, told.rcode, told.whole) == (True, "NOERROR", True)
    assert set(told.addresses) == set(values)


@pytest.mark.parametrize(
    ("rcode", "word"),
    [(dns.rcode.SERVFAIL, "SERVFAIL"), (dns.rcode.NXDOMAIN, "NXDOMAIN"), (9, "9")],
)
def test_a_failure_has_its_rcode(rcode, word):
    told = rfc1035.message(response("a.example", "AAAA", [], rcode=rcode).to_wire())

    assert (told.rcode, told.addresses, told.whole) == (word, (), True)


@given(st.lists(st.ip_addresses(v=4), min_size=1, max_size=9, unique=True), st.data())
def test_of_an_answer_that_is_cut_off_what_is_there_is_told(values, data):
    octets = response("www.example.org", "A", values).to_wire()
    until = data.draw(st.integers(33, len(octets) - 1))
    told = rfc1035.message(octets[:until])

    assert told.name == "www.example.org"
    assert not told.whole
    assert set(told.addresses) < set(values)


def test_what_was_cut_off_behind_the_answers_is_not_missed():
    made = response("www.example.org", "A", ["192.0.2.1"])
    short = len(made.to_wire())
    made.additional.append(dns.rrset.from_text("x.", 60, "IN", "A", "192.0.2.9"))

    assert rfc1035.message(made.to_wire()[: short + 3]).whole


def test_a_sender_says_that_it_cut_off():
    made = response("www.example.org", "A", ["192.0.2.1"])
    made.flags |= dns.flags.TC

    assert not rfc1035.message(made.to_wire()).whole


@given(st.binary(max_size=300))
def test_hostile_octets_are_no_message_or_one_without_a_crash(octets):
    rfc1035.message(octets)
    told = rfc1035.message(b"\0\7\x80\0\0\1\0\3\0\0\0\0\1a\0\0\1\0\1" + octets)
    assert told.name == "a"


def test_other_classes_and_other_operations_are_no_question_for_an_address():
    chaos = dns.message.make_query("version.bind", "TXT", "CH")
    update = dns.message.make_query("a.example", "A")
    update.set_opcode(dns.opcode.NOTIFY)

    assert rfc1035.message(chaos.to_wire()) is None
    assert rfc1035.message(update.to_wire()) is None

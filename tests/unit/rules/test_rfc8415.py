"""DHCPv6 messages as another implementation writes them, and cut off anywhere."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp6 import (
    DUID_EN,
    DUID_LL,
    DHCP6_Advertise,
    DHCP6_Reply,
    DHCP6_Solicit,
    DHCP6OptClientId,
    DHCP6OptIA_NA,
    DHCP6OptIA_PD,
    DHCP6OptIAAddress,
    DHCP6OptIAPrefix,
    DHCP6OptPref,
    DHCP6OptServerId,
    DHCP6OptStatusCode,
)

from dataplane.model.seen import DhcpMessage
from dataplane.rules import rfc8415

CLIENT = DHCP6OptClientId(duid=DUID_LL(lladdr="02:53:00:00:03:ea"))
SERVER = DHCP6OptServerId(duid=DUID_EN(enterprisenum=9, id=b"one"))
ONE, TWO = IPv6Address("2001:db8::10"), IPv6Address("2001:db8::11")


def leased(address, valid=3600):
    return DHCP6OptIAAddress(addr=str(address), preflft=valid, validlft=valid)


def test_a_solicit_has_a_client_and_no_server():
    octets = bytes(DHCP6_Solicit(trid=0x123456) / CLIENT / DHCP6OptIA_NA(iaid=1))

    assert rfc8415.message(octets) == rfc8415.Message(
        type=DhcpMessage.SOLICIT,
        transaction=0x123456,
        client="000300010253000003ea",
        server=None,
        addresses=(),
        whole=True,
    )


def test_an_advertise_says_who_offers_what():
    octets = bytes(
        DHCP6_Advertise(trid=1)
        / CLIENT
        / SERVER
        / DHCP6OptPref(prefval=255)
        / DHCP6OptIA_NA(iaid=1, ianaopts=[leased(ONE), DHCP6OptStatusCode(), leased(TWO)])
    )

    told = rfc8415.message(octets, length=len(octets))

    assert told.type is DhcpMessage.ADVERTISE
    assert told.server == "0002000000096f6e65"
    assert told.addresses == (ONE, TWO)
    assert told.whole


def test_an_address_that_is_taken_away_is_none_and_a_prefix_neither():
    octets = bytes(
        DHCP6_Reply(trid=1)
        / SERVER
        / DHCP6OptIA_NA(iaid=1, ianaopts=[leased(ONE, valid=0)])
        / DHCP6OptIA_NA(iaid=2, ianaopts=[leased(TWO)])
        / DHCP6OptIA_PD(iaid=3, iapdopt=[DHCP6OptIAPrefix(prefix="2001:db8:1::", plen=48)])
    )

    told = rfc8415.message(octets)

    assert (told.addresses, told.whole) == ((TWO,), True)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x07\x00\x00",
        b"\x0c" + bytes(40),
        b"\x0d" + bytes(40),
        b"\x00" + bytes(40),
        b"\xff0123",
    ],
    ids=["empty", "too short", "relay-forward", "relay-reply", "type 0", "type 255"],
)
def test_what_is_no_message_between_client_and_server(octets):
    assert rfc8415.message(octets) is None


WHOLE = bytes(DHCP6_Reply(trid=1) / CLIENT / SERVER / DHCP6OptIA_NA(ianaopts=[leased(ONE)]))


@pytest.mark.parametrize("kept", range(4, len(WHOLE)))
def test_a_message_that_is_cut_off_is_not_whole_and_says_nothing_wrong(kept):
    told = rfc8415.message(WHOLE[:kept], length=len(WHOLE))

    assert not told.whole
    assert told.addresses in ((), (ONE,))
    assert told.client in (None, "000300010253000003ea")


def test_an_option_that_is_longer_than_the_message_is_broken():
    told = rfc8415.message(WHOLE[:4] + b"\x00\x03\x00\xff" + bytes(12))

    assert (told.addresses, told.whole) == ((), False)


@given(st.binary(max_size=300))
def test_anything_can_come(octets):
    told = rfc8415.message(octets)

    assert told is None or told.type in DhcpMessage

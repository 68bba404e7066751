"""What the DNS64 servers are told."""

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from dataplane.model.programs import ResolverSpec
from labs.dns64 import bind, unbound

SPEC = ResolverSpec(
    namespace="gateway",
    server="bind",
    listen=(IPv6Address("2001:db8::53"),),
    upstream=IPv6Address("2001:db8::1"),
    zones=("internet.test",),
    dns64=IPv6Network("64:ff9b:1::/96"),
)
OVER = replace(SPEC, translate_all=True)
AT = Path("/nowhere")


def test_real_records_are_kept_unless_all_are_to_be_translated():
    assert "exclude { ::ffff:0:0/96; };" in bind.render_resolver(SPEC, AT)
    assert "exclude { any; };" in bind.render_resolver(OVER, AT)
    assert "dns64-ignore-aaaa" not in unbound.render(SPEC, AT)
    assert 'dns64-ignore-aaaa: "."' in unbound.render(OVER, AT)


def test_without_dns64_there_is_nothing_to_translate():
    plain = replace(OVER, dns64=None)

    assert "dns64" not in bind.render_resolver(plain, AT)
    assert "dns64" not in unbound.render(plain, AT)


def test_dns64_may_be_told_which_addresses_to_map():
    some = replace(SPEC, mapped=IPv4Network("192.0.0.170/31"))

    assert "mapped { any; };" in bind.render_resolver(SPEC, AT)
    assert "mapped { 192.0.0.170/31; };" in bind.render_resolver(some, AT)

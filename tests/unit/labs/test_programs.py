"""What the balancer and the web server of an ingress are told, and where clients outside ask for names."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from dataplane.kernel import process
from dataplane.model.address import Family
from dataplane.model.errors import UnsupportedError
from dataplane.model.programs import BalancerSpec, ForwardProxySpec, WebSpec
from dataplane.model.stimulus import Endpoint
from dataplane.planning.topology import topology
from labs import resolution
from labs.programs import haproxy, nginx, tinyproxy
from tests.unit.incoming import four_only


def at(address, port):
    return Endpoint(address=ip_address(address), port=port)


def balancer(**more):
    return BalancerSpec(
        namespace="balancer",
        listen=(at("198.18.0.16", 80), at("2001:db8::10", 80)),
        **{
            "backends": (at("10.0.2.10", 30080), at("2001:db8:1::a", 30080)),
            "send_proxy": True,
            **more,
        },
    )


def test_a_balancer_listens_on_both_families_and_says_who_comes():
    lines = [line.strip() for line in haproxy.render(balancer()).splitlines()]

    assert [line for line in lines if line.startswith("bind")] == [
        "bind 198.18.0.16:80",
        "bind [2001:db8::10]:80",
    ]
    assert [line for line in lines if line.startswith("server ")] == [
        "server backend-0 10.0.2.10:30080 send-proxy-v2",
        "server backend-1 [2001:db8:1::a]:30080 send-proxy-v2",
    ]
    assert "mode tcp" in lines


def test_a_forward_proxy_listens_where_it_should_and_keeps_nothing():
    listen = (at("2001:db8::31", 3128), at("0.0.0.0", 3128))
    lines = tinyproxy.render(ForwardProxySpec(namespace="proxy", listen=listen)).splitlines()

    assert [line for line in lines if line.startswith("Listen")] == [
        "Listen 2001:db8::31",
        "Listen 0.0.0.0",
    ]
    assert "Port 3128" in lines
    assert not [line for line in lines if line.startswith(("LogFile", "PidFile", "Allow", "Deny"))]


def test_a_balancer_that_is_silent_or_impatient():
    text = haproxy.render(balancer(send_proxy=False, idle=0.4))

    assert "send-proxy" not in text
    assert "timeout client 400ms" in text
    assert "timeout server 400ms" in text


def test_a_balancer_without_backends_is_one_all_the_same():
    assert "server backend" not in haproxy.render(balancer(backends=()))


def web(**more):
    given = {"families": (Family.IPV4, Family.IPV6), "accept_proxy": True}
    return WebSpec(namespace="pod-a", port=8081, **{**given, **more})


def test_a_web_server_believes_the_header_where_it_reads_one():
    text = nginx.render(web(), Path("/run/x"))

    assert "listen 0.0.0.0:8081 proxy_protocol;" in text
    assert "listen [::]:8081 proxy_protocol;" in text
    assert "real_ip_header proxy_protocol;" in text
    assert '"server": "pod-a"' in text


def test_a_web_server_that_reads_none():
    text = nginx.render(web(accept_proxy=False, families=(Family.IPV4,)), Path("/run/x"))

    assert "proxy_protocol" not in text
    assert "[::]" not in text


@pytest.mark.parametrize("program", [haproxy, nginx])
def test_a_program_that_is_missing_names_its_package(program, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(process, "PROGRAMS", ())

    missing = program.available()

    assert isinstance(missing, UnsupportedError)
    assert f"package {program.PACKAGE}" in str(missing)


def test_clients_outside_ask_the_internets_name_server(tmp_path):
    plan = four_only()
    built = topology(plan)

    inside = resolution.write(built, tmp_path)
    outside = resolution.write_outside(built, tmp_path, inside)

    assert resolution.servers_of(built, "pod-a") == plan.dns_addresses
    assert resolution.servers_of(built, "client-v4") == plan.transit.internet
    (theirs,) = (s for s, target in outside if (s, target) not in inside)
    assert all(f"nameserver {address}" in theirs.read_text() for address in plan.transit.internet)
    assert {target for _, target in inside} == {target for _, target in outside}


def test_without_an_ingress_nobody_asks_from_outside(tmp_path):
    built = topology(four_only())
    members = tuple(n for n in built.namespaces if n.role.value != "client")

    inside = resolution.write(built, tmp_path)

    assert resolution.write_outside(replace(built, namespaces=members), tmp_path, inside) == inside

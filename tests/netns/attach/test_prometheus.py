"""A real Prometheus scrapes a node that is really followed: rules, alerts, and every panel's query."""

import json
import re
import select
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataplane.kernel import netns
from tests.netns.attach.conftest import OUTSIDE, inside, ip
from tests.netns.attach.test_attach import MASQUERADE, attached, connect
from tests.unit.shoots import SIX

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs" / "kubernetes"
URL = "http://127.0.0.1:9090"
CONFIGURATION = """
global: {{scrape_interval: 4s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: sixscope
    static_configs: [{{targets: ["127.0.0.1:8464"]}}]
"""
SENDER = """
import socket, sys
IPV6_MTU_DISCOVER, IP_PMTUDISC_PROBE = 23, 3  # full packets, whatever a router has said
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as out:
    out.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_PROBE)
    for _ in range(int(sys.argv[3])):
        try:
            out.sendto(bytes(int(sys.argv[2])), (sys.argv[1], 9))
        except OSError:
            pass
"""

pytestmark = pytest.mark.needs(
    "root", "netns", "bpf", "tcx", "btf", "cgroup2", "nft", "ping", "prometheus"
)


@contextmanager
def prometheus(node, place):
    """Prometheus in the node's namespace, with the rules of the documentation, sped up."""
    rules = (DOCS / "rules.yaml").read_text()
    (place / "rules.yaml").write_text(re.sub(r"for: \d+m", "for: 1s", rules))
    (place / "prometheus.yaml").write_text(CONFIGURATION.format(rules=place / "rules.yaml"))
    command = ["nsenter", f"--net=/run/netns/{node.name}", "prometheus",
               f"--config.file={place / 'prometheus.yaml'}", f"--storage.tsdb.path={place / 'data'}",
               "--web.listen-address=127.0.0.1:9090"]  # fmt: skip
    log = place / "log"
    with log.open("w") as words, subprocess.Popen(command, stdout=words, stderr=words) as child:
        try:
            yield lambda path: netns.call(f"/run/netns/{node.name}", lambda: fetched(path))
        finally:
            child.terminate()
            child.wait(20)


def fetched(path):
    try:
        with urllib.request.urlopen(URL + path, timeout=10) as answer:  # noqa: S310 - it is http
            return json.load(answer)
    except OSError as failure:
        return {"status": str(failure)}


def until(look, wanted, seconds=120.0):
    end, pause = time.monotonic() + seconds, select.poll()
    while not wanted(found := look()) and time.monotonic() < end:
        pause.poll(200)
    assert wanted(found), found
    return found


def queries():
    """Yield a panel's title and its query, as Grafana asks for it."""
    dashboard = json.loads((DOCS / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            text = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")
            assert "$" not in text
            yield panel["title"], text


@pytest.fixture
def busy(node, tmp_path):
    """A node whose pod talks both families, is masqueraded, and sends what is too big."""
    for where, interface, address in (
        (node.name, node.pod_interface, "192.0.2.1/24"),
        (node.pod, "eth0", "192.0.2.2/24"),
    ):
        ip("-n", where, "address", "add", address, "dev", interface)
    inside(node.name, "nft", "-f", "-", input=MASQUERADE)
    ip("-n", node.name, "link", "set", node.uplink, "mtu", "1280")
    shoot = tmp_path / "shoot.yaml"
    shoot.write_text(SIX % "2001:db8:aaaa::/48")
    options = ("--shoot", str(shoot), "--node-root", str(tmp_path), "--cri", "none", "--serve")
    with attached(node, *options):
        yield node


def talk(node):
    connect(node, OUTSIDE)
    inside(node.pod, "ping", "-c", "1", "-W", "1", "192.0.2.1")
    inside(node.pod, sys.executable, "-c", SENDER, OUTSIDE, "1400", "20")


def test_every_query_of_the_dashboard_has_an_answer_and_the_alerts_fire(busy, tmp_path):
    with prometheus(busy, tmp_path) as asked:

        def query(text):
            return asked("/api/v1/query?" + urllib.parse.urlencode({"query": text}))

        def value(text):
            talk(busy)
            result = query(text).get("data", {}).get("result", [])
            return float(result[0]["value"][1]) if result else 0.0

        until(lambda: value('up{job="sixscope"}'), lambda found: found == 1)
        for wanted in (
            'sum(sixscope_flows{owner!="node", family="IPv4"})',
            'sum(sixscope_source_changes_total{designed="no", family="IPv6"})',
            'sum(sixscope_dropped_packets_total{reason="PKT_TOO_BIG"})',
            "sum(rate(sixscope_looks_total[1m]))",
            "sum(sixscope:connect_failures:ratio_rate5m)",
        ):
            until(lambda wanted=wanted: value(wanted), lambda found: found > 0)
        empty = {}
        for title, text in queries():
            answer = query(text)
            assert answer["status"] == "success", (title, answer)
            if not answer["data"]["result"]:
                empty[title] = text
        assert empty == {}

        def firing():
            talk(busy)
            told = asked("/api/v1/alerts").get("data", {}).get("alerts", [])
            return {
                (alert["labels"]["alertname"], alert["labels"].get("owner"))
                for alert in told
                if alert["state"] == "firing"
            }

        wanted = {
            ("SixscopeIPv4InIPv6OnlyCluster", busy.pod),
            ("SixscopeSourceChanged", busy.pod),
            ("SixscopeTooBig", busy.pod),
        }
        until(firing, lambda found: wanted <= found)

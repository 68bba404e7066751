"""The exposition parses as OpenMetrics, says what was measured, and cannot be broken by a name."""

import math
from dataclasses import replace
from itertools import pairwise

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from dataplane.api.live import LiveSource, recorded
from dataplane.api.metrics import escape
from dataplane.api.server import serve
from dataplane.api.source import CROWD, OWNERS
from dataplane.api.tables import SLICE
from dataplane.model.address import Family
from dataplane.model.seen import ConnectResult
from tests.api.samples import (
    HOSTILE,
    NO_SURPRISE,
    REPORTS,
    RESULT,
    TAP,
    attempt,
    evidence,
    flow,
    get,
)

SHOWN = HOSTILE.replace("\x1b", "\ufffd")


async def exposition(source):
    async with serve(source, NO_SURPRISE) as endpoint:
        status, body, headers = await get(endpoint.urls[0] + "/metrics")
    assert status == 200
    assert headers["Content-Type"] == ("application/openmetrics-text; version=1.0.0; charset=utf-8")
    text = body.decode()
    assert text.endswith("\n# EOF\n")
    return list(text_string_to_metric_families(text))


def values(families, name, **labels):
    return [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]


async def test_everything_that_was_measured_is_there():
    families = await exposition(recorded(evidence(flows=4, attempts=6), RESULT))

    def one(name, **labels):
        [value] = values(families, name, **labels)
        return value

    assert one("sixscope_check_state", check="masquerade", state="broken") == 1
    assert one("sixscope_check_state", check="masquerade", state="holds") == 0
    assert one("sixscope_check_state", check="reachability", state="holds") == 1
    assert one("sixscope_check_looked_at", check="masquerade") == 7
    assert one("sixscope_findings", check="masquerade", severity="error") == 1
    assert one("sixscope_findings", check="reachability", severity="error") == 0
    here = {"tap": "pod-a", "owner": "pod-a", "family": "IPv6"}
    assert one("sixscope_flows", direction="leaving", **here) == 2
    assert one("sixscope_flow_packets", direction="leaving", **here) == 1 + 3
    assert one("sixscope_flow_packets", direction="arriving", **here) == 2 + 4
    assert one("sixscope_flow_bytes", direction="arriving", **here) == 600
    assert (
        one("sixscope_connect_attempts_total", owner="pod-a", family="IPv6", result="established")
        == 6
    )
    assert one("sixscope_probe_counted_total", probe="flows", where="pod-a", hook="tcx") == 9
    assert one("sixscope_probe_recorded_total", probe="flows") == 5
    assert one("sixscope_probe_evicted_entries_total", probe="flows") == 2
    assert one("sixscope_probe_lost_events_total", probe="flows") == 1
    assert one("sixscope_probe_blind", probe="flows") == 0
    assert one("sixscope_probe_blind", probe="connects") == 1
    assert one("sixscope_phase_seconds", phase="up") == 1.25
    assert one("sixscope_api_dropped_readers_total", kind="events") == 0
    assert one("sixscope_api_events_total") == 7


async def test_hostile_names_stay_inside_their_labels():
    source = LiveSource()
    hostile_flow = flow(tap=HOSTILE)
    source.describe(plan=None, taps=[replace(TAP, name=HOSTILE)])
    source.watch(flows=lambda: (hostile_flow,), reports=lambda: REPORTS)
    source.publish(attempt(owner=HOSTILE))
    source.publish(attempt(owner="na\udcefve"))
    source.publish(RESULT)
    families = await exposition(source)
    assert values(families, "sixscope_flows", tap=SHOWN) == [1]
    assert values(families, "sixscope_connect_attempts_total", owner=SHOWN) == [1]
    assert values(families, "sixscope_connect_attempts_total", owner="na?ve") == [1]
    assert values(families, "sixscope_check_state", check=SHOWN, state="unknown") == [1]
    names = {family.name for family in families}
    assert all(name.startswith("sixscope_") for name in names)


async def test_owners_who_come_and_go_do_not_make_series_without_end():
    source = LiveSource(remembered=10)
    for number in range(OWNERS + 500):
        source.publish(attempt(number, owner=f"pod-{number}"))
    families = await exposition(source)
    counts = values(families, "sixscope_connect_attempts_total")
    assert len(counts) == OWNERS + 1
    assert values(families, "sixscope_connect_attempts_total", owner=CROWD) == [500]


async def test_counters_never_fall_though_attempts_are_forgotten():
    source = LiveSource(remembered=3)
    totals = []
    for number in range(8):
        result = ConnectResult.REFUSED if number % 2 else ConnectResult.UNSENT
        source.publish(attempt(number, family=Family.IPV4, result=result))
        totals.append(sum(one.count for one in source.attempts()))
    assert totals == list(range(1, 9))
    assert all(before < after for before, after in pairwise(totals))


async def test_sums_are_made_once_per_reading_and_never_long_at_a_time():
    longest, looked_at = 0, 0

    class Flows(list):
        def __getitem__(self, at):
            nonlocal longest, looked_at
            rows = super().__getitem__(at)
            longest, looked_at = max(longest, len(rows)), looked_at + len(rows)
            return rows

    source = LiveSource()
    source.watch(flows=lambda: Flows(flow(number) for number in range(2000)), fresh=math.inf)
    async with serve(source, NO_SURPRISE) as endpoint:
        for _ in range(5):
            status, body, _ = await get(endpoint.urls[0] + "/metrics")
            assert status == 200
    families = list(text_string_to_metric_families(body.decode()))
    assert sum(values(families, "sixscope_flows")) == looked_at == 2000
    assert longest == SLICE


def test_no_control_character_reaches_a_terminal():
    shown = escape("".join(map(chr, range(256))))
    assert not [c for c in shown if ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0]

"""The figures about programs measure what they say."""

import os

import pytest

from dataplane.bench import programs, tracepoints

pytestmark = pytest.mark.needs("root", "bpf")


@pytest.mark.parametrize("name", programs.frames())
def test_the_frames_take_the_whole_way(dry, name):
    dry.run(programs.frames()[name], repeat=20)
    flow = dry.the_flow()
    assert name.startswith(flow.family)
    assert flow.protocol == (6 if "TCP" in name else 17)
    assert (flow.source_port, flow.destination_port, flow.packets) == (40000, 443, 20)
    assert len(dry.packets()) >= (flow.protocol == 17)


def test_a_row_for_every_figure(monkeypatch):
    monkeypatch.setattr(programs, "REPEAT", 500)  # of the real number only the time depends
    rows = list(programs.cost())
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    for kind in programs.frames():
        assert {f"flows, {kind}", f"flows and stamps, {kind}"} <= set(names)
    if len(os.sched_getaffinity(0)) > 1:
        assert sum("two CPUs" in name for name in names) == 2
    assert {row.goal for row in rows} <= {5.0, 7.5, 8.0, 1.1}
    assert all(row.low <= row.median <= row.high for row in rows)
    assert all(row.median > 1 for row in rows if "two CPUs" not in row.name)
    assert {row.pairs for row in rows} == {12}


@pytest.mark.needs("netns", "btf")
def test_zero_touch_has_rows_of_its_own(monkeypatch):
    monkeypatch.setattr(tracepoints, "PACKETS", 200)
    rows = list(tracepoints.rows())
    points = {"netif_receive_skb", "net_dev_start_xmit"}
    assert {(*row.name.split(", ")[1:-1], row.name.split(", ")[-1]) for row in rows} == {
        *(("flows and stamps", f"{family} UDP", p) for family in ("IPv6", "IPv4") for p in points),
        *(("not watched", p) for p in points),
    }
    assert all(row.low > 0 for row in rows)
    watched = [row.median for row in rows if "flows" in row.name]
    assert min(watched) > max(row.median for row in rows if "not watched" in row.name) > 1


def test_reading_counts_what_it_reads():
    row = programs.reading(3000, 60.0)
    assert (row.name, row.unit, row.verdict) == ("read 3,000 flows from the kernel", "s", "met")


def test_a_filled_table_is_one_that_the_program_could_have_made(dry):
    programs.fill(dry.flows, 500)
    flows = dry.seen()
    assert len({flow.source for flow in flows}) == 500
    assert {(flow.packets, flow.protocol, flow.destination_port) for flow in flows} == {
        (dry.flows.module.table("flows").cpus, 6, 443)
    }

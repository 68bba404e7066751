"""A snapshot read page by page is the sequence that it stands for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.api.tables import SLICE, PagedFlows, Sums
from dataplane.model.address import Family
from tests.api.samples import flow

FLOWS = tuple(flow(number) for number in range(12))
POSITION = st.none() | st.integers(-15, 15)
STEP = st.none() | st.sampled_from([-3, -1, 1, 2, 5])


class Snapshot:
    """As the flow probe gives it."""

    def __init__(self, flows):
        self.flows, self.made = flows, 0

    def __len__(self):
        return len(self.flows)

    def page(self, start=0, stop=None):
        for position in range(*slice(start, stop).indices(len(self))):
            self.made += 1
            yield self.flows[position]


@given(size=st.integers(0, 12), start=POSITION, stop=POSITION, step=STEP)
def test_slices_are_those_of_a_tuple(size, start, stop, step):
    flows = FLOWS[:size]
    paged = PagedFlows(Snapshot(flows))
    assert tuple(paged[start:stop:step]) == flows[start:stop:step]
    assert tuple(paged) == flows
    assert len(paged) == size


@pytest.mark.parametrize("position", [0, 11, -1, -12])
def test_single_flows_are_those_of_a_tuple(position):
    snapshot = Snapshot(FLOWS)
    assert PagedFlows(snapshot)[position] == FLOWS[position]
    assert snapshot.made == 1


@pytest.mark.parametrize("position", [12, -13])
def test_there_is_nothing_beyond(position):
    with pytest.raises(IndexError):
        PagedFlows(Snapshot(FLOWS))[position]


def test_no_snapshot_is_an_empty_one():
    assert (len(PagedFlows(None)), tuple(PagedFlows(None)), PagedFlows(None)[:5]) == (0, (), ())


@pytest.mark.parametrize("size", [0, 1, SLICE, SLICE + 1])
def test_traffic_adds_up_each_flow_once(size):
    flows = tuple(flow(number, family=[*Family][number % 2]) for number in range(size))
    making = Sums()
    making.add(PagedFlows(Snapshot(flows)))
    traffic = making.traffic()
    assert sum(sums.flows for sums in traffic) == size
    assert sum(sums.packets for sums in traffic) == sum(one.packets for one in flows)
    assert sum(sums.bytes for sums in traffic) == sum(one.bytes for one in flows)
    assert len({(sums.tap, sums.family, sums.leaving) for sums in traffic}) == len(traffic)

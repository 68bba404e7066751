from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from dataplane.model.topology import Topology
from labs.build import Lab
from tests.netns.lab.leftovers import left_of

LabOf = Callable[[Topology], AbstractAsyncContextManager[Lab]]


@pytest.fixture
def run(unique: str) -> Iterator[str]:
    """A run's name; whatever the test does with it, nothing of it may be left."""
    yield unique
    assert left_of(unique) == []


@pytest.fixture
def lab_of(run: str) -> LabOf:
    @asynccontextmanager
    async def build(topology: Topology) -> AsyncIterator[Lab]:
        async with Lab(topology, run=run) as lab:
            yield lab
            assert lab.casualties() == ()

    return build

"""How much is kept where there is less room than usual for flows."""

import pytest

from probes.flows import ENTRIES
from probes.watch import kept


@pytest.mark.parametrize(
    ("entries", "most", "wanted"),
    [
        (ENTRIES, 250_000, 250_000),
        (2 * ENTRIES, 250_000, 250_000),
        (16_384, 250_000, 4_096),
        (16_384, 1_000, 1_000),
    ],
)
def test_little_room_for_flows_is_little_room_for_everything(entries, most, wanted):
    assert kept(entries, most) == wanted

"""The client's deadline: a busy machine is late, a silent server is not there."""

import select
import socket
from contextlib import suppress

import pytest

from labs import client


class Machine:
    """A machine whose clocks a test turns."""

    def __init__(self, monkeypatch):
        self.now, self.idle = 100.0, 7.0
        monkeypatch.setattr(client.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(client, "idle", lambda: self.idle)

    def until_timeout(self, seconds, *, idle_share):
        """Return how long a deadline lasts when CPUs are idle for a share of the time."""
        begin, deadline = self.now, client.Deadline(seconds)
        with suppress(TimeoutError):
            while True:
                left = deadline.left()
                assert left > 0
                self.now += left
                self.idle += left * idle_share
        return self.now - begin


@pytest.mark.parametrize(
    ("idle_share", "lasts"), [(2.0, 1.0), (0.5, 1.0), (0.25, 1.0), (0.125, 2.0), (0.0, 4.0)]
)
def test_a_timeout_waits_for_a_machine_that_is_busy(monkeypatch, idle_share, lasts):
    machine = Machine(monkeypatch)
    assert machine.until_timeout(1.0, idle_share=idle_share) == pytest.approx(lasts)
    assert machine.until_timeout(0.5, idle_share=idle_share) == pytest.approx(lasts / 2)


def test_what_has_come_is_taken_however_late(monkeypatch):
    machine = Machine(monkeypatch)
    deadline = client.Deadline(1.0)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        machine.now += 60
        with pytest.raises(TimeoutError):
            deadline.wait(ours, select.POLLIN)
        theirs.send(b"late")
        deadline.wait(ours, select.POLLIN)


def test_the_idleness_of_this_machine_is_read():
    assert 0 < client.idle() <= client.idle()

"""What `attach` owes to the machine: options that make sense, and the code that it ends with."""

import argparse
import os

import pytest

from dataplane.commands.guard import Guard, add_guard_options
from dataplane.commands.verb import Exit, UsageError
from dataplane.model.errors import UnsupportedError
from dataplane.session import cost


def guard(monkeypatch, *words, refused=None):
    def taken():
        if refused is not None:
            raise refused
        asked.append(True)
        return os.open(os.devnull, os.O_RDONLY)

    asked = []
    monkeypatch.setattr(cost.bpfcall, "take_run_times", taken)
    parser = argparse.ArgumentParser()
    add_guard_options(parser, float)
    made = Guard(parser.parse_args(words), lambda _: None, lambda: None)
    monkeypatch.undo()
    return made, asked


def test_nothing_is_measured_without_being_asked(monkeypatch):
    _, asked = guard(monkeypatch)

    assert asked == []


@pytest.mark.parametrize("words", [["--measure-cost"], ["--max-overhead", "2%"]])
def test_a_kernel_that_takes_no_times_is_told_before_anything_is_attached(monkeypatch, words):
    _, asked = guard(monkeypatch, *words)
    assert asked == [True]

    with pytest.raises(UnsupportedError, match=r"Linux 5\.8 or newer"):
        guard(monkeypatch, *words, refused=OSError(22, "Invalid argument"))


def test_a_sample_needs_room_between_two(monkeypatch):
    with pytest.raises(UsageError, match="leave more between two"):
        guard(monkeypatch, "--measure-cost", "1")


def test_a_watch_that_ended_itself_is_unknown_unless_something_is_broken(monkeypatch):
    made, _ = guard(monkeypatch, "--max-overhead", "0.5%")
    assert made.exit_code(Exit.HOLDS) == Exit.HOLDS

    made.over = True

    assert made.exit_code(Exit.HOLDS) == Exit.UNKNOWN
    assert made.exit_code(Exit.BROKEN) == Exit.BROKEN

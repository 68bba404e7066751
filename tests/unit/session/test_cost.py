"""What watching costs: the arithmetic of windows and samples, and when a budget is exceeded."""

import pytest

from dataplane.kernel.bpfcall import RunTime
from dataplane.session.cost import NOTHING, NS, Budget, Reading, Sample, account
from dataplane.session.follow_text import line

MB = 1_000_000


def reading(seconds, cpu):
    return Reading(time_ns=int(seconds * NS), cpu=cpu, resident=90 * MB, peak=210 * MB)


def sample(seconds, **programs):
    return Sample(
        seconds=seconds,
        programs={
            name: RunTime(runs=runs, nanoseconds=nanoseconds, missed=0)
            for name, (runs, nanoseconds) in programs.items()
        },
    )


def test_shares_are_of_one_cpu_and_add_up():
    # 5 s in which the agent took 0.1 s; programs took 20 ms of a sampled second
    cost = account(reading(10, 3.0), reading(15, 3.1), sample(1.0, ingress=(100_000, 20 * MB)))

    assert cost.cpu_share == pytest.approx(0.02)
    assert cost.programs_share == pytest.approx(0.02)
    assert cost.share == pytest.approx(0.04)
    (one,) = cost.programs
    assert (one.program, one.runs, one.per_run) == ("ingress", 100_000, 200.0)


def test_without_a_sample_nothing_is_said_of_programs():
    cost = account(reading(0, 0.0), reading(10, 0.1), NOTHING, last=True)

    assert cost.programs_share is None
    assert cost.share == cost.cpu_share == pytest.approx(0.01)
    assert "not measured without --measure-cost" in line(cost)


def test_programs_that_did_not_run_are_not_listed():
    cost = account(reading(0, 0), reading(5, 0), sample(1.0, ingress=(0, 0), egress=(2, 300)))

    assert [one.program for one in cost.programs] == ["egress"]


def test_samples_add_up_and_a_program_that_came_later_is_one_of_them():
    both = sample(1.0, ingress=(10, 1000)) + sample(1.5, ingress=(30, 5000), late=(1, 100))

    assert both.seconds == 2.5
    assert both.programs["ingress"] == RunTime(runs=40, nanoseconds=6000, missed=0)
    assert both.programs["late"].runs == 1


def test_a_line_has_shares_memory_and_programs():
    cost = account(reading(0, 0), reading(5, 0.1), sample(2.0, ingress=(100_000, 20 * MB)))

    text = line(cost)

    assert "3.00% of a CPU (agent 2.00%, programs 1.00%, timed for 2.0 s)" in text
    assert "90 MB resident, 210 MB at most" in text
    assert "50,000 packets or calls per s, 200 ns each" in text


def window(share):
    return account(reading(0, 0), reading(5, 5 * share), NOTHING)


def test_a_burst_does_not_exceed_the_budget_two_windows_in_a_row_do():
    budget = Budget(0.02)

    told = [budget.exceeded(window(share)) for share in (0.5, 0.01, 0.03, 0.05)]

    assert told[:3] == [None, None, None]
    assert told[3].share == pytest.approx(0.04)
    assert (told[3].budget, told[3].seconds) == (0.02, 10.0)
    assert "4.0% of a CPU in the last 10.0 s" in line(told[3])
    assert "allows 2.0%" in line(told[3])


def test_a_budget_that_is_just_met_is_not_exceeded():
    budget = Budget(0.02)

    assert [budget.exceeded(window(0.02)) for _ in range(3)] == [None, None, None]

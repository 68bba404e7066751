"""Grades: what counts as found, what as made up, and what may not get worse."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from dataplane.bench import trials
from dataplane.bench.grade import Mark, Trial, Verdict, dropped, fault_rows, grades, marks, trial
from dataplane.bench.trials import Book
from dataplane.model.answer import Answer, Expectation, Finding, RunResult, State
from dataplane.model.problem import InvalidInputError, Severity


def answer(check, state, *subjects, severity=Severity.ERROR):
    findings = tuple(
        Finding(severity=severity, subject=s, expected="", seen="", cause="", remedy="")
        for s in subjects
    )
    return Answer(check=check, state=state, looked_at=1, reason="", findings=findings)


def tried(*answers, expected=None, seed=0, faults=("f",), drive=2.0):
    result = RunResult(
        scenario="s",
        engine="e",
        answers=answers,
        expected=expected,
        timings={"build": 9.0, "drive": drive, "read": 0.5, "judge": 0.25},
    )
    return trial("s", seed, faults, result)


BROKEN = {"a": Expectation(state=State.BROKEN, subjects=("pod-a",))}


def test_what_was_put_in_is_found_only_with_its_subjects():
    right = tried(answer("a", State.BROKEN, "pod-a"), expected=BROKEN)
    wrong = tried(answer("a", State.BROKEN, "pod-b"), expected=BROKEN, seed=1)
    none = tried(answer("a", State.HOLDS), expected=BROKEN, seed=2)
    (grade,) = grades([right, wrong, none])
    assert (grade.faulted, grade.detected, grade.detection) == (3, 1, pytest.approx(1 / 3))
    assert (grade.sound, grade.false_positives) == (0, None)
    assert (grade.seconds_median, grade.seconds_most) == (2.75, 2.75)


@pytest.mark.parametrize(
    ("said", "alarm"),
    [
        (answer("a", State.HOLDS), 0),
        (answer("a", State.BROKEN, "pod-a"), 1),
        (answer("a", State.HOLDS, "pod-a"), 1),
        (answer("a", State.HOLDS, "pod-a", severity=Severity.WARNING), 0),
        (answer("a", State.UNKNOWN), 0),
    ],
)
def test_what_nobody_put_in_is_a_false_positive(said, alarm):
    (grade,) = grades([tried(said, expected={})])
    assert (grade.sound, grade.false_alarms, grade.false_positives) == (1, alarm, float(alarm))
    assert grade.detection is None
    assert grade.unknown == (said.state is State.UNKNOWN)


def test_a_fault_is_set_against_every_check_that_broke():
    one = tried(answer("a", State.BROKEN, "pod-a"), answer("b", State.HOLDS), expected=BROKEN)
    two = tried(answer("a", State.BROKEN, "x"), answer("b", State.BROKEN), expected=BROKEN, seed=1)
    (row,) = fault_rows([one, two])
    assert (row.fault, row.trials, row.broken) == ("f", 2, {"a": 2, "b": 1})


def test_a_drop_is_said_and_a_rise_is_not():
    given = grades([tried(answer("a", State.HOLDS), answer("b", State.BROKEN), expected=BROKEN)])
    assert dropped(given, marks(given)) == ()
    assert dropped(given, {"a": Mark(detection=0.0), "b": Mark(false_positives=1.0)}) == ()
    assert dropped(given, {"a": Mark(detection=1.0), "b": Mark(false_positives=0.0)}) == (
        "a: detection 0.0%, was 100.0%",
        "b: false positives 100.0%, was 0.0%",
    )
    assert dropped(given, {"c": Mark(detection=1.0)}) == ("c: has a mark, but was in no trial",)
    assert dropped(given, {"b": Mark(detection=1.0)}) == ("b: detection not measured, was 100.0%",)


def one(seed=0, failure=""):
    said = Verdict(check="a", expected=State.HOLDS, state=State.HOLDS, met=True, errors=0)
    return Trial(scenario="s", seed=seed, verdicts=() if failure else (said,), failure=failure)


def test_a_book_keeps_what_was_tried(tmp_path):
    path = tmp_path / "book"
    book = Book(path)
    book.add(one(0))
    book.add(one(1, failure="no room"))
    with path.open("ab") as out:
        out.write(b'{"scenario": "s", "se')  # killed in the middle of a line
    again = Book(path)
    assert again.trials == book.trials
    assert ("s", 0) in again
    assert ("s", 1) not in again, "a lab that failed is tried again"
    again.add(one(2))
    assert Book(path).trials == again.trials


def test_trials_of_other_code_are_refused(tmp_path):
    path = tmp_path / "book"
    Book(path).add(one())
    lines = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps({"sources": "0" * 16}), *lines[1:]]) + "\n")
    with pytest.raises(InvalidInputError) as refused:
        Book(path)
    assert "other code" in refused.value.problems[0].message


@pytest.mark.parametrize("text", ["nothing\n", '{"sources": 1}\n'])
def test_what_is_no_book_is_refused(tmp_path, text):
    path = tmp_path / "book"
    path.write_text(text)
    with pytest.raises(InvalidInputError):
        Book(path)
    assert path.read_text() == text


def test_a_line_in_the_middle_that_is_no_trial_is_refused(tmp_path):
    path = tmp_path / "book"
    Book(path).add(one())
    first, last = path.read_text().splitlines()
    path.write_text(f"{first}\nrubbish\n{last}\n")
    with pytest.raises(InvalidInputError) as refused:
        Book(path)
    assert refused.value.problems[0].line == 2


def test_several_may_write_into_one_book(tmp_path):
    path = tmp_path / "books" / "book"
    made = [tried(answer("a", State.HOLDS), seed=seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as writers:
        list(writers.map(partial(trials.write_down, path), made))
    assert sorted(Book(path).trials, key=lambda one: one.seed) == made
    assert len(path.read_text().splitlines()) == 9

"""Which way of watching is chosen, and what is said of it."""

import pytest

from dataplane.model.errors import UnsupportedError
from dataplane.session.follow_text import line
from dataplane.session.mode import UNSEEN, ModeChosen, Possible, choose

NO_TCX, NO_BTF = "Invalid argument (EINVAL)", "no BTF"
CILIUM = "TCX program cil_to_netdev (id 7) at eth0"


@pytest.mark.parametrize(
    ("wish", "hook", "possible", "mode", "because"),
    [
        ("auto", "auto", Possible(), "tc", "TCX is there"),
        ("auto", "auto", Possible(tracepoints=NO_BTF), "tc", "TCX is there"),
        ("auto", "auto", Possible(tcx=NO_TCX), "zero-touch", f"no TCX ({NO_TCX})"),
        ("auto", "auto", Possible(rewriters=(CILIUM,)), "zero-touch", CILIUM),
        ("auto", "auto", Possible(rewriters=(CILIUM,), tracepoints=NO_BTF), "tc", NO_BTF),
        ("auto", "auto", Possible(rewriters=(CILIUM,), above=("bond0",)), "tc", "arrives on bond0"),
        ("auto", "auto", Possible(above=("bond0",)), "tc", "TCX is there"),
        ("tc", "auto", Possible(rewriters=(CILIUM,)), "tc", "asked for"),
        ("zero-touch", "auto", Possible(tracepoints=NO_BTF), "zero-touch", "asked for"),
        ("auto", "clsact", Possible(tcx=NO_TCX), "tc", "--hook clsact"),
        ("tc", "tcx", Possible(rewriters=(CILIUM,)), "tc", "--hook tcx"),
    ],
)
def test_what_is_chosen_and_why(wish, hook, possible, mode, because):
    chosen = choose(wish, hook, possible)
    assert (chosen.mode, chosen.unseen) == (mode, UNSEEN[mode])
    assert because in chosen.because


def test_where_only_clsact_is_left_nothing_is_chosen():
    with pytest.raises(UnsupportedError) as caught:
        choose("auto", "auto", Possible(tcx=NO_TCX, tracepoints=NO_BTF))
    for words in (
        "Linux 6.6",
        NO_TCX,
        NO_BTF,
        "`--hook clsact` would do, but a SIGKILL would leave",
    ):
        assert words in str(caught.value)


def test_the_line_says_what_is_not_seen():
    text = line(ModeChosen(mode="zero-touch", because="so", unseen=("this", "that")))
    assert text == "mode    zero-touch: so; not seen: this; that"


def test_programs_that_pass_the_host_side_by_are_told_whatever_is_chosen():
    for wish in ("auto", "tc", "zero-touch"):
        chosen = choose(wish, "auto", Possible(passed_by=("cil_from_netdev (id 9)",)))
        assert line(chosen).endswith("; past the host side: cil_from_netdev (id 9)")

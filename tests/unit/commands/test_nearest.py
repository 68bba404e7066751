"""What is said to somebody who wrote a name that there is none of."""

import pytest

from dataplane.model.nearest import suggest

MANY = ("undns64", "dns64-off", "masquerade", *(f"filler{number}" for number in range(9)))


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("mascarade", "did you mean masquerade? `list` shows all 12"),
        ("dns", "did you mean dns64-off or undns64? `list` shows all 12"),
        ("zzz", "`list` shows all 12"),
        ("", "`list` shows all 12"),
    ],
)
def test_the_names_that_look_like_it(name, advice):
    assert suggest(name, MANY, listing="list") == advice


def test_few_names_are_all_told():
    assert suggest("zzz", ("bind", "unbound"), listing="list") == "there are: bind, unbound"

"""Names of places in the kernel."""

from dataplane.kernel.symbols import Symbols


def test_a_place_is_the_function_that_begins_before_it(tmp_path):
    path = tmp_path / "kallsyms"
    path.write_text("2000 T second\n1000 t first\t[module]\n1800 d data\n0 T hidden\n")
    symbols = Symbols(path)
    assert [symbols.name(at) for at in (0x1000, 0x1FFF, 0x2000, 0x9999)] == [
        "first", "first", "second", "second",
    ]  # fmt: skip
    assert symbols.name(0xFFF) == "0xfff"


def test_a_kernel_that_shows_nothing_leaves_addresses(tmp_path):
    assert Symbols(tmp_path / "none").name(0x1234) == "0x1234"
    hidden = tmp_path / "hidden"
    hidden.write_text("0000 T first\n0000 T second\n")
    assert Symbols(hidden).name(0x1234) == "0x1234"

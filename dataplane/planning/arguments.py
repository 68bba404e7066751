"""Arguments of planning functions as they come out of JSON: named, typed, and told when wrong."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import TypeVar

from dataplane.model.address import Address, Network
from dataplane.rules.fielderror import quoted
from dataplane.rules.sloppy import parse_sloppy_cidr

_INT = 63  # bits of Go's int, without its sign
_Value = TypeVar("_Value")


class RequestError(Exception):
    """A question that cannot be asked: what is wrong with it; `remedy` says what to write."""

    def __init__(self, detail: str, *, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(detail)


class Arguments:
    """The arguments of a function. null is the same as absent; names in a row are spellings of one.

    What is missing without a default, or has another type, is a RequestError. What a text stands for
    is not judged here: a CIDR that is none is the answer of the function, ValueError.
    """

    def __init__(self, values: Mapping[str, object], place: str = "args") -> None:
        self.values = values
        self.place = place

    def has(self, *names: str) -> bool:
        """Tell whether an argument is there."""
        return any(self.values.get(name) is not None for name in names)

    def text(self, *names: str, default: str | None = None) -> str:
        """Return a text."""
        return self._typed(names, str, "a text", default)

    def integer(self, *names: str, default: int | None = None) -> int:
        """Return an integer that Go's int can hold."""
        value = self._typed(names, int, "an integer", default)
        if isinstance(value, bool) or not -(1 << _INT) <= value < 1 << _INT:
            raise self._wrong(names, "an integer of 64 bits")
        return value

    def boolean(self, *names: str, default: bool | None = None) -> bool:
        """Return true or false."""
        return self._typed(names, bool, "true or false", default)

    def optional_boolean(self, *names: str) -> bool | None:
        """Return true, false, or None where nobody says."""
        return self.boolean(*names) if self.has(*names) else None

    def texts(self, *names: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return a list of texts."""
        given: object = self._given(names, default)
        if not isinstance(given, list | tuple):
            raise self._wrong(names, "a list of texts")
        found = [item for item in given if isinstance(item, str)]
        if len(found) != len(given):
            raise self._wrong(names, "a list of texts")
        return tuple(found)

    def integers(self, *names: str) -> tuple[int, ...]:
        """Return a list of integers."""
        given = self._given(names, None)
        if not isinstance(given, list):
            raise self._wrong(names, "a list of integers")
        parts = [Arguments({names[0]: item}, self.place) for item in given]
        return tuple(part.integer(names[0]) for part in parts)

    def network(self, *names: str) -> Network:
        """Return a CIDR as Kubernetes reads one; ValueError with Go's words when it is none."""
        return parse_sloppy_cidr(self.text(*names)).network

    def optional_network(self, *names: str) -> Network | None:
        """Return a CIDR, None where there is none or an empty one."""
        return self.network(*names) if self.text(*names, default="") else None

    def networks(self, *names: str, default: Sequence[str] | None = None) -> tuple[Network, ...]:
        """Return a list of CIDRs; ValueError when one is none."""
        return tuple(
            parse_sloppy_cidr(text).network for text in self.texts(*names, default=default)
        )

    def address(self, *names: str) -> Address:
        """Return an address."""
        text = self.text(*names)
        try:
            return ip_address(text)
        except ValueError:
            raise self._wrong(names, "an address") from None

    def sections(self, *names: str) -> tuple["Arguments", ...]:
        """Return a list of objects."""
        given = self._given(names, ())
        if not isinstance(given, list | tuple):
            raise self._wrong(names, "a list of objects")
        return tuple(
            self._section(f"{names[0]}[{place}]", item) for place, item in enumerate(given)
        )

    def section(self, *names: str) -> "Arguments":
        """Return an object."""
        return self._section(names[0], self._given(names, None))

    def _section(self, name: str, value: object) -> "Arguments":
        if not isinstance(value, dict):
            raise self._wrong((name,), "an object")
        return Arguments(value, f"{self.place}.{name}")

    def _typed(
        self, names: Sequence[str], kind: type[_Value], words: str, default: _Value | None
    ) -> _Value:
        value = self._given(names, default)
        if not isinstance(value, kind):
            raise self._wrong(names, words)
        return value

    def _given(self, names: Sequence[str], default: object) -> object:
        for name in names:
            value = self.values.get(name)
            if value is not None:
                return value
        if default is None:
            remedy = f"add {quoted(names[0])}"
            raise RequestError(f"{self.place}.{names[0]} is missing", remedy=remedy)
        return default

    def _wrong(self, names: Sequence[str], words: str) -> RequestError:
        name = next((name for name in names if self.values.get(name) is not None), names[0])
        return RequestError(f"{self.place}.{name} must be {words}", remedy=f"write {words}")

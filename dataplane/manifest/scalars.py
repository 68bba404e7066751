"""What a YAML scalar means to Kubernetes: go-yaml's resolution of plain scalars, YAML 1.1.

Source: sigs.k8s.io/yaml (goyaml.v2/resolve.go). Timestamps are text there too, once they are JSON.
"""

from re import compile as regex

import yaml

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
_INT = regex(r"[-+]?(?:0x[0-9a-fA-F]{1,16}|0b[01]{1,64}|0o?[0-7]{1,22}|0|[1-9][0-9_]{0,18})")
_FLOAT = regex(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_CORE = "tag:yaml.org,2002:"


class Refused(ValueError):  # noqa: N818 - a refusal, reported as a Problem with its place
    """Something in the text that a manifest must not hold, with its (line, column)."""

    def __init__(self, what: str, position: tuple[int, int]) -> None:
        self.position = position
        super().__init__(what)


def construct(event: yaml.ScalarEvent, position: tuple[int, int]) -> object:
    """Return the value of a scalar; Refused for tags that no manifest needs."""
    text: str = event.value
    tag: str | None = event.tag
    if tag in {None, "!"}:
        return plain(text) if event.implicit[0] and tag is None else text
    if tag == _CORE + "str":
        return text
    value = plain(text)
    wanted = {"int": int, "float": float, "bool": bool, "null": type(None)}.get(
        (tag or "").removeprefix(_CORE)
    )
    if wanted is None:
        raise Refused(f"tag {tag} is not for manifests", position)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise Refused(f"{text!r} does not fit its tag {tag}", position)
    return value


def plain(text: str) -> str | int | float | bool | None:
    """Return the value of an unquoted scalar."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INT.fullmatch(text):
        return _integer(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(_SPECIAL[text.lower()]) if text.lower() in _SPECIAL else text


def _integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.removeprefix("+"))
    if digits[:2] in {"0x", "0b", "0o"}:
        return sign * int(digits, 0)
    return sign * int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)

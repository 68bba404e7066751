"""The keywords and tuples of the proposal "IPv6 for Gardener", for nodes, pods and services.

Grammar (whitespace or a comma between values, a YAML list is the same)::

    field  = value [ sep value ]              at most one value per family
    value  = cidr [ nodeprefix ] | keyword [ "/" size ] [ nodeprefix ]
    nodeprefix = "+prefix" [ "/" size ]       nodes only

Today's Gardener API knows none of this (it answers `invalid CIDR address`). `globalIPv6` stands in
the proposal's own example for `v6global`, `+nodeCidr` in its text for `+prefix`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from re import compile as regex
from typing import NamedTuple

from dataplane.model.address import Family, family_of
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.model.problem import Problem, Source
from dataplane.rules import gardener
from dataplane.rules.fielderror import advice, invalid

ALIASES = {"globalIPv6": "v6global"}
NOTHING = {"nov4": Family.IPV4, "nov6": Family.IPV6}
NODE_PREFIX = {"aws": 80, "gcp": 96}  # what one VM gets there
DEFAULT_NODE_PREFIX = 96
DEFAULT_NODE_PREFIX_V4 = 24


class _Keyword(NamedTuple):
    family: Family | None
    default: int | None
    bounds: tuple[int, int]
    fields: tuple[str, ...] = ("nodes", "pods", "services")


KEYWORDS = {
    Strategy.V4_PRIVATE: _Keyword(Family.IPV4, None, (8, 28)),
    Strategy.V6_GLOBAL: _Keyword(Family.IPV6, 64, (32, 112)),
    Strategy.V6_PRIVATE: _Keyword(Family.IPV6, 48, (48, 112)),
    Strategy.V4_FROM_NODE: _Keyword(Family.IPV4, None, (9, 30), ("pods",)),
    Strategy.V6_FROM_NODE: _Keyword(Family.IPV6, None, (33, 124), ("pods",)),
    Strategy.CUSTOM: _Keyword(None, None, (0, 0)),
}
_WORDS = (*(str(strategy) for strategy in KEYWORDS), *NOTHING, *ALIASES)
_VALUE = regex(r"([A-Za-z][A-Za-z0-9]*)(?:/([0-9]{1,4}))?(?:\+([A-Za-z]+)(?:/([0-9]{1,4}))?)?")
_MODIFIED_CIDR = regex(r"([^+]+)\+([A-Za-z]+)(?:/([0-9]{1,4}))?")
_LONGEST = 256  # no value needs more; what is longer is not worth the splitting
_SEPARATOR = regex(r"\s*,\s*|\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of `spec.networking` (`kind` is `nodes`, `pods` or `services`) and what surrounds it.

    `families` is `ipFamilies` as written, empty when absent: then every family is welcome.
    `plain` takes CIDRs only, as Gardener's API does.
    """

    path: str
    kind: str
    families: tuple[Family, ...] = ()
    provider: str = "local"
    plain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What one field asks for.

    `absent` are the families that `nov4`/`nov6` rule out; `custom` asks for a family that no other
    value names; `proposal` is true where the value is no plain CIDR.
    """

    wishes: tuple[RangeWish, ...] = ()
    absent: tuple[Family, ...] = ()
    custom: bool = False
    proposal: bool = False
    problems: tuple[Problem, ...] = ()


def is_proposal(value: str) -> bool:
    """Tell whether a value uses the proposal's words or tuples, rather than being one CIDR."""
    match = _VALUE.fullmatch(value)
    known = match is not None and match[1] in _WORDS
    return known or _MODIFIED_CIDR.fullmatch(value) is not None or len(_split(value)) > 1


def read(field: Field, values: Sequence[str]) -> Written:
    """Read the values of one field: one text, or a list of them."""
    if field.plain:
        parts = [_cidr(field, value) for value in values]
    else:
        parts = [_part(field, part) for value in values for part in _split(value)]
    written = Written(
        wishes=tuple(wish for part in parts for wish in part.wishes),
        absent=tuple(family for part in parts for family in part.absent),
        custom=any(part.custom for part in parts),
        proposal=len(parts) > 1 or any(part.proposal for part in parts),
        problems=tuple(problem for part in parts for problem in part.problems),
    )
    return replace(written, problems=written.problems + tuple(_agreement(field, values, written)))


def _split(value: str) -> list[str]:
    """Split a tuple; text that no grammar knows stays whole, for Go's own error message."""
    parts = _SEPARATOR.split(value) if len(value) <= _LONGEST else [value]
    return parts if len(parts) > 1 and all(parts) else [value]


def _part(field: Field, text: str) -> Written:
    match = _VALUE.fullmatch(text)
    if match is None or match[1] not in _WORDS:
        return _cidr(field, text)
    word, size_text, modifier, length = match.groups()
    problems = []
    if word in NOTHING:
        if size_text or modifier:
            detail = f"{word} takes neither a size nor a modifier"
            problems.append(_refused(field, text, detail))
        return Written(absent=(NOTHING[word],), proposal=True, problems=tuple(problems))
    if word in ALIASES:
        detail = f"{word} is deprecated, it means {ALIASES[word]}"
        remedy = f"write {text.replace(word, ALIASES[word])}"
        problems.append(advice(field.path, detail, remedy=remedy, source=Source.SEED))
    strategy = Strategy(ALIASES.get(word, word))
    problems += _size(field, text, strategy, size_text)
    family = KEYWORDS[strategy].family
    if family is None:  # custom
        if modifier:
            problems.append(_refused(field, text, "custom leaves all to the network plugin"))
        return Written(custom=True, proposal=True, problems=tuple(problems))
    size = int(size_text) if size_text else KEYWORDS[strategy].default
    wish = RangeWish(family=family, strategy=strategy, size=size)
    if modifier:
        wish, more = _with_node_prefix(field, text, wish, (modifier, length))
        problems += more
    return Written(wishes=(wish,), proposal=True, problems=tuple(problems))


def _cidr(field: Field, text: str) -> Written:
    match = None if field.plain else _MODIFIED_CIDR.fullmatch(text)
    written = match[1] if match else text
    value, problems = gardener.cidr(field.path, written)
    if value is None:
        word = text.partition("/")[0].partition("+")[0]
        close = get_close_matches(word[:32], _WORDS, n=1, cutoff=0.7)
        if close:
            remedy = f"did you mean {close[0]}? Keywords are case-sensitive"
            problems = [replace(problem, remedy=remedy) for problem in problems]
        return Written(problems=tuple(problems))
    problems += gardener.cidr_family(field.path, value, field.families)
    problems += gardener.cidr_canonical(field.path, written, value)
    wish = RangeWish(family=family_of(value.network), strategy=Strategy.CIDR, network=value.network)
    if match:
        wish, more = _with_node_prefix(field, text, wish, (match[2], match[3]))
        problems += more
    return Written(wishes=(wish,), proposal=match is not None, problems=tuple(problems))


def _size(field: Field, text: str, strategy: Strategy, size: str | None) -> list[Problem]:
    keyword = KEYWORDS[strategy]
    problems = []
    if field.kind not in keyword.fields:
        where = " and ".join(keyword.fields)
        problems.append(_refused(field, text, f"{strategy} is for {where} only"))
    low, high = keyword.bounds
    if size is not None and not low <= int(size) <= high:
        detail = f"the size of {strategy} must be between /{low} and /{high}"
        if strategy is Strategy.CUSTOM:
            detail = "custom takes no size"
        problems.append(_refused(field, text, detail))
    return problems


def _with_node_prefix(
    field: Field, text: str, wish: RangeWish, modifier: tuple[str, str | None]
) -> tuple[RangeWish, list[Problem]]:
    """Read `+prefix/size`: a prefix per node, longer than the range it is cut from."""
    name, length_text = modifier
    problems = []
    if name == "nodeCidr":
        detail, remedy = "+nodeCidr is deprecated, it means +prefix", "write +prefix"
        problems.append(advice(field.path, detail, remedy=remedy, source=Source.SEED))
    elif name != "prefix":
        return wish, [_refused(field, text, f"+{name} is no modifier; +prefix/size is")]
    if field.kind != "nodes":
        problems.append(_refused(field, text, "+prefix is for nodes only"))
    size = wish.network.prefixlen if wish.network else wish.size or 0
    if length_text:
        length = int(length_text)
    elif wish.family is Family.IPV4:
        length = DEFAULT_NODE_PREFIX_V4
    else:
        length = NODE_PREFIX.get(field.provider, DEFAULT_NODE_PREFIX)
    longest = wish.family.bits - 4  # sixteen addresses: gateway, pods and CLAT need some
    if not size < length <= longest:
        detail = f"the prefix per node must be longer than the range (/{size}), at most /{longest}"
        return wish, [*problems, _refused(field, text, detail)]
    return replace(wish, node_prefix=length), problems


def _agreement(field: Field, values: Sequence[str], written: Written) -> list[Problem]:
    """Check that the values of one field do not contradict each other."""
    shown = values[0] if len(values) == 1 else list(values)
    problems = []
    for family in Family:
        count = sum(wish.family is family for wish in written.wishes)
        if count > 1:
            detail = f"only one {family} value is possible"
            problems.append(_refused(field, shown, detail))
        if count and family in written.absent:
            detail = f"no{'v4' if family is Family.IPV4 else 'v6'} contradicts the {family} value"
            problems.append(_refused(field, shown, detail))
    if written.custom and len({wish.family for wish in written.wishes}) == len(Family):
        problems.append(_refused(field, shown, "custom contradicts the values of both families"))
    return problems


def _refused(field: Field, value: object, detail: str) -> Problem:
    return invalid(
        field.path,
        value,
        detail,
        source=Source.SEED,
        remedy="the proposal knows v4private, v6global/64, v6private/48, v6fromNode, v4fromNode, "
        "custom, nov4, nov6, and +prefix/96 on nodes",
    )

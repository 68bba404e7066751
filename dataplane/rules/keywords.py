"""The keywords and tuples of the proposal "IPv6 for Gardener", for nodes, pods and services.

Grammar (whitespace or a comma between values, a YAML list is the same)::

    field  = value [ sep value ]              at most one value per family
    value  = cidr [ nodeprefix ] | keyword [ "/" size ] [ nodeprefix ]
    nodeprefix = "+prefix" [ "/" size ]       nodes only

Today's Gardener API knows none of this (it answers `invalid CIDR address`). `globalIPv6` stands in
the proposal's own example for `v6global`, `+nodeCidr` in its text for `+prefix`. An error points at
its character: the `column` of a Problem counts from 1 inside the value, until somebody knows where
in a text that value stands.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from re import Match
from re import compile as regex
from typing import NamedTuple

from dataplane.model.address import Family, family_of
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import advice, invalid
from dataplane.rules.gardener.shoot import Range, range_of

ALIASES = {"globalIPv6": "v6global"}
NOTHING = {"nov4": Family.IPV4, "nov6": Family.IPV6}
NODE_PREFIX = {"aws": 80, "gcp": 96}  # what one VM gets there
DEFAULT_NODE_PREFIX = 96
DEFAULT_NODE_PREFIX_V4 = 24
NO_GLOBAL = frozenset({"azure"})  # "private" addresses only, translated at the edge


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
_MODIFIER = r"\+(?P<modifier>[A-Za-z]+)(?:/(?P<length>[0-9]{1,4}))?"
_VALUE = regex(rf"(?P<word>[A-Za-z][A-Za-z0-9]*)(?:/(?P<size>[0-9]{{1,4}}))?(?:{_MODIFIER})?")
_MODIFIED_CIDR = regex(rf"(?P<cidr>[^+]+){_MODIFIER}")
_LONGEST = 256  # no value needs more; what is longer is not worth the splitting
_SEPARATOR = regex(r"\s*,\s*|\s+")
_KNOWN = (
    "the proposal knows v4private, v6global/64, v6private/48, v6fromNode, v4fromNode, custom, "
    "nov4, nov6, and +prefix/96 on nodes"
)


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

    `ranges` are its CIDRs. `absent` are the families that `nov4`/`nov6` rule out; `custom` asks for
    a family that no other value names; `proposal` is true where the value is no plain CIDR.
    """

    wishes: tuple[RangeWish, ...] = ()
    ranges: tuple[Range, ...] = ()
    absent: tuple[Family, ...] = ()
    custom: bool = False
    proposal: bool = False
    problems: tuple[Problem, ...] = ()


_NOTHING_WRITTEN = Written()


class _Part(NamedTuple):
    """One value of a field; `start` is where it begins, `alone` whether nothing stands beside it."""

    field: Field
    path: str
    text: str
    start: int = 0
    alone: bool = True

    def refused(self, detail: str, at: int = 0) -> Problem:
        """Return the error at a character of this part."""
        character = self.start + at + 1
        problem = invalid(
            self.path,
            self.text,
            f"{detail} (at character {character})",
            source=Source.SEED,
            remedy=_KNOWN,
        )
        return replace(problem, column=character)

    def advised(self, detail: str, remedy: str, at: int = 0) -> Problem:
        """Return a recommendation about a character of this part."""
        problem = advice(self.path, detail, remedy=remedy, source=Source.SEED)
        return replace(problem, column=self.start + at + 1)


def is_proposal(value: str) -> bool:
    """Tell whether a value uses the proposal's words or tuples, rather than being one CIDR."""
    match = _VALUE.fullmatch(value)
    known = match is not None and match["word"] in _WORDS
    return known or _MODIFIED_CIDR.fullmatch(value) is not None or len(_split(value)) > 1


def keywords_of(value: object) -> tuple[str, ...] | None:
    """Return the keywords of a field's value, a text or a list of texts, without their sizes.

    None where anything else stands there: a CIDR, a word that no grammar knows, another type.
    """
    values = value if isinstance(value, list) else [value]
    found: list[str] = []
    for text in values:
        if not isinstance(text, str):
            return None
        for _, part in _split(text):
            match = _VALUE.fullmatch(part)
            if match is None or match["word"] not in _WORDS:
                return None
            found.append(ALIASES.get(match["word"], match["word"]))
    return tuple(found)


def read(field: Field, values: Sequence[str], *, listed: bool = False) -> Written:
    """Read the values of one field: one text, or those of a list (`listed`)."""
    if field.plain and not listed:  # what today's API takes: one CIDR, or nothing
        return _cidr(_Part(field, field.path, values[0])) if values else _NOTHING_WRITTEN
    parts = list(_parts(field, values, listed=listed))
    answers = [_cidr(part) if field.plain else _value(part) for part in parts]
    return Written(
        wishes=tuple(wish for answer in answers for wish in answer.wishes),
        ranges=tuple(found for answer in answers for found in answer.ranges),
        absent=tuple(family for answer in answers for family in answer.absent),
        custom=any(answer.custom for answer in answers),
        proposal=listed or len(parts) > 1 or any(answer.proposal for answer in answers),
        problems=(
            *(problem for answer in answers for problem in answer.problems),
            *_agreement(parts, answers),
        ),
    )


def _parts(field: Field, values: Sequence[str], *, listed: bool) -> Iterator[_Part]:
    for index, value in enumerate(values):
        path = f"{field.path}[{index}]" if listed else field.path
        split = [(0, value)] if field.plain else _split(value)
        for start, text in split:
            yield _Part(field, path, text, start, alone=len(split) == 1)


def _split(value: str) -> list[tuple[int, str]]:
    """Split a tuple; text that no grammar knows stays whole, for Go's own error message."""
    if len(value) > _LONGEST:
        return [(0, value)]
    parts, start = [], 0
    for match in _SEPARATOR.finditer(value):
        parts.append((start, value[start : match.start()]))
        start = match.end()
    parts.append((start, value[start:]))
    return parts if all(text for _, text in parts) else [(0, value)]


def _value(part: _Part) -> Written:
    match = _VALUE.fullmatch(part.text)
    if match is None or match["word"] not in _WORDS:
        return _cidr(part)
    word = match["word"]
    if word in NOTHING:
        problems = []
        if len(word) < len(part.text):
            detail = f"{word} takes neither a size nor a modifier"
            problems.append(part.refused(detail, len(word)))
        return Written(absent=(NOTHING[word],), proposal=True, problems=tuple(problems))
    problems = []
    if word in ALIASES:
        detail = f"{word} is deprecated, it means {ALIASES[word]}"
        problems.append(part.advised(detail, f"write {part.text.replace(word, ALIASES[word])}"))
    strategy = Strategy(ALIASES.get(word, word))
    problems += _fit(part, strategy, match)
    keyword = KEYWORDS[strategy]
    if keyword.family is None:  # custom
        if match["modifier"]:
            detail = "custom leaves all to the network plugin"
            problems.append(part.refused(detail, match.start("modifier") - 1))
        return Written(custom=True, proposal=True, problems=tuple(problems))
    size = int(match["size"]) if match["size"] else keyword.default
    wish = RangeWish(family=keyword.family, strategy=strategy, size=size)
    if match["modifier"]:
        wish, more = _with_node_prefix(part, wish, match)
        problems += more
    return Written(wishes=(wish,), proposal=True, problems=tuple(problems))


def _cidr(part: _Part) -> Written:
    field = part.field
    match = None if field.plain else _MODIFIED_CIDR.fullmatch(part.text)
    written = match["cidr"] if match else part.text
    found, problems = range_of(part.path, field.kind, written, field.families)
    if found is None:
        if match:  # a word with a modifier, misspelt: people look for what they wrote
            _, problems = range_of(part.path, field.kind, part.text, field.families)
        problems = [replace(problem, remedy=_meant(part, problem)) for problem in problems]
    if part.start:  # no word for word error of Gardener's any more, which knows no tuples
        problems = [_placed(problem, part.start + 1) for problem in problems]
    if found is None:
        return Written(problems=tuple(problems))
    family = family_of(found.network)
    wish = RangeWish(family=family, strategy=Strategy.CIDR, network=found.network)
    if match:
        wish, more = _with_node_prefix(part, wish, match)
        problems += more
    return Written(
        wishes=(wish,), ranges=(found,), proposal=match is not None, problems=tuple(problems)
    )


def _placed(problem: Problem, character: int) -> Problem:
    where = f" (at character {character})"
    return replace(
        problem,
        detail=problem.detail + where,
        message=problem.message + where,
        column=character,
    )


def _meant(part: _Part, problem: Problem) -> str:
    """Return what to do about a text that is no CIDR."""
    if part.field.plain:
        if is_proposal(part.text):
            return (
                "today's API takes one CIDR per field; keywords and tuples are a proposal, judged "
                "with --profile proposal"
            )
        return problem.remedy
    word = part.text.partition("/")[0].partition("+")[0]
    close = get_close_matches(word[:32], _WORDS, n=1, cutoff=0.7)
    return f"did you mean {close[0]}? Keywords are case-sensitive" if close else problem.remedy


def _fit(part: _Part, strategy: Strategy, match: Match[str]) -> list[Problem]:
    """Check that a keyword may stand in this field, with this size, at this provider."""
    keyword = KEYWORDS[strategy]
    problems = []
    if part.field.kind not in keyword.fields:
        where = " and ".join(keyword.fields)
        problems.append(part.refused(f"{strategy} is for {where} only"))
    if strategy is Strategy.V6_GLOBAL and part.field.provider in NO_GLOBAL:
        detail = f"{part.field.provider} has no global IPv6 ranges to give; v6private is for it"
        problems.append(part.refused(detail))
    low, high = keyword.bounds
    if match["size"] and not low <= int(match["size"]) <= high:
        detail = f"the size of {strategy} must be between /{low} and /{high}"
        if strategy is Strategy.CUSTOM:
            detail = "custom takes no size"
        problems.append(part.refused(detail, match.start("size")))
    return problems


def _with_node_prefix(
    part: _Part, wish: RangeWish, match: Match[str]
) -> tuple[RangeWish, list[Problem]]:
    """Read `+prefix/size`: a prefix per node, longer than the range it is cut from."""
    name, at = match["modifier"], match.start("modifier")
    problems = []
    if name == "nodeCidr":
        problems.append(
            part.advised("+nodeCidr is deprecated, it means +prefix", "write +prefix", at)
        )
    elif name != "prefix":
        return wish, [part.refused(f"+{name} is no modifier; +prefix/size is", at)]
    if part.field.kind != "nodes":
        problems.append(part.refused("+prefix is for nodes only", at))
    size = wish.network.prefixlen if wish.network else wish.size or 0
    if match["length"]:
        length, at = int(match["length"]), match.start("length")
    elif wish.family is Family.IPV4:
        length = DEFAULT_NODE_PREFIX_V4
    else:
        length = NODE_PREFIX.get(part.field.provider, DEFAULT_NODE_PREFIX)
    longest = wish.family.bits - 4  # sixteen addresses: gateway, pods and CLAT need some
    if not size < length <= longest:
        detail = f"the prefix per node must be longer than the range (/{size}), at most /{longest}"
        return wish, [*problems, part.refused(detail, at)]
    return replace(wish, node_prefix=length), problems


def _agreement(parts: Sequence[_Part], answers: Sequence[Written]) -> Iterator[Problem]:
    """Check that the values of one field do not contradict each other; the later one is blamed."""
    seen: set[Family] = set()
    absent: set[Family] = set()
    customs = 0
    for part, answer in zip(parts, answers, strict=True):
        for wish in answer.wishes:
            if wish.family in seen:
                yield part.refused(f"only one {wish.family} value is possible")
            if wish.family in absent:
                yield part.refused(_contradiction(wish.family))
            seen.add(wish.family)
        for family in answer.absent:
            if family in seen:
                yield part.refused(_contradiction(family))
            absent.add(family)
        customs += answer.custom
        if customs and len(seen) == len(Family) and (answer.custom or answer.wishes):
            yield part.refused("custom contradicts the values of both families")


def _contradiction(family: Family) -> str:
    return f"no{'v4' if family is Family.IPV4 else 'v6'} contradicts the {family} value"

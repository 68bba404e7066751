"""What `sixscope validate` prints for people: by file and document, in columns."""

from collections import Counter
from collections.abc import Sequence

from dataplane.manifest.severity import is_valid
from dataplane.manifest.validation import Judged, Sheet
from dataplane.model.problem import Problem, Severity
from dataplane.rules.fielderror import quoted, shown

_WORD = max(map(len, Severity))


def render(sheets: Sequence[Sheet], judged: Sequence[Judged], *, defaults: bool) -> str:
    """Return the text: each problem under its object with its place, a summary on the last line."""
    lines: list[str] = []
    for place, sheet in enumerate(sheets):
        own = [found for found in judged if found.sheet == place]
        lines += [*_sheet(sheet, own, defaults=defaults), ""]
    return "\n".join([*lines, _summary(sheets, judged)])


def _sheet(sheet: Sheet, judged: Sequence[Judged], *, defaults: bool) -> list[str]:
    lines = ["standard input" if sheet.name == "-" else _safe(sheet.name)]
    lines += _problems(sheet.problems)
    width = max((len(found.title) for found in judged), default=0)
    places = [f"document {found.document} {found.path}".rstrip() for found in judged]
    aside = max(map(len, places), default=0)
    for place, found in zip(places, judged, strict=True):
        lines.append(f"  {place:<{aside}}  {found.title:<{width}}  {_word(found)}")
        if found.judged or not is_valid(found.problems):
            lines += _problems(found.problems)
        if defaults and found.defaulted:
            lines += _defaulted(found.defaulted)
    return lines


def _word(found: Judged) -> str:
    if not is_valid(found.problems):
        return "not valid"
    return "valid" if found.judged else "not judged"


def _problems(problems: Sequence[Problem]) -> list[str]:
    places = [f"{p.line}:{p.column}" if p.line else "" for p in problems]
    width = max(map(len, places), default=0)
    lines: list[str] = []
    for place, problem in zip(places, problems, strict=True):
        start = f"    {place:>{width}}{'  ' * bool(width)}"
        lines.append(f"{start}{problem.severity:<{_WORD}}  {_safe(_told(problem))}")
        if problem.remedy:
            lines.append(f"{' ' * (len(start) + _WORD)}  -> {_safe(problem.remedy)}")
    return lines


def _told(problem: Problem) -> str:
    """Return the message, without a place in front of it: that has its own column."""
    told = problem.message if problem.field else problem.detail
    return f"{told}  [{problem.source}]"


def _defaulted(fields: dict[str, object]) -> list[str]:
    width = max(map(len, fields))
    return [
        "    an API server makes of it",
        *(
            f"      {path:<{width}}  {'(stays unset)' if value is None else _safe(shown(value))}"
            for path, value in fields.items()
        ),
    ]


def _summary(sheets: Sequence[Sheet], judged: Sequence[Judged]) -> str:
    known = [found for found in judged if found.judged or not is_valid(found.problems)]
    every = [*(p for s in sheets for p in s.problems), *(p for j in known for p in j.problems)]
    counts = Counter(problem.severity for problem in every)
    found = [_counted(counts[word], word) for word in Severity if counts[word]]
    foreign = len(judged) - len(known)
    aside = f" ({foreign} not judged)" if foreign else ""
    what = f"{_counted(len(sheets), 'file')}, {_counted(len(judged), 'object')}{aside}"
    return "; ".join([f"{what}: {'valid' if is_valid(every) else 'not valid'}", *found])


def _counted(number: int, word: str) -> str:
    plural = "" if number == 1 or word == Severity.INFO else "s"
    return f"{number} {word}{plural}"


def _safe(text: str) -> str:
    """Return a text that does nothing to a terminal; manifests and file names are hostile."""
    return text if text.isprintable() else quoted(text)[1:-1]

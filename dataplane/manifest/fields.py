"""Typed access to the fields of a document: what has the wrong type is a Problem, not a crash."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from dataplane.manifest.documents import Document, join
from dataplane.model.problem import Problem, ProblemType, Severity, Source
from dataplane.rules.fielderror import invalid, quoted


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping of a document at a path; reading it collects problems in a shared list."""

    document: Document
    path: str
    values: dict[str, object]
    problems: list[Problem] = field(default_factory=list)

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def at(self, key: str) -> str:
        """Return the path of a field."""
        return join(self.path, key)

    def add(self, problems: Iterable[Problem]) -> None:
        """Take problems in, each with its place in the document."""
        self.problems.extend(self.document.locate(problem) for problem in problems)

    def section(self, key: str) -> "Section":
        """Return the mapping at `key`, an empty one when it is absent."""
        value = self.values.get(key)
        if not isinstance(value, dict):
            if value is not None:
                self._wrong(key, value, "a mapping")
            value = {}
        return Section(self.document, self.at(key), value, self.problems)

    def text(self, key: str) -> str | None:
        """Return the text at `key`, None when it is absent."""
        value = self.values.get(key)
        if value is None or isinstance(value, str):
            return value
        self._wrong(key, value, "a text")
        return None

    def integer(self, key: str) -> int | None:
        """Return the whole number at `key`, None when it is absent."""
        value = self.values.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        self._wrong(key, value, "a whole number")
        return None

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return the list of texts at `key`, None when it is absent or something else."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._wrong(key, value, "a list of texts")
            return None
        return tuple(value)

    def sections(self, key: str) -> tuple["Section", ...]:
        """Return the mappings of the list at `key`."""
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self._wrong(key, value, "a list")
            return ()
        return tuple(
            Section(self.document, f"{self.at(key)}[{index}]", item, self.problems)
            for index, item in enumerate(value)
            if isinstance(item, dict)
        )

    def unknown(self, known: Iterable[str], *, strict: bool) -> None:
        """Report fields outside `known`: a warning, in our own files (`strict`) an error."""
        names = tuple(known)
        for key in self.values:
            if key in names:
                continue
            close = get_close_matches(key[:64], names, n=1, cutoff=0.6)
            remedy = f"did you mean {close[0]}?" if close else f"known are: {', '.join(names)}"
            path = self.at(key)
            problem = Problem(
                severity=Severity.ERROR if strict else Severity.WARNING,
                type=ProblemType.UNKNOWN_FIELD,
                field=path,
                detail=f"unknown field {quoted(key[:64])}",
                message=f"{path}: unknown field {quoted(key[:64])}",
                source=Source.SIXSCOPE,
                remedy=remedy,
            )
            place = self.document.position(path, key=True)
            line, column = place or (None, None)
            self.problems.append(
                replace(problem, document=self.document.index, line=line, column=column)
            )

    def _wrong(self, key: str, value: object, wanted: str) -> None:
        remedy = f"write {wanted}"
        self.add(
            [
                invalid(
                    self.at(key),
                    value,
                    f"must be {wanted}",
                    source=Source.KUBERNETES,
                    remedy=remedy,
                )
            ]
        )


def root(document: Document) -> Section:
    """Return the top level of a document; InvalidInputError is the caller's to raise.

    A document that is no mapping gives an empty section with one problem.
    """
    section = Section(document, "", {})
    section.problems.extend(document.problems)
    if isinstance(document.value, dict):
        return Section(document, "", document.value, section.problems)
    remedy = "write fields such as apiVersion, kind and spec"
    problem = invalid(
        "(document)",
        document.value,
        "must be a mapping",
        source=Source.KUBERNETES,
        remedy=remedy,
    )
    section.add([replace(problem, type=ProblemType.UNREADABLE)])
    return section

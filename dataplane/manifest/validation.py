"""Every object of some texts, judged by its kind: documents in, problems out."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dataplane.manifest import envelope, landscape
from dataplane.manifest.case import DEFAULT_PROFILE, Case, Kind, Stage
from dataplane.manifest.documents import Document, read_documents
from dataplane.manifest.fields import Section, root
from dataplane.manifest.severity import weighed
from dataplane.model.problem import InvalidInputError, Problem, Severity
from dataplane.rules import fielderror
from dataplane.rules.fielderror import advice

GATES = frozenset({"IPv6SingleStack"})
FRAGMENT_PROFILE = "proposal"
WHOLE = "(document)"  # the field of a problem with all of a document, see fields.root


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What objects are judged by; `profile` None is `current`, for networking fragments `proposal`.

    With `strict`, warnings of the IPv6 proposals (`seed`) and of sixscope are errors.
    """

    profile: str | None = None
    gates: frozenset[str] = GATES
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A text as it was read; `problems` where it could not be."""

    name: str
    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is to be said about one object; `sheet` is the place of its sheet, from 0.

    `path` is the object's own in its document, "" but for the items of a List; `title` is kind,
    namespace and name, fit for a terminal. `judged` is False where no rule knows the kind.
    `defaulted` has what an API server fills in, as field path to value.
    """

    sheet: int
    document: int
    path: str
    title: str
    judged: bool
    problems: tuple[Problem, ...]
    defaulted: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """An object of a sheet, before it is judged; `path` is its own in the document, "" mostly."""

    sheet: int
    top: Section
    kind: Kind | None
    path: str = ""

    @property
    def fragment(self) -> bool:
        return envelope.is_fragment(self.top.values)


def read_sheet(text: str, *, name: str) -> Sheet:
    """Read a text; one that is no YAML, or holds nothing, is a sheet with a problem."""
    try:
        documents = read_documents(text, name=name)
    except InvalidInputError as error:
        return Sheet(name=name, problems=error.problems)
    if not documents:
        detail = "there is no document in it"
        return unreadable(name, detail, remedy="give a manifest in YAML or JSON")
    return Sheet(name=name, documents=documents)


def unreadable(name: str, detail: str, *, remedy: str = "") -> Sheet:
    """Return the sheet of a text that could not be read at all."""
    return Sheet(name=name, problems=(fielderror.unreadable(detail, remedy=remedy),))


def judge(
    sheets: Sequence[Sheet],
    terms: Terms,
    *,
    before: Sequence[Document] = (),
    seeds: Sequence[Document] = (),
    defaults: bool = False,
) -> tuple[Judged, ...]:
    """Judge every object of every sheet, in their order.

    `before` holds the objects as they were, for updates: matched by kind and name, an only one of
    its kind whatever its name. `seeds` are Seeds for admission: the one that `spec.seedName` names,
    an only one for every Shoot. `defaults` asks for what an API server fills in.
    """
    objects = [f for place, sheet in enumerate(sheets) for f in _objects(sheet.documents, place)]
    past = _Past(before, objects)
    defaulted: dict[int, dict[str, object]] = {}
    for found in objects:
        if found.kind is None:
            continue
        case = _case(found, terms, past.of(found), _seed(found, seeds))
        found.kind.judge(case)
        envelope.check(found.top, found.kind)
        if defaults and found.kind.default:
            apart = replace(case, top=root(found.top.document))  # it was judged once already
            defaulted[id(found)] = found.kind.default(apart)
    landscape.check([found.top for found in objects if found.kind])
    return tuple(
        Judged(
            sheet=found.sheet,
            document=found.top.document.index,
            path=found.path,
            title=envelope.title(found.top.values),
            judged=found.kind is not None,
            problems=weighed(_rooted(found), strict=terms.strict),
            defaulted=defaulted.get(id(found), {}),
        )
        for found in objects
    )


def _objects(documents: Sequence[Document], sheet: int = 0) -> Iterator[_Object]:
    """Yield the objects of documents; the items of a List are objects of their own."""
    for document in documents:
        items = envelope.items(document.value)
        if items is None:
            top = root(document)
            yield _Object(sheet=sheet, top=top, kind=_kind(top))
            continue
        if document.problems or not items:
            yield _Object(sheet=sheet, top=root(document), kind=None)
        for number, item in enumerate(items):
            top = root(replace(document, value=item, problems=()))
            yield _Object(sheet=sheet, top=top, kind=_kind(top), path=f"items[{number}]")


def _kind(top: Section) -> Kind | None:
    """Return the kind of an object; where there is none, say so among its problems."""
    if not isinstance(top.document.value, dict):
        return None
    kind = envelope.kind_of(top.values)
    if kind is None:
        envelope.check_unknown(top)
    return kind


class _Past:
    """What objects were before an update."""

    def __init__(self, documents: Sequence[Document], objects: Sequence[_Object]) -> None:
        self._former: defaultdict[str, list[Section]] = defaultdict(list)
        for found in _objects(documents):
            self._former[envelope.kind_name(found.top.values)].append(found.top)
        self._now = Counter(envelope.kind_name(found.top.values) for found in objects)

    def of(self, found: _Object) -> Section | None:
        """Return what an object was; say so where there is nothing of that name."""
        if not self._former:
            return None
        name = envelope.kind_name(found.top.values)
        peers = self._former.get(name, [])
        if len(peers) == self._now[name] == 1:
            return peers[0]
        for old in peers:
            if envelope.same_name(old.values, found.top.values):
                return old
        detail = f"no {name} of this name was there before, so it is judged as a new one"
        found.top.add([advice("metadata.name", detail, remedy="", severity=Severity.INFO)])
        return None


def _case(found: _Object, terms: Terms, old: Section | None, seed: Section | None) -> Case:
    ordinary = FRAGMENT_PROFILE if found.fragment else DEFAULT_PROFILE
    return Case(
        top=found.top,
        old=old,
        seed=seed,
        stage=Stage.BOTH,
        profile=terms.profile or ordinary,
        gates=terms.gates,
    )


def _seed(found: _Object, seeds: Sequence[Document]) -> Section | None:
    """Return the Seed that a Shoot is judged for."""
    if not seeds or found.kind is None or found.kind.name != envelope.SHOOT:
        return None
    if len(seeds) == 1:
        return root(seeds[0])
    name = found.top.section("spec").text("seedName")
    for seed in map(root, seeds):
        if name is not None and seed.section("metadata").text("name") == name:
            return seed
    detail = "names none of the given Seeds, so admission is not judged"
    remedy = "give the manifest of the Seed that the Shoot is assigned to"
    found.top.add([advice("spec.seedName", detail, remedy=remedy)])
    return None


def _rooted(found: _Object) -> tuple[Problem, ...]:
    """Return the problems of an object, their fields seen from the top of the document."""
    if not found.path:
        return tuple(found.top.problems)
    return tuple(_below(found.path, problem) for problem in found.top.problems)


def _below(path: str, problem: Problem) -> Problem:
    """Return a problem of an item as one of the document: `items[3].spec...`."""
    if problem.field == WHOLE:
        return replace(problem, field=path, message=problem.message.replace(WHOLE, path, 1))
    message = problem.message
    if message.startswith(problem.field):
        message = f"{path}.{message}"
    return replace(problem, field=f"{path}.{problem.field}", message=message)

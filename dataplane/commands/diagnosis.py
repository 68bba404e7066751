"""What `sixscope doctor` found out, and how it says so."""

from collections.abc import Iterator
from dataclasses import dataclass

from dataplane.commands.abilities import Feature
from dataplane.session.nodelook import NodeLook
from labs.sweep import Swept

SWEEP = "`sixscope doctor --sweep` removes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The JSON object of `sixscope doctor`: `alive` runs, `left_behind` ones, those just `swept`.

    Of `untold` runs only root can say which they are. `node` is what `attach` would meet here, or
    `node_untold` says why nobody can tell.
    """

    able: bool
    features: tuple[Feature, ...]
    alive: tuple[str, ...]
    left_behind: tuple[str, ...]
    untold: tuple[str, ...]
    swept: tuple[Swept, ...]
    filters_removed: tuple[str, ...]
    node: NodeLook | None = None
    node_untold: str = ""


def lines(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield everything for a terminal: features, then the lab, the node, and what was left behind."""
    for feature in diagnosis.features:
        yield from _feature(feature)
    yield ""
    lacking = [
        feature.name for feature in diagnosis.features if feature.needed and not feature.there
    ]
    yield (
        "A lab can run here." if diagnosis.able else f"A lab cannot run here: {', '.join(lacking)}."
    )
    if diagnosis.node is None:
        yield f"What attach would meet on this node is not known: {diagnosis.node_untold}."
    else:
        yield from _node(diagnosis.node)
    yield from _left(diagnosis)


def _feature(feature: Feature) -> Iterator[str]:
    mark = "yes" if feature.there else "NO " if feature.needed else "no "
    more = feature.note if feature.there else feature.reason
    yield f"{mark}  {feature.name:<20}{more}".rstrip()
    if not feature.there:
        yield f"{'':25}without: {feature.without}"
        yield f"{'':25}-> {feature.remedy}"


def _node(node: NodeLook) -> Iterator[str]:
    if node.mode:
        ways = f"{node.pods} pods and {len(node.uplinks)} uplinks ({', '.join(node.uplinks) or 'none'})"
        yield f"attach would watch {ways} in mode {node.mode}: {node.because}."
    else:
        yield f"attach would refuse: {node.because}."
        yield f"    -> {node.remedy}"
    if node.pods:
        yield f"    CNI: {node.cni} ({node.because_cni})"
        yield from (f"         {words}" for words in node.caveats)
    for words in node.programs:
        yield f"    program of somebody else: {words}"


def _left(diagnosis: Diagnosis) -> Iterator[str]:
    node = diagnosis.node
    if diagnosis.alive:
        yield f"Running: {', '.join(diagnosis.alive)}"
    if diagnosis.untold:
        yield f"Alive or left behind, only root can tell: {', '.join(diagnosis.untold)}"
    if diagnosis.left_behind:
        yield f"Left behind by killed runs: {', '.join(diagnosis.left_behind)}; {SWEEP}"
    if node is not None and node.left:
        where = ", ".join(node.left)
        if node.at_work:
            pids = ", ".join(map(str, node.at_work))
            yield f"attach --hook clsact is at work on {where}: process {pids}"
        else:
            yield f"Left behind by a killed attach, filters on {where}; {SWEEP}"
    if diagnosis.filters_removed:
        yield f"Filters removed from {', '.join(diagnosis.filters_removed)}"
    for gone in diagnosis.swept:
        yield f"Swept {gone.run}: {len(gone.namespaces)} namespaces, {gone.processes} processes"

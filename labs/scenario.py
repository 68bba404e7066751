"""What a scenario is: a manifest, faults, and what is to be found. One YAML file each.

Fields: `title` and `manifest` (a file of labs/manifests) are required; `tags`, `nodes`, `pods`,
`engine`, `dns64`, `clat` (`pod`, `node`, `none`), `faults` and `expect` are not. `expect` names the
checks that do not hold; every other check that applies must hold. `subjects: victims` stands for
the names that the faults picked.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from dataplane.model.answer import State
from dataplane.model.problem import InvalidInputError, Problem, ProblemType, Severity, Source

DIRECTORY = Path(__file__).parent / "scenarios"
MANIFESTS = Path(__file__).parent / "manifests"
STRICT = ConfigDict(extra="forbid")


@checked(frozen=True, slots=True, kw_only=True, config=STRICT)
class Wanted:
    """What is expected of one check: its state, and whom its findings are about."""

    state: State
    subjects: Literal["victims"] | tuple[str, ...] | None = None


@checked(frozen=True, slots=True, kw_only=True, config=STRICT)
class _File:
    title: str
    manifest: str
    tags: tuple[str, ...] = ()
    nodes: int = 2
    pods: int = 4
    engine: str = "tayga"
    dns64: Literal["bind", "unbound"] = "bind"
    clat: Literal["pod", "node", "none"] = "pod"
    faults: tuple[str, ...] = ()
    expect: dict[str, Wanted] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario as its file has it, with its manifest's text."""

    name: str
    title: str
    manifest: str
    manifest_text: str
    tags: tuple[str, ...]
    nodes: int
    pods: int
    engine: str
    dns64: Literal["bind", "unbound"]
    clat: Literal["pod", "node", "none"]
    faults: tuple[str, ...]
    expect: dict[str, Wanted]


def names() -> tuple[str, ...]:
    """Return the names of all scenarios, sorted."""
    return tuple(sorted(path.stem for path in DIRECTORY.glob("*.yaml")))


def load(name: str) -> Scenario:
    """Read a scenario by name; KeyError when there is none, InvalidInputError when it is wrong."""
    if name not in names():
        raise KeyError(name)
    return read(DIRECTORY / f"{name}.yaml")


def read(path: Path) -> Scenario:
    """Read a scenario file; InvalidInputError lists all its problems."""
    try:
        content = TypeAdapter(_File).validate_python(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise InvalidInputError(path.name, [_problem("", str(error))]) from error
    except ValidationError as error:
        raise InvalidInputError(
            path.name,
            [_problem(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()],
        ) from error
    manifest = MANIFESTS / content.manifest
    if manifest.parent != MANIFESTS or not manifest.is_file():
        raise InvalidInputError(
            path.name, [_problem("manifest", f"no such file in {MANIFESTS.name}/")]
        )
    return Scenario(
        name=path.stem,
        title=content.title,
        manifest=content.manifest,
        manifest_text=manifest.read_text(),
        tags=content.tags,
        nodes=content.nodes,
        pods=content.pods,
        engine=content.engine,
        dns64=content.dns64,
        clat=content.clat,
        faults=content.faults,
        expect=content.expect,
    )


def _problem(field_path: str, detail: str) -> Problem:
    return Problem(
        severity=Severity.ERROR,
        type=ProblemType.INVALID,
        field=field_path,
        detail=detail,
        message=f"{field_path or 'scenario'}: {detail}",
        source=Source.SIXSCOPE,
        remedy="see docs/adding-a-scenario.md for the fields of a scenario",
    )

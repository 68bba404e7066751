"""What a rule is asked: one object, what it was before, and the seed it is meant for."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from dataplane.manifest.fields import Section

DEFAULT_PROFILE = "current"
PROFILES = ("current", "gep21", "proposal")


class Stage(StrEnum):
    """How far an API server has come with an object."""

    VALIDATION = "validation"  # the object alone, on create and on update
    ADMISSION = "admission"  # with the seed it is assigned to
    BOTH = (
        "admission+validation"  # admission where validation found nothing, as upstream's order is
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One object to be judged.

    `top` is the object; what is wrong gathers in `top.problems`. `old` is what it was before an
    update, `seed` the Seed that it is assigned to. Profiles: `current` is today's Gardener, word
    for word; `gep21` the first release with that proposal (v1.63), where `gates` names the enabled
    feature gates; `proposal` is `current` plus the keywords and tuples of "IPv6 for Gardener".
    """

    top: Section
    old: Section | None = None
    seed: Section | None = None
    stage: Stage = Stage.VALIDATION
    profile: str = DEFAULT_PROFILE
    gates: frozenset[str] = frozenset({"IPv6SingleStack"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of object that can be judged.

    `groups` are the API groups it comes from (`core.gardener.cloud`), empty where the object
    carries no apiVersion at all. `judge` adds to the case's problems. `default` returns the
    networking fields that an API server would fill in, as field path to value, None for those
    that it leaves unset.
    """

    name: str
    groups: tuple[str, ...]
    judge: Callable[[Case], None]
    default: Callable[[Case], dict[str, object]] | None = None

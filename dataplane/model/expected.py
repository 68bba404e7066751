"""What may be expected, and on whose word: on a real node there may be nobody to ask."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Witness(StrEnum):
    """Where an expectation comes from; `seed` are the documents "IPv6 for Gardener"."""

    MANIFEST = "manifest"
    SEED = "seed"
    KUBE_API = "kube-api"
    NODE_FILE = "node-file"
    NODE_KERNEL = "node-kernel"
    RUNTIME = "container-runtime"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected(Generic[T]):
    """A value that a check compares with; with source UNKNOWN it is None, and `missing` says what lacks.

    `where` is the file, process or object that said it.
    """

    value: T | None
    source: Witness
    missing: str = ""
    where: str = ""

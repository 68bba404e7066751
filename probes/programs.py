"""Every program of the probes, as it is built for machines without a compiler."""

from dataplane.kernel.bpf import Recipe
from probes import connects, drops, failures
from probes.flows import ENTRIES, SLOTS, Flows
from probes.tracepoints import PLACES, Tracepoints

ANYWHERE = ("SKB_FIRST", "SKB_ROOM", "TAP_MASK")


def recipes() -> tuple[Recipe, ...]:
    """Return them with places that mean nothing: where a field lies is known where it is loaded."""
    fewest, _ = SLOTS
    sighted = {*PLACES, *ANYWHERE} - {"SHARED_SEGMENTS"}
    return (
        Flows.recipe(ENTRIES, fewest, {}),
        Tracepoints.recipe(ENTRIES, fewest, dict.fromkeys(sighted, 0)),
        drops.recipe(dict.fromkeys(drops.FIELDS, 0)),
        failures.recipe(dict.fromkeys(failures.FIELDS, 0)),
        connects.recipe(),
        connects.recipe(nested=True),
    )

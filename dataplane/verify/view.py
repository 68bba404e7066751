"""What each check is shown of the evidence."""

from collections.abc import Iterable

from dataplane.model.evidence import Evidence
from dataplane.model.plan import Plan
from dataplane.model.view import Check, View
from dataplane.verify.journeys import journeys


def views(plan: Plan, evidence: Evidence, checks: Iterable[Check]) -> dict[str, View]:
    """Return one view per check name; the journeys are pieced together once for all of them."""
    taps = {tap.name: tap for tap in evidence.header.taps}
    ways = journeys(evidence.packets, taps.values())
    outcomes = {outcome.stimulus: outcome for outcome in evidence.outcomes}
    built: dict[str, View] = {}
    for check in checks:
        own = tuple(stimulus for stimulus in evidence.stimuli if stimulus.check == check.name)
        built[check.name] = View(
            plan=plan,
            evidence=evidence,
            taps=taps,
            journeys=ways,
            stimuli=own,
            outcomes={s.id: outcomes[s.id] for s in own if s.id in outcomes},
        )
    return built

"""The Shoot of Gardener's core API, its networking rules."""

from dataplane.manifest.case import Case, Kind
from dataplane.manifest.shoot import case as cases
from dataplane.manifest.shoot.validation import GROUP
from dataplane.manifest.shoot.walk import walk
from dataplane.rules.gardener import defaults, masks


def judge(case: Case) -> None:
    """Add what is wrong with a Shoot: object validation, update, admission as far as asked."""
    walk(case)


def default(case: Case) -> dict[str, object]:
    """Return the fields that defaulting is about as an API server leaves them.

    With a seed, `pods` and `services` are as admission completes them.
    """
    found = cases.of(case)
    networking, sizes = found.shoot.networking, found.default_masks(found.shoot)
    families = defaults.families(found.shoot.families or ())
    ranges = found.default_ranges(families)
    result: dict[str, object] = {
        networking.at("ipFamilies"): list(families),
        f"{sizes.path}.{masks.PLAIN}": sizes.plain,
        f"{sizes.path}.{masks.SIX}": sizes.six,
        networking.at("nodes"): networking.values.get("nodes"),
        networking.at("pods"): ranges["pods"],
        networking.at("services"): ranges["services"],
    }
    if found.first_step:  # which had no such field
        del result[f"{sizes.path}.{masks.SIX}"]
    return result


KIND = Kind(name="Shoot", groups=(GROUP,), judge=judge, default=default)

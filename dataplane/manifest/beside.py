"""What stands beside a Shoot in its file, and belongs into its lab: NetworkPolicies, and a Seed.

Each is judged as `validate` judges it. Of a Seed, `blockCIDRs` alone are of interest here.
"""

from dataplane.manifest import objects
from dataplane.manifest.case import Case
from dataplane.manifest.fields import Section
from dataplane.manifest.kinds import kind, networkpolicy
from dataplane.model.address import Network
from dataplane.model.policy import Policy
from dataplane.rules.gocidr import parse_cidr

KINDS = ("NetworkPolicy", "Seed")


def is_beside(top: Section) -> bool:
    """Tell whether a document is one that a lab heeds."""
    return _kind(top) in KINDS and kind(_kind(top), top.text("apiVersion")) is not None


def policies(top: Section) -> tuple[Policy, ...]:
    """Return the policy that a document is; its problems are in the section then."""
    if _kind(top) != networkpolicy.KIND.name or not _sound(top):
        return ()
    return (networkpolicy.read(top),)


def blocked(top: Section) -> tuple[Network, ...]:
    """Return the `blockCIDRs` of the Seed that a document is.

    What is no CIDR blocks nothing: it is warned of, as nobody refuses it.
    """
    if _kind(top) != "Seed" or not _sound(top):
        return ()
    found = []
    for text in objects.filled(top.section("spec").section("networks").texts("blockCIDRs")):
        try:
            found.append(parse_cidr(text).network)
        except ValueError:
            continue
    return tuple(found)


def _kind(top: Section) -> str:
    value = top.values.get("kind")
    return value if isinstance(value, str) else ""


def _sound(top: Section) -> bool:
    """Judge a document; what is said for IPv6's sake is left to the check `policy` to see."""
    before = len(top.problems)
    known = kind(_kind(top), top.text("apiVersion"))
    if known is None:
        return False
    known.judge(Case(top=top))
    return objects.decoded(top, before)

"""Whether what Gardener makes of a Shoot has the Shoot's families and ranges.

Source: GEP-21, "IPv6 Single-Stack Support in Local Gardener": every component respects `ipFamilies`
of the Shoot, the Network resource takes families and ranges over, the API server's DNS record is A
for IPv4 and AAAA for IPv6. Nobody refuses the opposite, so all of this is advice.
"""

from collections.abc import Sequence

from dataplane.model.problem import Problem
from dataplane.rules.fielderror import advice, quoted

_FAMILY_OF = {"A": "IPv4", "AAAA": "IPv6"}


def families(path: str, written: Sequence[str], shoot: Sequence[str]) -> list[Problem]:
    """Check that a Network has the Shoot's families, in the Shoot's order."""
    if list(written) == list(shoot):
        return []
    wanted = ", ".join(shoot)
    detail = f"is [{', '.join(written)}], but the Shoot has [{wanted}]"
    return [advice(path, detail, remedy=f"write ipFamilies: [{wanted}]")]


def network_range(path: str, written: str | None, shoot: str | None) -> list[Problem]:
    """Check that a Network has a range of the Shoot, where both say one."""
    if written is None or shoot is None or written == shoot:
        return []
    detail = f"is {quoted(written[:64])}, but the Shoot has {quoted(shoot[:64])}"
    return [advice(path, detail, remedy="write the Shoot's range")]


def record_type(path: str, written: str, shoot: Sequence[str]) -> list[Problem]:
    """Check that the address record of a Shoot is of one of its families."""
    family = _FAMILY_OF.get(written)
    if family is None or family in shoot:
        return []
    detail = f"{written} is for {family}, which the Shoot does not have"
    remedy = "write A for IPv4, AAAA for IPv6, one DNSRecord for each"
    return [advice(path, detail, remedy=remedy)]

"""The bit budget of "IPv6 for Gardener": what a prefix per VM leaves for zones, VPCs and VMs.

The seed reckons with a /36 per cloud region and whole nibbles for every level of aggregation. The
split is ours: one nibble of zones, three of VPCs, the rest for the VMs of a VPC.
"""

from collections.abc import Iterable

from dataplane.model.cloud import BitBudget, BudgetLevel
from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import advice

REGION = 36
ZONE_BITS, VPC_BITS = 4, 12
USUAL = (64, 80, 96)  # a /64 per VM; AWS; GCP
DANGEROUS = 64  # "using a /64 per VM/node is dangerous", and what is shorter is more so


def budget(vm_prefix: int, *, region: int = REGION, flat: bool = False) -> BitBudget:
    """Return the levels between a region and a VM's prefix; `flat` networks have no VPCs.

    ValueError when there are not even the bits for zones.
    """
    if vm_prefix < region + ZONE_BITS:
        raise ValueError(f"a /{vm_prefix} per VM leaves no bits below a /{region} region")
    levels = []
    start = region
    named = [("zone", ZONE_BITS)] if flat else [("zone", ZONE_BITS), ("VPC", VPC_BITS)]
    for name, bits in named:
        end = min(start + bits, vm_prefix)
        levels.append(BudgetLevel(name=name, start=start, end=end))
        start = end
    levels.append(BudgetLevel(name="VM", start=start, end=vm_prefix))
    levels.append(BudgetLevel(name="inside", start=vm_prefix, end=128))
    return BitBudget(region=region, vm_prefix=vm_prefix, levels=tuple(levels))


def budgets(vm_prefix: int | None, *, flat: bool = False) -> tuple[BitBudget, ...]:
    """Return the budgets of the usual prefixes, and of a plan's own where that is another one."""
    own = () if vm_prefix is None or vm_prefix < REGION + ZONE_BITS else (vm_prefix,)
    return tuple(budget(length, flat=flat) for length in sorted({*USUAL, *own}))


def warn(vm_prefix: int | None, *, flat: bool) -> list[Problem]:
    """Return the seed's warning about a /64 per VM; a flat network without VPCs may have it."""
    if vm_prefix is None or vm_prefix > DANGEROUS or flat:
        return []
    bits = vm_prefix - REGION
    left = (
        f"leaves {bits} bits ({bits // 4} nibbles) below a /{REGION} region"
        if bits > 0
        else (f"is not even inside a /{REGION} region")
    )
    detail = f"a /{vm_prefix} per VM {left}: zones, VPCs and VMs easily run out of them"
    remedy = (
        "take a longer prefix per VM (/80, /96), or plan a flat network without VPCs (vpc: none)"
    )
    return [advice("spec.networking.nodes", detail, remedy=remedy, source=Source.SEED)]


def render_budget(rows: Iterable[BitBudget]) -> list[tuple[str, ...]]:
    """Return a table of texts, head first: one row per prefix length."""
    head = ("VM GETS", "BITS", "NIBBLES", "ZONES", "VPCS PER ZONE", "VMS PER VPC", "ADDRESSES")
    table: list[tuple[str, ...]] = [head]
    for row in rows:
        counted = [row.level(name) for name in ("zone", "VPC", "VM", "inside")]
        table.append(
            (
                f"/{row.vm_prefix}",
                str(row.bits),
                str(row.nibbles),
                *("none" if level is None else count(level.bits) for level in counted),
            )
        )
    return table


def count(bits: int) -> str:
    """Return 2 to the power of `bits`: as a number while that can be read."""
    return str(1 << bits) if bits <= 20 else f"2^{bits}"

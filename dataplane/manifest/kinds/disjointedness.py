"""The ranges of a Shoot against those of a seed, or each other, without any object around them.

No kinds of an API: the functions of upstream's `pkg/utils/validation/cidr/disjoint.go`, as tests
call them. Fields are seen from the networking section.
"""

from dataplane.manifest.case import Case, Kind
from dataplane.manifest.fields import Section
from dataplane.manifest.shoot.admission import readable, seed_ranges
from dataplane.rules.gardener import admission, shoot
from dataplane.rules.gardener.shoot import Range


def _ranges(section: Section) -> list[Range]:
    """Return the ranges of a section, each one text or a list of them."""
    found: list[Range] = []
    for kind in shoot.KINDS:
        if isinstance(section.values.get(kind), list):
            texts = section.texts(kind) or ()
        else:
            text = section.text(kind)
            texts = () if text is None else (text,)
        found += readable(kind, kind, texts)
    return found


def _shoot(case: Case) -> Section:
    return case.top.section("shoot") if "shoot" in case.top else case.top


def _judge_seed(case: Case) -> None:
    """ValidateNetworkDisjointedness, ValidateMultiNetworkDisjointedness."""
    theirs = seed_ranges(case.seed or case.top.section("seed"))
    check = admission.from_seed_v1_63 if case.profile == "gep21" else admission.from_seed
    case.top.add(check(_ranges(_shoot(case)), theirs))


def _judge_shoot(case: Case) -> None:
    """ValidateShootNetworkDisjointedness."""
    case.top.add(admission.within_shoot(_ranges(_shoot(case))))


KINDS = (
    Kind(name="NetworkDisjointedness", groups=(), judge=_judge_seed),
    Kind(name="ShootDisjointedness", groups=(), judge=_judge_shoot),
)

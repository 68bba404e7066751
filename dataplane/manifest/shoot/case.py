"""A Shoot that is judged: as it is written, as it was, and by whose rules."""

from collections.abc import Sequence
from dataclasses import dataclass

from dataplane.manifest.case import Case, Stage
from dataplane.manifest.fields import Section
from dataplane.manifest.shoot import spec
from dataplane.manifest.shoot.spec import ShootSpec
from dataplane.rules.gardener import defaults, masks
from dataplane.rules.gardener.masks import Masks
from dataplane.rules.gardener.shoot import KINDS

GATE = "IPv6SingleStack"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShootCase:
    """A Shoot to be judged; `old` is None on create.

    `building` is for those who want a lab of it: what cannot work is an error then, though nobody
    refuses the object.
    """

    shoot: ShootSpec
    old: ShootSpec | None
    seed: Section | None
    stage: Stage
    profile: str
    gate: bool
    building: bool

    @property
    def first_step(self) -> bool:
        """Tell whether the first release with GEP-21 judges; it had no workerless Shoots."""
        return self.profile == "gep21"

    @property
    def workerless(self) -> bool:
        """Tell whether the Shoot has no workers, and need not."""
        return self.shoot.workerless and not self.first_step

    def masks(self, written: ShootSpec) -> Masks:
        """Return the node masks that are validated; the first release is judged with its defaults."""
        return self.default_masks(written) if self.first_step else written.masks

    def default_masks(self, written: ShootSpec) -> Masks:
        """Return the node masks of the Shoot, or of what it was, with their defaults."""
        if written.workerless and not self.first_step:
            return written.masks
        most = written.most_pods(default=masks.DEFAULT_MAX_PODS)
        families = written.families or ()
        return masks.defaulted(written.masks, families, most, profile=self.profile)

    def default_ranges(self, families: Sequence[str]) -> dict[str, str | None]:
        """Return `pods` and `services` as admission completes them from the seed, if there is one."""
        written = {kind: _text(self.shoot.networking, kind) for kind in KINDS}
        if self.seed is None:
            return written
        section = self.seed.section("spec").section("networks").section("shootDefaults")
        given = {kind: _text(section, kind) for kind in KINDS}
        if self.first_step:
            return defaults.ranges_v1_63(written, given)
        metadata = self.shoot.top.section("metadata")
        names = (_text(metadata, key) or "" for key in ("namespace", "name"))
        return defaults.ranges(
            written,
            given,
            families,
            workerless=self.workerless,
            key="/".join(names).encode("utf-8", "surrogatepass"),
        )


def of(case: Case, *, building: bool = False) -> ShootCase:
    """Return the Shoot of a case; values of the wrong type become its problems."""
    return ShootCase(
        shoot=spec.read(case.top),
        old=spec.former(case.old) if case.old else None,
        seed=case.seed,
        stage=case.stage,
        profile=case.profile,
        gate=GATE in case.gates,
        building=building,
    )


def _text(section: Section, key: str) -> str | None:
    value = section.values.get(key)
    return value if isinstance(value, str) else None

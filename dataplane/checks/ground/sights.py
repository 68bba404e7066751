"""Where the probes could see, so that "not seen there" may be said at all."""

from dataplane.model.seen import PacketSeen
from dataplane.model.topology import Point, Tap
from dataplane.model.view import Journey, View


class Sights:
    """The taps of a view by point and owner, and whether one probe saw everything at them."""

    def __init__(self, view: View, probe: str = "stamps") -> None:
        self.taps = view.taps
        complete: dict[str, bool] = {}
        for report in view.evidence.reports:
            if report.probe == probe:
                clean = not (report.blind or report.lost or report.evicted)
                complete[report.where] = complete.get(report.where, True) and clean
        self._complete = complete
        self._places: dict[tuple[Point, str], list[Tap]] = {}
        for tap in view.taps.values():
            self._places.setdefault((tap.point, tap.owner), []).append(tap)

    def watched(self, point: Point, owner: str) -> bool:
        """Tell whether absence at this place means something: every tap there saw everything."""
        taps = self._places.get((point, owner), [])
        return bool(taps) and all(self._complete.get(tap.name, False) for tap in taps)

    def owners(self, point: Point) -> tuple[str, ...]:
        """Return the owners of the taps at a point, each once."""
        return tuple(dict.fromkeys(owner for at, owner in self._places if at is point))

    def point(self, hop: PacketSeen) -> Point | None:
        """Return at which point a hop was seen, None for a tap that the header does not name."""
        tap = self.taps.get(hop.tap)
        return None if tap is None else tap.point

    def owner(self, hop: PacketSeen) -> str:
        """Return whose tap a hop was seen at."""
        tap = self.taps.get(hop.tap)
        return hop.tap if tap is None else tap.owner

    def place_of(self, tap: str) -> tuple[Point, str] | None:
        """Return a tap's point and owner, None for a tap that the header does not name."""
        found = self.taps.get(tap)
        return None if found is None else (found.point, found.owner)

    def hops(
        self, journey: Journey, point: Point, *, leaving: bool, owner: str | None = None
    ) -> tuple[PacketSeen, ...]:
        """Return a journey's hops at a point, in one direction (of one owner)."""
        return tuple(
            hop
            for hop in journey.hops
            if hop.leaving is leaving
            and self.point(hop) is point
            and (owner is None or self.owner(hop) == owner)
        )

    def hop(
        self, journey: Journey, point: Point, *, leaving: bool, owner: str | None = None
    ) -> PacketSeen | None:
        """Return the first of a journey's hops at a point, None when it was not seen there."""
        return next(iter(self.hops(journey, point, leaving=leaving, owner=owner)), None)

    def trail(self, journey: Journey) -> str:
        """Return a journey in words: where it was seen, in which direction, when (ms)."""
        begin = journey.hops[0].time_ns
        return ", ".join(
            f"{self.place(hop)} +{(hop.time_ns - begin) / 1e6:.2f} ms" for hop in journey.hops
        )

    def place(self, hop: PacketSeen) -> str:
        """Return one hop's place and direction in words."""
        point = self.point(hop)
        where = hop.tap if point is None else f"{self.owner(hop)} {point}"
        return f"{'leaving' if hop.leaving else 'reaching'} {where}"

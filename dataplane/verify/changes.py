"""What was done to a packet between two sights of it, told from its headers alone."""

from collections.abc import Iterator

from dataplane.model.topology import Point, Tap
from dataplane.model.trace import By, Change, Hop, Rewritten


def change(before: Hop, after: Hop, came: Tap, at: Tap, way: str) -> Change | None:
    """Return what was done to a packet since `before`, None where nothing was.

    `came` and `at` are the taps of the two sights, `way` is "request" or "answer".
    """
    undone = way == "answer"
    fields = tuple(_fields(before, after))
    by = _by(before, after, (came, at), undone=undone)
    if by is None:
        if before.hop_limit is None or after.hop_limit is None:
            return None if came.namespace == at.namespace else Change(by=By.ROUTED, fields=fields)
        passed = before.hop_limit - after.hop_limit
        if passed <= 0:
            return Change(by=By.ROUTED, fields=fields) if fields else None
        known = {came.namespace} if not before.egress else set()
        known |= {at.namespace} if after.egress else set()
        return Change(by=By.ROUTED, fields=fields, hidden=max(0, passed - len(known)))
    return Change(by=by, undone=undone, fields=fields)


def _by(before: Hop, after: Hop, taps: tuple[Tap, Tap], *, undone: bool) -> By | None:
    if before.family is not after.family:
        return _translator(before, taps, undone=undone)
    source = (before.source, before.source_port) != (after.source, after.source_port)
    destination = (before.destination, before.destination_port) != (
        after.destination,
        after.destination_port,
    )
    if source and destination:
        return By.BOTH
    if undone:  # what was done to the source is undone at the destination
        source, destination = destination, source
    if source:
        return By.MASQUERADE
    return By.DNAT if destination else None


def _translator(before: Hop, taps: tuple[Tap, Tap], *, undone: bool) -> By:
    """Tell a stateless translator at the client from the stateful one (RFC 6877 section 6)."""
    points = {tap.point for tap in taps}
    if Point.TRANSLATOR in points and Point.CLAT not in points:
        return By.NAT64
    if Point.CLAT in points and Point.TRANSLATOR not in points:
        return By.CLAT
    # Neither device is watched: a CLAT makes IPv6 of a request, a NAT64 makes IPv4 of it.
    to_six = before.family.bits == 32
    return By.CLAT if to_six != undone else By.NAT64


def _fields(before: Hop, after: Hop) -> Iterator[Rewritten]:
    if before.family is not after.family:
        yield Rewritten(field="family", before=str(before.family), after=str(after.family))
    for name in ("source", "source_port", "destination", "destination_port", "length"):
        was, is_now = getattr(before, name), getattr(after, name)
        if was != is_now and (name != "length" or (was and is_now)):
            yield Rewritten(field=name.replace("_", " "), before=str(was), after=str(is_now))
    if None not in (before.hop_limit, after.hop_limit) and before.hop_limit != after.hop_limit:
        yield Rewritten(field="hop limit", before=str(before.hop_limit), after=str(after.hop_limit))

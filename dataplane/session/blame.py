"""Who changed a source: the node's rules, read when there is something to blame them for."""

from collections.abc import Callable, Iterable

from dataplane.model.seen import PacketSeen
from dataplane.model.topology import Tap
from dataplane.rules.gardener.translations import healthy
from dataplane.rules.natrules import (
    KUBE_PROXY,
    Design,
    NatPacket,
    NatRule,
    Rules,
    design,
    responsible,
)

FRESH_S = 5.0  # seconds that a reading is good for: rules come and go with pods
UNEXPLAINED_S = 1.0  # and where it does not explain what was seen
MOST = 10_000  # changes whose rule is remembered
NOBODY = "no rule that nft lists explains it (eBPF may)"
GONE = "; it is not there any more"


class Blame:
    """Finds the rule behind a changed source. `read` gives the rules, or None and why not."""

    def __init__(
        self, read: Callable[[], tuple[Rules | None, str]], clock: Callable[[], float]
    ) -> None:
        self._read, self._clock = read, clock
        self._rules: Rules | None = None
        self._trouble, self._read_at = "", float("-inf")
        self._interfaces: dict[str, str] = {}
        self._found: dict[tuple[object, ...], str] = {}

    def know(self, taps: Iterable[Tap]) -> None:
        """Learn which interface each tap is."""
        self._interfaces |= {tap.name: tap.interface for tap in taps}

    def __call__(self, pod: PacketSeen, out: PacketSeen) -> tuple[str, str]:
        """Return the rule that changed a packet's source, and whose design that is, in words.

        Where none of the node's explains it that is said, and why where they could not be read; a rule
        that explained an earlier packet of the same change is told as one that has gone. A design is
        empty where nobody is known to have one.
        """
        known = healthy(pod.source, pod.destination, out.source, out.destination)
        named = f"by design of {known.component}: {known.reason}" if known else ""
        change = pod.tap, pod.source, out.source, out.destination, out.destination_port
        rules = self._responsible(pod, out)
        if self._rules is None:
            return f"the rule is not known: {self._trouble}", named
        if not rules:
            earlier = self._found.get(change)
            return NOBODY if earlier is None else f"{earlier}{GONE}", named
        whose = next(iter(rules.values()))
        if not named and whose is not None and all(one == whose for one in rules.values()):
            named = f"by design of {whose.component}: {whose.reason}" if whose.healthy else ""
        told = " or ".join(_worded(rule, whose) for rule, whose in rules.items())
        if len(self._found) < MOST:
            self._found[change] = told
        return told, named

    def _responsible(self, pod: PacketSeen, out: PacketSeen) -> dict[NatRule, Design | None]:
        """Return the rules that explain a change; where none does, those of a newer reading."""
        found = self._explaining(pod, out, FRESH_S)
        return found or self._explaining(pod, out, UNEXPLAINED_S)

    def _explaining(
        self, pod: PacketSeen, out: PacketSeen, fresh: float
    ) -> dict[NatRule, Design | None]:
        if self._clock() - self._read_at > fresh:
            self._rules, self._trouble = self._read()
            self._read_at = self._clock()
        if self._rules is None:
            return {}
        translated = pod.destination != out.destination
        return {
            rule: design(rule)
            for rule in responsible(self._rules, self._packet(pod, out))
            if translated or design(rule) is not KUBE_PROXY  # which marks packets to Services only
        }

    def _packet(self, pod: PacketSeen, out: PacketSeen) -> NatPacket:
        return NatPacket(
            source=pod.source,
            destination=out.destination,
            protocol=out.protocol,
            source_port=pod.source_port,
            destination_port=out.destination_port,
            in_interface=self._interfaces.get(pod.tap, pod.tap),
            out_interface=self._interfaces.get(out.tap, out.tap),
        )


def _worded(rule: NatRule, whose: Design | None) -> str:
    return rule.worded if whose is None else f"{rule.worded} of {whose.component}, {whose.reason}"

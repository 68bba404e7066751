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


class Blame:
    """Finds the rule behind a changed source. `read` gives the rules, or None and why not."""

    def __init__(
        self, read: Callable[[], tuple[Rules | None, str]], clock: Callable[[], float]
    ) -> None:
        self._read, self._clock = read, clock
        self._rules: Rules | None = None
        self._trouble, self._read_at = "", float("-inf")
        self._interfaces: dict[str, str] = {}

    def know(self, taps: Iterable[Tap]) -> None:
        """Learn which interface each tap is."""
        self._interfaces |= {tap.name: tap.interface for tap in taps}

    def __call__(self, pod: PacketSeen, out: PacketSeen) -> tuple[str, str]:
        """Return the rule that changed a packet's source, and whose design that is, in words.

        A rule is empty where none of the node's explains it, with the reason why where they could
        not be read; a design is empty where nobody is known to have one.
        """
        known = healthy(pod.source, pod.destination, out.source, out.destination)
        named = f"by design of {known.component}: {known.reason}" if known else ""
        if self._clock() - self._read_at > FRESH_S:
            self._rules, self._trouble = self._read()
            self._read_at = self._clock()
        if self._rules is None:
            return f"the rule is not known: {self._trouble}", named
        translated = pod.destination != out.destination
        rules = {
            rule: design(rule)
            for rule in responsible(self._rules, self._packet(pod, out))
            if translated or design(rule) is not KUBE_PROXY  # which marks packets to Services only
        }
        if not rules:
            return "no rule that nft lists explains it (eBPF may)", named
        whose = next(iter(rules.values()))
        if not named and whose is not None and all(one == whose for one in rules.values()):
            named = f"by design of {whose.component}: {whose.reason}" if whose.healthy else ""
        return " or ".join(_worded(rule, whose) for rule, whose in rules.items()), named

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

"""Programs of others on a node, each counting the datagrams that it saw: an agent that replaces its own too."""

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from dataplane.kernel import bpf, bpfcall, clsact, netns
from dataplane.kernel.clsact import Parent, TrafficControl
from dataplane.kernel.hooks import BPF_F_BEFORE, Direction
from tests.bpf.live import eventually
from tests.netns.attach.conftest import OUTSIDE, Node

PORT = 7777
NLM_F_REPLACE = 0x100
EVERY = 0.02  # seconds between two replacements
PAUSE = 0.002  # seconds between two datagrams
# Filters end with "ok", as those of CNIs do; TCX programs leave the packet to whoever comes next.
COUNTING = f"""
BPF_TABLE("percpu_array", u32, u64, hits, 8);
static inline int count(struct __sk_buff *skb, u32 who) {{
  u8 next = 0;
  u16 port = 0;
  bpf_skb_load_bytes(skb, 20, &next, 1);
  bpf_skb_load_bytes(skb, 56, &port, 2);
  u64 *seen = hits.lookup(&who);
  if (next == 17 && port == bpf_htons({PORT}) && seen) *seen += 1;
  return 0;
}}
int cil_from(struct __sk_buff *skb) {{ return count(skb, 0); }}
int behind(struct __sk_buff *skb) {{ return count(skb, 1) - 1; }}
int agent_a(struct __sk_buff *skb) {{ return count(skb, 2); }}
int agent_b(struct __sk_buff *skb) {{ return count(skb, 2); }}
int chain_a(struct __sk_buff *skb) {{ return count(skb, 3) - 1; }}
int chain_b(struct __sk_buff *skb) {{ return count(skb, 3) - 1; }}
int ahead(struct __sk_buff *skb) {{ return count(skb, 4) - 1; }}
"""
NAMES = ("cil_from", "behind", "agent_a", "agent_b", "chain_a", "chain_b", "ahead")
ALWAYS = {"cil_from": 0, "behind": 1, "agent": 2, "chain": 3}
AHEAD = 4


class More(IntEnum):
    """A command of bpf(2) that the project itself has no use for."""

    LINK_UPDATE = 29


@dataclass
class Strangers:
    """What others have on a node. Everything that was `sent` by `send` has to be counted by each of them."""

    node: Node
    module: bpf.Module
    control: TrafficControl
    indexes: dict[str, int]
    sender: socket.socket
    sent: int = 0
    replaced: int = 0
    links: dict[str, int] = field(default_factory=dict)

    def send(self) -> None:
        """Send one datagram from the pod to the outside."""
        self.sender.sendto(b"%d" % self.sent, (OUTSIDE, PORT))
        self.sent += 1

    def counted(self) -> dict[str, int]:
        """Return how many datagrams each of those that are always there has seen."""
        return {name: self.hits(number) for name, number in ALWAYS.items()}

    def hits(self, number: int) -> int:
        """Return how many datagrams were counted in one place."""
        return self.module.table("hits").sums(struct.pack("=I", number))["value"]

    def all_counted(self) -> bool:
        """Tell whether each of them has seen all that was sent, once what is under way has arrived."""
        wanted = dict.fromkeys(ALWAYS, self.sent)
        return eventually(self.counted, wanted, seconds=10) == wanted

    def put(self, interface: str, program: str, *, parent: Parent, replace: bool = True) -> None:
        """Set a filter at preference 1 with handle 1, or put another program in its place."""
        options = (
            clsact._attribute(clsact.TCA_BPF_FD, struct.pack("=I", self.module.program(program)))
            + clsact._attribute(clsact.TCA_BPF_NAME, b"cil\0")
            + clsact._attribute(
                clsact.TCA_BPF_FLAGS, struct.pack("=I", clsact.TCA_BPF_FLAG_ACT_DIRECT)
            )
        )
        self.control._change(
            clsact.RTM_NEWTFILTER,
            clsact.NLM_F_CREATE | (NLM_F_REPLACE if replace else clsact.NLM_F_EXCL),
            clsact._filter(self.indexes[interface], parent, 1)
            + clsact._attribute(clsact.TCA_KIND, b"bpf\0")
            + clsact._attribute(clsact.TCA_OPTIONS, options),
        )

    def link(self, interface: str, direction: Direction, program: str, *, flags: int = 0) -> int:
        """Put a program into the TCX chain; return the link."""
        return netns.call(
            self.node.name,
            lambda: bpfcall.link(
                self.module.program(program), self.indexes[interface], direction.tcx, flags=flags
            ),
        )

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Have one more program at the very head of the uplink's chain, before whoever is there."""
        link = self.link(self.node.uplink, Direction.EGRESS, "ahead", flags=BPF_F_BEFORE)
        try:
            yield
        finally:
            os.close(link)

    def replace(self, over: threading.Event) -> None:
        """Replace own programs again and again, as an agent does that was restarted."""
        while not over.wait(EVERY):
            one = "ab"[self.replaced % 2]
            self.put(self.node.uplink, f"agent_{one}", parent=Parent.EGRESS)
            attributes = struct.pack(
                "=IIII", self.links["chain"], self.module.program(f"chain_{one}"), 0, 0
            )
            bpfcall.call(More.LINK_UPDATE, attributes)  # type: ignore[arg-type] - see More
            self.replaced += 1


@contextmanager
def strangers(node: Node, directory: Path) -> Iterator[Strangers]:
    """Put everything of others on a node, and have the agent replace its own while the body runs."""
    source = directory / "strangers.c"
    source.write_text(COUNTING)
    entries = [bpf.Entry(name=name, type=bpf.ProgramType.SCHED_CLS) for name in NAMES]
    with ExitStack() as stack:
        module = stack.enter_context(bpf.load(source, entries))
        control = stack.enter_context(netns.call(node.name, TrafficControl))
        sender = stack.enter_context(
            netns.call(node.pod, socket.socket, socket.AF_INET6, socket.SOCK_DGRAM)
        )
        names = netns.call(node.name, socket.if_nameindex)
        made = Strangers(node, module, control, {name: index for index, name in names}, sender)
        for interface in (node.pod_interface, node.uplink):
            assert control.add_qdisc(made.indexes[interface])
        made.put(node.pod_interface, "cil_from", parent=Parent.INGRESS, replace=False)
        made.put(node.uplink, "agent_a", parent=Parent.EGRESS, replace=False)
        made.links["behind"] = made.link(node.pod_interface, Direction.INGRESS, "behind")
        made.links["chain"] = made.link(node.uplink, Direction.EGRESS, "chain_a")
        for link in made.links.values():
            stack.callback(os.close, link)
        over = threading.Event()
        agent = threading.Thread(target=made.replace, args=(over,))
        agent.start()
        stack.callback(agent.join)
        stack.callback(over.set)
        yield made

"""What belongs to no network namespace, for comparing: programs on the control groups' root, BPF links."""

import os
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

from dataplane.kernel import bpfcall
from dataplane.kernel.netstate import Things, Where, program

# enum bpf_attach_type, of include/uapi/linux/bpf.h
CGROUP_HOOKS = {
    0: "inet_ingress", 1: "inet_egress", 2: "inet_sock_create", 3: "sock_ops", 6: "device",
    8: "inet4_bind", 9: "inet6_bind", 10: "inet4_connect", 11: "inet6_connect",
    12: "inet4_post_bind", 13: "inet6_post_bind", 14: "udp4_sendmsg", 15: "udp6_sendmsg",
    18: "sysctl", 19: "udp4_recvmsg", 20: "udp6_recvmsg", 21: "getsockopt", 22: "setsockopt",
    29: "inet4_getpeername", 30: "inet6_getpeername", 31: "inet4_getsockname",
    32: "inet6_getsockname", 34: "inet_sock_release",
}  # fmt: skip
LINKS = {1: "raw tracepoint", 2: "tracing", 3: "cgroup", 5: "netns", 6: "XDP", 11: "TCX"}


def cgroup_programs(root: Path) -> Things:
    """Return the programs attached to a control group of version 2, by hook, first to last."""
    found: Things = {}
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for hook, name in CGROUP_HOOKS.items():
            with suppress(OSError):  # this kernel has no such hook
                there = bpfcall.attached(descriptor, hook).programs
                if there:
                    found[Where("", f"root of control groups, {name}")] = ", ".join(
                        map(program, there)
                    )
    finally:
        os.close(descriptor)
    return found


def bpf_links(programs: Container[int]) -> Things:
    """Return the machine's BPF links of these programs (ids), whoever holds them; none before Linux 5.8."""
    found: Things = {}
    with suppress(OSError):
        for number, kind, of in bpfcall.links():
            if of in programs:
                kind_of = LINKS.get(kind, f"type {kind}")
                found[Where("", f"link {number}")] = f"{kind_of}, {program(of)}"
    return found

"""A probe changes nothing: read from the instructions that the kernel is given."""

import importlib
import struct
from pathlib import Path

import pytest

from dataplane.kernel import bpf, bpfcall
from tests.bpf import bytecode
from tests.bpf.bytecode import CTX, OTHER, PACKET

pytestmark = pytest.mark.needs("root", "bpf")

# By number of `enum bpf_func_id`: none of these changes, redirects, drops or delays a packet.
HARMLESS = {
    1: "map_lookup_elem",
    2: "map_update_elem",
    3: "map_delete_elem",
    5: "ktime_get_ns",
    14: "get_current_pid_tgid",
    16: "get_current_comm",
    26: "skb_load_bytes",
    46: "get_socket_cookie",
    59: "sock_ops_cb_flags_set",
    80: "get_current_cgroup_id",
    95: "sk_fullsock",
    113: "probe_read_kernel",
    118: "jiffies64",
    120: "get_ns_current_pid_tgid",
    122: "get_netns_cookie",
    130: "ringbuf_output",
    131: "ringbuf_reserve",
    132: "ringbuf_submit",
    133: "ringbuf_discard",
    160: "ktime_get_coarse_ns",
}
SOURCES = sorted((Path(__file__).resolve().parents[2] / "probes" / "bpf").glob("*.c"))
SCHED_CLS, RAW_TRACEPOINT = 3, 17
NEVER_WRITE = {
    8,
    9,
    13,
    17,
    18,
}  # CGROUP_SKB, CGROUP_SOCK, SOCK_OPS, RAW_TRACEPOINT, CGROUP_SOCK_ADDR (net/core/filter.c, kernel/trace/bpf_trace.c)
TC_ACT_UNSPEC, ALLOW, NOTHING = -1, 1, 0
RESULTS = {SCHED_CLS: TC_ACT_UNSPEC, RAW_TRACEPOINT: NOTHING}


@pytest.fixture(scope="module", params=[source.stem for source in SOURCES])
def module(request):
    """Every program file, loaded by the probe that has its name, which is given nothing to watch."""
    name = request.param.title().replace("_", "")
    probe = getattr(importlib.import_module(f"probes.{request.param}"), name)
    with probe.open({}) as opened:
        yield opened.module


def test_programs_call_nothing_that_changes_and_say_next(module):
    assert module.programs
    for program in module.programs:
        kind = bpfcall.program_info(module.program(program)).type
        facts = bytecode.facts(bytecode.decode(module.instructions(program)))
        assert facts.helpers <= HARMLESS.keys(), program
        assert facts.results == {RESULTS.get(kind, ALLOW)}, program
        assert facts.writes.isdisjoint({CTX, PACKET}), program
        assert facts.local_calls == 0, program


def test_the_verifier_saw_no_write_to_a_packet(module):
    """Before a program that writes to packet data, the verifier puts code that unshares the packet."""
    for program in module.programs:
        info = bpfcall.program_info(module.program(program), instructions=True)
        if info.type in NEVER_WRITE:
            continue
        assert info.type == SCHED_CLS
        first, given = info.instructions[:8], module.instructions(program)[:8]
        assert bytecode.decode(given)[0].kind in (bytecode.ALU64, bytecode.STX, bytecode.ST)
        assert first == given


WRONG = {
    "drops": "return skb->len > 100 ? 2 : -1;",
    "writes_context": "skb->mark = 1; return -1;",
    "writes_packet": """
      u8 *data = (u8 *)(long)skb->data, *end = (u8 *)(long)skb->data_end;
      if (data + 14 > end) return -1;
      data[3] = 7;
      return -1;""",
    "stores": "u8 zero = 0; bpf_skb_store_bytes(skb, 0, &zero, 1, 0); return -1;",
    "redirects": "return bpf_redirect(1, 0);",
}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    source = tmp_path_factory.mktemp("c") / "wrong.c"
    source.write_text(
        "".join(f"int {n}(struct __sk_buff *skb) {{ {b} }}\n" for n, b in WRONG.items())
    )
    entries = [bpf.Entry(name=name, type=bpf.ProgramType.SCHED_CLS) for name in WRONG]
    with bpf.load(source, entries) as module:
        yield module


@pytest.mark.parametrize("name", WRONG)
def test_the_reader_sees_what_a_wrong_program_does(wrong, name):
    facts = bytecode.facts(bytecode.decode(wrong.instructions(name)))
    assert {
        "drops": facts.results == {-1, 2},
        "writes_context": CTX in facts.writes,
        "writes_packet": PACKET in facts.writes,
        "stores": 9 in facts.helpers,
        "redirects": 23 in facts.helpers and facts.results == {OTHER},
    }[name]


def test_the_verifiers_mark_is_there_when_a_program_writes(wrong):
    info = bpfcall.program_info(wrong.program("writes_packet"), instructions=True)
    assert info.instructions[:8] != wrong.instructions("writes_packet")[:8]
    assert info.name == "writes_packet"
    assert struct.unpack("<Q", info.tag)[0]

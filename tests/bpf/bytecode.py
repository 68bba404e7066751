"""A reader of eBPF instructions that follows what registers hold: enough to prove what a program
cannot do. Instruction encoding: the kernel's Documentation/bpf/standardization/instruction-set.rst.
"""

import struct
from dataclasses import dataclass

CTX, PACKET, OTHER = "context", "packet", "other"
SKB_DATA, SKB_DATA_END, SKB_DATA_META = 76, 80, 140  # struct __sk_buff, linux/bpf.h
LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)
CALL, EXIT, JA = 0x85, 0x95, 0x05
MOV_K, MOV_X, MOV32_K, MOV32_X = 0xB7, 0xBF, 0xB4, 0xBC
LOAD_64 = 0x18


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction; a 64-bit load takes two places, and the second one is None in a program."""

    code: int
    destination: int
    source: int
    offset: int
    immediate: int

    @property
    def kind(self):
        return self.code & 7


def decode(data):
    """Return the program as a list with one place per 8 octets."""
    found, wide = [], False
    for code, registers, offset, immediate in struct.iter_unpack("<BBhi", data):
        found.append(
            None if wide else Instruction(code, registers & 15, registers >> 4, offset, immediate)
        )
        wide = not wide and code == LOAD_64
    return found


def _int(value):
    """Return a register's low half as a program's result is read: a signed 32-bit number."""
    return (value & 0xFFFFFFFF) - (value & 0x80000000) * 2


@dataclass(slots=True)
class Facts:
    """What a program can do: helpers by number, what it may return, what it writes to."""

    helpers: set
    results: set
    writes: set
    local_calls: int = 0


def facts(program):
    """Follow every path, joining what registers and stack slots may hold."""
    found = Facts(helpers=set(), results=set(), writes=set())
    start = {register: frozenset() for register in range(11)}
    start[1], start[10] = frozenset({CTX}), frozenset({"stack"})
    states, todo = {0: start}, [0]
    while todo:
        at = todo.pop()
        instruction, state = program[at], dict(states[at])
        for following in _step(found, instruction, state, at):
            before = states.get(following)
            joined = state if before is None else _join(before, state)
            if joined != before:
                states[following] = dict(joined)
                todo.append(following)
    return found


def _join(one, other):
    return {
        place: one.get(place, frozenset()) | other.get(place, frozenset())
        for place in one.keys() | other.keys()
    }


def _step(found, instruction, state, at):
    """Change the state as the instruction does and return where it goes on."""
    code, kind = instruction.code, instruction.kind
    if code == EXIT:
        found.results |= state[0]
        return []
    if code == CALL:
        if instruction.source:
            found.local_calls += 1
        found.helpers.add(instruction.immediate)
        for register in range(6):
            state[register] = frozenset({OTHER}) if register == 0 else frozenset()
        return [at + 1]
    if kind in (JMP, JMP32):
        target = at + 1 + instruction.offset
        return [target] if code == JA else [at + 1, target]
    if kind in (ST, STX):
        _write(found, instruction, state)
        return [at + 1]
    state[instruction.destination] = _value(instruction, state)
    return [at + (2 if code == LOAD_64 else 1)]


def _write(found, instruction, state):
    base = state[instruction.destination]
    found.writes |= base
    if "stack" in base:
        plain = instruction.kind == STX and instruction.code >> 5 == 3  # not atomic
        value = state[instruction.source] if plain else frozenset({OTHER})
        place = ("stack", instruction.offset)
        state[place] = value | (state.get(place, frozenset()) if base != {"stack"} else frozenset())


def _value(instruction, state):
    code, source = instruction.code, state[instruction.source]
    if code in (MOV_X, MOV32_X):
        return source
    if code in (MOV_K, MOV32_K) or (code == LOAD_64 and not instruction.source):
        return frozenset({_int(instruction.immediate)})
    if instruction.kind == LDX and CTX in source:
        pointer = instruction.offset in (SKB_DATA, SKB_DATA_END, SKB_DATA_META)
        return frozenset({PACKET, OTHER}) if pointer else frozenset({OTHER})
    if instruction.kind == LDX and "stack" in source:
        return state.get(("stack", instruction.offset), frozenset({OTHER}))
    if instruction.kind in (ALU, ALU64):
        # arithmetic on a pointer leaves a pointer; on anything else, an unknown number
        operands = state[instruction.destination] | (source if code & 8 else frozenset())
        return (operands & {CTX, PACKET, "stack"}) | {OTHER}
    return frozenset({OTHER})

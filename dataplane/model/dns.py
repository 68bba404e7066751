"""What a packet said about a name, to whom, and when."""

from dataclasses import dataclass
from typing import Literal

from dataplane.model.address import Address, Family


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSeen:
    """A DNS message over UDP at a tap (RFC 1035 section 4.1): a question, or with `response` its answer.

    `name` and `type` are the question's, the name in lower case without its last dot; a type or an
    rcode that has no name here is a number. `rcode` is empty in questions. `addresses` are those of
    the answer section, in its order. `whole` is false where the message was cut off, by its sender
    or because it is longer than what is kept of it: then it may have more addresses.
    """

    kind: Literal["dns"] = "dns"
    tap: str
    leaving: bool
    time_ns: int
    family: Family
    source: Address
    destination: Address
    source_port: int
    destination_port: int
    identifier: int
    response: bool
    name: str
    type: str
    rcode: str = ""
    addresses: tuple[Address, ...] = ()
    whole: bool = True

"""What the endpoint is allowed to be: where it listens, who may ask, how much it will bear."""

import hmac
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path

from dataplane.model.address import Address

PORT = 8464
LOCALHOST = "localhost"
LOOPBACK = ("127.0.0.1", "::1")
# Written down here: whether `is_loopback` is true of ::ffff:127.0.0.1 differs between Pythons.
_LOOPBACK_NETWORKS = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
TOKEN_VARIABLE = "SIXSCOPE_TOKEN"  # noqa: S105 - the name of the variable, not a token
SHORTEST_TOKEN = 16
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # b64token, RFC 6750 section 2.1
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?")


class SettingsError(ValueError):
    """Settings that must not be served with: what, why, and what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where and to whom the endpoint answers. Times are seconds.

    `host` is an address literal, or `localhost` for 127.0.0.1 and ::1. Anything but loopback needs a
    token, and TLS (`certificate` and `key`, PEM) or `insecure_http`. `allow_hosts` are further names
    that a Host header may carry. `idle_timeout` bounds the wait for a whole request, `write_timeout`
    how long a reader may take nothing, `event_queue` the events held for one reader.
    """

    host: str = LOCALHOST
    port: int = PORT
    token: str | None = field(default=None, repr=False)
    certificate: Path | None = None
    key: Path | None = None
    insecure_http: bool = False
    allow_hosts: tuple[str, ...] = ()
    max_connections: int = 64
    idle_timeout: float = 30.0
    write_timeout: float = 10.0
    heartbeat: float = 15.0
    event_queue: int = 1024

    def __post_init__(self) -> None:
        """Refuse what would be unsafe or cannot work; SettingsError says which and why."""
        if not 0 <= self.port <= 0xFFFF:
            raise SettingsError(f"port {self.port}: not a port; use 1..65535 (0: any free one)")
        if self.max_connections < 1 or self.event_queue < 1:
            raise SettingsError("max_connections and event_queue: at least 1 each")
        if min(self.idle_timeout, self.write_timeout, self.heartbeat) <= 0:
            raise SettingsError("idle_timeout, write_timeout and heartbeat: longer than 0 seconds")
        if self.token is not None:
            _check_token(self.token)
        if (self.certificate is None) != (self.key is None):
            raise SettingsError("TLS needs both a certificate and its key; only one is given")
        for name in self.allow_hosts:
            host_name(name)
        addresses = self.addresses
        if not all(any(a in network for network in _LOOPBACK_NETWORKS) for a in addresses):
            self._check_exposed(str(addresses[0]))

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses to listen on; SettingsError when `host` is none."""
        if self.host.lower() == LOCALHOST:
            return tuple(ip_address(text) for text in LOOPBACK)
        try:
            return (ip_address(self.host.removeprefix("[").removesuffix("]")),)
        except ValueError as failure:
            raise SettingsError(
                f"host {self.host!r}: listen on an address (127.0.0.1, ::1, 192.0.2.1 ...), "
                "not on a name, whose meaning another machine decides"
            ) from failure

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that a Host header may name, in the form of `host_name`."""
        own = (LOCALHOST, *LOOPBACK, *(str(address) for address in self.addresses))
        return frozenset(host_name(name) for name in (*own, *self.allow_hosts))

    @property
    def scheme(self) -> str:
        """`https` with a certificate, else `http`."""
        return "https" if self.certificate else "http"

    def tls(self) -> ssl.SSLContext | None:
        """Load the certificate, if there is one; SettingsError when it cannot be used."""
        if self.certificate is None or self.key is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A password would be asked for on the terminal, in the middle of a run.
        try:
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except (OSError, ValueError) as failure:
            raise SettingsError(
                f"certificate {self.certificate} with key {self.key}: {failure}; "
                "give PEM files that belong together, the key without a password"
            ) from failure
        return context

    def admits(self, authorization: str | None) -> bool:
        """Return whether an Authorization header carries the token; compared in constant time."""
        if self.token is None:
            return True
        scheme, _, given = (authorization or "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(errors="replace"), self.token.encode())
        return same and scheme.lower() == "bearer"

    def _check_exposed(self, address: str) -> None:
        if self.token is None:
            raise SettingsError(
                f"host {address}: beyond loopback only with a bearer token; put one of "
                f"{SHORTEST_TOKEN} characters or more into {TOKEN_VARIABLE} or a token file"
            )
        if self.certificate is None and not self.insecure_http:
            raise SettingsError(
                f"host {address}: beyond loopback the token would travel in the clear; give a "
                "certificate and key, or say --insecure-http"
            )


def host_name(text: str) -> str:
    """Return a host name or address literal in one comparable form; SettingsError when it is none."""
    bare = text.removeprefix("[").removesuffix("]")
    try:
        address = ip_address(bare)
    except ValueError:
        name = text.lower().removesuffix(".")
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"host {text!r}: give a bare host name or address, without scheme, port or wildcard"
            ) from None
        return name
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def read_token(path: Path | None, environment: Mapping[str, str]) -> str | None:
    """Return the token of a file, else of SIXSCOPE_TOKEN, else None. White space around it is not part of it.

    SettingsError when the file cannot be read or holds no usable token.
    """
    if path is None:
        return environment.get(TOKEN_VARIABLE, "").strip() or None
    try:
        with path.open(encoding="ascii") as file:
            token = file.read(4096).strip()
    except (OSError, UnicodeDecodeError) as failure:
        raise SettingsError(f"token file {path}: {failure}") from failure
    _check_token(token)
    return token


def _check_token(token: str) -> None:
    if len(token) < SHORTEST_TOKEN:
        raise SettingsError(f"token: at least {SHORTEST_TOKEN} characters, or it can be guessed")
    if not _TOKEN.fullmatch(token):
        raise SettingsError("token: letters, digits and -._~+/ only (RFC 6750 section 2.1)")

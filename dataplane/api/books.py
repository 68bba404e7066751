"""The endpoint's own books: whom it refused, whom it let go."""

from dataclasses import dataclass


@dataclass(slots=True)
class Books:
    """Counters since the endpoint began, but `streams`, which is how many there are now."""

    streams: int = 0
    dropped_streams: int = 0
    dropped_responses: int = 0
    refused_connections: int = 0
    refused_requests: int = 0
    failed_handshakes: int = 0

"""Events on their way to readers: the producer never waits, a reader that falls behind is let go."""

import asyncio
import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from dataplane.model.answer import Answer, RunResult
from dataplane.model.seen import ConnectSeen, FlowSeen, PacketSeen, ProbeReport

HISTORY = 1024
News = FlowSeen | PacketSeen | ConnectSeen | ProbeReport | Answer | RunResult


def name_of(value: News) -> str:
    """Return what an event with this value is called."""
    match value:
        case Answer():
            return "answer"
        case RunResult():
            return "run"
        case _:
            return value.kind


class LaggedError(Exception):
    """The reader was too slow: its queue ran full and it was let go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. `id` tells it apart over restarts: the journal's own name, then its number."""

    id: str
    name: str
    value: News


@dataclass(eq=False, slots=True, kw_only=True)
class Subscription:
    """One reader's bounded queue. `missed` is what lies between its last event and its first one.

    `missed` is None when that cannot be told: the last event is not of this journal.
    """

    capacity: int
    missed: int | None = 0
    lagged: bool = False
    ended: bool = False
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _queue: deque[Event] = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _signalled: bool = False

    async def take(self, most: int = 64) -> tuple[Event, ...]:
        """Wait for events and take up to `most` of them; empty when no more will come.

        LaggedError once the queue has run full: what is left in it would be a lie by omission.
        """
        while True:
            self._wake.clear()
            self._signalled = False  # before looking: what comes later signals again
            if self.lagged:
                raise LaggedError
            count = min(most, len(self._queue))
            if count:
                return tuple(self._queue.popleft() for _ in range(count))
            if self.ended:
                return ()
            await self._wake.wait()

    def end(self) -> None:
        """Let the reader go once it has taken what is queued; from any thread."""
        self.ended = True
        self._signal()

    def offer(self, event: Event) -> bool:
        """Queue an event; False when the queue is full. From any thread, never waiting."""
        if len(self._queue) >= self.capacity:
            self.lagged = True
            self._queue.clear()
            self._signal()
            return False
        self._queue.append(event)
        return self._signal()

    def _signal(self) -> bool:
        if self._signalled:
            return True
        self._signalled = True
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:  # the reader's loop is closed: nobody will read this any more
            return False
        return True


class Journal:
    """The events of one run: numbered, the newest HISTORY of them remembered for readers who return.

    `publish` costs a lock held for microseconds and one append per reader, from any thread.
    """

    def __init__(self, *, history: int = HISTORY) -> None:
        self.dropped = 0
        self.published = 0
        self.closed = False
        self._name = secrets.token_hex(4)
        self._past: deque[Event] = deque(maxlen=history)
        self._readers: set[Subscription] = set()
        self._lock = Lock()

    @property
    def readers(self) -> int:
        """How many readers there are."""
        return len(self._readers)

    def publish(self, value: News) -> None:
        """Hand a value to every reader. A reader whose queue is full is dropped and counted."""
        name = name_of(value)
        with self._lock:
            self.published += 1
            event = Event(id=f"{self._name}-{self.published}", name=name, value=value)
            self._past.append(event)
            for reader in [one for one in self._readers if not one.offer(event)]:
                self._readers.discard(reader)
                self.dropped += 1

    def close(self) -> None:
        """Say that nothing more will come; readers end when they have read what is queued."""
        with self._lock:
            self.closed = True
            for reader in self._readers:
                reader.end()

    def finished(self, after: str | None) -> bool:
        """Return whether a reader who has seen `after` has seen everything there will ever be."""
        return self.closed and after == f"{self._name}-{self.published}"

    @contextmanager
    def subscribe(self, after: str | None = None, *, capacity: int) -> Iterator[Subscription]:
        """Subscribe, going on behind the event `after` as far as it is remembered.

        Without `after` a reader gets what comes from now on, or, of a closed journal, what there was.
        Call it on the reader's loop.
        """
        with self._lock:
            backlog, missed = self._behind(after)
            spare = backlog[-capacity:]
            if missed is not None:
                missed += len(backlog) - len(spare)
            reader = Subscription(capacity=capacity, missed=missed, ended=self.closed)
            for event in spare:
                reader.offer(event)
            self._readers.add(reader)
        try:
            yield reader
        finally:
            with self._lock:
                self._readers.discard(reader)

    def _behind(self, after: str | None) -> tuple[list[Event], int | None]:
        if after is None:
            return (list(self._past) if self.closed else [], 0)
        name, _, number = after.partition("-")
        known = name == self._name and number.isascii() and number.isdigit() and len(number) < 20
        if not known or int(number) > self.published:
            return (list(self._past) if self.closed else [], None)
        unseen = self.published - int(number)
        backlog = list(self._past)[-unseen:] if unseen else []
        return backlog, unseen - len(backlog)

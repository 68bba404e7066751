"""Every resource gives the model's own values, a page at a time, and never at the loop's expense."""

import asyncio
import json
import threading
from collections.abc import Sequence
from typing import Any, overload

import pytest
from pydantic import TypeAdapter

from dataplane.api.documents import AnswersDocument, FindingsDocument, TopologyDocument
from dataplane.api.live import LiveSource, recorded
from dataplane.api.paging import SCAN
from dataplane.api.server import serve
from dataplane.model.address import Family
from dataplane.model.answer import RunResult
from dataplane.model.plan import Plan
from dataplane.model.seen import ConnectSeen, FlowSeen
from tests.api.samples import (
    NO_SURPRISE,
    PLAN,
    RESULT,
    TAP,
    TOPOLOGY,
    attempt,
    evidence,
    flow,
    get,
)


class LazyFlows(Sequence[FlowSeen]):
    """A table as the kernel gives it: entries become values only when they are looked at."""

    def __init__(self, size: int) -> None:
        self.size, self.converted = size, 0

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, at: int) -> FlowSeen: ...
    @overload
    def __getitem__(self, at: slice) -> list[FlowSeen]: ...
    def __getitem__(self, at: int | slice) -> FlowSeen | list[FlowSeen]:
        if isinstance(at, slice):
            return [self[position] for position in range(*at.indices(self.size))]
        self.converted += 1
        return flow(at)


async def walk(url: str, name: str, query: str = "") -> list[dict[str, Any]]:
    """Follow `next` to the end."""
    entries: list[dict[str, Any]] = []
    cursor = ""
    while True:
        status, body, _ = await get(f"{url}/api/v1/{name}?{query}{cursor}")
        assert status == 200, body
        document = json.loads(body)
        entries += document[name]
        if document["next"] is None:
            return entries
        cursor = f"&cursor={document['next']}"


async def test_values_come_out_as_they_went_in():
    async with serve(recorded(evidence(), RESULT, topology=TOPOLOGY), NO_SURPRISE) as endpoint:
        root = endpoint.urls[0] + "/api/v1/"
        run = TypeAdapter(RunResult).validate_json((await get(root + "run"))[1])
        plan = TypeAdapter(Plan).validate_json((await get(root + "plan"))[1])
        topology = TypeAdapter(TopologyDocument).validate_json((await get(root + "topology"))[1])
        answers = TypeAdapter(AnswersDocument).validate_json((await get(root + "answers"))[1])
        findings = TypeAdapter(FindingsDocument).validate_json((await get(root + "findings"))[1])
        flows = await walk(endpoint.urls[0], "flows")
        connects = await walk(endpoint.urls[0], "connects")

    assert run == RESULT
    assert plan == PLAN
    assert topology == TopologyDocument(topology=TOPOLOGY, taps=(TAP,))
    assert set(answers.answers) == set(RESULT.answers)
    assert answers.not_applicable == RESULT.not_applicable
    assert {(one.check, one.subject) for one in findings.findings} == {
        (one.check, found.subject) for one in RESULT.answers for found in one.findings
    }
    assert TypeAdapter(tuple[FlowSeen, ...]).validate_python(flows) == evidence().flows
    assert TypeAdapter(tuple[ConnectSeen, ...]).validate_python(connects) == evidence().connects


async def test_both_loopback_addresses_answer():
    async with serve(recorded(evidence(), RESULT), NO_SURPRISE) as endpoint:
        assert [url.rpartition(":")[0] for url in endpoint.urls] == [
            "http://127.0.0.1",
            "http://[::1]",
        ]
        for url in endpoint.urls:
            assert (await get(url + "/api/v1/run"))[0] == 200


async def test_what_is_not_there_yet_says_so():
    async with serve(LiveSource(), NO_SURPRISE) as endpoint:
        for path, word in (("/api/v1/run", "not come to an end"), ("/api/v1/plan", "manifest")):
            status, body, headers = await get(endpoint.urls[0] + path)
            assert status == 404
            assert headers["Content-Type"] == "application/problem+json"
            problem = json.loads(body)
            assert problem["status"] == 404
            assert word in problem["detail"]


async def test_readiness_follows_the_probes():
    source = LiveSource()
    async with serve(source, NO_SURPRISE) as endpoint:
        url = endpoint.urls[0]
        assert (await get(url + "/healthz"))[0] == 200
        assert (await get(url + "/readyz"))[0] == 503
        source.watch(flows=tuple)
        assert (await get(url + "/readyz"))[0] == 200


async def test_a_run_without_probes_is_ready_when_it_is_over():
    source = LiveSource()
    async with serve(source, NO_SURPRISE) as endpoint:
        await source.settle(evidence(flows=2))
        assert (await get(endpoint.urls[0] + "/readyz"))[0] == 200
        flows = await walk(endpoint.urls[0], "flows")
    assert len(flows) == 2


@pytest.mark.parametrize("limit", [1, 7, 250, 251, 1000])
async def test_a_walk_meets_every_entry_once(limit):
    size = 600 if limit > 1 else 12
    async with serve(
        recorded(evidence(flows=size, attempts=size), RESULT), NO_SURPRISE
    ) as endpoint:
        flows = await walk(endpoint.urls[0], "flows", f"limit={limit}")
        connects = await walk(endpoint.urls[0], "connects", f"limit={limit}")
    assert [one["first_ns"] for one in flows] == list(range(size))
    assert [one["time_ns"] for one in connects] == list(range(size))


async def test_a_walk_stays_in_its_snapshot_while_the_table_changes():
    generation = iter(range(1000))

    def read() -> tuple[FlowSeen, ...]:
        first = 1000 * next(generation)
        return tuple(flow(number) for number in range(first, first + 10))

    source = LiveSource()
    source.watch(flows=read, fresh=0)
    async with serve(source, NO_SURPRISE) as endpoint:
        url = endpoint.urls[0] + "/api/v1/flows?limit=4"
        seen: list[int] = []
        cursor = ""
        for _ in range(3):
            document = json.loads((await get(url + cursor))[1])
            seen += [one["first_ns"] for one in document["flows"]]
            cursor = f"&cursor={document['next']}"
            newer = json.loads((await get(url))[1])["flows"][0]["first_ns"]
            assert newer >= 1000
    assert seen == list(range(10))


async def test_a_snapshot_that_nobody_used_is_gone():
    source = LiveSource()
    source.watch(flows=lambda: tuple(flow(number) for number in range(10)), fresh=0)
    async with serve(source, NO_SURPRISE) as endpoint:
        url = endpoint.urls[0] + "/api/v1/flows?limit=4"
        first = json.loads((await get(url))[1])["next"]
        for _ in range(3):
            await get(url)
        status, body, _ = await get(f"{url}&cursor={first}")
    assert status == 410
    assert "begin anew" in json.loads(body)["detail"]


async def test_one_family_of_a_long_table():
    rare = {SCAN + 5, 2 * SCAN + 1}
    flows = tuple(
        flow(number, family=Family.IPV4 if number in rare else Family.IPV6)
        for number in range(3 * SCAN)
    )
    source = LiveSource()
    source.watch(flows=lambda: flows)
    async with serve(source, NO_SURPRISE) as endpoint:
        url = endpoint.urls[0]
        first = json.loads((await get(url + "/api/v1/flows?family=IPv4"))[1])
        found = await walk(url, "flows", "family=IPv4&limit=1")
    assert first["flows"] == []
    assert first["next"] is not None
    assert {one["first_ns"] for one in found} == rare


async def test_forgotten_attempts_are_counted():
    source = LiveSource(remembered=5)
    for number in range(4):
        source.publish(attempt(number))
    async with serve(source, NO_SURPRISE) as endpoint:
        url = endpoint.urls[0] + "/api/v1/connects?limit=1"
        cursor = json.loads((await get(url))[1])["next"]
        for number in range(4, 12):
            source.publish(attempt(number))
        later = json.loads((await get(f"{url}&cursor={cursor}"))[1])
    assert later["connects"][0]["time_ns"] == 7
    assert later["skipped"] == 6
    assert later["total"] == 12


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("flows?limit=0", "1 to 1000"),
        ("flows?limit=1001", "1 to 1000"),
        ("flows?limit=-1", "1 to 1000"),
        ("flows?limit=1e3", "1 to 1000"),
        ("flows?limit=", "1 to 1000"),
        ("flows?limit=%D9%A1", "1 to 1000"),
        ("flows?limit=" + "9" * 3000, "1 to 1000"),
        ("flows?limit=1&limit=2", "twice"),
        ("flows?cursor=", "not one of ours"),
        ("flows?cursor=AAAA", "not one of ours"),
        ("flows?cursor=" + "!" * 22, "not one of ours"),
        ("connects?cursor=AAAAAAAAAAAAAAAAAAAnEA", "behind the end"),
        ("findings?cursor=_____________________w", "behind the end"),
        ("flows?family=ipx", "IPv4, IPv6"),
        ("flows?limits=5", "limit, cursor, family"),
        ("findings?family=IPv6", "limit, cursor"),
        ("run?file=/etc/passwd", "none"),
    ],
)
async def test_a_bad_query_is_refused_with_a_reason(path, word):
    async with serve(recorded(evidence(), RESULT), NO_SURPRISE) as endpoint:
        status, body, headers = await get(f"{endpoint.urls[0]}/api/v1/{path}")
    assert status == 400
    assert headers["Content-Type"] == "application/problem+json"
    assert word in json.loads(body)["detail"]


async def test_a_page_of_a_hundred_thousand_flows_converts_only_itself():
    flows = LazyFlows(100_000)
    source = LiveSource()
    source.watch(flows=lambda: flows)
    async with serve(source, NO_SURPRISE) as endpoint:
        url = endpoint.urls[0] + "/api/v1/flows"
        document = json.loads((await get(url))[1])
        assert flows.converted == 100
        document = json.loads((await get(f"{url}?limit=1000&cursor={document['next']}"))[1])
    assert flows.converted == 1100
    assert document["total"] == 100_000
    assert document["flows"][-1]["first_ns"] == 1099


async def test_the_kernel_is_read_once_for_all_and_never_on_the_loop():
    release, readers = threading.Event(), []

    def read() -> tuple[FlowSeen, ...]:
        readers.append(threading.get_ident())
        assert release.wait(20)
        return (flow(),)

    source = LiveSource()
    source.watch(flows=read, fresh=60)
    async with serve(source, NO_SURPRISE) as endpoint, asyncio.TaskGroup() as tasks:
        url = endpoint.urls[0]
        asked = [tasks.create_task(get(url + "/api/v1/flows")) for _ in range(10)]
        for _ in range(50):  # while the reading hangs, everybody else is answered
            assert (await get(url + "/healthz"))[0] == 200
        assert not any(task.done() for task in asked)
        release.set()
    assert all(json.loads(task.result()[1])["total"] == 1 for task in asked)
    assert len(readers) == 1
    assert readers[0] != threading.get_ident()


async def test_settling_waits_for_the_reading_and_ends_them():
    begun, release, reads = threading.Event(), threading.Event(), 0

    def read() -> tuple[FlowSeen, ...]:
        nonlocal reads
        reads += 1
        begun.set()
        assert release.wait(20)
        return (flow(7),)

    source = LiveSource()
    source.watch(flows=read, fresh=0)
    async with serve(source, NO_SURPRISE) as endpoint, asyncio.TaskGroup() as tasks:
        url = endpoint.urls[0] + "/api/v1/flows"
        tasks.create_task(get(url))
        assert await asyncio.to_thread(begun.wait, 20)
        settling = tasks.create_task(source.settle(evidence(flows=2)))
        assert (await get(endpoint.urls[0] + "/healthz"))[0] == 200
        assert not settling.done()
        release.set()
        await settling
        for _ in range(3):
            document = json.loads((await get(url))[1])
            assert [one["first_ns"] for one in document["flows"]] == [0, 1]
    assert reads == 1


async def test_a_failing_reading_is_an_error_and_tells_nothing(caplog):
    def read() -> tuple[FlowSeen, ...]:
        raise OSError(1, "secret of the kernel")

    source = LiveSource()
    source.watch(flows=read)
    async with serve(source, NO_SURPRISE) as endpoint:
        status, body, _ = await get(endpoint.urls[0] + "/api/v1/flows")
        assert (await get(endpoint.urls[0] + "/healthz"))[0] == 200
    assert status == 500
    assert b"secret" not in body
    assert "secret of the kernel" in caplog.text

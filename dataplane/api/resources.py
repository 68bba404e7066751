"""What can be asked for under /api/v1: one entry per resource, for the router and for its description."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dataplane.api.documents import (
    AnswersDocument,
    CheckFinding,
    ConnectsDocument,
    FindingsDocument,
    FlowsDocument,
    TopologyDocument,
)
from dataplane.api.paging import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    BadQueryError,
    Cursor,
    Page,
    Query,
    cut,
)
from dataplane.api.source import Source
from dataplane.model.address import Family
from dataplane.model.answer import Finding, RunResult
from dataplane.model.plan import Plan

PREFIX = "/api/v1"
PARAMETERS: dict[str, dict[str, Any]] = {
    "limit": {
        "description": "How many entries at most.",
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_LIMIT,
            "default": DEFAULT_LIMIT,
        },
    },
    "cursor": {
        "description": "`next` of the page before; without it the walk begins.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"},
    },
    "family": {
        "description": "Only entries of this IP family. A page may then be short of its limit, even "
        "empty, before the end: `next` tells.",
        "schema": {"type": "string", "enum": [family.value for family in Family]},
    },
}
LIST = ("limit", "cursor")
FAMILY_LIST = (*LIST, "family")


class AbsentError(Exception):
    """What was asked for is not there, or not yet; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource: where, what, of which type, with which parameters, and how to read it."""

    path: str
    summary: str
    type: type
    read: Callable[[Source, Query], Awaitable[object]]
    parameters: tuple[str, ...] = ()


def parse_query(given: Mapping[str, str], names: tuple[str, ...], count: int) -> Query:
    """Read a query string's parameters; BadQueryError says which one is wrong and what is allowed.

    `count` is how many were given: more than `given` holds means that one stood there twice.
    """
    unknown = sorted(given.keys() - set(names))
    if unknown:
        allowed = ", ".join(names) or "none"
        raise BadQueryError(
            f"unknown parameter {unknown[0][:64]!r}; this resource knows: {allowed}"
        )
    if count != len(given):
        raise BadQueryError("a parameter is given twice; once is enough")
    limit = given.get("limit", str(DEFAULT_LIMIT))
    plain = limit.isascii() and limit.isdigit() and len(limit) <= 4
    if not plain or not 1 <= int(limit) <= MAX_LIMIT:
        raise BadQueryError(f"limit: a number from 1 to {MAX_LIMIT}")
    family = given.get("family")
    if family is not None and family not in {one.value for one in Family}:
        raise BadQueryError(f"family: one of {', '.join(one.value for one in Family)}")
    cursor = given.get("cursor")
    return Query(
        limit=int(limit),
        cursor=Cursor.parse(cursor) if cursor is not None else None,
        family=Family(family) if family is not None else None,
    )


async def _run(source: Source, _query: Query) -> RunResult:
    result = source.run()
    if result is None:
        raise AbsentError("no result: what is watched here has not come to an end yet")
    return result


async def _plan(source: Source, _query: Query) -> Plan:
    plan = source.plan()
    if plan is None:
        raise AbsentError("no plan: what is watched here was not built from a manifest")
    return plan


async def _topology(source: Source, _query: Query) -> TopologyDocument:
    return TopologyDocument(topology=source.topology(), taps=source.taps())


async def _answers(source: Source, _query: Query) -> AnswersDocument:
    result = source.run()
    left_out = result.not_applicable if result else ()
    scenario = result.scenario if result else None
    return AnswersDocument(scenario=scenario, answers=source.answers(), not_applicable=left_out)


async def _findings(source: Source, query: Query) -> FindingsDocument:
    found = [(answer.check, finding) for answer in source.answers() for finding in answer.findings]
    page = cut(found, query)
    findings = tuple(_with_check(check, finding) for check, finding in page.items)
    return FindingsDocument(findings=findings, **_about(page))


async def _flows(source: Source, query: Query) -> FlowsDocument:
    page = await source.flows(query)
    return FlowsDocument(flows=page.items, **_about(page))


async def _connects(source: Source, query: Query) -> ConnectsDocument:
    page = await source.connects(query)
    return ConnectsDocument(connects=page.items, **_about(page))


def _about(page: Page[Any]) -> dict[str, Any]:
    following = None if page.next is None else str(page.next)
    return {"next": following, "total": page.total, "skipped": page.skipped}


def _with_check(check: str, finding: Finding) -> CheckFinding:
    return CheckFinding(
        check=check,
        severity=finding.severity,
        subject=finding.subject,
        expected=finding.expected,
        seen=finding.seen,
        cause=finding.cause,
        remedy=finding.remedy,
        evidence=finding.evidence,
    )


RESOURCES = (
    Resource(path="/run", summary="The result of the run", type=RunResult, read=_run),
    Resource(path="/plan", summary="The plan that is judged against", type=Plan, read=_plan),
    Resource(
        path="/topology",
        summary="What was built, and the interfaces that are watched",
        type=TopologyDocument,
        read=_topology,
    ),
    Resource(
        path="/answers", summary="The checks' answers so far", type=AnswersDocument, read=_answers
    ),
    Resource(
        path="/findings",
        summary="What is not as it should be",
        type=FindingsDocument,
        read=_findings,
        parameters=LIST,
    ),
    Resource(
        path="/flows",
        summary="The flows at the watched interfaces",
        type=FlowsDocument,
        read=_flows,
        parameters=FAMILY_LIST,
    ),
    Resource(
        path="/connects",
        summary="Attempts of processes to reach somebody",
        type=ConnectsDocument,
        read=_connects,
        parameters=FAMILY_LIST,
    ),
)

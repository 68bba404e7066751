"""The description is valid, complete and true: each answer is what it says."""

import json

import jsonschema
import openapi_spec_validator
import pytest

from dataplane.api.books import Books
from dataplane.api.live import recorded
from dataplane.api.openapi import description
from dataplane.api.pages import PAGES
from dataplane.api.server import application, serve
from dataplane.api.stream import Streams
from tests.api.samples import NO_SURPRISE, RESULT, TOPOLOGY, evidence, get

DOCUMENT = json.loads(json.dumps(description()))


def source():
    return recorded(evidence(flows=300), RESULT, topology=TOPOLOGY)


def test_it_is_valid():
    openapi_spec_validator.validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1")


async def test_it_is_what_is_served():
    async with serve(source(), NO_SURPRISE) as endpoint:
        _, body, _ = await get(endpoint.urls[0] + "/api/v1/openapi.json")
    assert json.loads(body) == DOCUMENT


@pytest.mark.parametrize("path", sorted(DOCUMENT["paths"]))
async def test_each_path_answers_as_described(path):
    operations = DOCUMENT["paths"][path]
    assert set(operations) == {"get"}
    content = operations["get"]["responses"]["200"]["content"]
    async with serve(source(), NO_SURPRISE) as endpoint:
        status, body, headers = await get(endpoint.urls[0] + path)
    assert status == 200
    [(kind, media)] = content.items()
    assert headers["Content-Type"].partition(";")[0] == kind.partition(";")[0]
    if kind == "application/json":
        schema = {**media["schema"], "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema).validate(json.loads(body))


@pytest.mark.parametrize("path", sorted(DOCUMENT["paths"]))
async def test_each_parameter_is_understood_and_bounded(path):
    for parameter in DOCUMENT["paths"][path]["get"].get("parameters", ()):
        if parameter["in"] != "query" or "minimum" not in parameter["schema"]:
            continue
        low, high = parameter["schema"]["minimum"], parameter["schema"]["maximum"]
        async with serve(source(), NO_SURPRISE) as endpoint:
            url = f"{endpoint.urls[0]}{path}?{parameter['name']}="
            expected = {low - 1: 400, low: 200, high: 200, high + 1: 400}
            assert {value: (await get(f"{url}{value}"))[0] for value in expected} == expected


async def test_problems_are_as_described():
    async with serve(source(), NO_SURPRISE) as endpoint:
        _, body, headers = await get(endpoint.urls[0] + "/api/v1/flows?limit=0")
    [(kind, media)] = DOCUMENT["components"]["responses"]["400"]["content"].items()
    assert headers["Content-Type"] == kind
    schema = {**media["schema"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(json.loads(body))


def test_no_resource_is_left_out():
    books = Books()
    streams = Streams(source().journal, NO_SURPRISE, books)
    app = application(source(), NO_SURPRISE, books, streams)
    served = {route.resource.canonical for route in app.router.routes() if route.resource}
    assert served == set(DOCUMENT["paths"]) | set(PAGES)
    assert {route.method for route in app.router.routes()} == {"GET"}

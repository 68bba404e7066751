"""The description of the endpoint: OpenAPI 3.1, its schemas taken from the types that are served."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter

from dataplane import __version__
from dataplane.api.documents import ProblemDocument
from dataplane.api.events import News
from dataplane.api.guard import OPEN, PROBLEM_TYPE
from dataplane.api.metrics import CONTENT_TYPE
from dataplane.api.resources import PARAMETERS, PREFIX, RESOURCES, Resource

_TEMPLATE = "#/components/schemas/{model}"
_JSON = "application/json"
_PROBLEMS = {
    "400": "A parameter or the Host header is not valid.",
    "401": "A bearer token is needed.",
    "404": "It is not there, or not yet.",
    "405": "Only GET is answered.",
    "410": "The cursor's snapshot is no longer held.",
    "421": "The host is not served here.",
}


@cache
def description() -> dict[str, Any]:
    """Return the OpenAPI document."""
    inputs: list[tuple[str, Any, TypeAdapter[Any]]] = [
        (resource.path, "serialization", TypeAdapter(resource.type)) for resource in RESOURCES
    ]
    inputs.append(("problem", "serialization", TypeAdapter(ProblemDocument)))
    inputs.append(("event", "serialization", TypeAdapter(News)))
    references, definitions = TypeAdapter.json_schemas(inputs, ref_template=_TEMPLATE)
    schemas = {name: schema for (name, _mode), schema in references.items()}
    paths = {
        PREFIX + resource.path: {"get": _operation(resource, schemas)} for resource in RESOURCES
    }
    paths |= {path: {"get": operation} for path, operation in _others(schemas["event"]).items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sixscope",
            "version": __version__,
            "summary": "What is true of a cluster's IPv6 dataplane, and what it was seen by",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "security": [{}, {"token": []}],
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {status: _problem(text) for status, text in _PROBLEMS.items()},
        },
    }


def _operation(resource: Resource, schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": resource.path.strip("/"),
        "summary": resource.summary,
        "parameters": [
            {"name": name, "in": "query", **PARAMETERS[name]} for name in resource.parameters
        ],
        "responses": {
            "200": _response(resource.summary, _JSON, schemas[resource.path]),
            **{status: {"$ref": f"#/components/responses/{status}"} for status in _PROBLEMS},
        },
    }


def _others(event: dict[str, Any]) -> dict[str, dict[str, Any]]:
    last = {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The last event seen; what came since is sent as far as it is remembered.",
        "schema": {"type": "string"},
    }
    events = _plain("events", "What happens, as it happens; `data` is JSON", "text/event-stream")
    events["parameters"] = [last]
    events["responses"]["200"]["content"]["text/event-stream"]["schema"] = {
        "type": "string",
        "description": "Server-sent events.",
        "contentMediaType": "text/event-stream",
        "x-data": event,
    }
    events["responses"]["204"] = {"description": "Nothing more will ever come; do not reconnect."}
    ready = _plain("readyz", "Whether the probes are on", "text/plain")
    ready["responses"]["503"] = {"description": "Not yet."}
    described = _plain("openapi", "This description", _JSON)
    described["responses"]["200"]["content"][_JSON]["schema"] = {"type": "object"}
    others = {
        f"{PREFIX}/events": events,
        f"{PREFIX}/openapi.json": described,
        "/metrics": _plain("metrics", "Metrics, as OpenMetrics text", CONTENT_TYPE),
        "/healthz": _plain("healthz", "Whether the endpoint is alive", "text/plain"),
        "/readyz": ready,
    }
    for path in OPEN:
        others[path]["security"] = [{}]
    return others


def _plain(name: str, summary: str, content_type: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": _response(summary, content_type, {"type": "string"})},
    }


def _response(text: str, content_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {content_type: {"schema": schema}}}


def _problem(text: str) -> dict[str, Any]:
    schema = {"$ref": _TEMPLATE.format(model="ProblemDocument")}
    return {"description": text, "content": {PROBLEM_TYPE: {"schema": schema}}}

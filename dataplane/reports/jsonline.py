"""The run as one JSON object on one line: the shape that other programs build on."""

import json
from typing import Any

from pydantic import TypeAdapter

from dataplane.model.answer import RunResult

_RESULT = TypeAdapter(RunResult)


def render(result: RunResult) -> str:
    """Return the run as one JSON object, ASCII only, ending in a newline."""
    return json.dumps(_RESULT.dump_python(result, mode="json")) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON schema (2020-12) of what `render` prints."""
    return _RESULT.json_schema(mode="serialization")

"""The description of the API, whole and valid: every error as a problem, the media sockets in an `x-` extension.

FastAPI describes what routes return; what this adds is true of all of them, so no route has to say it.
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from incamera.serving.problems import MEDIA_TYPE, Problem

_METHODS: Final = ("get", "put", "post", "delete", "patch")
_PROBLEM: Final = {
    "description": "A problem (RFC 9457); `code` tells which.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    "description": "Any unique text. A repeated request with the same key within 24 hours gets the first one's answer.",
}
# FastAPI names these for its own 422; ours have the shape of a problem.
_REPLACED: Final = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI, sockets: Mapping[str, str]) -> dict[str, Any]:
    """OpenAPI 3.1 of `app`; `sockets` maps each media socket's path to what it is for."""
    described = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    for name in _REPLACED:
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for path, operations in described["paths"].items():
        for method in _METHODS:
            if method in operations:
                _complete(path, method, operations[method])
    described["x-sockets"] = [{"path": path, "description": text} for path, text in sorted(sockets.items())]
    return described


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    responses.pop("422", None)
    responses["default"] = _PROBLEM
    if method == "post" and path.startswith("/api/"):
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)

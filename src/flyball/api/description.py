"""What the OpenAPI description says beyond the routes themselves: bodies, errors, the forms of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query
from fastapi.openapi.utils import get_openapi
from pydantic import StringConstraints

from flyball.api.documents import ErrorDocument

__all__ = [
    "BODY_ERRORS",
    "ERRORS",
    "After",
    "Moment",
    "Number",
    "Orders",
    "RunIds",
    "RunQuery",
    "Since",
    "changed_errors",
    "describe",
    "object_body",
]

_NOT_BLANK = {"type": "string", "pattern": r"\S"}
Responses = dict[int | str, dict[str, Any]]


def _errors(texts: Mapping[int, str]) -> Responses:
    return {status: {"model": ErrorDocument, "description": text} for status, text in texts.items()}


ERRORS = _errors(
    {
        400: "The request cannot be used as it is.",
        401: "The server wants a token, and the request has none or a wrong one.",
        404: "There is no such model, version, alias, run or alert.",
        405: "Not with this method; Allow says with which.",
        421: "The server answers for this machine only, and the request names another host.",
        500: "Flyball failed, or what it stored is damaged.",
        503: "The store is locked or away; ask again.",
    }
)
BODY_ERRORS = _errors(
    {
        403: "A page of another site may change nothing here.",
        408: "The body did not arrive in time.",
        413: "The body is too large.",
        415: "The body is not JSON, or compressed in an unknown way.",
    }
)


def changed_errors(conflict: str) -> Responses:
    """The errors of a route that changes something; `conflict` says when it is 409."""
    return {**ERRORS, **BODY_ERRORS, **_errors({409: conflict})}


# Grammars that no JSON Schema can say have a format of their own; the reference tells what they are.
RunQuery = Annotated[str, Query(json_schema_extra={"format": "run-query", "examples": ["metrics.auc > 0.8"]})]
Orders = Annotated[
    list[Annotated[str, Query(json_schema_extra={"format": "run-order", "examples": ["metrics.auc DESC"]})]] | None,
    Query(json_schema_extra={"uniqueItems": True}),
]
After = Annotated[str | None, Query(json_schema_extra={"format": "page-token"})]
RunIds = Annotated[
    list[Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]],
    Query(min_length=2, max_length=100, json_schema_extra={"uniqueItems": True}),
]
Since = Annotated[str, Query(json_schema_extra={"format": "look-back", "examples": ["7d"]})]
Number = Annotated[int, Path(ge=1, lt=2**63)]
Moment = Annotated[str | None, Query(json_schema_extra={"format": "date-time"})]


def object_body(fields: Mapping[str, type], examples: Mapping[str, Any]) -> dict[str, Any]:
    """The description of a body that is one object with exactly these fields."""
    properties = {
        name: {**({"type": "integer"} if kind is int else _NOT_BLANK), "examples": [examples[name]]}
        for name, kind in fields.items()
    }
    schema = {
        "type": "object",
        "required": list(fields),
        "additionalProperties": False,
        "properties": properties,
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def describe(app: FastAPI, *, token: bool) -> None:
    """Let the application's description be what it answers: its errors are coded JSON, never a 422.

    token: whether every request must carry one.
    """

    def made() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            for operations in document["paths"].values():
                for operation in operations.values():
                    _answers(operation["responses"])
            for name in ("HTTPValidationError", "ValidationError"):
                document["components"]["schemas"].pop(name, None)
            if token:
                schemes = {name: {"type": "http", "scheme": name} for name in ("bearer", "basic")}
                document["components"]["securitySchemes"] = schemes
                document["security"] = [{name: []} for name in schemes]
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = made  # type: ignore[method-assign]


def _answers(responses: dict[str, Any]) -> None:
    responses.pop("422", None)  # the framework's own word for it; ours is 400
    for status, response in responses.items():
        content = response.get("content", {})
        if status != "200" and "text/html" in content:  # pages have errors that are no pages
            response["content"] = {"application/json": content["text/html"]}

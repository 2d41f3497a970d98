"""The MLflow protocol as an OpenAPI document, read from the code that answers it, so that no route can be left out."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from flyball.mlflow import experiments, logged_models, registered_models, runs
from flyball.mlflow.errors import _STATUS

__all__ = ["described_protocol"]

PREFIX = "/api/2.0/mlflow/"
_FIELD = re.compile(r"\.(text|required|whole|number|flag|texts|calls|part|pairs|stages)\(\s*\"(\w+)\"")
_PAIR = {"type": "object", "properties": {"key": {"type": "string"}, "value": {"type": "string"}}}
_TEXT: dict[str, Any] = {"type": "string"}
_WHOLE = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
_KINDS: dict[str, dict[str, Any]] = {
    "text": _TEXT,
    "required": _TEXT,
    "whole": _WHOLE,
    "number": {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]},
    "flag": {"type": "boolean"},
    "texts": {"type": "array", "items": _TEXT},
    "pairs": {"type": "array", "items": _PAIR},
    "stages": {"enum": ["ACTIVE_ONLY", "DELETED_ONLY", "ALL", "1", "2", "3"]},
}
_PAGES: dict[str, tuple[str, dict[str, Any]]] = {"limit": ("max_results", _WHOLE), "offset": ("page_token", _TEXT)}
_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"enum": sorted(_STATUS)}, "message": {"type": "string", "minLength": 1}},
}


def described_protocol(known: Mapping[str, list[str]]) -> dict[str, Any]:
    """Every route with the fields that its handler, or something in its module, reads from a call.

    known: values that exist, by field; any others may be asked for too, and so may values of any type.
    """
    paths: dict[str, dict[str, Any]] = {}
    for part in (experiments, runs, logged_models, registered_models):
        inner = _fields(inspect.getsource(part), {}, known)
        for method, path, handler in (*part.ROUTES, *getattr(part, "CHANGES", ())):
            source = inspect.getsource(handler)
            fields = _fields(source, inner, known)
            pages = dict(field for getter, field in _PAGES.items() if f"call.{getter}(" in source)
            required = [
                name for kind, name in _FIELD.findall(source) if kind == "required" and f"call.{kind}" in source
            ]
            paths.setdefault(PREFIX + path, {})[method.lower()] = _operation(
                method, path, {**pages, **fields}, required, known
            )
    return {
        "openapi": "3.1.0",
        "info": {"title": "MLflow protocol", "version": "2.0"},
        "paths": paths,
    }


def _operation(
    method: str, path: str, fields: dict[str, Any], required: list[str], known: Mapping[str, list[str]]
) -> dict[str, Any]:
    named = re.findall(r"\{(\w+)\}", path)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _known(name, _TEXT, known)} for name in named
    ]
    operation: dict[str, Any] = {
        "responses": {
            "200": {"description": "found", "content": {"application/json": {"schema": {"type": "object"}}}},
            "default": {"description": "refused", "content": {"application/json": {"schema": _ERROR}}},
        }
    }
    asked = {name: schema for name, schema in fields.items() if name not in named}
    needed = [name for name in dict.fromkeys(required) if name in asked]
    if method == "GET":
        parameters += [
            {"name": name, "in": "query", "required": name in needed, "schema": schema}
            for name, schema in asked.items()
        ]
    else:
        schema = {"type": "object", "properties": asked, "required": needed}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {**operation, "parameters": parameters}


def _fields(source: str, inner: dict[str, Any], known: Mapping[str, list[str]]) -> dict[str, Any]:
    """The fields that a piece of code reads, with a schema each; objects within may hold any of `inner`."""
    nested = {"type": "object", "properties": inner}
    kinds = {**_KINDS, "part": nested, "calls": {"type": "array", "items": nested}}
    return {name: _known(name, kinds[kind], known) for kind, name in _FIELD.findall(source)}


def _known(name: str, schema: dict[str, Any], known: Mapping[str, list[str]]) -> dict[str, Any]:
    return {"anyOf": [{"enum": known[name]}, schema]} if name in known else schema

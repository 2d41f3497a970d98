"""Two servers asked the same, one call after the other, and what they answer made comparable.

Ids, times and names that a server thinks up are replaced by labels in the order in which they are first seen.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

__all__ = ["Both", "Pair", "Step"]

_ID = re.compile(r"m-[0-9a-f]{32}|\b[0-9a-f]{32}\b")
_NAME = re.compile(r"\b[a-z]+-[a-z]+-\d{1,4}\b")
_LEAST_TIME = 10**12  # tests give their own times below it
_UNORDERED = frozenset(("aliases", "latest_versions", "dataset_inputs", "tags", "params", "metrics", "model_outputs"))


class Both:
    """A value for each server; attributes, items and calls go to both."""

    def __init__(self, theirs: Any, ours: Any) -> None:
        self.sides = (theirs, ours)

    def __getattr__(self, name: str) -> Both:
        return Both(*(getattr(side, name, None) for side in self.sides))

    def __getitem__(self, key: Any) -> Both:
        return Both(*(side[key] for side in self.sides))

    def map(self, function: Callable[[Any], Any]) -> Both:
        return Both(*(function(side) for side in self.sides))


@dataclass(frozen=True)
class Step:
    """One call and what each server made of it."""

    name: str
    theirs: str
    ours: str

    @property
    def same(self) -> bool:
        return self.theirs == self.ours


class Failed(str):
    """The error code that a call ended with."""


class Pair:
    """The unmodified client, once per server. `steps` remembers every comparison."""

    def __init__(self, theirs: str, ours: str) -> None:
        self.uris = Both(theirs, ours)
        self.clients = [MlflowClient(uri, registry_uri=uri) for uri in self.uris.sides]
        self.steps: list[Step] = []
        self._labels: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def call(self, name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Both:
        """`function(client, ...)` for each server, compared; arguments that are `Both` go to their own side."""
        return self._compare(name, lambda side: function(self.clients[side], *_of(side, arguments), **_of(side, named)))

    def fluent(self, name: str, function: Callable[..., Any], *arguments: Any) -> Both:
        """A function that uses the module's own state, with each server as the tracking server."""

        def run(side: int) -> Any:
            mlflow.set_tracking_uri(self.uris.sides[side])
            mlflow.set_registry_uri(self.uris.sides[side])
            return function(*_of(side, arguments))

        return self._compare(name, run)

    def _compare(self, name: str, run: Callable[[int], Any]) -> Both:
        answers = []
        for side in (0, 1):
            try:
                answers.append(run(side))
            except MlflowException as error:
                answers.append(Failed(error.error_code))
            except requests.HTTPError as error:
                answers.append(Failed(f"status {error.response.status_code if error.response is not None else 0}"))
            except Exception as error:  # noqa: BLE001 - the client itself refused; both must make it do so
                answers.append(Failed(type(error).__name__))
        shown = [self._shown(side, answer) for side, answer in enumerate(answers)]
        self.steps.append(Step(name, *shown))
        return Both(*answers)

    def _shown(self, side: int, answer: Any) -> str:
        labels = self._labels[side]
        text = json.dumps(plain(answer), sort_keys=True, default=str)
        text = _ID.sub(lambda found: labels.setdefault(found[0], f"ID{len(labels)}"), text)
        return _NAME.sub("NAME", text)


def _of(side: int, value: Any) -> Any:
    if isinstance(value, Both):
        return value.sides[side]
    if isinstance(value, Mapping):
        return {key: _of(side, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_of(side, item) for item in value)
    return value


def plain(value: Any) -> Any:
    """An entity as JSON; lists whose order means nothing are sorted; times of day are hidden."""
    if isinstance(value, Failed):
        return {"error_code": str(value)}
    if isinstance(value, PagedList):
        return {"items": [plain(item) for item in value], "more": bool(value.token)}
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, Mapping):
        return {str(key): _field(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "__iter__"):
        return {name: _field(name, item) for name, item in dict(value).items()}
    if hasattr(value, "to_dictionary"):
        return plain(value.to_dictionary())
    if not hasattr(value, "__dict__"):
        return str(value)
    return plain({name.lstrip("_"): item for name, item in vars(value).items()})


def _field(name: str, value: Any) -> Any:
    found = plain(value)
    if name in _UNORDERED and isinstance(found, list):
        return sorted(found, key=lambda item: json.dumps(item, sort_keys=True, default=str))
    return found


def _number(value: float) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return "TIME" if isinstance(value, int) and value >= _LEAST_TIME else value


def pages(search: Callable[[str | None], PagedList[Any]], most: int = 6) -> Iterable[Any]:
    """Every page of a search, at most so many."""
    token, found = None, []
    for _ in range(most):
        page = search(token)
        found.append(page)
        token = page.token
        if not token:
            break
    return found

"""Records of a spool as calls of the tracking protocol; sending the same ones again changes nothing."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from flyball.client.errors import Refusal
from flyball.client.spool import Spool

__all__ = ["Sender", "Unreachable", "send_all"]

_METRICS, _PAIRS = 1000, 100
_AT_ONCE = 1000
_SECONDS, _LONG_SECONDS = 10.0, 120.0


class Unreachable(Exception):
    """The server cannot be reached, or is too busy; trying again later may help."""


class Sender:
    """Calls one server. Token and user name come from the environment that MLflow's clients read, or ours."""

    def __init__(self, url: str, *, environment: Mapping[str, str] = os.environ) -> None:
        self.url = url.rstrip("/")
        token = environment.get("FLYBALL_SERVER_TOKEN") or environment.get("MLFLOW_TRACKING_TOKEN")
        user, password = (environment.get(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD"))
        self._headers = {"content-type": "application/json"}
        if user and (password or token):
            coded = base64.b64encode(f"{user}:{password or token}".encode()).decode()
            self._headers["authorization"] = f"Basic {coded}"
        elif token:
            self._headers["authorization"] = f"Bearer {token}"

    def call(self, path: str, fields: Mapping[str, Any], *, method: str = "POST") -> dict[str, Any]:
        """One call of the protocol. Raises Unreachable, Refusal."""
        url = f"{self.url}/api/2.0/mlflow/{path}"
        if method == "GET":
            url += "?" + urlencode(fields)
        body = None if method == "GET" else json.dumps(fields).encode()
        return self._answer(urllib.request.Request(url, body, self._headers, method=method), path, _SECONDS)  # noqa: S310

    def get(self, path: str, fields: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        """What the server answers at a path of its own interface. Raises Unreachable, Refusal."""
        url = f"{self.url}{path}?{urlencode(fields)}"
        return self._answer(urllib.request.Request(url, None, self._headers), path, _LONG_SECONDS)  # noqa: S310

    def _answer(self, request: urllib.request.Request, path: str, seconds: float) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310 - the user's own server
                found: dict[str, Any] = json.loads(answer.read())
                return found
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(10_000).decode("utf-8", "replace")
            if error.code >= 500 or error.code == 429:
                raise Unreachable(f"{self.url} answered {error.code}") from error
            raise Refusal(f"{self.url} refused {path}", why=said[:500], fix="see what it says") from error
        except (OSError, ValueError) as error:
            raise Unreachable(f"{self.url} cannot be reached: {error}") from error


def send_all(sender: Sender, spool: Spool, *, doubtful: bool = False) -> list[Refusal]:
    """Send everything that waits in a spool; what was refused. Raises Unreachable.

    doubtful: the server was away, so one record is tried before many are read.
    """
    refused: list[Refusal] = []
    most = 1 if doubtful else _AT_ONCE
    while True:
        records, place = spool.pending(most)
        most = _AT_ONCE
        if records:
            refused += _send(sender, records)
        elif place == spool.sent():
            return refused
        spool.acknowledge(place)


def _send(sender: Sender, records: list[dict[str, Any]]) -> list[Refusal]:
    refused: list[Refusal] = []
    metrics: list[dict[str, Any]] = []
    pairs: dict[str, dict[str, str]] = {"params": {}, "tags": {}}
    run = ""

    def pass_on() -> None:
        params, tags = _listed(pairs["params"]), _listed(pairs["tags"])
        while metrics or params or tags:
            some = {"params": params[:_PAIRS], "tags": tags[:_PAIRS]}
            room = _METRICS - len(some["params"]) - len(some["tags"])
            _try(sender, "runs/log-batch", {"run_id": run, "metrics": metrics[:room], **some}, refused)
            del metrics[:room], params[:_PAIRS], tags[:_PAIRS]
        pairs["params"], pairs["tags"] = {}, {}

    for record in records:
        kind = record.get("kind")
        run = record.get("run", run)
        if kind == "metrics":
            place = {"timestamp": record["timestamp"], "step": record["step"]}
            metrics += [{"key": key, "value": value, **place} for key, value in record["values"].items()]
        elif kind == "metric":  # as versions before wrote them, one by one
            metrics.append({name: record[name] for name in ("key", "value", "timestamp", "step")})
        elif kind in ("params", "tags"):
            pairs[kind] |= record["values"]
        else:
            pass_on()
            _life(sender, run, record, refused)
    pass_on()
    return refused


def _life(sender: Sender, run: str, record: Mapping[str, Any], refused: list[Refusal]) -> None:
    """The beginning or the end of a run."""
    if record.get("kind") == "begin":
        fields = {
            "run_id": run,
            "run_name": record["name"],
            "user_id": record["user"],
            "start_time": record["timestamp"],
        }
        experiment = _experiment(sender, record["experiment"])
        _try(sender, "runs/create", {**fields, "experiment_id": experiment}, refused)
    elif record.get("kind") == "end":
        _try(
            sender, "runs/update", {"run_id": run, "status": record["status"], "end_time": record["timestamp"]}, refused
        )


def _experiment(sender: Sender, name: str) -> str:
    try:
        found = sender.call("experiments/get-by-name", {"experiment_name": name}, method="GET")
        return str(found["experiment"]["experiment_id"])
    except Refusal:
        pass
    try:
        return str(sender.call("experiments/create", {"name": name})["experiment_id"])
    except Refusal:  # somebody else made it meanwhile
        found = sender.call("experiments/get-by-name", {"experiment_name": name}, method="GET")
        return str(found["experiment"]["experiment_id"])


def _try(sender: Sender, path: str, fields: Mapping[str, Any], refused: list[Refusal]) -> None:
    try:
        sender.call(path, fields)
    except Refusal as error:
        refused.append(error)


def _listed(pairs: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in pairs.items()]

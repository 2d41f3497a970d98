"""Records of a spool as calls of the tracking protocol; sending the same ones again changes nothing."""

from __future__ import annotations

import base64
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from flyball.client.errors import Refusal
from flyball.client.spool import Spool

__all__ = ["Sender", "Unreachable", "send_all"]

_FILES = "/api/2.0/mlflow-artifacts/"
_NOT_FOR_GOOD = (401, 403)  # a token, or the server's own rights in a bucket: a file must not be lost for them
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

    def files(self, path: str, fields: Mapping[str, Any] | None) -> dict[str, Any]:
        """One call about files: with `fields` POST, without GET. Raises Unreachable, Refusal."""
        url = f"{self.url}{_FILES}{path}"
        body = None if fields is None else json.dumps(fields).encode()
        return self._answer(urllib.request.Request(url, body, self._headers), path, _LONG_SECONDS)  # noqa: S310

    def put(self, where: str, data: bytes, headers: Mapping[str, str]) -> str:
        """Send bytes to a link, which gets no token of ours, or to a path of files; the entity tag that is answered.

        Raises Unreachable, Refusal.
        """
        linked = "://" in where
        url = where if linked else f"{self.url}{_FILES}{where}"
        own = {} if linked else self._headers
        sent = {**own, "content-type": "application/octet-stream", **headers}
        with self._open(urllib.request.Request(url, data, sent, method="PUT"), where, _LONG_SECONDS) as answer:  # noqa: S310
            return str(answer.headers.get("etag") or "")

    def open(self, link: str, headers: Mapping[str, str]) -> Any:
        """The answer to GET of a link, which gets no token of ours. Raises Unreachable, Refusal."""
        return self._open(urllib.request.Request(link, None, dict(headers)), link, _LONG_SECONDS)  # noqa: S310

    @staticmethod
    def pieces(answer: Any, size: int) -> Iterator[bytes]:
        """What an answer holds. Raises Unreachable when it breaks off."""
        try:
            while piece := answer.read(size):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"it broke off: {error}") from error

    def _answer(self, request: urllib.request.Request, path: str, seconds: float) -> dict[str, Any]:
        with self._open(request, path, seconds) as answer:
            try:
                found: dict[str, Any] = json.loads(answer.read())
                return found
            except (OSError, ValueError, http.client.HTTPException) as error:
                raise Unreachable(f"{self.url} cannot be reached: {error}") from error

    def _open(self, request: urllib.request.Request, path: str, seconds: float) -> Any:
        scheme, host = urlsplit(request.full_url)[:2]
        server = f"{scheme}://{host}"
        if scheme not in ("http", "https"):
            raise Refusal("a link leads to something else than a server", where=server, fix="ask who runs the server")
        try:
            return urllib.request.urlopen(request, timeout=seconds)  # noqa: S310 - the user's own server, and its links
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(10_000).decode("utf-8", "replace")
            if error.code >= 500 or error.code == 429:
                raise Unreachable(f"{server} answered {error.code}") from error
            refused = Refusal(f"{server} refused {path.partition('?')[0]}", why=said[:500], fix="see what it says")
            refused.answered = error.code
            raise refused from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unreachable(f"{server} cannot be reached: {error}") from error


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
            refused += _send(sender, records, spool)
        elif place == spool.sent():
            return refused
        spool.acknowledge(place)


def _send(sender: Sender, records: list[dict[str, Any]], spool: Spool) -> list[Refusal]:
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
        elif kind == "file":
            pass_on()
            _file(sender, run, record, spool, refused)
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


def _file(sender: Sender, run: str, record: Mapping[str, Any], spool: Spool, refused: list[Refusal]) -> None:
    """A file that was kept for sending; one that is gone was sent before."""
    from flyball.client.uploading import artifact_root, send_file

    kept = spool.kept(record["kept"])
    if not kept.exists():
        return
    try:
        send_file(sender, f"{artifact_root(sender, run)}/{record['path']}", kept)
    except Refusal as error:
        if error.answered in _NOT_FOR_GOOD:
            raise Unreachable(f"{error.what}: {error.why}") from error
        refused.append(error)
    spool.drop(record["kept"])


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

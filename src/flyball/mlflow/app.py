"""The protocol as an ASGI application: bare routes, because a framework would cost more than the work."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from flyball.core.clock import SystemClock
from flyball.core.version import __version__
from flyball.ledger import Actor
from flyball.mlflow import experiments, logged_models, registered_models, runs
from flyball.mlflow.artifacts import BrokenOff, FileRoutes
from flyball.mlflow.call import Call
from flyball.mlflow.commits import Commits
from flyball.mlflow.errors import ProtocolError, told
from flyball.mlflow.links import Links
from flyball.mlflow.service import Change, Handler, Planner, Service
from flyball.serving.asgi import ClientGone, Limits, Prompt, Receive, Request, Response, Scope, Send, header, parse_json
from flyball.store import Done
from flyball_runtime.errors import FlyballError

__all__ = ["MlflowApp"]

_LIMITS = Limits(body_bytes=64 * 2**20, body_seconds=60.0)
_THREADS, _FILE_THREADS = 8, 8
_SMALL_BODY = 16 * 1024  # bytes; what is read faster than a thread is woken stays on the event loop
_PREFIXES = tuple(f"/{root}/{version}/mlflow/" for root in ("api", "ajax-api") for version in ("2.0", "3.0"))
_PLACE = re.compile(r"/(?:ajax-)?api/(2\.0|3\.0)/mlflow(-artifacts)?/(.*)", re.DOTALL)
_NAMED = re.compile(r"\{(\w+)\}")
# What the server can do, for clients that ask before they begin. Parts of an upload are worth sending apart where an
# object store takes them: a client that sends a whole file here tries it again, which it does not do with a part.
_INFO = {
    "store_type": "SqlStore",
    "workspaces_enabled": False,
    "trace_archival_enabled": False,
    "multipart_downloads_enabled": True,
    # This way of sending a file ends without a word to the server, which could then verify nothing.
    "presigned_upload_run_id_supported": False,
    "presigned_upload_model_id_supported": False,
    "features_enabled": {"gateway": False},
}

Unforeseen = Callable[[BaseException, str], None]


class MlflowApp:
    """Answers what clients of the MLflow protocol ask; `answers` says which paths these are.

    unforeseen: told of errors that nobody foresaw, with the path, for the log. links: signs links to files.
    """

    def __init__(
        self,
        service: Service,
        *,
        auth: str = "loopback",
        unforeseen: Unforeseen | None = None,
        links: Links | None = None,
    ) -> None:
        self._service = service
        self.links = links or Links(None, SystemClock())
        self._everybody = Actor("user", Actor.local().id, auth)
        self._unforeseen = unforeseen
        self._plain: dict[tuple[str, str], Handler] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Handler]] = []
        for part in (experiments, runs, logged_models, registered_models):
            for method, path, handler in part.ROUTES:
                if "{" in path:
                    self._patterns.append((method, re.compile(_NAMED.sub(r"(?P<\1>[^/]+)", path)), handler))
                else:
                    self._plain[method, path] = handler
        # The calls of trainings by their whole paths: to take a path apart costs as much as to look one up a hundred times.
        self._changes: dict[tuple[str, str], Planner] = {
            (method, prefix + path): planner for method, path, planner in runs.CHANGES for prefix in _PREFIXES
        }
        self.prompts: dict[tuple[str, str], Prompt] = {
            place: partial(self._at_once, planner) for place, planner in self._changes.items()
        }
        self._commits = Commits(service.database)
        self._threads = ThreadPoolExecutor(_THREADS, "flyball-mlflow")
        self._file_threads = ThreadPoolExecutor(_FILE_THREADS, "flyball-files")
        self._files = FileRoutes(service.tracking.files, self._file_threads, self.links)

    def close(self) -> None:
        """Let the threads end."""
        self._commits.close()
        self._threads.shutdown(wait=True)
        self._file_threads.shutdown(wait=True)

    @staticmethod
    def answers(path: str) -> bool:
        """Whether a path belongs to the protocol."""
        return (
            path.startswith("/api/2.0/mlflow/")
            or path == "/version"
            or (path.startswith(("/api/", "/ajax-api/")) and _PLACE.fullmatch(path) is not None)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/version":
            await Response(200, __version__.encode(), "text/plain; charset=utf-8").send(send)
            return
        try:
            answer = await self._answer(scope, receive, send)
        except ClientGone:
            return
        except BrokenOff as broken:  # the client sees that the answer is not whole
            if self._unforeseen is not None and broken.__cause__ is not None:
                self._unforeseen(broken.__cause__, scope["path"])
            return
        except Exception as error:  # noqa: BLE001 - the client is told that it was not its fault, the log the rest
            answer = self._refused(error, scope["path"])
        if answer is not None:
            await answer.send(send, head_only=scope["method"] == "HEAD")

    def _refused(self, error: Exception, path: str) -> Response:
        if isinstance(error, FlyballError):
            error = told(error)
        if isinstance(error, ProtocolError):
            return _json({"error_code": error.code, "message": error.message}, error.status, error.headers)
        if self._unforeseen is not None:
            self._unforeseen(error, path)
        return _json({"error_code": "INTERNAL_ERROR", "message": f"an unexpected {type(error).__name__}"}, 500)

    def _at_once(self, planner: Planner, scope: Scope, body: bytes, reply: Callable[[Response], None]) -> bool:
        """A `Prompt` for the calls of trainings: planned now, answered once durable."""
        if len(body) > _SMALL_BODY or header(scope["headers"], b"content-encoding"):
            return False
        try:
            actor = self._actor(header(scope["headers"], b"authorization"))
            change = planner(self._service, Call(_object(body), actor))
        except Exception:  # noqa: BLE001 - the application finds the same, and says what it is
            return False

        def tell(done: Done[Any]) -> None:
            try:
                answer = _json(change.answer(done.value))
            except Exception as error:  # noqa: BLE001 - as above
                answer = self._refused(error, scope["path"])
            reply(answer)

        self._commits.submit(change.write, tell)
        return True

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        planner = self._changes.get((scope["method"], scope["path"]))
        if planner is not None:
            return await self._change(planner, Request(scope, receive, _LIMITS))
        match = _PLACE.fullmatch(scope["path"])
        version, files, path = match.groups() if match else ("", None, "")
        method = scope["method"]
        if files:
            await self._files(path, scope, receive, send)
            return None
        if version == "3.0" and path == "server-info" and method == "GET":
            return _json({**_INFO, "multipart_uploads_enabled": await self._files.direct()})
        handler, named = self._find(method, path)
        request = Request(scope, receive, _LIMITS)
        fields = {**await _fields(request, scope), **named}
        call = Call(fields, self._actor(request.header("authorization")))
        found = await asyncio.get_running_loop().run_in_executor(self._threads, handler, self._service, call)
        return Response(200, found) if isinstance(found, bytes) else _json(found)

    async def _change(self, planner: Planner, request: Request) -> Response:
        body = await request.body()

        def plan() -> Change:
            return planner(self._service, Call(_object(body), self._actor(request.header("authorization"))))

        if len(body) <= _SMALL_BODY:
            change = plan()
        else:
            change = await asyncio.get_running_loop().run_in_executor(self._threads, plan)
        return _json(change.answer(await self._commits(change.write)))

    def _find(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
        handler = self._plain.get((method, path))
        if handler is not None:
            return handler, {}
        for wanted, pattern, found in self._patterns:
            match = pattern.fullmatch(path)
            if match and wanted == method:
                return found, match.groupdict()
        said = f"this server has no {method} {path[:200]}"
        plain = (*self._plain, *((verb, known) for verb, known, _ in runs.CHANGES))
        allowed = {verb for verb, known in plain if known == path}
        allowed = allowed or {verb for verb, pattern, _ in self._patterns if pattern.fullmatch(path)}
        raise ProtocolError("ENDPOINT_NOT_FOUND", said, 405 if allowed else None, allowed=sorted(allowed))

    def _actor(self, authorization: str) -> Actor:
        """Who asks: the user name that comes with the password, claimed but not proved; else the server's own account."""
        if not authorization:
            return self._everybody
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                name = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                name = ""
            if name:
                return Actor("user", name[:200], "claimed")
        return self._everybody


async def _fields(request: Request, scope: Scope) -> Mapping[str, Any]:
    """The fields of a request: of its query when it has one and asks only, else of its body."""
    if request.method in ("GET", "HEAD"):
        fields: dict[str, Any] = {}
        for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
            known = fields.get(name)
            fields[name] = value if known is None else [*(known if isinstance(known, list) else [known]), value]
        if fields:
            return fields
    return _object(await request.body())


def _object(body: bytes) -> Mapping[str, Any]:
    """The fields that a body holds; none when it is empty. Raises ProtocolError, MalformedBody."""
    if not body:
        return {}
    value = parse_json(body)
    if isinstance(value, str):  # some clients encode twice
        value = parse_json(value.encode())
    if not isinstance(value, dict):
        raise ProtocolError("INVALID_PARAMETER_VALUE", "the body must be one JSON object")
    return value


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, _ENCODER.encode(value).encode() if value else b"{}", headers=headers or {})

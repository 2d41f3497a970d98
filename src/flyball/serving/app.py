"""The inference server, as a plain ASGI application."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar
from urllib.parse import unquote

from flyball.core.clock import Clock
from flyball.predictions.log import PredictionLog
from flyball.serving.asgi import (
    App,
    ClientGone,
    Limits,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    error_response,
    json_response,
    parse_json,
)
from flyball.serving.describe import describe_model, describe_server, metadata
from flyball.serving.guard import Guard
from flyball.serving.named import read_remember, read_rows, write_answer
from flyball.serving.outcomes import tell_outcomes
from flyball.serving.past import past_parameters
from flyball.serving.personal import without_value
from flyball.serving.served import Answer, Served
from flyball.serving.tensors import BinaryTensor, read_request, write_outputs
from flyball_runtime.errors import BadInput, FlyballError, InternalError, near_miss

__all__ = ["NotLogged", "UnexpectedFailure", "UnknownModel", "UnknownPath", "WrongMethod", "serving_app"]

_LOG = logging.getLogger("flyball.serving")
_PROBES = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})
_SMALL_BODY = 32 * 1024  # bytes; what is scored faster than a thread is woken stays on the event loop

Handler = Callable[[Request], Awaitable[Response]]
Work = Callable[[Any], tuple[Answer, Callable[[], Any]]]


class UnknownPath(BadInput):
    """The server has no such path."""

    code = "FB-SERVE-014"
    status: ClassVar[int] = 404


class WrongMethod(BadInput):
    """The path exists, but not for this HTTP method."""

    code = "FB-SERVE-015"
    status: ClassVar[int] = 405

    def __init__(self, method: str, path: str, allowed: str) -> None:
        super().__init__(f"{method} {path} is not possible", fix=f"use {allowed}")
        self.headers = {"allow": allowed}


class UnknownModel(BadInput):
    """The server does not serve a model or version of that name."""

    code = "FB-SERVE-016"
    status: ClassVar[int] = 404


class NotLogged(InternalError):
    """The model answered, but the answer could not be written to the prediction log, so it was withheld."""

    code = "FB-SERVE-017"
    status: ClassVar[int] = 503


class UnexpectedFailure(InternalError):
    """The server met an error that it did not foresee; its log holds the details."""

    code = "FB-SERVE-018"


def serving_app(
    bundles: Mapping[str, Served],
    log: PredictionLog,
    clock: Clock,
    *,
    token: str | None = None,
    limits: Limits | None = None,
) -> App:
    """An ASGI application that answers for `bundles` (name -> Served) and logs every prediction before answering.

    It speaks the Open Inference Protocol V2 over REST (JSON form) below /v2, and `/predict`, `/outcomes`, `/healthz`,
    `/readyz` in plain JSON. Without `token` it answers for loopback hosts only. The caller closes `log`.
    """
    server = _Server(bundles, log, clock, limits or Limits())
    return Guard(server, token=token, open_paths=_PROBES)


class _Server:
    def __init__(self, bundles: Mapping[str, Served], log: PredictionLog, clock: Clock, limits: Limits) -> None:
        self._bundles = dict(bundles)
        self._log = log
        self._clock = clock
        self._limits = limits
        self._turns = {
            served.model: ThreadPoolExecutor(1, "flyball-turns")
            for served in self._bundles.values()
            if served.stream is not None
        }
        self._personal = frozenset(name for served in self._bundles.values() for name in served.personal)
        live = self._fixed(lambda: {"live": True})
        self._readers = {
            "": self._fixed(lambda: describe_server(self._bundles)),
            "healthz": live,
            "readyz": self._ready,
            "v2": self._fixed(metadata),
            "v2/health/live": live,
            "v2/health/ready": self._ready,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        request = Request(scope, receive, self._limits)
        head = request.method == "HEAD"
        try:
            response = await self._respond(request, "GET" if head else request.method)
        except FlyballError as error:
            response = error_response(error)
            if response.status in (408, 413):  # the rest of the body may still be under way
                response = Response(response.status, response.body, headers={**response.headers, "connection": "close"})
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - a server outlives the failure of one request
            self._tell_of(error, request)
            why = f"an unexpected {type(error).__name__}"
            failure = UnexpectedFailure("the request failed", why=why, fix="see the server's log for the details")
            response = error_response(failure)
        await response.send(send, head_only=head)

    def _tell_of(self, error: Exception, request: Request) -> None:
        """Log a failure with its traceback; without the message where that may quote a value of a personal column."""
        if not self._personal:
            _LOG.exception("%s %s failed", request.method, request.path)
            return
        places = "".join(traceback.format_tb(error.__traceback__))
        _LOG.error("%s %s failed: %s\n%s", request.method, request.path, type(error).__name__, places)

    async def _respond(self, request: Request, method: str) -> Response:
        parts = [unquote(part, errors="replace") for part in request.raw_path.strip("/").split("/")]
        handlers = self._handlers(parts)
        if not handlers:
            raise UnknownPath(f"there is nothing at {request.path}", fix="GET / lists what this server answers")
        if method not in handlers:
            raise WrongMethod(request.method, request.path, ", ".join(handlers))
        return await handlers[method](request)

    def _handlers(self, parts: list[str]) -> dict[str, Handler]:
        match parts:
            case ["v2", "models", name, *rest]:
                return self._model_handlers(name, rest)
            case ["predict"]:
                return {"POST": lambda request: self._predict(request, None)}
            case ["predict", name]:
                return {"POST": lambda request: self._predict(request, name)}
            case ["outcomes"]:
                return {"POST": self._outcomes}
            case _:
                reader = self._readers.get("/".join(parts))
                return {"GET": reader} if reader else {}

    def _model_handlers(self, name: str, rest: list[str]) -> dict[str, Handler]:
        version = None
        if rest[:1] == ["versions"] and len(rest) >= 2:
            version, rest = rest[1], rest[2:]
        match rest:
            case []:
                return {"GET": self._fixed(lambda: describe_model(name, self._find(name, version)))}
            case ["ready"]:
                return {"GET": self._fixed(lambda: {"name": name, "ready": bool(self._find(name, version))})}
            case ["infer"]:
                return {"POST": lambda request: self._infer(request, name, version)}
            case _:
                return {}

    def _fixed(self, make: Callable[[], Any]) -> Handler:
        async def handler(_: Request) -> Response:
            return json_response(200, make())

        return handler

    async def _ready(self, _: Request) -> Response:
        ready = bool(self._bundles)
        return json_response(200 if ready else 503, {"ready": ready, "models": sorted(self._bundles)})

    async def _infer(self, request: Request, name: str, version: str | None) -> Response:
        served = self._find(name, version)
        if "inference-header-content-length" in request.headers:
            raise BinaryTensor(
                "the body holds binary tensors",
                why="this server speaks the JSON form of the protocol only",
                fix="in tritonclient, call set_data_from_numpy(..., binary_data=False)",
            )

        def work(body: Any) -> tuple[Answer, Callable[[], Any]]:
            asked = read_request(body, served, limits=self._limits)
            answer = served.answer(asked.columns, self._clock, request=asked.id, remember=asked.remember)

            def document() -> dict[str, Any]:
                said = {"model_name": name, "model_version": served.version_name}
                ids = ",".join(record.id for record in answer.records)
                identity = {} if asked.id is None else {"id": asked.id}
                outputs = write_outputs(answer.outputs, asked.outputs)
                parameters = {"prediction_ids": ids, **past_parameters(answer)}
                return {**said, **identity, "parameters": parameters, "outputs": outputs}

            return answer, document

        return await self._scored(request, work, served)

    async def _predict(self, request: Request, name: str | None) -> Response:
        served = self._only() if name is None else self._find(name, None)

        def work(body: Any) -> tuple[Answer, Callable[[], Any]]:
            rows = read_rows(body, served.schema, limits=self._limits)
            answer = served.answer(rows, self._clock, remember=read_remember(body, served.schema))
            return answer, lambda: write_answer(answer, served)

        return await self._scored(request, work, served)

    async def _scored(self, request: Request, work: Work, served: Served) -> Response:
        body = await request.body()

        def score() -> tuple[Response, Future[None]]:
            try:
                parsed = parse_json(body)
                with served.turn():
                    answer, document = work(parsed)
                    written = self._submit(answer)
            except FlyballError as error:
                raise without_value(error, self._personal) from None
            return json_response(200, document()), written

        response, written = await self._run(score, served, small=len(body) <= _SMALL_BODY)
        try:
            await asyncio.wrap_future(written)
        except Exception as error:
            raise _not_logged(error) from error
        return response

    def _submit(self, answer: Answer) -> Future[None]:
        try:
            return self._log.submit([*answer.records, *answer.beside])
        except Exception as error:
            raise _not_logged(error) from error

    async def _run(
        self, work: Callable[[], tuple[Response, Future[None]]], served: Served, *, small: bool
    ) -> tuple[Response, Future[None]]:
        if served.stream is not None:
            # one thread for its rows, so that they are answered in the order in which they came
            return await asyncio.get_running_loop().run_in_executor(self._turns[served.model], work)
        return work() if small else await asyncio.to_thread(work)

    async def _outcomes(self, request: Request) -> Response:
        body = parse_json(await request.body())
        told = await asyncio.to_thread(tell_outcomes, body, self._log, self._bundles, limits=self._limits)
        return json_response(200, told)

    def _find(self, name: str, version: str | None) -> Served:
        served = self._bundles.get(name)
        if served is None:
            shown = ", ".join(sorted(self._bundles)) or "none"
            raise UnknownModel(
                f'the model "{name}" is not served here', fix=near_miss(name, self._bundles) or f"served are: {shown}"
            )
        if version is not None and version != served.version_name:
            raise UnknownModel(
                f'version "{version}" of {name} is not served here', fix=f"it serves version {served.version_name}"
            )
        return served

    def _only(self) -> Served:
        if len(self._bundles) == 1:
            return next(iter(self._bundles.values()))
        shown = ", ".join(f"/predict/{name}" for name in sorted(self._bundles)) or "none is served"
        raise UnknownModel("/predict needs the model's name here", why="several models are served", fix=f"use {shown}")


def _not_logged(error: Exception) -> NotLogged:
    code = f"{error.code} " if isinstance(error, FlyballError) else ""
    return NotLogged(
        "the prediction could not be logged, so it is not given",
        why=f"{code}{error}".splitlines()[0],
        fix="ask again; if it stays so, run `flyball status`",
    )


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return

"""The control plane: a FastAPI application under /api/v1, and the console's files beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, ParamSpec, TypeVar

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match, Route

from flyball.api.description import (
    ERRORS,
    After,
    Moment,
    Number,
    Orders,
    RunIds,
    RunQuery,
    Since,
    changed_errors,
    describe,
    object_body,
)
from flyball.api.documents import (
    AlertDocument,
    Audit,
    ComparisonDocument,
    DeliveryDocument,
    DiagnosisDocument,
    DiffDocument,
    Entry,
    GateDocument,
    ModelDocument,
    ProjectDocument,
    RunColumnsDocument,
    RunPointsDocument,
    RunsDiffDocument,
    RunsDocument,
    ServedDocument,
    SlicesDocument,
    StatusDocument,
    VersionDocument,
    WatchDocument,
    WebhookDocument,
)
from flyball.api.headers import REPORT_POLICY, SecureHeaders
from flyball.api.static import CONSOLE_FOLDER, Console
from flyball.api.view import ProjectView
from flyball.ledger import Actor
from flyball.serving import asgi
from flyball.serving.guard import Guard
from flyball_runtime.errors import BadInput, FlyballError, InternalError, near_miss

__all__ = ["BadRequest", "NotJson", "UnexpectedFailure", "UnknownRoute", "WrongMethod", "control_app"]

_PREFIX = "/api/v1"
_LIMITS = asgi.Limits(body_bytes=64 * 1024, body_seconds=10)
_PROMOTE_FIELDS: dict[str, type] = {"number": int, "alias": str, "reason": str}
_SETTLE_FIELDS: dict[str, type] = {"reason": str}

P = ParamSpec("P")
Found = TypeVar("Found")


class BadRequest(BadInput):
    """A request to the control plane names a value of the wrong type, or leaves one out."""

    code = "FB-API-001"


class NotJson(BadInput):
    """A request that changes something was not sent as application/json."""

    code = "FB-API-002"
    status: ClassVar[int] = 415


class UnknownRoute(BadInput):
    """The control plane has no such path, or not for this method."""

    code = "FB-API-003"

    status: ClassVar[int] = 404


class WrongMethod(BadInput):
    """The control plane has this path, but answers it with another method only."""

    code = "FB-API-005"
    status: ClassVar[int] = 405

    def __init__(self, what: str, *, allowed: str) -> None:
        super().__init__(what, fix=f"ask with {allowed}; {_PREFIX}/openapi.json lists every path and method")
        self.headers = {"allow": allowed}


class UnexpectedFailure(InternalError):
    """The control plane met an error that it did not foresee; its log holds the details."""

    code = "FB-API-004"


def control_app(
    view: ProjectView,
    *,
    token: str | None = None,
    actor_id: str | None = None,
    console: Path = CONSOLE_FOLDER,
) -> asgi.App:
    """The ASGI application over one project.

    Without `token` it answers for loopback hosts only; with one, each request must carry it. `actor_id` is who
    promotions are recorded under (default: the account that runs the server); `console` is the built page's folder.
    """
    actor = {"kind": "user", "id": actor_id or Actor.local().id, "auth": "token" if token else "loopback"}
    app = FastAPI(
        title="Flyball",
        version="1",
        description="The control plane of a Flyball project.",
        openapi_url=f"{_PREFIX}/openapi.json",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
    )
    _add_readers(app, view)
    _add_tracked(app, view)
    _add_judgements(app, view)
    _add_differences(app, view)
    _add_promotion(app, view, actor)
    _add_watch(app, view, actor)
    _add_webhooks(app, view)
    _add_errors(app)

    describe(app, token=token is not None)
    app.router.routes.append(Route("/api/{rest:path}", _Unknown(app)))
    app.mount("/", Console(console))
    return SecureHeaders(Guard(app, token=token))


def _route(path: str, document: Any, summary: str) -> dict[str, Any]:
    """The document is shown in the OpenAPI description; the answer is sent as the view gives it."""
    answers = {**ERRORS, 200: {"model": document}}
    return {"path": _PREFIX + path, "summary": summary, "responses": answers, "response_model": None}


def _add_readers(app: FastAPI, view: ProjectView) -> None:
    @app.get(**_route("/project", ProjectDocument, "The project"))
    def project() -> Response:
        return _json(view.project())

    @app.get(**_route("/status", StatusDocument, "The project in short: models, aliases, open alerts"))
    def status() -> Response:
        return _json(view.status())

    @app.get(**_route("/models", list[ModelDocument], "Every model with its versions"))
    def models() -> Response:
        return _json(view.models())

    @app.get(**_route("/models/{name}", ModelDocument, "One model"))
    def model(name: str) -> Response:
        return _json(_find(view.model, name))

    @app.get(**_route("/models/{name}/versions/{number}", VersionDocument, "One version of a model"))
    def version(name: str, number: Number) -> Response:
        return _json(_find(view.version, name, number))

    @app.get(
        f"{_PREFIX}/models/{{name}}/versions/{{number}}/report",
        summary="The version's report, a self-contained page",
        response_class=HTMLResponse,
        responses=ERRORS,
    )
    def report(name: str, number: Number) -> Response:
        return HTMLResponse(_find(view.report, name, number), headers={"content-security-policy": REPORT_POLICY})

    @app.get(**_route("/ledger", list[Entry], "The ledger's newest entries"))
    def ledger(subject: str | None = None, limit: Annotated[int, Query(ge=1, le=10_000)] = 100) -> Response:
        return _json(view.ledger(subject, limit))

    @app.get(
        **_route("/models/{name}/aliases/{alias}", ServedDocument, "Which version an alias named at a time, and why")
    )
    def served(name: str, alias: str, at: Moment = None) -> Response:
        return _json(_find(view.served, name, alias, at))

    @app.get(**_route("/audit", Audit, "Verify every hash now"))
    def audit() -> Response:
        return _json(view.audit())

    @app.get(**_route("/doctor", DiagnosisDocument, "Examine the installation and the project"))
    def doctor() -> Response:
        return _json(view.doctor())


def _add_tracked(app: FastAPI, view: ProjectView) -> None:
    @app.get(
        **_route("/runs", RunsDocument, "Tracked runs over all experiments, by a query with AND, OR, NOT and brackets")
    )
    def runs(
        where: RunQuery = "",
        order: Orders = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    ) -> Response:
        return _json(view.runs(where, order or [], limit, offset))

    @app.get(**_route("/runs/columns", RunColumnsDocument, "Tracked runs by column, for tables of many of them"))
    def run_columns(
        where: RunQuery = "",
        order: Orders = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
        offset: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        upto: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    ) -> Response:
        return _json(view.run_columns(where, order or [], limit, offset, upto))

    @app.get(**_route("/runs/points", RunPointsDocument, "Every point of the metrics of tracked runs, by column"))
    def run_points(
        where: RunQuery = "",
        key: Annotated[list[str] | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=100_000)] = 50_000,
        after: After = None,
    ) -> Response:
        return _json(view.run_points(where, key or [], limit, after))


def _add_judgements(app: FastAPI, view: ProjectView) -> None:
    @app.get(**_route("/models/{name}/versions/{number}/slices", SlicesDocument, "Where a version is weak"))
    def slices(name: str, number: Number, by: str | None = None) -> Response:
        return _json(_find(view.slices, name, number, by))

    @app.get(
        **_route(
            "/models/{name}/versions/{number}/compare/{other}", ComparisonDocument, "A version against another, paired"
        )
    )
    def compare(name: str, number: Number, other: str) -> Response:
        return _json(_find(view.compare, name, number, other))


def _add_differences(app: FastAPI, view: ProjectView) -> None:
    @app.get(
        **_route("/models/{name}/versions/{number}/diff/{other}", DiffDocument, "What changed since another version")
    )
    def diff(name: str, number: Number, other: str) -> Response:
        return _json(_find(view.diff, name, number, other))

    @app.get(**_route("/runs/diff", RunsDiffDocument, "What differs between tracked runs"))
    def diff_runs(run: RunIds) -> Response:
        return _json(_find(view.diff_runs, run))


def _add_promotion(app: FastAPI, view: ProjectView, actor: dict[str, str]) -> None:
    refused = changed_errors("A rule of the alias's gate is not met; nothing was changed.")
    example = {"number": 3, "alias": "production", "reason": "quarterly refresh"}

    @app.post(
        f"{_PREFIX}/models/{{name}}/promote",
        summary="Move an alias to a version, through the alias's gate",
        responses={**refused, 200: {"model": GateDocument}},
        response_model=None,
        openapi_extra=object_body(_PROMOTE_FIELDS, example),
    )
    async def promote(name: str, request: Request) -> Response:
        number, alias, reason = await _promotion(request)
        await run_in_threadpool(_find, view.version, name, number)
        return _json(await run_in_threadpool(view.promote, name, number, alias, reason, actor))


def _add_watch(app: FastAPI, view: ProjectView, actor: dict[str, str]) -> None:
    @app.get(
        **_route("/models/{name}/watch", WatchDocument, "The windows that were judged, with every column; judges none")
    )
    def watch(name: str, since: Since = "7d", limit: Annotated[int, Query(ge=1, le=10_000)] = 200) -> Response:
        return _json(_find(view.watch, name, since, limit))

    @app.get(**_route("/alerts", list[AlertDocument], "The alerts, newest first"))
    def alerts(model: str | None = None, resolved: bool = False) -> Response:
        return _json(view.alerts(model, resolved))

    settled = changed_errors("The alert is resolved already; nothing was changed.")
    for action in ("acknowledge", "resolve"):
        _add_settling(app, view, actor, action, {**settled, 200: {"model": AlertDocument}})


def _add_settling(
    app: FastAPI, view: ProjectView, actor: dict[str, str], action: str, responses: dict[int | str, dict[str, Any]]
) -> None:
    @app.post(
        f"{_PREFIX}/alerts/{{number}}/{action}",
        summary=f"{action.capitalize()} an alert, with the reason",
        operation_id=f"{action}_alert",
        responses=responses,
        response_model=None,
        openapi_extra=object_body(_SETTLE_FIELDS, {"reason": "sensor replaced"}),
    )
    async def settle(number: Number, request: Request) -> Response:
        fields = await _fields(request, _SETTLE_FIELDS, '{"reason": "..."}')
        said = fields["reason"].strip()
        return _json(await run_in_threadpool(view.settle_alert, number, action, said, actor))


def _add_webhooks(app: FastAPI, view: ProjectView) -> None:
    @app.get(**_route("/webhooks", list[WebhookDocument], "The webhooks, without their secrets"))
    def webhooks() -> Response:
        return _json(view.webhooks())

    @app.get(**_route("/webhooks/deliveries", list[DeliveryDocument], "Messages to webhooks, the newest first"))
    def deliveries(
        hook: str | None = None,
        state: Literal["waiting", "delivered", "dead"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        return _json(_find(view.deliveries, hook, state, limit))


async def _promotion(request: Request) -> tuple[int, str, str]:
    body = await _fields(request, _PROMOTE_FIELDS, '{"number": 3, "alias": "production", "reason": "..."}')
    return body["number"], body["alias"].strip(), body["reason"].strip()


async def _fields(request: Request, fields: dict[str, type], example: str) -> dict[str, Any]:
    """The body's fields, all of them and no others. Raises NotJson, BadRequest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        # A form of another site can send text/plain without asking; it cannot send this type.
        raise NotJson("the body must be sent as application/json", why=f"the request says {kind or 'nothing'!r}")
    body = asgi.parse_json(await asgi.Request(request.scope, request.receive, _LIMITS).body())
    if not isinstance(body, dict):
        raise BadRequest("the body must be one JSON object", fix=f"send {example}")
    unknown = sorted(set(body) - set(fields))
    if unknown:
        hint = near_miss(unknown[0], fields)
        raise BadRequest(f"unknown field {unknown[0]!r}", fix=hint or f"known are {', '.join(fields)}")
    for name, kind_of in fields.items():
        value = body.get(name)
        if not isinstance(value, kind_of) or isinstance(value, bool) or (isinstance(value, str) and not value.strip()):
            wanted = "a whole number" if kind_of is int else "a text that is not empty"
            raise BadRequest(f'"{name}" must be {wanted}', why=f"it is {value!r}" if name in body else "it is missing")
    return body


class _NotFound(Exception):
    """Carries the coded error of a look-up to its 404."""

    def __init__(self, error: FlyballError) -> None:
        super().__init__(error.what)
        self.error = error


def _find(look_up: Callable[P, Found], *arguments: P.args, **named: P.kwargs) -> Found:
    try:
        return look_up(*arguments, **named)
    except BadInput as error:
        if getattr(error, "status", 404) != 404:
            raise
        raise _NotFound(error) from error


class _Unknown:
    """Answers what no route does: with any method, so that no path ends in an answer without a code."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await _error(self._error(scope))(scope, receive, send)

    def _error(self, scope: asgi.Scope) -> FlyballError:
        method, path = scope["method"][:20], scope["path"][:200]
        allowed: set[str] = set()
        for route in self._app.routes:
            if isinstance(route, Route) and route.matches(scope)[0] is Match.PARTIAL:
                allowed |= route.methods or set()
        if allowed:
            return WrongMethod(f"{path} is not answered with {method}", allowed=", ".join(sorted(allowed)))
        return UnknownRoute(f"there is no {method} {path}", fix=f"{_PREFIX}/openapi.json lists every path and method")


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(FlyballError)
    def coded(_: Request, error: FlyballError) -> Response:
        return _error(error)

    @app.exception_handler(_NotFound)
    def not_found(_: Request, error: _NotFound) -> Response:
        return _error(error.error, 404)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][1:])
        return _error(BadRequest(f'"{name}" cannot be used: {first["msg"].lower()}', where=str(first["loc"][0])))

    @app.exception_handler(asgi.ClientGone)
    def gone(_: Request, __: asgi.ClientGone) -> Response:
        return Response(status_code=400)  # nobody reads it

    @app.exception_handler(Exception)
    def unexpected(_: Request, error: Exception) -> Response:
        why = f"an unexpected {type(error).__name__}"
        return _error(UnexpectedFailure("the request failed", why=why, fix="see the server's log for the details"))


def _json(value: Any, status: int = 200) -> Response:
    return Response(asgi.json_bytes(value), status, media_type="application/json")


def _error(error: FlyballError, status: int | None = None) -> Response:
    answer = asgi.error_response(error, status)
    return Response(answer.body, answer.status, dict(answer.headers), answer.content_type)

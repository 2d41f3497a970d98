"""A version of a project behind the inference server."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flyball.core.progress import NoProgress, Progress
from flyball.serving import Served, run, serving_app
from flyball.sessions.errors import NoPastWanted
from flyball_runtime.errors import FlyballError
from flyball_runtime.schema import MISSING_TIME, Field

if TYPE_CHECKING:
    from flyball.predictions import PredictionLog
    from flyball.project.project import Project

__all__ = ["serve"]

_LEASE_S = 35.0  # a server that was killed holds on: on a database server its lease runs out after 30 seconds


def serve(
    project: Project,
    ref: str,
    *,
    host: str,
    port: int,
    history: Path | None,
    entities: int,
    on_ready: Callable[[str], None] | None,
    progress: Progress | None,
) -> None:
    """Answer for one version until SIGINT or SIGTERM; beyond loopback a token from FLYBALL_TOKEN is required."""
    version = project.registry.resolve(ref)
    alias = ref.partition("@")[2]
    personal = frozenset(project.registry.evidence(version)["data"]["personal"])
    bundle = project.bundle(version, provides=())
    told = progress or NoProgress()
    if history is not None and bundle.windowed is None:
        raise NoPastWanted(
            f"{version.ref} answers each row by itself", why="it has no window features, so no past to take in",
            fix="leave --history out",
        )  # fmt: skip
    token = os.environ.get("FLYBALL_TOKEN") or None
    with ExitStack() as stack:
        stream = None
        if bundle.windowed is not None:
            from flyball.sessions import Stream

            stream = Stream.open(
                project.database, bundle, version.model, version.number, personal=personal, most=entities,
                wait_s=0.0 if project.database.file else _LEASE_S,
                on_wait=lambda: told.start("sessions", "waiting for the server that holds them"),
            )  # fmt: skip
            stack.callback(stream.close)
        log = project.log()
        stack.callback(log.close)
        served = Served(
            bundle, version.model, version.number, alias=alias if alias and not alias.isdigit() else None,
            personal=personal, stream=stream,
        )  # fmt: skip
        if history is not None:
            _take_in(history, served, log, project.registry.evidence(version), told)
        app = serving_app({version.model: served}, log, project.clock, token=token)
        run(
            app, host=host, port=port, token=token, service="flyball-serve",
            ready=lambda address: on_ready(address.url) if on_ready else None,
        )  # fmt: skip


def _take_in(source: Path, served: Served, log: PredictionLog, evidence: Mapping[str, Any], progress: Progress) -> None:
    """Take a table's rows for the past. Columns that no window reads may be missing from it."""
    from flyball.project.batch import known_schema
    from flyball.project.scoring import read_for
    from flyball.serving.personal import without_value
    from flyball.sessions import seed
    from flyball_runtime.table import normalise

    assert served.stream is not None
    schema = served.schema
    progress.start("history", f"rows of {source.name}")
    table = read_for(source, known_schema(evidence, schema), served.personal).table
    lacking = [f for f in schema if f.name not in table.names and f.name not in served.stream.spec.schema]
    columns = dict(table.columns) | {field.name: _missing(field, table.rows) for field in lacking}
    try:
        normal = normalise(columns, schema)
    except FlyballError as error:
        raise without_value(error, served.personal) from None
    taken = seed(served.stream, log, normal, lambda done: progress.update("history", done))
    known = f", {taken.already:,} known already" if taken.already else ""
    unplaced = f", {taken.unplaced:,} without an entity or a moment" if taken.unplaced else ""
    progress.finish("history", f"{taken.new:,} of {taken.rows:,} rows{known}{unplaced}")


def _missing(field: Field, rows: int) -> NDArray[Any]:
    if field.kind == "text":
        return np.full(rows, None, dtype=object)
    return np.full(rows, np.nan) if field.kind == "number" else np.full(rows, MISSING_TIME, dtype=np.int64)

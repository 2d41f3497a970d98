"""A version of a project behind the inference server."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from flyball.serving import Served, run, serving_app
from flyball_runtime.errors import Refused

if TYPE_CHECKING:
    from flyball.project.project import Project

__all__ = ["NeedsPast", "serve"]


class NeedsPast(Refused):
    """A model with window features answers a row from the rows before it, which a server of single requests does not keep."""

    code = "FB-SERVE-021"


def serve(project: Project, ref: str, *, host: str, port: int, on_ready: Callable[[str], None] | None) -> None:
    """Answer for one version until SIGINT or SIGTERM; beyond loopback a token from FLYBALL_TOKEN is required."""
    version = project.registry.resolve(ref)
    bundle = project.bundle(version)
    if bundle.windowed is not None:
        raise NeedsPast(
            f"{version.ref} looks at earlier rows and cannot be served row by row",
            why=f"it computes {len(bundle.windowed.spec.features)} window features, and requests may come in any order",
            fix=f"score whole tables with flyball predict {ref}, or streams with open_bundle(path).session(); "
            "windows = false in the project file makes a model of single rows",
        )
    alias = ref.partition("@")[2]
    personal = frozenset(project.registry.evidence(version)["data"]["personal"])
    served = Served(
        bundle, version.model, version.number,
        alias=alias if alias and not alias.isdigit() else None, personal=personal,
    )  # fmt: skip
    token = os.environ.get("FLYBALL_TOKEN") or None
    log = project.log()
    try:
        app = serving_app({version.model: served}, log, project.clock, token=token)
        run(app, host=host, port=port, token=token, ready=lambda address: on_ready(address.url) if on_ready else None)
    finally:
        log.close()

"""A version of a project behind the inference server."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from flyball.serving import Served, run, serving_app

if TYPE_CHECKING:
    from flyball.project.project import Project

__all__ = ["serve"]


def serve(project: Project, ref: str, *, host: str, port: int, on_ready: Callable[[str], None] | None) -> None:
    """Answer for one version until SIGINT or SIGTERM; beyond loopback a token from FLYBALL_TOKEN is required."""
    version = project.registry.resolve(ref)
    alias = ref.partition("@")[2]
    personal = frozenset(project.registry.evidence(version)["data"]["personal"])
    served = Served(
        project.bundle(version, provides=()), version.model, version.number,
        alias=alias if alias and not alias.isdigit() else None, personal=personal,
    )  # fmt: skip
    token = os.environ.get("FLYBALL_TOKEN") or None
    log = project.log()
    try:
        app = serving_app({version.model: served}, log, project.clock, token=token)
        run(app, host=host, port=port, token=token, ready=lambda address: on_ready(address.url) if on_ready else None)
    finally:
        log.close()

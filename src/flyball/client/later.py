"""Sending what waits in a folder, after the trainings that wrote it have ended."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from flyball.client.errors import NoServer
from flyball.client.sending import Sender, Unreachable, send_all
from flyball.client.spool import Spool, waiting_spools

__all__ = ["Sent", "server_in_environment", "sync_waiting"]

_QUIET_S = 2.0  # a training that runs writes or sends more often


@dataclass(frozen=True, slots=True)
class Sent:
    """Ids of the runs that a server now has whole, what it refused, and runs whose training is still at work."""

    url: str
    sent: tuple[str, ...]
    refused: tuple[str, ...]
    busy: tuple[str, ...]


def server_in_environment() -> str | None:
    """The server that FLYBALL_TRACKING_URI or MLFLOW_TRACKING_URI names, if either names one."""
    given = os.environ.get("FLYBALL_TRACKING_URI") or os.environ.get("MLFLOW_TRACKING_URI") or ""
    return given if given.startswith(("http://", "https://")) else None


def sync_waiting(folder: Path, url: str | None = None) -> Sent:
    """Send every run that waits in `folder` and remove its file. Raises NoServer."""
    given = url or os.environ.get("FLYBALL_TRACKING_URI") or os.environ.get("MLFLOW_TRACKING_URI") or ""
    if not given.startswith(("http://", "https://")):
        raise NoServer(
            "no tracking server is named",
            why=f"{given!r} is no http:// or https:// address" if given else "neither here nor in the environment",
            fix="flyball track sync http://HOST:PORT",
        )
    sender = Sender(given)
    sent, refused, busy = [], [], []
    for path in waiting_spools(folder):
        if time.time() - path.stat().st_mtime < _QUIET_S:
            busy.append(path.stem)
            continue
        spool = Spool(path)
        try:
            refused += [str(one) for one in send_all(sender, spool)]
        except Unreachable as error:
            spool.close()
            raise NoServer(
                "the tracking server does not answer", where=given, why=str(error), fix="start it, then run this again"
            ) from error
        spool.close(remove=True)
        sent.append(path.stem)
    return Sent(given, tuple(sent), tuple(refused), tuple(busy))

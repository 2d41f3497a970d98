"""`fb.track()`: what a training tells of itself, without ever waiting for a server or failing because of one."""

from __future__ import annotations

import atexit
import contextlib
import getpass
import math
import os
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flyball.client.sending import Sender, Unreachable, send_all
from flyball.client.spool import Spool
from flyball.client.system import Sampling

__all__ = ["SPOOL_FOLDER", "Tracker", "track"]

SPOOL_FOLDER = Path(".flyball") / "spool"
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0


def track(
    url: str | None = None,
    *,
    experiment: str = "Default",
    name: str | None = None,
    spool: str | os.PathLike[str] = SPOOL_FOLDER,
    system_every_s: float | None = 10.0,
) -> Tracker:
    """Begin a run and tell a tracking server of it in the background.

    url: of `flyball server` (default: the environment variables FLYBALL_TRACKING_URI, MLFLOW_TRACKING_URI); without one, the run
    waits in the folder `spool` until `flyball track sync` sends it. Nothing that goes wrong raises: see `Tracker.trouble`.
    system_every_s: how often processor, memory, disk and network are told as metrics below `system/`, by a thread of its own;
    None: never.

    >>> import flyball as fb
    >>> with fb.track(experiment="doc") as run:  # doctest: +SKIP
    ...     run.params({"depth": 3})
    ...     run.log({"loss": 0.25}, step=1)
    """
    given = url or os.environ.get("FLYBALL_TRACKING_URI") or os.environ.get("MLFLOW_TRACKING_URI") or ""
    usable = given if given.startswith(("http://", "https://")) else None
    return Tracker(usable, experiment=experiment, name=name, folder=Path(spool), system_every_s=system_every_s)


class Tracker:
    """One run. Threads may call every method at once; each costs microseconds.

    What was logged is appended to a file at once and sent in batches by a thread of its own; `flush` waits until the disk
    has it. `trouble` is what went wrong last, None while all is well.
    """

    def __init__(
        self, url: str | None, *, experiment: str, name: str | None, folder: Path, system_every_s: float | None = None
    ) -> None:
        self.id = uuid.uuid4().hex
        self.trouble: str | None = None
        self._sender = Sender(url) if url else None
        self._spool: Spool | None = None
        self._wake, self._ended, self._idle = threading.Event(), threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._waiting: list[dict[str, Any]] = []
        with self._careful():
            self._spool = Spool(folder / f"{self.id}.jsonl")
        begin = {"kind": "begin", "experiment": experiment, "name": name or "", "user": _user()}
        self._add([{**begin, "run": self.id, "timestamp": _now()}])
        self._thread = threading.Thread(target=self._work, name="flyball-track", daemon=True)
        self._thread.start()
        self._sampling: Sampling | None = None
        if system_every_s is not None:
            with self._careful():
                self._sampling = Sampling(max(0.1, float(system_every_s)), self._tell_system)
        atexit.register(self.finish)

    def __repr__(self) -> str:
        trouble = f", {self.trouble}" if self.trouble else ""
        return f"<run {self.id}{trouble}>"

    def log(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """Values of metrics at a step, now."""
        with self._careful():
            values = {str(key): _plain(value) for key, value in metrics.items()}
            self._add([{"kind": "metrics", "run": self.id, "timestamp": _now(), "step": int(step), "values": values}])

    def params(self, values: Mapping[str, object]) -> None:
        """Parameters, each said once."""
        self._pairs("params", values)

    def tags(self, values: Mapping[str, object]) -> None:
        """Tags; a later value replaces an earlier one."""
        self._pairs("tags", values)

    def log_artifact(self, path: str | os.PathLike[str], folder: str = "") -> None:
        """A file, or a folder with all that is in it, under its own name in `folder` of the run's files.

        It is copied beside what waits at once, so that it may change afterwards, and sent in the background: large files in
        parts, verified by their hash, and after an interruption from where it broke off.
        """
        with self._careful():
            source = Path(path)
            found = sorted(one for one in source.rglob("*") if one.is_file()) if source.is_dir() else [source]
            for one in found:
                place = "/".join(filter(None, (folder.strip("/"), one.relative_to(source.parent).as_posix())))
                if self._spool is not None:
                    kept = self._spool.keep(one)
                    self._add([{"kind": "file", "run": self.id, "path": place, "kept": kept}])

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until the disk has everything, then for the server, at most so long; whether the server has it too."""
        try:
            self._write()
            if self._spool is None:
                return False
            self._spool.sync()
            end = time.monotonic() + timeout_s
            while self._sender is not None and not self._spool.done() and time.monotonic() < end:
                self._wake.set()
                self._idle.wait(0.02)
            return self._spool.done()
        except Exception as error:  # noqa: BLE001 - a training never fails because of what it tells
            self.trouble = f"{type(error).__name__}: {error}"
            return False

    def finish(self, status: str = "FINISHED", *, timeout_s: float = 10.0) -> None:
        """End the run: FINISHED, FAILED or KILLED. What the server did not get in time waits for `flyball track sync`."""
        if self._ended.is_set():
            return
        atexit.unregister(self.finish)
        if self._sampling is not None:
            self._sampling.stop()
        with self._careful():
            self._add([{"kind": "end", "run": self.id, "status": status, "timestamp": _now()}])
        whole = self.flush(timeout_s)
        self._ended.set()
        self._wake.set()
        self._thread.join(timeout_s)
        with self._careful():
            if self._spool is not None:
                self._spool.close(remove=whole)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.finish("FINISHED" if kind is None else "KILLED" if kind is KeyboardInterrupt else "FAILED")

    # -- inside

    def _tell_system(self, metrics: Mapping[str, float], step: int) -> None:
        self.log(metrics, step=step)

    def _pairs(self, kind: str, values: Mapping[str, object]) -> None:
        with self._careful():
            self._add(
                [{"kind": kind, "run": self.id, "values": {str(key): str(value) for key, value in values.items()}}]
            )

    def _add(self, records: list[dict[str, Any]]) -> None:
        with self._lock:
            self._waiting += records

    def _write(self) -> None:
        """Move what waits in memory into the file."""
        with self._lock:
            records, self._waiting = self._waiting, []
            if records and self._spool is not None:
                self._spool.add(records)

    def _work(self) -> None:
        pause = _PAUSE_S
        while True:
            self._wake.wait(pause)
            ended = self._ended.is_set()
            self._wake.clear()
            with self._careful():
                self._write()
            pause = self._send(pause)
            if ended:
                return

    def _send(self, pause: float) -> float:
        """Send what waits; how long to rest before the next time, longer after each failure."""
        self._idle.clear()
        try:
            if self._sender is not None and self._spool is not None:
                refused = send_all(self._sender, self._spool, doubtful=pause > _PAUSE_S)
                if refused:
                    self.trouble = str(refused[-1])
            return _PAUSE_S
        except Unreachable as error:
            self.trouble = str(error)
            return min(_LONGEST_PAUSE_S, pause * 2)
        except Exception as error:  # noqa: BLE001 - a training never fails because of what it tells
            self.trouble = f"{type(error).__name__}: {error}"
            return min(_LONGEST_PAUSE_S, pause * 2)
        finally:
            self._idle.set()

    @contextlib.contextmanager
    def _careful(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a training never fails because of what it tells
            self.trouble = f"{type(error).__name__}: {error}"


def _plain(value: float) -> float | str:
    number = float(value)
    return (
        number if math.isfinite(number) else "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    )


def _now() -> int:
    return int(time.time() * 1000)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""

"""Progress on standard error: a moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

__all__ = ["LineProgress", "TerminalProgress", "console_progress"]

_QUIET_SECONDS = 5.0


class LineProgress:
    """One line when a step ends and, in long steps, one every five seconds or so, whether the step reports or not.

    For logs and pipes. A step that tells nothing of itself is said to go on, so that nobody takes it for dead.
    """

    def __init__(self, *, patience_seconds: float = 2 * _QUIET_SECONDS) -> None:
        self._lock = threading.Lock()
        self._started: dict[str, float] = {}
        self._spoke: dict[str, float] = {}
        self._patience = patience_seconds
        self._closed = threading.Event()
        self._watch: threading.Thread | None = None

    def start(self, step: str, note: str = "") -> None:
        with self._lock:
            self._started[step] = self._spoke[step] = time.monotonic()
            if note:
                self._write(f"{step:<14} {note}")
            if self._watch is None:
                self._watch = threading.Thread(target=self._keep_company, name="flyball-progress", daemon=True)
                self._watch.start()

    def update(self, step: str, done: float | None, note: str = "") -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._spoke.get(step, 0.0) < _QUIET_SECONDS:
                return
            self._spoke[step] = now
            share = "" if done is None else f"{min(done, 1.0):4.0%} "
            self._write(f"{step:<14} {share}{note}")

    def finish(self, step: str, note: str = "", *, reused: bool = False) -> None:
        with self._lock:
            self._spoke.pop(step, None)
            seconds = time.monotonic() - self._started.pop(step, time.monotonic())
            self._write(f"{step:<14} {'reused' if reused else f'{seconds:.1f} s':>7}  {note}".rstrip())

    def close(self) -> None:
        """Says nothing of its own accord any more."""
        self._closed.set()

    def _keep_company(self) -> None:
        """Until closed: tell of steps that have been silent for too long that they go on."""
        while not self._closed.wait(self._patience / 4):
            with self._lock:
                now = time.monotonic()
                for step, began in self._started.items():
                    if now - self._spoke[step] >= self._patience:
                        self._spoke[step] = now
                        self._write(f"{step:<14} {now - began:5.0f} s  still at work")

    def _write(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201


class TerminalProgress:
    """Finished steps as a list, the running one as a bar that moves."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._lock = threading.Lock()
        self._started: dict[str, float] = {}
        self._tasks: dict[str, Any] = {}
        self._console = Console(stderr=True)
        self._bars = Progress(
            SpinnerColumn(), TextColumn("{task.description:<14}"), BarColumn(bar_width=24), TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"), console=self._console, transient=True,
        )  # fmt: skip
        self._bars.start()

    def start(self, step: str, note: str = "") -> None:
        with self._lock:
            self._started[step] = time.monotonic()
            self._tasks[step] = self._bars.add_task(step, total=None, note=note)

    def update(self, step: str, done: float | None, note: str = "") -> None:
        with self._lock:
            if step in self._tasks:
                total = None if done is None else 1.0
                self._bars.update(self._tasks[step], total=total, completed=done or 0.0, note=note)

    def finish(self, step: str, note: str = "", *, reused: bool = False) -> None:
        with self._lock:
            if step in self._tasks:
                self._bars.remove_task(self._tasks.pop(step))
            seconds = time.monotonic() - self._started.pop(step, time.monotonic())
            spent = "reused" if reused else f"{seconds:.1f} s"
            self._console.print(f"[green]✓[/] {step:<14} [dim]{spent:>7}[/]  {note}", highlight=False)

    def close(self) -> None:
        self._bars.stop()


def console_progress() -> LineProgress | TerminalProgress:
    """The kind that fits standard error."""
    return TerminalProgress() if sys.stderr.isatty() else LineProgress()

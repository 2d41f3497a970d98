"""`flyball server` as a process of its own, for tests that ask, kill or attack it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

__all__ = ["Process", "until"]


class Process:
    """A server over a folder; `url` once it is ready. `kind` is for tests with servers of several kinds."""

    kind = ""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        token: str | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("FLYBALL_")}
        inherited |= {"FLYBALL_SERVER_TOKEN": token} if token else {}
        command = [sys.executable, "-m", "flyball", "server", "--port", "0", "--json", "--dir", str(folder), *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=inherited | dict(environment)
        )
        assert self.process.stdout is not None
        self.first: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.url = str(self.first.get("url"))
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(json.loads(line))

    def end(self, number: int) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another process is about to do."""
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")

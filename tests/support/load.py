"""A project under load: a server that is asked without pause, a run, and promotions, each in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Asked", "asking", "promoting", "serving"]


class Asked:
    """Ids of the predictions that were acknowledged, in order; other threads may look at any time."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.failures: list[str] = []
        self.slowest_s = 0.0


def command(folder: Path, *words: str) -> subprocess.Popen[str]:
    """A `flyball` command as another user would type it."""
    return subprocess.Popen(
        [sys.executable, "-m", "flyball", *words, "--dir", str(folder), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@contextlib.contextmanager
def serving(folder: Path, ref: str) -> Iterator[str]:
    """`flyball serve`; the address that it listens on."""
    server = command(folder, "serve", ref, "--port", "0")
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        assert line, server.stderr.read() if server.stderr else ""
        yield json.loads(line)["url"].removeprefix("http://")
    finally:
        server.terminate()
        server.communicate(timeout=60)
    assert server.returncode == 0


@contextlib.contextmanager
def asking(address: str, rows: list[dict[str, Any]], *, clients: int = 2) -> Iterator[Asked]:
    """Clients that ask one row after another until the block ends."""
    asked, over = Asked(), threading.Event()

    def ask(start: int) -> None:
        with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
            for number in itertools.count(start):
                if over.is_set():
                    return
                began = time.perf_counter()
                connection.request("POST", "/predict", json.dumps({"rows": [rows[number % len(rows)]]}))
                answer = connection.getresponse()
                body = answer.read()
                asked.slowest_s = max(asked.slowest_s, time.perf_counter() - began)
                if answer.status != 200:
                    asked.failures.append(body.decode())
                    return
                asked.ids += [one["id"] for one in json.loads(body)["predictions"]]

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        over.set()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def promoting(folder: Path, ref: str) -> Iterator[list[int]]:
    """Aliases that move without pause, by a process of its own; the exit codes are known after the block."""
    script = (
        "import sys, itertools\nfrom flyball.project import open as open_project\n"
        "project = open_project(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "for number in itertools.count():\n"
        "    project.promote(sys.argv[2], f'alias-{number}', reason='under load')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder), ref], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    codes: list[int] = []
    try:
        assert process.stdout.readline() == "ready\n", process.stderr.read() if process.stderr else ""
        yield codes
    finally:
        codes.append(process.poll() or 0)  # a promotion that failed would have ended it
        process.kill()
        process.communicate()

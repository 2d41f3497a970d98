"""Commands in processes that may be killed: how the crash tests and the soak run them.

A fork server that has loaded the heavy libraries starts each command, so that a trial costs what the command does and not
two seconds of imports. The command line's own `main` runs in a process of its own; SIGKILL ends it like a power cut.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["lightgbm", "sklearn.linear_model", "duckdb", "onnx", "onnxruntime", "flyball.cli.app", "flyball.automl.search",
     "flyball.project.project", "flyball.pipeline.loop", "flyball.governance.materials"]
)  # fmt: skip
_PATIENCE_S = 240


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed; a negative code is the signal that killed it."""

    returncode: int
    stdout: str
    stderr: str


def make_table(path: Path, *, rows: int = 300, seed: int = 5) -> Path:
    """A small table with a number, a category, a date and a binary target that depends on them."""
    rng = np.random.default_rng(seed)
    speed = rng.normal(50, 10, rows).round(2)
    site = rng.choice(["north", "south", "east"], rows)
    failed = (speed + 8 * (site == "south") + rng.normal(0, 6, rows) > 58).astype(int)
    lines = [f"{a},{b},{c}" for a, b, c in zip(speed, site, failed, strict=True)]
    path.write_text("speed,site,failed\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def flyball(*arguments: str, folder: Path, **environment: str) -> Done:
    """One command to its end (or its kill)."""
    with tempfile.TemporaryDirectory() as outputs:
        process = _start(arguments, folder, environment, Path(outputs))
        process.join(_PATIENCE_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"flyball {' '.join(arguments)} did not end within {_PATIENCE_S} s")
        stdout, stderr = (Path(outputs, name).read_text(encoding="utf-8") for name in ("stdout", "stderr"))
    return Done(process.exitcode, stdout, stderr)


def killed_after(seconds: float, *arguments: str, folder: Path) -> bool:
    """Kill a command after a while; whether it was still running."""
    with tempfile.TemporaryDirectory() as outputs:
        process = _start(arguments, folder, {}, Path(outputs))
        time.sleep(seconds)
        alive = process.is_alive()
        if alive and process.pid is not None:
            os.kill(process.pid, signal.SIGKILL)
        process.join()
    return alive


def _start(arguments: tuple[str, ...], folder: Path, environment: dict[str, str], outputs: Path) -> Any:
    command = [*arguments, "--dir", str(folder), "--json"]
    process = _SERVER.Process(target=_run, args=(command, environment, str(outputs)))
    process.start()
    return process


def _run(command: list[str], environment: dict[str, str], outputs: str) -> None:
    """In the new process: the standard streams go to files, then the program runs as it would from a shell."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(os.path.join(outputs, name), os.O_WRONLY | os.O_CREAT, 0o600), number)  # noqa: PTH118
    os.environ.update(environment)
    from flyball.cli import main

    raise SystemExit(main(command))


def answer(done: Done) -> dict[str, Any]:
    """The one JSON object that a command printed; a failure shows what it said."""
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def assert_whole(folder: Path) -> int:
    """Everything verifies and nothing is half registered; how many versions there are."""
    verified = answer(flyball("audit", "verify", folder=folder))
    assert verified["ok"], verified["problems"]
    models = answer(flyball("status", folder=folder))["models"]
    versions = models[0]["versions"] if models else 0
    for number in range(1, versions + 1):
        bundle = folder / ".flyball" / "bundles" / "plant" / str(number)
        assert (bundle / "manifest.json").exists()
        assert (bundle / "signature").exists()
    return versions

"""The pages that are written from the code, so that they cannot disagree with it: commands and error codes."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import flyball
import flyball_runtime
from flyball_runtime.errors import FlyballError

__all__ = ["error_classes", "write_all"]

COMMANDS = ["init", "run", "promote", "serve", "predict", "explain", "status", "console", "audit", "audit verify",
            "audit log", "audit anchor", "audit rebuild", "keys", "keys list", "keys rotate", "keys revoke",
            "keys trust"]  # fmt: skip


def write_all(folder: Path) -> None:
    """Write every generated page; a page that did not change keeps its time stamp, so that builds stay incremental."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"cli.md": cli_page(), "errors.md": errors_page()}.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def cli_page() -> str:
    """What each command's `--help` prints."""
    parts = [
        "# Commands",
        "Each command takes `--json`: one JSON object on standard output, progress on standard error.",
    ]
    for command in COMMANDS:
        printed = subprocess.run(
            [sys.executable, "-m", "flyball", *command.split(), "--help"],
            capture_output=True, text=True, check=True, env={"COLUMNS": "100", "TERM": "dumb", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        parts.append(f"## flyball {command}\n\n```text\n{printed.stdout.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def errors_page() -> str:
    """Every error code with what it means, from the class that raises it."""
    exits = "Exit codes: 1 refused by a gate or check, 2 bad input or usage, 3 internal error."
    parts = ["# Error codes", "Every refusal carries a code, what happened, where, why and the fix. " + exits]
    for error in error_classes():
        meaning = inspect.cleandoc(error.__doc__ or "")
        parts.append(f"## {error.code}\n\n*{error.__name__}, exit code {error.exit_code}*\n\n{meaning}")
    return "\n\n".join(parts) + "\n"


def error_classes() -> list[type[FlyballError]]:
    """Every error class of both packages, in the order of their codes."""
    for package in (flyball, flyball_runtime):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if "migrations" not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found: dict[str, type[FlyballError]] = {}
    pending: list[type[FlyballError]] = [FlyballError]
    while pending:
        current = pending.pop()
        pending += current.__subclasses__()
        ours = current.__module__.partition(".")[0] in ("flyball", "flyball_runtime")
        if ours and found.setdefault(current.code, current) is not current:
            raise RuntimeError(f"{current.code} stands for both {current} and {found[current.code]}")
    return [found[code] for code in sorted(found)]

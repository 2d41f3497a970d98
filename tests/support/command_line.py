"""The `flyball` program called as other programs call it, in this process: fast enough to call it a hundred times."""

from __future__ import annotations

import contextlib
import gc
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from flyball.cli import main

__all__ = ["Ended", "flyball", "tree"]


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended: its exit code and what it wrote on each stream."""

    code: int
    out: str
    err: str

    def answer(self, code: int = 0) -> dict[str, Any]:
        """The one JSON object on standard output, after checking the exit code."""
        assert self.code == code, f"exit code {self.code}\n{self.out}\n{self.err}"
        parsed = json.loads(self.out, parse_constant=_not_json)
        assert isinstance(parsed, dict)
        return parsed

    def error(self, code: int) -> dict[str, Any]:
        """The coded error that the command ended with; nothing of a traceback is anywhere."""
        assert "Traceback" not in self.out + self.err
        parsed = self.answer(code)
        assert set(parsed) == {"error"}
        error: dict[str, Any] = parsed["error"]
        assert set(error) == {"code", "what", "where", "why", "fix", "facts"}
        assert error["what"]
        assert error["fix"], error
        return error


def flyball(*arguments: object, folder: Path | None = None) -> Ended:
    """One command with `--json`; `folder` is the project's."""
    words = [*map(str, arguments), "--json", *(["--dir", str(folder)] if folder else [])]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return Ended(code, out.getvalue(), err.getvalue())


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder with its content, and every folder: to see that a command left nothing behind.

    Projects of earlier commands in this process are let go of first: SQLite tidies its files when the last one closes.
    """
    gc.collect()
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def _not_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")

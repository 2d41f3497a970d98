"""What a command hands back: one value for programs, one text for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flyball_runtime.errors import FlyballError

__all__ = ["Answer", "bullet_list", "escape", "show", "show_error"]


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` is printed with `--json`, `text` (Rich markup or a renderable) otherwise."""

    data: Mapping[str, Any]
    text: Any
    exit_code: int = 0


def show(answer: Answer, *, as_json: bool) -> None:
    """Print an answer on standard output."""
    if as_json:
        # Flushed, because a program that reads a pipe waits for this line while `serve` and `console` go on.
        _print_json(answer.data)
        return
    _console(sys.stdout).print(
        answer.text,
        highlight=False,
        soft_wrap=not hasattr(answer.text, "renderables") and not hasattr(answer.text, "columns"),
    )


def show_error(error: FlyballError, *, as_json: bool) -> None:
    """Print an error: on standard error for people, as one object on standard output with `--json`."""
    if as_json:
        _print_json({"error": error.to_dict()})
        return
    from rich.text import Text

    first, *rest = str(error).split("\n")
    code, _, what = first.partition("  ")
    text = Text.assemble((code, "bold red"), "  ", (what, "bold"))
    for line in rest:
        text.append("\n" + line)
    width = max((len(label) for label, _ in error.lines()), default=4)
    text.append(f"\n  {'more'.ljust(width)}  flyball error {code}", style="dim")
    _console(sys.stderr).print(text, soft_wrap=True, highlight=False)


def _print_json(data: Any) -> None:
    """One line of JSON; escaped throughout when the stream's encoding or a file's name has no other way."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(data, ensure_ascii=True, allow_nan=False, default=str)
    print(text, flush=True)  # noqa: T201


def _console(stream: Any) -> Any:
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else 160)


def bullet_list(label: str, items: list[str], *, most: int = 8) -> list[str]:
    """Lines with the label before the first; past `most` items the rest is counted."""
    shown = items[:most] + ([f"… and {len(items) - most} more"] if len(items) > most else [])
    return [f"{label if number == 0 else '':<9} {escape(item)}" for number, item in enumerate(shown)]


def escape(text: object) -> str:
    """Text that Rich prints as it is."""
    from rich.markup import escape as rich_escape

    return rich_escape(str(text))

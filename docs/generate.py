"""The pages that are written from the code, so that they cannot disagree with it: commands, metrics, error codes."""

from __future__ import annotations

import importlib
import io
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

import flyball
import flyball_runtime
from flyball_runtime.errors import FlyballError

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["commands", "error_classes", "error_pages_by_name", "help_of", "write_all"]


def write_all(folder: Path) -> None:
    """Write every generated page; a page that did not change keeps its time stamp, so that builds stay incremental."""
    pages = {"cli.md": cli_page(), "errors.md": errors_page(), "metrics.md": metrics_page(), **error_pages_by_name()}
    (folder / "errors").mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in set((folder / "errors").glob("*.md")) - {folder / name for name in pages}:
        path.unlink()  # the page of a code that is no more


def cli_page() -> str:
    """What each command's `--help` prints."""
    parts = [
        "# Commands",
        "Each command takes `--json`: one JSON object on standard output, progress on standard error.",
    ]
    parts += [f"## flyball {command}\n\n```text\n{help_of(command)}\n```" for command in commands()]
    return "\n\n".join(parts) + "\n"


def commands() -> list[str]:
    """Every command of the program in the order of its help: "run", "audit", "audit verify"."""
    from flyball.cli.app import app

    found: list[str] = []
    for name in own(app):
        found.append(name)
        found += [f"{name} {inner}" for inner in own(app[name])]
    return found


def own(app: App) -> list[str]:
    return [name for name in app if not name.startswith("-")]


def help_of(command: str) -> str:
    """What `flyball COMMAND --help` prints on a terminal of 100 columns."""
    from rich.console import Console

    from flyball.cli.app import app

    page = io.StringIO()
    app.help_print(command.split(), console=Console(file=page, width=100, color_system=None, force_terminal=False))
    return "\n".join(line.rstrip() for line in page.getvalue().strip().splitlines())


def errors_page() -> str:
    """Every error code with a line on what it means; each has a page of its own."""
    from flyball.cli.error_pages import error_pages

    exits = "Exit codes: 1 refused by a gate or check, 2 bad input or usage, 3 internal error."
    parts = [
        "# Error codes",
        "Every refusal carries a code, what happened, where, why and the fix. " + exits,
        "Each code has a page with what it means, why it happens, how to mend it and an example;"
        " `flyball error FB-DATA-003` prints it too, without a network.",
        "| code | exit | meaning |\n|---|---|---|",
    ]
    pages = error_pages()
    rows = [f"| [{page.code}](errors/{page.code}.md) | {page.exit_code} | {page.summary} |" for page in pages]
    tree = "\n".join(["```{toctree}", ":hidden:", "", *(f"errors/{page.code}" for page in pages), "```"])
    return "\n\n".join(parts) + "\n" + "\n".join(rows) + f"\n\n{tree}\n"


def error_pages_by_name() -> dict[str, str]:
    """The page of each code, by its file below the folder of generated pages."""
    from flyball.cli.error_pages import error_pages

    return {f"errors/{page.code}.md": page.to_markdown() for page in error_pages()}


def metrics_page() -> str:
    """Every metric with its direction, the tasks that it is for, and what it means."""
    from flyball.evaluation import METRICS

    lines = [
        "# Metrics",
        "These names stand in `metric` and in the gates of the project file. Each comes with its 90 % interval.",
        "| name | better | for | meaning |\n|---|---|---|---|",
    ]
    rows = [f"| `{name}` | {one.better} | {', '.join(one.tasks)} | {one.meaning} |" for name, one in METRICS.items()]
    return "\n\n".join(lines) + "\n" + "\n".join(rows) + "\n"


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

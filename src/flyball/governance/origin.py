"""What a model was made with: interpreter, packages, machine, and the code's commit."""

from __future__ import annotations

import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["environment", "git_commit"]


def environment(root: str = "flyball") -> dict[str, Any]:
    """Python, platform, and the versions of `root` and of all that it depends on, as installed here.

    `{"python", "implementation", "platform", "packages": {name: version}}`. What else is installed made no model.
    """
    packages: dict[str, str] = {}
    waiting: list[tuple[str, frozenset[str]]] = [(root, frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # needed on another platform only
            continue
        packages[_normal(name)] = distribution.version
        waiting += [needed for line in distribution.requires or [] if (needed := _requirement(line, extras))]
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": dict(sorted(packages.items())),
    }


def git_commit(folder: Path) -> str | None:
    """The commit that a folder stands at, with `+changes` when its files differ from it; None outside git."""
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return None
    return head + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 (fixed arguments, no shell)
            ["git", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _requirement(line: str, extras: frozenset[str]) -> tuple[str, frozenset[str]] | None:
    """Name and extras of a requirement such as `cyclonedx-python-lib[json-validation]>=11; extra == "x"`."""
    wanted, _, marker = line.partition(";")
    only_with = re.findall(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
    match = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?", wanted)
    if match is None or (only_with and not extras.intersection(map(_normal, only_with))):
        return None
    return _normal(match[1]), frozenset(
        _normal(extra.strip()) for extra in (match[2] or "").split(",") if extra.strip()
    )


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")

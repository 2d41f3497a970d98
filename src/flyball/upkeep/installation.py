"""Is Flyball itself installed as it should be?"""

from __future__ import annotations

import platform
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from flyball.core.clock import Clock
from flyball.core.version import __version__
from flyball.upkeep.diagnosis import Check, fine, problem, warning

__all__ = ["examine_installation", "installed_versions"]

_OLDEST_PYTHON = (3, 11)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_BOUND = re.compile(r"(>=|==|<=|<|>|!=|~=)\s*([0-9][0-9A-Za-z.]*)")
_BUILT = 1_760_000_000  # seconds since 1970: no clock that is right tells an earlier time than October 2025
_SCRATCH_BYTES = 256 << 20


def examine_installation(clock: Clock, *, deep: bool) -> Iterator[Check]:
    """Python, the packages that Flyball needs against those installed, the runtime, scratch space and the clock.

    deep: the large libraries are loaded too, which takes seconds.
    """
    yield _python()
    yield _packages()
    yield _runtime()
    if deep:
        yield _libraries()
    yield _console()
    yield _scratch()
    yield _clock(clock)


def installed_versions() -> dict[str, str | None]:
    """Every package that Flyball asks for, and the version that is there (None: none)."""
    return {name: _version(name) for name, _ in _requirements()}


def _python() -> Check:
    found = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        wanted = ".".join(map(str, _OLDEST_PYTHON))
        return problem("python", f"Python {found} is too old", fix=f"install Python {wanted} or newer")
    return fine("python", f"Python {found}, SQLite {sqlite3.sqlite_version}, {platform.system()} {platform.machine()}")


def _packages() -> Check:
    """Installed versions against what the distributions of Flyball ask for."""
    wrong = []
    required = _requirements()
    for name, bounds in required:
        found = _version(name)
        if found is None:
            wrong.append(f"{name} is missing")
        wrong += [
            f"{name} {found}, needed {sign}{bound}"
            for sign, bound in bounds
            if found is not None and not _fits(found, sign, bound)
        ]
    if wrong:
        return problem(
            "packages", f"{len(wrong)} packages are not as needed", why="; ".join(wrong),
            fix=f"pip install --upgrade flyball=={__version__}", packages=len(required), wrong=len(wrong),
        )  # fmt: skip
    return fine("packages", f"{len(required)} packages, all as needed", packages=len(required))


def _runtime() -> Check:
    runtime = _version("flyball-runtime")
    if runtime != __version__:
        return problem(
            "runtime", "flyball and flyball-runtime are of different versions",
            why=f"flyball is {__version__}, flyball-runtime {runtime or 'missing'}: what is trained and what is served "
            "must be the same code",
            fix=f"pip install flyball=={__version__} flyball-runtime=={__version__}",
        )  # fmt: skip
    return fine("runtime", f"flyball and flyball-runtime {__version__}")


def _libraries() -> Check:
    """Loads what a run needs: a library that is installed may still not fit this machine."""
    from importlib import import_module

    names = ("numpy", "onnxruntime", "onnx", "lightgbm", "sklearn", "duckdb", "cryptography")
    for name in names:
        try:
            import_module(name)
        except Exception as error:  # noqa: BLE001 - a broken library may fail in any way
            return problem(
                "libraries", f"{name} cannot be loaded", why=f"{type(error).__name__}: {error}",
                fix=f"install it again: pip install --force-reinstall {name}",
            )  # fmt: skip
    return fine("libraries", f"{len(names)} large libraries load")


def _console() -> Check:
    page = Path(__file__).parents[1] / "web_static" / "index.html"
    if not page.is_file():
        return warning(
            "console", "the console's page is not part of this installation", where=str(page.parent),
            fix="install flyball from a wheel, or build it: `flyball console` has nothing to show",
        )  # fmt: skip
    return fine("console", "the console's page is there")


def _scratch() -> Check:
    import shutil

    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < _SCRATCH_BYTES:
        return warning(
            "scratch space", f"{free / 2**20:,.0f} MB are free for temporary files", where=folder,
            fix="free some space, or set TMPDIR to a folder on a larger disk", free_bytes=free,
        )  # fmt: skip
    return fine("scratch space", f"{free / 2**30:,.1f} GB free for temporary files", where=folder, free_bytes=free)


def _clock(clock: Clock) -> Check:
    now = clock.now()
    if now.timestamp() < _BUILT:
        return problem(
            "clock", f"this machine's clock says {now:%Y-%m-%d}", why="that is before this version was made",
            fix="set the clock, best by a time server: the ledger and signatures carry its time",
        )  # fmt: skip
    return fine("clock", f"{now:%Y-%m-%d %H:%M} UTC")


def _requirements() -> list[tuple[str, list[tuple[str, str]]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for distribution in ("flyball", "flyball-runtime"):
        try:
            lines = metadata.requires(distribution) or []
        except metadata.PackageNotFoundError:
            found.setdefault(distribution, [])
            continue
        for line in lines:
            text, _, marker = line.partition(";")
            name = _NAME.match(text.strip())
            if name and "extra" not in marker:
                found.setdefault(name[0], []).extend(_BOUND.findall(text))
    return sorted(found.items())


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _fits(found: str, sign: str, bound: str) -> bool:
    has, wanted = _numbers(found), _numbers(bound)
    length = max(len(has), len(wanted))
    left, right = (numbers + (0,) * (length - len(numbers)) for numbers in (has, wanted))
    answers = {
        ">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right,
        "==": left == right, "!=": left != right, "~=": left >= right and has[: len(wanted) - 1] == wanted[:-1],
    }  # fmt: skip
    return answers[sign]


def _numbers(version: str) -> tuple[int, ...]:
    """The release part of a version.

    >>> _numbers("2.10.1rc1"), _numbers("3")
    ((2, 10, 1), (3,))
    """
    release = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in release[0].split(".")) if release else (0,)

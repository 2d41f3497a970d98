"""Examine an installation and a project without changing anything, also one that is damaged or may not be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from flyball.config import PROJECT_FILE, ProjectConfig, load_project
from flyball.core.clock import Clock
from flyball.core.counting import counted
from flyball.core.progress import Progress
from flyball.registry import Registry
from flyball.store import StoreOlder
from flyball.upkeep.condition import (
    examine_disk,
    examine_records,
    examine_sources,
    examine_store_file,
    examine_store_url,
)
from flyball.upkeep.diagnosis import Check, Diagnosis, failed, fine, problem, warning
from flyball.upkeep.installation import examine_installation
from flyball_runtime.errors import FlyballError

__all__ = ["examine"]


def examine(
    folder: Path | None,
    *,
    opened: Callable[[ProjectConfig], Registry],
    clock: Clock,
    progress: Progress,
    deep: bool = False,
) -> Diagnosis:
    """The installation, and the project in `folder` (None: there is none). Damage never raises; it is what is looked for.

    opened: opens a project's registry for reading only. deep: every hash is checked and every library loaded, which
    takes as long as `flyball audit verify`.
    """
    checks: list[Check] = []
    progress.start("examine")
    for check in _checks(folder, opened, clock, deep=deep):
        checks.append(check)
        progress.update("examine", None, check.name)
    progress.finish("examine", f"{len(checks)} checks")
    return Diagnosis(str(folder) if folder else None, deep, tuple(checks))


def _checks(
    folder: Path | None, opened: Callable[[ProjectConfig], Registry], clock: Clock, *, deep: bool
) -> Iterator[Check]:
    try:
        yield from examine_installation(clock, deep=deep)
    except Exception as error:  # noqa: BLE001 - a broken installation may fail in any way
        yield failed("installation", error)
    if folder is None:
        yield fine("project", "none here; only the installation was examined")
        return
    try:
        config = load_project(folder)
    except FlyballError as error:
        yield failed("project file", error)
        return
    yield fine(
        "project file",
        f"{PROJECT_FILE} is valid: {counted(len(config.model), 'model')}, {counted(len(config.data), 'dataset')}",
    )
    yield from _project(config, opened, clock, deep=deep)


def _project(
    config: ProjectConfig, opened: Callable[[ProjectConfig], Registry], clock: Clock, *, deep: bool
) -> Iterator[Check]:
    store = config.store_file
    yield _guarded("data sources", lambda: examine_sources(config))
    try:
        yield from examine_disk(config, store)
    except OSError as error:
        yield failed("disk", error)
    if store is None:
        yield examine_store_url(config)
    elif not store.exists():
        yield problem(
            "store", "the store is missing", where=str(store), why="there is no such file",
            fix="flyball restore makes the project anew from a backup; checkpoints kept elsewhere tell whether it is whole",
        )  # fmt: skip
        return
    else:
        yield _guarded("store writable", lambda: examine_store_file(store))
    try:
        registry = opened(config)
    except StoreOlder as older:
        yield warning(
            "store", older.what, where=older.where, why=older.why,
            fix="the next command that writes copies it beside itself and upgrades it",
        )  # fmt: skip
        return
    except Exception as error:  # noqa: BLE001 - damage may show itself in any way
        yield failed("store", error)
        return
    try:
        yield fine("store", "it opens, and its tables are those of this version", where=registry.database.location)
        yield from examine_records(config, registry, clock, deep=deep)
    finally:
        registry.database.close()


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except OSError as error:
        return failed(name, error)

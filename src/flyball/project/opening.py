"""Making a project from a table, and opening one that exists."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flyball.config import PROJECT_FILE, ProjectConfig, check_choices, load_project, parse_project, write_project
from flyball.core.clock import Clock, SystemClock
from flyball.core.counting import counted
from flyball.core.executor import LocalExecutor
from flyball.core.files import CannotWrite, write_atomic
from flyball.core.progress import NoProgress, Progress
from flyball.project.project import STATE_FOLDER, Project
from flyball_runtime.errors import BadInput

if TYPE_CHECKING:
    from flyball.pipeline import LoopSettings

__all__ = ["Made", "NameInvalid", "NotAProject", "ProjectExists", "find_project", "init", "nearest", "open"]


class NotAProject(BadInput):
    """Neither this folder nor one above it holds a flyball.toml."""

    code = "FB-PROJECT-001"


class ProjectExists(BadInput):
    """The folder already holds a project, which `init` would overwrite."""

    code = "FB-PROJECT-002"


class NameInvalid(BadInput):
    """A model's name becomes part of paths and of NAME@ALIAS, so it has letters, digits, - and _ only."""

    code = "FB-PROJECT-003"


@dataclass(frozen=True, slots=True)
class Made:
    """What `init` made, and what the look at the data found."""

    project: Project
    facts: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return dict(self.facts)


def open(  # noqa: A001
    path: str | os.PathLike[str] | None = None, *, clock: Clock | None = None, workers: int | None = None
) -> Project:
    """The project in a folder; without `path`, in this folder or the nearest one above it.

    workers: how many folds of a search are fitted at a time (default: one a core). Raises NotAProject, and what is wrong
    with the project file or the store.
    """
    executor = None if workers is None else LocalExecutor(workers)
    return Project(find_project(path), clock or SystemClock(), executor=executor)


def find_project(path: str | os.PathLike[str] | None = None) -> ProjectConfig:
    """The project file of a folder, or of the nearest one above this, checked; the store is not touched."""
    folder = nearest() if path is None else Path(path)
    if not (folder / PROJECT_FILE).is_file():
        raise NotAProject(
            "there is no project here",
            where=str(folder.absolute()),
            why=f"neither this folder nor one above it holds a {PROJECT_FILE}"
            if path is None
            else f"no {PROJECT_FILE} in it",
            fix="flyball init NAME --from TABLE --target COLUMN",
        )
    return load_project(folder)


def init(
    name: str,
    *,
    source: str | os.PathLike[str],
    target: str,
    test: str | os.PathLike[str] | None = None,
    metric: str | None = None,
    time: str | None = None,
    group: str | None = None,
    split: Literal["auto", "random", "time", "group"] = "auto",
    embargo: str | int | None = None,
    purge: bool = False,
    weight: str | None = None,
    positive: str | bool | float | None = None,
    personal: Collection[str] = (),
    public: Collection[str] = (),
    drop: Collection[str] = (),
    keep: Collection[str] = (),
    related: Collection[str | os.PathLike[str]] = (),
    known: str | None = None,
    places: Mapping[str, str] | None = None,
    store: str | None = None,
    directory: str | os.PathLike[str] = ".",
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> Made:
    """Make a project from a table: read it, look at it, write flyball.toml and an empty store with its first key.

    What is chosen (see the project file's reference) is written into the file; the rest is left to the look. `related`
    are tables beside it, named after their files: how they hang together is found, and written too. `places` tells how
    each choice was given ("--time"), for errors. `store`: the URL of an empty database to keep the project's tables in,
    instead of a file in its folder. What fails leaves nothing behind. Raises NameInvalid, ProjectExists, StoreNotEmpty,
    and what is wrong with a table, the target, the store or a choice.
    """
    from flyball.pipeline import LoopSettings

    folder = Path(directory)
    _check(name, folder)
    if not os.fspath(source):  # as a path it would be this folder
        from flyball.data.sources import SourceUnreadable

        raise SourceUnreadable("no table was named", why="the name is empty", fix="give a CSV or Parquet file")
    progress = progress or NoProgress()
    check_choices(
        target, time=time, group=group, split=split, embargo=embargo, purge=purge, weight=weight, personal=personal,
        public=public, drop=drop, keep=keep, places=places,
    )  # fmt: skip
    settings = LoopSettings(
        name=name, dataset=name, target=target, metric=metric, time=time, group=group, split=split, embargo=embargo,
        purge=purge, weight=weight, positive=positive, personal=tuple(personal), public=tuple(public), drop=tuple(drop),
        keep=tuple(keep), test=None if test is None else Path(test).name, known=known, places=places or {},
    )  # fmt: skip
    clock, others = clock or SystemClock(), _named(name, related)
    rows = None if test is None else Path(test)
    facts, text = _look(settings, Path(source), rows, folder, progress, store=store, related=others)
    config = parse_project(text, path=(folder / PROJECT_FILE).absolute())
    made = _first_missing(folder, folder / STATE_FOLDER)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if store is not None:
            _refuse_used(config, clock)
        project = Project(config, clock)
        write_atomic(folder / PROJECT_FILE, text.encode(), label="project.init")
    except OSError as error:
        _undo(made)
        raise CannotWrite(
            "the project's folder cannot be written", where=str(folder.absolute()), why=error.strerror,
            fix="choose another --dir, or make it writable",
        ) from error  # fmt: skip
    except BaseException:
        _undo(made)
        raise
    return Made(project, facts)


def _check(name: str, folder: Path) -> None:
    from flyball.config.model import is_name

    if not is_name(name):
        raise NameInvalid(
            f'"{name}" cannot name a model',
            why="a name becomes part of paths and of NAME@ALIAS",
            fix="use letters, digits, - and _ (at most 64), beginning with a letter or digit",
        )
    if (folder / PROJECT_FILE).exists():
        raise ProjectExists(
            "there is a project already",
            where=str((folder / PROJECT_FILE).absolute()),
            fix="flyball run goes on with it; or choose another folder with --dir",
        )


def _refuse_used(config: ProjectConfig, clock: Clock) -> None:
    """A store that holds a ledger belongs to another project, whose keys this one would not have."""
    from flyball.store import Database, StoreNotEmpty
    from flyball.store.contents import row_counts

    state = config.folder / STATE_FOLDER
    with Database.open(config.store_url, clock, folder=state) as database, database.read() as reader:
        entries = row_counts(reader)["ledger_entries"]
    if entries:
        raise StoreNotEmpty(
            "the store belongs to a project already", where=database.location,
            why=f"its ledger has {counted(entries, 'entry')}, signed with keys that this folder does not have",
            fix="name an empty database; a second machine of that project takes a copy of its folder instead",
        )  # fmt: skip


def _named(name: str, related: Iterable[str | os.PathLike[str]]) -> dict[str, Path]:
    """The related tables by the names that they get: those of their files. Raises NameInvalid."""
    found: dict[str, Path] = {}
    for one in related:
        called = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(one).name.partition(".")[0]).strip("_-")[:64]
        if not called or called in {name, *found}:
            raise NameInvalid(
                f'the related table {Path(one).name} cannot be called "{called}"',
                why="a table is named after its file, and this name is taken or empty",
                fix="rename the file, or choose another NAME for the project",
            )
        found[called] = Path(one)
    return found


def _look(
    settings: LoopSettings, source: Path, test: Path | None, folder: Path, progress: Progress, *, store: str | None,
    related: Mapping[str, Path],
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Read and examine the tables without keeping anything; the facts for people, and the project file."""
    from flyball.pipeline import look_at
    from flyball.pipeline.related import Related, RelatedSource

    others = Related(tuple(RelatedSource(name, path) for name, path in related.items())) if related else None
    seen = look_at(source, settings, progress=progress, test=test, related=others)
    examined = seen.examined
    plan = examined.plan
    facts: dict[str, Any] = {
        "project": settings.name,
        "project_file": str(folder / PROJECT_FILE),
        "target": settings.target,
        "rows": seen.rows,
        "columns": seen.columns,
        "task": examined.task,
        "task_why": examined.task_why,
        "metric": examined.metric,
        "split": {
            "kind": plan.kind,
            "by": plan.by,
            "confidence": plan.confidence,
            "why": plan.why,
            "details": list(examined.split["details"]),
        },
        "overrules": [dict(one) for one in examined.overrules],
        "leaks": [dict(leak) for leak in examined.leaks],
        "left_out": [dict(item) for item in examined.left_out],
        "personal": list(examined.personal),
        "findings": [dict(finding) for finding in examined.findings],
        "notes": [*examined.notes, *_marked(examined.leaks), *_marked(examined.findings)],
    }
    links = dict(seen.related["relations"]) if seen.related else {}
    if seen.related:
        facts["related"] = {"tables": links, "said": seen.related["notes"], "features": seen.related["features"]}
    base = links.pop(settings.dataset, {})
    findings = [f"{item['column']} is left out: {item['why']}" for item in facts["left_out"]]
    findings += [*_marked(examined.leaks), *_marked(examined.findings)]
    text = write_project(
        name=settings.name,
        source=_seen_from(folder, source),
        target=settings.target,
        store=store,
        test=None if test is None else _seen_from(folder, test),
        metric=settings.metric,
        positive=settings.positive,
        weight=settings.weight,
        time=settings.time or base.get("time"),
        group=settings.group,
        split=None if settings.split == "auto" else settings.split,
        embargo=settings.embargo,
        purge=settings.purge,
        personal=settings.personal,
        public=settings.public,
        drop=settings.drop,
        keep=settings.keep,
        findings=[f"split by {plan.kind}: {plan.why}", *findings, *(one["text"] for one in facts["overrules"])],
        known=settings.known,
        key=base.get("key"),
        refers=base.get("refers"),
        related={name: {**said, "source": _seen_from(folder, related[name])} for name, said in links.items()},
    )
    return facts, text


def _marked(findings: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the look found and left in place, for people to judge."""
    return [
        f"{item['column'] + ': ' if item['column'] else ''}{item['what']} ({item['why']})"
        for item in findings
        if item["action"] in ("mark", "as missing")
    ]


def _seen_from(folder: Path, source: Path) -> str:
    """The source as the project file writes it: relative when it lies in the project's folder, else absolute.

    So a project that is moved or copied as a whole goes on finding its data.
    """
    absolute, home = source.resolve(), folder.resolve()
    return absolute.relative_to(home).as_posix() if absolute.is_relative_to(home) else str(absolute)


def nearest() -> Path:
    """The nearest folder with a project file, from this one upwards; this one when there is none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / PROJECT_FILE).is_file()), here)


def _first_missing(*folders: Path) -> Path | None:
    """The outermost folder that has to be made for these: what an undo removes."""
    wanted = [place for folder in folders for place in (*reversed(folder.parents), folder)]
    return next((place for place in wanted if not place.exists()), None)


def _undo(made: Path | None) -> None:
    if made is not None:
        shutil.rmtree(made, ignore_errors=True)

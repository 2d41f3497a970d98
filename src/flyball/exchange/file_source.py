"""A store of MLflow's in a folder (`mlruns`): small files, read without MLflow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from flyball.exchange.errors import SourceDamaged, SourceForeign
from flyball.exchange.records import (
    Counts,
    Point,
    SourceExperiment,
    SourceModel,
    SourceRegistered,
    SourceRun,
    SourceVersion,
)
from flyball.tracking import DatasetInput, ModelLink, ModelMetric
from flyball.tracking.statements import storable

__all__ = ["FOLDER", "FileSource"]

FOLDER = "files"  # in place of a revision: the layout of folders has none

_META, _TRASH, _MODELS, _MOST = "meta.yaml", ".trash", "models", 10 * 2**20
_NOT_RUNS = frozenset(("tags", "datasets", "traces", _MODELS))
_STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_VERSION = re.compile(r"version-(\d+)")
_GONE = "Deleted_Internal"


class FileSource:
    """Implements `Source` on the folder that MLflow writes without a database."""

    revision = FOLDER

    def __init__(self, root: Path) -> None:
        self.location = str(root.absolute())
        self._root = root
        self._homes = [
            folder for parent in (root, root / _TRASH) for folder in _folders(parent) if folder.name.isdigit()
        ]
        if not self._homes or not any((home / _META).is_file() for home in self._homes):
            raise SourceForeign(
                "this folder is no store of MLflow's", where=self.location,
                why=f"no folder of an experiment with a {_META} lies in it",
                fix="name the folder mlruns itself, or the database of the MLflow server",
            )  # fmt: skip
        for folder in [*self._homes, *self._run_folders(), *self._model_folders(), *self._registered_folders()]:
            if not (folder / _META).is_file() or not (folder / _META).stat().st_size:
                raise SourceDamaged(
                    f"a folder of the store has no {_META}, or an empty one", where=str(folder),
                    why="it was written halfway, or is being written",
                    fix="wait for the training to end, bring the file back, or move the folder away",
                )  # fmt: skip

    def close(self) -> None:
        """Nothing is held."""

    def counts(self) -> Counts:
        # All is read once before anything is brought, so that a file that cannot be read is known by then.
        points = [len(self._run(folder).points) for folder in self._run_folders()]
        models = [self._model(folder).id for folder in self._model_folders()]
        registered = self.registered()
        versions = sum(len(model.versions) for model in registered)
        experiments = len(self.experiments())
        return Counts(experiments, len(points), sum(points), len(models), len(registered), versions)

    def experiments(self) -> list[SourceExperiment]:
        found = []
        for home in self._homes:
            meta = _meta(home)
            found.append(
                SourceExperiment(
                    home.name, str(meta["name"]), _text(meta, "artifact_location"), _stage(meta),
                    meta.get("creation_time"), meta.get("last_update_time"), _pairs(home / "tags"),
                )
            )  # fmt: skip
        return sorted(found, key=lambda one: int(one.id))

    def run_pages(self, size: int) -> Iterator[list[SourceRun]]:
        yield from _pages((self._run(folder) for folder in self._run_folders()), size)

    def model_pages(self, size: int) -> Iterator[list[SourceModel]]:
        yield from _pages((self._model(folder) for folder in self._model_folders()), size)

    def registered(self) -> list[SourceRegistered]:
        found = []
        for folder in self._registered_folders():
            meta = _meta(folder)
            created, updated = _whole(meta, "creation_timestamp"), _whole(meta, "last_updated_timestamp")
            aliases = {name: int(_read(file)) for name, file in _files(folder / "aliases")}
            found.append(
                SourceRegistered(
                    str(meta.get("name", folder.name)), _text(meta, "workspace") or "default", created,
                    updated or created, _text(meta, "description"), _pairs(folder / "tags"), aliases,
                    self._versions(folder),
                )
            )  # fmt: skip
        return found

    # -- inside

    def _run_folders(self) -> Iterator[Path]:
        for home in self._homes:
            yield from (folder for folder in _folders(home) if folder.name not in _NOT_RUNS)

    def _model_folders(self) -> Iterator[Path]:
        for home in self._homes:
            yield from _folders(home / _MODELS)

    def _registered_folders(self) -> Iterator[Path]:
        yield from _folders(self._root / _MODELS)

    def _run(self, folder: Path) -> SourceRun:
        meta = _meta(folder)
        tags = _pairs(folder / "tags")
        points = {point for key, file in _files(folder / "metrics") for point in _points(key, file)}
        status = meta.get("status", "RUNNING")
        return SourceRun(
            folder.name, folder.parent.name, _text(meta, "run_name") or tags.get("mlflow.runName", ""),
            _text(meta, "user_id"), _STATUSES.get(status, str(status)), _stage(meta), _text(meta, "artifact_uri"),
            _whole(meta, "start_time"), meta.get("end_time"), meta.get("deleted_time"), _pairs(folder / "params"), tags,
            sorted(points), self._inputs(folder), self._links(folder),
        )  # fmt: skip

    def _inputs(self, folder: Path) -> list[DatasetInput]:
        found = []
        for link in _folders(folder / "inputs"):
            meta = _meta(link)
            if meta.get("source_type") != "DATASET":
                continue
            data = _meta(folder.parent / "datasets" / str(meta["source_id"]))
            tags = {str(key): str(value) for key, value in (meta.get("tags") or {}).items()}
            found.append(
                DatasetInput(
                    _text(data, "name"), _text(data, "digest"), _text(data, "source_type"), _text(data, "source"),
                    data.get("schema"), data.get("profile"), tags,
                )
            )  # fmt: skip
        return sorted(found, key=repr)

    def _links(self, folder: Path) -> list[ModelLink]:
        read = (_meta(link) for link in _folders(folder / "inputs"))
        found = [ModelLink("input", str(meta["source_id"]), 0) for meta in read if meta.get("source_type") == "MODEL"]
        for link in _folders(folder / "outputs"):
            meta = _meta(link)
            found.append(ModelLink("output", str(meta["destination_id"]), _whole(meta, "step")))
        return sorted(found)

    def _model(self, folder: Path) -> SourceModel:
        meta = _meta(folder)
        measured = [
            _measured(key, line) for key, file in _files(folder / "metrics") for line in _read(file).splitlines()
        ]
        created = _whole(meta, "creation_timestamp")
        return SourceModel(
            folder.name, folder.parent.parent.name, str(meta["name"]), _text(meta, "model_type"),
            _text(meta, "source_run_id"), _whole(meta, "status"), _stage(meta), _text(meta, "artifact_location"), created,
            _whole(meta, "last_updated_timestamp") or created, _pairs(folder / "params"), _pairs(folder / "tags"),
            sorted(measured, key=repr),
        )  # fmt: skip

    def _versions(self, folder: Path) -> list[SourceVersion]:
        found = []
        for place in _folders(folder):
            match = _VERSION.fullmatch(place.name)
            if match is None:
                continue
            meta = _meta(place)
            if meta.get("current_stage") == _GONE:
                continue
            created, source = _whole(meta, "creation_timestamp"), _text(meta, "source")
            found.append(
                SourceVersion(
                    int(match[1]), created, _whole(meta, "last_updated_timestamp") or created,
                    _text(meta, "description"), _text(meta, "user_id"), _text(meta, "current_stage") or "None", source,
                    _text(meta, "storage_location") or source, _text(meta, "run_id"), _text(meta, "run_link"),
                    _pairs(place / "tags"),
                )
            )  # fmt: skip
        return sorted(found, key=lambda one: one.number)


def _pages(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while page := list(islice(items, size)):
        yield page


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    found = (place for place in parent.iterdir() if place.is_dir() and not place.is_symlink())
    return sorted(place for place in found if not place.name.startswith("."))


def _files(folder: Path) -> Iterable[tuple[str, Path]]:
    """Every file below a folder with its path from there, which is the name of a metric, parameter, tag or alias."""
    if not folder.is_dir():
        return []
    found = (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return sorted((file.relative_to(folder).as_posix(), file) for file in found)


def _pairs(folder: Path) -> dict[str, str]:
    return {key: _read(file) for key, file in _files(folder)}


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(file, str(error)) from error


def _meta(folder: Path) -> dict[str, Any]:
    """The fields that a folder says of itself. Raises SourceDamaged."""
    import yaml

    file = folder / _META
    try:
        if file.stat().st_size > _MOST:
            raise _damaged(file, f"it is larger than {_MOST:,} bytes")
        found = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe ones
    except (OSError, yaml.YAMLError) as error:
        raise _damaged(file, " ".join(str(error).split())) from error
    if not isinstance(found, dict):
        raise _damaged(file, "it is no list of fields")
    return found


def _points(key: str, file: Path) -> list[Point]:
    """The points of a metric: time, value and, since MLflow 1.0, step; what follows names a data set."""
    found = []
    for line in _read(file).splitlines():
        parts = line.split(" ")
        try:
            value, nan = storable(float(parts[1]))
            found.append(Point(key, int(parts[0]), int(parts[2]) if len(parts) > 2 else 0, value, nan))
        except (IndexError, ValueError) as error:
            raise _damaged(file, f"the line {line[:80]!r} is no point of a metric") from error
    return found


def _measured(key: str, line: str) -> ModelMetric:
    parts = line.split(" ")
    try:
        timestamp, value, step, run = int(parts[0]), float(parts[1]), int(parts[2]), parts[3]
    except (IndexError, ValueError) as error:
        raise _damaged(Path(key), f"the line {line[:80]!r} is no point of a metric") from error
    named = (" ".join(parts[4:-1]), parts[-1]) if len(parts) > 5 else (None, None)
    return ModelMetric(key, value, timestamp, step, run, *named)


def _stage(meta: Mapping[str, Any]) -> str:
    return _text(meta, "lifecycle_stage") or "active"


def _text(meta: Mapping[str, Any], name: str) -> str:
    value = meta.get(name)
    return "" if value is None else str(value)


def _whole(meta: Mapping[str, Any], name: str) -> int:
    value = meta.get(name)
    return value if isinstance(value, int) else 0


def _damaged(file: Path, why: str) -> SourceDamaged:
    return SourceDamaged(
        "a file of the store cannot be read", where=str(file), why=why,
        fix="bring it back from a backup, or move the folder that it is in away",
    )  # fmt: skip

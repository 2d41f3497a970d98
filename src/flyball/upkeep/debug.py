"""What a report of a fault needs, without the data: counts, sizes, times, codes, versions; no value, no name, no key.

Everything in it is made from an allow-list: numbers, yes or no, words of Flyball's own. Names of models, datasets, columns
and files become `model-1`, `data-1`, `<text of 17>`; whatever is not known to be harmless is left out, not masked.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from flyball.config import PROJECT_FILE, STATE_FOLDER, ProjectConfig, load_project
from flyball.config.model import KNOWN_METRICS, ModelConfig
from flyball.core.clock import Clock, rfc3339
from flyball.core.errorlog import last_errors
from flyball.core.files import write_atomic
from flyball.core.progress import Progress
from flyball.core.version import __version__
from flyball.ledger.keys import key_rows
from flyball.registry import Registry
from flyball.store.contents import row_counts
from flyball.upkeep.backup import BackupExists
from flyball.upkeep.diagnosis import Diagnosis
from flyball.upkeep.installation import installed_versions
from flyball_runtime.errors import FlyballError

__all__ = ["debug_bundle"]

_README = """What is in here
===============

Written by `flyball debug-bundle` for a report of a fault. It holds versions, counts, sizes, times and error codes. It holds
no value of your data, no name of a column, model, dataset or file, no key, no token, and no content of an environment
variable. Look it through before you send it: every file is plain JSON.
"""
_TABLE = re.compile(r"[a-z_]{1,40}")
_VERB = re.compile(r"[a-z_.]{1,60}")
_RUNS = 20


def debug_bundle(
    folder: Path | None,
    destination: Path | None,
    *,
    examine: Callable[[], Diagnosis],
    opened: Callable[[ProjectConfig], Registry],
    clock: Clock,
    progress: Progress,
) -> dict[str, Any]:
    """Write the bundle, whole or not at all, and tell what is in it. Raises BackupExists, CannotWrite, StoreFull."""
    moment = clock.now()
    path = (destination or Path(f"flyball-debug-{moment:%Y%m%dT%H%M%SZ}.zip")).expanduser().absolute()
    if path.is_dir():
        path = path / f"flyball-debug-{moment:%Y%m%dT%H%M%SZ}.zip"
    if path.exists() or path.is_symlink():
        raise BackupExists("a file of this name exists already", where=str(path), fix="give another name")
    diagnosis = examine()
    progress.start("collect")
    config, refusal = _config(folder)
    parts: dict[str, Any] = {
        "versions": {"flyball": __version__, "packages": installed_versions()},
        "machine": _machine(),
        "doctor": _doctor(diagnosis),
        "errors": last_errors(folder / STATE_FOLDER) if folder else [],
    }
    if folder is not None:
        parts["project_file"] = {"refused": refusal} if config is None else _masked(config)
        parts["files"] = _files(folder / STATE_FOLDER)
    if config is not None:
        parts["store"] = _store(config, opened)
    files = {"README.txt": _README.encode()}
    files |= {f"{name}.json": json.dumps(part, indent=1, sort_keys=True).encode() for name, part in parts.items()}
    data = _zip(files, moment)
    write_atomic(path, data, label="debug.bundle", mode=0o600)
    progress.finish("collect", f"{len(files)} files")
    return {"path": str(path), "bytes": len(data), "files": sorted(files), "ok": diagnosis.ok}


def _zip(files: Mapping[str, bytes], moment: datetime) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, moment.timetuple()[:6]), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _machine() -> dict[str, Any]:
    pages, size = (os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_PAGE_SIZE"))
    return {
        "python": platform.python_version(), "implementation": platform.python_implementation(),
        "system": platform.system(), "release": platform.release(), "architecture": platform.machine(),
        "libc": platform.libc_ver()[1], "cores": len(os.sched_getaffinity(0)), "memory_bytes": pages * size,
        "as_root": os.geteuid() == 0,
        # Which of our variables are set, not what they say.
        "variables": {name: name in os.environ for name in ("FLYBALL_TOKEN", "FLYBALL_DEBUG", "TMPDIR", "PYTHONPATH")},
    }  # fmt: skip


def _doctor(diagnosis: Diagnosis) -> dict[str, Any]:
    """Names, states, codes and numbers of the checks; their words name files and models."""
    checks = [{"name": c.name, "state": c.state, "code": c.code, "facts": dict(c.facts)} for c in diagnosis.checks]
    return {"ok": diagnosis.ok, "deep": diagnosis.deep, "checks": checks}


# -- the project file


def _config(folder: Path | None) -> tuple[ProjectConfig | None, dict[str, Any] | None]:
    if folder is None:
        return None, None
    try:
        return load_project(folder), None
    except FlyballError as error:
        place = re.search(rf"{re.escape(PROJECT_FILE)}:(\d+)", error.where or "")
        return None, {"code": error.code, "line": int(place[1]) if place else None}


def _masked(config: ProjectConfig) -> dict[str, Any]:
    """Which settings are made; names are numbered and texts counted."""
    data = {name: f"data-{number}" for number, name in enumerate(config.data, 1)}
    models = {name: f"model-{number}" for number, name in enumerate(config.model, 1)}
    return {
        "store": config.project.store.partition(":")[0],
        "store_is_default": config.project.store == type(config.project).model_fields["store"].default,
        "artifacts": config.project.artifacts.partition("://")[0] if config.artifacts_folder is None else "folder",
        "artifacts_is_default": config.project.artifacts == type(config.project).model_fields["artifacts"].default,
        "data": {
            data[name]: {**_section(one), "kind": _kind(one.source)} for name, one in config.data.items()
        },
        "model": {models[name]: _model(one, data) for name, one in config.model.items()},
        "gate": {
            f"gate-{number}": {
                "rules": [rule.model_dump() for rule in gate.rules if rule.metric in KNOWN_METRICS],
                "beats_baseline": gate.beats_baseline, "no_worse_than": gate.no_worse_than is not None,
            }
            for number, gate in enumerate(config.gate.values(), 1)
        },
        "retention_ms": {name: None if age is None else _ms(age) for name, age in config.retention},
    }  # fmt: skip


def _model(model: ModelConfig, data: Mapping[str, str]) -> dict[str, Any]:
    said = {"task": model.task, "split": model.split, "seed": model.seed, "budget": str(model.budget)}
    return {**_section(model), **said, "data": [data.get(name, "unknown") for name in model.data],
            "metric": model.metric if model.metric in KNOWN_METRICS else None}  # fmt: skip


def _section(section: Any) -> dict[str, Any]:
    """Each setting as its shape: a number or yes-or-no as it is, a text as its length, a list as its count."""
    return {name: _shape(value) for name, value in section if name in type(section).model_fields}


def _shape(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return f"<text of {len(value)}>"
    if isinstance(value, int | float):
        return "<number>"  # a positive class may be one
    return f"<{len(value)} of them>" if hasattr(value, "__len__") else "<set>"


def _kind(source: str) -> str:
    ending = source.lower().rpartition(".")[2]
    return ending if ending in ("csv", "tsv", "txt", "gz", "parquet", "pq") else "other"


# -- the store


def _store(config: ProjectConfig, opened: Callable[[ProjectConfig], Registry]) -> dict[str, Any]:
    began = time.monotonic()
    try:
        registry = opened(config)
    except FlyballError as error:
        return {"refused": error.code}
    except Exception as error:  # noqa: BLE001 - damage may show itself in any way
        return {"refused": type(error).__name__}
    parts: dict[str, Callable[[Registry], Any]] = {
        "tables": _tables, "ledger": _ledger, "runs": _runs, "versions": _versions, "artifacts": _artifacts,
    }  # fmt: skip
    told: dict[str, Any] = {"open_ms": _ms(time.monotonic() - began)}
    try:
        for name, part in parts.items():
            began = time.monotonic()
            told[name] = _guarded(lambda part=part: part(registry))  # type: ignore[misc]
            told[f"{name}_ms"] = _ms(time.monotonic() - began)
    finally:
        registry.database.close()
    return told


def _guarded(part: Callable[[], Any]) -> Any:
    try:
        return part()
    except FlyballError as error:
        return {"refused": error.code}
    except Exception as error:  # noqa: BLE001 - damage may show itself in any way
        return {"refused": type(error).__name__}


def _tables(registry: Registry) -> dict[str, Any]:
    with registry.database.read() as reader:
        rows = {name: count for name, count in row_counts(reader).items() if _TABLE.fullmatch(name)}
    return {"rows": rows, "bytes": registry.database.size_bytes(), "unused_bytes": registry.database.unused_bytes()}


def _ledger(registry: Registry) -> dict[str, Any]:
    entries = registry.ledger.entries()
    newest = registry.ledger.newest_checkpoint()
    with registry.database.read() as reader:
        keys = Counter(key.status for key in key_rows(reader))
        rolled_back = registry.ledger.rolled_back(reader)
    return {
        "entries": dict(Counter(entry.what for entry in entries if _VERB.fullmatch(entry.what))),
        "size": newest.size if newest else 0, "root": newest.root if newest else None,
        "time": newest.time if newest else None, "keys": dict(keys), "rolled_back": rolled_back,
    }  # fmt: skip


def _runs(registry: Registry) -> list[dict[str, Any]]:
    found = []
    for run in registry.runs(limit=_RUNS):
        began = datetime.fromisoformat(run.started)
        ended = datetime.fromisoformat(run.finished) if run.finished else None
        known = run.status if run.status in ("running", "done", "failed", "interrupted") else "other"
        took = _ms((ended - began).total_seconds()) if ended else None
        found.append({"status": known, "started": rfc3339(began), "took_ms": took})
    return found


def _versions(registry: Registry) -> list[dict[str, Any]]:
    """Each version's task, size and what its making took; no metric, which is made of the data."""
    found = []
    for number, model in enumerate(registry.models(), 1):
        for version in registry.versions(model.name):
            evidence = registry.evidence(version)
            took = evidence.get("budget")
            found.append(
                {
                    "model": f"model-{number}", "number": version.number, "created": version.created,
                    "task": version.task if version.task in ("binary", "multiclass", "regression") else "other",
                    "files": len(version.files), "bytes": sum(map(registry.artifacts.size, version.files.values())),
                    "took_ms": _ms(took.get("used_seconds") or 0) if isinstance(took, dict) else None,
                }
            )  # fmt: skip
    return found


def _artifacts(registry: Registry) -> dict[str, int]:
    sizes = [registry.artifacts.size(digest) for digest in registry.artifacts.digests()]
    return {"count": len(sizes), "bytes": sum(sizes), "largest_bytes": max(sizes, default=0)}


def _ms(seconds: float) -> int:
    """Whole milliseconds: a time with a point in it could be taken for a value of the data."""
    return round(seconds * 1000)


def _files(state: Path) -> dict[str, dict[str, int]]:
    """How many files lie in each part of the state folder, and how large they are; only parts that Flyball makes."""
    ours = ("artifacts", "bundles", "keys", "reports", "runs", "head.json", "flyball.db", "flyball.db-wal")
    found: dict[str, dict[str, int]] = {}
    for path in state.rglob("*"):
        part = path.relative_to(state).parts[0]
        place = found.setdefault(part if part in ours else "other", {"count": 0, "bytes": 0})
        if path.is_file():
            place["count"] += 1
            place["bytes"] += path.stat().st_size
    return found

"""What the registry answers with: frozen records of datasets, runs, models, versions and aliases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from flyball.core.clock import rfc3339
from flyball.ledger import Actor
from flyball.store import StoreDamaged

__all__ = [
    "ENTRY_IMPORTED",
    "EXTERNAL",
    "AliasMove",
    "AliasNow",
    "DatasetVersion",
    "Model",
    "ModelVersion",
    "Run",
    "moment_text",
]

EXTERNAL = "external"
ENTRY_IMPORTED = (
    "model.imported"  # its payload: what the source of an import stated of a model, its versions and aliases
)


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """An immutable snapshot of a named table: `version` is the digest of its content, `artifact` of its stored form."""

    name: str
    version: str
    artifact: str
    meta: Mapping[str, Any]
    created: str

    @classmethod
    def from_row(cls, row: Row[Any]) -> DatasetVersion:
        return cls(row.name, row.version, row.artifact, _json(row.meta), row.created)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "artifact": self.artifact,
            "meta": dict(self.meta),
            "created": self.created,
        }


@dataclass(frozen=True, slots=True)
class Run:
    """One execution. `status` is "running" until it is finished: then "done", "failed", "interrupted" or what the
    caller said."""

    id: str
    kind: str
    status: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    outputs: Mapping[str, Any]
    actor: Actor
    started: str
    finished: str | None

    @classmethod
    def from_row(cls, row: Row[Any]) -> Run:
        params, metrics, outputs = (_json(text) for text in (row.params, row.metrics, row.outputs))
        actor = _actor(row.actor)
        return cls(row.id, row.kind, row.status, params, metrics, outputs, actor, row.started, row.finished)

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": self.kind,
            "status": self.status,
            "params": dict(self.params),
            "metrics": dict(self.metrics),
            "outputs": dict(self.outputs),
            "actor": self.actor.to_dict(),
            "started": self.started,
            "finished": self.finished,
        }


@dataclass(frozen=True, slots=True)
class Model:
    """A named line of versions."""

    name: str
    created: str
    versions: int
    latest: int


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One candidate in a model's line, as it was registered.

    `files` maps the bundle's file names to their digests; `metrics` and `gates` are copies out of the evidence and of
    the verdicts at registration, for lists; `entry` is the hash of the ledger entry of number `seq` that binds it all.
    """

    model: str
    number: int
    task: str
    created: str
    run_id: str | None
    dataset_version: str | None
    content_hash: str
    bundle_path: Path
    evidence_digest: str
    metrics: Mapping[str, Any]
    gates: tuple[Mapping[str, Any], ...]
    files: Mapping[str, str]
    actor: Actor
    reason: str
    entry: str
    seq: int

    @property
    def external(self) -> bool:
        """Whether another tool made it: its files are artifacts, there is no bundle and no signature."""
        return self.task == EXTERNAL

    @property
    def ref(self) -> str:
        """The name to call it by.

        >>> ModelVersion.ref.fget(type("Version", (), {"model": "machines", "number": 3}))
        'machines@3'
        """
        return f"{self.model}@{self.number}"

    @classmethod
    def from_row(cls, row: Row[Any], bundles: Path) -> ModelVersion:
        details = _json(row.details)
        return cls(
            model=row.model,
            number=row.number,
            task=details.get("task", ""),
            created=row.created,
            run_id=details.get("run"),
            dataset_version=row.dataset,
            content_hash=row.content_hash,
            bundle_path=bundles / row.model / str(row.number),
            evidence_digest=row.evidence,
            metrics=details.get("metrics", {}),
            gates=tuple(details.get("gates", ())),
            files=_json(row.files),
            actor=_actor(row.actor),
            reason=row.reason,
            entry=row.entry,
            seq=row.seq,
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "number": self.number,
            "ref": self.ref,
            "task": self.task,
            "created": self.created,
            "run": self.run_id,
            "dataset_version": self.dataset_version,
            "content_hash": self.content_hash,
            "evidence": self.evidence_digest,
            "metrics": dict(self.metrics),
            "gates": [dict(gate) for gate in self.gates],
            "files": dict(self.files),
            "actor": self.actor.to_dict(),
            "reason": self.reason,
            "entry": self.entry,
            "seq": self.seq,
        }


@dataclass(frozen=True, slots=True)
class AliasNow:
    """Where an alias points, and since when."""

    model: str
    alias: str
    number: int
    since: str

    def to_dict(self) -> dict[str, Any]:
        return {"model": self.model, "alias": self.alias, "number": self.number, "since": self.since}


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One move of an alias, to version `number` or (None) off the model; `seq` is its entry in the ledger."""

    model: str
    alias: str
    number: int | None
    time: str
    actor: Actor
    reason: str
    details: Mapping[str, Any]
    seq: int

    @classmethod
    def from_row(cls, row: Row[Any]) -> AliasMove:
        actor, details = _actor(row.actor), _json(row.details)
        return cls(row.model, row.alias, row.number, row.time, actor, row.reason, details, row.seq)

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "alias": self.alias,
            "number": self.number,
            "time": self.time,
            "actor": self.actor.to_dict(),
            "reason": self.reason,
            "details": dict(self.details),
            "seq": self.seq,
        }


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, TypeError) as error:
        raise _damaged() from error
    if not isinstance(value, dict):
        raise _damaged()
    return value


def _actor(text: str) -> Actor:
    try:
        return Actor.from_dict(_json(text))
    except KeyError as error:
        raise _damaged() from error


def _damaged() -> StoreDamaged:
    return StoreDamaged(
        "a row of the registry is damaged",
        fix="`flyball audit verify` names it; `flyball audit rebuild` restores it from the ledger",
    )


def moment_text(moment: datetime | str) -> str:
    """A moment in the form that the tables hold, which sorts as time does. Raises ValueError without a time zone."""
    return rfc3339(datetime.fromisoformat(moment) if isinstance(moment, str) else moment)

"""A small, real registry for tests: its own folder, a clock that steps, bundles of a few bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flyball.core.canonical import sha256_hex
from flyball.ledger import Actor, KeyFiles, Ledger
from flyball.registry import REGISTRY, ModelVersion, Registry
from flyball.store import Database, FileArtifacts

__all__ = ["SteppingClock", "open_registry", "register_tiny", "tiny_bundle"]

TESTER = Actor("user", "tester", "test")


class SteppingClock:
    """Starts at a moment and is one second later each time it is asked."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._next = start

    def now(self) -> datetime:
        moment, self._next = self._next, self._next + timedelta(seconds=1)
        return moment


def open_registry(folder: Path, *, begin: bool = True, store: str = "sqlite:///flyball.db") -> Registry:
    """The registry of a project in `folder`, made on first use. Close it by `registry.database.close()`."""
    clock = SteppingClock()
    database = Database.open(store, clock, folder=folder)
    ledger = Ledger(database, clock, KeyFiles(folder / "keys"), projections=(REGISTRY,))
    if begin:
        ledger.begin("tiny", TESTER)
    return Registry(database, ledger, FileArtifacts(folder / "artifacts"), clock, folder / "bundles")


def tiny_bundle(model: str, number: int, checkpoint: Mapping[str, Any], *, content: str = "graph") -> dict[str, bytes]:
    """Files that have the shape of a bundle, of `content`; not one that can score."""
    manifest = {
        "format": 1,
        "model": model,
        "version": number,
        "content_hash": sha256_hex(content.encode()),
        "provenance": {"checkpoint": dict(checkpoint)},
    }
    return {
        "manifest.json": json.dumps(manifest).encode(),
        "model.onnx": content.encode(),
        "signature": f"signature of {model}@{number}".encode(),
    }


def register_tiny(
    registry: Registry,
    model: str = "machines",
    *,
    content: str = "graph",
    run_id: str | None = None,
    score: float = 0.9,
) -> ModelVersion:
    """Register one version with a tiny bundle."""
    evidence = {"model": model, "metrics": {"test": {"roc_auc": {"value": score, "low": score - 0.1, "high": 1.0}}}}
    return registry.register_version(
        model,
        task="binary",
        build=lambda number, checkpoint: tiny_bundle(model, number, checkpoint, content=content),
        evidence=evidence,
        dataset_version=None,
        run_id=run_id,
        actor=TESTER,
        reason="test",
    )

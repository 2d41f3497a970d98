"""What running the loop and promoting a version answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyball.project.handles import LearnedModel
from flyball.registry import ModelVersion

if TYPE_CHECKING:
    from flyball.pipeline import Registration

__all__ = ["Outcome", "Promotion"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run made."""

    learned: LearnedModel
    registration: Registration
    report: Path | None
    run_id: str

    @property
    def registered(self) -> bool:
        """Whether it stands as a version that its own gate lets in; a version of before may stand although refused."""
        return self.registration.version is not None and not self.registration.refused

    def to_dict(self) -> dict[str, Any]:
        """What `flyball run --json` prints."""
        evidence, version = self.learned.evidence, self.registration.version
        same = ("model", "task", "target", "metric", "split", "metrics", "random_gap", "leaks", "findings", "overrules", "parity",
                "size_bytes", "slices", "decision", "comparisons")  # fmt: skip
        return {
            **{name: evidence[name] for name in same},
            "version": version.number if version else None,
            "registered": self.registered,
            "unchanged": self.registration.unchanged,
            "shift": evidence.get("shift"),
            "conformal": evidence.get("conformal"),
            "features": evidence.get("features"),
            "left_out": evidence["data"]["left_out"],
            "bundle": str(version.bundle_path) if version else None,
            "content_hash": version.content_hash if version else None,
            "gates": [verdict.to_dict() for verdict in self.registration.verdicts],
            "report": str(self.report) if self.report else None,
            "reused": list(self.learned.candidate.reused),
            "seconds": evidence["budget"]["used_seconds"],
            "notes": [*evidence["data"]["notes"], *evidence["notes"]],
            "run": self.run_id,
        }


@dataclass(frozen=True, slots=True)
class Promotion:
    """What a promotion changed: nothing when the alias pointed there already."""

    version: ModelVersion
    alias: str
    previous: int | None
    moved: bool
    entry: int | None
    gate: Mapping[str, Any] | None

    def __repr__(self) -> str:
        return f"<Promotion: {self.alias} -> {self.version.ref}{'' if self.moved else ' (as before)'}>"

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.version.model, "version": self.version.number, "version_ref": self.version.ref,
            "alias": self.alias, "previous": self.previous, "moved": self.moved, "entry": self.entry, "gate": self.gate,
        }  # fmt: skip

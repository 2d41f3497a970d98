"""A model that was made and proved, not yet registered; and the files that its bundle will hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flyball.automl import FittedPipeline, bundle_files
from flyball.governance import Verdict, sbom
from flyball.pipeline.personal import contract_without_values
from flyball.pipeline.prove import Proved
from flyball.pipeline.read import DatasetVersion
from flyball.pipeline.related import TABLES
from flyball.pipeline.settings import LoopSettings
from flyball.pipeline.train import Trained
from flyball.reports import model_card

__all__ = ["Candidate", "Papers"]


@dataclass(frozen=True, slots=True)
class Papers:
    """What a bundle carries for its readers: the model card (Markdown) and the bill of materials (CycloneDX JSON)."""

    card: str
    sbom: bytes


@dataclass(frozen=True, slots=True)
class Candidate:
    """Everything that a version is made from. `reused` names the steps whose earlier outputs were taken."""

    settings: LoopSettings
    dataset: DatasetVersion
    trained: Trained
    proved: Proved
    reused: tuple[str, ...]

    @property
    def evidence(self) -> Mapping[str, Any]:
        return self.proved.evidence

    @property
    def pipeline(self) -> FittedPipeline:
        return self.trained.pipeline

    @property
    def needs_tables(self) -> bool:
        """Whether an input of the model is made from other tables than the one whose rows are predicted."""
        return any(name in self.dataset.made for name in self.pipeline.inputs.names)

    def contract(self) -> dict[str, Any]:
        """What the data promises, without a value of a personal column."""
        return contract_without_values(self.dataset.contract, self.evidence["data"]["personal"])

    def digests(self) -> dict[str, str]:
        """What a registered version binds beside its bundle: evidence, pipeline, graph, profile and golden rows."""
        return {**self.trained.digests, **self.proved.digests}

    def papers(self, number: int | None) -> Papers:
        """The model card and the bill of materials of the version that gets this number."""
        evidence, contents = self.evidence, self._contents()
        created = datetime.fromisoformat(evidence["created"])
        listed = sbom(self.settings.name, number, evidence["environment"], contents, created=created, evidence=evidence)
        return Papers(model_card(evidence, version=number), listed)

    def files(
        self,
        number: int | None,
        *,
        papers: Papers | None = None,
        verdicts: list[Verdict] | None = None,
        checkpoint: Mapping[str, Any] | None = None,
        actor: Mapping[str, str] | None = None,
        reason: str = "",
    ) -> dict[str, bytes]:
        """The unsigned files of the bundle. Equal arguments give equal bytes."""
        evidence = self.evidence
        created = datetime.fromisoformat(evidence["created"])
        gates = [verdict.to_dict() for verdict in verdicts or []]
        papers = papers or self.papers(number)
        return bundle_files(
            self.trained.graph,
            self.pipeline,
            model=self.settings.name,
            version=number,
            target=self.settings.target,
            created=created,
            requires=[TABLES] if self.needs_tables else [],
            provenance={
                "data": {
                    name: evidence["data"][name]
                    for name in ("dataset", "version", "rows", "related")
                    if name in evidence["data"]
                },
                "split": evidence["split"],
                "code": evidence["code"],
                "environment": evidence["environment"],
                "trials": evidence["leaderboard"],
                "seed": evidence["seed"],
                "evidence": self.proved.digests["evidence"],
                "gates": gates,
                "checkpoint": checkpoint,
                "actor": actor,
                "reason": reason,
            },
            reference=self.proved.reference,
            golden=self.proved.golden,
            card=papers.card,
            sbom=papers.sbom,
        )

    def _contents(self) -> dict[str, bytes]:
        return {
            "model.onnx": self.trained.graph,
            "reference.npz": self.proved.reference,
            "golden.npz": self.proved.golden,
        }

"""The version that holds the alias now, against a model that was just made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flyball.pipeline.blobs import put_json
from flyball.pipeline.comparing import Rival, compare_with
from flyball.pipeline.exam import Exam
from flyball.pipeline.plain import plain
from flyball.pipeline.prove import Proved
from flyball.pipeline.train import Trained
from flyball.registry import ModelVersion, Registry
from flyball.store import ArtifactCorrupt, ArtifactMissing, ArtifactStore
from flyball_runtime.score import Scorer

__all__ = ["Champion", "find_champion", "with_champion", "without_champion"]


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that an alias holds, and where what it was made of lies."""

    alias: str
    version: ModelVersion
    registry: Registry
    artifacts: ArtifactStore


def find_champion(registry: Registry, artifacts: ArtifactStore, model: str, aliases: Sequence[str]) -> Champion | None:
    """The holder of the first of these aliases that any version of the model holds."""
    held = {now.alias: now.number for now in registry.aliases(model)}
    alias = next((alias for alias in aliases if alias in held), None)
    return None if alias is None else Champion(alias, registry.version(model, held[alias]), registry, artifacts)


def with_champion(proved: Proved, trained: Trained, exam: Exam, champion: Champion) -> Proved:
    """The evidence with the paired comparison with the champion in it.

    It is added after the cached step, because a promotion changes who the champion is and nothing of the model.
    """
    found = plain(_compare(trained, exam, champion))
    evidence = {**proved.evidence, "comparisons": {**proved.evidence["comparisons"], "champion": found}}
    return replace(
        proved, evidence=evidence, digests={**proved.digests, "evidence": put_json(champion.artifacts, evidence)}
    )


def without_champion(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence as it would be without a champion: what tells whether a model is the same as one of before."""
    compared = evidence.get("comparisons")
    return {**evidence, "comparisons": {**compared, "champion": None}} if compared else dict(evidence)


def _compare(trained: Trained, exam: Exam, champion: Champion) -> dict[str, Any]:
    head = {"with": champion.version.ref, "alias": champion.alias, "version": champion.version.number}
    if champion.version.files.get("model.onnx") == trained.digests["graph"]:
        reason = f"it is the same model as {champion.version.ref}"
        return {**head, "comparable": False, "same": True, "reason": reason, "text": reason}
    try:
        rival = Rival.load(champion.registry, champion.artifacts, champion.version)
    except (ArtifactMissing, ArtifactCorrupt, KeyError) as error:
        reason = f"what {champion.version.ref} was made of is no longer there ({error})"
        return {**head, "comparable": False, "reason": reason, "text": f"not comparable: {reason}"}
    scorer = Scorer(trained.graph, trained.pipeline.schema, exam.task, trained.pipeline.class_values)
    found = compare_with(exam, scorer.score(dict(exam.table.columns)), rival, alias=champion.alias)
    return {**found, "text": found.get("text") or f"not comparable: {found['reason']}"}

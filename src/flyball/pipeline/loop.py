"""The loop: read, look, train, prove; then gate and register."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flyball.core.canonical import digest_json
from flyball.core.clock import Clock
from flyball.core.executor import Executor
from flyball.core.progress import Cancellation, Progress
from flyball.core.version import __version__
from flyball.governance import Verdict, git_commit, judge_evidence, sign_bundle
from flyball.ledger import Actor, KeyRing, Ledger
from flyball.monitoring.watched import WATCHED_NAME
from flyball.pipeline.candidate import Candidate
from flyball.pipeline.champion import find_champion, with_champion, without_champion
from flyball.pipeline.exam import Exam
from flyball.pipeline.examine import examine
from flyball.pipeline.overrules import record_overrules
from flyball.pipeline.prove import prove
from flyball.pipeline.pruning import prune
from flyball.pipeline.read import read_dataset
from flyball.pipeline.related import Related
from flyball.pipeline.settings import LoopSettings
from flyball.pipeline.steps import StepRunner
from flyball.pipeline.train import train
from flyball.pipeline.windows import add_windows
from flyball.registry import ModelVersion, Registry
from flyball.store import ArtifactCorrupt, ArtifactMissing, ArtifactStore, StepCache
from flyball_runtime.manifest import SIGNATURE_NAME
from flyball_runtime.signature import KeyRevoked, verify_files

__all__ = ["CANDIDATE_GATE", "Gate", "Loop", "Registration"]

# A gate of this name is passed before a version is registered; every other gate guards the alias of its name.
CANDIDATE_GATE = "candidate"


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules of one gate as the project file states them; `where` tells the line of a key."""

    name: str
    rules: Mapping[str, Any]
    where: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """What became of a candidate: its version, None when it has none, and every gate's verdict.

    A candidate that stands registered already keeps its version even when its gate refuses it now.
    """

    version: ModelVersion | None
    verdicts: tuple[Verdict, ...]
    unchanged: bool

    @property
    def refusal(self) -> Verdict | None:
        """The candidate gate's verdict, when it refuses."""
        return next((it for it in self.verdicts if it.gate == CANDIDATE_GATE and not it.passed), None)

    @property
    def refused(self) -> bool:
        """Whether the candidate gate refuses now."""
        return self.refusal is not None


@dataclass(frozen=True, slots=True)
class Loop:
    """The parts that the steps work with."""

    registry: Registry
    ledger: Ledger
    keys: KeyRing
    artifacts: ArtifactStore
    steps: StepCache
    executor: Executor
    clock: Clock
    folder: Path

    def learn(
        self,
        source: Any,
        settings: LoopSettings,
        *,
        test: Any = None,
        related: Related | None = None,
        drop: tuple[str, ...],
        progress: Progress,
        cancellation: Cancellation,
        champions: Sequence[str] = ("production",),
    ) -> Candidate:
        """Make and prove a model, on `test` rows of their own if given, with features of `related` tables. Steps that did
        not change are reused.

        The version that the first of the aliases `champions` holds is scored on the new model's test rows.
        """
        runner = StepRunner(self.steps, progress, cancellation, __version__)
        dataset = read_dataset(
            source, settings, test=test, related=related, drop=drop, runner=runner, artifacts=self.artifacts
        )
        examined = examine(dataset, settings, runner)
        # what the past tells is found along the keys where there are other tables: windows are then made as declared only
        sought = replace(settings, windows=False) if dataset.related and settings.windows is True else settings
        examined = add_windows(dataset, examined, sought, runner=runner, progress=progress)
        examined, left = prune(dataset, examined, settings, runner, cancellation)
        trained = train(
            dataset, examined, left, runner=runner, artifacts=self.artifacts, executor=self.executor,
            progress=progress, cancellation=cancellation,
        )  # fmt: skip
        code = {"git_commit": git_commit(self.folder), "flyball": __version__}
        proved = prove(
            dataset, examined, trained, settings, runner=runner, artifacts=self.artifacts, progress=progress,
            clock=self.clock, code=code,
        )  # fmt: skip
        champion = find_champion(self.registry, self.artifacts, settings.name, champions)
        if champion is not None:
            progress.start("compare")
            exam = Exam.of(dataset.version, examined, trained.pipeline, seed=settings.seed)
            proved = with_champion(proved, trained, exam, champion)
            progress.finish("compare", proved.evidence["comparisons"]["champion"]["text"])
        return Candidate(settings, dataset, trained, proved, tuple(runner.reused))

    def register(
        self, candidate: Candidate, gates: Sequence[Gate], *, actor: Actor, reason: str, run_id: str | None
    ) -> Registration:
        """Judge the candidate by every gate and register it, unless its own gate refuses or it stands there already.

        What overrules the look enters the ledger first, whatever the gates say.
        """
        model = candidate.settings.name
        record_overrules(
            self.ledger, model, candidate.evidence["overrules"], dataset=candidate.dataset.version, actor=actor,
            reason=reason,
        )  # fmt: skip
        standing = self._standing(candidate)
        number = standing.number if standing is not None else None
        verdicts = tuple(
            judge_evidence(
                self.registry, model, candidate.evidence, gate.name, gate.rules, number=number, where=gate.where
            )
            for gate in gates
        )
        if standing is not None:
            self.registry.restore_bundle(standing)
            return Registration(standing, verdicts, unchanged=True)
        unregistered = Registration(None, verdicts, unchanged=False)
        if unregistered.refused:
            return unregistered

        # The store is locked while `build` runs, so what takes time is made before, for the number to be expected.
        expected = self._next_number(model)
        papers = candidate.papers(expected)

        def build(number: int, checkpoint: Mapping[str, Any]) -> Mapping[str, bytes]:
            files = candidate.files(
                number,
                papers=papers if number == expected else None,
                verdicts=list(verdicts),
                checkpoint=checkpoint,
                actor=actor.to_dict(),
                reason=reason,
            )
            return sign_bundle(files, self.keys)

        self.registry.record_dataset(
            candidate.dataset.name, candidate.dataset.version, candidate.dataset.artifact,
            meta={"contract": candidate.contract(), **candidate.dataset.meta()}, actor=actor,
        )  # fmt: skip
        version = self.registry.register_version(
            model, task=candidate.evidence["task"], build=build, evidence=dict(candidate.evidence),
            dataset_version=candidate.dataset.version, run_id=run_id, actor=actor, reason=reason,
            gates=[verdict.to_dict() for verdict in verdicts],
            attachments={
                name: candidate.digests()[name] for name in ("pipeline", "out_of_fold", "rows", WATCHED_NAME)
            },
        )  # fmt: skip
        return Registration(version, verdicts, unchanged=False)

    def _next_number(self, model: str) -> int:
        return next((known.latest for known in self.registry.models() if known.name == model), 0) + 1

    def _standing(self, candidate: Candidate) -> ModelVersion | None:
        """The newest version, if this candidate is it and its signature still counts."""
        model = candidate.settings.name
        if model not in [known.name for known in self.registry.models()]:
            return None
        newest = self.registry.resolve(model)
        try:
            standing = self.registry.evidence(newest)
        except (ArtifactMissing, ArtifactCorrupt):
            return None  # what it was let in on is gone, so nothing can be told to be the same
        same = digest_json(without_champion(standing)) == digest_json(without_champion(candidate.evidence))
        return newest if same and self._in_force(newest) else None

    def _in_force(self, version: ModelVersion) -> bool:
        """Whether the key that signed a version is not revoked; after a revocation the next run signs a new version."""
        files = {name: self.artifacts.read(digest) for name, digest in version.files.items()}
        try:
            verify_files(files, files[SIGNATURE_NAME], self.keys.trust())
        except KeyRevoked:
            return False
        return True

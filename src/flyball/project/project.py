"""A project that is open: its parts, wired once, and what can be done with them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flyball.config import STATE_FOLDER, Effort, check_choices, parse_effort
from flyball.core.files import write_atomic
from flyball.core.progress import Cancellation, NoProgress, Progress
from flyball.ledger import Actor
from flyball.project.declared import ModelNotDeclared, beside, declared_dataset
from flyball.project.handles import Dataset, LearnedModel, Version
from flyball.project.outcome import Outcome, Promotion
from flyball.project.parts import LedgerRolledBack, Parts
from flyball.project.reasons import reason_given
from flyball.registry import AliasMoved, ModelVersion
from flyball_runtime.errors import BadInput

if TYPE_CHECKING:
    from flyball.automl import FittedPipeline
    from flyball.monitoring import Alert, Alerts, JudgedWindow
    from flyball.pipeline import Gate, Registration
    from flyball.predictions import PredictionLog
    from flyball.project.scoring import ExplainedRow
    from flyball.project.view import ProjectDocuments
    from flyball.project.watch import Watch
    from flyball.reports import Report
    from flyball.upkeep import Backup, Cleaned, Diagnosis
    from flyball_runtime.bundle import Bundle

__all__ = [
    "STATE_FOLDER",
    "LedgerRolledBack",
    "ModelNotDeclared",
    "Project",
    "TargetMissing",
]

_PROMOTION_TRIES = 20


class TargetMissing(BadInput):
    """A table was given without saying which column to predict."""

    code = "FB-PROJECT-005"


class Project(Parts):
    """A folder with a flyball.toml. `flyball.open(path)` makes one; threads may share it.

    reads_only: open the store as it is and change nothing, not even what a crash left; it may lie on read-only media.
    """

    # -- make

    def dataset(
        self,
        source: Any,
        *,
        target: str | None,
        test: Any = None,
        name: str | None = None,
        time: str | None = None,
        group: str | None = None,
        split: Literal["auto", "random", "time", "group"] = "auto",
        embargo: str | int | None = None,
        purge: bool = False,
        weight: str | None = None,
        positive: str | bool | float | None = None,
        personal: Collection[str] = (),
        public: Collection[str] = (),
        protected: Collection[str] = (),
        drop: Collection[str] = (),
        keep: Collection[str] = (),
        missing: Mapping[str, Sequence[str | int | float]] | None = None,
        related: Mapping[str, Any] | None = None,
        key: str | None = None,
        refers: Mapping[str, str] | None = None,
        known: str | None = None,
        features: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Dataset:
        """A table to learn from: a path, or a pandas, Polars or Arrow table. Nothing is read yet.

        `test`: rows of their own to test on. `embargo`: what lies between learning and judging, "7d" or a number of
        rows; `purge`: learn from no group that is tested. `protected` columns (sex, race, …) are kept out of what is
        learned from, and `personal` ones out of reports and logs; `public` ones only seem personal. `missing` lists
        values that mean missing, by column; the other columns are searched for such values. `related`: other tables by
        name, each a path, a table or {"source": …, "key": …, "time": …, "refers": {…}}, whose columns become features of
        this one's rows as of their time; `key`, `refers`: the column that names this one's rows, and of which table a
        column holds the key; `known`: the column that says when the target became known;
        `features`: further ones by name, as under [features.NAME] of the project file. A relative path starts from the
        project's folder. Raises ConfigInvalid for settings that exclude one another.
        """
        if target is None:
            raise TargetMissing("which column is to be predicted?", fix='project.dataset(table, target="COLUMN")')
        given = name or (Path(source).stem if isinstance(source, str | Path) else self.name)
        called = Path(test).name if isinstance(test, str | Path) else "the test table"
        check_choices(
            target, time=time, group=group, split=split, embargo=embargo, purge=purge, weight=weight,
            personal=personal, public=public, drop=(*drop, *protected), keep=keep,
        )  # fmt: skip
        from flyball.pipeline import LoopSettings

        settings = LoopSettings(
            name=self.name, dataset=given, target=str(target), time=time, group=group, weight=weight, positive=positive,
            split=split, test=None if test is None else called, embargo=embargo, purge=purge, personal=tuple(personal),
            public=tuple(public), drop=(*drop, *protected), keep=tuple(keep),
            missing=tuple((name, tuple(values)) for name, values in (missing or {}).items()), known=known,
        )  # fmt: skip
        others = beside(self, given, related, key=key, refers=refers, features=features)
        return Dataset(self._located(source), settings, self._located(test), others)

    def learn(
        self,
        table: Any,
        *,
        target: str | None = None,
        name: str | None = None,
        metric: str | None = None,
        budget: str | float | None = None,
        seed: int = 0,
        costs: Mapping[str, float] | None = None,
        slices: Collection[str] = (),
        progress: Progress | None = None,
        cancellation: Cancellation | None = None,
    ) -> LearnedModel:
        """Make and prove a model from a `dataset(...)`, or from a table and its `target`; nothing is registered.

        budget: "90s", "10m", or seconds, for the search and the verified export (60 s), or "40 trials", the same work
        on any machine. costs: of decisions, such as
        `{"false_positive": 1, "false_negative": 20}`, which choose the threshold; slices: columns to list by level.
        Raises BadInput for a table or setting that cannot be used, ExportRefused when the graph does not equal the
        model.
        """
        if not isinstance(table, Dataset):
            if target is None:
                raise TargetMissing("which column is to be predicted?", fix='project.learn(table, target="COLUMN")')
            table = self.dataset(table, target=target)
        settings = replace(table.settings, name=name or table.settings.name, metric=metric, seed=seed)
        settings = replace(settings, costs=costs, slices=tuple(slices))
        settings = settings.with_budget(_effort(budget))
        return self._learn(replace(table, settings=settings), progress, cancellation)

    def propose(self, model: LearnedModel, *, reason: str = "") -> Version:
        """Judge a learned model by the gates and register it as a version. Raises GateRefused by the candidate gate."""
        from flyball.governance import GateRefused

        registration = self._register(model, reason, None)
        if registration.refusal is not None:
            raise GateRefused(model.evidence["model"], registration.refusal)
        assert registration.version is not None
        self.write_report(registration.version)
        return Version(self, registration.version)

    def run(
        self,
        model: str | None = None,
        *,
        budget: str | float | None = None,
        reason: str = "",
        progress: Progress | None = None,
        cancellation: Cancellation | None = None,
    ) -> Outcome:
        """The whole loop for a model of the project file: make, prove, gate, register."""
        table = declared_dataset(self, model or self._only_model())
        table = replace(table, settings=table.settings.with_budget(_effort(budget)))
        self.check_writable()  # else the whole budget would be spent before a missing key is found
        self.registry.clean_leftovers()
        run_id = self.registry.start_run("loop", table.settings.told(), self.actor)
        status = "failed"
        try:
            learned = self._learn(table, progress, cancellation)
            registration = self._register(learned, reason, run_id)
            status = "done"
        finally:
            if status == "failed":
                self.registry.finish_run(run_id, status)
        version = registration.version
        metrics = {name: interval["value"] for name, interval in learned.evidence["metrics"]["test"].items()}
        outputs = {"version": version.ref if version else None, **learned.candidate.digests()}
        self.registry.finish_run(run_id, status, metrics=metrics, outputs=outputs)
        return Outcome(learned, registration, self.write_report(version) if version else None, run_id)

    # -- versions and aliases

    def versions(self, model: str | None = None) -> list[Version]:
        """The versions of a model (default: the project's own name), oldest first."""
        return [Version(self, record) for record in self.registry.versions(model or self._only_model())]

    def version(self, ref: str) -> Version:
        """A version by NAME@NUMBER, NAME@ALIAS, NAME@latest or NAME. Raises a coded error with near misses."""
        return Version(self, self.registry.resolve(ref))

    def promote(self, ref: str, alias: str, *, reason: str = "", actor: Actor | None = None) -> Promotion:
        """Let `alias` point to a version, if its gate's rules are met. Raises GateRefused; the ledger tells either way."""
        self.check_writable()
        version = self.registry.resolve(ref)
        self.check_signature(version)
        for _ in range(_PROMOTION_TRIES):
            with suppress(AliasMoved):  # somebody else moved it after it was judged: judge again
                return self._promote(version, alias, reason, actor or self.actor)
        return self._promote(version, alias, reason, actor or self.actor)

    def _promote(self, version: ModelVersion, alias: str, reason: str, actor: Actor) -> Promotion:
        from flyball.governance import promote

        held = {now.alias: now.number for now in self.registry.aliases(version.model)}.get(alias)
        if held == version.number:
            return Promotion(version, alias, held, False, None, None)
        rules = self.config.gate[alias].raw if alias in self.config.gate else {}
        move = promote(
            self.registry, version, alias, rules, actor,
            reason=reason, where=self.config.where, compare=self._paired,
        )  # fmt: skip
        return Promotion(version, alias, held, True, move.seq, move.details.get("gate"))

    def verdict(self, version: ModelVersion, alias: str) -> dict[str, Any]:
        """What the gate of an alias says of a version now; changes nothing."""
        from flyball.governance import judge_version

        rules = self.config.gate[alias].raw if alias in self.config.gate else {}
        verdict = judge_version(self.registry, version, alias, rules, where=self.config.where, compare=self._paired)
        return verdict.to_dict()

    def verdicts(self, version: ModelVersion) -> list[dict[str, Any]]:
        """What every gate of the project file says of a version now."""
        return [self.verdict(version, alias) for alias in self.config.gate]

    def gates(self) -> list[Gate]:
        """The gates of the project file."""
        from flyball.pipeline import Gate

        return [Gate(name, gate.raw, self.config.where) for name, gate in self.config.gate.items()]

    # -- use

    def bundle(self, version: ModelVersion, *, provides: Collection[str] = ("tables",)) -> Bundle:
        """A version's bundle, verified against the project's keys; a lost folder is restored from the artifacts.

        provides: see `open_bundle`; the project has its tables.
        """
        from flyball_runtime.bundle import open_bundle

        self.registry.restore_bundle(self.registry.with_bundle(version))
        return open_bundle(version.bundle_path, trust=self.keys.trust(), provides=provides)

    def pipeline_of(self, version: ModelVersion) -> FittedPipeline:
        """The fitted pipeline behind a version, for explanations."""
        from flyball.automl import FittedPipeline
        from flyball.pipeline.blobs import get_bytes

        digest = self.registry.evidence(self.registry.with_bundle(version))["artifacts"]["pipeline"]
        return FittedPipeline.from_bytes(get_bytes(self.artifacts, digest))

    def log(self) -> PredictionLog:
        """The prediction log. Close it when done."""
        from flyball.predictions import PredictionLog

        return PredictionLog(self.database)

    def serve(
        self,
        ref: str,
        *,
        host: str = "127.0.0.1",
        port: int = 8080,
        history: Path | None = None,
        entities: int = 100_000,
        on_ready: Callable[[str], None] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Answer predictions over HTTP until SIGINT or SIGTERM.

        For a model that looks back: `history` is a table whose rows are taken for the past before any request is answered;
        `entities` is how many entities may have a past. Raises SessionsHeld, PastPersonal, TooManyPasts.
        """
        from flyball.project.serve import serve

        serve(self, ref, host=host, port=port, history=history, entities=entities, on_ready=on_ready, progress=progress)

    def predict_file(self, ref: str, source: Path, destination: Path) -> dict[str, Any]:
        """Score every row of a table into a CSV or Parquet file, which appears whole or not at all."""
        from flyball.project.scoring import predict_file

        began = time.monotonic()
        rows, version, notes = predict_file(self, ref, source, destination)
        return {
            "model": version.model, "version": version.number, "version_ref": version.ref, "rows": rows,
            "destination": str(destination), "seconds": time.monotonic() - began, "notes": notes,
        }  # fmt: skip

    # -- watch

    def watch(
        self,
        model: str | None = None,
        *,
        since: str | float | datetime = "7d",
        on_window: Callable[[JudgedWindow], None] | None = None,
    ) -> Watch:
        """Judge the windows of the prediction log that are complete and were not judged yet; say where the model stands.

        since: how far back ("7d", seconds, or a moment with its time zone); older rows that no window holds are passed
        over. `on_window` is called with each window as it is judged. Raises ModelUnknown, LedgerRolledBack.
        """
        from flyball.project.watch import watch

        self.check_writable()
        return watch(self, model or self._only_model(), since=since, on_window=on_window)

    @property
    def alert_book(self) -> Alerts:
        """The alerts, to list, acknowledge and resolve."""
        from flyball.monitoring import Alerts

        return Alerts(self.database, self.ledger)

    def alerts(self, model: str | None = None, *, resolved: bool = False) -> list[Alert]:
        """The alerts that are open or acknowledged (with `resolved`, all), newest first."""
        return self.alert_book.list(model, resolved=resolved)

    def acknowledge_alert(self, number: int, *, reason: str, actor: Actor | None = None) -> Alert:
        """Say that somebody looks after an alert; the ledger tells who and why. Raises AlertUnknown, AlertSettled."""
        self.check_writable()
        return self.alert_book.acknowledge(number, actor or self.actor, reason_given(reason))

    def resolve_alert(self, number: int, *, reason: str, actor: Actor | None = None) -> Alert:
        """Close an alert: what moves from now on raises a new one. Raises AlertUnknown, AlertSettled."""
        self.check_writable()
        return self.alert_book.resolve(number, actor or self.actor, reason_given(reason))

    # -- tell

    def report(self, version: ModelVersion) -> Report:
        """A version's report, with its verdicts and history."""
        from flyball.project.view import version_report

        return version_report(self, self.registry.with_bundle(version))

    def write_report(self, version: ModelVersion) -> Path:
        """The report as a self-contained HTML page under the project's state folder; its path."""
        path = self.path / STATE_FOLDER / "reports" / f"{version.model}-{version.number}.html"
        write_atomic(path, self.report(version).html.encode(), label="project.report")
        return path

    def view(self) -> ProjectDocuments:
        """The project as the HTTP interface shows it."""
        from flyball.project.view import ProjectDocuments

        return ProjectDocuments(self)

    def explain_row(self, ref: str, row: int, *, source: Path | None = None) -> ExplainedRow:
        """The reasons for one row's score, by default of the data that the version was made from."""
        from flyball.project.scoring import explain_row

        return explain_row(self, ref, row, source=source)

    def compare(self, ours: str, theirs: str, *, data: str | Path | None = None) -> dict[str, Any]:
        """Two versions on the rows that the first was tested on, or on those of a file: each metric's paired difference.

        Rows that the second (of a file: either) learned from are left out. Raises TestRowsGone or TruthUnfit.
        """
        from flyball.project.judging import compare_versions

        versions = (self.registry.with_bundle(self.registry.resolve(ref)) for ref in (ours, theirs))
        return compare_versions(self, *versions, data=None if data is None else self._located(Path(data)))

    def diff(self, before: str, after: str) -> dict[str, Any]:
        """What changed from one version to another: data, features, settings, metrics, explanations, verdicts, code."""
        from flyball.project.differences import diff_versions

        return diff_versions(self, self.registry.resolve(before), self.registry.resolve(after))

    def diff_runs(self, ids: Sequence[str]) -> dict[str, Any]:
        """What differs between tracked runs: every parameter, metric, tag and input that is not the same in all."""
        from flyball.project.differences import diff_runs

        return diff_runs(self, ids)

    def slices(self, ref: str, *, by: str | None = None) -> dict[str, Any]:
        """Where a version is weak; with `by`, its quality at every level of that column."""
        from flyball.project.judging import slices_of

        return slices_of(self, self.registry.with_bundle(self.registry.resolve(ref)), by=by)

    def features(self, ref: str | None = None) -> dict[str, Any]:
        """What a version computes from: its columns, window features, and features of related tables with what each bought."""
        from flyball.project.features import features_of

        return features_of(self, self.registry.resolve(ref or self._only_model()))

    def status(self) -> dict[str, Any]:
        """Models, aliases, the ledger's head and the prediction log's size."""
        from flyball.project.view import status_document

        return status_document(self)

    # -- look after

    def backup(
        self, destination: str | os.PathLike[str], *, with_keys: bool = True, progress: Progress | None = None
    ) -> Backup:
        """Copy the whole project into one file, consistent although it is in use; `flyball.restore` makes it anew.

        destination: a new file, or a folder, in which the file is named after the project and the time. `with_keys`:
        whether the private signing keys go in. Raises BackupExists, BackupIncomplete, StoreRolledBack.
        """
        from flyball.upkeep import take_backup

        return take_backup(
            self.config, self.registry, Path(destination), actor=self.actor, clock=self.clock,
            progress=progress or NoProgress(), with_keys=with_keys,
        )  # fmt: skip

    def clean(self, *, dry_run: bool = False, progress: Progress | None = None) -> Cleaned:
        """Remove what `[retention]` of the project file lets go; nothing that is governed. See docs/howto."""
        from flyball.upkeep import clean

        if not dry_run:
            self.check_writable()
        return clean(
            self.config, self.registry, actor=self.actor, clock=self.clock, progress=progress or NoProgress(),
            dry_run=dry_run,
        )  # fmt: skip

    def doctor(self, *, deep: bool = False) -> Diagnosis:
        """Examine the installation and this project without changing anything."""
        from flyball.project.upkeep import doctor

        return doctor(self.path, deep=deep, clock=self.clock)

    # -- inside

    def _learn(self, table: Dataset, progress: Progress | None, cancellation: Cancellation | None) -> LearnedModel:
        settings = table.settings
        drop = self.config.data[settings.dataset].drop if settings.dataset in self.config.data else ()
        rivals = [gate.no_worse_than.alias for gate in self.config.gate.values() if gate.no_worse_than is not None]
        candidate = self.loop.learn(
            table.source, settings, test=table.test, related=table.related, drop=drop, progress=progress or NoProgress(),
            cancellation=cancellation or Cancellation(), champions=("production", *rivals),
        )  # fmt: skip
        return LearnedModel(self, candidate)

    def _paired(self, version: ModelVersion, holder: ModelVersion) -> Mapping[str, Any] | None:
        """Both on the first one's test rows; remembered, because neither changes."""
        from flyball.project.judging import paired

        known = (version.entry, holder.entry)
        if known not in self._compared:
            self._compared[known] = paired(self, version, holder)
        return self._compared[known]

    def _register(self, model: LearnedModel, reason: str, run_id: str | None) -> Registration:
        return self.loop.register(model.candidate, self.gates(), actor=self.actor, reason=reason, run_id=run_id)

    def _only_model(self) -> str:
        declared = list(self.config.model)
        if len(declared) > 1:
            raise ModelNotDeclared(
                "the project file declares several models", where=self.config.where("model"),
                fix="name one: " + ", ".join(declared),
            )  # fmt: skip
        return declared[0] if declared else self.name

    def _located(self, source: Any) -> Any:
        return self.config.resolve(str(source)) if isinstance(source, str | Path) else source


def _effort(budget: str | float | None) -> Effort | None:
    return None if budget is None else parse_effort(budget)

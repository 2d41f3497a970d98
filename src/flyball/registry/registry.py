"""Datasets, runs, models, versions and aliases: what was made of what, and which version is which."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from flyball.core.canonical import sha256_hex
from flyball.core.clock import Clock
from flyball.core.failpoints import failpoint
from flyball.core.files import replace_directory
from flyball.ledger import Actor, Draft, Ledger, Verification
from flyball.ledger.entries import record_json
from flyball.registry.audit import with_runs
from flyball.registry.bundles import clean_bundles, content_hash_of, store_bundle
from flyball.registry.names import (
    LATEST,
    AliasMoved,
    AliasUnknown,
    ModelUnknown,
    VersionExternal,
    VersionUnknown,
    check_alias,
    check_name,
    split_reference,
)
from flyball.registry.records import (
    EXTERNAL,
    AliasMove,
    AliasNow,
    DatasetVersion,
    Model,
    ModelVersion,
    Run,
    moment_text,
)
from flyball.registry.runs import Runs
from flyball.registry.tables import alias_history, aliases, dataset_versions, model_versions, models
from flyball.store import ArtifactStore, Database, Reader, Transaction
from flyball_runtime.errors import near_miss

__all__ = ["UNSET", "Build", "Registry", "Unset"]

_FILES_BOUND = 200
Build = Callable[[int, dict[str, Any]], Mapping[str, bytes]]


class Unset(Enum):
    """The one value that says "not given" where None means something."""

    UNSET = "unset"


UNSET = Unset.UNSET


class Registry:
    """The registry of one project. Threads and processes may call every method at once.

    Each change is one transaction that writes the ledger's entry and, by projection, the tables: a crash leaves the
    state before or the state after. `bundles` is the folder in which every version's bundle lies as MODEL/NUMBER.
    """

    def __init__(
        self, database: Database, ledger: Ledger, artifacts: ArtifactStore, clock: Clock, bundles: Path
    ) -> None:
        self.database = database
        self.ledger = ledger
        self.artifacts = artifacts
        self.bundles = bundles
        self._runs = Runs(database, ledger, clock)

    # -- datasets

    def record_dataset(
        self, name: str, version: str, artifact: str, meta: Mapping[str, Any], actor: Actor
    ) -> DatasetVersion:
        """Record a snapshot: `version` is the digest of its content, `artifact` of its stored form, `meta` its schema,
        contract and profile (JSON). Recording the same version again returns the first record.
        """
        check_name(name, "dataset")
        with self.database.write("registry.dataset") as tx:
            known = self._dataset(tx, name, version)
            if known is None:
                binds = {"dataset": version, "artifact:data": artifact}
                self.ledger.append(tx, Draft("dataset.recorded", name, actor, "", binds, dict(meta)))
                known = self._dataset(tx, name, version)
        if known is None:
            raise AssertionError("the projection of dataset.recorded writes the row")
        return known

    def datasets(self, name: str | None = None) -> list[DatasetVersion]:
        """Dataset versions, oldest first."""
        query = select(dataset_versions).order_by(dataset_versions.c.seq)
        if name is not None:
            query = query.where(dataset_versions.c.name == name)
        with self.database.read() as connection:
            return [DatasetVersion.from_row(row) for row in connection.execute(query)]

    # -- runs

    def start_run(self, kind: str, params: Mapping[str, Any], actor: Actor) -> str:
        """Note that a run began; return its id."""
        return self._runs.start(kind, params, actor)

    def finish_run(
        self,
        run_id: str,
        status: str,
        metrics: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> Run:
        """Close a run; its digest enters the ledger. Raises RunRefused."""
        return self._runs.finish(run_id, status, metrics or {}, outputs or {})

    def runs(self, *, kind: str | None = None, limit: int | None = None) -> list[Run]:
        """Runs, newest first."""
        return self._runs.list(kind=kind, limit=limit)

    def running(self) -> Sequence[Run]:
        """Runs that are under way now, in any process."""
        return self._runs.running()

    def run(self, run_id: str) -> Run:
        """One run. Raises RunRefused."""
        return self._runs.get(run_id)

    # -- versions

    def register_version(
        self,
        model: str,
        *,
        task: str,
        build: Build,
        evidence: Mapping[str, Any],
        dataset_version: str | None,
        run_id: str | None,
        actor: Actor,
        reason: str,
        gates: Sequence[Mapping[str, Any]] = (),
        attachments: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """Register the next version of `model`, all or nothing.

        `build(number, checkpoint)` gives the signed files of the bundle; it is called while the store is locked, so it
        only stamps and signs. Files and evidence are durable before the version is. The same content with the same
        evidence from the same run is one version. `attachments` names further artifacts (name -> digest) that belong to
        the version but not into its bundle; the audit looks after them too. Raises NameRefused, BundleRefused, NotRecordable,
        ArtifactMissing.
        """
        check_name(model)
        document = record_json(dict(evidence), "the evidence")
        with self.database.write("registry.register") as tx:
            number = self._next(tx, model)
            checkpoint = self.ledger.newest_checkpoint(tx)
            files = dict(build(number, checkpoint.to_dict() if checkpoint else {}))
            content = content_hash_of(files, model, number)
            evidence_digest = self.artifacts.put(document)
            failpoint("registry.register:after-evidence")
            for digest in (attachments or {}).values():
                self.artifacts.size(digest)  # raises ArtifactMissing: an entry never binds what is not there
            same = self._same(tx, model, content, evidence_digest, run_id)
            if same is not None:
                return same
            digests = store_bundle(self.artifacts, self.bundles / model / str(number), files)
            binds = {"content": content, "artifact:evidence": evidence_digest}
            binds |= {f"file:{name}": digest for name, digest in digests.items()}
            binds |= {f"artifact:{name}": digest for name, digest in (attachments or {}).items()}
            if dataset_version is not None:
                binds["dataset"] = dataset_version
            details = {
                "task": task,
                "run": run_id,
                "metrics": evidence.get("metrics") or {},
                "gates": [dict(gate) for gate in gates],
            }
            self.ledger.append(tx, Draft("version.registered", f"{model}@{number}", actor, reason, binds, details))
            return self._version(tx, model, number)

    def register_external(
        self,
        model: str,
        *,
        files: Mapping[str, str],
        evidence: Mapping[str, Any],
        run_id: str | None,
        actor: Actor,
        reason: str,
        number: int | None = None,
        also: Callable[[Transaction, ModelVersion], None] | None = None,
    ) -> ModelVersion:
        """Register the next version of `model`, made by another tool: files that the artifact store holds, by path.

        There is no bundle and no signature; the entry binds the list of the files and, up to 200, each of them. `number`:
        the one it had elsewhere, which it keeps when all that are here are below it. `also` writes what becomes durable
        together with the version. Raises NameRefused, NotRecordable, ArtifactMissing.
        """
        check_name(model)
        document = record_json(dict(evidence), "the evidence")
        listing = record_json({"files": dict(files), "source": evidence.get("source")}, "the list of files")
        with self.database.write("registry.register") as tx:
            number = max(self._next(tx, model), number or 0)
            binds = {"content": sha256_hex(listing), "artifact:evidence": self.artifacts.put(document)}
            binds["artifact:files"] = self.artifacts.put(listing)
            if len(files) <= _FILES_BOUND:
                binds |= {f"artifact:model/{path}": digest for path, digest in files.items()}
            for digest in files.values():
                self.artifacts.size(digest)  # raises ArtifactMissing: an entry never binds what is not there
            details: dict[str, Any] = {
                "task": EXTERNAL,
                "run": run_id,
                "metrics": evidence.get("metrics") or {},
                "gates": [],
            }
            self.ledger.append(tx, Draft("version.registered", f"{model}@{number}", actor, reason, binds, details))
            version = self._version(tx, model, number)
            if also is not None:
                also(tx, version)
        return version

    def with_bundle(self, version: ModelVersion) -> ModelVersion:
        """The version itself. Raises VersionExternal when another tool made it, so that there is no bundle of it."""
        if version.external:
            raise VersionExternal(
                f"{version.ref} was made by another tool, so Flyball cannot run, explain or compare it",
                why="it holds the files that were registered, and no bundle",
                fix="`flyball run` makes versions with a bundle; an external one is loaded with the tool that made it",
            )
        return version

    def models(self) -> list[Model]:
        """Every model, by name."""
        counted = (
            select(models.c.name, models.c.created, func.count().label("versions"), func.max(model_versions.c.number))
            .join(model_versions, model_versions.c.model == models.c.name)
            .group_by(models.c.name, models.c.created)
            .order_by(models.c.name)
        )
        with self.database.read() as connection:
            return [Model(*row) for row in connection.execute(counted)]

    def versions(self, model: str) -> list[ModelVersion]:
        """Versions of a model, oldest first. Raises ModelUnknown."""
        query = select(model_versions).where(model_versions.c.model == model).order_by(model_versions.c.number)
        with self.database.read() as connection:
            found = [ModelVersion.from_row(row, self.bundles) for row in connection.execute(query)]
            if not found:
                raise self._unknown_model(connection, model)
        return found

    def version(self, model: str, number: int) -> ModelVersion:
        """One version. Raises ModelUnknown, VersionUnknown."""
        with self.database.read() as connection:
            return self._version(connection, model, number)

    def resolve(self, reference: str) -> ModelVersion:
        """The version that "machines@3", "machines@production", "machines@latest" or "machines" (latest) names.

        Raises NameRefused, ModelUnknown, VersionUnknown, AliasUnknown.
        """
        model, selector = split_reference(reference)
        with self.database.read() as connection:
            if selector.isascii() and selector.isdigit() and len(selector) < 10:
                return self._version(connection, model, int(selector))
            if selector == LATEST:
                return self._version(connection, model, self._next(connection, model) - 1)
            query = select(aliases.c.number).where(aliases.c.model == model, aliases.c.alias == selector)
            number = connection.execute(query).scalar_one_or_none()
            if number is None:
                raise self._unknown_alias(connection, model, selector)
            return self._version(connection, model, number)

    def evidence(self, version: ModelVersion) -> dict[str, Any]:
        """The evidence document of a version, checked against its digest. Raises ArtifactMissing, ArtifactCorrupt."""
        document: dict[str, Any] = json.loads(self.artifacts.read(version.evidence_digest))
        return document

    def lineage(self, version: ModelVersion) -> dict[str, Any]:
        """What a version was made of and what became of it: data, run, code, environment, files, entries."""
        evidence = self.evidence(version)
        known = [one for one in self.datasets() if one.version == version.dataset_version]
        runs = [self.run(version.run_id).to_dict()] if version.run_id and not version.external else []
        entries = [
            entry.to_dict()
            for entry in self.ledger.entries(subject=version.model)
            if entry.seq == version.seq or entry.binds.get("version") == version.entry
        ]
        return {
            "version": version.to_dict(),
            "dataset": known[0].to_dict() if known else None,
            "run": runs[0] if runs else None,
            "code": evidence.get("code"),
            "environment": evidence.get("environment"),
            "seed": evidence.get("seed"),
            "files": dict(version.files),
            "aliases": [move.to_dict() for move in self.alias_history(version.model) if move.number == version.number],
            "entries": entries,
        }

    # -- aliases

    def move_alias(
        self,
        model: str,
        alias: str,
        number: int,
        actor: Actor,
        reason: str,
        *,
        payload: Mapping[str, Any] | None = None,
        before: Iterable[Draft] = (),
        expected_holder: int | Unset | None = UNSET,
    ) -> AliasMove:
        """Point an alias at a version. `before` are entries (a gate's verdict, say) that become durable together with it.

        `expected_holder` is the version that the alias named (None: none) when the move was judged: with it, the move is
        refused once that is no longer so. Raises NameRefused, ModelUnknown, VersionUnknown, AliasMoved.
        """
        check_alias(alias)
        with self.database.write("registry.alias") as tx:
            version = self._version(tx, model, number)
            if not isinstance(expected_holder, Unset):
                self._still(tx, model, alias, expected_holder)
            binds, details = {"version": version.entry}, dict(payload) if payload else None
            moved = Draft("alias.moved", f"{model}@{alias}", actor, reason, binds, details)
            entry = self.ledger.append(tx, *before, moved)[-1]
            return self._move(tx, entry.seq)

    def remove_alias(self, model: str, alias: str, actor: Actor, reason: str) -> AliasMove:
        """Take an alias off a model; its history stays. Raises ModelUnknown, AliasUnknown."""
        with self.database.write("registry.alias") as tx:
            if alias not in [now.alias for now in self._aliases(tx, model)]:
                raise self._unknown_alias(tx, model, alias)
            entry = self.ledger.append(tx, Draft("alias.removed", f"{model}@{alias}", actor, reason))[-1]
            return self._move(tx, entry.seq)

    def aliases(self, model: str) -> list[AliasNow]:
        """Where a model's aliases point now, by name."""
        with self.database.read() as connection:
            return self._aliases(connection, model)

    def alias_history(self, model: str, alias: str | None = None) -> list[AliasMove]:
        """Every move of a model's aliases (of one alias), oldest first."""
        query = select(alias_history).where(alias_history.c.model == model).order_by(alias_history.c.seq)
        if alias is not None:
            query = query.where(alias_history.c.alias == alias)
        with self.database.read() as connection:
            return [AliasMove.from_row(row) for row in connection.execute(query)]

    def alias_at(self, model: str, alias: str, moment: datetime | str) -> ModelVersion | None:
        """The version that an alias named at a moment (with a time zone); None when it named none."""
        move, _ = self.alias_moves_around(model, alias, moment)
        return None if move is None or move.number is None else self.version(model, move.number)

    def alias_moves_around(
        self, model: str, alias: str, moment: datetime | str
    ) -> tuple[AliasMove | None, AliasMove | None]:
        """The last move of an alias up to a moment (with a time zone), and the first one after it; None for none."""
        at, columns = moment_text(moment), alias_history.c
        query = select(alias_history).where(columns.model == model, columns.alias == alias)
        with self.database.read() as connection:
            before = connection.execute(query.where(columns.time <= at).order_by(columns.seq.desc()).limit(1)).first()
            after = connection.execute(query.where(columns.time > at).order_by(columns.seq).limit(1)).first()
        moves = [None if row is None else AliasMove.from_row(row) for row in (before, after)]
        return moves[0], moves[1]

    # -- upkeep

    def clean_leftovers(self) -> list[Path]:
        """Tidy up after processes that died: close their runs as "interrupted", remove bundle folders that belong to no
        version, and what is left of half-written artifacts; return the folders that were removed.

        In a store that was rolled back nothing is touched: there the folders are all that is left of what was lost.
        """
        with self.database.write("registry.clean") as tx:
            if self.ledger.rolled_back(tx):
                return []
            known = tx.execute(select(model_versions.c.model, model_versions.c.number)).all()
            removed = clean_bundles(self.bundles, [(row.model, row.number) for row in known])
            self._runs.close_interrupted(tx)
        self.artifacts.clean()
        return removed

    def restore_bundle(self, version: ModelVersion) -> bool:
        """Write a version's bundle folder anew from its artifacts if it is gone; whether it was.

        A folder that is there is left as it is, also a damaged one: that is for the audit to name. Raises
        ArtifactMissing, ArtifactCorrupt.
        """
        if version.bundle_path.exists() or not version.files:
            return False
        files = {name: self.artifacts.read(digest) for name, digest in version.files.items()}
        replace_directory(version.bundle_path, files, label="registry.restore")
        return True

    def rebuild(self, *, accepted_keys: Iterable[str] = ()) -> dict[str, int]:
        """Restore the governed tables from the ledger alone; return rows by table. Raises LedgerDamaged."""
        return self.ledger.rebuild(accepted_keys=frozenset(accepted_keys))

    def verify(self, *, checkpoints: Iterable[object] = (), accepted_keys: Iterable[str] = ()) -> Verification:
        """The whole audit: ledger, tables, runs, artifacts and bundles. Damage never raises."""
        verification = self.ledger.verify(
            checkpoints=checkpoints,
            artifacts=self.artifacts,
            bundles=self.bundles,
            accepted_keys=frozenset(accepted_keys),
        )
        return with_runs(verification, self.database, self.ledger)

    # -- inside

    def _dataset(self, reader: Reader, name: str, version: str) -> DatasetVersion | None:
        query = select(dataset_versions).where(dataset_versions.c.name == name, dataset_versions.c.version == version)
        row = reader.execute(query).first()
        return DatasetVersion.from_row(row) if row else None

    def _next(self, reader: Reader, model: str) -> int:
        query = select(func.max(model_versions.c.number)).where(model_versions.c.model == model)
        return int(reader.execute(query).scalar() or 0) + 1

    def _version(self, reader: Reader, model: str, number: int) -> ModelVersion:
        query = select(model_versions).where(model_versions.c.model == model)
        row = reader.execute(query.where(model_versions.c.number == number)).first()
        if row is not None:
            return ModelVersion.from_row(row, self.bundles)
        newest = self._next(reader, model) - 1
        if not newest:
            raise self._unknown_model(reader, model)
        raise VersionUnknown(
            f"{model} has no version {number}",
            why=f"its versions are 1 to {newest}",
            fix=f"name one of them, such as {model}@{newest}",
        )

    def _same(
        self, tx: Transaction, model: str, content: str, evidence_digest: str, run_id: str | None
    ) -> ModelVersion | None:
        columns = model_versions.c
        query = select(model_versions).where(columns.model == model, columns.content_hash == content)
        for row in tx.execute(query.where(columns.evidence == evidence_digest).order_by(columns.number)):
            version = ModelVersion.from_row(row, self.bundles)
            if version.run_id == run_id:
                return version
        return None

    def _aliases(self, reader: Reader, model: str) -> list[AliasNow]:
        query = select(aliases).where(aliases.c.model == model).order_by(aliases.c.alias)
        return [AliasNow(row.model, row.alias, row.number, row.since) for row in reader.execute(query)]

    def _still(self, tx: Transaction, model: str, alias: str, expected: int | None) -> None:
        holder = next((now.number for now in self._aliases(tx, model) if now.alias == alias), None)
        if holder != expected:
            seen, found = (f"version {number}" if number is not None else "no version" for number in (expected, holder))
            raise AliasMoved(
                f"{model}@{alias} moved meanwhile, so it was not moved again",
                why=f"it named {seen} when the move was judged, and names {found} now",
                fix="judge again: run the same command once more",
            )

    def _move(self, reader: Reader, seq: int) -> AliasMove:
        return AliasMove.from_row(reader.execute(select(alias_history).where(alias_history.c.seq == seq)).one())

    def _unknown_model(self, reader: Reader, model: str) -> ModelUnknown:
        known = reader.execute(select(models.c.name).order_by(models.c.name)).scalars().all()
        return ModelUnknown(
            f"there is no model {model}",
            why=near_miss(model, known) or f"models of this project: {', '.join(known) or 'none yet'}",
            fix="`flyball run` makes and registers a version",
        )

    def _unknown_alias(self, reader: Reader, model: str, alias: str) -> ModelUnknown | AliasUnknown:
        newest = self._next(reader, model) - 1
        if not newest:
            return self._unknown_model(reader, model)
        known = [now.alias for now in self._aliases(reader, model)]
        return AliasUnknown(
            f"{model} has no alias {alias}",
            why=near_miss(alias, [*known, LATEST]) or f"its aliases: {', '.join(known) or 'none yet'}",
            fix=f'set it: flyball promote {model}@{newest} {alias} --reason "..."; or name a version, {model}@{newest}',
        )

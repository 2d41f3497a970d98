"""Bringing in registered models: each version an entry of the ledger that says what the source stated, and no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from flyball.core.clock import rfc3339
from flyball.exchange.artifacts_in import ArtifactsIn
from flyball.exchange.errors import ArtifactsMissing
from flyball.exchange.places import Places
from flyball.exchange.records import SourceRegistered, SourceVersion, mark_of
from flyball.exchange.summary import Tally
from flyball.exchange.tables import Known, known, note
from flyball.exchange.tracking_in import free_name
from flyball.governance import GateRefused, let_pass
from flyball.ledger import Actor, Draft
from flyball.mlflow.evidence import external_evidence
from flyball.mlflow.locations import path_of, scheme_of
from flyball.registry import ModelVersion, NameRefused
from flyball.registry.names import check_alias
from flyball.registry.records import ENTRY_IMPORTED
from flyball.store import Transaction
from flyball.tracking import TrackingUnknown
from flyball.tracking.registered import NO_STAGE, plain_name
from flyball.tracking.tables import registered, registered_versions

if TYPE_CHECKING:
    from flyball.project import Project

__all__ = ["STANDING", "RegistryIn"]

STANDING = "imported, not evaluated"


class RegistryIn:
    """Writes the registered models of a source into one project."""

    def __init__(
        self, project: Project, files: ArtifactsIn, places: Places, *, actor: Actor, where: str, tally: Tally,
        keep_places: bool, allow_missing: bool,
    ) -> None:  # fmt: skip
        self._project = project
        self._database = project.database
        self._registry = project.registry
        self._tracking = project.tracking
        self._files = files
        self._places = places
        self._actor = actor
        self._where = where
        self._why = f"imported from {where}, stated by it"
        self._tally = tally
        self._keep_places = keep_places
        self._allow_missing = allow_missing

    def check(self, found: Sequence[SourceRegistered]) -> None:
        """That the files of every version are there, before anything is written. Raises ArtifactsMissing."""
        if self._keep_places or self._allow_missing:
            return
        lost = [
            (model.name, version)
            for model in found
            for version in model.versions
            if self._is_local(version.storage) and self._folder(version) is None
        ]
        if lost:
            name, version = lost[0]
            raise ArtifactsMissing(
                f"the files of {len(lost):,} versions are not there", where=version.storage,
                why=f"{name} version {version.number} is one of them; it would come without what it is made of",
                fix="--artifacts names the folder that MLflow keeps files in; or import what there is with --allow-missing",
            )  # fmt: skip

    def bring(self, model: SourceRegistered, step: Callable[[], None]) -> None:
        """Bring in one registered model: its name, its versions, where its aliases point. `step` is called after each
        version."""
        with self._database.read() as reader:
            before = known(reader, "registered", [model.key]).get(model.key)
            rows = select(registered.c.model).where(registered.c.model == ("" if before is None else before.ours))
            withdrawn = before is not None and reader.execute(rows).first() is None
        if withdrawn:
            self._tally.clash(f"registered model {model.name!r}", "it was withdrawn here: not brought again")
            return
        inside = self._named(model, before)
        notes = [f"{model.key}#{version.number}" for version in model.versions]
        with self._database.read() as reader:
            here = known(reader, "version", notes)
        for version in model.versions:
            self._version(model, inside, version, here.get(f"{model.key}#{version.number}"))
            step()
        self._stated(model, inside, before)
        for version in model.versions:
            self._stage(model, inside, version)
        for alias, number in model.aliases.items():
            self._alias(model, inside, alias, number)

    # -- the model

    def _named(self, model: SourceRegistered, before: Known | None) -> str:
        """What the model is called in the registry; its row is made, or brought to what the source says now."""
        mark = mark_of(model.description, dict(model.tags), model.updated)
        if before is not None and before.mark.partition("/")[0] == mark:
            self._tally.same("registered", 1)
            return before.ours
        self._tally.add("registered", new=int(before is None), changed=int(before is not None))
        values = {"description": model.description, "updated": model.updated}
        with self._database.write("exchange.registered") as tx:
            if before is None:
                name, inside = self._free(tx, model.name)
                row = {"name": name, "model": inside, "base": 0, "created": model.created, **values}
                tx.execute(insert(registered), row)
            else:
                inside = before.ours
                tx.execute(update(registered).where(registered.c.model == inside).values(**values))
            self._tracking.registered.set_tags(tx, inside, model.tags)
            note(tx, "registered", [(model.key, inside, f"{mark}/")])
        return inside

    def _free(self, tx: Transaction, name: str) -> tuple[str, str]:
        taken = set(tx.execute(select(registered.c.name)).scalars())
        inside = set(tx.execute(select(registered.c.model)).scalars())
        inside |= {model.name for model in self._registry.models()}
        taken |= {one for one in (name,) if plain_name(one) in inside}
        found = free_name(name, taken)
        while plain_name(found) in inside:
            taken.add(found)
            found = free_name(name, taken)
        if found != name:
            self._tally.clash(f"registered model {name!r}", f"the name is taken here, so it is called {found!r}")
        return found, plain_name(found)

    def _stated(self, model: SourceRegistered, inside: str, before: Known | None) -> None:
        """The ledger's entry of what the source states of a model now, when that is not what it stated last."""
        versions = {
            str(version.number): {
                "created": version.created, "updated": version.updated, "stage": version.stage, "run": version.run,
                "user": version.user,
            }
            for version in model.versions
        }  # fmt: skip
        aliases = {alias: number for alias, number in model.aliases.items() if str(number) in versions}
        stated = {
            "source": self._where, "name": model.name, "created": model.created, "updated": model.updated,
            "aliases": aliases, "versions": versions, "standing": STANDING,
        }  # fmt: skip
        mark = mark_of(model.description, dict(model.tags), model.updated)
        whole = f"{mark}/{mark_of(aliases, versions)}"
        if before is not None and before.mark == whole:
            return
        with self._database.write("exchange.stated") as tx:
            self._registry.ledger.append(tx, Draft(ENTRY_IMPORTED, inside, self._actor, self._why, payload=stated))
            note(tx, "registered", [(model.key, inside, whole)])

    # -- versions

    def _version(self, model: SourceRegistered, inside: str, version: SourceVersion, before: Known | None) -> None:
        mark = mark_of(version.description, version.updated, version.source, dict(version.tags))
        if before is not None:
            if before.mark == mark:
                self._tally.same("versions", 1)
                return
            self._change(model, inside, version, int(before.ours), mark)
            return
        source, storage = self._placed(model, inside, version)
        model_id = source.removeprefix("models:/") if source.startswith("models:/m-") else ""
        evidence = external_evidence(self._tracking, inside, source=source, run_id=version.run, model_id=model_id)
        evidence["stated"] = {"metrics": evidence["metrics"]["test"]}
        evidence["metrics"] = {"test": {}}
        evidence["imported"] = {
            "standing": STANDING,
            "source": self._where,
            "stated": {
                "name": model.name, "version": version.number, "created": _moment(version.created),
                "updated": _moment(version.updated), "user": version.user or None, "source": version.source,
            },
        }  # fmt: skip

        def also(tx: Transaction, made: ModelVersion) -> None:
            row = {
                "model": inside, "number": made.number, "description": version.description, "stage": NO_STAGE,
                "source": source, "storage": storage, "run": version.run, "run_link": version.run_link,
                "created": version.created, "updated": version.updated,
            }  # fmt: skip
            tx.execute(insert(registered_versions), row)
            self._tracking.registered.set_version_tags(tx, inside, made.number, version.tags)
            note(tx, "version", [(f"{model.key}#{version.number}", str(made.number), mark)])

        made = self._registry.register_external(
            inside, files=self._digests(storage), evidence=evidence, run_id=version.run or None, actor=self._actor,
            reason=self._why, number=version.number, also=also,
        )  # fmt: skip
        if made.number != version.number:
            self._tally.clash(
                f"{model.name} version {version.number}", f"the number is taken here, so it is {made.ref}"
            )
        self._tally.add("versions", new=1)

    def _change(self, model: SourceRegistered, inside: str, version: SourceVersion, number: int, mark: str) -> None:
        columns = registered_versions.c
        with self._database.write("exchange.version") as tx:
            mine = update(registered_versions).where(columns.model == inside, columns.number == number)
            tx.execute(mine.values(description=version.description, updated=version.updated))
            self._tracking.registered.set_version_tags(tx, inside, number, version.tags)
            note(tx, "version", [(f"{model.key}#{version.number}", str(number), mark)])
        self._tally.add("versions", changed=1)

    def _placed(self, model: SourceRegistered, inside: str, version: SourceVersion) -> tuple[str, str]:
        """Source and storage as they are here: files that were brought are named where they lie now."""
        if self._keep_places or not self._is_local(version.storage):
            return version.source, version.storage
        storage = self._files.moved(version.storage)
        if storage is None:
            storage = f"{self._tracking.root}/registered/{inside}/{version.number}"
            folder = self._folder(version)
            if folder is not None:
                self._files.bring_folder(f"{model.key}#{version.number}", folder, storage)
        local = self._is_local(version.source)
        return (self._files.moved(version.source) or storage) if local else version.source, storage

    def _digests(self, storage: str) -> dict[str, str]:
        root = path_of(self._stored_at(storage))
        found = {} if root is None else self._tracking.files.walk(root)
        return {path: entry.digest for path, entry in found.items() if entry.digest is not None}

    def _stored_at(self, storage: str) -> str:
        """Where the files of a `runs:/` or `models:/` URI lie."""
        scheme = scheme_of(storage)
        owner, _, rest = storage.partition(":/")[2].strip("/").partition("/")
        try:
            if scheme == "runs":
                return f"{self._tracking.runs.get(owner).location}/{rest}"
            if scheme == "models" and owner.startswith("m-"):
                return self._tracking.models.get(owner, deleted=True).location
        except TrackingUnknown:
            return ""
        return storage

    @staticmethod
    def _is_local(uri: str) -> bool:
        return bool(uri) and not Places.elsewhere(uri)

    def _folder(self, version: SourceVersion) -> Path | None:
        parts = [part for part in version.storage.split("/") if part]
        return self._places.folder(
            version.storage, *("/".join(parts[-count:]) for count in range(len(parts) - 1, 2, -1))
        )

    # -- what is governed

    def _stage(self, model: SourceRegistered, inside: str, version: SourceVersion) -> None:
        key = f"{model.key}#{version.number}"
        number, before = self._standing("stage", key, version.number, model)
        if number is None or (before is not None and before.mark == version.stage):
            return
        if before is None and version.stage == NO_STAGE:
            return
        entry = self._registry.version(inside, number)
        drafts = self._passes(entry, version.stage.lower())
        with self._database.write("exchange.stage") as tx:
            if drafts is not None:
                columns = registered_versions.c
                mine = update(registered_versions).where(columns.model == inside, columns.number == number)
                tx.execute(mine.values(stage=version.stage))
                why = f"{before.mark if before else NO_STAGE} to {version.stage}, {self._why}"
                moved = Draft("stage.moved", entry.ref, self._actor, why, {"version": entry.entry})
                self._registry.ledger.append(tx, *drafts, moved)
                self._tally.add("stages", new=1)
            note(tx, "stage", [(key, str(number), version.stage)])

    def _alias(self, model: SourceRegistered, inside: str, alias: str, wanted: int) -> None:
        number, before = self._standing("alias", f"{model.key}@{alias}", wanted, model)
        if number is None or (before is not None and before.mark == str(wanted)):
            return
        try:
            check_alias(alias)
        except NameRefused as error:
            self._tally.clash(f"alias {alias!r} of {model.name}", f"not moved: {error.why}")
            return
        held = {now.alias: now.number for now in self._registry.aliases(inside)}.get(alias)
        if held == number:  # moved by an import that was killed before it noted so
            drafts = None
        elif held is not None and (before is None or before.ours != str(held)):
            self._tally.clash(f"alias {alias!r} of {model.name}", f"left where it was moved to here: version {held}")
            return
        else:
            drafts = self._passes(self._registry.version(inside, number), alias)
        if drafts is not None:
            details = {"imported": {"source": self._where, "standing": STANDING}}
            self._registry.move_alias(
                inside, alias, number, self._actor, self._why, payload=details, before=drafts, expected_holder=held
            )
            self._tally.add("aliases", new=1)
        with self._database.write("exchange.alias") as tx:
            note(tx, "alias", [(f"{model.key}@{alias}", str(number), str(wanted))])

    def _standing(self, kind: str, key: str, version: int, model: SourceRegistered) -> tuple[int | None, Known | None]:
        """The number that a version of the source has here (None: it has none), and what is noted of a stage or an alias."""
        with self._database.read() as reader:
            place = f"{model.key}#{version}"
            made = known(reader, "version", [place]).get(place)
            return (None if made is None else int(made.ours)), known(reader, kind, [key]).get(key)

    def _passes(self, version: ModelVersion, gate: str) -> list[Draft] | None:
        """What the gate of an alias or stage adds to the ledger when it lets a version pass; None when it does not."""
        config = self._project.config
        rules = config.gate[gate].raw if gate in config.gate else {}
        try:
            _, drafts = let_pass(
                self._registry, version, gate, rules, self._actor, reason=self._why, where=config.where
            )
        except GateRefused:
            self._tally.clash(f"{gate} of {version.ref}", f"not moved: its gate refused a version that is {STANDING}")
            return None
        return drafts


def _moment(milliseconds: int) -> str | None:
    from datetime import UTC, datetime

    return rfc3339(datetime.fromtimestamp(milliseconds / 1000, UTC)) if milliseconds else None

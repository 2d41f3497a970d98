"""Registered models of the protocol on the registry: each version an entry of the ledger, each alias through its gate."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flyball.ledger import Actor, Draft
from flyball.mlflow.errors import invalid
from flyball.mlflow.evidence import external_evidence
from flyball.mlflow.locations import check_source, is_within, path_of, scheme_of
from flyball.registry import ModelUnknown, ModelVersion
from flyball.store import Transaction
from flyball.tracking import Page, TrackingInvalid, TrackingUnknown
from flyball.tracking.names import check_key, check_length
from flyball.tracking.registered import RegisteredModel, RegisteredVersion, plain_name

if TYPE_CHECKING:
    from flyball.project import Project

__all__ = ["STAGES", "Catalog", "stage_named"]

STAGES = ("None", "Staging", "Production", "Archived")
_ACTIVE_STAGES = ("Staging", "Production")
_REASON = "through the MLflow protocol"
_PROMPT = "mlflow.prompt.is_prompt"
_TAG_LENGTH = 100_000
_ALIAS = re.compile(r"[\w\-]*")
_VERSION_ALIAS = re.compile(r"[vV]\d+")


class Catalog:
    """Registered models of one project. Threads may call every method at once; each change is one transaction."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._registry = project.registry
        self._database = project.database
        self._rows = project.tracking.registered
        self._tracking = project.tracking

    # -- models

    def create(self, name: str, *, description: str, tags: Mapping[str, str]) -> RegisteredModel:
        """A registered model without versions. Raises TrackingInvalid, TrackingExists."""
        _check_name(name)
        for key, value in tags.items():
            _check_tag(key, value)
        base = self._versions_before(plain_name(name))
        with self._database.write("mlflow.create-model") as tx:
            return self._rows.create(tx, name, description=description, tags=tags, base=base)

    def get(self, name: str) -> RegisteredModel:
        """One registered model. Raises TrackingUnknown."""
        _check_name(name)
        with self._database.read() as connection:
            return self._rows.get(connection, name)

    def search(self, where: str, *, order_by: Sequence[str], limit: int, offset: int) -> Page:
        """A page of registered models. Raises QueryInvalid."""
        return self._rows.search(where, order_by=order_by, limit=limit, offset=offset)

    def newest(self, models: Sequence[RegisteredModel]) -> dict[str, list[RegisteredVersion]]:
        """By name, the newest version in each stage."""
        found: dict[str, list[RegisteredVersion]] = {model.name: [] for model in models}
        with self._database.read() as connection:
            for version in self._rows.newest_by_stage(connection, models):
                found[version.name].append(version)
        return found

    def rename(self, name: str, new: str, actor: Actor) -> RegisteredModel:
        """Give a registered model another name outside. Raises TrackingInvalid, TrackingUnknown, TrackingExists."""
        _check_name(name)
        _check_name(new)
        with self._database.write("mlflow.rename-model") as tx:
            before = self._rows.get(tx, name)
            self._rows.rename(tx, name, new)
            self._registry.ledger.append(tx, Draft("model.renamed", before.model, actor, f"{name} is now {new}"))
            return self._rows.get(tx, new)

    def describe(self, name: str, description: str) -> RegisteredModel:
        """Change the description. Raises TrackingUnknown."""
        _check_name(name)
        with self._database.write("mlflow.describe-model") as tx:
            self._rows.describe(tx, name, description)
            return self._rows.get(tx, name)

    def delete(self, name: str, actor: Actor) -> None:
        """Withdraw a registered model; the ledger and the registry keep what it was. Raises TrackingUnknown."""
        model = self.get(name)
        for alias in self.aliases(model):
            self._registry.remove_alias(model.model, alias, actor, _REASON)
        with self._database.write("mlflow.delete-model") as tx:
            self._rows.delete(tx, model)
            self._registry.ledger.append(tx, Draft("model.withdrawn", model.model, actor, _REASON))

    def set_tag(self, name: str, key: str, value: str) -> None:
        """Raises TrackingInvalid, TrackingUnknown."""
        _check_name(name)
        _check_tag(key, value)
        with self._database.write("mlflow.model-tag") as tx:
            self._rows.set_tags(tx, self._rows.get(tx, name).model, {key: value})

    def delete_tag(self, name: str, key: str) -> None:
        """Raises TrackingInvalid, TrackingUnknown."""
        _check_name(name)
        check_key(key, "tag")
        with self._database.write("mlflow.model-tag") as tx:
            self._rows.delete_tag(tx, self._rows.get(tx, name).model, key)

    # -- versions

    def create_version(
        self,
        name: str,
        source: str,
        *,
        run_id: str,
        model_id: str,
        run_link: str,
        description: str,
        tags: Mapping[str, str],
        actor: Actor,
    ) -> RegisteredVersion:
        """Register the files at `source` as the next version, with the evidence of its run.

        Raises ProtocolError, TrackingInvalid, TrackingUnknown.
        """
        model = self.get(name)
        for key, value in tags.items():
            _check_tag(key, value)
        storage = source
        if tags.get(_PROMPT, "").lower() != "true":
            source, storage, run_id, model_id = self._resolved(source, run_id, model_id)
        if model_id and not run_id:
            run_id = self._tracking.models.get(model_id).run
        files = self._files_at(storage)
        evidence = external_evidence(self._tracking, model.model, source=source, run_id=run_id, model_id=model_id)
        values = {"description": description, "source": source, "storage": storage, "run": run_id, "run_link": run_link}

        def note(tx: Transaction, made: ModelVersion) -> None:
            self._rows.add_version(tx, model, made.number, **values)
            self._rows.set_version_tags(tx, model.model, made.number, tags)

        made = self._registry.register_external(
            model.model,
            files=files,
            evidence=evidence,
            run_id=run_id or None,
            actor=actor,
            reason=_REASON,
            also=note,
        )
        return self.version(name, made.number - model.base)

    def version(self, name: str, version: int) -> RegisteredVersion:
        """One version. Raises TrackingInvalid, TrackingUnknown."""
        _check_name(name)
        with self._database.read() as connection:
            return self._rows.version(connection, name, version)

    def search_versions(self, where: str, *, order_by: Sequence[str], limit: int, offset: int) -> Page:
        """A page of versions. Raises QueryInvalid."""
        return self._rows.search_versions(where, order_by=order_by, limit=limit, offset=offset)

    def describe_version(self, name: str, version: int, description: str) -> RegisteredVersion:
        """Change the description. Raises TrackingUnknown."""
        found = self.version(name, version)
        with self._database.write("mlflow.describe-version") as tx:
            self._rows.change_version(tx, found, description=description)
        return self.version(name, version)

    def delete_version(self, name: str, version: int, actor: Actor) -> None:
        """Withdraw a version with its aliases; the ledger and the registry keep what it was. Raises TrackingUnknown."""
        found = self.version(name, version)
        for now in self._registry.aliases(found.model):
            if now.number == found.number:
                self._registry.remove_alias(found.model, now.alias, actor, _REASON)
        entry = self._registry.version(found.model, found.number)
        with self._database.write("mlflow.delete-version") as tx:
            self._rows.delete_version(tx, found)
            draft = Draft("version.withdrawn", entry.ref, actor, _REASON, {"version": entry.entry})
            self._registry.ledger.append(tx, draft)

    def set_version_tag(self, name: str, version: int, key: str, value: str) -> None:
        """Raises TrackingInvalid, TrackingUnknown."""
        _check_tag(key, value)
        found = self.version(name, version)
        with self._database.write("mlflow.version-tag") as tx:
            self._rows.set_version_tags(tx, found.model, found.number, {key: value})

    def delete_version_tag(self, name: str, version: int, key: str) -> None:
        """Raises TrackingInvalid, TrackingUnknown."""
        check_key(key, "tag")
        found = self.version(name, version)
        with self._database.write("mlflow.version-tag") as tx:
            self._rows.delete_version_tag(tx, found.model, found.number, key)

    def transition(self, name: str, version: int, stage: str, *, archive: bool, actor: Actor) -> RegisteredVersion:
        """Move a version to a stage, if the gate of the stage's name (in small letters) lets it.

        The ledger tells either way. archive: the versions that were in that stage go to Archived. Raises GateRefused,
        ProtocolError, TrackingUnknown.
        """
        from flyball.governance import let_pass

        found, wanted = self.version(name, version), stage_named(stage)
        entry = self._registry.version(found.model, found.number)
        gate = wanted.lower()
        rules = self._project.config.gate[gate].raw if gate in self._project.config.gate else {}
        _, drafts = let_pass(
            self._registry, entry, gate, rules, actor, reason=_REASON, where=self._project.config.where
        )
        with self._database.write("mlflow.transition") as tx:
            others = self._rows.versions(tx, [self._rows.get(tx, name)]) if archive else []
            moved = [other for other in others if other.stage == wanted and other.number != found.number]
            for other in moved:
                self._rows.change_version(tx, other, stage="Archived")
                drafts.append(self._moved(other, "Archived", actor))
            self._rows.change_version(tx, found, stage=wanted)
            self._rows.touch(tx, name)
            self._registry.ledger.append(tx, *drafts, self._moved(found, wanted, actor))
        return self.version(name, version)

    # -- aliases

    def aliases(self, model: RegisteredModel) -> dict[str, int]:
        """Where the aliases of a registered model point, as its clients count."""
        held = self._registry.aliases(model.model)
        return {now.alias: now.number - model.base for now in held if now.number > model.base}

    def set_alias(self, name: str, alias: str, version: int, actor: Actor) -> None:
        """Point an alias at a version, if the gate of its name lets it. Raises GateRefused, TrackingUnknown."""
        _check_alias(alias)
        if alias.lower() == "latest" or _VERSION_ALIAS.fullmatch(alias):
            raise invalid(f"'{alias}' alias name is reserved.")
        found = self.version(name, version)
        self._project.promote(f"{found.model}@{found.number}", alias, reason=_REASON, actor=actor)

    def delete_alias(self, name: str, alias: str, actor: Actor) -> None:
        """Take an alias off, if it is there. Raises TrackingUnknown."""
        _check_alias(alias)
        model = self.get(name)
        if alias in self.aliases(model):
            self._registry.remove_alias(model.model, alias, actor, _REASON)

    def by_alias(self, name: str, alias: str) -> RegisteredVersion:
        """The version that an alias names; `latest` is the newest. Raises ProtocolError, TrackingUnknown."""
        _check_alias(alias)
        model = self.get(name)
        if alias.lower() == "latest":
            newest = max(self.newest([model])[name], key=lambda version: version.version, default=None)
            if newest is None:
                raise TrackingUnknown(f"the registered model {name!r} has no version")
            return newest
        held = self.aliases(model).get(alias)
        if held is None:
            raise invalid(f"Registered model alias {alias} not found.")
        return self.version(name, held)

    def aliases_of(self, version: RegisteredVersion) -> list[str]:
        """The aliases that name a version."""
        return [now.alias for now in self._registry.aliases(version.model) if now.number == version.number]

    # -- inside

    def _versions_before(self, model: str) -> int:
        """How many versions of an earlier registration, since withdrawn, bear this name in the registry."""
        try:
            known = self._registry.versions(model)
        except ModelUnknown:
            return 0
        return known[-1].number if any(version.external for version in known) else 0

    def _resolved(self, source: str, run_id: str, model_id: str) -> tuple[str, str, str, str]:
        """Source, where its files lie, run and logged model; each given one must be that of the source."""
        scheme = scheme_of(source)
        if scheme == "models" and not source.startswith("models:/m-"):
            name, _, place = source.removeprefix("models:/").strip("/").rpartition("/" if "@" not in source else "@")
            origin = self.by_alias(name, place) if "@" in source else self.version(name, version_number(place))
            if run_id and run_id != origin.run:
                raise invalid(f"Invalid model version source: '{source}'. Its run is {origin.run}.")
            return f"models:/{name}/{origin.version}", origin.storage, run_id or origin.run, model_id
        check_source(source)
        if scheme == "models":
            given = source.removeprefix("models:/").strip("/").partition("/")[0]
            if model_id != given:
                raise _foreign(source, "model_id")
            logged = self._logged(model_id, source)
            return source, logged[0], run_id or logged[1], model_id
        if scheme == "runs":
            owner = source.removeprefix("runs:/").strip("/").partition("/")[0]
            if model_id or not run_id or owner != run_id:
                raise _foreign(source, "model_id" if model_id else "run_id")
            self._run_location(run_id, source)  # raises when there is no such run
            return source, source, run_id, model_id
        if path_of(source) is not None:
            if not (model_id or run_id):
                raise _foreign(source, "run_id")
            root = self._logged(model_id, source)[0] if model_id else self._run_location(run_id, source)
            if not is_within(source, root):
                raise _foreign(source, "model_id" if model_id else "run_id")
        return source, source, run_id, model_id

    def _files_at(self, storage: str) -> dict[str, str]:
        """Digests of the files that a version is made of, by path; none when they lie elsewhere."""
        root = path_of(storage)
        if scheme_of(storage) == "runs":
            run_id, _, path = storage.removeprefix("runs:/").strip("/").partition("/")
            home = path_of(self._run_location(run_id, storage))
            root = None if home is None else f"{home}/{path}".rstrip("/")
        found = {} if root is None else self._tracking.files.walk(root)
        return {path: entry.digest for path, entry in found.items() if entry.digest is not None}

    def _logged(self, model_id: str, source: str) -> tuple[str, str]:
        try:
            model = self._tracking.models.get(model_id)
        except TrackingUnknown:
            raise _foreign(source, "model_id") from None
        return model.location, model.run

    def _run_location(self, run_id: str, source: str) -> str:
        try:
            return self._tracking.runs.get(run_id).location
        except TrackingUnknown:
            raise _foreign(source, "run_id") from None

    def _moved(self, version: RegisteredVersion, stage: str, actor: Actor) -> Draft:
        entry = self._registry.version(version.model, version.number)
        why = f"{version.stage} to {stage}, {_REASON}"
        return Draft("stage.moved", entry.ref, actor, why, {"version": entry.entry})


def version_number(text: str) -> int:
    """The version that a text names. Raises ProtocolError."""
    try:
        return int(text)
    except ValueError:
        raise invalid(f"Model version must be an integer, got {text!r}") from None


def stage_named(text: str) -> str:
    """A stage as it is written, however it was given. Raises ProtocolError."""
    for stage in STAGES:
        if stage.lower() == text.lower():
            return stage
    raise invalid(f"Invalid Model Version stage: {text}. Value must be one of {', '.join(STAGES)}.")


def check_archiving(stage: str) -> None:
    """That versions in a stage may be archived when another one moves there. Raises ProtocolError."""
    if stage not in _ACTIVE_STAGES:
        raise invalid(f"no version is archived by a move to {stage}: it is none of {', '.join(_ACTIVE_STAGES)}")


def _check_name(name: str) -> None:
    if not name.strip():
        raise TrackingInvalid("a registered model needs a name")
    if "/" in name or ":" in name or name in (".", ".."):
        raise TrackingInvalid(f"{name!r} cannot be the name of a registered model", why="it holds '/' or ':'")
    check_length(name, 256, "name of the registered model")


def _check_tag(key: str, value: str) -> None:
    check_key(key, "tag")
    check_length(value, _TAG_LENGTH, "value of the tag")


def _check_alias(alias: str) -> None:
    if not alias or not _ALIAS.fullmatch(alias):
        raise invalid(f"Invalid alias name: '{alias}'. Names have letters, digits, '_' and '-' only.")
    check_length(alias, 255, "alias")


def _foreign(source: str, of: str) -> Exception:
    return invalid(f"Invalid model version source: '{source}'. The {of} must identify what contains the source.")

"""The project as documents: for the HTTP interface, the report and `flyball status`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flyball.core.version import __version__
from flyball.ledger import Actor, Entry
from flyball.registry import ModelVersion
from flyball.reports import Report
from flyball_runtime.bundle import read_files
from flyball_runtime.errors import FlyballError

if TYPE_CHECKING:
    from flyball.project.project import Project

__all__ = ["ProjectDocuments", "entry_document", "status_document", "version_report"]

_HISTORY = 200


class ProjectDocuments:
    """Implements `flyball.api.ProjectView` on a project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        # A page asks every few seconds; verifying every byte each time is the audit's work, not its.
        self._bundles: dict[tuple[str, ...], dict[str, Any]] = {}

    def project(self) -> dict[str, Any]:
        """Name, product version, and the names of the models."""
        names = [model.name for model in self._project.registry.models()]
        return {"name": self._project.name, "version": __version__, "models": names}

    def status(self) -> dict[str, Any]:
        """The project in short."""
        return status_document(self._project)

    def models(self) -> list[dict[str, Any]]:
        """Every model with its versions."""
        return [self.model(model.name) for model in self._project.registry.models()]

    def model(self, name: str) -> dict[str, Any]:
        """One model: versions (newest first), aliases, history. Raises a coded error with near misses.

        Where some versions have a bundle it is those; where other tools made all of them, all.
        """
        registry = self._project.registry
        registry.resolve(name)  # raises with near misses
        versions = self._versions(name)
        newest = versions[0] if versions else registry.resolve(name)
        evidence = registry.evidence(newest)
        return {
            "name": name,
            "task": newest.task,
            "target": evidence["target"],
            "metric": evidence["metric"],
            "versions": [self._version(version) for version in versions],
            "aliases": [
                {"alias": alias.alias, "number": alias.number, "since": alias.since} for alias in registry.aliases(name)
            ],
            "history": self.ledger(subject=name, limit=_HISTORY),
        }

    def version(self, name: str, number: int) -> dict[str, Any]:
        """One version of a model."""
        return self._version(self._project.registry.resolve(f"{name}@{number}"))

    def report(self, name: str, number: int) -> str:
        """The version's report as an HTML page."""
        return self._project.report(self._project.registry.resolve(f"{name}@{number}")).html

    def slices(self, name: str, number: int, by: str | None = None) -> dict[str, Any]:
        """Where a version is weak, and by column its quality at every level."""
        return self._project.slices(f"{name}@{number}", by=by)

    def compare(self, name: str, number: int, other: str) -> dict[str, Any]:
        """A version against another on its own test rows; `other` is a reference, or a number or alias of the model."""
        return self._project.compare(f"{name}@{number}", other if "@" in other else f"{name}@{other}")

    def diff(self, name: str, number: int, other: str) -> dict[str, Any]:
        """What changed from another version to this one; `other` as in `compare`."""
        return self._project.diff(other if "@" in other else f"{name}@{other}", f"{name}@{number}")

    def diff_runs(self, ids: Sequence[str]) -> dict[str, Any]:
        """What differs between tracked runs."""
        return self._project.diff_runs(ids)

    def ledger(self, subject: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The newest entries first."""
        return [
            entry_document(entry) for entry in self._project.ledger.entries(subject=subject, limit=limit, newest=True)
        ]

    def served(self, name: str, alias: str, at: str | None) -> dict[str, Any]:
        """Which version an alias named at a moment, and what stands behind it."""
        from flyball.project.history import served_at

        return served_at(self._project, f"{name}@{alias}", at)

    def runs(self, where: str, order: Sequence[str], limit: int, offset: int) -> dict[str, Any]:
        """A page of the tracked runs that a query finds, over all experiments."""
        page = self._project.tracking.runs.search(where, order_by=order, limit=limit, offset=offset)
        return {"runs": [run.to_dict() for run in page.items], "next": page.next}

    def run_columns(
        self, where: str, order: Sequence[str], limit: int, offset: int, upto: int | None
    ) -> dict[str, Any]:
        """A page of the tracked runs that a query finds, by column."""
        return self._project.tracking.bulk.runs(where, order, limit=limit, offset=offset, upto=upto)

    def run_points(self, where: str, keys: Sequence[str], limit: int, after: str | None) -> dict[str, Any]:
        """A page of the history of metrics of the runs that a query finds, by column."""
        return self._project.tracking.bulk.points(where, keys, limit=limit, after=after)

    def audit(self) -> dict[str, Any]:
        """Verify every hash now."""
        from flyball.project.audit import verify_project

        return verify_project(self._project, [])

    def watch(self, name: str, since: str, limit: int) -> dict[str, Any]:
        """The windows that were judged, with every column's statistics; judges none."""
        from flyball.project.watch import standing

        return standing(self._project, name, since=since, limit=limit).to_full_dict()

    def alerts(self, model: str | None = None, resolved: bool = False) -> list[dict[str, Any]]:
        """The alerts, newest first."""
        return [alert.to_dict() for alert in self._project.alerts(model, resolved=resolved)]

    def settle_alert(self, number: int, action: str, reason: str, actor: Mapping[str, str]) -> dict[str, Any]:
        """Acknowledge or resolve an alert."""
        settle = {"acknowledge": self._project.acknowledge_alert, "resolve": self._project.resolve_alert}[action]
        return settle(number, reason=reason, actor=Actor.from_dict(actor)).to_dict()

    def webhooks(self) -> list[dict[str, Any]]:
        """The webhooks of the project file, without their secrets."""
        return self._project.webhooks.standing()

    def deliveries(self, hook: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        """Messages to webhooks, the newest entry's first."""
        found = self._project.webhooks.deliveries(hook, state=state, limit=limit)
        return [delivery.to_dict() for delivery in found]

    def doctor(self) -> dict[str, Any]:
        """Examine installation and project."""
        return self._project.doctor().to_dict()

    def promote(self, name: str, number: int, alias: str, reason: str, actor: Mapping[str, str]) -> dict[str, Any]:
        """Judge the alias's gate and move the alias."""
        moved = self._project.promote(f"{name}@{number}", alias, reason=reason, actor=Actor.from_dict(actor))
        gate = moved.gate or {"gate": alias, "passed": True, "results": []}
        since = next(item.since for item in self._project.registry.aliases(name) if item.alias == alias)
        return {**gate, "alias": alias, "number": number, "since": since}

    def _versions(self, name: str) -> list[ModelVersion]:
        """The versions of a model that have a bundle, or all when none has; newest first."""
        every = sorted(self._project.registry.versions(name), key=lambda version: -version.number)
        return [version for version in every if not version.external] or every

    def _version(self, version: ModelVersion) -> dict[str, Any]:
        evidence = self._project.registry.evidence(version)
        return {
            "number": version.number,
            "created": version.created,
            "actor": _who(version.actor),
            "reason": version.reason,
            "evidence": evidence,
            "gates": self._project.verdicts(version),
            "bundle": None if version.external else self._bundle(version),
        }

    def _bundle(self, version: ModelVersion) -> dict[str, Any]:
        revoked = [key.id for key in self._project.keys.list() if key.status == "revoked"]
        known = (version.entry, *revoked)
        if known not in self._bundles:
            self._bundles[known] = bundle_document(self._project, version)
        return self._bundles[known]


def bundle_document(project: Project, version: ModelVersion) -> dict[str, Any]:
    """Where a version's bundle lies, its size, and whose signature it carries (None: it does not verify)."""
    from flyball_runtime.signature import verify_files

    size, signer = 0, None
    try:
        files = read_files(version.bundle_path)
        size = sum(len(data) for data in files.values())
        signer = verify_files(files, files["signature"], project.keys.trust())
    except (FlyballError, KeyError):
        signer = None
    return {
        "path": str(version.bundle_path), "content_hash": version.content_hash, "size_bytes": size, "signed_by": signer,
    }  # fmt: skip


def version_report(project: Project, version: ModelVersion) -> Report:
    """The report of a version, with the verdicts of today's gates and its lineage."""
    evidence = project.registry.evidence(version)
    trail = {
        "run": version.run_id, "evidence": version.evidence_digest, "ledger entry": version.entry,
        "registered by": _who(version.actor), "reason": version.reason,
    }  # fmt: skip
    trail = {name: value for name, value in trail.items() if value}
    return Report(
        evidence,
        version=version.number,
        verdicts=project.verdicts(version),
        bundle=bundle_document(project, version),
        trail=trail,
    )


def status_document(project: Project) -> dict[str, Any]:
    """What `flyball status --json` prints."""
    registry = project.registry
    models = []
    for model in registry.models():
        versions = registry.versions(model.name)
        newest = max(versions, key=lambda version: version.number, default=None)
        evidence = registry.evidence(newest) if newest else None
        models.append(
            {
                "name": model.name,
                "task": newest.task if newest else None,
                "versions": len(versions),
                "newest": newest.ref if newest else None,
                "created": newest.created if newest else None,
                "metric": evidence["metric"] if evidence else None,
                "quality": evidence["metrics"]["test"].get(evidence["metric"]) if evidence else None,
                "aliases": [
                    {"alias": alias.alias, "number": alias.number, "since": alias.since}
                    for alias in registry.aliases(model.name)
                ],
            }
        )
    checkpoint = project.ledger.anchor()
    with project.log() as log:
        counted = log.totals()
    return {
        "project": project.name,
        "path": str(project.path),
        "models": models,
        "ledger": {"entries": checkpoint["size"], "head": checkpoint["root"], "time": checkpoint["time"]},
        "alerts": [alert.to_dict() for alert in project.alerts()],
        "runs": project.tracking.runs.count(),
        "predictions": counted["predictions"],
        "outcomes": counted["outcomes"],
    }


def entry_document(entry: Entry) -> dict[str, Any]:
    """A ledger entry for people: its content and its hash."""
    return entry.to_dict()


def _who(actor: Actor) -> str:
    return f"{actor.kind}:{actor.id}"

"""What the control plane shows and does, as a port: the project implements it, tests may give their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

__all__ = ["ProjectView"]


class ProjectView(Protocol):
    """A project as the HTTP interface sees it: plain JSON values, and one action.

    `flyball.api.documents` gives the shape of each value.

    Any thread may call, several at once; calls are blocking and answer from the store as it is now. An unknown model
    or version raises a coded BadInput with near misses (answered as 404); a gate that says no raises a coded Refused
    (409); damage raises an InternalError (500). Floats may be NaN: they are sent as null.
    """

    def project(self) -> Mapping[str, Any]:
        """The project itself: a ProjectDocument."""

    def status(self) -> Mapping[str, Any]:
        """The project in short: a StatusDocument."""

    def models(self) -> list[dict[str, Any]]:
        """Every model, as ModelDocuments; versions newest first."""

    def model(self, name: str) -> Mapping[str, Any]:
        """One model: a ModelDocument."""

    def version(self, name: str, number: int) -> Mapping[str, Any]:
        """One version of a model: a VersionDocument."""

    def report(self, name: str, number: int) -> str:
        """The version's report: a self-contained HTML page."""

    def slices(self, name: str, number: int, by: str | None = None) -> Mapping[str, Any]:
        """Where a version is weak, and by column its quality at every level: a SlicesDocument."""

    def compare(self, name: str, number: int, other: str) -> Mapping[str, Any]:
        """A version against another (NAME@NUMBER or NAME@ALIAS) on its own test rows: a ComparisonDocument."""

    def ledger(self, subject: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The newest entries first (Entry), at most `limit`, of one subject or of all."""

    def served(self, name: str, alias: str, at: str | None) -> Mapping[str, Any]:
        """Which version an alias named at a moment (RFC 3339; None: now), and what stands behind it: a ServedDocument."""

    def runs(self, where: str, order: Sequence[str], limit: int, offset: int) -> Mapping[str, Any]:
        """A page of the tracked runs that a query finds, over all experiments: a RunsDocument. Raises QueryInvalid (400)."""

    def diff(self, name: str, number: int, other: str) -> Mapping[str, Any]:
        """What changed from another version (a number, an alias or NAME@NUMBER) to this one: a DiffDocument."""

    def diff_runs(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """What differs between tracked runs: a RunsDiffDocument. Raises TooFewRuns (400), TrackingUnknown (404)."""

    def run_columns(
        self, where: str, order: Sequence[str], limit: int, offset: int, upto: int | None
    ) -> Mapping[str, Any]:
        """As `runs`, by column: a RunColumnsDocument. Raises QueryInvalid (400)."""

    def run_points(self, where: str, keys: Sequence[str], limit: int, after: str | None) -> Mapping[str, Any]:
        """A page of the history of metrics, by column: a RunPointsDocument. Raises QueryInvalid (400)."""

    def audit(self) -> Mapping[str, Any]:
        """Verify every hash now: an Audit."""

    def watch(self, name: str, since: str, limit: int) -> Mapping[str, Any]:
        """The windows of a model that were judged since then, newest first, with every column: a WatchDocument."""

    def alerts(self, model: str | None = None, resolved: bool = False) -> list[dict[str, Any]]:
        """The alerts that are open or acknowledged (with `resolved`, all), newest first, as AlertDocuments."""

    def settle_alert(self, number: int, action: str, reason: str, actor: Mapping[str, str]) -> Mapping[str, Any]:
        """ "acknowledge" or "resolve" an alert: the AlertDocument then. Raises AlertUnknown (404), AlertSettled (409)."""

    def webhooks(self) -> list[dict[str, Any]]:
        """The webhooks of the project file, as WebhookDocuments."""

    def deliveries(self, hook: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        """Messages to webhooks, the newest entry's first, as DeliveryDocuments. Raises WebhookUnknown (404)."""

    def doctor(self) -> Mapping[str, Any]:
        """Examine installation and project without changing anything: a DiagnosisDocument. Damage is told, not raised."""

    def promote(self, name: str, number: int, alias: str, reason: str, actor: Mapping[str, str]) -> Mapping[str, Any]:
        """Judge the alias's gate and move the alias; a GateDocument with `alias`, `number` and `since`.

        `actor` is `{"kind", "id", "auth"}`.
        """

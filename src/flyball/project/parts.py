"""The parts of an open project, wired once; and its ledger and its keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flyball.config import STATE_FOLDER, ProjectConfig
from flyball.core.clock import Clock
from flyball.core.executor import Executor, LocalExecutor
from flyball.ledger import Actor, KeyFiles, KeyRing, Ledger
from flyball.monitoring import ALERTS
from flyball.registry import REGISTRY, ModelVersion, Registry
from flyball.store import Database, StepCache, open_artifacts
from flyball.tracking import Tracking
from flyball_runtime.errors import InternalError

if TYPE_CHECKING:
    from flyball.pipeline import Loop
    from flyball.webhooks import Outbox

__all__ = ["LedgerRolledBack", "Parts"]


class LedgerRolledBack(InternalError):
    """The ledger lacks entries that it once had, so nothing is added: the history would fork."""

    code = "FB-PROJECT-010"


class Parts:
    """What every act of a project stands on: its store, artifacts, ledger, keys, registry and tracking."""

    def __init__(
        self, config: ProjectConfig, clock: Clock, *, executor: Executor | None = None, reads_only: bool = False
    ) -> None:
        self.config = config
        self.clock = clock
        self.path = config.folder
        self.name = config.project.name
        self.actor = Actor.local()
        state = self.path / STATE_FOLDER
        self.database = Database.open(config.store_url, clock, folder=state, create=not reads_only)
        self.artifacts = open_artifacts(config.artifacts_place, links=config.project.artifact_links)
        self.bundles = state / "bundles"
        self.ledger = Ledger(
            self.database, clock, KeyFiles(state / "keys"), projections=[REGISTRY, ALERTS], head=state / "head.json"
        )
        if not reads_only:
            self.ledger.begin(self.name, self.actor)
        self.keys = KeyRing(self.ledger)
        self.registry = Registry(self.database, self.ledger, self.artifacts, clock, self.bundles)
        self._executor = executor or LocalExecutor()
        self._compared: dict[tuple[str, str], Mapping[str, Any] | None] = {}
        if config.webhooks and not reads_only:
            self.webhooks.begin()

    @cached_property
    def tracking(self) -> Tracking:
        """Experiments, runs, logged and registered models, as tracking clients write them."""
        return Tracking(self.database, self.artifacts, self.ledger)

    @cached_property
    def webhooks(self) -> Outbox:
        """Who is told of what happens here, and how far that went; `deliver` makes the tries that are due."""
        from flyball.webhooks import Outbox

        return Outbox(self.config.webhooks, self.ledger, self.clock, project=self.name)

    @cached_property
    def loop(self) -> Loop:
        """The steps with this project's parts."""
        from flyball.pipeline import Loop

        return Loop(
            self.registry,
            self.ledger,
            self.keys,
            self.artifacts,
            StepCache(self.database),
            self._executor,
            self.clock,
            self.path,
        )

    # -- ledger and keys

    def ledger_entries(
        self, *, subject: str | None = None, what: str | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """The newest entries first."""
        return [entry.to_dict() for entry in self.ledger.entries(subject=subject, what=what, limit=limit, newest=True)]

    def anchor(self) -> dict[str, Any]:
        """The newest signed checkpoint, to keep elsewhere."""
        return self.ledger.anchor()

    def rebuild(self, accepted_keys: Collection[str] = ()) -> dict[str, Any]:
        """Write the governed tables anew from the ledger alone; `accepted_keys` as in `audit verify`."""
        rows = self.ledger.rebuild(accepted_keys=accepted_keys)
        return {"entries": self.ledger.anchor()["size"], "tables": len(rows), "rows": rows}

    def key_list(self) -> list[dict[str, Any]]:
        """The signing keys, oldest first."""
        return [{"id": key.id, "status": key.status, "since": key.created} for key in self.keys.list()]

    def rotate_key(self, *, reason: str) -> dict[str, Any]:
        """Sign with a new key from now on."""
        return {"id": self.keys.rotate(self.actor, reason).id, "entry": self.ledger.anchor()["size"]}

    def revoke_key(self, key: str, *, reason: str) -> dict[str, Any]:
        """Declare a key's signatures void."""
        identity = self.keys.get(key).id
        current = self.keys.revoke(identity, self.actor, reason)
        return {"id": identity, "current": current.id, "entry": self.ledger.anchor()["size"]}

    def trust_document(self) -> dict[str, Any]:
        """The public keys, revoked ones marked: what `open_bundle(path, trust=...)` takes."""
        return self.keys.trust()

    def close(self) -> None:
        """Let go of the store."""
        self.database.close()

    def __repr__(self) -> str:
        return f"<Project {self.name} in {self.path}>"

    def check_signature(self, version: ModelVersion) -> None:
        """Raises what `verify_files` raises when no key in force signed the bundle: a revoked one, say."""
        from flyball_runtime.bundle import read_files
        from flyball_runtime.manifest import SIGNATURE_NAME
        from flyball_runtime.signature import verify_files

        self.registry.restore_bundle(version)
        if not version.external:  # of what other tools made the ledger binds the files; nothing is signed
            files = read_files(version.bundle_path)
            verify_files(files, files.get(SIGNATURE_NAME, b""), self.keys.trust())

    def check_writable(self) -> None:
        """Raises LedgerRolledBack, or KeyMissing, before anything is added to a ledger that cannot or must not grow."""
        with self.database.read() as reader:
            rolled_back = self.ledger.rolled_back(reader)
        if rolled_back:
            raise LedgerRolledBack(
                "the store is older than its own last checkpoint",
                where=self.database.location,
                why="head.json of this project holds a signed checkpoint that this ledger does not: it was rolled back",
                fix="put the newest store back; for a deliberate return to a backup, move head.json away first",
            )
        self.keys.sign(b"the signing key is at hand")

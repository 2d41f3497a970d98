"""The parts of tracking over one store."""

from __future__ import annotations

from flyball.ledger import Ledger
from flyball.store import ArtifactStore, Database
from flyball.tracking.binding import bind_ended
from flyball.tracking.bulk import Bulk
from flyball.tracking.experiments import Experiments
from flyball.tracking.files import Files
from flyball.tracking.models import LoggedModels
from flyball.tracking.registered import RegisteredModels
from flyball.tracking.runs import Runs

__all__ = ["ARTIFACT_ROOT", "Tracking"]

ARTIFACT_ROOT = "mlflow-artifacts:"


class Tracking:
    """What was tried and measured: `experiments`, `runs`, `models` (logged ones), `files`, `registered` models; `bulk` reads
    runs by column.

    Not governed: these are ordinary rows. `bind` writes the digest of every run that ended into the ledger.

    root: the URI under which new experiments keep their files.
    """

    def __init__(
        self, database: Database, artifacts: ArtifactStore, ledger: Ledger, *, root: str = ARTIFACT_ROOT
    ) -> None:
        self._database = database
        self._ledger = ledger
        self.root = root
        self.experiments = Experiments(database, root)
        self.runs = Runs(database, self.experiments)
        self.bulk = Bulk(database)
        self.models = LoggedModels(database, self.experiments)
        self.files = Files(database, artifacts)
        self.registered = RegisteredModels(database)
        self.experiments.ensure_default()

    def bind(self) -> int:
        """Bind the runs that ended since the last time in the ledger; how many. Raises LedgerDamaged, KeyMissing."""
        return bind_ended(self._database, self._ledger)

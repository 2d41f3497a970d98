"""The client of tracking: `fb.track()`, its file of what waits, sending that later, and reading runs by column."""

from flyball.client.columns import Columns
from flyball.client.downloading import ServedFiles
from flyball.client.errors import Damaged, NoServer, Refusal
from flyball.client.reading import RunReader, RunSource
from flyball.client.sending import Sender, Unreachable, send_all
from flyball.client.spool import Spool, waiting_spools
from flyball.client.tracker import SPOOL_FOLDER, Tracker, track

__all__ = [
    "SPOOL_FOLDER",
    "Columns",
    "Damaged",
    "NoServer",
    "Refusal",
    "RunReader",
    "RunSource",
    "Sender",
    "ServedFiles",
    "Spool",
    "Tracker",
    "Unreachable",
    "send_all",
    "track",
    "waiting_spools",
]

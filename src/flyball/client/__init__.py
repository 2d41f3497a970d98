"""The client of tracking: `fb.track()`, its file of what waits, and sending that later."""

from flyball.client.sending import Refusal, Sender, Unreachable, send_all
from flyball.client.spool import Spool, waiting_spools
from flyball.client.tracker import SPOOL_FOLDER, Tracker, track

__all__ = [
    "SPOOL_FOLDER",
    "Refusal",
    "Sender",
    "Spool",
    "Tracker",
    "Unreachable",
    "send_all",
    "track",
    "waiting_spools",
]

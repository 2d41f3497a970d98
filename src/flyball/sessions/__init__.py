"""Sessions: what a server carries from row to row for models that look back, durable and exact."""

from __future__ import annotations

from flyball.sessions.errors import NoPastWanted, PastLost, PastPersonal, SessionsHeld, TooManyPasts
from flyball.sessions.seeding import Seeded, seed
from flyball.sessions.stream import MOST_ENTITIES, Stream, Taken

__all__ = [
    "MOST_ENTITIES",
    "NoPastWanted",
    "PastLost",
    "PastPersonal",
    "Seeded",
    "SessionsHeld",
    "Stream",
    "Taken",
    "TooManyPasts",
    "seed",
]

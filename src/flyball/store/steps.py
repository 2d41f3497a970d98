"""Finished steps of a pipeline, found again by a key made from everything that went into them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, func, insert, select

from flyball.core.canonical import canonical_json
from flyball.core.clock import rfc3339
from flyball.store.database import Database
from flyball.store.tables import steps

__all__ = ["StepCache"]


class StepCache:
    """Remembers what a step gave. Large outputs lie in the artifact store; here stand their digests.

    Threads and processes may call every method at once; the last `put` of a key wins. Losing a row only costs time.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> dict[str, Any] | None:
        """The outputs stored under `key`, or None; a damaged row counts as absent."""
        with self._database.read() as connection:
            raw = connection.execute(select(steps.c.outputs).where(steps.c.key == key)).scalar_one_or_none()
        try:
            outputs = json.loads(raw) if raw is not None else None
        except (TypeError, ValueError):
            return None
        return outputs if isinstance(outputs, dict) else None

    def put(self, key: str, name: str, outputs: dict[str, Any]) -> None:
        """Remember `outputs` (JSON) of the step called `name`. Durable when it returns."""
        row = {
            "key": key,
            "name": name,
            "outputs": canonical_json(outputs).decode(),
            "created": rfc3339(self._database.clock.now()),
        }
        with self._database.write("store.step") as tx:
            tx.execute(delete(steps).where(steps.c.key == key))
            tx.execute(insert(steps), row)

    def older(self, than: str) -> tuple[int, int]:
        """How many steps were remembered before a moment (RFC 3339), and the bytes of their outputs."""
        size = func.coalesce(func.sum(func.length(steps.c.outputs)), 0)
        with self._database.read() as connection:
            count, total = connection.execute(select(func.count(), size).where(steps.c.created < than)).one()
        return count, int(total)

    def forget_older(self, than: str, *, unless: Callable[[], bool]) -> bool:
        """Drop the steps remembered before a moment; whether it was done.

        `unless` is asked with the store's write lock held, so that its answer holds while they go.
        """
        with self._database.write("store.forget-steps") as tx:
            if unless():
                return False
            tx.execute(delete(steps).where(steps.c.created < than))
            return True

    def forget(self, key: str) -> None:
        """Drop one step, for example because an artifact that it names is gone."""
        with self._database.write("store.step") as tx:
            tx.execute(delete(steps).where(steps.c.key == key))

"""Leases: rows that run out unless the process that took them renews them, by the database server's own clock."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, ColumnElement, Engine, cast, delete, func, insert, select, update

from flyball.store.backend import DRIVER_ERRORS
from flyball.store.tables import leases

if TYPE_CHECKING:
    from flyball.store.database import Transaction

__all__ = ["LEASE_S", "LeasePresence"]

LEASE_S = 30.0
_BEATS = 6  # renewals per lease: five may fail before it runs out


class LeasePresence:
    """Presence over a database server: a row per name, renewed by a thread of the process that holds it.

    A process that is killed is taken for alive until its lease ran out, `lease_s` seconds at most. Clocks of the machines do
    not matter. A server that is away for longer than that is no death: while it is away nobody can judge, and
    the holders renew when it is back.
    """

    def __init__(self, engine: Engine, *, lease_s: float = LEASE_S) -> None:
        self._engine = engine
        self._lease_us = int(lease_s * 1_000_000)
        self._held: set[str] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def hold(self, tx: Transaction, name: str) -> None:
        """Write the lease; it is renewed from the commit on."""
        tx.execute(insert(leases).values(name=name, expires=_now() + self._lease_us))
        tx.after_commit(lambda: self._renew(name))

    def release(self, name: str) -> None:
        """Remove the lease. When the server is away it runs out by itself."""
        with self._changed:
            self._held.discard(name)
            self._changed.notify()
        with contextlib.suppress(*DRIVER_ERRORS), self._engine.begin() as connection:
            connection.execute(delete(leases).where(leases.c.name == name))

    def held(self, name: str) -> bool:
        """Whether the lease has not run out. Raises the driver's errors."""
        query = select(leases.c.name).where(leases.c.name == name, leases.c.expires > _now())
        with self._engine.begin() as connection:
            return connection.execute(query).first() is not None

    def close(self) -> None:
        """Renew nothing any more."""
        with self._changed:
            self._held.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _renew(self, name: str) -> None:
        with self._changed:
            self._held.add(name)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="flyball-leases", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._held, timeout=self._lease_us / 1_000_000 / _BEATS)
                if not self._held:
                    self._thread = None
                    return
                names = sorted(self._held)
            renewed = update(leases).where(leases.c.name.in_(names)).values(expires=_now() + self._lease_us)
            with contextlib.suppress(*DRIVER_ERRORS), self._engine.begin() as connection:
                connection.execute(renewed)


def _now() -> ColumnElement[Any]:
    """Microseconds since 1970 by the server's clock, as it is when the statement runs."""
    return cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)

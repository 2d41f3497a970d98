"""Tables that follow from the ledger: one function per kind of entry writes them, now and in every replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from flyball.ledger.entries import Entry
from flyball.store import Transaction

__all__ = ["Handler", "Projection"]

Handler = Callable[[Transaction, Entry, Any], None]


@dataclass(frozen=True, slots=True)
class Projection:
    """Governed `tables` (a table after those it refers to) and the `handlers` that write them.

    A handler is called with the open transaction, the entry and its payload, in the order of the ledger. It may read
    only its own tables, takes no clock, no randomness and no files, and writes only columns of integers, text and
    bytes: so a replay gives the same rows. The payload is None when there is none or when it was erased; the handler
    then leaves out what it would have said.
    """

    tables: Sequence[Table]
    handlers: Mapping[str, Handler]

"""How entries become the registry's governed rows.

Binds: `content`, `artifact:evidence`, `dataset` and one `file:NAME` per bundle file for "version.registered" (subject
MODEL@NUMBER); `dataset` and `artifact:data` for "dataset.recorded" (subject NAME); `version`, the hash of the entry that
registered it, for "alias.moved" (subject MODEL@ALIAS). So a row's identity stands in the chain itself, and only its
details go when a payload is erased.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select

from flyball.core.canonical import canonical_json
from flyball.ledger import Entry, Projection
from flyball.registry.tables import alias_history, aliases, dataset_versions, model_versions, models
from flyball.store import Transaction

__all__ = ["REGISTRY"]


def _dataset(tx: Transaction, entry: Entry, payload: Any) -> None:
    row = {
        "name": entry.subject,
        "version": entry.binds["dataset"],
        "artifact": entry.binds["artifact:data"],
        "meta": _json(payload),
        "created": entry.time,
        "seq": entry.seq,
    }
    tx.execute(insert(dataset_versions), row)


def _version(tx: Transaction, entry: Entry, payload: Any) -> None:
    model, _, number = entry.subject.rpartition("@")
    if tx.execute(select(models.c.name).where(models.c.name == model)).first() is None:
        tx.execute(insert(models), {"name": model, "created": entry.time, "seq": entry.seq})
    files = {name[5:]: digest for name, digest in entry.binds.items() if name.startswith("file:")}
    row = {
        "model": model,
        "number": int(number),
        "entry": entry.hash,
        "content_hash": entry.binds["content"],
        "evidence": entry.binds["artifact:evidence"],
        "dataset": entry.binds.get("dataset"),
        "files": _json(files),
        "details": _json(payload),
        "actor": _json(entry.actor.to_dict()),
        "reason": entry.why,
        "created": entry.time,
        "seq": entry.seq,
    }
    tx.execute(insert(model_versions), row)


def _alias(tx: Transaction, entry: Entry, payload: Any) -> None:
    model, _, alias = entry.subject.rpartition("@")
    number = None
    if entry.what == "alias.moved":
        query = select(model_versions.c.number).where(model_versions.c.entry == entry.binds["version"])
        number = tx.execute(query).scalar_one()
    tx.execute(delete(aliases).where(aliases.c.model == model, aliases.c.alias == alias))
    if number is not None:
        row = {"model": model, "alias": alias, "number": number, "since": entry.time, "seq": entry.seq}
        tx.execute(insert(aliases), row)
    passed = {
        "seq": entry.seq,
        "model": model,
        "alias": alias,
        "number": number,
        "time": entry.time,
        "actor": _json(entry.actor.to_dict()),
        "reason": entry.why,
        "details": _json(payload),
    }
    tx.execute(insert(alias_history), passed)


def _json(value: Any) -> str:
    return canonical_json({} if value is None else value).decode()


REGISTRY = Projection(
    tables=(dataset_versions, models, model_versions, aliases, alias_history),
    handlers={
        "dataset.recorded": _dataset,
        "version.registered": _version,
        "alias.moved": _alias,
        "alias.removed": _alias,
    },
)

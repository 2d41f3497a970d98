"""Tables: reading them, addressing them by content, their contracts, targets, and a look at them before training."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flyball.data.table import Table, content_digest

# Not as late as the rest: a package of the same name as its function would take the function's place once it is loaded.
from flyball.data.look import (  # isort: skip
    Finding,
    Look,
    Structure,
    disguised_missing,
    disguised_target,
    look,
    near_copies_across,
    personal_columns,
    row_families,
)

if TYPE_CHECKING:
    from flyball.data.contract import Contract, ContractBroken, Violation, check_contract, infer_contract
    from flyball.data.parquet import from_parquet, to_parquet_bytes
    from flyball.data.sources import Note, Read, read_source
    from flyball.data.target import Target, prepare_target

__all__ = [
    "Contract",
    "ContractBroken",
    "Finding",
    "Look",
    "Note",
    "Read",
    "Structure",
    "Table",
    "Target",
    "Violation",
    "check_contract",
    "content_digest",
    "disguised_missing",
    "disguised_target",
    "from_parquet",
    "infer_contract",
    "look",
    "near_copies_across",
    "personal_columns",
    "prepare_target",
    "read_source",
    "row_families",
    "to_parquet_bytes",
]

_HOMES = {
    "contract": ("Contract", "ContractBroken", "Violation", "check_contract", "infer_contract"),
    "parquet": ("from_parquet", "to_parquet_bytes"),
    "sources": ("Note", "Read", "read_source"),
    "target": ("Target", "prepare_target"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            module = import_module(f"flyball.data.{home}")
            # all of them, because a package named as what it holds ("look") has just taken that name here
            globals().update({one: getattr(module, one) for one in names})
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

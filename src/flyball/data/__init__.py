"""Tables: reading them, addressing them by content, their contracts, targets, and a look at them before training."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flyball.data.table import Table, content_digest

if TYPE_CHECKING:
    from flyball.data.contract import Contract, ContractBroken, Violation, check_contract, infer_contract
    from flyball.data.look import Finding, Look, Structure, look, personal_columns
    from flyball.data.parquet import from_parquet, to_parquet_bytes
    from flyball.data.sources import Read, read_source
    from flyball.data.target import Target, prepare_target

__all__ = [
    "Contract",
    "ContractBroken",
    "Finding",
    "Look",
    "Read",
    "Structure",
    "Table",
    "Target",
    "Violation",
    "check_contract",
    "content_digest",
    "from_parquet",
    "infer_contract",
    "look",
    "personal_columns",
    "prepare_target",
    "read_source",
    "to_parquet_bytes",
]

_HOMES = {
    "contract": ("Contract", "ContractBroken", "Violation", "check_contract", "infer_contract"),
    "look": ("Finding", "Look", "Structure", "look", "personal_columns"),
    "parquet": ("from_parquet", "to_parquet_bytes"),
    "sources": ("Read", "read_source"),
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

"""Whether the rows that judge a model are of another kind than those it learned from, beyond what the split means to do."""

from __future__ import annotations

from typing import Any

from flyball.automl import split_shift
from flyball.pipeline.examine import Examined

__all__ = ["shift_evidence"]


def shift_evidence(examined: Examined, *, seed: int) -> dict[str, Any] | None:
    """The columns that are learned from, training rows against test rows; None where there are too few to tell.

    What the rows are split by is not looked at, nor any time where they are split by time: these differ on purpose.
    """
    plan = examined.plan
    apart = {plan.by} if plan.kind != "random" else set()
    names = [
        name for name in examined.used
        if name not in apart and not (plan.kind == "time" and examined.table.schema[name].kind == "time")
    ]  # fmt: skip
    if not names:
        return None
    found = split_shift(
        examined.table.select(names), plan.train, plan.test, units=plan.units, missing=examined.missing, seed=seed
    )
    return None if found is None else found.to_dict()

"""What an answer of a model that looks back says of the past that it stands on."""

from __future__ import annotations

from typing import Any

from flyball.serving.served import Answer
from flyball_runtime.windows import LATE, NEW, REPEATED, UNPLACED

__all__ = ["past_of_rows", "past_parameters"]

_SAID = {NEW: "new", LATE: "late", REPEATED: "repeated", UNPLACED: "unplaced"}


def past_of_rows(answer: Answer) -> list[dict[str, Any]]:
    """`{"history": {"rows", "complete"}, "arrival": ...}` for each row; nothing for models that do not look back."""
    standing = answer.standing
    if standing is None:
        return [{} for _ in answer.records]
    told = zip(standing.past.tolist(), standing.full.tolist(), standing.status.tolist(), strict=True)
    return [{"history": {"rows": rows, "complete": full}, "arrival": _SAID[status]} for rows, full, status in told]


def past_parameters(answer: Answer) -> dict[str, str]:
    """The same as parameters of the Open Inference Protocol, which are single values: joined by commas, row by row."""
    told = past_of_rows(answer) if answer.standing is not None else []
    if not told:
        return {}
    return {
        "history_rows": ",".join(str(one["history"]["rows"]) for one in told),
        "history_complete": ",".join(str(one["history"]["complete"]).lower() for one in told),
        "arrival": ",".join(one["arrival"] for one in told),
    }

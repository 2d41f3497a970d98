"""The prediction log: what was asked, answered and, later, what was true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyball.predictions.records import Logged, Outcome, Prediction, records_of

if TYPE_CHECKING:
    from flyball.predictions.log import PredictionLog

__all__ = ["Logged", "Outcome", "Prediction", "PredictionLog", "records_of"]


def __getattr__(name: str) -> Any:
    # The log speaks SQL; whoever only makes records should not pay for importing it.
    if name == "PredictionLog":
        from flyball.predictions.log import PredictionLog

        return PredictionLog
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

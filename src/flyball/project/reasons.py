"""Why something is done: where the ledger keeps it, nothing is done without."""

from __future__ import annotations

from flyball_runtime.errors import BadInput

__all__ = ["ReasonMissing", "reason_given"]


class ReasonMissing(BadInput):
    """An action that people answer for was asked without a reason; the ledger keeps the reason."""

    code = "FB-PROJECT-011"


def reason_given(reason: str) -> str:
    """The reason without blanks around it. Raises ReasonMissing."""
    if not reason.strip():
        raise ReasonMissing("what is done about an alert needs a reason", fix='say why: --reason "sensor replaced"')
    return reason.strip()

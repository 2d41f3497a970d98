"""The pages of what `flyball audit verify` finds: these codes are raised by nothing, yet people meet them and ask."""

from __future__ import annotations

from flyball.ledger.audit import FIXES, MEANINGS
from flyball.ledger.audit.findings import Problem

__all__ = ["FINDINGS", "finding_texts"]

FINDINGS = tuple(sorted(MEANINGS))


def finding_texts(code: str) -> tuple[str, str, str]:
    """What a finding means, how to mend it, and how it is printed. Raises KeyError."""
    meaning = MEANINGS[code]
    shown = Problem(code, "where it was found", meaning)
    return f"{meaning[:1].upper()}{meaning[1:]}.", FIXES[code], f"{shown.code}  {shown.where}: {shown.what}"

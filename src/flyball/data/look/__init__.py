"""A look at a table before training: what it is made of, what must not be trusted, and how to split it."""

from flyball.data.look.looking import look
from flyball.data.look.missing import disguised_missing, disguised_target
from flyball.data.look.personal import personal_columns
from flyball.data.look.repeats import near_copies_across, row_families
from flyball.data.look.report import Finding, Look, Structure

__all__ = [
    "Finding",
    "Look",
    "Structure",
    "disguised_missing",
    "disguised_target",
    "look",
    "near_copies_across",
    "personal_columns",
    "row_families",
]

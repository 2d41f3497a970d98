"""A look at a table before training: what it is made of, what must not be trusted, and how to split it."""

from flyball.data.look.looking import look
from flyball.data.look.personal import personal_columns
from flyball.data.look.report import Finding, Look, Structure

__all__ = ["Finding", "Look", "Structure", "look", "personal_columns"]

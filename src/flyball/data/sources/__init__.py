"""Where tables come from: files, folders, and objects in memory."""

from flyball.data.sources.open import Read, SourceMissing, SourceUnreadable, read_source
from flyball.data.sources.staging import DuplicateColumns, SourceDamaged, SourceEmpty

__all__ = [
    "DuplicateColumns",
    "Read",
    "SourceDamaged",
    "SourceEmpty",
    "SourceMissing",
    "SourceUnreadable",
    "read_source",
]

"""Where tables come from: files, folders, and objects in memory."""

from flyball.data.sources.open import Read, SourceMissing, SourceUnreadable, read_source
from flyball.data.sources.staging import DuplicateColumns, SourceDamaged, SourceEmpty
from flyball.data.sources.trouble import Note, Trouble

__all__ = [
    "DuplicateColumns",
    "Note",
    "Read",
    "SourceDamaged",
    "SourceEmpty",
    "SourceMissing",
    "SourceUnreadable",
    "Trouble",
    "read_source",
]

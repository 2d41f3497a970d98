"""What can be wrong with a store as a whole."""

from __future__ import annotations

from typing import ClassVar

from flyball_runtime.errors import BadInput, InternalError, Refused

__all__ = [
    "StoreBusy",
    "StoreDamaged",
    "StoreForeign",
    "StoreMissing",
    "StoreNewer",
    "StoreNotEmpty",
    "StoreOlder",
    "StoreUnreachable",
    "StoreUnsupported",
    "ValueRefused",
]


class StoreDamaged(InternalError):
    """The database is damaged, a table that belongs in it is gone, or a row is not what was written."""

    code = "FB-STORE-001"


class StoreNewer(BadInput):
    """The store was written by a newer Flyball than this one."""

    code = "FB-STORE-002"


class StoreBusy(Refused):
    """Another process kept the store locked for longer than the patience allowed."""

    code = "FB-STORE-003"
    status: ClassVar[int] = 503


class StoreUnsupported(BadInput):
    """The store's URL cannot be used: it does not parse, or names a database that this version does not speak."""

    code = "FB-STORE-004"


class StoreUnreachable(BadInput):
    """The database cannot be reached, opened or written: a folder, a server or the rights are missing."""

    code = "FB-STORE-005"
    status: ClassVar[int] = 503


class StoreForeign(BadInput):
    """This is a healthy database, but not one that Flyball made."""

    code = "FB-STORE-006"


class StoreMissing(InternalError):
    """There is no store where one must be: the database is gone, or it is empty."""

    code = "FB-STORE-012"


class StoreOlder(BadInput):
    """The store was written by an older Flyball, and it was opened in a way that must not upgrade it."""

    code = "FB-STORE-014"


class ValueRefused(BadInput):
    """A text holds a character that this database cannot keep, such as the one of number zero."""

    code = "FB-STORE-015"


class StoreNotEmpty(BadInput):
    """The store holds something already, and what was asked for needs an empty one."""

    code = "FB-STORE-016"

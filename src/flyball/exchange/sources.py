"""What a text names: an SQLite file, a database's URL, or a folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from flyball.exchange.errors import SourceUnreadable
from flyball.exchange.file_source import FileSource
from flyball.exchange.records import Source
from flyball.exchange.sql_source import open_database, open_file

__all__ = ["folder_of", "open_source"]

_FORMS = "write sqlite:///mlflow.db, postgresql://user@host/database, the path of an SQLite file, or the folder mlruns"


def open_source(text: str) -> Source:
    """Open a store of MLflow's for reading. Raises SourceUnreadable, SourceForeign, SchemaUnknown, SourceDamaged."""
    path = _path(text)
    if path is None:
        url = make_url(text)
        return open_database(url)
    return FileSource(path) if path.is_dir() else open_file(path)


def folder_of(text: str) -> Path:
    """Where relative paths in a store are seen from: the folder that its file or `mlruns` lies in; this one for a server."""
    path = _path(text)
    return Path.cwd() if path is None else path.absolute().parent


def _path(text: str) -> Path | None:
    """The file or folder that is named; None for a PostgreSQL database. Raises SourceUnreadable for anything else."""
    scheme, colon, rest = text.partition("://")
    if not colon:
        return Path(text)
    if scheme == "file":
        return Path(unquote(rest))
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise SourceUnreadable("the store's URL cannot be read", fix=_FORMS) from error
    kind = url.get_backend_name()
    if kind == "sqlite" and url.database:
        return Path(url.database)
    if kind in ("postgresql", "postgres") and url.database:
        return None
    raise SourceUnreadable(
        f"stores of this kind cannot be imported: {kind}", where=url.render_as_string(hide_password=True), fix=_FORMS
    )

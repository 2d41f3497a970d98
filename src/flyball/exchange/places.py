"""Where the files of a store lie on this machine: never outside the folders that were named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from flyball.exchange.errors import ArtifactsMissing, SourceDamaged
from flyball.mlflow.locations import path_of, scheme_of

__all__ = ["Found", "Places"]


class Found(NamedTuple):
    """A file by its path from the folder that was listed. `changed`: its time in nanoseconds."""

    path: str
    file: Path
    size: int
    changed: int


class Places:
    """Folders in which the files of a store may lie.

    roots: the folders that were named (None: where MLflow puts them beside its store, and the store that is a folder
    itself); base: where relative paths are seen from. Raises ArtifactsMissing for a named folder that is not there.
    """

    def __init__(self, roots: Sequence[Path] | None, base: Path, store: Path | None = None) -> None:
        self._base = base
        for root in roots or ():
            if not root.is_dir():
                raise ArtifactsMissing(
                    "the folder of the store's files is not there", where=str(root),
                    fix="--artifacts names the folder that MLflow keeps files in, such as mlartifacts or mlruns",
                )  # fmt: skip
        usual = [*(base / name for name in ("mlartifacts", "mlruns", "artifacts")), *([store] if store else [])]
        self._roots = [root.resolve() for root in (roots or [place for place in usual if place.is_dir()])]

    @staticmethod
    def elsewhere(uri: str) -> bool:
        """Whether files lie on something that is no folder, such as an object store: they stay there."""
        return scheme_of(uri) not in ("", "file", "mlflow-artifacts")

    def folder(self, uri: str, *tails: str) -> Path | None:
        """The folder that a URI means, or None when there is none within the roots.

        tails: how it would end below a root, for stores that were moved: "1/ab12/artifacts".
        """
        for place in self._candidates(uri, tails):
            real = place.resolve()
            if real.exists() and any(real.is_relative_to(root) for root in self._roots):
                return real
        return None

    def outside(self, uri: str) -> Path | None:
        """The folder that a URI means, when it is there and lies outside the roots: it is not read."""
        if self.elsewhere(uri) or path_of(uri) is not None:
            return None
        place = next(self._candidates(uri, ()), None)
        return place if place is not None and place.exists() and self.folder(uri) is None else None

    @property
    def roots(self) -> str:
        """The folders that are looked in, for messages."""
        return ", ".join(map(str, self._roots))

    def _candidates(self, uri: str, tails: Iterable[str]) -> Iterator[Path]:
        served = path_of(uri)
        if served is not None:
            yield from (root / served for root in self._roots if served)
        elif not self.elsewhere(uri) and uri:
            plain = unquote(uri.removeprefix("file://")) if uri.startswith("file:") else uri
            yield self._base / plain.removeprefix("file:")
        yield from (root / tail for root in self._roots for tail in tails)

    @staticmethod
    def files(folder: Path) -> list[Found]:
        """Every file below a folder, or the one that it is; links are not followed. Raises SourceDamaged."""
        if folder.is_file():
            return [_found(folder, folder.name)]
        found = []
        for place, folders, names in os.walk(folder, onerror=_raise):
            folders.sort()
            for name in sorted(names):
                file = Path(place, name)
                if not file.is_symlink() and file.is_file():
                    found.append(_found(file, file.relative_to(folder).as_posix()))
        return found


def _found(file: Path, path: str) -> Found:
    try:
        known = file.stat()
    except OSError as error:
        _raise(error)
    return Found(path, file, known.st_size, known.st_mtime_ns)


def _raise(error: OSError) -> None:
    raise SourceDamaged(
        "a file or folder of the store cannot be read", where=str(error.filename), why=error.strerror,
        fix="check that it may be read; what was imported until here is whole, so run the command again then",
    ) from error  # fmt: skip

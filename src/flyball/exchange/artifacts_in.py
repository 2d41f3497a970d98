"""Bringing in files: streamed into the artifact store, where each content is once, then named below runs and models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from flyball.exchange.errors import SourceDamaged
from flyball.exchange.places import Found, Places
from flyball.exchange.records import mark_of
from flyball.exchange.summary import Tally
from flyball.exchange.tables import known, note
from flyball.mlflow.locations import path_of
from flyball.store import ArtifactStore, Database
from flyball.tracking import Tracking
from flyball.tracking.names import check_path
from flyball_runtime.errors import FlyballError

__all__ = ["ArtifactsIn", "Home"]

_FILES, _HOMES = 200, 500


class Home(NamedTuple):
    """A run or model whose files are to come. `key`: what it is known by; `uri`: where they lie at the source; `tail`: how
    that ends below a root; `location`: where they lie here."""

    key: str
    uri: str
    tail: str
    location: str


class ArtifactsIn:
    """Writes the files of a source into one project. Files are durable before they are named."""

    def __init__(
        self, database: Database, tracking: Tracking, artifacts: ArtifactStore, places: Places, tally: Tally
    ) -> None:
        self._database = database
        self._tracking = tracking
        self._artifacts = artifacts
        self._places = places
        self._tally = tally
        self._moved: dict[str, str] = {}
        self._outside: list[Path] = []
        self._named: list[tuple[str, str, int]] = []
        self._noted: list[tuple[str, str, str]] = []

    def will_move(self, home: Home) -> None:
        """Note where files will lie, for versions that name them by where they lay."""
        if not Places.elsewhere(home.uri):
            self._moved[_plain(home.uri)] = home.location

    def moved(self, uri: str) -> str | None:
        """Where what lay at a URI lies here; None for what belongs to no run and no model."""
        place, rest = _plain(uri), ""
        while place:
            if place in self._moved:
                return self._moved[place] + rest
            place, slash, last = place.rpartition("/")
            rest = f"{slash}{last}{rest}"
        return None

    def bring(self, homes: Sequence[Home]) -> Iterator[Home]:
        """Bring in the files of some runs and models, and give each back once it is done; those that are here as they are
        at the source are not read again. Raises SourceDamaged and the artifact store's errors."""
        for start in range(0, len(homes), _HOMES):
            some = homes[start : start + _HOMES]
            with self._database.read() as reader:
                here = known(reader, "files", [home.key for home in some])
            for home in some:
                if Places.elsewhere(home.uri):
                    self._tally.same("places elsewhere", 1)
                else:
                    folder = self._places.folder(home.uri, home.tail)
                    if folder is not None:
                        self._one(home.key, folder, home.location, here[home.key].mark if home.key in here else "")
                    else:
                        self._absent(home.uri)
                yield home
            self._flush()
        self._tell_absent()

    def _absent(self, uri: str) -> None:
        outside = self._places.outside(uri)
        if outside is not None:
            self._outside.append(outside)

    def _tell_absent(self) -> None:
        if self._outside:
            some = f"the files of {len(self._outside):,} runs and models lie outside the folders that were looked in"
            self._tally.note(f"{some}, such as {self._outside[0]}: name their folder with --artifacts")
        files = self._tally.counts["files"]
        if self._moved and not files["new"] and not files["same"]:
            self._tally.note(f"no files were found in {self._places.roots}; --artifacts names another folder")

    def bring_folder(self, key: str, folder: Path, location: str) -> None:
        """Bring in the files of a folder that belongs to no run and no model."""
        with self._database.read() as reader:
            here = known(reader, "files", [key])
        self._one(key, folder, location, here[key].mark if key in here else "")
        self._flush()

    def _one(self, key: str, folder: Path, location: str, before: str) -> None:
        found = Places.files(folder)
        mark = mark_of([(one.path, one.size, one.changed) for one in found])
        if mark == before:
            self._tally.same("files", len(found))
            return
        home = path_of(location)
        if home is None:  # kept elsewhere, by an address that is not ours
            return
        for one in found:
            path = f"{home}/{one.path}"
            with _told(one.file):
                check_path(path)
            self._named.append((path, self._stored(one), one.size))
            if len(self._named) >= _FILES:
                self._flush()
        self._noted.append((key, location, mark))

    def _stored(self, one: Found) -> str:
        try:
            with one.file.open("rb") as stream:
                digest = self._artifacts.put(stream)
        except OSError as error:
            raise SourceDamaged(
                "a file of the store cannot be read", where=str(one.file), why=error.strerror
            ) from error
        if self._artifacts.size(digest) != one.size:
            raise SourceDamaged(
                "a file of the store changed while it was read", where=str(one.file),
                why=f"it had {one.size:,} bytes, and {self._artifacts.size(digest):,} were read",
                fix="run the command again once nothing writes to the store",
            )  # fmt: skip
        self._tally.add("bytes", new=one.size)
        return digest

    def _flush(self) -> None:
        """Name what was stored: in one transaction with the note that it was."""
        if not self._named and not self._noted:
            return
        with self._database.write("exchange.files") as tx:
            for path, digest, size in self._named:
                self._tracking.files.name_within(tx, path, digest, size)
            note(tx, "files", self._noted)
        self._tally.add("files", new=len(self._named))
        self._named, self._noted = [], []


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except FlyballError as error:
        raise SourceDamaged(
            "a file of the store has a name that cannot be kept", where=str(file), why=error.why,
            fix="rename it, or move it away",
        ) from error  # fmt: skip


def _plain(uri: str) -> str:
    return uri.removeprefix("file://").rstrip("/")

"""Files of runs and models: names in the database, content in the artifact store, once however often it is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from sqlalchemy import delete, insert, select, update

from flyball.store import ArtifactStore, ArtifactWriter, Database, PartsDiffer, Reader, Transaction
from flyball.tracking.errors import PathRefused, TrackingUnknown
from flyball.tracking.names import check_path
from flyball.tracking.records import FileEntry
from flyball.tracking.tables import files

__all__ = ["Files", "Held", "Receiving"]


class Files:
    """Folders and files by path. Threads and processes may call every method at once.

    `put` is durable when it returns. What is no longer named is given back to the disk by `flyball clean`.
    """

    def __init__(self, database: Database, artifacts: ArtifactStore) -> None:
        self._database = database
        self.artifacts = artifacts

    def put(self, path: str, source: BinaryIO | bytes) -> FileEntry:
        """Store everything that `source` yields as the file `path`, in place of what was there.

        Raises PathRefused, StoreFull, CannotWrite.
        """
        plain = _file_path(path)
        digest = self.artifacts.put(source)
        return self.name(plain, digest)

    def receive(self, path: str) -> Receiving:
        """A file whose content comes part by part. Raises PathRefused, StoreFull, CannotWrite."""
        return Receiving(self, _file_path(path), self.artifacts.begin())

    def name(self, path: str, digest: str) -> FileEntry:
        """Let the file `path` be a blob that the artifact store holds. Raises PathRefused, ArtifactMissing."""
        plain = _file_path(path)
        size = self.artifacts.size(digest)
        with self._database.write("tracking.file") as tx:
            return self.name_within(tx, plain, digest, size)

    def name_within(self, tx: Transaction, path: str, digest: str, size: int) -> FileEntry:
        """As `name`, in the caller's transaction, for a blob of `size` bytes that is known to be held. Raises PathRefused."""
        folder, _, name = _file_path(path).rpartition("/")
        self._make_folder(tx, folder)
        place = (files.c.folder == folder, files.c.name == name)
        known = tx.execute(select(files.c.digest).where(*place)).first()
        if known is None:
            tx.execute(insert(files), {"folder": folder, "name": name, "digest": digest, "size": size})
        elif known.digest is None:
            raise PathRefused("there is a folder of this name", where=path)
        else:
            tx.execute(update(files).where(*place).values(digest=digest, size=size))
        return FileEntry(name, digest, size)

    def find(self, path: str) -> FileEntry:
        """The file or folder at a path. Raises PathRefused, TrackingUnknown."""
        folder, _, name = check_path(path).rpartition("/")
        with self._database.read() as connection:
            query = select(files.c.name, files.c.digest, files.c.size)
            row = connection.execute(query.where(files.c.folder == folder, files.c.name == name)).first()
        if row is None:
            raise TrackingUnknown(f"there is no file {path[:200]}")
        return FileEntry(*row)

    def find_file(self, path: str) -> Held:
        """The content of the file at a path. Raises PathRefused, TrackingUnknown, also for a folder."""
        entry = self.find(path)
        if entry.digest is None:
            raise TrackingUnknown(f"{path[:200]} is a folder")
        return Held(entry.digest, entry.size)

    def open(self, entry: FileEntry) -> BinaryIO:
        """A stream of a file's content. Raises TrackingUnknown for a folder, ArtifactMissing, ArtifactCorrupt."""
        if entry.digest is None:
            raise TrackingUnknown(f"{entry.name} is a folder")
        return self.artifacts.open(entry.digest)

    def link(self, held: Held, seconds: float) -> str | None:
        """A URL of an object store that gives this content for so long; None: it must be read through us."""
        return self.artifacts.link(held.digest, seconds)

    def check_free(self, path: str) -> None:
        """Raises PathRefused when no file can be of this path: it is none, or a folder has it."""
        try:
            known = self.find(_file_path(path))
        except TrackingUnknown:
            return
        if known.digest is None:
            raise PathRefused("there is a folder of this name", where=path)

    def listing(self, folder: str) -> list[FileEntry]:
        """What lies in a folder, by name; nothing when there is no such folder. Raises PathRefused."""
        with self._database.read() as connection:
            return self._inside(connection, check_path(folder))

    def walk(self, folder: str) -> dict[str, FileEntry]:
        """Every file below a folder, by its path from there. Raises PathRefused."""
        found: dict[str, FileEntry] = {}
        root = check_path(folder)
        with self._database.read() as connection:
            pending = [root]
            while pending:
                place = pending.pop()
                for entry in self._inside(connection, place):
                    path = f"{place}/{entry.name}"
                    if entry.digest is None:
                        pending.append(path)
                    else:
                        found[path[len(root) + 1 :]] = entry
        return dict(sorted(found.items()))

    def delete(self, path: str) -> None:
        """Take away a file, or a folder with all that it holds; nothing happens when there is none. Raises PathRefused."""
        plain = _file_path(path)
        folder, _, name = plain.rpartition("/")
        with self._database.write("tracking.delete-file") as tx:
            tx.execute(delete(files).where(files.c.folder == folder, files.c.name == name))
            pending = [plain]
            while pending:
                place = pending.pop()
                pending += [f"{place}/{entry.name}" for entry in self._inside(tx, place) if entry.digest is None]
                tx.execute(delete(files).where(files.c.folder == place))

    def _inside(self, reader: Reader, folder: str) -> list[FileEntry]:
        query = select(files.c.name, files.c.digest, files.c.size).where(files.c.folder == folder)
        return [FileEntry(*row) for row in reader.execute(query.order_by(files.c.name))]

    def _make_folder(self, tx: Transaction, folder: str) -> None:
        while folder:
            parent, _, name = folder.rpartition("/")
            query = select(files.c.digest).where(files.c.folder == parent, files.c.name == name)
            known = tx.execute(query).first()
            if known is not None and known.digest is not None:
                raise PathRefused("there is a file of this name, so it cannot be a folder", where=folder)
            if known is not None:
                return
            tx.execute(insert(files), {"folder": parent, "name": name, "digest": None, "size": 0})
            folder = parent


@dataclass(frozen=True, slots=True)
class Held:
    """The content of a file: its digest and its bytes."""

    digest: str
    size: int


class Receiving:
    """A file on its way in. One thread at a time; nothing of it is to be seen before it is finished."""

    def __init__(self, files: Files, path: str, writer: ArtifactWriter) -> None:
        self._files, self._path, self._writer = files, path, writer
        self.write = writer.write
        self.abandon = writer.abandon

    def finish(self, expected: str | None = None) -> FileEntry:
        """Let it be the file, in place of what was there; durable. expected: the digest that the sender says it has.

        Raises PathRefused, PartsDiffer, StoreFull, CannotWrite.
        """
        digest = self._writer.finish()
        if expected is not None and expected != digest:
            raise PartsDiffer(
                "what arrived is not what was sent", where=self._path,
                why=f"it hashes to {digest[:12]}…, not {expected[:12]}…", fix="send it again",
            )  # fmt: skip
        return self._files.name(self._path, digest)


def _file_path(path: str) -> str:
    plain = check_path(path)
    if not plain:
        raise PathRefused("a file needs a name", where=repr(path))
    return plain

"""Make a project again out of a backup: in a new folder, whole or not at all, and verified before it is there."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from flyball.config import PROJECT_FILE, STATE_FOLDER, ProjectConfig, load_project
from flyball.core.counting import counted
from flyball.core.failpoints import failpoint
from flyball.core.files import CannotWrite, StoreFull, sync_directory, sync_file
from flyball.core.progress import Progress
from flyball.ledger import Verification
from flyball.store import FileArtifacts
from flyball.upkeep.archive import Member, damaged, read_members, unpack
from flyball.upkeep.manifest import HEAD, MANIFEST, MANIFEST_DIGEST, PROJECT, STORE, Held, Manifest
from flyball.upkeep.staging import explained, staging_beside
from flyball_runtime.errors import BadInput, FlyballError, InternalError

__all__ = ["BackupMissing", "FolderTaken", "NotVerified", "Restored", "restore_backup"]

_LARGEST_MANIFEST = 256 << 20
_SPARE = 16 << 20  # what the store's own files need while it is opened


class FolderTaken(BadInput):
    """A backup is restored into a folder that is new or empty, so that nothing of another project is mixed in."""

    code = "FB-BACKUP-005"


class NotVerified(InternalError):
    """What the backup holds does not verify: the project was damaged before it was backed up, or the file was made up."""

    code = "FB-BACKUP-006"


class BackupMissing(BadInput):
    """The backup file cannot be opened: it is not there, it is not a plain file, or it may not be read."""

    code = "FB-BACKUP-009"


@dataclass(frozen=True, slots=True)
class Restored:
    """A project that was restored, and what its ledger vouches for."""

    path: Path
    project: str
    taken: str
    verification: Verification
    versions: int
    predictions: int
    keys: bool
    notes: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """What `flyball restore --json` prints."""
        verified = self.verification.to_dict()
        return {
            "path": str(self.path), "project": self.project, "taken": self.taken, "versions": self.versions,
            "predictions": self.predictions, "keys": self.keys, "checked": verified["checked"],
            "checkpoint": verified["checkpoint"], "notes": list(self.notes),
        }  # fmt: skip


Proved = tuple[Verification, Mapping[str, int]]


def restore_backup(file: Path, folder: Path, *, prove: Callable[[Path], Proved], progress: Progress) -> Restored:
    """Restore `file` into `folder`, which must be absent or empty.

    Everything is laid out in a hidden folder beside it; `prove` opens the project there, restores the bundles' folders
    and verifies every hash; then one rename puts it into its place. What fails leaves nothing behind. Raises
    BackupMissing, BackupDamaged, BackupNewer, FolderTaken, NotVerified, StoreFull, CannotWrite.
    """
    target = folder.expanduser().absolute()
    _refuse_taken(target)
    with ExitStack() as closing:
        source = _open(file, closing)
        made = _first_missing(target.parent)
        try:
            with explained(target, "the project cannot be restored here"), staging_beside(target) as staging:
                manifest, notes = _unpack(source, file, staging / "project", progress)
                return _settle(manifest, notes, staging / "project", target, prove=prove, progress=progress)
        except BaseException:
            if made is not None and not target.exists():
                shutil.rmtree(made, ignore_errors=True)
            raise


def _open(file: Path, closing: ExitStack) -> BinaryIO:
    path = file.expanduser()
    try:
        if not path.is_file():
            reason = "it is a folder" if path.is_dir() else "there is no such file"
            raise BackupMissing("there is no backup to restore", where=str(path), why=reason, fix="name a backup file")
        return closing.enter_context(path.open("rb"))
    except OSError as error:
        raise BackupMissing(
            "the backup cannot be read", where=str(path), why=error.strerror, fix="check that it may be read"
        ) from error


def _refuse_taken(target: Path) -> None:
    try:
        free = not (target.exists() or target.is_symlink()) or (
            target.is_dir() and not target.is_symlink() and not any(target.iterdir())
        )
    except OSError:
        free = False
    if not free:
        raise FolderTaken(
            "the folder to restore into is not empty", where=str(target),
            why="a restored project must not be mixed with other files",
            fix="name a new folder with --dir",
        )  # fmt: skip


def _settle(
    manifest: Manifest,
    notes: list[str],
    staged: Path,
    target: Path,
    *,
    prove: Callable[[Path], Proved],
    progress: Progress,
) -> Restored:
    """Verify what was laid out and move it to its place."""
    progress.start("verify", "every hash")
    try:
        verification, counts = prove(staged)
    except (StoreFull, CannotWrite):
        raise
    except FlyballError as error:
        raise _not_verified(None, f"{error.code}: {error.what}") from error
    if not verification.ok:
        first, count = verification.problems[0], len(verification.problems)
        raise _not_verified(
            first.where, f"{first.code}: {first.what}" + (f" (and {count - 1} more)" if count > 1 else "")
        )
    if verification.newest is None or verification.newest.to_dict() != manifest.checkpoint:
        raise _not_verified(MANIFEST, "its checkpoint is not the newest one of the ledger in it")
    progress.finish(
        "verify", f"{counted(verification.entries, 'entry')}, {counted(verification.artifacts, 'artifact')}"
    )
    project = _config(staged, MANIFEST).project.name  # nothing vouches for the name that stands in the manifest
    _sync_all(staged)
    failpoint("restore.project:verified")
    staged.rename(target)  # takes the place of an empty folder, and of nothing else
    sync_directory(target.parent)
    failpoint("restore.project:after")
    if not manifest.keys:
        notes.append("the backup holds no private keys: put them into .flyball/keys, or `flyball keys rotate`")
    return Restored(
        target, project, manifest.taken, verification, counts["versions"], counts["predictions"],
        manifest.keys, tuple(notes),
    )  # fmt: skip


def _not_verified(where: str | None, why: str) -> NotVerified:
    return NotVerified(
        "what the backup holds does not verify, so nothing was restored", where=where, why=why,
        fix="take an older backup",
    )  # fmt: skip


# -- laying it out


def _unpack(source: BinaryIO, file: Path, staged: Path, progress: Progress) -> tuple[Manifest, list[str]]:
    """Write every file of the backup to its place below `staged`, checked."""
    where = str(file)
    members = read_members(source, where)
    manifest, digest = _manifest(next(members, None), where)
    staged.mkdir(mode=0o755)
    _refuse_too_large(manifest, staged)
    expected = {held.name: held for held in manifest.files}
    total, done = max(1, sum(held.size for held in manifest.files)), 0
    progress.start("unpack", f"{len(expected):,} files, {total:,} bytes")
    places: _Places | None = None
    ended = False
    for member in members:
        if ended:
            raise damaged(where, f"{member.name!a} follows after the end")
        if member.name == MANIFEST_DIGEST:
            ended = _read_all(member, 4096, where) == f"{digest}  {MANIFEST}\n".encode()
            continue
        name = member.name.removesuffix(".gz")
        held = expected.pop(name, None)
        if held is None:
            raise damaged(where, f"{member.name!a} does not belong into it")
        if places is None:
            if held.name != PROJECT:
                raise damaged(where, f"{PROJECT} does not stand before the rest")
            _write(member, held, staged / PROJECT_FILE, where)
            places = _Places.of(staged, where)
        else:
            _write(member, held, places.place(held), where)
        done += held.size
        progress.update("unpack", done / total)
    if expected or not ended or places is None:
        missing = next(iter(expected), MANIFEST_DIGEST)
        raise damaged(where, f"{missing} is missing, or is not what belongs there")
    progress.finish("unpack", f"{total:,} bytes")
    return manifest, places.notes


def _manifest(member: Member | None, where: str) -> tuple[Manifest, str]:
    if member is None or member.name != MANIFEST:
        raise damaged(where, f"it does not begin with {MANIFEST}")
    data = _read_all(member, _LARGEST_MANIFEST, where)
    try:
        return Manifest.parse(data, where), hashlib.sha256(data).hexdigest()
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged(where, f"{MANIFEST} cannot be read: {error}") from error


def _read_all(member: Member, most: int, where: str) -> bytes:
    if member.size > most:
        raise damaged(where, f"{member.name!a} is too large")
    return member.read(member.size)


def _refuse_too_large(manifest: Manifest, staged: Path) -> None:
    """A file that claims to unpack into more than there is room for is refused before it fills the disk."""
    needed = sum(held.size for held in manifest.files) + _SPARE
    free = shutil.disk_usage(staged).free
    if needed > free:
        raise StoreFull(
            "there is not enough room to restore this backup", where=str(staged.parent.parent),
            why=f"it needs {needed:,} bytes; {free:,} are free",
            fix="free some space, or choose a folder on a larger disk with --dir",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the files of a backup go below the new folder, by the project file that came with it."""

    staged: Path
    store: Path
    artifacts: FileArtifacts
    notes: list[str]

    @classmethod
    def of(cls, staged: Path, where: str) -> _Places:
        """A store or artifacts that lay outside the project's folder come into it: nothing is written elsewhere."""
        config, notes = _config(staged, where), list[str]()
        outside = [key for key in ("store", "artifacts") if not _inside(config, key)]
        if outside:
            _comment_out(staged / PROJECT_FILE, config, outside)
            config = _config(staged, where)
            notes.append(f"{' and '.join(outside)} lay outside the project's folder; now inside it: see {PROJECT_FILE}")
        store, folder = config.store_file, config.artifacts_folder
        if store is None or folder is None or not all(_inside(config, key) for key in ("store", "artifacts")):
            raise damaged(where, f"its {PROJECT_FILE} names a store outside the project's folder")
        return cls(staged, store, FileArtifacts(folder), notes)

    def place(self, held: Held) -> Path:
        state = self.staged / STATE_FOLDER
        if held.name == STORE:
            return self.store
        if held.name == HEAD:
            return state / HEAD
        if held.name.startswith("artifacts/"):
            return self.artifacts.path(held.sha256)
        return state / held.name


def _config(staged: Path, where: str) -> ProjectConfig:
    try:
        return load_project(staged)
    except BadInput as error:
        raise damaged(where, f"its {PROJECT_FILE} cannot be used: {error.what} ({error.where})") from error


def _inside(config: ProjectConfig, key: str) -> bool:
    path = config.store_file if key == "store" else config.artifacts_folder
    folder = config.folder.resolve()
    return path is not None and path.is_relative_to(folder) and path != folder


def _comment_out(file: Path, config: ProjectConfig, keys: Sequence[str]) -> None:
    lines = file.read_text(encoding="utf-8").split("\n")
    for key in keys:
        number = config.line_number(("project", key))
        if number is not None:
            lines[number - 1] = f"# {lines[number - 1]}   # as it was where the backup was taken"
    file.write_text("\n".join(lines), encoding="utf-8")


def _write(member: Member, held: Held, path: Path, where: str) -> None:
    """Write one file, new, synced; its digest must be the one that the manifest states."""
    packed = member.name.endswith(".gz")
    if not packed and member.size != held.size:
        raise damaged(where, f"{member.name} is not {held.size:,} bytes long")
    private = held.name.startswith("keys/")
    path.parent.mkdir(mode=0o700 if private else 0o755, parents=True, exist_ok=True)
    with _new(path, held.mode, where) as out:
        digest = unpack(member, out, size=held.size, packed=packed, where=where)
        sync_file(out)
    if digest != held.sha256:
        raise damaged(where, f"{held.name} is not what was backed up: its digest differs")
    failpoint("restore.file:written")


@contextmanager
def _new(path: Path, mode: int, where: str) -> Iterator[IO[bytes]]:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except FileExistsError as error:
        raise damaged(where, f"two files of it go to the same place, {path.name}") from error
    with os.fdopen(handle, "wb") as file:
        yield file


def _sync_all(folder: Path) -> None:
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]:
        sync_directory(place)


def _first_missing(folder: Path) -> Path | None:
    return next((place for place in (*reversed(folder.parents), folder) if not place.exists()), None)

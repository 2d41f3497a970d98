"""Copy a project into one file, whole and consistent, while it is in use."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

from flyball.config import PROJECT_FILE, STATE_FOLDER, ProjectConfig
from flyball.core.canonical import canonical_json
from flyball.core.clock import Clock, rfc3339
from flyball.core.counting import counted
from flyball.core.failpoints import failpoint
from flyball.core.files import CannotWrite, StoreFull, sync_directory, sync_file
from flyball.core.progress import Progress
from flyball.core.version import __version__
from flyball.ledger import Actor, Checkpoint, Draft, Key, KeyMissing, Ledger
from flyball.ledger.keys import key_rows
from flyball.registry import Registry
from flyball.store import ArtifactCorrupt, ArtifactStore, Database
from flyball.store.contents import named_digests
from flyball.upkeep.archive import CHUNK, TarWriter
from flyball.upkeep.manifest import HEAD, MANIFEST, MANIFEST_DIGEST, PROJECT, STORE, Held, Manifest
from flyball.upkeep.references import bound_artifacts, reachable
from flyball.upkeep.staging import explained, staging_beside, upkeep_lock
from flyball_runtime.errors import BadInput, InternalError, Refused

__all__ = ["Backup", "BackupExists", "BackupIncomplete", "StoreRolledBack", "take_backup"]

_TRIES = 3
_SAMPLE = 256 << 10
_IN_MEMORY = 8 << 20
_LEVEL = 3  # a store of predictions becomes four to eight times smaller at 100 MB/s; higher levels gain little


class BackupExists(BadInput):
    """A file of this name exists already; a backup never replaces another."""

    code = "FB-BACKUP-003"


class BackupIncomplete(InternalError):
    """Something that belongs into the backup is missing or damaged, so there is none: it could not be restored."""

    code = "FB-BACKUP-004"


class StoreRolledBack(Refused):
    """The ledger lacks entries that head.json vouches for. A backup of it would hide that, so none is made."""

    code = "FB-BACKUP-008"


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was taken. `path` holds `size` bytes of digest `sha256`; `sources` are tables that it leaves out."""

    path: Path
    size: int
    sha256: str
    taken: str
    checkpoint: Checkpoint
    artifacts: int
    predictions: int
    keys: int
    sources: Sequence[str]
    notes: Sequence[str]
    entry: int | None = None
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """What `flyball backup --json` prints."""
        same = ("size", "sha256", "taken", "artifacts", "predictions", "keys", "entry", "seconds")
        return {
            "path": str(self.path),
            **{name: getattr(self, name) for name in same},
            "entries": self.checkpoint.size,
            "checkpoint": self.checkpoint.to_dict(),
            "sources_left_out": list(self.sources),
            "notes": list(self.notes),
        }


@dataclass(slots=True)
class _Plan:
    """What goes into the file: small files with their content, the copied store, the artifacts with their sizes."""

    taken: str
    checkpoint: Checkpoint
    small: dict[str, bytes]
    store: Path
    artifacts: dict[str, int]
    predictions: int
    notes: list[str] = field(default_factory=list)

    @property
    def keys(self) -> int:
        return sum(name.startswith("keys/") for name in self.small)


def take_backup(
    config: ProjectConfig,
    registry: Registry,
    destination: Path,
    *,
    actor: Actor,
    clock: Clock,
    progress: Progress,
    with_keys: bool = True,
) -> Backup:
    """Write a backup to `destination`, or into it under a name of its own when it is a folder.

    The store is copied as it is at one instant, whatever is written meanwhile; the artifacts which that copy names
    follow, and `flyball clean` waits until they are in. The file appears whole or not at all; that it was taken becomes
    an entry of the ledger. Raises BackupExists, BackupIncomplete, StoreRolledBack, UpkeepBusy, StoreFull, CannotWrite.
    """
    began = time.monotonic()
    path = _place(destination, config.project.name, clock.now())
    with explained(path, "the backup cannot be written"), staging_beside(path) as staging:
        with upkeep_lock(registry.database.beside("upkeep.lock"), shared=True):
            plan = _snapshot(config, registry, staging, with_keys=with_keys, clock=clock, progress=progress)
            file = staging / "backup.tar"
            size, sha256 = _pack(plan, config, registry.artifacts, file, moment=clock.now(), progress=progress)
        failpoint("backup.file:written")
        if path.exists():
            raise _exists(path)
        file.rename(path)
        sync_directory(path.parent)
    failpoint("backup.file:after")
    sources = [name for name, data in config.data.items() if config.resolve(data.source).is_relative_to(config.folder)]
    taken = Backup(
        path, size, sha256, plan.taken, plan.checkpoint, len(plan.artifacts), plan.predictions, plan.keys, sources,
        plan.notes,
    )  # fmt: skip
    entry, note = _record(registry, config.project.name, taken, actor)
    return _finished(taken, entry, note, time.monotonic() - began)


def _finished(taken: Backup, entry: int | None, note: str | None, seconds: float) -> Backup:
    from dataclasses import replace

    notes = [*taken.notes, *([note] if note else [])]
    return replace(taken, entry=entry, notes=tuple(notes), seconds=round(seconds, 3))


def _record(registry: Registry, project: str, taken: Backup, actor: Actor) -> tuple[int | None, str | None]:
    """Tell the ledger. The file stands already: what keeps the entry out is told, not raised."""
    payload = {"file": taken.path.name, "bytes": taken.size, "entries": taken.checkpoint.size, "keys": taken.keys}
    draft = Draft("backup.taken", project, actor, "", {"backup": taken.sha256}, payload)
    try:
        with registry.database.write("backup.entry") as tx:
            return registry.ledger.append(tx, draft)[0].seq, None
    except (KeyMissing, CannotWrite, StoreFull) as error:
        return None, f"the ledger could not be told of it: {error.what}"


def _place(destination: Path, project: str, moment: datetime) -> Path:
    path = destination.expanduser().absolute()
    if path.is_dir():
        stem = "".join(
            letter if (letter.isascii() and letter.isalnum()) or letter in "-_" else "-" for letter in project
        )
        path = path / f"{stem[:60]}-{moment:%Y%m%dT%H%M%SZ}.flyball.tar"
    if path.exists() or path.is_symlink():
        raise _exists(path)
    return path


def _exists(path: Path) -> BackupExists:
    return BackupExists(
        "a file of this name exists already", where=str(path), why="a backup never replaces another file",
        fix="give another name, or a folder: the file is then named after the project and the time",
    )  # fmt: skip


# -- what goes in


def _snapshot(
    config: ProjectConfig, registry: Registry, staging: Path, *, with_keys: bool, clock: Clock, progress: Progress
) -> _Plan:
    """Copy the store, then gather what the copy names. A key that was revoked meanwhile begins it anew."""
    ledger, store = registry.ledger, staging / STORE
    for attempt in range(_TRIES):
        vouched = _read(ledger.head)
        progress.start("copy", "the store as it is now")
        taken = rfc3339(clock.now())
        registry.database.snapshot(store, lambda done: progress.update("copy", done))
        failpoint("backup.store:copied")
        with _opened(store, ledger, clock) as copy:
            _refuse_rolled_back(copy, vouched)
            keys = _keys(copy) if with_keys else []
            private = {key.id: data for key in keys if (data := _private(ledger, key.id)) is not None}
            current = next((key.id for key in keys if key.status == "current"), None)
            if current is not None and current not in private and attempt + 1 < _TRIES and _changed(copy, ledger):
                store.unlink()
                continue
            checkpoint, predictions = copy.newest_checkpoint(), _predictions(copy)
            if checkpoint is None:
                raise BackupIncomplete("the ledger has no checkpoint", fix="flyball audit verify names what is damaged")
            artifacts = _artifacts(copy, registry.artifacts)
            reports = _reports(config, copy)
        progress.finish("copy", f"{store.stat().st_size:,} bytes")
        small = {
            PROJECT: (config.folder / PROJECT_FILE).read_bytes(),
            HEAD: canonical_json(checkpoint.to_dict()) + b"\n",
            **{f"keys/{identity}.pem": data for identity, data in private.items()},
            **reports,
        }
        plan = _Plan(taken, checkpoint, small, store, artifacts, predictions)
        if with_keys and current is not None and current not in private:
            plan.notes.append("the private half of the signing key is not in the project, so it is not in the backup")
        return plan
    raise AssertionError("the last attempt returns or raises")


@contextmanager
def _opened(store: Path, ledger: Ledger, clock: Clock) -> Iterator[Ledger]:
    """The ledger in a copy of the store."""
    with closing(Database.open(f"sqlite:///{store}", clock, create=False)) as database:
        yield Ledger(database, clock, ledger.keys, projections=ledger.projections[1:], head=ledger.head)


def _refuse_rolled_back(copy: Ledger, vouched: bytes | None) -> None:
    """head.json was read before the store was copied: whatever it vouches for must be in the copy."""
    try:
        kept = Checkpoint.from_dict(json.loads(vouched)) if vouched is not None else None
    except ValueError:
        return  # the audit names a damaged head.json; it vouches for nothing
    if kept is not None and not copy.knows(kept):
        raise StoreRolledBack(
            "the store is older than its own last checkpoint, so no backup is made of it",
            where=str(copy.head), why="this file holds a signed checkpoint that the ledger does not",
            fix="put the newest store back; `flyball audit verify` tells what is missing",
        )  # fmt: skip


def _keys(copy: Ledger) -> list[Key]:
    with copy.database.read() as reader:
        return [key for key in key_rows(reader) if key.status != "revoked"]


def _changed(copy: Ledger, live: Ledger) -> bool:
    """Whether keys were rotated or revoked after the copy was made."""
    with copy.database.read() as old, live.database.read() as new:
        return [(key.id, key.status) for key in key_rows(old)] != [(key.id, key.status) for key in key_rows(new)]


def _private(ledger: Ledger, identity: str) -> bytes | None:
    return next((data for path in ledger.keys.paths(identity) if (data := _read(path)) is not None), None)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _predictions(copy: Ledger) -> int:
    from flyball.predictions import PredictionLog

    with PredictionLog(copy.database) as log:
        return log.totals()["predictions"]


def _artifacts(copy: Ledger, artifacts: ArtifactStore) -> dict[str, int]:
    """Digest and size of everything that the copy names. Raises BackupIncomplete when a bound artifact is missing."""
    for digest, bound in bound_artifacts(copy).items():
        if not artifacts.has(digest):
            raise BackupIncomplete(
                "an artifact that the ledger binds is missing, so this project cannot be backed up",
                where=f"artifact {digest}", why=f"it is the {bound}",
                fix="put it back from an earlier backup; `flyball audit verify` names everything that is missing",
            )  # fmt: skip
    with copy.database.read() as reader:
        named = named_digests(reader)
    return {digest: artifacts.size(digest) for digest in sorted(reachable(artifacts, named))}


def _reports(config: ProjectConfig, copy: Ledger) -> dict[str, bytes]:
    """The reports of the versions in the copy, as far as they are there."""
    folder = config.folder / STATE_FOLDER / "reports"
    names = [f"{entry.subject.replace('@', '-')}.html" for entry in copy.entries(what="version.registered")]
    found = {f"reports/{name}": _read(folder / name) for name in names if "/" not in name}
    return {name: data for name, data in found.items() if data is not None}


# -- writing it down


def _pack(
    plan: _Plan, config: ProjectConfig, artifacts: ArtifactStore, file: Path, *, moment: datetime, progress: Progress
) -> tuple[int, str]:
    """Write the file and sync it; return its size and digest."""
    total = max(1, plan.store.stat().st_size + sum(plan.artifacts.values()))
    progress.start("pack", f"{counted(len(plan.artifacts), 'artifact')}, {counted(total, 'byte')}")
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress.update("pack", done / total)

    with plan.store.open("rb") as store:
        digest = hashlib.file_digest(store, "sha256").hexdigest()
    held = [Held(name, len(data), hashlib.sha256(data).hexdigest(), _mode(name)) for name, data in plan.small.items()]
    held.append(Held(STORE, plan.store.stat().st_size, digest))
    held += [Held(f"artifacts/{digest}", size, digest, 0o444) for digest, size in plan.artifacts.items()]
    manifest = Manifest(
        config.project.name, __version__, plan.taken, plan.checkpoint.to_dict(), bool(plan.keys), held
    ).to_bytes()
    with file.open("xb") as out:
        file.chmod(0o600)  # it holds keys, and what was asked of the models
        tar = TarWriter(out, time=int(moment.timestamp()))
        for name, data in {MANIFEST: manifest, **plan.small}.items():
            tar.add(name, len(data), io.BytesIO(data), mode=_mode(name))
        with plan.store.open("rb") as store:
            _add(tar, STORE, store, plan.store.stat().st_size, folder=file.parent, advance=advance)
        for digest, size in plan.artifacts.items():
            with _whole(), artifacts.open(digest) as blob:
                _add(tar, f"artifacts/{digest}", blob, size, folder=file.parent, advance=advance)
        line = f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()
        tar.add(MANIFEST_DIGEST, len(line), io.BytesIO(line))
        sha256 = tar.close()
        sync_file(out)
    progress.finish("pack", f"{tar.size:,} bytes")
    return tar.size, sha256


def _mode(name: str) -> int:
    return 0o600 if name.startswith("keys/") else 0o644


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except ArtifactCorrupt as error:
        raise BackupIncomplete(
            "an artifact is damaged, so this project cannot be backed up", where=error.where, why=error.why,
            fix="put it back from an earlier backup; one that is only a step's result may be removed: "
            "the next `flyball run` makes it anew",
        ) from error  # fmt: skip


def _add(
    tar: TarWriter, name: str, source: IO[bytes], size: int, *, folder: Path, advance: Callable[[int], None]
) -> None:
    """Add a file, compressed where that pays: a tenth at least, judged by its beginning."""
    first = _read_up_to(source, _SAMPLE)
    whole = _Joined(first, source, advance)
    if len(first) < 64 or len(zlib.compress(first, _LEVEL)) > 0.9 * len(first):
        tar.add(name, size, cast("IO[bytes]", whole))
        return
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(folder)) as packed:
        stream = zlib.compressobj(_LEVEL, wbits=31)
        while chunk := whole.read(CHUNK):
            packed.write(stream.compress(chunk))
        packed.write(stream.flush())
        length = packed.tell()
        packed.seek(0)
        tar.add(name + ".gz", length, cast("IO[bytes]", packed))


def _read_up_to(source: IO[bytes], size: int) -> bytes:
    parts, left = list[bytes](), size
    while left > 0 and (data := source.read(left)):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


class _Joined:
    """The bytes already read of a stream, then the rest of it; tells how many went through."""

    def __init__(self, first: bytes, rest: IO[bytes], advance: Callable[[int], None]) -> None:
        self._first, self._rest, self._advance = io.BytesIO(first), rest, advance

    def read(self, size: int) -> bytes:
        data = self._first.read(size) or self._rest.read(size)
        self._advance(len(data))
        return data

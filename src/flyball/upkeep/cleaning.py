"""Give space back: what the project file says may go after a while, and nothing that is governed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flyball.config import STATE_FOLDER, ProjectConfig
from flyball.core.clock import Clock, rfc3339
from flyball.core.failpoints import failpoint
from flyball.core.files import StoreFull
from flyball.core.progress import Progress
from flyball.ledger import Actor
from flyball.predictions.removal import Removed, count_before, models_before, remove_before
from flyball.registry import Registry
from flyball.sessions.removal import count_before as count_pasts
from flyball.sessions.removal import forget_before
from flyball.store import ArtifactMissing, ArtifactStore, Database, StepCache
from flyball.store.contents import named_digests
from flyball.tracking.removal import count_removable, remove_deleted
from flyball.upkeep.references import reachable
from flyball.upkeep.staging import upkeep_lock

__all__ = ["Cleaned", "Part", "clean"]

_BATCH = 200
_WORTH_IT = 1 << 20  # bytes for which the store is written anew although nothing went this time


@dataclass(slots=True)
class Part:
    """What went of one kind: how many, how many bytes they took up, and for predictions from when to when."""

    count: int = 0
    bytes: int = 0
    first: str | None = None
    last: str | None = None
    outcomes: int = 0

    def to_dict(self, *, times: bool) -> dict[str, Any]:
        plain: dict[str, Any] = {"count": self.count, "bytes": self.bytes}
        return {**plain, "first": self.first, "last": self.last, "outcomes": self.outcomes} if times else plain


@dataclass(slots=True)
class Cleaned:
    """What `flyball clean` removed, or would remove; `freed_bytes` is what the disk got back."""

    dry_run: bool
    parts: dict[str, Part] = field(default_factory=dict)
    freed_bytes: int = 0
    entries: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """What `flyball clean --json` prints."""
        parts = {name: part.to_dict(times=name == "predictions") for name, part in self.parts.items()}
        return {
            "dry_run": self.dry_run, "removed": parts, "freed_bytes": self.freed_bytes, "entries": self.entries,
            "notes": self.notes, "seconds": self.seconds,
        }  # fmt: skip


def clean(
    config: ProjectConfig,
    registry: Registry,
    *,
    actor: Actor,
    clock: Clock,
    progress: Progress,
    dry_run: bool = False,
) -> Cleaned:
    """Remove what `[retention]` of the project file lets go; without that section, nothing.

    Predictions go with their outcomes, in small transactions each of which leaves an entry in the ledger; then the store
    is written anew, so that the disk gets the space and no byte of them stays in it. Steps, and artifacts that nothing
    names, go when no run is under way. A crash at any instant leaves a whole store. Raises UpkeepBusy, RunUnderWay.
    """
    began = time.monotonic()
    work = _Work(config, registry, actor, clock, progress, Cleaned(dry_run))
    with contextlib.ExitStack() as held:
        if not dry_run:
            held.enter_context(upkeep_lock(registry.database.beside("upkeep.lock"), shared=False))
        work.predictions()
        work.pasts()
        work.deleted_runs()
        work.steps()
        work.artifacts()
        work.reports()
        work.upgrade_copies()
        work.compact()
    work.done.seconds = round(time.monotonic() - began, 3)
    return work.done


@dataclass(slots=True)
class _Work:
    """One cleaning: what it works on and what it has done."""

    config: ProjectConfig
    registry: Registry
    actor: Actor
    clock: Clock
    progress: Progress
    done: Cleaned
    emptied: bool = False
    steps_since: str = ""
    known: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.registry.database

    def before(self, kind: str) -> datetime | None:
        """The moment before which things of a kind may go; None when the project file does not say."""
        age = getattr(self.config.retention, kind)
        return None if age is None else self.clock.now() - timedelta(seconds=age)

    @contextlib.contextmanager
    def part(self, kind: str) -> Iterator[Part]:
        """What is removed of a kind, told as a step of the work."""
        self.progress.start(kind)
        part = self.done.parts[kind] = Part()
        yield part
        self.progress.finish(kind, f"{part.count:,}, {part.bytes:,} bytes")

    def predictions(self) -> None:
        limit = self.before("predictions")
        if limit is None:
            return
        with self.part("predictions") as part:
            counted = count_before(self.database, limit)
            part.bytes = counted.bytes
            if self.done.dry_run:
                self._take(part, counted)
                return
            where = self.config.where("retention.predictions")
            why = f"older than retention.predictions allows ({where})"
            for model in models_before(self.database, limit):
                while removed := remove_before(
                    self.database, self.registry.ledger, model, limit, actor=self.actor, why=why
                ):
                    self._take(part, removed)
                    self.done.entries.append(removed.entry or 0)
                    self.progress.update("predictions", part.count / max(1, counted.count), f"{part.count:,} removed")
            self.emptied |= part.count > 0

    def pasts(self) -> None:
        """What a server carries of entities that have been silent for as long as predictions are kept."""
        limit = self.before("predictions")
        if limit is None or not count_pasts(self.database, limit).bytes:
            return
        with self.part("sessions") as part:
            act = count_pasts if self.done.dry_run else forget_before
            found = act(self.database, limit)
            part.count, part.bytes = found.entities, found.bytes
            self.emptied |= not self.done.dry_run

    def deleted_runs(self) -> None:
        """Runs that were deleted long enough ago, with their files; what another run or a version shares stays."""
        limit = self.before("deleted_runs")
        if limit is None:
            return
        with self.part("deleted_runs") as part:
            total, held = count_removable(self.database, limit)
            if held:
                self.done.notes.append(
                    f"{held:,} deleted runs stay: they are held, or a registered version came from them"
                )
            if self.done.dry_run:
                part.count = total
                return
            why = f"deleted longer ago than retention.deleted_runs keeps them ({self.config.where('retention.deleted_runs')})"
            digests: set[str] = set()
            while removed := remove_deleted(self.database, self.registry.ledger, limit, actor=self.actor, why=why):
                part.count, digests = part.count + removed.count, digests | removed.digests
                self.done.entries.append(removed.entry)
                self.progress.update("deleted_runs", part.count / max(1, total), f"{part.count:,} removed")
            self.emptied |= part.count > 0
            self._give_back(sorted(digests), part)

    def _give_back(self, digests: Sequence[str], part: Part) -> None:
        """Remove blobs of removed runs at once, unless something else names them."""
        if not digests:
            return
        store, removed = self.registry.artifacts, Part()
        self._named()  # most of what has to be asked is asked before anybody has to wait for it
        for start in range(0, len(digests), _BATCH):
            self._discard(store, digests[start : start + _BATCH], self.clock.now() + timedelta(seconds=1), removed)
        part.bytes += removed.bytes

    def _take(self, part: Part, removed: Removed) -> None:
        part.count += removed.count
        part.outcomes += removed.outcomes
        times = [time for time in (part.first, part.last, removed.first, removed.last) if time is not None]
        part.first, part.last = min(times, default=None), max(times, default=None)

    def steps(self) -> None:
        limit = self.before("steps")
        if limit is None:
            return
        cache, than = StepCache(self.database), rfc3339(limit)
        with self.part("steps") as part:
            part.count, part.bytes = cache.older(than)
            if self.done.dry_run:
                self.steps_since = than
            elif part.count:
                done = cache.forget_older(than, unless=self._running)
                self.emptied |= done
                part.count, part.bytes = (part.count, part.bytes) if done else (0, 0)

    def artifacts(self) -> None:
        """Artifacts that nothing names. Each batch is judged anew while nobody can register anything."""
        limit, store = self.before("artifacts"), self.registry.artifacts
        if limit is None:
            return
        with self.part("artifacts") as part:
            named = self._named()
            unnamed = [digest for digest in store.digests() if digest not in named]
            for start in range(0, len(unnamed), _BATCH):
                self._discard(store, unnamed[start : start + _BATCH], limit, part)
                self.progress.update("artifacts", start / len(unnamed))

    def _discard(self, store: ArtifactStore, batch: Sequence[str], limit: datetime, part: Part) -> None:
        if self.done.dry_run:
            old = [digest for digest in batch if store.older(digest, limit)]
            part.count, part.bytes = part.count + len(old), part.bytes + sum(store.size(digest) for digest in old)
            return
        with self.database.write("clean.artifacts"):
            if self._running():
                return
            named = self._named()
            for digest in batch:
                with contextlib.suppress(ArtifactMissing):
                    size = store.size(digest)
                    if digest not in named and store.discard(digest, older_than=limit):
                        part.count, part.bytes = part.count + 1, part.bytes + size
                        self.done.freed_bytes += size
                        failpoint("clean.artifact:removed")

    def _named(self) -> set[str]:
        with self.database.read() as reader:
            named = named_digests(reader, steps_since=self.steps_since)
            return reachable(self.registry.artifacts, named, self.known)

    def _running(self) -> bool:
        """Whether a run is under way, which may need what would go. With the write lock held, none can begin either."""
        running = bool(self.registry.running())
        note = "a run is under way: steps and artifacts were left alone; clean again when it has ended"
        if running and note not in self.done.notes:
            self.done.notes.append(note)
        return running

    def reports(self) -> None:
        self._files("reports", (self.config.folder / STATE_FOLDER / "reports").glob("*.html"))

    def upgrade_copies(self) -> None:
        begin = self.database.beside("backup-")
        copies = [path for path in begin.parent.iterdir() if path.name.startswith(begin.name)]
        limit = self.before("upgrade_copies")
        self._files("upgrade_copies", copies)
        left = [path for path in copies if path.exists()]
        if self.done.parts.get("predictions", Part()).count and left and (limit is None or not self.done.dry_run):
            self.done.notes.append(
                f"{len(left)} copies that were made of the store before an upgrade still hold what it held then: "
                f"{left[0].name}; retention.upgrade_copies lets them go"
            )

    def _files(self, kind: str, files: Sequence[Path] | Iterator[Path]) -> None:
        limit = self.before(kind)
        if limit is None:
            return
        with self.part(kind) as part:
            for path in sorted(files):
                with contextlib.suppress(FileNotFoundError):
                    state = path.lstat()
                    if state.st_mtime >= limit.timestamp() or not path.is_file():
                        continue
                    if not self.done.dry_run:
                        path.unlink()
                        self.done.freed_bytes += state.st_size
                        failpoint(f"clean.{kind}:removed")
                    part.count, part.bytes = part.count + 1, part.bytes + state.st_size

    def compact(self) -> None:
        """Write the store anew when rows went, now or in a cleaning that a crash ended."""
        if self.done.dry_run:
            self.done.freed_bytes = sum(part.bytes for part in self.done.parts.values())
            return
        if not self.emptied and (not self.done.parts or self.database.unused_bytes() < _WORTH_IT):
            return
        self.progress.start("compact", "the store is written anew")
        before = self.database.size_bytes()
        try:
            if not self.database.compact():
                self.done.notes.append(
                    "somebody was reading for long: traces stay in the store's log until it is next used"
                )
        except StoreFull as error:
            self.done.notes.append(
                f"the store could not be made smaller ({error.what}): it needs as much free space as it is large. "
                "What was removed is overwritten, and its space is used again"
            )
        failpoint("clean.compact:after")
        self.done.freed_bytes += max(0, before - self.database.size_bytes())
        self.progress.finish("compact", f"{self.database.size_bytes():,} bytes")
